//! What clients are told: results of what they asked for, and what they did not ask for.

use std::num::NonZeroU32;

use uuid::Uuid;

use super::codes::{Disconnect, ErrorCode, Unsubscribed};
use super::payload::Payload;
use crate::id::{Epoch, Offset};
use crate::message::{Event, Info, Message};
use crate::room::rendition::Said;

/// What a command led to.
#[derive(Debug, Clone, Copy)]
pub enum Reply<'a> {
    /// It was refused.
    Error(ErrorCode),
    /// The client is in.
    Connect(Connected<'a>),
    /// It is subscribed.
    Subscribe(Subscribed<'a>),
    /// It is not subscribed any more, or never was.
    Unsubscribe,
    /// What it said was published; where, if the channel keeps it. Clients that do not expect to be told
    /// pass over it.
    Publish(Option<Position>),
    /// These are in the channel.
    Presence(Presence<'a>),
    /// So many are.
    PresenceStats {
        /// Sessions.
        clients: u32,
        /// Users: all of whom nothing is known count as one.
        users: u32,
    },
    /// This was published.
    History {
        /// The publications.
        publications: Publications<'a>,
        /// Where the stream stands.
        top: Position,
    },
    /// What the procedure gave.
    Rpc(Option<Payload<'a>>),
    /// The client may stay.
    Refresh {
        /// Its name.
        client: Uuid,
        /// The server's.
        version: &'a str,
        /// For so many seconds from now; `None` for as long as it likes.
        expires_s: Option<NonZeroU32>,
    },
    /// It may stay subscribed.
    SubRefresh {
        /// For so many seconds from now; `None` for as long as it likes.
        expires_s: Option<NonZeroU32>,
    },
}

/// A client is in.
#[derive(Debug, Clone, Copy)]
pub struct Connected<'a> {
    /// Its name.
    pub(crate) client: Uuid,
    /// The server's name and version; not empty.
    pub(crate) version: &'a str,
    /// It may stay for so many seconds from now; `None` for as long as it likes.
    pub(crate) expires_s: Option<NonZeroU32>,
    /// What the application says to it.
    pub(crate) data: Option<Payload<'a>>,
    /// What the server subscribed it to.
    pub(crate) subs: &'a [(&'a str, Subscribed<'a>)],
    /// It is pinged.
    pub(crate) pings: Option<Pings>,
    /// Milliseconds since 1970, if it is to be told.
    pub(crate) unix_time_ms: Option<u64>,
}

/// That a client is pinged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pings {
    /// Every so many seconds.
    pub(crate) interval_s: NonZeroU32,
    /// And is to answer.
    pub(crate) want_pong: bool,
}

/// A client is subscribed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subscribed<'a> {
    /// For so many seconds from now; `None` for as long as it likes.
    pub(crate) expires_s: Option<NonZeroU32>,
    /// It may come back to where it was.
    pub(crate) recoverable: bool,
    /// It is told when it misses something.
    pub(crate) positioned: bool,
    /// From where on; if all that was missed is there, this is what the client asked for, and not the
    /// newest.
    pub(crate) position: Option<Position>,
    /// What became of its wish to come back to where it was.
    pub(crate) recovery: Recovery<'a>,
    /// What the application says to it.
    pub(crate) data: Option<Payload<'a>>,
}

/// What became of a wish to come back to where one was.
#[derive(Debug, Clone, Copy, Default)]
pub enum Recovery<'a> {
    /// There was none.
    #[default]
    NotAsked,
    /// Not all that was missed is there.
    Lost,
    /// All of it is: this, and pushes that follow.
    Recovered(Publications<'a>),
}

/// Publications, in the order in which they are told.
pub type Publications<'a> = &'a [Publication<'a>];

/// Who is in a channel.
#[derive(Debug, Clone, Copy)]
pub struct Presence<'a>(pub(crate) &'a [Info<'a>]);

/// A place in a channel's stream: behind its so manieth publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Which stream.
    pub(crate) epoch: Epoch,
    /// 0 is before all of them.
    pub(crate) offset: u64,
}

/// Something that was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publication<'a> {
    /// What.
    pub(crate) data: Payload<'a>,
    /// Who did it, if that is to be known.
    pub(crate) info: Option<Info<'a>>,
    /// Its place in the channel's stream, if there is one.
    pub(crate) offset: Option<Offset>,
    /// The stream, where clients need not know it from before.
    pub(crate) epoch: Option<Epoch>,
}

impl<'a> Publication<'a> {
    /// What was published by `message`, with its place; `None` when it is about something else.
    #[must_use]
    pub(crate) const fn of(message: &Message<'a>) -> Option<Self> {
        let Event::Published { form, data, info } = message.event else {
            return None;
        };
        Some(Self {
            data: Payload { form, bytes: data },
            info,
            offset: message.offset,
            epoch: None,
        })
    }

    /// The same as members of the channel are told while it happens. The first one of a stream says which
    /// stream that is, since who subscribed to an empty one may not know it.
    #[must_use]
    pub(super) fn in_push(said: &Said<'a>) -> Option<Self> {
        let publication = Self::of(said.message)?;
        let offset = publication.offset.filter(|_| said.has_history);
        let is_first = offset == Some(Offset::FIRST);
        Some(Self {
            offset,
            epoch: is_first.then_some(said.epoch),
            ..publication
        })
    }
}

/// What a client is told that it did not ask for, but for what is published in a channel and who comes
/// and goes there.
#[derive(Debug, Clone, Copy)]
pub enum Push<'a> {
    /// It is not subscribed any more.
    Unsubscribe {
        /// To this channel.
        channel: &'a str,
        /// Why.
        code: Unsubscribed,
    },
    /// The application says something to it.
    Message(Payload<'a>),
    /// The server subscribed it.
    Subscribe {
        /// To this channel.
        channel: &'a str,
        /// It may come back to where it was.
        recoverable: bool,
        /// It is told when it misses something.
        positioned: bool,
        /// From where on.
        position: Option<Position>,
        /// What the application says to it.
        data: Option<Payload<'a>>,
    },
    /// The connection ends: where there is no close frame to say so.
    Disconnect(Disconnect),
    /// It may stay.
    Refresh {
        /// For so many seconds from now; `None` for as long as it likes.
        expires_s: Option<NonZeroU32>,
    },
}
