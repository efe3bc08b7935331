//! The names of things: every id and every position, each a type of its own, so that the compiler
//! tells a shard from a slot and a place in a room's stream from one in the log.
//!
//! It knows nothing of what they name.

use std::fmt;
use std::num::{NonZeroU8, NonZeroU64};
use std::ops::{Add, AddAssign, Sub};

/// Which shard: they count from 0, in the order of their threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardId(u16);

impl ShardId {
    /// The shard with this number.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// The first `count` shards, in order.
    pub fn all(count: u16) -> impl Iterator<Item = Self> + Clone {
        (0..count).map(Self)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Its place in a list of all shards.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// Some of the shards; there are at most 64.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Shards(u64);

impl Shards {
    /// None of them.
    pub(crate) const NONE: Self = Self(0);

    /// Whether `shard` is among them.
    #[must_use]
    #[inline]
    pub(crate) const fn contains(self, shard: ShardId) -> bool {
        self.0 & Self::only(shard).0 != 0
    }

    /// Whether there are none.
    #[must_use]
    #[inline]
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// All but `shard`.
    #[must_use]
    #[inline]
    pub(crate) const fn except(self, shard: ShardId) -> Self {
        Self(self.0 & !Self::only(shard).0)
    }

    /// Adds one.
    pub(crate) fn insert(&mut self, shard: ShardId) {
        self.0 |= Self::only(shard).0;
    }

    /// Takes one out; false when it was not among them.
    pub(crate) fn remove(&mut self, shard: ShardId) -> bool {
        let was_there = self.contains(shard);
        *self = self.except(shard);
        was_there
    }

    /// Each of them, in their order.
    pub(crate) fn iter(self) -> impl Iterator<Item = ShardId> + use<> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let shard = u16::try_from(left.trailing_zeros()).expect("64 at most");
            left = left.checked_sub(1)? & left;
            Some(ShardId::new(shard))
        })
    }

    const fn only(shard: ShardId) -> Self {
        Self(1 << shard.number())
    }
}

/// Which thread of those that the mesh joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ThreadId {
    /// A shard.
    Shard(ShardId),
    /// The one that answers HTTP.
    Web,
}

/// Names a session of a shard: its slot, and which of the slot's successive tenants it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey {
    /// Slot in the slab; below 2^24, so that it fits an operation's `user_data`.
    pub slot: u32,
    /// Counts the slot's tenants.
    pub generation: u32,
}

/// A session anywhere on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MemberId {
    /// The shard that owns the session.
    pub shard: ShardId,
    /// Its slot there.
    pub slot: u32,
    /// Which of the slot's successive tenants it is.
    pub generation: u32,
}

impl MemberId {
    /// The session that `key` names on `shard`.
    #[must_use]
    pub(crate) const fn new(shard: ShardId, key: SessionKey) -> Self {
        Self {
            shard,
            slot: key.slot,
            generation: key.generation,
        }
    }

    /// Its key on the shard that owns it.
    #[must_use]
    pub(crate) const fn key(self) -> SessionKey {
        SessionKey {
            slot: self.slot,
            generation: self.generation,
        }
    }
}

/// Which of a session's messages it is told of, once it has its place; used again for another one after
/// that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(u16);

impl Ticket {
    /// The ticket with this number.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// A room's handle on one shard; used again for another room once that one is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomId(u32);

impl RoomId {
    /// The handle of what stands at `index` of a shard's table.
    #[must_use]
    pub fn at(index: usize) -> Self {
        Self(u32::try_from(index).expect("a table is far smaller than 2^32"))
    }

    /// Its place in the shard's table.
    #[must_use]
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Which of a session's memberships; used again for another once that one is gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MembershipId(u8);

impl MembershipId {
    /// The one that stands in the session itself: the only one of most sessions.
    pub(crate) const INLINE: Self = Self(0);

    /// The membership with this number.
    #[must_use]
    pub(crate) const fn new(number: u8) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub(crate) const fn number(self) -> u8 {
        self.0
    }
}

/// Which of a room's reruns on a shard; used again for another once that one is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RerunId(NonZeroU8);

impl RerunId {
    /// All there can be, in the order of their places.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (1..=Self::MAX).filter_map(Self::numbered)
    }

    /// More numbers than that have other meanings.
    const MAX: u8 = 250;

    /// The one at a place of a room's list; `None` when there are as many as there can be.
    #[must_use]
    pub(crate) fn at(place: usize) -> Option<Self> {
        Self::numbered(u8::try_from(place + 1).ok()?)
    }

    /// The one with this number; `None` for numbers of other meanings.
    #[must_use]
    #[inline]
    pub(crate) fn numbered(number: u8) -> Option<Self> {
        NonZeroU8::new(number)
            .filter(|_| number <= Self::MAX)
            .map(Self)
    }

    /// Its number.
    #[must_use]
    pub(crate) const fn number(self) -> u8 {
        self.0.get()
    }

    /// Its place in the room's list.
    #[must_use]
    pub(crate) fn index(self) -> usize {
        usize::from(self.0.get()) - 1
    }
}

/// Where a published message stands in its room, from 1 on: offsets increase, and may leave numbers
/// out. Whoever gives them out is the only one to count on from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Offset(NonZeroU64);

impl Offset {
    /// That of the first message of a room.
    pub(crate) const FIRST: Self = Self(NonZeroU64::MIN);

