//! Centrifugo's client protocol as a server has it, in JSON and in Protobuf, as far as these tests need it. Written by the
//! schema (client.proto of `centrifugal/protocol`) and not by what is tested.

use serde_json::{Value, json};

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Json,
    Protobuf,
}

/// Where a session stood when it was here before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) offset: u64,
    pub(super) epoch: String,
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Connect,
    Subscribe {
        channel: String,
        is_recoverable: bool,
        wants_notices: bool,
        since: Option<Position>,
    },
    Publish {
        channel: String,
        data: Vec<u8>,
    },
    /// The answer to a ping, which has no number.
    Pong,
}

/// A publication: its offset and its data.
pub(super) type Publication = (u64, Vec<u8>);

/// What the server says.
#[derive(Clone, Debug)]
pub(super) enum Reply<'a> {
    Connected,
    Subscribed(&'a Subscribed),
    Published,
    Refused { code: u32, message: &'a str },
}

/// The answer to a subscribe command.
#[derive(Clone, Debug, Default)]
pub(super) struct Subscribed {
    pub(super) is_recoverable: bool,
    pub(super) epoch: String,
    pub(super) offset: u64,
    pub(super) was_recovering: bool,
    pub(super) recovered: bool,
    pub(super) publications: Vec<Publication>,
}

/// What happened in a channel.
#[derive(Clone, Debug)]
pub(super) enum Push<'a> {
    Published(&'a Publication),
    Joined,
    Left,
    Unsubscribed { code: u32, reason: &'a str },
}

impl Encoding {
    /// The commands of a message, with their numbers.
    pub(super) fn commands(self, message: &[u8]) -> Vec<(u32, Command)> {
        match self {
            Self::Json => {
                let lines = message.split(|byte| *byte == b'\n');
                let lines = lines.filter(|line| !line.is_empty());
                lines.map(json_command).collect()
            }
            Self::Protobuf => {
                let (mut rest, mut commands) = (message, Vec::new());
                while !rest.is_empty() {
                    let length = usize::try_from(varint(&mut rest)).unwrap();
                    let (command, after) = rest.split_at(length);
                    commands.push(protobuf_command(command));
                    rest = after;
                }
                commands
            }
        }
    }

    pub(super) fn ping(self) -> Vec<u8> {
        match self {
            Self::Json => b"{}".to_vec(),
            Self::Protobuf => vec![0],
        }
    }

    pub(super) fn reply(self, id: u32, reply: &Reply<'_>) -> Vec<u8> {
        match self {
            Self::Json => json_reply(id, reply).to_string().into_bytes(),
            Self::Protobuf => whole(&[number(1, id.into()), protobuf_reply(reply)]),
        }
    }

    pub(super) fn push(self, channel: &str, push: &Push<'_>) -> Vec<u8> {
        match self {
            Self::Json => {
                let what = match push {
                    Push::Published(publication) => {
                        format!("\"pub\":{}", json_publication(publication))
                    }
                    Push::Joined => {
                        "\"join\":{\"info\":{\"user\":\"\",\"client\":\"x\"}}".to_owned()
                    }
                    Push::Left => {
                        "\"leave\":{\"info\":{\"user\":\"\",\"client\":\"x\"}}".to_owned()
                    }
                    Push::Unsubscribed { code, reason } => {
                        format!("\"unsubscribe\":{{\"code\":{code},\"reason\":\"{reason}\"}}")
                    }
                };
                format!("{{\"push\":{{\"channel\":\"{channel}\",{what}}}}}").into_bytes()
            }
            Self::Protobuf => {
                let what = match push {
                    Push::Published(publication) => bytes(4, &protobuf_publication(publication)),
                    Push::Joined => bytes(5, &bytes(1, &bytes(2, b"x"))),
                    Push::Left => bytes(6, &bytes(1, &bytes(2, b"x"))),
                    Push::Unsubscribed { code, reason } => {
                        let fields = [number(2, (*code).into()), bytes(3, reason.as_bytes())];
                        bytes(7, &fields.concat())
                    }
                };
                let push = [bytes(2, channel.as_bytes()), what].concat();
                whole(&[bytes(4, &push)])
            }
        }
    }
}

fn json_command(line: &[u8]) -> (u32, Command) {
    let value: Value = serde_json::from_slice(line).unwrap();
    let id = u32::try_from(value["id"].as_u64().unwrap_or(0)).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (subscribe, publish) = (&value["subscribe"], &value["publish"]);
    let command = if value["connect"].is_object() {
        Command::Connect
    } else if subscribe.is_object() {
        let is_recovering = subscribe["recover"] == true;
        Command::Subscribe {
            channel: text(&subscribe["channel"]),
            is_recoverable: subscribe["recoverable"] == true,
            wants_notices: subscribe["join_leave"] == true,
            since: is_recovering.then(|| Position {
                offset: subscribe["offset"].as_u64().unwrap_or(0),
                epoch: text(&subscribe["epoch"]),
            }),
        }
    } else if publish.is_object() {
        Command::Publish {
            channel: text(&publish["channel"]),
            data: publish["data"].to_string().into_bytes(),
        }
    } else {
        assert_eq!(value, json!({}), "what is this?");
        Command::Pong
    };
    (id, command)
}

fn json_publication((offset, data): &Publication) -> String {
    let data = String::from_utf8(data.clone()).unwrap();
    format!("{{\"data\":{data},\"offset\":{offset}}}")
}

fn json_reply(id: u32, reply: &Reply<'_>) -> Value {
    match reply {
        Reply::Connected => {
            json!({"id": id, "connect": {"client": "x", "version": "test", "ping": 25, "pong": true}})
        }
        Reply::Published => json!({"id": id, "publish": {}}),
        Reply::Refused { code, message } => {
            json!({"id": id, "error": {"code": code, "message": message}})
        }
        Reply::Subscribed(subscribed) => {
            let mut result = json!({});
            if subscribed.is_recoverable {
                result =
                    json!({"recoverable": true, "positioned": true, "epoch": subscribed.epoch});
            }
            // What is nothing is left out.
            if subscribed.offset > 0 {
                result["offset"] = subscribed.offset.into();
            }
            for (name, value) in [
                ("was_recovering", subscribed.was_recovering),
                ("recovered", subscribed.recovered),
            ] {
                if value {
                    result[name] = true.into();
                }
            }
            let publications = subscribed.publications.iter().map(json_publication);
            let publications: Vec<Value> = publications
                .map(|text| serde_json::from_str(&text).unwrap())
                .collect();
            if !publications.is_empty() {
                result["publications"] = publications.into();
            }
            json!({"id": id, "subscribe": result})
        }
    }
}

/// Reads a number of seven bits a byte, the lowest first.
fn varint(rest: &mut &[u8]) -> u64 {
    let mut value = 0;
    for place in 0.. {
        let (byte, after) = rest.split_first().unwrap();
        *rest = after;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

/// The fields of a message: their numbers, and the number or the bytes that each has.
fn fields(message: &[u8]) -> Vec<(u64, u64, &[u8])> {
    let (mut rest, mut fields) = (message, Vec::new());
    while !rest.is_empty() {
        let key = varint(&mut rest);
        let value = varint(&mut rest);
        match key & 7 {
            0 => fields.push((key >> 3, value, &[][..])),
            2 => {
                let (bytes, after) = rest.split_at(usize::try_from(value).unwrap());
                fields.push((key >> 3, 0, bytes));
                rest = after;
            }
            other => panic!("a field of type {other}"),
        }
    }
    fields
}

fn protobuf_command(message: &[u8]) -> (u32, Command) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (mut id, mut command) = (0, Command::Pong);
    for (field, value, inner) in fields(message) {
        let inner = || fields(inner);
        let bytes = |wanted| {
            let found = inner().into_iter().find(|(field, ..)| *field == wanted);
            found.map_or(Vec::new(), |(.., bytes)| bytes.to_vec())
        };
        let number = |wanted| {
            let found = inner().into_iter().find(|(field, ..)| *field == wanted);
            found.map_or(0, |(_, value, _)| value)
        };
        match field {
            1 => id = u32::try_from(value).unwrap(),
            4 => command = Command::Connect,
            5 => {
                command = Command::Subscribe {
                    channel: text(&bytes(1)),
                    is_recoverable: number(10) == 1,
                    wants_notices: number(11) == 1,
                    since: (number(3) == 1).then(|| Position {
                        offset: number(7),
                        epoch: text(&bytes(6)),
                    }),
                }
            }
            7 => {
                command = Command::Publish {
                    channel: text(&bytes(1)),
                    data: bytes(2),
                }
            }
            other => panic!("a command of kind {other}"),
        }
    }
    (id, command)
}

fn append_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap());
}

/// A field with a number; nothing if that is 0.
fn number(field: u64, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    if value > 0 {
        append_varint(field << 3, &mut out);
        append_varint(value, &mut out);
    }
    out
}

/// A field with bytes, which may be none.
fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    append_varint(field << 3 | 2, &mut out);
    append_varint(value.len() as u64, &mut out);
    out.extend_from_slice(value);
    out
}

