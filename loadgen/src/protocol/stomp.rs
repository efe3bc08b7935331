//! `stomp`: STOMP 1.2 over WebSocket, as RabbitMQ, ActiveMQ and Spring speak it: CONNECT, one subscription, SEND,
//! heartbeats.
//!
//! A frame is a command, headers, an empty line and a body that ends with NUL. A WebSocket message holds one frame, or a
//! line end, which is a heartbeat; several frames in one message are read too.

use std::sync::Arc;

use anyhow::{Context, ensure};
use fanring::wire::message::Kind;

use super::seam::{Choice, Entry, Listener, Manner, Offer, Place, Protocol, Speaker, Wishes};
use super::text::{Text, Who};

/// See the file.
pub(crate) const ENTRY: Entry = Entry {
    name: "stomp",
    about: "STOMP 1.2, as RabbitMQ, ActiveMQ and Spring speak it over a WebSocket",
    choices: &[
        Choice {
            name: "host",
            default: "/",
            about: "the virtual host",
        },
        Choice {
            name: "login",
            default: "",
            about: "the user's name, if there is one",
        },
        Choice {
            name: "passcode",
            default: "",
            about: "the user's password, such as {env:PASSCODE}",
        },
        Choice {
            name: "subscribe",
            default: "/topic/{room}",
            about: "what each session subscribes to",
        },
        Choice {
            name: "send",
            default: "/topic/{room}",
            about: "where messages are sent",
        },
        Choice {
            name: "receipt",
            default: "yes",
            about: "whether a subscription is confirmed: \"no\" for Spring's simple broker, which does not",
        },
        Choice {
            name: "heartbeat",
            default: "10000",
            about: "milliseconds between two heartbeats, if the server wants some; 0 for none",
        },
    ],
    manner: Manner::Own,
    make,
};

/// What a receipt for the subscription is called.
const RECEIPT: &str = "subscribed";

/// The chosen texts, the same for all sessions.
#[derive(Clone, Debug)]
struct Stomp {
    kind: Kind,
    host: Text,
    login: Option<(Text, Text)>,
    subscribe: Text,
    send: Text,
    wants_receipt: bool,
    heartbeat_ms: u64,
}

fn make(wishes: &Wishes<'_>) -> anyhow::Result<Arc<dyn Protocol>> {
    let text = |name| Text::escaped(wishes.choice(name), wishes.columns);
    let has_login = !wishes.choice("login").is_empty();
    let receipt = wishes.choice("receipt");
    ensure!(
        ["yes", "no"].contains(&receipt),
        "--set receipt={receipt}: want yes or no"
    );
    let heartbeat = wishes.choice("heartbeat");
    let heartbeat_ms = heartbeat.parse();
    Ok(Arc::new(Stomp {
        kind: wishes.kind,
        host: text("host")?,
        login: match has_login {
            true => Some((text("login")?, text("passcode")?)),
            false => None,
        },
        subscribe: text("subscribe")?,
        send: text("send")?,
        wants_receipt: receipt == "yes",
        heartbeat_ms: heartbeat_ms
            .with_context(|| format!("--set heartbeat={heartbeat}: want milliseconds"))?,
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

    /// Servers choose by themselves whether a body is text.
    fn arrives_as(&self) -> Option<Kind> {
        None
    }

    fn speaker(&self, who: &Who<'_>) -> Box<dyn Speaker> {
        let beat = self.heartbeat_ms.to_string();
        let beats = format!("{beat},0");
        let (host, subscribe) = (self.host.fill(who), self.subscribe.fill(who));
        let mut headers: Vec<(&str, &[u8])> = vec![
            ("accept-version", b"1.2"),
            ("host", &host),
            ("heart-beat", beats.as_bytes()),
        ];
        let login = self.login.as_ref();
        let login = login.map(|(name, passcode)| (name.fill(who), passcode.fill(who)));
        if let Some((name, passcode)) = &login {
            headers.extend([("login", &name[..]), ("passcode", &passcode[..])]);
        }
        let connect = frame("CONNECT", &headers);
        let mut subscribe = vec![
            ("id", &b"0"[..]),
            ("destination", &subscribe[..]),
            ("ack", b"auto"),
        ];
        if self.wants_receipt {
            subscribe.push(("receipt", RECEIPT.as_bytes()));
        }
        Box::new(Talk {
            kind: self.kind,
            phase: Phase::Connecting,
            wants_receipt: self.wants_receipt,
            connect,
            subscribe: frame("SUBSCRIBE", &subscribe),
            destination: self.send.fill(who),
            heartbeat_ns: self.heartbeat_ms * 1_000_000,
            due_ns: None,
        })
    }
}

/// A frame without a body.
fn frame(command: &str, headers: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = head(command, headers);
    out.push(0);
    out
}

/// A frame up to its body.
fn head(command: &str, headers: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = command.as_bytes().to_vec();
    for (name, value) in headers {
        out.push(b'\n');
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        out.extend_from_slice(value);
    }
    out.extend_from_slice(b"\n\n");
    out
}

/// A frame of the server.
#[derive(Debug, PartialEq, Eq)]
struct Frame<'a> {
    command: &'a [u8],
    /// With its lines.
    headers: &'a [u8],
    body: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Takes the first frame off a message; none if there is none, or it has no end.
    fn read(message: &'a [u8]) -> Option<Self> {
        let start = message.iter().position(|byte| !b"\r\n".contains(byte))?;
        let message = &message[start..];
        let (head_end, body_start) = blank_line(message)?;
        let (head, after) = (&message[..head_end], &message[body_start..]);
        let line_end = head.iter().position(|&byte| byte == b'\n');
        let (command, headers) = head.split_at(line_end.unwrap_or(head.len()));
        let command = command.strip_suffix(b"\r").unwrap_or(command);
        let length = value(headers, b"content-length")
            .and_then(|length| std::str::from_utf8(length).ok()?.parse::<usize>().ok());
        let end = match length.filter(|length| after.get(*length) == Some(&0)) {
            Some(length) => length,
            None => after.iter().position(|&byte| byte == 0)?,
        };
        Some(Self {
            command,
            headers,
            body: &after[..end],
            rest: &after[end + 1..],
        })
    }
}

/// Where a head ends, and where its body begins.
fn blank_line(message: &[u8]) -> Option<(usize, usize)> {
    let ends = message
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n');
    let mut ends = ends.map(|(at, _)| at);
    ends.find_map(|at| match message.get(at + 1..)? {
        [b'\n', ..] => Some((at, at + 2)),
        [b'\r', b'\n', ..] => Some((at, at + 3)),
        _ => None,
    })
}

/// The value of the first header with a name.
fn value<'a>(headers: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    headers.split(|&byte| byte == b'\n').find_map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        line.strip_prefix(name)?.strip_prefix(b":")
    })
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
    wants_receipt: bool,
    connect: Vec<u8>,
    subscribe: Vec<u8>,
    destination: Vec<u8>,
    /// Between two heartbeats; what was asked for, until the server has said what it wants.
    heartbeat_ns: u64,
    due_ns: Option<u64>,
}

