//! Commands in JSON.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::read::{Data, Entries, Object, Text, nullable};
use super::usual;
use crate::protocol::centrifugo::codes::Disconnect;
use crate::protocol::centrifugo::command::{
    Command, Connect, History, Publish, REFUSE_WITHOUT_RECOVERY, Request, Since, SubRefresh,
    Subscribe,
};

/// Reads the command that `line` is.
///
/// # Errors
/// [`Disconnect::BadRequest`] when it is none, or asks for nothing that is known.
pub(crate) fn command(line: &[u8]) -> Result<Command<'_>, Disconnect> {
    // At once for the whole line: what reads bytes would do so for each text in it.
    let text = simdutf8::basic::from_utf8(line).map_err(|_| Disconnect::BadRequest)?;
    match usual::publish(text) {
        Some((id, request)) => Command::of(id, Some(request)),
        None => field_by_field(text),
    }
}

/// The same of a command that is not written in the usual way.
#[inline(never)]
pub(super) fn field_by_field(text: &str) -> Result<Command<'_>, Disconnect> {
    let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|_| Disconnect::BadRequest)?;
    Command::of(envelope.id, envelope.request)
}

/// A command as it stands there.
struct Envelope<'a> {
    id: u32,
    request: Option<Request<'a>>,
}

/// Its fields. The first request in this order is the one that counts, wherever it stands.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq, PartialOrd)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    Id,
    Connect,
    Subscribe,
    Unsubscribe,
    Publish,
    Presence,
    PresenceStats,
    History,
    Send,
    Rpc,
    Refresh,
    SubRefresh,
    #[serde(other)]
    Other,
}

impl<'de: 'a, 'a> Deserialize<'de> for Envelope<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EnvelopeVisitor)
    }
}

struct EnvelopeVisitor;

impl<'de> Visitor<'de> for EnvelopeVisitor {
    type Value = Envelope<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut id = None;
        let mut first: Option<(Field, Request<'de>)> = None;
        while let Some(field) = map.next_key::<Field>()? {
            let request = match field {
                Field::Id => {
                    id = map.next_value::<Option<u32>>()?;
                    continue;
                }
                Field::Other => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                Field::Connect => body::<_, ConnectBody<'de>>(&mut map)?.map(Request::from),
                Field::Subscribe => body::<_, SubscribeBody<'de>>(&mut map)?
                    .map(|subscribe| Request::Subscribe(Box::new(subscribe.into()))),
                Field::Unsubscribe => {
                    channel(&mut map)?.map(|channel| Request::Unsubscribe { channel })
                }
                Field::Publish => body::<_, PublishBody<'de>>(&mut map)?.map(Request::from),
                Field::Presence => channel(&mut map)?.map(|channel| Request::Presence { channel }),
                Field::PresenceStats => {
                    channel(&mut map)?.map(|channel| Request::PresenceStats { channel })
                }
                Field::History => body::<_, HistoryBody<'de>>(&mut map)?.map(Request::from),
                Field::Send => body::<_, CallBody<'de>>(&mut map)?
                    .map(|CallBody { data, .. }| Request::Send { data: data.0 }),
                Field::Rpc => {
                    body::<_, CallBody<'de>>(&mut map)?.map(|CallBody { method, data }| {
                        Request::Rpc {
                            method: method.0,
                            data: data.0,
                        }
                    })
                }
                Field::Refresh => body::<_, RefreshBody<'de>>(&mut map)?
                    .map(|RefreshBody { token }| Request::Refresh { token: token.0 }),
                Field::SubRefresh => body::<_, SubRefreshBody<'de>>(&mut map)?.map(Request::from),
            };
            if let Some(request) = request
                && first.as_ref().is_none_or(|&(known, _)| field <= known)
            {
                first = Some((field, request));
            }
        }
        Ok(Envelope {
            id: id.unwrap_or(0),
            request: first.map(|(_, request)| request),
        })
    }
}

/// What a request says, unless it is null.
fn body<'de, A, T>(map: &mut A) -> Result<Option<T>, A::Error>
where
    A: MapAccess<'de>,
    T: Deserialize<'de>,
{
    let object = map.next_value::<Option<Object<T>>>()?;
    Ok(object.map(|Object(body)| body))
}

