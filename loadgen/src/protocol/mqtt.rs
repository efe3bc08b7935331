//! `mqtt`: MQTT 3.1.1 in binary messages (chapter 6 of the OASIS standard), with QoS 0: connect, subscribe to the topic
//! of the room, publish in it, keep alive. What was retained from before is told apart.

mod packet;

use std::sync::Arc;

use anyhow::{Context, ensure};
use fanring::wire::message::Kind;

use self::packet::{Identity, Packet, STRING_BYTES_MAX};
use super::beat::KeepAlive;
use super::envelope::{Around, Envelope};
use super::pieces::Pieces;
use super::seam::{Choice, Entry, Listener, Manner, Offer, Place, Protocol, Speaker, Wishes};
use super::text::{Text, Who};

/// See the file.
pub(crate) const ENTRY: Entry = Entry {
    name: "mqtt",
    about: "MQTT 3.1.1 over WebSocket, QoS 0",
    choices: &[
        Choice {
            name: "topic",
            default: "room/{room}",
            about: "topic to subscribe to and publish in",
        },
        Choice {
            name: "client",
            default: "fanload-{run}-{i}",
            about: "identifier of the client, another for each session of each run",
        },
        Choice {
            name: "user",
            default: "",
            about: "name to connect with",
        },
        Choice {
            name: "password",
            default: "",
            about: "its password",
        },
        Choice {
            name: "keep-alive",
            default: "60s",
            about: "time within which the server hears of each session; 0 for none",
        },
        Choice {
            name: "publish",
            default: "{payload}",
            about: "what is published",
        },
    ],
    manner: Manner::Own,
    make,
};

/// What the chosen texts are, the same for all sessions.
#[derive(Clone, Debug)]
struct Mqtt {
    topic: Text,
    client: Text,
    user: Option<Text>,
    password: Option<Text>,
    keep_alive_seconds: u16,
    payload: Envelope,
}

fn make(wishes: &Wishes<'_>) -> anyhow::Result<Arc<dyn Protocol>> {
    let short = |name: &str, text: Text| -> anyhow::Result<Text> {
        let is_short = text.fill(&Who::default()).len() <= STRING_BYTES_MAX;
        ensure!(
            is_short,
            "--set {name}: want at most {STRING_BYTES_MAX} bytes"
        );
        Ok(text)
    };
    let text = |name: &str| short(name, wishes.text(name)?);
    let optional = |name: &str| {
        let text = wishes.optional_text(name)?;
        text.map(|text| short(name, text)).transpose()
    };
    let topic = wishes.choice("topic");
    ensure!(
        !topic.is_empty() && !topic.contains(['+', '#']),
        "--set topic={topic}: want a topic without + and #, since messages are published in it"
    );
    let (user, password) = (optional("user")?, optional("password")?);
    ensure!(
        user.is_some() || password.is_none(),
        "--set password needs --set user"
    );
    let seconds = wishes.span_ns("keep-alive")?.div_ceil(1_000_000_000);
    let keep_alive = wishes.choice("keep-alive");
    Ok(Arc::new(Mqtt {
        topic: text("topic")?,
        client: text("client")?,
        user,
        password,
        keep_alive_seconds: u16::try_from(seconds)
            .with_context(|| format!("--set keep-alive={keep_alive}: want at most 65535s"))?,
        payload: wishes.envelope("publish")?,
    }))
}

impl Protocol for Mqtt {
    fn offer(&self) -> Offer {
        Offer {
            path: Some("/mqtt".to_owned()),
            subprotocols: vec!["mqtt".to_owned()],
            ..Offer::default()
        }
    }

    fn arrives_as(&self) -> Option<Kind> {
        Some(Kind::Binary)
    }

    fn returns_own(&self) -> bool {
        true
    }

    fn speaker(&self, who: &Who<'_>) -> Box<dyn Speaker> {
        let fill = |text: &Text| text.fill(who);
        let (topic, client) = (fill(&self.topic), fill(&self.client));
        let (user, password) = (
            self.user.as_ref().map(fill),
            self.password.as_ref().map(fill),
        );
        let identity = Identity {
            client: &client,
            user: user.as_deref(),
            password: password.as_deref(),
        };
        let payload = self.payload.fill(who);
        Box::new(Talk {
            phase: Phase::Connecting,
            connect: packet::connect(&identity, self.keep_alive_seconds),
            subscribe: packet::subscribe(&topic),
            topic,
            place: match payload.is_nothing() {
                true => Place::Whole,
                false => Place::Within,
            },
            payload,
            keep_alive_ns: u64::from(self.keep_alive_seconds) * 1_000_000_000,
            alive: KeepAlive::new(Kind::Binary, packet::PING),
            pieces: Pieces::default(),
        })
    }
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Connecting,
    Subscribing,
    Ready,
}