impl Talk {
    fn hear(
        &mut self,
        now_ns: u64,
        frame: &Frame<'_>,
        to: &mut dyn Listener,
    ) -> Result<(), String> {
        match (frame.command, self.phase) {
            (b"MESSAGE", _) => to.payload(frame.body, Place::Within),
            (b"CONNECTED", Phase::Connecting) => {
                self.phase = match self.wants_receipt {
                    true => Phase::Subscribing,
                    false => Phase::Ready,
                };
                self.agree_on_beats(now_ns, frame);
                to.say(Kind::Text, &self.subscribe);
            }
            (b"RECEIPT", Phase::Subscribing)
                if value(frame.headers, b"receipt-id") == Some(RECEIPT.as_bytes()) =>
            {
                self.phase = Phase::Ready;
            }
            (b"ERROR", _) => {
                let why = value(frame.headers, b"message").unwrap_or(frame.body);
                let why = String::from_utf8_lossy(why);
                return Err(format!("the server answered with an ERROR frame: {why}"));
            }
            _ => {}
        }
        Ok(())
    }

    /// Heartbeats are sent as often as both sides can do with: the longer of what this side can do and the other
    /// wants, or not at all (STOMP 1.2, "Heart-beating").
    fn agree_on_beats(&mut self, now_ns: u64, frame: &Frame<'_>) {
        let wanted = value(frame.headers, b"heart-beat");
        let wanted = wanted.and_then(|text| std::str::from_utf8(text).ok()?.split_once(','));
        let wanted_ms: u64 = wanted
            .and_then(|(_, wants)| wants.trim().parse().ok())
            .unwrap_or(0);
        if wanted_ms > 0 && self.heartbeat_ns > 0 {
            self.heartbeat_ns = self.heartbeat_ns.max(wanted_ms.saturating_mul(1_000_000));
            self.due_ns = Some(now_ns.saturating_add(self.heartbeat_ns));
        }
    }
}

impl Speaker for Talk {
    fn opened(&mut self, _now_ns: u64, to: &mut dyn Listener) {
        to.say(Kind::Text, &self.connect);
    }

    fn received(
        &mut self,
        now_ns: u64,
        _kind: Kind,
        message: &[u8],
        to: &mut dyn Listener,
    ) -> Result<(), String> {
        let mut rest = message;
        while let Some(frame) = Frame::read(rest) {
            self.hear(now_ns, &frame, to)?;
            rest = frame.rest;
        }
        Ok(())
    }