/// A message with its length before it.
fn whole(fields: &[Vec<u8>]) -> Vec<u8> {
    let body = fields.concat();
    let mut out = Vec::new();
    append_varint(body.len() as u64, &mut out);
    [out, body].concat()
}

fn protobuf_publication((offset, data): &Publication) -> Vec<u8> {
    [bytes(4, data), number(6, *offset)].concat()
}

fn protobuf_reply(reply: &Reply<'_>) -> Vec<u8> {
    match reply {
        Reply::Connected => bytes(5, &[bytes(1, b"x"), number(7, 25), number(8, 1)].concat()),
        Reply::Published => bytes(8, b""),
        Reply::Refused { code, message } => {
            let fields = [number(1, (*code).into()), bytes(2, message.as_bytes())];
            bytes(2, &fields.concat())
        }
        Reply::Subscribed(subscribed) => {
            let is = |field, value: bool| number(field, value.into());
            let mut fields = vec![
                is(3, subscribed.is_recoverable),
                bytes(6, subscribed.epoch.as_bytes()),
            ];
            let publications = subscribed.publications.iter();
            fields.extend(publications.map(|each| bytes(7, &protobuf_publication(each))));
            fields.extend([
                is(8, subscribed.recovered),
                number(9, subscribed.offset),
                is(10, subscribed.is_recoverable),
                is(12, subscribed.was_recovering),
            ]);
            bytes(6, &fields.concat())
        }
    }
}
