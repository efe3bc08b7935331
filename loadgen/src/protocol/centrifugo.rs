//! `centrifugo`: Centrifugo's bidirectional client protocol, in JSON or Protobuf: connect with a token, subscribe to
//! the channel of the room, publish and see it acknowledged, be told who comes and goes, answer pings. Deltas are not asked
//! for.

mod asked;
mod heard;
mod json;
mod protobuf;

use std::sync::Arc;

use fanring::wire::message::Kind;

use self::asked::Subscribe;
use self::heard::Heard;
use super::envelope::{Around, Envelope};
use super::seam::{Choice, Entry, Listener, Manner, Offer, Place, Protocol, Speaker, Wishes};
use super::text::{Text, Who};

/// See the file.
pub(crate) const ENTRY: Entry = Entry {
    name: "centrifugo",
    about: "Centrifugo's client protocol, in JSON or Protobuf",
    choices: &[
        Choice {
            name: "encoding",
            default: "json",
            about: "json or protobuf",
        },
        Choice {
            name: "token",
            default: "",
            about: "token to connect with, such as {token} with --vars",
        },
        Choice {
            name: "channel",
            default: "room-{room}",
            about: "channel to subscribe to and publish in",
        },
        Choice {
            name: "channel-token",
            default: "",
            about: "token to subscribe with",
        },
        Choice {
            name: "join-leave",
            default: "no",
            about: "whether to be told who comes and goes, which is counted",
        },
        Choice {
            name: "publish",
            default: "\"{payload}\"",
            about: "what is published: JSON with {payload}",
        },
    ],
    manner: Manner::Own,
    make,
};

/// Numbers of the first commands; publishes go on from there.
const CONNECT_ID: u32 = 1;
const SUBSCRIBE_ID: u32 = 2;

/// How many numbers publishes have before they begin anew.
const PUBLISH_IDS: u64 = (u32::MAX - SUBSCRIBE_ID) as u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Json,
    Protobuf,
}

impl Encoding {
    fn kind(self) -> Kind {
        match self {
            Self::Json => Kind::Text,
            Self::Protobuf => Kind::Binary,
        }
    }

    fn pong(self) -> &'static [u8] {
        match self {
            Self::Json => json::PONG,
            Self::Protobuf => protobuf::PONG,
        }
    }

    /// A string as commands have it.
    fn string(self, bytes: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Json => json::string(&bytes),
            Self::Protobuf => bytes,
        }
    }

    fn connect(self, token: Option<&[u8]>) -> Vec<u8> {
        match self {
            Self::Json => json::connect(CONNECT_ID, token),
            Self::Protobuf => protobuf::connect(CONNECT_ID, token),
        }
    }

    fn subscribe(self, request: &Subscribe<'_>) -> Vec<u8> {
        match self {
            Self::Json => json::subscribe(SUBSCRIBE_ID, request),
            Self::Protobuf => protobuf::subscribe(SUBSCRIBE_ID, request),
        }
    }
}

/// What the chosen texts are, the same for all sessions.
#[derive(Clone, Debug)]
struct Centrifugo {
    encoding: Encoding,
    token: Option<Text>,
    channel: Text,
    channel_token: Option<Text>,
    wants_notices: bool,
    data: Envelope,
}

fn make(wishes: &Wishes<'_>) -> anyhow::Result<Arc<dyn Protocol>> {
    Ok(Arc::new(Centrifugo {
        encoding: match wishes.is_second("encoding", ["json", "protobuf"])? {
            false => Encoding::Json,
            true => Encoding::Protobuf,
        },
        token: wishes.optional_text("token")?,
        channel: wishes.text("channel")?,
        channel_token: wishes.optional_text("channel-token")?,
        wants_notices: wishes.is_second("join-leave", ["no", "yes"])?,
        data: wishes.envelope("publish")?,
    }))
}

impl Protocol for Centrifugo {
    fn offer(&self) -> Offer {
        Offer {
            path: Some("/connection/websocket".to_owned()),
            // Without one, JSON is spoken; clients of the project offer none for it.
            subprotocols: match self.encoding {
                Encoding::Json => Vec::new(),
                Encoding::Protobuf => vec!["centrifuge-protobuf".to_owned()],
            },
            ..Offer::default()
        }
    }

