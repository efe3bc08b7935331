//! `phoenix`: channels of Phoenix (serializer V2): each session joins a topic, pushes an event to it, and sends the
//! heartbeat that the socket wants.
//!
//! A message is a JSON array of the join's reference, the message's reference, topic, event and payload.

use std::sync::Arc;

use anyhow::{Context, ensure};
use fanring::wire::message::Kind;

use super::seam::{Choice, Entry, Listener, Manner, Offer, Place, Protocol, Speaker, Wishes};
use super::text::{Text, Who};

/// See the file.
pub(crate) const ENTRY: Entry = Entry {
    name: "phoenix",
    about: "Channels of Phoenix: joins a topic and pushes an event to it",
    choices: &[
        Choice {
            name: "topic",
            default: "room:{room}",
            about: "the topic each session joins",
        },
        Choice {
            name: "params",
            default: "{}",
            about: "JSON that the topic is joined with",
        },
        Choice {
            name: "event",
            default: "new_msg",
            about: "the event that publishes",
        },
        Choice {
            name: "publish",
            default: "{\"body\":\"{payload}\"}",
            about: "JSON that is pushed, with {payload}",
        },
    ],
    manner: Manner::Own,
    make,
};

/// How often a socket wants to be heard of: half of what it waits for.
const HEARTBEAT_NS: u64 = 30_000_000_000;

/// Reference of the join, by itself and on all messages of the channel.
const JOIN: &str = "\"1\"";

/// The chosen texts, the same for all sessions.
#[derive(Clone, Debug)]
struct Phoenix {
    topic: Text,
    params: Text,
    event: Text,
    before: Text,
    after: Text,
}

