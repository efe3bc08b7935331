//! `phoenix`: channels of the Phoenix framework, in the second version of their JSON: join the topic of the room, push an
//! event that the server broadcasts, and heartbeats. A message is `[join_ref, ref, topic, event, payload]`.

use std::sync::Arc;

use anyhow::ensure;
use fanring::wire::message::Kind;
use serde_json::Value;

use super::beat::Beat;
use super::envelope::{Around, Envelope};
use super::seam::{Choice, Entry, Listener, Manner, Offer, Place, Protocol, Speaker, Wishes};
use super::text::{Text, Who};

/// See the file.
pub(crate) const ENTRY: Entry = Entry {
    name: "phoenix",
    about: "channels of the Phoenix framework (V2 of their JSON)",
    choices: &[
        Choice {
            name: "topic",
            default: "room:{room}",
            about: "topic to join and push to",
        },
        Choice {
            name: "params",
            default: "{}",
            about: "payload to join with: JSON, such as {\"token\":\"{token}\"}",
        },
        Choice {
            name: "event",
            default: "new_msg",
            about: "event that is pushed, and that is broadcast",
        },
        Choice {
            name: "publish",
            default: "{\"body\":\"{payload}\"}",
            about: "its payload: JSON with {payload}",
        },
        Choice {
            name: "heartbeat",
            default: "30s",
            about: "time between two heartbeats",
        },
    ],
    manner: Manner::Own,
    make,
};

/// Number of the join.
const JOIN: &str = "1";

/// What the chosen texts are, the same for all sessions.
#[derive(Clone, Debug)]
struct Phoenix {
    topic: Text,
    params: Text,
    event: Text,
    payload: Envelope,
    heartbeat_ns: u64,
}

fn make(wishes: &Wishes<'_>) -> anyhow::Result<Arc<dyn Protocol>> {
    let heartbeat_ns = wishes.span_ns("heartbeat")?;
    ensure!(
        heartbeat_ns >= 1_000_000,
        "--set heartbeat={}: want at least 1ms",
        wishes.choice("heartbeat")
    );
    Ok(Arc::new(Phoenix {
        topic: wishes.text("topic")?,
        params: wishes.text("params")?,
        event: wishes.text("event")?,
        payload: wishes.envelope("publish")?,
        heartbeat_ns,
    }))
}

impl Protocol for Phoenix {
    fn offer(&self) -> Offer {
        Offer {
            path: Some("/socket/websocket?vsn=2.0.0".to_owned()),
            ..Offer::default()
        }
    }

    fn arrives_as(&self) -> Option<Kind> {
        Some(Kind::Text)
    }

    fn speaker(&self, who: &Who<'_>) -> Box<dyn Speaker> {
        let fill = |text: &Text| String::from_utf8_lossy(&text.fill(who)).into_owned();
        let (topic, event) = (fill(&self.topic), fill(&self.event));
        let quoted = Value::from(topic.as_str());
        let place = format!("{quoted},{},", Value::from(event));
        let params = fill(&self.params);
        Box::new(Talk {
            phase: Phase::Joining,
            join: format!("[\"{JOIN}\",\"{JOIN}\",{quoted},\"phx_join\",{params}]"),
            usual: format!("[null,null,{place}").into_bytes(),
            topic,
            place: place.into_bytes(),
            payload: self.payload.fill(who),
            last: 1,
            heartbeat_ns: self.heartbeat_ns,
            beat: None,
        })
    }
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Joining,
    Ready,
}

/// One session.
struct Talk {
    phase: Phase,
    join: String,
    topic: String,
    /// Topic and event, as messages have them.
    place: Vec<u8>,
    /// How broadcasts usually begin, so that they need not be taken apart.
    usual: Vec<u8>,
    payload: Around,
    /// Number of the last message.
    last: u64,
    heartbeat_ns: u64,
    beat: Option<Beat>,
}

impl Talk {
    /// A number of its own.
    fn number(&mut self) -> String {
        self.last += 1;
        self.last.to_string()
    }

    /// An answer to something that was pushed.
    fn answered(
        &mut self,
        number: &Value,
        payload: &Value,
        to: &mut dyn Listener,
    ) -> Result<(), String> {
        let is_well = payload["status"] == "ok";
        let response = &payload["response"];
        match (number == JOIN, is_well) {
            (true, true) => self.phase = Phase::Ready,
            (true, false) => return Err(format!("the server refused the topic: {response}")),
            (false, true) => {}
            (false, false) => to.rejected(format!("the server refused a push: {response}")),
        }
        Ok(())
    }
}

impl Speaker for Talk {
    fn opened(&mut self, now_ns: u64, to: &mut dyn Listener) {
        self.beat = Some(Beat::begin(now_ns, self.heartbeat_ns));
        to.say(Kind::Text, self.join.as_bytes());
    }

    fn received(
        &mut self,
        _now_ns: u64,
        kind: Kind,
        message: &[u8],
        to: &mut dyn Listener,
    ) -> Result<(), String> {
        if kind == Kind::Binary || message.starts_with(&self.usual) {
            to.payload(message, Place::Within);
            return Ok(());
        }
        let parts: Result<[Value; 5], _> = serde_json::from_slice(message);
        let [_, number, topic, event, payload] = parts.map_err(|error| {
            format!("the server sent what is no message of Phoenix's version 2: {error}")
        })?;
        match event.as_str() {
            Some("phx_reply") => self.answered(&number, &payload, to),
            Some(end @ ("phx_error" | "phx_close")) if topic == self.topic.as_str() => {
                Err(format!("the server ended the topic with {end}: {payload}"))
            }
            _ => {
                to.payload(message, Place::Within);
                Ok(())
            }
        }
    }

