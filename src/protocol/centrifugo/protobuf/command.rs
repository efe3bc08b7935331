//! Commands in Protobuf.

use std::borrow::Cow;

use super::fields::{Fields, Malformed, Value};
use crate::protocol::centrifugo::codes::Disconnect;
use crate::protocol::centrifugo::command::{
    Command, Connect, History, Publish, REFUSE_WITHOUT_RECOVERY, Request, Since, SubRefresh,
    Subscribe,
};
use crate::protocol::centrifugo::payload::Payload;

/// Reads the command that `message` is, without its length.
///
/// # Errors
/// [`Disconnect::BadRequest`] when it is none, or asks for nothing that is known.
pub(crate) fn command(message: &[u8]) -> Result<Command<'_>, Disconnect> {
    let (id, request) = envelope(message).map_err(|Malformed| Disconnect::BadRequest)?;
    Command::of(id, request)
}

/// The id, and the request that has the lowest number.
fn envelope(message: &[u8]) -> Result<(u32, Option<Request<'_>>), Malformed> {
    let mut id = 0;
    let mut first: Option<(u32, &[u8])> = None;
    for field in Fields::new(message) {
        match field? {
            (1, value) => id = value.number_32()?,
            (number @ (4..=10 | 12..=15), value) => {
                let body = value.bytes()?;
                if first.is_none_or(|(known, _)| number <= known) {
                    first = Some((number, body));
                }
            }
            _ => {}
        }
    }
    let request = first.map(|(number, body)| request(number, body));
    Ok((id, request.transpose()?))
}

fn request(number: u32, body: &[u8]) -> Result<Request<'_>, Malformed> {
    Ok(match number {
        4 => Request::Connect(Box::new(connect(body)?)),
        5 => Request::Subscribe(Box::new(subscribe(body)?)),
        6 => Request::Unsubscribe {
            channel: text(1, body)?,
        },
        7 => Request::Publish(publish(body)?),
        8 => Request::Presence {
            channel: text(1, body)?,
        },
        9 => Request::PresenceStats {
            channel: text(1, body)?,
        },
        10 => Request::History(history(body)?),
        12 => Request::Send {
            data: data(1, body)?,
        },
        13 => Request::Rpc {
            method: text(2, body)?,
            data: data(1, body)?,
        },
        14 => Request::Refresh {
            token: text(1, body)?,
        },
        _ => Request::SubRefresh(sub_refresh(body)?),
    })
}

/// The text in the last field of that number; none is as good as an empty one.
fn text(wanted: u32, body: &[u8]) -> Result<Cow<'_, str>, Malformed> {
    let mut text = Cow::default();
    for field in Fields::new(body) {
        let (number, value) = field?;
        if number == wanted {
            text = value.text()?;
        }
    }
    Ok(text)
}

/// What an application says in the last field of that number.
fn data(wanted: u32, body: &[u8]) -> Result<Option<Payload<'_>>, Malformed> {
    let mut data = None;
    for field in Fields::new(body) {
        let (number, value) = field?;
        if number == wanted {
            data = payload(value)?;
        }
    }
    Ok(data)
}

/// What an application says: nothing is as good as left out.
fn payload(value: Value<'_>) -> Result<Option<Payload<'_>>, Malformed> {
    let bytes = value.bytes()?;
    Ok((!bytes.is_empty()).then(|| Payload::of_bytes(bytes)))
}

/// The key and the value of an entry of a map.
fn entry(body: &[u8]) -> Result<(Cow<'_, str>, &[u8]), Malformed> {
    let (mut key, mut value) = (Cow::default(), &[][..]);
    for field in Fields::new(body) {
        match field? {
            (1, field) => key = field.text()?,
            (2, field) => value = field.bytes()?,
            _ => {}
        }
    }
    Ok((key, value))
}

fn connect(body: &[u8]) -> Result<Connect<'_>, Malformed> {
    let mut connect = Connect::default();
    for field in Fields::new(body) {
        match field? {
            (1, value) => connect.token = value.text()?,
            (2, value) => connect.data = payload(value)?,
            (3, value) => {
                let (channel, options) = entry(value.bytes()?)?;
                let options = subscribe(options)?;
                connect.subs.push(Subscribe { channel, ..options });
            }
            (4, value) => connect.name = value.text()?,
            (5, value) => connect.version = value.text()?,
            (6, value) => {
                let (name, value) = entry(value.bytes()?)?;
                connect.headers.push((name, Value::Bytes(value).text()?));
            }
            _ => {}
        }
    }
    Ok(connect)
}

fn subscribe(body: &[u8]) -> Result<Subscribe<'_>, Malformed> {
    let mut subscribe = Subscribe::default();
    let (mut recover, mut since) = (false, Since::default());
    for field in Fields::new(body) {
        match field? {
            (1, value) => subscribe.channel = value.text()?,
            (2, value) => subscribe.token = value.text()?,
            (3, value) => recover = value.truth()?,
            (6, value) => since.epoch = value.text()?,
            (7, value) => since.offset = value.number()?,
            (8, value) => subscribe.data = payload(value)?,
            (9, value) => subscribe.positioned = value.truth()?,
            (10, value) => subscribe.recoverable = value.truth()?,
            (11, value) => subscribe.join_leave = value.truth()?,
            (12, value) => subscribe.delta = value.text()?,
            (13, _) => subscribe.has_filter = true,
            (14, value) => {
                let flags = value.number()?.cast_signed();
                subscribe.refuse_without_recovery = flags & REFUSE_WITHOUT_RECOVERY != 0;
            }
            (15, value) => subscribe.kind = value.number_32()?.cast_signed(),
            _ => {}
        }
    }
    subscribe.recover = recover.then_some(since);
    Ok(subscribe)
}

fn publish(body: &[u8]) -> Result<Publish<'_>, Malformed> {
    let mut publish = Publish::default();
    for field in Fields::new(body) {
        match field? {
            (1, value) => publish.channel = value.text()?,
            (2, value) => publish.data = payload(value)?,
            (3, value) => publish.kind = value.number_32()?.cast_signed(),
            _ => {}
        }
    }
    Ok(publish)
}

fn history(body: &[u8]) -> Result<History<'_>, Malformed> {
    let mut history = History::default();
    for field in Fields::new(body) {
        match field? {
            (1, value) => history.channel = value.text()?,
            (7, value) => history.limit = value.number_32()?.cast_signed(),
            (8, value) => history.since = Some(since(value.bytes()?)?),
            (9, value) => history.reverse = value.truth()?,
            _ => {}
        }
    }
    Ok(history)
}

fn since(body: &[u8]) -> Result<Since<'_>, Malformed> {
    let mut since = Since::default();
    for field in Fields::new(body) {
        match field? {
            (1, value) => since.offset = value.number()?,
            (2, value) => since.epoch = value.text()?,
            _ => {}
        }
    }
    Ok(since)
}

fn sub_refresh(body: &[u8]) -> Result<SubRefresh<'_>, Malformed> {
    let mut refresh = SubRefresh::default();
    for field in Fields::new(body) {
        match field? {
            (1, value) => refresh.channel = value.text()?,
            (2, value) => refresh.token = value.text()?,
            (3, value) => refresh.kind = value.number_32()?.cast_signed(),
            _ => {}
        }
    }
    Ok(refresh)
}
