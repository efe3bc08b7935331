//! `stomp`: STOMP 1.2: connect, subscribe to the destination of the room, send to it, and heart-beats as both sides have
//! agreed. A frame may be cut over several messages, and several may come in one.

mod frame;

use std::sync::Arc;

use anyhow::ensure;
use fanring::wire::message::Kind;

use self::frame::{First, Frame};
use super::beat::KeepAlive;
use super::envelope::{Around, Envelope};
use super::pieces::Pieces;
use super::seam::{Choice, Entry, Listener, Manner, Offer, Place, Protocol, Speaker, Wishes};
use super::text::{Text, Who};

/// See the file.
pub(crate) const ENTRY: Entry = Entry {
    name: "stomp",
    about: "STOMP 1.2 over WebSocket",
    choices: &[
        Choice {
            name: "subscribe",
            default: "/topic/{room}",
            about: "destination to subscribe to",
        },
        Choice {
            name: "send",
            default: "/topic/{room}",
            about: "destination to send to",
        },
        Choice {
            name: "host",
            default: "/",
            about: "virtual host",
        },
        Choice {
            name: "login",
            default: "",
            about: "name to connect with",
        },
        Choice {
            name: "passcode",
            default: "",
            about: "its password",
        },
        Choice {
            name: "heartbeat",
            default: "10s",
            about: "how often this side can be heard of, and wants to hear of the other; 0 for never",
        },
        Choice {
            name: "receipt",
            default: "yes",
            about: "whether subscriptions are confirmed: no for servers that do not, such as Spring's simple broker",
        },
        Choice {
            name: "publish",
            default: "{payload}",
            about: "what is sent",
        },
    ],
    manner: Manner::Own,
    make,
};

/// Name of the only subscription, and of its receipt.
const SUBSCRIPTION: &[u8] = b"room";

/// What the chosen texts are, the same for all sessions.
#[derive(Clone, Debug)]
struct Stomp {
    /// Of the messages that go out.
    kind: Kind,
    subscribe: Text,
    send: Text,
    host: Text,
    login: Option<Text>,
    passcode: Option<Text>,
    heart_beat_ms: u64,
    is_confirmed: bool,
    body: Envelope,
}

fn make(wishes: &Wishes<'_>) -> anyhow::Result<Arc<dyn Protocol>> {
    let (login, passcode) = (
        wishes.optional_text("login")?,
        wishes.optional_text("passcode")?,
    );
    ensure!(
        login.is_some() || passcode.is_none(),
        "--set passcode needs --set login"
    );
    Ok(Arc::new(Stomp {
        kind: wishes.kind,
        subscribe: wishes.text("subscribe")?,
        send: wishes.text("send")?,
        host: wishes.text("host")?,
        login,
        passcode,
        heart_beat_ms: wishes.span_ns("heartbeat")?.div_ceil(1_000_000),
        is_confirmed: !wishes.is_second("receipt", ["yes", "no"])?,
        body: wishes.envelope("publish")?,
    }))
}

impl Protocol for Stomp {
    fn offer(&self) -> Offer {
        Offer {
            path: Some("/ws".to_owned()),
            subprotocols: vec!["v12.stomp".to_owned()],
            ..Offer::default()
        }
    }

    /// Servers choose the type of their messages without regard to that of others'.
    fn arrives_as(&self) -> Option<Kind> {
        None
    }

    fn returns_own(&self) -> bool {
        true
    }