    fn waits_for(&self) -> Option<String> {
        let what = match self.phase {
            Phase::Connecting => "a CONNECTED frame",
            Phase::Subscribing => "a receipt for its subscription",
            Phase::Ready => return None,
        };
        Some(what.to_owned())
    }

    fn wrap(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Kind {
        let length = payload.len().to_string();
        let headers = [
            ("destination", &self.destination[..]),
            ("content-type", b"text/plain"),
            ("content-length", length.as_bytes()),
        ];
        out.extend(head("SEND", &headers));
        out.extend_from_slice(payload);
        out.push(0);
        self.kind
    }

    fn due_ns(&self) -> Option<u64> {
        self.due_ns
    }

    fn due(&mut self, now_ns: u64, to: &mut dyn Listener) {
        to.say(Kind::Text, b"\n");
        self.due_ns = Some(now_ns + self.heartbeat_ns);
    }
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
        talk.received(5_000_000, Kind::Text, text.as_bytes(), ear)
    }

    /// Goal: a session is ready once its subscription has a receipt; then it sends what has a length, and beats as often
    /// as both want.
    #[test]
    fn sessions_subscribe() {
        let chosen = [("login", "me"), ("passcode", "p{i}"), ("heartbeat", "100")];
        let (mut talk, mut ear) = (talk(&chosen), Ear::default());
        talk.opened(0, &mut ear);
        assert_eq!(
            ear.texts(),
            ["CONNECT\naccept-version:1.2\nhost:/\nheart-beat:100,0\nlogin:me\npasscode:p7\n\n\0"]
        );
        hear(
            &mut *talk,
            &mut ear,
            "CONNECTED\r\nversion:1.2\r\nheart-beat:0,250\r\n\r\n\0\n",
        )
        .unwrap();
        let subscribe = "SUBSCRIBE\nid:0\ndestination:/topic/3\nack:auto\nreceipt:subscribed\n\n\0";
        assert_eq!(ear.texts()[1], subscribe);
        assert!(talk.waits_for().unwrap().contains("receipt"));
        hear(&mut *talk, &mut ear, "RECEIPT\nreceipt-id:subscribed\n\n\0").unwrap();
        assert_eq!((talk.waits_for(), talk.due_ns()), (None, Some(255_000_000)));
        talk.due(300_000_000, &mut ear);
        assert_eq!(
            (ear.texts()[2].as_str(), talk.due_ns()),
            ("\n", Some(550_000_000))
        );
        let mut out = Vec::new();
        talk.wrap(b"FNLD", &mut out);
        let sent =
            "SEND\ndestination:/topic/3\ncontent-type:text/plain\ncontent-length:4\n\nFNLD\0";
        assert_eq!(String::from_utf8(out).unwrap(), sent);
    }

    /// Goal: bodies are found in each frame of a message, by their length if it is right, with heartbeats between.
    #[test]
    fn bodies_are_found() {
        let (mut talk, mut ear) = (talk(&[]), Ear::default());
        let message = "\n\nMESSAGE\ncontent-length:3\n\na\0b\0\nMESSAGE\n\nFNLD\0MESSAGE\ncontent-length:9\n\nxy\0";
        hear(&mut *talk, &mut ear, message).unwrap();
        let bodies: Vec<_> = ear.payloads.iter().map(|(body, _)| &body[..]).collect();
        assert_eq!(bodies, [&b"a\0b"[..], b"FNLD", b"xy"]);
        for cut in ["", "\n", "MESSAGE\n\nno end", "MESSAGE\na:b"] {
            hear(&mut *talk, &mut ear, cut).unwrap();
        }
        assert_eq!(ear.payloads.len(), 3);
        assert_eq!(talk.due_ns(), None, "nobody wants heartbeats");
    }

    /// Goal: an ERROR frame ends the session with its words, and a choice that can't be meant is refused.
    #[test]
    fn errors_are_told() {
        let (mut talk, mut ear) = (talk(&[]), Ear::default());
        let error = hear(&mut *talk, &mut ear, "ERROR\nmessage:Bad CONNECT\n\nmore\0").unwrap_err();
        assert!(error.contains("Bad CONNECT"), "{error}");
        for (name, value) in [("heartbeat", "soon"), ("receipt", "maybe")] {
            let error = make(&wishes(&ENTRY, &[(name, value)])).unwrap_err();
            let told = format!("{name}={value}");
            assert!(error.to_string().contains(&told), "{error}");
        }
    }

    /// Goal: where no receipt comes, none is asked for and waited for.
    #[test]
    fn receipts_can_be_done_without() {
        let (mut talk, mut ear) = (talk(&[("receipt", "no")]), Ear::default());
        hear(&mut *talk, &mut ear, "CONNECTED\nversion:1.2\n\n\0").unwrap();
        assert_eq!(talk.waits_for(), None);
        assert!(!ear.texts()[0].contains("receipt"));
    }
}
