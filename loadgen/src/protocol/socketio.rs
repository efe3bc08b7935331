//! `socketio`: Socket.IO 5 on Engine.IO 4, over a WebSocket from the start: the handshake, a namespace, rooms that are
//! joined by an event, and the server's pings.
//!
//! Packets are text: Engine.IO's type, Socket.IO's type, the namespace unless it is `/`, an id where an answer is
//! wanted, JSON. Binary attachments and polling are not spoken.

use std::sync::Arc;

use anyhow::{bail, ensure};
use fanring::wire::message::Kind;

use super::envelope::{Around, Envelope};
use super::seam::{Choice, Entry, Listener, Manner, Offer, Place, Protocol, Speaker, Wishes};
use super::text::{Text, Who};

/// See the file.
pub(crate) const ENTRY: Entry = Entry {
    name: "socketio",
    about: "Socket.IO 5 (Engine.IO 4) over a WebSocket from the start",
    choices: &[
        Choice {
            name: "namespace",
            default: "/",
            about: "the namespace",
        },
        Choice {
            name: "auth",
            default: "",
            about: "JSON to connect to it with, such as {\"token\":\"{token}\"}",
        },
        Choice {
            name: "join",
            default: "",
            about: "arguments of an event that joins a room, such as \"join\",\"{room}\"",
        },
        Choice {
            name: "joined",
            default: "",
            about: "text that says that it has joined; \"ack\" for an answer to that event",
        },
        Choice {
            name: "publish",
            default: "\"message\",\"{payload}\"",
            about: "arguments of the event that publishes, with {payload}",
        },
    ],
    manner: Manner::Own,
    make,
};

/// Id of the join, where its answer is waited for.
const JOIN_ID: &str = "0";

/// What the chosen texts are, the same for all sessions.
#[derive(Clone, Debug)]
struct SocketIo {
    /// As packets have it: empty for `/`, else with a comma behind.
    namespace: String,
    auth: Text,
    join: Option<Text>,
    joined: Joined,
    publish: Envelope,
}

/// When a session has joined its room.
#[derive(Clone, Debug)]
enum Joined {
    /// As soon as it has said so: nobody answers.
    AtOnce,
    /// When the event is answered.
    Answered,
    /// When a message has this in it.
    Told(Text),
}

fn make(wishes: &Wishes<'_>) -> anyhow::Result<Arc<dyn Protocol>> {
    let text = |name| wishes.text(name);
    let namespace = wishes.choice("namespace");
    ensure!(
        namespace.starts_with('/') && !namespace.contains(','),
        "--set namespace={namespace}: want a name that begins with / and has no comma"
    );
    let join = wishes.optional_text("join")?;
    let joined = match wishes.choice("joined") {
        "" => Joined::AtOnce,
        _ if join.is_none() => bail!("--set joined needs --set join"),
        "ack" => Joined::Answered,
        _ => Joined::Told(text("joined")?),
    };
    Ok(Arc::new(SocketIo {
        namespace: match namespace {
            "/" => String::new(),
            other => format!("{other},"),
        },
        auth: text("auth")?,
        join,
        joined,
        publish: wishes.envelope("publish")?,
    }))
}

impl Protocol for SocketIo {
    fn offer(&self) -> Offer {
        Offer {
            path: Some("/socket.io/?EIO=4&transport=websocket".to_owned()),
            ..Offer::default()
        }
    }

    fn arrives_as(&self) -> Option<Kind> {
        Some(Kind::Text)
    }

