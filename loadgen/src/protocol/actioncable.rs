//! `actioncable`: Rails' Action Cable (`actioncable-v1-json`): wait for the welcome, subscribe with an identifier, perform an
//! action that broadcasts, or whisper as servers of AnyCable allow. Pings come from the server and want no answer.

use std::sync::Arc;

use fanring::wire::message::Kind;
use serde::Deserialize;
use serde_json::Value;

use super::envelope::{Around, Envelope};
use super::seam::{Choice, Entry, Listener, Manner, Offer, Place, Protocol, Speaker, Wishes};
use super::text::{Text, Who};

/// See the file.
pub(crate) const ENTRY: Entry = Entry {
    name: "actioncable",
    about: "Rails' Action Cable",
    choices: &[
        Choice {
            name: "channel",
            default: "{\"channel\":\"ChatChannel\",\"room\":\"{room}\"}",
            about: "what is subscribed to: JSON",
        },
        Choice {
            name: "command",
            default: "message",
            about: "message performs an action of the channel; whisper sends to the others (AnyCable)",
        },
        Choice {
            name: "publish",
            default: "{\"action\":\"speak\",\"message\":\"{payload}\"}",
            about: "what is performed, or whispered: JSON with {payload}",
        },
    ],
    manner: Manner::Own,
    make,
};

/// What the chosen texts are, the same for all sessions.
#[derive(Clone, Debug)]
struct ActionCable {
    channel: Text,
    is_whispered: bool,
    data: Envelope,
}

fn make(wishes: &Wishes<'_>) -> anyhow::Result<Arc<dyn Protocol>> {
    Ok(Arc::new(ActionCable {
        channel: wishes.text("channel")?,
        is_whispered: wishes.is_second("command", ["message", "whisper"])?,
        data: wishes.envelope("publish")?,
    }))
}

impl Protocol for ActionCable {
    fn offer(&self) -> Offer {
        Offer {
            path: Some("/cable".to_owned()),
            subprotocols: vec!["actioncable-v1-json".to_owned()],
            ..Offer::default()
        }
    }

    fn arrives_as(&self) -> Option<Kind> {
        Some(Kind::Text)
    }

    fn speaker(&self, who: &Who<'_>) -> Box<dyn Speaker> {
        let quoted = |bytes: &[u8]| Value::from(String::from_utf8_lossy(bytes)).to_string();
        let identifier = quoted(&self.channel.fill(who));
        let data = self.data.fill(who);
        let head =
            |command: &str| format!("{{\"command\":\"{command}\",\"identifier\":{identifier}");
        let (before, after) = match self.is_whispered {
            true => (
                [
                    format!("{},\"data\":", head("whisper")).as_bytes(),
                    &data.before,
                ]
                .concat(),
                [&data.after[..], b"}"].concat(),
            ),
            false => {
                // The data is a string; what is within its quotes is escaped, and a payload needs no escapes.
                let (before, after) = (quoted(&data.before), quoted(&data.after));
                (
                    format!(
                        "{},\"data\":{}",
                        head("message"),
                        &before[..before.len() - 1]
                    )
                    .into_bytes(),
                    format!("{}}}", &after[1..]).into_bytes(),
                )
            }
        };
        Box::new(Talk {
            phase: Phase::Opening,
            subscribe: format!("{}}}", head("subscribe")),
            usual: format!("{{\"identifier\":{identifier},\"message\":").into_bytes(),
            publish: Around { before, after },
        })
    }
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Waits for the welcome.
    Opening,
    Subscribing,
    Ready,
}

/// One session.
struct Talk {
    phase: Phase,
    subscribe: String,
    /// How messages of the channel usually begin, so that they need not be taken apart.
    usual: Vec<u8>,
    publish: Around,
}

/// A message of the protocol itself, as far as it matters.
#[derive(Deserialize)]
struct Told {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    reason: Value,
}

