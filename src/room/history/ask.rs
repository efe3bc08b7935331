//! What is asked of a room's history: which place somebody knows, and what of it they want.

use crate::id::Epoch;

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
        self == Self::Any || self.names(epoch)
    }

    /// Whether that is `epoch`, by its name.
    #[must_use]
    pub(crate) fn names(self, epoch: Epoch) -> bool {
        self == Self::Told(epoch.text())
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

/// Why a history can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// The place that was named is of another incarnation of the room.
    #[error("that place is of another incarnation of the room")]
    ForeignEpoch,
    /// The question makes no sense.
    #[error("nothing comes before the first message")]
    Senseless,
}

#[cfg(test)]
mod tests {
    use super::EpochClaim;
    use crate::id::Epoch;

    /// Goal: an epoch is known by the text that it is told as and no other, and none is any.
    #[test]
    fn epochs_are_known_by_their_text() {
        let (one, other) = (Epoch::new(1), Epoch::new(2));
        let text = one.text();
        let named = EpochClaim::of(std::str::from_utf8(&text).unwrap());
        assert!(named.fits(one) && named.names(one));
        assert!(!named.fits(other) && !named.names(other));
        let any = EpochClaim::of("");
        assert!(any.fits(one) && any.fits(other) && !any.names(one));
        for foreign in ["_", "x", "another one", "12345678"] {
            assert!(!EpochClaim::of(foreign).fits(one), "{foreign}");
        }
    }
}