    fn speaker(&self, who: &Who<'_>) -> Box<dyn Speaker> {
        let namespace = &self.namespace;
        let packet = |kind: &str, id: &str, before: &[u8], after: &[u8]| {
            [
                kind.as_bytes(),
                namespace.as_bytes(),
                id.as_bytes(),
                before,
                after,
            ]
            .concat()
        };
        let id = match self.joined {
            Joined::Answered => JOIN_ID,
            Joined::AtOnce | Joined::Told(_) => "",
        };
        let join = self.join.as_ref();
        let publish = self.publish.fill(who);
        Box::new(Talk {
            phase: Phase::Opening,
            connect: packet("40", "", &self.auth.fill(who), b""),
            connected: packet("40", "", b"", b""),
            refused: packet("44", "", b"", b""),
            join: join.map(|text| packet("42", id, b"[", &[&text.fill(who)[..], b"]"].concat())),
            joined: match &self.joined {
                Joined::AtOnce => None,
                Joined::Answered => Some(Sign::Start(packet("43", JOIN_ID, b"[", b""))),
                Joined::Told(text) => Some(Sign::Within(text.fill(who))),
            },
            publish: Around {
                before: packet("42", "", b"[", &publish.before),
                after: [&publish.after[..], b"]"].concat(),
            },
        })
    }
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Waits for the transport's greeting.
    Opening,
    /// Waits for the namespace.
    Connecting,
    /// Waits for the room.
    Joining,
    Ready,
}

/// What a packet that says that somebody has joined looks like.
enum Sign {
    Start(Vec<u8>),
    Within(Vec<u8>),
}

impl Sign {
    fn is_in(&self, message: &[u8]) -> bool {
        match self {
            Self::Start(start) => message.starts_with(start),
            Self::Within(part) => message.windows(part.len()).any(|window| window == part),
        }
    }
}

/// One session, with its packets.
struct Talk {
    phase: Phase,
    connect: Vec<u8>,
    connected: Vec<u8>,
    refused: Vec<u8>,
    join: Option<Vec<u8>>,
    joined: Option<Sign>,
    publish: Around,
}

impl Talk {
    /// Connected to the namespace: joins, if there is something to join.
    fn enter(&mut self, to: &mut dyn Listener) {
        self.phase = match (&self.join, &self.joined) {
            (Some(_), Some(_)) => Phase::Joining,
            _ => Phase::Ready,
        };
        if let Some(join) = &self.join {
            to.say(Kind::Text, join);
        }
    }
}

