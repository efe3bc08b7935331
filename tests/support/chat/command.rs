//! What a client of Centrifugo's protocol asks for, in either encoding.

use super::room::Place;
use super::told::Encoding;

/// A command's request.
#[derive(Debug, Clone)]
pub(crate) enum Request<'a> {
    Connect,
    Subscribe {
        channel: &'a str,
        /// The last place that it knows.
        since: Option<&'a Place>,
    },
    Unsubscribe {
        channel: &'a str,
    },
    Publish {
        channel: &'a str,
        data: &'a [u8],
    },
    Presence {
        channel: &'a str,
    },
    Stats {
        channel: &'a str,
    },
    History {
        channel: &'a str,
        limit: i32,
        since: Option<&'a Place>,
        reverse: bool,
    },
}

/// The answer to a ping.
pub(crate) fn pong(encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Json => b"{}".to_vec(),
        Encoding::Protobuf => vec![0],
    }
}

/// A command, to be put into a message with others by [`join`].
pub(crate) fn command(encoding: Encoding, id: u32, request: &Request<'_>) -> Vec<u8> {
    match encoding {
        Encoding::Json => json(id, request),
        Encoding::Protobuf => {
            let mut command = Fields::default();
            command.number(1, id.into());
            let (tag, fields) = protobuf(request);
            command.bytes(tag, &fields.0);
            let mut whole = Fields::default();
            whole.varint(command.0.len() as u64);
            whole.0.extend(command.0);
            whole.0
        }
    }
}

/// The message that has all of these commands.
pub(crate) fn join(encoding: Encoding, commands: &[Vec<u8>]) -> Vec<u8> {
    match encoding {
        Encoding::Json => commands.join(&b'\n'),
        Encoding::Protobuf => commands.concat(),
    }
}

fn json(id: u32, request: &Request<'_>) -> Vec<u8> {
    let place = |since: &Option<&Place>| {
        let mut text = String::new();
        if let Some(place) = since {
            // Some clients leave out what is nothing.
            if place.offset > 0 {
                text += &format!(r#","offset":{}"#, place.offset);
            }
            if !place.epoch.is_empty() {
                text += &format!(r#","epoch":"{}""#, place.epoch);
            }
        }
        text
    };
    let named = |name: &str, channel: &str| format!(r#""{name}":{{"channel":"{channel}"}}"#);
    let request = match request {
        Request::Connect => r#""connect":{"name":"test"}"#.to_owned(),
        Request::Subscribe { channel, since } => {
            let recover = since.map_or("", |_| r#","recover":true"#);
            let place = place(since);
            format!(r#""subscribe":{{"channel":"{channel}"{recover}{place},"flag":1}}"#)
        }
        Request::Unsubscribe { channel } => named("unsubscribe", channel),
        Request::Publish { channel, data } => {
            let before = format!(r#"{{"publish":{{"channel":"{channel}","data":"#);
            let mut command = before.into_bytes();
            command.extend_from_slice(data);
            command.extend(format!(r#"}},"id":{id}}}"#).into_bytes());
            return command;
        }
        Request::Presence { channel } => named("presence", channel),
        Request::Stats { channel } => named("presence_stats", channel),
        Request::History {
            channel,
            limit,
            since,
            reverse,
        } => {
            let since = match since {
                Some(_) => format!(r#","since":{{"x":0{}}}"#, place(since)),
                None => String::new(),
            };
            format!(
                r#""history":{{"channel":"{channel}","limit":{limit},"reverse":{reverse}{since}}}"#
            )
        }
    };
    format!(r#"{{{request},"id":{id}}}"#).into_bytes()
}

/// The field of a command, and what it has.
fn protobuf(request: &Request<'_>) -> (u32, Fields) {
    let mut fields = Fields::default();
    let tag = match *request {
        Request::Connect => 4,
        Request::Subscribe { channel, since } => {
            fields.bytes(1, channel.as_bytes());
            if let Some(place) = since {
                fields.number(3, 1);
                fields.bytes(6, place.epoch.as_bytes());
                fields.number(7, place.offset);
            }
            fields.number(14, 1);
            5
        }
        Request::Unsubscribe { channel } => {
            fields.bytes(1, channel.as_bytes());
            6
        }
        Request::Publish { channel, data } => {
            fields.bytes(1, channel.as_bytes());
            fields.bytes(2, data);
            7
        }
        Request::Presence { channel } => {
            fields.bytes(1, channel.as_bytes());
            8
        }
        Request::Stats { channel } => {
            fields.bytes(1, channel.as_bytes());
            9
        }
        Request::History {
            channel,
            limit,
            since,
            reverse,
        } => {
            fields.bytes(1, channel.as_bytes());
            // A negative one is written as 64 bits.
            fields.number(7, i64::from(limit).cast_unsigned());
            if let Some(place) = since {
                let mut position = Fields::default();
                position.number(1, place.offset);
                position.bytes(2, place.epoch.as_bytes());
                fields.bytes(8, &position.0);
            }
            fields.number(9, reverse.into());
            10
        }
    };
    (tag, fields)
}

/// Fields of a Protobuf message.
#[derive(Debug, Default)]
struct Fields(Vec<u8>);

impl Fields {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }

    fn number(&mut self, tag: u32, value: u64) {
        self.varint(u64::from(tag << 3));
        self.varint(value);
    }

    fn bytes(&mut self, tag: u32, bytes: &[u8]) {
        self.varint(u64::from(tag << 3 | 2));
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }
}
