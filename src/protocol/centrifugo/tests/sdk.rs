//! Commands as SDKs write them, without the code that is tested: in Protobuf by another codec; in JSON with
//! keys in any order, white space, escapes, and fields of a later day.

use fastrand::Rng;
use proptest::prelude::*;
use prost::Message as _;

use super::schema::{
    ChannelRequest, Command, ConnectRequest, Data, FilterNode, HeaderEntry, HistoryRequest,
    PublishRequest, RefreshRequest, RpcRequest, StreamPosition, SubRefreshRequest, SubscribeEntry,
    SubscribeRequest,
};

/// What an application says: JSON in one line, or nothing.
fn data() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("-1.5e3".to_owned()),
        Just("false".to_owned()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    let value = leaf.prop_recursive(3, 12, 4, |inner| {
        let list = prop::collection::vec(inner, 0..4);
        (list, any::<bool>()).prop_map(|(values, is_list)| match is_list {
            true => format!("[{}]", values.join(" ,")),
            false => format!("{{\"push\":[{}], \"id\" : {{}}}}", values.join(",")),
        })
    });
    prop_oneof![1 => Just(Vec::new()), 4 => value.prop_map(String::into_bytes)]
}

fn subscribe() -> impl Strategy<Value = SubscribeRequest> {
    let texts = (any::<String>(), any::<String>(), any::<String>());
    let rest = (any::<u64>(), 0..4_i64, -1..3_i32);
    let parts = (texts, rest, data(), any::<[bool; 5]>());
    parts.prop_map(
        |((channel, token, epoch), (offset, flag, kind), data, wishes)| {
            let [recover, positioned, recoverable, join_leave, is_filtered] = wishes;
            SubscribeRequest {
                channel,
                token,
                recover,
                epoch,
                offset,
                data,
                positioned,
                recoverable,
                join_leave,
                delta: if join_leave { "fossil" } else { "" }.to_owned(),
                tf: is_filtered.then(|| FilterNode {
                    op: "not".to_owned(),
                    nodes: vec![FilterNode::default()],
                }),
                flag,
                r#type: kind,
                asc: recoverable,
            }
        },
    )
}

fn connect() -> impl Strategy<Value = ConnectRequest> {
    let entry = (any::<String>(), prop::option::of(subscribe()));
    let subs = prop::collection::vec(entry, 0..3);
    let headers = prop::collection::vec(any::<(String, String)>(), 0..3);
    let parts = (any::<[String; 3]>(), data(), subs, headers);
    parts.prop_map(
        |([token, name, version], data, subs, headers)| ConnectRequest {
            token,
            data,
            subs: (subs.into_iter())
                .map(|(key, value)| SubscribeEntry { key, value })
                .collect(),
            name,
            version,
            headers: (headers.into_iter())
                .map(|(key, value)| HeaderEntry { key, value })
                .collect(),
            flag: 1,
            profile: "later".to_owned(),
        },
    )
}

fn history() -> impl Strategy<Value = HistoryRequest> {
    let since = prop::option::of(any::<(u64, String)>());
    let parts = (any::<String>(), any::<i32>(), since, any::<bool>());
    parts.prop_map(|(channel, limit, since, reverse)| HistoryRequest {
        channel,
        limit,
        since: since.map(|(offset, epoch)| StreamPosition { offset, epoch }),
        reverse,
    })
}