fn make(wishes: &Wishes<'_>) -> anyhow::Result<Arc<dyn Protocol>> {
    let text = |source: &str| Text::plain(source, wishes.columns);
    for name in ["topic", "event"] {
        let value = wishes.choice(name);
        ensure!(
            !value.is_empty() && !value.contains(['"', '\\']),
            "--set {name}={value}: want a name without quotes"
        );
    }
    let publish = wishes.choice("publish");
    let parts = publish.split_once("{payload}");
    let parts = parts.filter(|(_, after)| !after.contains("{payload}"));
    let (before, after) =
        parts.with_context(|| format!("--set publish={publish}: want {{payload}} in it, once"))?;
    Ok(Arc::new(Phoenix {
        topic: text(wishes.choice("topic"))?,
        params: text(wishes.choice("params"))?,
        event: text(wishes.choice("event"))?,
        before: text(before)?,
        after: text(after)?,
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
        let quoted = [b"\"", &self.topic.fill(who)[..], b"\""].concat();
        let channel = [format!("{JOIN},{JOIN},").as_bytes(), &quoted[..]].concat();
        let params = self.params.fill(who);
        let join = [b"[", &channel[..], b",\"phx_join\",", &params[..], b"]"].concat();
        let replied = [&channel[..], b",\"phx_reply\","].concat();
        let (event, before) = (self.event.fill(who), self.before.fill(who));
        let push = [&quoted[..], b",\"", &event[..], b"\",", &before[..]].concat();
        Box::new(Talk {
            join,
            replied,
            quoted,
            push,
            after: [&self.after.fill(who)[..], b"]"].concat(),
            is_joined: false,
            reference: 1,
            due_ns: None,
        })
    }
}

/// One session, with its messages.
struct Talk {
    join: Vec<u8>,
    /// What the answer to the join begins with, behind its bracket.
    replied: Vec<u8>,
    /// The topic in quotes.
    quoted: Vec<u8>,
    /// A push behind its references, up to the payload.
    push: Vec<u8>,
    after: Vec<u8>,
    is_joined: bool,
    /// Of the last message.
    reference: u64,
    due_ns: Option<u64>,
}

impl Talk {
    fn next_reference(&mut self) -> u64 {
        self.reference += 1;
        self.reference
    }
}

impl Speaker for Talk {
    fn opened(&mut self, now_ns: u64, to: &mut dyn Listener) {
        to.say(Kind::Text, &self.join);
        self.due_ns = Some(now_ns + HEARTBEAT_NS);
    }

    fn received(
        &mut self,
        _now_ns: u64,
        _kind: Kind,
        message: &[u8],
        to: &mut dyn Listener,
    ) -> Result<(), String> {
        let inner = message.strip_prefix(b"[").unwrap_or(message);
        let told = || String::from_utf8_lossy(message).into_owned();
        if !self.is_joined && inner.starts_with(&self.replied) {
            let outcome = &inner[self.replied.len()..];
            self.is_joined = has(outcome, b"\"status\":\"ok\"");
            return match self.is_joined {
                true => Ok(()),
                false => Err(format!("the server refused the join: {}", told())),
            };
        }
        // Of answers to what is pushed, and of the socket's own topic, nothing is to be known.
        let is_ours = has(message, &self.quoted);
        if is_ours && (has(message, b",\"phx_error\",") || has(message, b",\"phx_close\",")) {
            return Err(format!("the server closed the channel: {}", told()));
        }
        if !has(message, b",\"phx_reply\",") {
            to.payload(message, Place::Within);
        }
        Ok(())
    }

    fn waits_for(&self) -> Option<String> {
        (!self.is_joined).then(|| "the answer to its join".to_owned())
    }

    fn wrap(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Kind {
        let reference = self.next_reference();
        out.extend_from_slice(format!("[{JOIN},\"{reference}\",").as_bytes());
        out.extend_from_slice(&self.push);
        out.extend_from_slice(payload);
        out.extend_from_slice(&self.after);
        Kind::Text
    }

    fn due_ns(&self) -> Option<u64> {
        self.due_ns
    }

    fn due(&mut self, now_ns: u64, to: &mut dyn Listener) {
        let reference = self.next_reference();
        let beat = format!("[null,\"{reference}\",\"phoenix\",\"heartbeat\",{{}}]");
        to.say(Kind::Text, beat.as_bytes());
        self.due_ns = Some(now_ns + HEARTBEAT_NS);
    }
}

fn has(message: &[u8], part: &[u8]) -> bool {
    message.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::testing::{Ear, wishes};

    fn talk(chosen: &[(&'static str, &str)]) -> Box<dyn Speaker> {
        let who = Who {
            session: 7,
            room: 3,
            row: &[],
        };
        make(&wishes(&ENTRY, chosen)).unwrap().speaker(&who)
    }

    fn hear(talk: &mut dyn Speaker, ear: &mut Ear, text: &str) -> Result<(), String> {
        talk.received(0, Kind::Text, text.as_bytes(), ear)
    }

    /// Goal: a session joins its topic, is ready when that is answered, pushes with references of its own, and is heard
    /// of again.
    #[test]
    fn topics_are_joined() {
        let (mut talk, mut ear) = (talk(&[("params", "{\"user\":{i}}")]), Ear::default());
        talk.opened(1, &mut ear);
        let join = "[\"1\",\"1\",\"room:3\",\"phx_join\",{\"user\":7}]";
        assert_eq!(ear.texts(), [join]);
        let other = "[null,null,\"room:3\",\"presence_state\",{}]";
        hear(&mut *talk, &mut ear, other).unwrap();
        assert!(talk.waits_for().is_some());
        let reply = "[\"1\",\"1\",\"room:3\",\"phx_reply\",{\"status\":\"ok\",\"response\":{}}]";
        hear(&mut *talk, &mut ear, reply).unwrap();
        assert_eq!(
            (talk.waits_for(), talk.due_ns()),
            (None, Some(1 + HEARTBEAT_NS))
        );
        let mut out = Vec::new();
        talk.wrap(b"FNLD", &mut out);
        let push = "[\"1\",\"2\",\"room:3\",\"new_msg\",{\"body\":\"FNLD\"}]";
        assert_eq!(String::from_utf8(out).unwrap(), push);
        talk.due(50, &mut ear);
        assert_eq!(ear.texts()[1], "[null,\"3\",\"phoenix\",\"heartbeat\",{}]");
        assert_eq!(talk.due_ns(), Some(50 + HEARTBEAT_NS));
    }

    /// Goal: broadcasts are looked at, answers are not.
    #[test]
    fn broadcasts_are_found() {
        let (mut talk, mut ear) = (talk(&[]), Ear::default());
        for message in [
            "[null,null,\"room:3\",\"new_msg\",{\"body\":\"FNLD\"}]",
            "[\"1\",\"9\",\"room:3\",\"phx_reply\",{\"status\":\"ok\",\"response\":{}}]",
            "[null,\"3\",\"phoenix\",\"phx_reply\",{\"status\":\"ok\",\"response\":{}}]",
        ] {
            hear(&mut *talk, &mut ear, message).unwrap();
        }
        assert_eq!(ear.payloads.len(), 1);
    }

    /// Goal: a join that is refused and a channel that is closed end the session, and bad choices are refused before.
    #[test]
    fn refusals_are_told() {
        for message in [
            "[\"1\",\"1\",\"room:3\",\"phx_reply\",{\"status\":\"error\",\"response\":{\"reason\":\"no\"}}]",
            "[\"1\",null,\"room:3\",\"phx_error\",{}]",
            "[\"1\",null,\"room:3\",\"phx_close\",{}]",
        ] {
            let error = hear(&mut *talk(&[]), &mut Ear::default(), message).unwrap_err();
            assert!(error.ends_with(message), "{error}");
        }
        for chosen in [("topic", ""), ("event", "a\"b"), ("publish", "{}")] {
            let error = make(&wishes(&ENTRY, &[chosen])).unwrap_err().to_string();
            assert!(error.contains(chosen.0), "{error}");
        }
    }
}