    fn speaker(&self, who: &Who<'_>) -> Box<dyn Speaker> {
        let fill = |text: &Text| text.fill(who);
        let (host, subscribe) = (fill(&self.host), fill(&self.subscribe));
        let beats = format!("{0},{0}", self.heart_beat_ms);
        let mut headers = vec![
            ("accept-version", &b"1.2"[..]),
            ("host", &host[..]),
            ("heart-beat", beats.as_bytes()),
        ];
        let secrets = [("login", &self.login), ("passcode", &self.passcode)];
        let secrets = secrets.map(|(name, text)| (name, text.as_ref().map(fill)));
        for (name, value) in &secrets {
            headers.extend(value.as_ref().map(|value| (*name, &value[..])));
        }
        let connect = frame::bare("CONNECT", &headers);
        let mut headers = vec![
            ("id", SUBSCRIPTION),
            ("destination", &subscribe[..]),
            ("ack", &b"auto"[..]),
        ];
        headers.extend(self.is_confirmed.then_some(("receipt", SUBSCRIPTION)));
        let body = self.body.fill(who);
        Box::new(Talk {
            kind: self.kind,
            phase: Phase::Connecting,
            connect,
            subscribe: frame::bare("SUBSCRIBE", &headers),
            is_confirmed: self.is_confirmed,
            destination: fill(&self.send),
            place: match body.is_nothing() {
                true => Place::Whole,
                false => Place::Within,
            },
            body,
            heart_beat_ms: self.heart_beat_ms,
            alive: KeepAlive::new(self.kind, frame::HEART_BEAT),
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

/// One session, with its frames.
struct Talk {
    kind: Kind,
    phase: Phase,
    connect: Vec<u8>,
    subscribe: Vec<u8>,
    is_confirmed: bool,
    destination: Vec<u8>,
    body: Around,
    place: Place,
    heart_beat_ms: u64,
    alive: KeepAlive,
    pieces: Pieces,
}

impl Talk {
    fn hear(
        &mut self,
        frame: &Frame<'_>,
        now_ns: u64,
        to: &mut dyn Listener,
    ) -> Result<(), String> {
        match (frame.command, self.phase) {
            (b"MESSAGE", _) => to.payload(frame.body, self.place),
            (b"CONNECTED", Phase::Connecting) => {
                let period_ns = self.agree(frame)?;
                self.alive.begin(now_ns, period_ns);
                self.phase = match self.is_confirmed {
                    true => Phase::Subscribing,
                    false => Phase::Ready,
                };
                to.say(self.kind, &self.subscribe);
            }
            (b"RECEIPT", Phase::Subscribing) => self.phase = Phase::Ready,
            (b"ERROR", Phase::Connecting) => {
                return Err(format!("the server refused to connect: {}", frame.told()));
            }
            (b"ERROR", Phase::Subscribing) => {
                return Err(format!(
                    "the server refused the destination: {}",
                    frame.told()
                ));
            }
            (b"ERROR", Phase::Ready) => {
                return Err(format!("the server ended the session: {}", frame.told()));
            }
            _ => {}
        }
        Ok(())
    }

    /// How often this side has to be heard of, in nanoseconds: what it can, and the other side wants; 0 for never.
    fn agree(&self, connected: &Frame<'_>) -> Result<u64, String> {
        let Some(header) = connected.header("heart-beat") else {
            return Ok(0);
        };
        let wanted = header
            .split_once(',')
            .map(|(_, wanted)| wanted.trim().parse::<u64>());
        let Some(Ok(wanted_ms)) = wanted else {
            return Err(format!("the server wants a heart-beat of {header:?}"));
        };
        if wanted_ms == 0 || self.heart_beat_ms == 0 {
            return Ok(0);
        }
        Ok(self.heart_beat_ms.max(wanted_ms).saturating_mul(1_000_000))
    }
}

impl Speaker for Talk {
    fn opened(&mut self, _now_ns: u64, to: &mut dyn Listener) {
        to.say(self.kind, &self.connect);
    }

    fn received(
        &mut self,
        now_ns: u64,
        _kind: Kind,
        message: &[u8],
        to: &mut dyn Listener,
    ) -> Result<(), String> {
        let mut pieces = std::mem::take(&mut self.pieces);
        let fed = pieces.feed(message, |bytes| match frame::first(bytes)? {
            First::Frame(frame, size) => self.hear(&frame, now_ns, to).map(|()| size),
            First::HeartBeat(size) => Ok(size),
            First::Cut => Ok(0),
        });
        self.pieces = pieces;
        fed
    }

    fn waits_for(&self) -> Option<String> {
        let what = match self.phase {
            Phase::Connecting => "CONNECTED",
            Phase::Subscribing => "the RECEIPT for its subscription",
            Phase::Ready => return None,
        };
        Some(what.to_owned())
    }

    fn wrap(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Kind {
        let size = self.body.size(payload).to_string();
        let headers = [
            ("destination", &self.destination[..]),
            ("content-type", &b"text/plain"[..]),
            ("content-length", size.as_bytes()),
        ];
        frame::begin("SEND", &headers, out);
        self.body.put(payload, out);
        out.push(0);
        self.kind
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
    use super::*;
    use crate::protocol::testing::{self, Ear, wishes};

    const CONNECTED: &[u8] = b"CONNECTED\nversion:1.2\nheart-beat:500,4000\n\n\0\n";

    fn talk(chosen: &[(&'static str, &str)]) -> Box<dyn Speaker> {
        testing::talk(&ENTRY, chosen)
    }

    fn hear(talk: &mut dyn Speaker, ear: &mut Ear, bytes: &[u8]) -> Result<(), String> {
        talk.received(0, Kind::Text, bytes, ear)
    }

    /// Goal: a session connects, then subscribes, and is ready when that is confirmed; wherever the frames are cut.
    #[test]
    fn sessions_connect_and_subscribe() {
        let answers = [
            CONNECTED,
            b"\nRECEIPT\nreceipt-id:room\n\n\0",
            b"MESSAGE\nsubscription:room\n\nFNLD\0\n",
        ]
        .concat();
        let chosen = [("login", "me"), ("passcode", "a:{i}"), ("host", "v")];
        for cut in 0..answers.len() {
            let (mut talk, mut ear) = (talk(&chosen), Ear::default());
            talk.opened(0, &mut ear);
            assert!(talk.waits_for().unwrap().contains("CONNECTED"));
            hear(&mut *talk, &mut ear, &answers[..cut]).unwrap();
            hear(&mut *talk, &mut ear, &answers[cut..]).unwrap();
            assert_eq!(talk.waits_for(), None, "cut at {cut}");
            assert_eq!(
                ear.texts(),
                [
                    "CONNECT\naccept-version:1.2\nhost:v\nheart-beat:10000,10000\nlogin:me\npasscode:a:7\n\n\0",
                    "SUBSCRIBE\nid:room\ndestination:/topic/3\nack:auto\nreceipt:room\n\n\0"
                ]
            );
            assert_eq!(ear.payloads, [(b"FNLD".to_vec(), Place::Whole)]);
        }
    }

    /// Goal: a session is ready at once where nothing is confirmed, and what it sends has its length.
    #[test]
    fn messages_have_their_length() {
        let chosen = [
            ("receipt", "no"),
            ("publish", "\\0{payload}"),
            ("send", "a:{room}"),
        ];
        let (mut talk, mut ear) = (talk(&chosen), Ear::default());
        hear(&mut *talk, &mut ear, CONNECTED).unwrap();
        assert_eq!(talk.waits_for(), None);
        assert!(!ear.texts()[0].contains("receipt"));
        let mut out = Vec::new();
        assert_eq!(talk.wrap(b"FNLD", &mut out), Kind::Text);
        assert_eq!(
            String::from_utf8_lossy(&out),
            "SEND\ndestination:a\\c3\ncontent-type:text/plain\ncontent-length:5\n\n\0FNLD\0"
        );
        let message = b"MESSAGE\ncontent-length:5\n\n\0FNLD\0";
        hear(&mut *talk, &mut ear, message).unwrap();
        assert_eq!(ear.payloads, [(b"\0FNLD".to_vec(), Place::Within)]);
    }

    /// Goal: heart-beats keep to what both sides can, and there are none where one wants none.
    #[test]
    fn heart_beats_are_agreed_on() {
        const SECOND: u64 = 1_000_000_000;
        for (own, theirs, due_ns) in [
            ("1s", "0,4000", Some(3 * SECOND)),
            ("8s", "0,4000", Some(6 * SECOND)),
            ("0", "0,4000", None),
            ("8s", "4000,0", None),
        ] {
            let (mut talk, mut ear) = (talk(&[("heartbeat", own)]), Ear::default());
            let connected = format!("CONNECTED\nheart-beat:{theirs}\n\n\0");
            hear(&mut *talk, &mut ear, connected.as_bytes()).unwrap();
            assert_eq!(talk.due_ns(), due_ns, "{own} and {theirs}");
            if let Some(due_ns) = due_ns {
                talk.due(due_ns, &mut ear);
                assert_eq!(ear.texts().pop().unwrap(), "\n");
            }
        }
        let (mut talk, mut ear) = (talk(&[]), Ear::default());
        hear(&mut *talk, &mut ear, b"CONNECTED\n\n\0").unwrap();
        assert_eq!(talk.due_ns(), None);
    }

    /// Goal: errors end the session with what the server said, and choices that can't be meant are refused before.
    #[test]
    fn errors_are_told() {
        let (mut talk, mut ear) = (talk(&[]), Ear::default());
        let error = b"ERROR\nmessage:not you\n\nAccess refused\0";
        let told = |result: Result<(), String>| result.unwrap_err();
        let early = told(hear(&mut *talk, &mut ear, error));
        assert_eq!(
            early,
            "the server refused to connect: not you: Access refused"
        );
        hear(&mut *talk, &mut ear, CONNECTED).unwrap();
        assert!(told(hear(&mut *talk, &mut ear, error)).contains("refused the destination"));
        hear(&mut *talk, &mut ear, b"RECEIPT\nreceipt-id:room\n\n\0").unwrap();
        assert!(told(hear(&mut *talk, &mut ear, error)).contains("ended the session"));
        assert!(told(hear(&mut *talk, &mut ear, b"{}\n\n")).contains("no frame"));
        for chosen in [
            ("passcode", "x"),
            ("heartbeat", "often"),
            ("receipt", "maybe"),
            ("publish", "x"),
        ] {
            let error = make(&wishes(&ENTRY, &[chosen])).unwrap_err();
            assert!(format!("{error:#}").contains(chosen.0), "{error:#}");
        }
    }
}
