//! Replies and pushes in Protobuf.

use std::num::NonZeroU32;

use uuid::Uuid;

use super::publication::{InfoMessage, PublicationMessage};
use super::writing::{bytes, message, message_of, number, truth};
use crate::protocol::centrifugo::codes::ErrorCode;
use crate::protocol::centrifugo::payload::Payload;
use crate::protocol::centrifugo::reply::{
    Connected, Position, Presence, Publications, Push, Recovery, Reply, Subscribed,
};

/// Where a publication stands is an answer that no schema has yet: numbers far from those that it gives
/// out, so that clients pass over them.
const PUBLISHED_OFFSET: u32 = 1001;
const PUBLISHED_EPOCH: u32 = 1002;

/// Appends the reply to the command with that `id`.
pub(crate) fn reply(out: &mut Vec<u8>, id: u32, reply: &Reply<'_>) {
    number(out, 1, id.into());
    match *reply {
        Reply::Error(code) => message_of(out, 2, |out| error(out, code)),
        Reply::Connect(ref result) => message_of(out, 5, |out| connected(out, result)),
        Reply::Subscribe(ref result) => message_of(out, 6, |out| subscribed(out, result)),
        Reply::Unsubscribe => message_of(out, 7, |_| {}),
        Reply::Publish(place) => message_of(out, 8, |out| {
            position(out, PUBLISHED_OFFSET, PUBLISHED_EPOCH, place);
        }),
        Reply::Presence(members) => message_of(out, 9, |out| presence(out, members)),
        Reply::PresenceStats { clients, users } => message_of(out, 10, |out| {
            number(out, 1, clients.into());
            number(out, 2, users.into());
        }),
        Reply::History {
            publications: list,
            top,
        } => message_of(out, 11, |out| {
            publications(out, 1, list);
            position(out, 3, 2, Some(top));
        }),
        Reply::Rpc(answer) => message_of(out, 13, |out| data(out, 1, answer)),
        Reply::Refresh {
            client,
            version,
            expires_s,
        } => message_of(out, 14, |out| {
            uuid(out, 1, client);
            bytes(out, 2, version.as_bytes());
            expiry(out, 3, 4, expires_s);
        }),
        Reply::SubRefresh { expires_s } => message_of(out, 15, |out| expiry(out, 1, 2, expires_s)),
    }
}

/// Appends a push.
pub(crate) fn push(out: &mut Vec<u8>, push: &Push<'_>) {
    message_of(out, 4, |out| match *push {
        Push::Unsubscribe { channel, code } => {
            bytes(out, 2, channel.as_bytes());
            message_of(out, 7, |out| {
                number(out, 2, code.code().into());
                bytes(out, 3, code.text().as_bytes());
            });
        }
        Push::Message(said) => message_of(out, 8, |out| data(out, 1, Some(said))),
        Push::Subscribe {
            channel,
            recoverable,
            positioned,
            position: place,
            data: said,
        } => {
            bytes(out, 2, channel.as_bytes());
            message_of(out, 9, |out| {
                truth(out, 1, recoverable);
                position(out, 5, 4, place);
                truth(out, 6, positioned);
                data(out, 7, said);
            });
        }
        Push::Disconnect(disconnect) => message_of(out, 11, |out| {
            number(out, 1, disconnect.code().into());
            bytes(out, 2, disconnect.text().as_bytes());
        }),
        Push::Refresh { expires_s } => message_of(out, 12, |out| expiry(out, 1, 2, expires_s)),
    });
}

fn error(out: &mut Vec<u8>, code: ErrorCode) {
    number(out, 1, code.code().into());
    bytes(out, 2, code.text().as_bytes());
    truth(out, 3, code.is_temporary());
}

fn connected(out: &mut Vec<u8>, connected: &Connected<'_>) {
    uuid(out, 1, connected.client);
    bytes(out, 2, connected.version.as_bytes());
    expiry(out, 3, 4, connected.expires_s);
    data(out, 5, connected.data);
    for (channel, sub) in connected.subs {
        message_of(out, 6, |out| {
            bytes(out, 1, channel.as_bytes());
            message_of(out, 2, |out| subscribed(out, sub));
        });
    }
    if let Some(pings) = connected.pings {
        number(out, 7, pings.interval_s.get().into());
        truth(out, 8, pings.want_pong);
    }
    number(out, 11, connected.unix_time_ms.unwrap_or(0));
}

fn subscribed(out: &mut Vec<u8>, subscribed: &Subscribed<'_>) {
    expiry(out, 1, 2, subscribed.expires_s);
    truth(out, 3, subscribed.recoverable);
    position(out, 9, 6, subscribed.position);
    match subscribed.recovery {
        Recovery::NotAsked => {}
        Recovery::Lost => truth(out, 12, true),
        Recovery::Recovered(list) => {
            publications(out, 7, list);
            truth(out, 8, true);
            truth(out, 12, true);
        }
    }
    truth(out, 10, subscribed.positioned);
    data(out, 11, subscribed.data);
}

fn presence(out: &mut Vec<u8>, Presence(members): Presence<'_>) {
    for member in members {
        message_of(out, 1, |out| {
            uuid(out, 1, member.client);
            message(out, 2, &InfoMessage::of(member));
        });
    }
}

fn publications(out: &mut Vec<u8>, field: u32, list: Publications<'_>) {
    for publication in list {
        message(out, field, &PublicationMessage::of(publication));
    }
}

/// Writes a place in a stream, in the fields that its numbers have where it stands.
fn position(out: &mut Vec<u8>, offset_field: u32, epoch_field: u32, position: Option<Position>) {
    if let Some(position) = position {
        number(out, offset_field, position.offset);
        bytes(out, epoch_field, &position.epoch.text());
    }
}

/// Says how many seconds are left, in the fields that this has where it stands; where there is no end,
/// nothing.
fn expiry(out: &mut Vec<u8>, expires_field: u32, ttl_field: u32, expires_s: Option<NonZeroU32>) {
    if let Some(seconds) = expires_s {
        truth(out, expires_field, true);
        number(out, ttl_field, seconds.get().into());
    }
}

fn data(out: &mut Vec<u8>, field: u32, payload: Option<Payload<'_>>) {
    bytes(out, field, payload.map_or(&[], |payload| payload.bytes));
}

fn uuid(out: &mut Vec<u8>, field: u32, uuid: Uuid) {
    let mut buffer = Uuid::encode_buffer();
    let text = uuid.hyphenated().encode_lower(&mut buffer);
    bytes(out, field, text.as_bytes());
}