    /// The offset with this number; 0 is none.
    #[must_use]
    pub(crate) fn new(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// Its number.
    #[must_use]
    pub(crate) const fn number(self) -> u64 {
        self.0.get()
    }

    /// The next one, where none is left out.
    #[must_use]
    pub(crate) fn following(self) -> Self {
        Self(self.0.checked_add(1).expect("no room has 2^64 messages"))
    }
}

/// Which incarnation of a room an offset belongs to: drawn by chance, so that another room of the
/// same name is not taken for this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch(NonZeroU64);

impl Epoch {
    /// The epoch with this number, which is not 0.
    #[must_use]
    pub(crate) const fn new(number: u64) -> Self {
        Self(NonZeroU64::new(number).expect("no epoch has the number 0"))
    }

    /// How clients are told of it: letters, of which none but another of 2^45 epochs has the same.
    #[must_use]
    pub fn text(self) -> [u8; Self::TEXT_BYTES] {
        const LETTERS: &[u8; 52] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut rest = self.0.get();
        std::array::from_fn(|_| {
            let letter = usize::try_from(rest % 52).expect("below 52");
            rest /= 52;
            LETTERS[letter]
        })
    }

    /// How long that is.
    pub const TEXT_BYTES: usize = 8;
}

macro_rules! position {
    ($(#[doc = $doc:literal])+ $name:ident) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u64);

        impl $name {
            /// So many bytes after the beginning.
            #[must_use]
            pub const fn new(bytes: u64) -> Self {
                Self(bytes)
            }

            /// Bytes before it, from the beginning.
            #[must_use]
            pub const fn bytes(self) -> u64 {
                self.0
            }
        }

        impl Add<u64> for $name {
            type Output = Self;

            fn add(self, bytes: u64) -> Self {
                Self(self.0 + bytes)
            }
        }

        impl AddAssign<u64> for $name {
            fn add_assign(&mut self, bytes: u64) {
                self.0 += bytes;
            }
        }

        impl Sub for $name {
            type Output = u64;

            /// Bytes between two positions, of which the other comes first.
            fn sub(self, other: Self) -> u64 {
                self.0 - other.0
            }
        }
    };
}

position! {
    /// A place in what one audience of a room is sent: its bytes, without gaps, whatever else the log
    /// holds in between.
    StreamPosition
}

position! {
    /// A place in a shard's log. Positions never wrap; only the newest can be read.
    LogPosition
}

impl StreamPosition {
    /// So many bytes on, or the last position there is.
    #[must_use]
    pub(crate) const fn onward(self, bytes: u64) -> Self {
        Self(self.0.saturating_add(bytes))
    }
}

impl LogPosition {
    /// So many bytes back, or the beginning.
    #[must_use]
    pub(crate) const fn back(self, bytes: u64) -> Self {
        Self(self.0.saturating_sub(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::{Epoch, LogPosition, MemberId, SessionKey, ShardId, Shards, StreamPosition};

    /// Goal: a member's key is the one it was made of, and the list of shards is in their order.
    #[test]
    fn names_keep_what_they_name() {
        let key = SessionKey {
            slot: 7,
            generation: 3,
        };
        assert_eq!(MemberId::new(ShardId::new(2), key).key(), key);
        let numbers: Vec<u16> = ShardId::all(3).map(ShardId::number).collect();
        assert_eq!(numbers, [0, 1, 2]);
    }

    /// Goal: shards come out in their order, once each, the first and the last one too.
    #[test]
    fn shards_are_a_set() {
        let mut shards = Shards::NONE;
        for number in [63, 0, 7, 0] {
            shards.insert(ShardId::new(number));
        }
        let numbers = |shards: Shards| shards.iter().map(ShardId::number).collect::<Vec<_>>();
        assert_eq!(numbers(shards), [0, 7, 63]);
        assert_eq!(numbers(shards.except(ShardId::new(7))), [0, 63]);
        assert!(shards.remove(ShardId::new(63)) && !shards.remove(ShardId::new(63)));
        assert!(shards.contains(ShardId::new(0)) && !shards.contains(ShardId::new(1)));
        assert!(shards.remove(ShardId::new(0)) && shards.remove(ShardId::new(7)));
        assert!(shards.is_empty());
    }

    /// Goal: an epoch is told in letters, and another one in others.
    #[test]
    fn epochs_are_told_in_letters() {
        assert_eq!(Epoch::new(1).text(), *b"BAAAAAAA");
        let far = Epoch::new(u64::MAX).text();
        assert!(far.iter().all(u8::is_ascii_alphabetic));
        let texts: std::collections::HashSet<_> = (1..10_000)
            .map(|number| Epoch::new(number).text())
            .collect();
        assert_eq!(texts.len(), 9_999);
    }

    /// Goal: positions are counted on and back in bytes, and stop at either end.
    #[test]
    fn positions_are_counted_in_bytes() {
        let position = LogPosition::new(10);
        assert_eq!((position + 5) - position, 5);
        assert_eq!(position.back(11), LogPosition::default());
        let far = StreamPosition::new(1).onward(u64::MAX);
        assert_eq!(far.bytes(), u64::MAX);
        assert!(position.back(1) < position);
    }
}