    fn waits_for(&self) -> Option<String> {
        let is_ready = self.phase == Phase::Ready;
        (!is_ready).then(|| "the reply to phx_join".to_owned())
    }

    fn wrap(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Kind {
        let number = self.number();
        out.extend_from_slice(format!("[\"{JOIN}\",\"{number}\",").as_bytes());
        out.extend_from_slice(&self.place);
        self.payload.put(payload, out);
        out.push(b']');
        Kind::Text
    }

    fn due_ns(&self) -> Option<u64> {
        self.beat.map(|beat| beat.due_ns())
    }

    fn due(&mut self, now_ns: u64, to: &mut dyn Listener) {
        if self.beat.as_mut().is_some_and(|beat| beat.is_due(now_ns)) {
            let number = self.number();
            let heartbeat = format!("[null,\"{number}\",\"phoenix\",\"heartbeat\",{{}}]");
            to.say(Kind::Text, heartbeat.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::testing::{self, Ear, wishes};

    const JOINED: &str =
        "[\"1\",\"1\",\"room:3\",\"phx_reply\",{\"status\":\"ok\",\"response\":{}}]";

    fn talk(chosen: &[(&'static str, &str)]) -> Box<dyn Speaker> {
        testing::talk(&ENTRY, chosen)
    }

    fn hear(talk: &mut dyn Speaker, ear: &mut Ear, text: &str) -> Result<(), String> {
        talk.received(0, Kind::Text, text.as_bytes(), ear)
    }

    /// Goal: a session is ready when its join is answered, and not by the answer to a heartbeat.
    #[test]
    fn topics_are_joined() {
        let chosen = [("params", "{\"user\":{i}}"), ("heartbeat", "2s")];
        let (mut talk, mut ear) = (talk(&chosen), Ear::default());
        talk.opened(0, &mut ear);
        talk.due(talk.due_ns().unwrap(), &mut ear);
        let alive = "[null,\"2\",\"phoenix\",\"phx_reply\",{\"status\":\"ok\",\"response\":{}}]";
        hear(&mut *talk, &mut ear, alive).unwrap();
        assert!(talk.waits_for().unwrap().contains("phx_join"));
        hear(&mut *talk, &mut ear, JOINED).unwrap();
        assert_eq!(
            (talk.waits_for(), talk.due_ns()),
            (None, Some(4_000_000_000))
        );
        assert_eq!(
            ear.texts(),
            [
                "[\"1\",\"1\",\"room:3\",\"phx_join\",{\"user\":7}]",
                "[null,\"2\",\"phoenix\",\"heartbeat\",{}]"
            ]
        );
        assert!(ear.payloads.is_empty());
    }

    /// Goal: pushes have numbers of their own, broadcasts are payloads in whatever form, and answers are none.
    #[test]
    fn broadcasts_carry_payloads() {
        let (mut talk, mut ear) = (talk(&[]), Ear::default());
        hear(&mut *talk, &mut ear, JOINED).unwrap();
        let mut out = Vec::new();
        for _ in 0..2 {
            out.clear();
            talk.wrap(b"FNLD", &mut out);
        }
        let sent = "[\"1\",\"3\",\"room:3\",\"new_msg\",{\"body\":\"FNLD\"}]";
        assert_eq!(String::from_utf8(out).unwrap(), sent);
        for message in [
            "[null,null,\"room:3\",\"new_msg\",{\"body\":\"FNLD\"}]",
            "[\"1\", null, \"room:3\", \"new_msg\", {\"body\":\"FNLD\"}]",
            "[\"1\",\"3\",\"room:3\",\"phx_reply\",{\"status\":\"ok\",\"response\":{\"body\":\"FNLD\"}}]",
        ] {
            hear(&mut *talk, &mut ear, message).unwrap();
        }
        assert_eq!((ear.payloads.len(), ear.rejections.len()), (2, 0));
        let refused = "[\"1\",\"3\",\"room:3\",\"phx_reply\",{\"status\":\"error\",\"response\":{\"why\":\"slow\"}}]";
        hear(&mut *talk, &mut ear, refused).unwrap();
        assert_eq!(
            ear.rejections,
            ["the server refused a push: {\"why\":\"slow\"}"]
        );
    }

    /// Goal: refusals and crashes end the session with what the server said, and choices that can't be meant are refused
    /// before.
    #[test]
    fn refusals_are_told() {
        let (mut talk, mut ear) = (talk(&[]), Ear::default());
        for (message, told) in [
            (
                "[\"1\",\"1\",\"room:3\",\"phx_reply\",{\"status\":\"error\",\"response\":{\"reason\":\"unauthorized\"}}]",
                "unauthorized",
            ),
            ("[\"1\",\"1\",\"room:3\",\"phx_error\",{}]", "phx_error"),
            ("[\"1\",\"1\",\"room:3\",\"phx_close\",{}]", "phx_close"),
            ("{}", "version 2"),
        ] {
            let error = hear(&mut *talk, &mut ear, message).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
        hear(
            &mut *talk,
            &mut ear,
            "[null,null,\"other\",\"phx_close\",{}]",
        )
        .unwrap();
        for chosen in [("heartbeat", "0"), ("publish", "{}")] {
            let error = make(&wishes(&ENTRY, &[chosen])).unwrap_err();
            assert!(format!("{error:#}").contains(chosen.0), "{error:#}");
        }
    }
}