impl Speaker for Talk {
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
        let told: Told = serde_json::from_slice(message)
            .map_err(|error| format!("the server sent what is no message in JSON: {error}"))?;
        match (told.kind.as_str(), self.phase) {
            ("welcome", Phase::Opening) => {
                self.phase = Phase::Subscribing;
                to.say(Kind::Text, self.subscribe.as_bytes());
            }
            ("confirm_subscription", Phase::Subscribing) => self.phase = Phase::Ready,
            ("reject_subscription", _) => {
                return Err("the server rejected the subscription".to_owned());
            }
            ("disconnect", _) => {
                return Err(format!("the server ended the session: {}", told.reason));
            }
            ("ping" | "welcome" | "confirm_subscription", _) => {}
            _ => to.payload(message, Place::Within),
        }
        Ok(())
    }

    fn waits_for(&self) -> Option<String> {
        let what = match self.phase {
            Phase::Opening => "the welcome",
            Phase::Subscribing => "confirm_subscription",
            Phase::Ready => return None,
        };
        Some(what.to_owned())
    }

    fn wrap(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Kind {
        self.publish.put(payload, out);
        Kind::Text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::testing::{self, Ear, wishes};

    const IDENTIFIER: &str = "\"{\\\"channel\\\":\\\"ChatChannel\\\",\\\"room\\\":\\\"3\\\"}\"";

    fn talk(chosen: &[(&'static str, &str)]) -> Box<dyn Speaker> {
        testing::talk(&ENTRY, chosen)
    }

    fn hear(talk: &mut dyn Speaker, ear: &mut Ear, text: &str) -> Result<(), String> {
        talk.received(0, Kind::Text, text.as_bytes(), ear)
    }

    /// Goal: a session subscribes when it is welcome, and is ready when that is confirmed; pings are neither answered nor
    /// counted.
    #[test]
    fn channels_are_subscribed_to() {
        let (mut talk, mut ear) = (talk(&[]), Ear::default());
        talk.opened(0, &mut ear);
        assert!(ear.said.is_empty() && talk.waits_for().unwrap().contains("welcome"));
        let ping = "{\"type\":\"ping\",\"message\":1690000000}";
        let confirmed =
            format!("{{\"identifier\":{IDENTIFIER},\"type\":\"confirm_subscription\"}}");
        hear(&mut *talk, &mut ear, "{\"type\":\"welcome\",\"sid\":\"x\"}").unwrap();
        hear(&mut *talk, &mut ear, ping).unwrap();
        assert!(talk.waits_for().unwrap().contains("confirm_subscription"));
        hear(&mut *talk, &mut ear, &confirmed).unwrap();
        assert_eq!(talk.waits_for(), None);
        let subscribe = format!("{{\"command\":\"subscribe\",\"identifier\":{IDENTIFIER}}}");
        assert_eq!(ear.texts(), [subscribe]);
        assert!(ear.payloads.is_empty());
    }

    /// Goal: what is performed is a string with JSON in it, what is whispered is JSON, and what comes is a payload in
    /// whatever order of its fields.
    #[test]
    fn actions_are_performed() {
        let mut ear = Ear::default();
        for (command, data) in [
            (
                "message",
                "\"{\\\"action\\\":\\\"speak\\\",\\\"message\\\":\\\"FNLD\\\"}\"",
            ),
            ("whisper", "{\"action\":\"speak\",\"message\":\"FNLD\"}"),
        ] {
            let mut talk = talk(&[("command", command)]);
            let mut out = Vec::new();
            talk.wrap(b"FNLD", &mut out);
            let sent = format!(
                "{{\"command\":\"{command}\",\"identifier\":{IDENTIFIER},\"data\":{data}}}"
            );
            assert_eq!(String::from_utf8(out).unwrap(), sent);
            for message in [
                format!("{{\"identifier\":{IDENTIFIER},\"message\":{{\"body\":\"FNLD\"}}}}"),
                format!("{{\"message\":\"FNLD\",\"identifier\":{IDENTIFIER}}}"),
            ] {
                hear(&mut *talk, &mut ear, &message).unwrap();
            }
        }
        assert_eq!(ear.payloads.len(), 4);
    }

    /// Goal: refusals end the session with what the server said, and choices that can't be meant are refused before.
    #[test]
    fn refusals_are_told() {
        let (mut talk, mut ear) = (talk(&[]), Ear::default());
        for (message, told) in [
            ("{\"type\":\"reject_subscription\"}", "rejected"),
            (
                "{\"type\":\"disconnect\",\"reason\":\"unauthorized\",\"reconnect\":false}",
                "unauthorized",
            ),
            ("hello", "JSON"),
        ] {
            let error = hear(&mut *talk, &mut ear, message).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
        for chosen in [("command", "shout"), ("publish", "{}")] {
            let error = make(&wishes(&ENTRY, &[chosen])).unwrap_err();
            assert!(format!("{error:#}").contains(chosen.0), "{error:#}");
        }
    }
}