/// One session, with its packets.
struct Talk {
    phase: Phase,
    connect: Vec<u8>,
    subscribe: Vec<u8>,
    topic: Vec<u8>,
    payload: Around,
    place: Place,
    keep_alive_ns: u64,
    alive: KeepAlive,
    pieces: Pieces,
}

impl Talk {
    fn hear(&mut self, packet: &Packet<'_>, to: &mut dyn Listener) -> Result<(), String> {
        match packet {
            Packet::Connected(Err(why)) => {
                return Err(format!("the server refused to connect: {why}"));
            }
            Packet::Subscribed(Err(why)) => {
                return Err(format!("the server refused the topic: {why}"));
            }
            Packet::Connected(Ok(())) => {
                self.phase = Phase::Subscribing;
                to.say(Kind::Binary, &self.subscribe);
            }
            Packet::Subscribed(Ok(())) => self.phase = Phase::Ready,
            Packet::Published {
                is_retained: true,
                payload,
            } => to.payload(payload, Place::Nowhere),
            Packet::Published { payload, .. } => to.payload(payload, self.place),
            Packet::Other => {}
        }
        Ok(())
    }
}

impl Speaker for Talk {
    fn opened(&mut self, now_ns: u64, to: &mut dyn Listener) {
        self.alive.begin(now_ns, self.keep_alive_ns);
        to.say(Kind::Binary, &self.connect);
    }

    fn received(
        &mut self,
        _now_ns: u64,
        _kind: Kind,
        message: &[u8],
        to: &mut dyn Listener,
    ) -> Result<(), String> {
        let mut pieces = std::mem::take(&mut self.pieces);
        let fed = pieces.feed(message, |bytes| match packet::first(bytes)? {
            Some((packet, size)) => self.hear(&packet, to).map(|()| size),
            None => Ok(0),
        });
        self.pieces = pieces;
        fed
    }

    fn waits_for(&self) -> Option<String> {
        let what = match self.phase {
            Phase::Connecting => "the answer to CONNECT",
            Phase::Subscribing => "the answer to SUBSCRIBE",
            Phase::Ready => return None,
        };
        Some(what.to_owned())
    }

    fn wrap(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Kind {
        packet::publish(&self.topic, self.payload.size(payload), out);
        self.payload.put(payload, out);
        Kind::Binary
    }

    fn due_ns(&self) -> Option<u64> {
        self.alive.due_ns()
    }

    fn due(&mut self, now_ns: u64, to: &mut dyn Listener) {
        self.alive.due(now_ns, to);
    }
}

#[cfg(test)]
mod tests {
    use fanring::ring::SLOT_MAX;

    use super::*;
    use crate::books::payload::RUN_BITS;
    use crate::protocol::testing::{self, Ear, wishes};

