//! Small facts about a session, a bit each. What they mean for a session is said where it is acted on.

/// A set of such facts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags(u32);

impl Flags {
    /// A receive is in flight.
    pub(crate) const RECEIVING: Self = Self(1);
    /// The receive in flight is being cancelled.
    pub(crate) const CANCELLING: Self = Self(1 << 1);
    /// A send is in flight.
    pub(crate) const SENDING: Self = Self(1 << 2);
    /// The socket is full: a poll for writability is in flight.
    pub(crate) const BLOCKED: Self = Self(1 << 3);
    /// It stands in the list of sessions with something to flush.
    pub(crate) const DIRTY: Self = Self(1 << 4);
    /// It stands in the list of sessions that may be behind.
    pub(crate) const WATCHED: Self = Self(1 << 5);
    /// Reading waits until what it caused has drained.
    pub(crate) const PAUSED: Self = Self(1 << 6);
    /// A ping awaits any sign of life.
    pub(crate) const PINGED: Self = Self(1 << 7);
    /// A Close frame was sent, or stands in the private replies.
    pub(crate) const CLOSE_SENT: Self = Self(1 << 8);
    /// The peer's Close frame has arrived.
    pub(crate) const CLOSE_RECEIVED: Self = Self(1 << 9);
    /// Gets its own messages too (`?echo=1`).
    pub(crate) const ECHO: Self = Self(1 << 10);
    /// Causes and gets join and leave notices.
    pub(crate) const VISIBLE: Self = Self(1 << 11);
    /// Was handed over by another thread and is not handed on again.
    pub(crate) const PLACED: Self = Self(1 << 12);
    /// Its peer reset the connection or ran out of time: no use in lingering.
    pub(crate) const ABORT: Self = Self(1 << 13);
    /// What still arrives is of no interest.
    pub(crate) const DISCARDING: Self = Self(1 << 14);
    /// The peer has shut down its write side: nothing more arrives.
    pub(crate) const ENDED: Self = Self(1 << 15);
    /// It is in no room: its messages go back to itself (`/echo`).
    pub(crate) const ALONE: Self = Self(1 << 16);
    /// It was served in this chunk of a flush before it was known which of its rooms have something.
    pub(crate) const SERVED: Self = Self(1 << 18);
    /// It has memberships beyond the first.
    pub(crate) const SEVERAL: Self = Self(1 << 17);

    /// It says by commands which rooms it is in.
    pub(crate) const CLIENT: Self = Self(1 << 19);
    /// Nothing of its rooms may be sent before it is told that it is in them.
    pub(crate) const UNANNOUNCED: Self = Self(1 << 20);
    /// Its socket did not take all there was, and it matters when it does: no send is quiet until then.
    pub(crate) const TRACKED: Self = Self(1 << 21);

    /// It may read its room, and say nothing there.
    pub(crate) const READER: Self = Self(1 << 22);

    /// It counts as one of its user's connections, where these are limited.
    pub(crate) const SEATED: Self = Self(1 << 23);
    /// It ends with the token that it came in by.
    pub(crate) const LEASED: Self = Self(1 << 24);

    /// It is a client that has yet to read much: nothing more of its rooms is sent until it has.
    pub(crate) const AHEAD: Self = Self(1 << 25);
    /// It is a client that reads slowly: no send is quiet, so that it is never sent too much.
    pub(crate) const SLOW: Self = Self(1 << 26);
    /// It is a client that is sent only so much at a time.
    pub(crate) const LITTLE: Self = Self::AHEAD.and(Self::SLOW);

    /// There was no receive buffer for what it has sent: it is in line for one.
    pub(crate) const STARVED: Self = Self(1 << 27);

    /// Operations that the kernel owes an answer to.
    pub(crate) const OPERATIONS: Self = Self::RECEIVING.and(Self::SENDING).and(Self::BLOCKED);
    /// What the shard notes about a session for itself, whatever the phase.
    pub(crate) const MARKS: Self = Self::CANCELLING
        .and(Self::DIRTY)
        .and(Self::WATCHED)
        .and(Self::PAUSED)
        .and(Self::PINGED)
        .and(Self::SERVED)
        .and(Self::PLACED)
        .and(Self::UNANNOUNCED)
        .and(Self::TRACKED)
        .and(Self::AHEAD)
        .and(Self::SLOW)
        .and(Self::READER)
        .and(Self::SEATED)
        .and(Self::LEASED)
        .and(Self::ABORT)
        .and(Self::DISCARDING)
        .and(Self::STARVED);
    /// What a client asked for in its request.
    pub(crate) const WISHES: Self = Self::ECHO.and(Self::VISIBLE);

    /// Whether any bit of `other` is set.
    #[must_use]
    pub(crate) const fn any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether every bit of `other` is set.
    #[must_use]
    pub(crate) const fn all(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both.
    #[must_use]
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// How many are set.
    #[must_use]
    pub(crate) const fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// Those of them that are in `other` too.
    #[must_use]
    pub(crate) const fn among(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Sets the bits of `other`.
    pub(super) fn set(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Clears the bits of `other`.
    pub(super) fn clear(&mut self, other: Self) {
        self.0 &= !other.0;
    }
}
