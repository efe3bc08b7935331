//! What a server tells a client of Centrifugo's protocol, read from either encoding into the same types, by a
//! codec that is not the server's.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// How a client reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Json,
    Protobuf,
}

/// A reply, a push or a ping.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Told {
    #[prost(uint32, tag = "1")]
    pub(crate) id: u32,
    #[prost(message, optional, tag = "2")]
    pub(crate) error: Option<Error>,
    #[prost(message, optional, tag = "4")]
    pub(crate) push: Option<Push>,
    #[prost(message, optional, tag = "5")]
    pub(crate) connect: Option<Connected>,
    #[prost(message, optional, tag = "6")]
    pub(crate) subscribe: Option<Subscribed>,
    #[prost(message, optional, tag = "7")]
    pub(crate) unsubscribe: Option<Nothing>,
    #[prost(message, optional, tag = "8")]
    pub(crate) publish: Option<Published>,
    #[prost(message, optional, tag = "9")]
    pub(crate) presence: Option<Presence>,
    #[prost(message, optional, tag = "10")]
    pub(crate) presence_stats: Option<Stats>,
    #[prost(message, optional, tag = "11")]
    pub(crate) history: Option<History>,
}

#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Error {
    #[prost(uint32, tag = "1")]
    pub(crate) code: u32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
    #[prost(bool, tag = "3")]
    pub(crate) temporary: bool,
}

#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Push {
    #[prost(string, tag = "2")]
    pub(crate) channel: String,
    #[prost(message, optional, tag = "4")]
    #[serde(rename = "pub")]
    pub(crate) publication: Option<Publication>,
    #[prost(message, optional, tag = "5")]
    pub(crate) join: Option<Member>,
    #[prost(message, optional, tag = "6")]
    pub(crate) leave: Option<Member>,
    #[prost(message, optional, tag = "7")]
    pub(crate) unsubscribe: Option<Unsubscribed>,
}

#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Publication {
    #[prost(bytes = "vec", tag = "4")]
    #[serde(deserialize_with = "raw")]
    pub(crate) data: Vec<u8>,
    #[prost(message, optional, tag = "5")]
    pub(crate) info: Option<Info>,
    #[prost(uint64, tag = "6")]
    pub(crate) offset: u64,
    #[prost(string, tag = "14")]
    pub(crate) epoch: String,
}

#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Info {
    #[prost(string, tag = "1")]
    pub(crate) user: String,
    #[prost(string, tag = "2")]
    pub(crate) client: String,
}

#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Member {
    #[prost(message, optional, tag = "1")]
    pub(crate) info: Option<Info>,
}

#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Unsubscribed {
    #[prost(uint32, tag = "2")]
    pub(crate) code: u32,
    #[prost(string, tag = "3")]
    pub(crate) reason: String,
}

#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Connected {
    #[prost(string, tag = "1")]
    pub(crate) client: String,
    #[prost(string, tag = "2")]
    pub(crate) version: String,
    #[prost(uint32, tag = "7")]
    pub(crate) ping: u32,
    #[prost(bool, tag = "8")]
    pub(crate) pong: bool,
}

#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Subscribed {
    #[prost(bool, tag = "3")]
    pub(crate) recoverable: bool,
    #[prost(string, tag = "6")]
    pub(crate) epoch: String,
    #[prost(message, repeated, tag = "7")]
    pub(crate) publications: Vec<Publication>,
    #[prost(bool, tag = "8")]
    pub(crate) recovered: bool,
    #[prost(uint64, tag = "9")]
    pub(crate) offset: u64,
    #[prost(bool, tag = "10")]
    pub(crate) positioned: bool,
    #[prost(bool, tag = "12")]
    pub(crate) was_recovering: bool,
}

/// With the place of the message, which is not in the protocol's own schema.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Published {
    #[prost(uint64, tag = "1001")]
    pub(crate) offset: u64,
    #[prost(string, tag = "1002")]
    pub(crate) epoch: String,
}

#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Presence {
    #[prost(map = "string, message", tag = "1")]
    pub(crate) presence: HashMap<String, Info>,
}

#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stats {
    #[prost(uint32, tag = "1")]
    pub(crate) num_clients: u32,
    #[prost(uint32, tag = "2")]
    pub(crate) num_users: u32,
}

#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct History {
    #[prost(message, repeated, tag = "1")]
    pub(crate) publications: Vec<Publication>,
    #[prost(string, tag = "2")]
    pub(crate) epoch: String,
    #[prost(uint64, tag = "3")]
    pub(crate) offset: u64,
}

/// A value as it is written.
fn raw<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let value = Box::<RawValue>::deserialize(deserializer)?;
    Ok(value.get().as_bytes().to_vec())
}

/// What a message of the server says, in its order.
pub(crate) fn read(encoding: Encoding, message: &[u8]) -> Result<Vec<Told>, String> {
    match encoding {
        Encoding::Json => {
            let text = std::str::from_utf8(message).map_err(|error| error.to_string())?;
            (text.split('\n'))
                .map(|line| {
                    serde_json::from_str(line)
                        .map_err(|error| format!("{error}: {}", &line[..line.len().min(200)]))
                })
                .collect()
        }
        Encoding::Protobuf => {
            let (mut rest, mut told) = (message, Vec::new());
            while !rest.is_empty() {
                let one: Told = prost::Message::decode_length_delimited(&mut rest)
                    .map_err(|error| format!("{error}: {message:?}"))?;
                told.push(one);
            }
            Ok(told)
        }
    }
}