impl Speaker for Talk {
    fn received(
        &mut self,
        _now_ns: u64,
        kind: Kind,
        message: &[u8],
        to: &mut dyn Listener,
    ) -> Result<(), String> {
        if kind == Kind::Binary {
            to.payload(message, Place::Within);
            return Ok(());
        }
        match message.first() {
            Some(b'0') if self.phase == Phase::Opening => {
                self.phase = Phase::Connecting;
                to.say(Kind::Text, &self.connect);
            }
            Some(b'1') => return Err("the server closed the Engine.IO transport".to_owned()),
            Some(b'2') => to.say(Kind::Text, &[b"3", &message[1..]].concat()),
            Some(b'4')
                if self.phase == Phase::Connecting && message.starts_with(&self.connected) =>
            {
                self.enter(to);
            }
            Some(b'4') if message.starts_with(&self.refused) => {
                let why = String::from_utf8_lossy(&message[self.refused.len()..]);
                return Err(format!("the server refused the namespace: {why}"));
            }
            Some(b'4') if message.starts_with(b"41") => {
                return Err("the server left the namespace".to_owned());
            }
            Some(b'4') => {
                let joined = self
                    .joined
                    .as_ref()
                    .filter(|_| self.phase == Phase::Joining);
                if joined.is_some_and(|sign| sign.is_in(message)) {
                    self.phase = Phase::Ready;
                } else {
                    to.payload(message, Place::Within);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn waits_for(&self) -> Option<String> {
        let what = match self.phase {
            Phase::Opening => "the greeting of Engine.IO",
            Phase::Connecting => "the namespace",
            Phase::Joining => "a word that it has joined",
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

    fn talk(chosen: &[(&'static str, &str)]) -> Box<dyn Speaker> {
        testing::talk(&ENTRY, chosen)
    }

    fn hear(talk: &mut dyn Speaker, ear: &mut Ear, text: &str) -> Result<(), String> {
        talk.received(0, Kind::Text, text.as_bytes(), ear)
    }

    /// Goal: transport, namespace and room are entered in this order, each once the one before it is there, and pings are
    /// answered meanwhile.
    #[test]
    fn sessions_are_entered() {
        let chosen = [
            ("namespace", "/chat"),
            ("auth", "{\"token\":\"t{i}\"}"),
            ("join", "\"join\",\"{room}\""),
            ("joined", "ack"),
        ];
        let (mut talk, mut ear) = (talk(&chosen), Ear::default());
        talk.opened(0, &mut ear);
        assert!(ear.said.is_empty() && talk.waits_for().unwrap().contains("greeting"));
        for (message, said) in [
            (
                "0{\"sid\":\"x\",\"pingInterval\":25000}",
                "40/chat,{\"token\":\"t7\"}",
            ),
            ("2", "3"),
            ("40/chat,{\"sid\":\"y\"}", "42/chat,0[\"join\",\"3\"]"),
            ("2probe", "3probe"),
        ] {
            hear(&mut *talk, &mut ear, message).unwrap();
            assert_eq!(ear.texts().pop().unwrap(), said, "{message}");
        }
        assert!(talk.waits_for().unwrap().contains("joined"));
        hear(&mut *talk, &mut ear, "42/chat,[\"notice\"]").unwrap();
        hear(&mut *talk, &mut ear, "43/chat,0[]").unwrap();
        assert_eq!(talk.waits_for(), None);
        assert_eq!((ear.said.len(), ear.payloads.len()), (4, 1), "the notice");
    }

    /// Goal: without a room a session is ready in its namespace, and events carry payloads both ways.
    #[test]
    fn events_carry_payloads() {
        let (mut talk, mut ear) = (talk(&[]), Ear::default());
        hear(&mut *talk, &mut ear, "0{}").unwrap();
        hear(&mut *talk, &mut ear, "40{\"sid\":\"y\"}").unwrap();
        assert_eq!(
            (talk.waits_for(), ear.texts()),
            (None, vec!["40".to_owned()])
        );
        let mut out = Vec::new();
        talk.wrap(b"FNLD", &mut out);
        assert_eq!(out, b"42[\"message\",\"FNLD\"]");
        hear(&mut *talk, &mut ear, "42[\"message\",\"FNLD\"]").unwrap();
        assert_eq!(ear.payloads.len(), 1);
    }

    /// Goal: a room that is told of in words is waited for.
    #[test]
    fn rooms_can_be_told_of() {
        let (mut talk, mut ear) = (
            talk(&[("join", "\"j\""), ("joined", "in {room}")]),
            Ear::default(),
        );
        for message in ["0{}", "40", "42[\"in 4\"]"] {
            hear(&mut *talk, &mut ear, message).unwrap();
            assert!(talk.waits_for().is_some(), "{message}");
        }
        hear(&mut *talk, &mut ear, "42[\"in 3\"]").unwrap();
        assert_eq!(talk.waits_for(), None);
    }

    /// Goal: refusals end the session with what the server said, and choices that can't be meant are refused before.
    #[test]
    fn refusals_are_told() {
        let (mut talk, mut ear) = (talk(&[]), Ear::default());
        hear(&mut *talk, &mut ear, "0{}").unwrap();
        let error = hear(&mut *talk, &mut ear, "44{\"message\":\"no\"}").unwrap_err();
        assert!(error.contains("{\"message\":\"no\"}"));
        assert!(hear(&mut *talk, &mut ear, "1").is_err());
        assert!(hear(&mut *talk, &mut ear, "41").is_err());
        for chosen in [("namespace", "chat"), ("publish", "\"a\""), ("joined", "x")] {
            let error = make(&wishes(&ENTRY, &[chosen])).unwrap_err().to_string();
            assert!(error.contains(chosen.0), "{error}");
        }
    }
}
