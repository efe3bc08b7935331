//! Replies and pushes in JSON. What is 0, empty or not so is left out, but for what clients look up
//! without asking whether it is there.

use std::num::NonZeroU32;

use super::data::Data;
use super::object::Object;
use super::publication::{InfoText, PublicationText};
use super::text;
use crate::id::Epoch;
use crate::protocol::centrifugo::codes::ErrorCode;
use crate::protocol::centrifugo::payload::Payload;
use crate::protocol::centrifugo::reply::{
    Connected, Position, Presence, Publications, Push, Recovery, Reply, Subscribed,
};
use crate::protocol::centrifugo::sink::{Sink, Write};

type Fields<'s> = Object<'s, Vec<u8>>;

/// Appends the reply to the command with that `id`.
pub(crate) fn reply(out: &mut Vec<u8>, id: u32, reply: &Reply<'_>) {
    let mut envelope = Object::begin(out);
    let out = &mut envelope;
    out.number(r#""id":"#, id.into());
    match *reply {
        Reply::Error(code) => object(out, r#""error":"#, |out| error(out, code)),
        Reply::Connect(ref result) => object(out, r#""connect":"#, |out| connected(out, result)),
        Reply::Subscribe(ref result) => {
            object(out, r#""subscribe":"#, |out| subscribed(out, result));
        }
        Reply::Unsubscribe => object(out, r#""unsubscribe":"#, |_| {}),
        Reply::Publish(place) => object(out, r#""publish":"#, |out| position(out, place)),
        Reply::Presence(members) => object(out, r#""presence":"#, |out| presence(out, members)),
        Reply::PresenceStats { clients, users } => object(out, r#""presence_stats":"#, |out| {
            out.number(r#""num_clients":"#, clients.into());
            out.number(r#""num_users":"#, users.into());
        }),
        Reply::History {
            publications: list,
            top,
        } => object(out, r#""history":"#, |out| {
            publications(out, list);
            epoch(out, top.epoch);
            out.number(r#""offset":"#, top.offset);
        }),
        Reply::Rpc(answer) => object(out, r#""rpc":"#, |out| data(out, answer)),
        Reply::Refresh {
            client,
            version,
            expires_s,
        } => object(out, r#""refresh":"#, |out| {
            out.key(r#""client":"#).put(&text::uuid(client));
            out.text(r#""version":"#, version);
            expiry(out, expires_s);
        }),
        Reply::SubRefresh { expires_s } => {
            object(out, r#""sub_refresh":"#, |out| expiry(out, expires_s));
        }
    }
    envelope.end();
}

/// Appends a push.
pub(crate) fn push(out: &mut Vec<u8>, push: &Push<'_>) {
    let mut envelope = Object::begin(out);
    object(&mut envelope, r#""push":"#, |out| match *push {
        Push::Unsubscribe { channel, code } => {
            out.text(r#""channel":"#, channel);
            object(out, r#""unsubscribe":"#, |out| {
                out.number(r#""code":"#, code.code().into());
                out.text(r#""reason":"#, code.text());
            });
        }
        Push::Message(said) => {
            object(out, r#""message":"#, |out| data(out, Some(said)));
        }
        Push::Subscribe {
            channel,
            recoverable,
            positioned,
            position: at,
            data: said,
        } => {
            out.text(r#""channel":"#, channel);
            object(out, r#""subscribe":"#, |out| {
                out.truth(r#""recoverable":"#, recoverable);
                position(out, at);
                out.truth(r#""positioned":"#, positioned);
                data(out, said);
            });
        }
        Push::Disconnect(disconnect) => object(out, r#""disconnect":"#, |out| {
            out.number(r#""code":"#, disconnect.code().into());
            out.text(r#""reason":"#, disconnect.text());
        }),
        Push::Refresh { expires_s } => {
            object(out, r#""refresh":"#, |out| expiry(out, expires_s));
        }
    });
    envelope.end();
}

/// Adds an object with what `write` adds to that.
fn object(out: &mut Fields<'_>, key: &str, write: impl FnOnce(&mut Fields<'_>)) {
    let mut inner = Object::begin(out.key(key));
    write(&mut inner);
    inner.end();
}

fn error(out: &mut Fields<'_>, code: ErrorCode) {
    out.number(r#""code":"#, code.code().into());
    out.text(r#""message":"#, code.text());
    out.truth(r#""temporary":"#, code.is_temporary());
}

fn connected(out: &mut Fields<'_>, connected: &Connected<'_>) {
    out.key(r#""client":"#).put(&text::uuid(connected.client));
    out.text(r#""version":"#, connected.version);
    expiry(out, connected.expires_s);
    data(out, connected.data);
    if !connected.subs.is_empty() {
        object(out, r#""subs":"#, |out| {
            for (channel, sub) in connected.subs {
                let sink = out.key("");
                text::string(sink, channel);
                sink.put(b":");
                let mut inner = Object::begin(sink);
                subscribed(&mut inner, sub);
                inner.end();
            }
        });
    }
    if let Some(pings) = connected.pings {
        out.number(r#""ping":"#, pings.interval_s.get().into());
        out.truth(r#""pong":"#, pings.want_pong);
    }
    out.number_if_any(r#""time":"#, connected.unix_time_ms.unwrap_or(0));
}

fn subscribed(out: &mut Fields<'_>, subscribed: &Subscribed<'_>) {
    expiry(out, subscribed.expires_s);
    out.truth(r#""recoverable":"#, subscribed.recoverable);
    position(out, subscribed.position);
    match subscribed.recovery {
        Recovery::NotAsked => {}
        Recovery::Lost => out.truth(r#""was_recovering":"#, true),
        Recovery::Recovered(list) => {
            if !list.is_empty() {
                publications(out, list);
            }
            out.truth(r#""recovered":"#, true);
            out.truth(r#""was_recovering":"#, true);
        }
    }
    out.truth(r#""positioned":"#, subscribed.positioned);
    data(out, subscribed.data);
}

fn presence(out: &mut Fields<'_>, Presence(members): Presence<'_>) {
    object(out, r#""presence":"#, |out| {
        for member in members {
            let sink = out.key("");
            sink.put(&text::uuid(member.client));
            sink.put(b":");
            InfoText::of(member).write(sink);
        }
    });
}

fn publications(out: &mut Fields<'_>, list: Publications<'_>) {
    let out = out.key(r#""publications":"#);
    out.put(b"[");
    for (at, publication) in list.iter().enumerate() {
        if at > 0 {
            out.put(b",");
        }
        PublicationText::of(publication).write(out);
    }
    out.put(b"]");
}

fn position(out: &mut Fields<'_>, position: Option<Position>) {
    if let Some(position) = position {
        epoch(out, position.epoch);
        out.number_if_any(r#""offset":"#, position.offset);
    }
}

fn epoch(out: &mut Fields<'_>, epoch: Epoch) {
    text::letters(out.key(r#""epoch":"#), &epoch.text());
}

/// Says how many seconds are left; where there is no end, nothing.
fn expiry(out: &mut Fields<'_>, expires_s: Option<NonZeroU32>) {
    if let Some(seconds) = expires_s {
        out.truth(r#""expires":"#, true);
        out.number(r#""ttl":"#, seconds.get().into());
    }
}

fn data(out: &mut Fields<'_>, payload: Option<Payload<'_>>) {
    let data = payload.map(Data::of);
    out.value_if_any(r#""data":"#, data.as_ref());
}