    fn arrives_as(&self) -> Option<Kind> {
        Some(self.encoding.kind())
    }

    fn returns_own(&self) -> bool {
        true
    }

    fn acknowledges(&self) -> bool {
        true
    }

    fn speaker(&self, who: &Who<'_>) -> Box<dyn Speaker> {
        let encoding = self.encoding;
        let string = |text: &Text| encoding.string(text.fill(who));
        let channel = string(&self.channel);
        let token = self.token.as_ref().map(string);
        let channel_token = self.channel_token.as_ref().map(string);
        Box::new(Talk {
            encoding,
            phase: Phase::Connecting,
            connect: encoding.connect(token.as_deref()),
            subscribe: encoding.subscribe(&Subscribe {
                channel: &channel,
                token: channel_token.as_deref(),
                wants_notices: self.wants_notices,
            }),
            usual: json::usual(&channel),
            channel,
            data: self.data.fill(who),
            wants_pong: false,
            last_id: SUBSCRIBE_ID,
            published: 0,
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

/// One session, with its commands.
struct Talk {
    encoding: Encoding,
    phase: Phase,
    connect: Vec<u8>,
    subscribe: Vec<u8>,
    /// How publications in JSON usually begin.
    usual: Vec<u8>,
    /// As commands have it.
    channel: Vec<u8>,
    data: Around,
    wants_pong: bool,
    /// Number of the last command, and how many have published.
    last_id: u32,
    published: u64,
}

impl Talk {
    /// Which of the publishes a command with this number was, counted from 0.
    fn published_by(&self, id: u32) -> Option<u64> {
        let place = |id: u32| id.checked_sub(SUBSCRIBE_ID + 1).map(u64::from);
        let behind = (place(self.last_id)? + PUBLISH_IDS - place(id)?) % PUBLISH_IDS;
        self.published.checked_sub(behind + 1)
    }

    fn hear(&mut self, heard: Heard<'_>, to: &mut dyn Listener) -> Result<(), String> {
        let kind = self.encoding.kind();
        match heard {
            Heard::Ping if self.wants_pong => to.say(kind, self.encoding.pong()),
            Heard::Ping => {}
            Heard::Publication(bytes) => to.payload(bytes, Place::Within),
            Heard::Noticed(notice) => to.noticed(notice),
            Heard::Other(bytes) => to.payload(bytes, Place::Nowhere),
            Heard::Unsubscribed(why) => {
                return Err(format!("the server took the channel away: {why}"));
            }
            Heard::Answer {
                id,
                refusal: Some(why),
                ..
            } => match id {
                CONNECT_ID => return Err(format!("the server refused to connect: {why}")),
                SUBSCRIBE_ID => return Err(format!("the server refused the channel: {why}")),
                _ => {
                    let why = format!("the server refused to publish: {why}");
                    match self.published_by(id) {
                        Some(number) => to.answered(number, Err(why)),
                        None => to.rejected(why),
                    }
                }
            },
            Heard::Answer { id, wants_pong, .. } => match (id, self.phase) {
                (CONNECT_ID, Phase::Connecting) => {
                    self.wants_pong = wants_pong;
                    self.phase = Phase::Subscribing;
                    to.say(kind, &self.subscribe);
                }
                (SUBSCRIBE_ID, Phase::Subscribing) => self.phase = Phase::Ready,
                _ => {
                    if let Some(number) = self.published_by(id) {
                        to.answered(number, Ok(()));
                    }
                }
            },
        }
        Ok(())
    }
}

impl Speaker for Talk {
    fn opened(&mut self, _now_ns: u64, to: &mut dyn Listener) {
        to.say(self.encoding.kind(), &self.connect);
    }

    fn received(
        &mut self,
        _now_ns: u64,
        _kind: Kind,
        message: &[u8],
        to: &mut dyn Listener,
    ) -> Result<(), String> {
        match self.encoding {
            Encoding::Json => {
                let usual = std::mem::take(&mut self.usual);
                let heard = json::hear(message, &usual, |heard| self.hear(heard, to));
                self.usual = usual;
                heard
            }
            Encoding::Protobuf => protobuf::hear(message, |heard| self.hear(heard, to)),
        }
    }

    fn waits_for(&self) -> Option<String> {
        let what = match self.phase {
            Phase::Connecting => "the answer to its connect command",
            Phase::Subscribing => "the answer to its subscribe command",
            Phase::Ready => return None,
        };
        Some(what.to_owned())
    }

    fn wrap(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Kind {
        // From the end of all numbers to those after the first commands.
        self.last_id = self.last_id.checked_add(1).unwrap_or(SUBSCRIBE_ID + 1);
        self.published += 1;
        match self.encoding {
            Encoding::Json => {
                json::publish(self.last_id, &self.channel, out);
                self.data.put(payload, out);
                out.extend_from_slice(b"}}");
            }
            Encoding::Protobuf => {
                let data_bytes = self.data.size(payload);
                protobuf::publish(self.last_id, &self.channel, data_bytes, out);
                self.data.put(payload, out);
            }
        }
        self.encoding.kind()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::seam::Notice;
    use crate::protocol::testing::{self, Ear, wishes};

    fn talk(chosen: &[(&'static str, &str)]) -> Box<dyn Speaker> {
        testing::talk(&ENTRY, chosen)
    }

    fn hear(talk: &mut dyn Speaker, ear: &mut Ear, text: &str) -> Result<(), String> {
        talk.received(0, Kind::Text, text.as_bytes(), ear)
    }

    /// Goal: a session connects with its token, then subscribes, and is ready when both are answered; pings are answered
    /// from then on, several in a frame each.
    #[test]
    fn sessions_connect_and_subscribe() {
        let chosen = [("token", "t{i}"), ("channel-token", "c{room}")];
        let (mut talk, mut ear) = (talk(&chosen), Ear::default());
        talk.opened(0, &mut ear);
        assert!(talk.waits_for().unwrap().contains("connect command"));
        hear(&mut *talk, &mut ear, "{}").unwrap();
        hear(
            &mut *talk,
            &mut ear,
            "{\"id\":1,\"connect\":{\"pong\":true}}",
        )
        .unwrap();
        assert!(talk.waits_for().unwrap().contains("subscribe command"));
        hear(&mut *talk, &mut ear, "{\"id\":2,\"subscribe\":{}}\n{}\n{}").unwrap();
        assert_eq!(talk.waits_for(), None);
        assert_eq!(
            ear.texts(),
            [
                "{\"id\":1,\"connect\":{\"name\":\"fanload\",\"token\":\"t7\"}}",
                "{\"id\":2,\"subscribe\":{\"channel\":\"room-3\",\"token\":\"c3\"}}",
                "{}",
                "{}"
            ],
            "no pong before one was asked for"
        );
    }

    /// Goal: publishes are numbered, publications of a frame are handed on one by one, and each answer is told as that of
    /// its publish: that it was taken, or why it was refused.
    #[test]
    fn publishes_are_acknowledged() {
        let chosen = [("publish", "{\"text\":\"{payload}\",\"by\":{i}}")];
        let (mut talk, mut ear) = (talk(&chosen), Ear::default());
        let mut out = Vec::new();
        for _ in 0..2 {
            out.clear();
            assert_eq!(talk.wrap(b"FNLD", &mut out), Kind::Text);
        }
        let sent =
            "{\"id\":4,\"publish\":{\"channel\":\"room-3\",\"data\":{\"text\":\"FNLD\",\"by\":7}}}";
        assert_eq!(String::from_utf8(out).unwrap(), sent);
        let push = |text| {
            format!("{{\"push\":{{\"channel\":\"room-3\",\"{text}\":{{\"data\":\"FNLD\"}}}}}}")
        };
        let frame = ["pub", "pub", "message", "join", "leave"]
            .map(push)
            .join("\n");
        hear(&mut *talk, &mut ear, &frame).unwrap();
        let places: Vec<_> = ear.payloads.iter().map(|(_, place)| *place).collect();
        assert_eq!(places, [Place::Within, Place::Within, Place::Nowhere]);
        assert_eq!(ear.notices, [Notice::Joined, Notice::Left]);
        let refused = "{\"id\":4,\"error\":{\"code\":111,\"message\":\"too many requests\"}}";
        for answer in [
            refused,
            "{\"id\":3,\"publish\":{}}",
            "{\"id\":5,\"publish\":{}}",
        ] {
            hear(&mut *talk, &mut ear, answer).unwrap();
        }
        let why = "the server refused to publish: 111 too many requests".to_owned();
        assert_eq!(
            ear.answers,
            [(1, Err(why)), (0, Ok(()))],
            "nobody has sent a third"
        );
    }

    /// Goal: publishes keep their numbers when those of the commands begin anew.
    #[test]
    fn numbers_begin_anew() {
        let mut talk = Talk {
            encoding: Encoding::Json,
            phase: Phase::Ready,
            connect: Vec::new(),
            subscribe: Vec::new(),
            usual: Vec::new(),
            channel: Vec::new(),
            data: Around::default(),
            wants_pong: false,
            last_id: u32::MAX - 2,
            published: 1_000,
        };
        for _ in 0..4 {
            talk.wrap(b"FNLD", &mut Vec::new());
        }
        let ids = [
            u32::MAX - 2,
            u32::MAX,
            SUBSCRIBE_ID + 1,
            SUBSCRIBE_ID + 2,
            SUBSCRIBE_ID,
        ];
        let numbers = ids.map(|id| talk.published_by(id));
        assert_eq!(
            numbers,
            [Some(999), Some(1_001), Some(1_002), Some(1_003), None]
        );
    }

    /// Goal: the same in Protobuf, in binary messages and with its subprotocol.
    #[test]
    fn protobuf_is_spoken() {
        let made = make(&wishes(&ENTRY, &[("encoding", "protobuf")])).unwrap();
        assert_eq!(made.offer().subprotocols, ["centrifuge-protobuf"]);
        assert_eq!(made.arrives_as(), Some(Kind::Binary));
        let (mut talk, mut ear) = (made.speaker(&Who::default()), Ear::default());
        talk.opened(0, &mut ear);
        for message in [
            &b"\x06\x08\x01\x2a\x02\x40\x01"[..],
            b"\x04\x08\x02\x32\x00\x00",
            b"\x0e\x22\x0c\x12\x06room-0\x22\x02\x22\x00",
        ] {
            talk.received(0, Kind::Binary, message, &mut ear).unwrap();
        }
        assert_eq!(talk.waits_for(), None);
        let said = [
            protobuf::connect(1, None),
            protobuf::subscribe(2, &Subscribe::to(b"room-0")),
            vec![0],
        ];
        assert_eq!(ear.said, said.map(|bytes| (Kind::Binary, bytes)));
        assert_eq!(ear.payloads, [(Vec::new(), Place::Within)]);
        let mut out = Vec::new();
        assert_eq!(talk.wrap(b"FNLD", &mut out), Kind::Binary);
        assert!(out.ends_with(b"\x12\x06\"FNLD\""));
    }

    /// Goal: refusals end the session with what the server said, and choices that can't be meant are refused before.
    #[test]
    fn refusals_are_told() {
        let (mut talk, mut ear) = (talk(&[]), Ear::default());
        for (message, told) in [
            (
                "{\"id\":1,\"error\":{\"code\":109,\"message\":\"token expired\"}}",
                "refused to connect: 109 token expired",
            ),
            (
                "{\"id\":2,\"error\":{\"code\":103,\"message\":\"permission denied\"}}",
                "refused the channel: 103 permission denied",
            ),
            (
                "{\"push\":{\"channel\":\"room-3\",\"unsubscribe\":{\"code\":2500,\"reason\":\"lag\"}}}",
                "took the channel away: 2500 lag",
            ),
            ("nonsense", "not a reply in JSON"),
        ] {
            let error = hear(&mut *talk, &mut ear, message).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
        for chosen in [("encoding", "xml"), ("publish", "1"), ("join-leave", "1")] {
            let error = make(&wishes(&ENTRY, &[chosen])).unwrap_err();
            assert!(format!("{error:#}").contains(chosen.0), "{error:#}");
        }
    }
}