    fn talk(chosen: &[(&'static str, &str)]) -> Box<dyn Speaker> {
        testing::talk(&ENTRY, chosen)
    }

    fn hear(talk: &mut dyn Speaker, ear: &mut Ear, bytes: &[u8]) -> Result<(), String> {
        talk.received(0, Kind::Binary, bytes, ear)
    }

    /// Goal: a session connects, then subscribes, and is ready when both are answered, also when the answers are cut
    /// anywhere or come in one message with what was published.
    #[test]
    fn sessions_connect_and_subscribe() {
        let answers = b"\x20\x02\x00\x00\x90\x03\x00\x01\x00\x30\x0c\x00\x06room/3FNLD";
        for cut in 0..answers.len() {
            let (mut talk, mut ear) = (talk(&[]), Ear::default());
            talk.opened(0, &mut ear);
            assert!(talk.waits_for().unwrap().contains("CONNECT"));
            hear(&mut *talk, &mut ear, &answers[..cut]).unwrap();
            hear(&mut *talk, &mut ear, &answers[cut..]).unwrap();
            assert_eq!(talk.waits_for(), None, "cut at {cut}");
            let said = [
                b"\x10\x1c\x00\x04MQTT\x04\x02\x00\x3c\x00\x10fanload-000abc-7".to_vec(),
                b"\x82\x0b\x00\x01\x00\x06room/3\x00".to_vec(),
            ];
            assert_eq!(ear.said, said.map(|bytes| (Kind::Binary, bytes)));
            assert_eq!(ear.payloads, [(b"FNLD".to_vec(), Place::Whole)]);
        }
    }

    /// Goal: no two sessions have one identifier, in a run and in two of them that share a broker, which would end the
    /// one that came first; and none is longer than the 23 bytes that every broker takes (section 3.1.3.1).
    #[test]
    fn identifiers_are_nobody_elses() {
        let made = make(&wishes(&ENTRY, &[])).unwrap();
        let greeting = |run: u32, session: u32| {
            let who = Who {
                run,
                session,
                ..Who::default()
            };
            let (mut talk, mut ear) = (made.speaker(&who), Ear::default());
            talk.opened(0, &mut ear);
            ear.said.remove(0).1
        };
        let most = (1 << RUN_BITS) - 1;
        let all = [(1, 0), (1, 1), (2, 0), (2, 1), (most, SLOT_MAX)];
        let all = all.map(|(run, session)| greeting(run, session));
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        // Behind two bytes of the fixed header and ten of the variable one, and two of its own length.
        let longest = all.iter().map(|bytes| bytes.len() - 14).max();
        assert!(longest <= Some(23), "{longest:?}");
    }

    /// Goal: what was retained is told apart, however much it looks like a payload.
    #[test]
    fn retained_messages_are_told_apart() {
        let (mut talk, mut ear) = (talk(&[("publish", "<{payload}>")]), Ear::default());
        let mut sent = Vec::new();
        assert_eq!(talk.wrap(b"FNLD", &mut sent), Kind::Binary);
        assert_eq!(sent, b"\x30\x0e\x00\x06room/3<FNLD>");
        hear(&mut *talk, &mut ear, &sent).unwrap();
        sent[0] |= 1;
        hear(&mut *talk, &mut ear, &sent).unwrap();
        let places: Vec<_> = ear.payloads.iter().map(|(_, place)| *place).collect();
        assert_eq!(places, [Place::Within, Place::Nowhere]);
    }

    /// Goal: pings keep the connection alive in time, unless none are wanted.
    #[test]
    fn sessions_are_kept_alive() {
        let (mut talk, mut ear) = (talk(&[("keep-alive", "4s")]), Ear::default());
        talk.opened(1_000_000_000, &mut ear);
        for second in [4, 7, 10] {
            assert_eq!(talk.due_ns(), Some(second * 1_000_000_000));
            talk.due(second * 1_000_000_000, &mut ear);
        }
        assert_eq!(ear.said.len(), 1 + 3);
        assert_eq!(ear.said[3], (Kind::Binary, vec![0xc0, 0]));
        hear(&mut *talk, &mut ear, b"\xd0\x00").unwrap();
        assert!(ear.payloads.is_empty());
        let mut silent = self::talk(&[("keep-alive", "0")]);
        silent.opened(0, &mut ear);
        assert_eq!(silent.due_ns(), None);
    }

    /// Goal: refusals end the session with why, and choices that can't be meant are refused before.
    #[test]
    fn refusals_are_told() {
        let (mut talk, mut ear) = (talk(&[("user", "me"), ("password", "{i}")]), Ear::default());
        talk.opened(0, &mut ear);
        assert!(ear.said[0].1.ends_with(b"\x00\x02me\x00\x017"));
        for (answer, told) in [
            (&b"\x20\x02\x00\x04"[..], "refused to connect: code 4"),
            (b"\x90\x03\x00\x01\x80", "refused the topic: code 0x80"),
            (b"\x00\x00", "no packet"),
        ] {
            let error = hear(&mut *talk, &mut ear, answer).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
        for chosen in [
            ("topic", "a/#"),
            ("topic", ""),
            ("password", "x"),
            ("keep-alive", "soon"),
            ("keep-alive", "20h"),
            ("publish", "x"),
        ] {
            let error = make(&wishes(&ENTRY, &[chosen])).unwrap_err();
            assert!(format!("{error:#}").contains(chosen.0), "{error:#}");
        }
    }
}