/// The same of one that says only a channel.
fn channel<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Option<Cow<'de, str>>, A::Error> {
    Ok(body::<_, ChannelBody<'de>>(map)?.map(|ChannelBody { channel }| channel.0))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ChannelBody<'a> {
    #[serde(borrow)]
    channel: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ConnectBody<'a> {
    #[serde(borrow)]
    token: Text<'a>,
    #[serde(borrow)]
    data: Data<'a>,
    #[serde(borrow)]
    subs: Entries<'a, Option<Object<SubscribeBody<'a>>>>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    version: Text<'a>,
    #[serde(borrow)]
    headers: Entries<'a, Text<'a>>,
}

impl<'a> From<ConnectBody<'a>> for Request<'a> {
    fn from(body: ConnectBody<'a>) -> Self {
        let sub = |(channel, options): (Cow<'a, str>, Option<Object<SubscribeBody<'a>>>)| {
            let options = options.map_or_else(Subscribe::default, |Object(body)| body.into());
            Subscribe { channel, ..options }
        };
        let headers = body.headers.0.into_iter();
        Self::Connect(Box::new(Connect {
            token: body.token.0,
            data: body.data.0,
            subs: body.subs.0.into_iter().map(sub).collect(),
            name: body.name.0,
            version: body.version.0,
            headers: headers.map(|(name, Text(value))| (name, value)).collect(),
        }))
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SubscribeBody<'a> {
    #[serde(borrow)]
    channel: Text<'a>,
    #[serde(borrow)]
    token: Text<'a>,
    #[serde(deserialize_with = "nullable")]
    recover: bool,
    #[serde(borrow)]
    epoch: Text<'a>,
    #[serde(deserialize_with = "nullable")]
    offset: u64,
    #[serde(borrow)]
    data: Data<'a>,
    #[serde(deserialize_with = "nullable")]
    positioned: bool,
    #[serde(deserialize_with = "nullable")]
    recoverable: bool,
    #[serde(deserialize_with = "nullable")]
    join_leave: bool,
    #[serde(borrow)]
    delta: Text<'a>,
    tf: Option<IgnoredAny>,
    #[serde(deserialize_with = "nullable")]
    flag: i64,
    #[serde(rename = "type", deserialize_with = "nullable")]
    kind: i32,
}

impl<'a> From<SubscribeBody<'a>> for Subscribe<'a> {
    fn from(body: SubscribeBody<'a>) -> Self {
        let since = Since {
            offset: body.offset,
            epoch: body.epoch.0,
        };
        Self {
            channel: body.channel.0,
            token: body.token.0,
            recover: body.recover.then_some(since),
            data: body.data.0,
            positioned: body.positioned,
            recoverable: body.recoverable,
            join_leave: body.join_leave,
            delta: body.delta.0,
            has_filter: body.tf.is_some(),
            refuse_without_recovery: body.flag & REFUSE_WITHOUT_RECOVERY != 0,
            kind: body.kind,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PublishBody<'a> {
    #[serde(borrow)]
    channel: Text<'a>,
    #[serde(borrow)]
    data: Data<'a>,
    #[serde(rename = "type", deserialize_with = "nullable")]
    kind: i32,
}

impl<'a> From<PublishBody<'a>> for Request<'a> {
    fn from(body: PublishBody<'a>) -> Self {
        Self::Publish(Publish {
            channel: body.channel.0,
            data: body.data.0,
            kind: body.kind,
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct HistoryBody<'a> {
    #[serde(borrow)]
    channel: Text<'a>,
    #[serde(deserialize_with = "nullable")]
    limit: i32,
    #[serde(borrow)]
    since: Option<Object<SinceBody<'a>>>,
    #[serde(deserialize_with = "nullable")]
    reverse: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SinceBody<'a> {
    #[serde(deserialize_with = "nullable")]
    offset: u64,
    #[serde(borrow)]
    epoch: Text<'a>,
}

impl<'a> From<HistoryBody<'a>> for Request<'a> {
    fn from(body: HistoryBody<'a>) -> Self {
        Self::History(History {
            channel: body.channel.0,
            limit: body.limit,
            since: body.since.map(|Object(since)| Since {
                offset: since.offset,
                epoch: since.epoch.0,
            }),
            reverse: body.reverse,
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CallBody<'a> {
    #[serde(borrow)]
    method: Text<'a>,
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RefreshBody<'a> {
    #[serde(borrow)]
    token: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SubRefreshBody<'a> {
    #[serde(borrow)]
    channel: Text<'a>,
    #[serde(borrow)]
    token: Text<'a>,
    #[serde(rename = "type", deserialize_with = "nullable")]
    kind: i32,
}

impl<'a> From<SubRefreshBody<'a>> for Request<'a> {
    fn from(body: SubRefreshBody<'a>) -> Self {
        Self::SubRefresh(SubRefresh {
            channel: body.channel.0,
            token: body.token.0,
            kind: body.kind,
        })
    }
}
