//! What a room's members are told of what was said before they came: where its history stands, and
//! whether it has all that somebody has missed.

use std::sync::Arc;

use crate::id::{Epoch, Offset};
use crate::message::Run;

/// Where a room's history stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The incarnation of the room.
    pub(crate) epoch: Epoch,
    /// The offset of the newest message, 0 when there was none.
    pub(crate) top: u64,
}

/// The epoch that a client names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EpochClaim {
    /// None: it is content with any.
    Any,
    /// The one that is told so.
    Told([u8; Epoch::TEXT_BYTES]),
    /// One that none is told as.
    Foreign,
}

impl EpochClaim {
    /// What a client names by `text`.
    #[must_use]
    pub(crate) fn of(text: &str) -> Self {
        match text.as_bytes() {
            b"" => Self::Any,
            text => text.try_into().map_or(Self::Foreign, Self::Told),
        }
    }

    /// Whether that may be `epoch`.
    #[must_use]
    pub(crate) fn fits(self, epoch: Epoch) -> bool {
        match self {
            Self::Any => true,
            Self::Told(text) => text == epoch.text(),
            Self::Foreign => false,
        }
    }
}

/// The last place in a room's history that a client knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Since {
    /// The offset of the newest message that it has, 0 for none.
    pub(crate) offset: u64,
    /// The incarnation of the room that this is of.
    pub(crate) epoch: EpochClaim,
}

/// That somebody who joins wants what it has missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recover {
    /// From where on.
    pub(crate) since: Since,
    /// What is to become of the join when not all of that is there.
    pub(crate) otherwise: Otherwise,
}

/// What is to become of a join whose room no longer has all that was missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Otherwise {
    /// It counts from now on.
    Join,
    /// It is refused.
    Refuse,
}

/// Missed messages of a room, one after the other: made once for all who missed the same.
#[derive(Debug)]
pub(crate) struct Replay {
    /// The incarnation of the room that their offsets are of.
    pub(crate) epoch: Epoch,
    /// The offset of the first.
    pub(crate) first: Offset,
    /// And of the last.
    pub(crate) last: Offset,
    /// The messages.
    pub(crate) messages: Run,
}

/// What has become of a wish to recover.
#[derive(Debug, Clone)]
pub(crate) enum Recovery {
    /// There was none.
    NotAsked,
    /// Not all that was missed is there.
    Lost,
    /// All of it is there, if it is anything.
    Recovered(Option<Arc<Replay>>),
}

/// Which part of a room's history somebody wants to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    /// So many messages at most, all for a negative number, and for 0 only where the history stands.
    pub(crate) limit: i32,
    /// Only those behind that place, or before it where they are to come in reverse.
    pub(crate) since: Option<Since>,
    /// In which order.
    pub(crate) direction: Direction,
}

/// In which order messages are given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// The oldest first.
    Forward,
    /// The newest first.
    Reverse,
}