/// Any command, with a request that wants a reply and has an id, and others that do not.
pub(super) fn command() -> impl Strategy<Value = Command> {
    let id = prop_oneof![1..200_u32, 1..=u32::MAX];
    let kind = (0..11_u8, id, any::<[String; 2]>());
    let bodies = (connect(), subscribe(), history(), data(), -1..3_i32);
    (kind, bodies).prop_map(|((kind, id, [text, other]), bodies)| {
        let (connect, subscribe, history, data, r#type) = bodies;
        let channel = ChannelRequest {
            channel: text.clone(),
        };
        let mut command = Command {
            id,
            ..Command::default()
        };
        match kind {
            0 => command.connect = Some(connect),
            1 => command.subscribe = Some(subscribe),
            2 => command.unsubscribe = Some(channel),
            3 => {
                command.publish = Some(PublishRequest {
                    channel: text,
                    data,
                    r#type,
                    key: other,
                });
            }
            4 => command.presence = Some(channel),
            5 => command.presence_stats = Some(channel),
            6 => command.history = Some(history),
            7 => command.rpc = Some(RpcRequest { data, method: text }),
            8 => command.refresh = Some(RefreshRequest { token: text }),
            9 => {
                command.sub_refresh = Some(SubRefreshRequest {
                    channel: text,
                    token: other,
                    r#type,
                });
            }
            _ if id % 2 == 0 => {
                command.id = 0;
                command.send = Some(Data { data });
            }
            _ => command.id = 0,
        }
        command
    })
}

/// The frame of these commands in Protobuf: of each the id and the request in either order, and what no
/// schema has yet.
pub(super) fn protobuf(commands: &[Command], random: &mut Rng) -> Vec<u8> {
    let mut frame = Vec::new();
    for command in commands {
        let id = Command {
            id: command.id,
            ..Command::default()
        };
        let request = Command {
            id: 0,
            ..command.clone()
        };
        let mut parts = [
            id.encode_to_vec(),
            request.encode_to_vec(),
            b"\xfa\x07\x05later\xfd\x07\0\0\0\0".to_vec(),
        ];
        random.shuffle(&mut parts);
        let message = parts.concat();
        prost::encode_length_delimiter(message.len(), &mut frame).unwrap();
        frame.extend_from_slice(&message);
    }
    frame
}

/// A value of JSON that is to be written.
enum Json<'a> {
    Text(&'a str),
    Number(i128),
    Truth(bool),
    /// As it is; nothing is left out.
    Raw(&'a [u8]),
    /// Keys in any order.
    Object(Vec<(&'a str, Self)>),
    /// Keys in their order.
    Map(Vec<(&'a str, Self)>),
    Null,
}

/// The frame of these commands in JSON.
pub(super) fn json(commands: &[Command], random: &mut Rng) -> String {
    let lines = commands.iter().map(|command| {
        let mut line = String::new();
        envelope(command).write(&mut line, random);
        line
    });
    let mut frame = lines.collect::<Vec<_>>().join("\n");
    if random.bool() {
        frame.push('\n');
    }
    frame
}

fn envelope(command: &Command) -> Json<'_> {
    Json::Object(vec![
        ("id", Json::Number(command.id.into())),
        ("connect", optional(&command.connect, connect_body)),
        ("subscribe", optional(&command.subscribe, subscribe_body)),
        ("unsubscribe", optional(&command.unsubscribe, channel_body)),
        ("publish", optional(&command.publish, publish_body)),
        ("presence", optional(&command.presence, channel_body)),
        (
            "presence_stats",
            optional(&command.presence_stats, channel_body),
        ),
        ("history", optional(&command.history, history_body)),
        (
            "send",
            optional(&command.send, |body| {
                Json::Object(vec![("data", Json::Raw(&body.data))])
            }),
        ),
        (
            "rpc",
            optional(&command.rpc, |body| {
                let method = ("method", Json::Text(&body.method));
                Json::Object(vec![method, ("data", Json::Raw(&body.data))])
            }),
        ),
        (
            "refresh",
            optional(&command.refresh, |body| {
                Json::Object(vec![("token", Json::Text(&body.token))])
            }),
        ),
        (
            "sub_refresh",
            optional(&command.sub_refresh, |body| {
                Json::Object(vec![
                    ("channel", Json::Text(&body.channel)),
                    ("token", Json::Text(&body.token)),
                    ("type", Json::Number(body.r#type.into())),
                ])
            }),
        ),
    ])
}

fn optional<'a, T>(body: &'a Option<T>, json: fn(&'a T) -> Json<'a>) -> Json<'a> {
    body.as_ref().map_or(Json::Null, json)
}

fn channel_body(body: &ChannelRequest) -> Json<'_> {
    Json::Object(vec![("channel", Json::Text(&body.channel))])
}

fn connect_body(body: &ConnectRequest) -> Json<'_> {
    let subs = body.subs.iter();
    let headers = body.headers.iter();
    Json::Object(vec![
        ("token", Json::Text(&body.token)),
        ("data", Json::Raw(&body.data)),
        (
            "subs",
            Json::Map(
                subs.map(|entry| (&*entry.key, optional(&entry.value, subscribe_body)))
                    .collect(),
            ),
        ),
        ("name", Json::Text(&body.name)),
        ("version", Json::Text(&body.version)),
        (
            "headers",
            Json::Map(
                headers
                    .map(|entry| (&*entry.key, Json::Text(&entry.value)))
                    .collect(),
            ),
        ),
        ("flag", Json::Number(body.flag.into())),
        ("profile", Json::Text(&body.profile)),
    ])
}

fn subscribe_body(body: &SubscribeRequest) -> Json<'_> {
    let filter = |_: &FilterNode| Json::Raw(br#"{"op":"not","nodes":[{}]}"#);
    Json::Object(vec![
        ("channel", Json::Text(&body.channel)),
        ("token", Json::Text(&body.token)),
        ("recover", Json::Truth(body.recover)),
        ("epoch", Json::Text(&body.epoch)),
        ("offset", Json::Number(body.offset.into())),
        ("data", Json::Raw(&body.data)),
        ("positioned", Json::Truth(body.positioned)),
        ("recoverable", Json::Truth(body.recoverable)),
        ("join_leave", Json::Truth(body.join_leave)),
        ("delta", Json::Text(&body.delta)),
        ("tf", body.tf.as_ref().map_or(Json::Null, filter)),
        ("flag", Json::Number(body.flag.into())),
        ("type", Json::Number(body.r#type.into())),
        ("asc", Json::Truth(body.asc)),
    ])
}

fn publish_body(body: &PublishRequest) -> Json<'_> {
    Json::Object(vec![
        ("channel", Json::Text(&body.channel)),
        ("data", Json::Raw(&body.data)),
        ("type", Json::Number(body.r#type.into())),
        ("key", Json::Text(&body.key)),
    ])
}

fn history_body(body: &HistoryRequest) -> Json<'_> {
    Json::Object(vec![
        ("channel", Json::Text(&body.channel)),
        ("limit", Json::Number(body.limit.into())),
        (
            "since",
            optional(&body.since, |since| {
                Json::Object(vec![
                    ("offset", Json::Number(since.offset.into())),
                    ("epoch", Json::Text(&since.epoch)),
                ])
            }),
        ),
        ("reverse", Json::Truth(body.reverse)),
    ])
}

impl Json<'_> {
    /// Whether leaving it out, or null, says the same.
    fn is_nothing(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Number(number) => *number == 0,
            Self::Truth(is_so) => !is_so,
            Self::Map(entries) => entries.is_empty(),
            Self::Null => true,
            Self::Raw(_) | Self::Object(_) => false,
        }
    }

    fn write(&self, out: &mut String, random: &mut Rng) {
        space(out, random);
        match self {
            Self::Text(text) => write_text(out, text, random),
            Self::Number(number) => out.push_str(&number.to_string()),
            Self::Truth(is_so) => out.push_str(&is_so.to_string()),
            Self::Raw(raw) => out.push_str(std::str::from_utf8(raw).unwrap()),
            Self::Null => out.push_str("null"),
            Self::Map(entries) => write_fields(out, &entries.iter().collect::<Vec<_>>(), random),
            Self::Object(fields) => {
                let later = (
                    "later",
                    Self::Raw(br#"{"id":[{"publish":{}}, null, 1e999]}"#),
                );
                let mut written: Vec<_> = fields
                    .iter()
                    .filter(|(_, value)| {
                        let is_written = !value.is_nothing() || random.bool();
                        is_written && !matches!(value, Self::Raw([]))
                    })
                    .collect();
                if random.bool() {
                    written.push(&later);
                }
                random.shuffle(&mut written);
                write_fields(out, &written, random);
            }
        }
        space(out, random);
    }
}

fn write_fields(out: &mut String, fields: &[&(&str, Json<'_>)], random: &mut Rng) {
    out.push('{');
    for (at, (key, value)) in fields.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        space(out, random);
        write_text(out, key, random);
        space(out, random);
        out.push(':');
        match value.is_nothing() && random.bool() {
            true => out.push_str("null"),
            false => value.write(out, random),
        }
    }
    space(out, random);
    out.push('}');
}

/// Writes a string, some of it in escapes that need not be.
fn write_text(out: &mut String, text: &str, random: &mut Rng) {
    out.push('"');
    let escape_all = random.u8(..4) == 0;
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '/' if random.bool() => out.push_str("\\/"),
            '\n' if random.bool() => out.push_str("\\n"),
            _ if character.is_control() || (escape_all && random.bool()) => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04X}"));
                }
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

/// White space that ends no line.
fn space(out: &mut String, random: &mut Rng) {
    out.push_str(random.choice(["", "", "", " ", "\t", "\r"]).unwrap());
}
