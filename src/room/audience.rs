//! The audiences of a room on one shard: members that read the same rendition, where their stream
//! lies in the log, and how far a flush has come.
//!
//! A room keeps those that it has, and nearly every room has one.

use super::few::Few;
use super::index::Index;
use super::rendition::{Protocol, Protocols, Rendition};
use crate::id::{LogPosition, MembershipId, StreamPosition};

/// A member of an audience: a session's slot, and which of its memberships this is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Member(u32);

/// Slots are below 2^24, which leaves 8 bits.
const SLOT_BITS: u32 = 24;

impl Member {
    /// The membership with this number of the session in `slot`.
    #[must_use]
    pub(crate) fn new(slot: u32, membership: MembershipId) -> Self {
        assert!(slot >> SLOT_BITS == 0, "slots are below 2^24");
        Self(u32::from(membership.number()) << SLOT_BITS | slot)
    }

    /// The session's slot.
    #[must_use]
    pub(crate) const fn slot(self) -> u32 {
        self.0 & ((1 << SLOT_BITS) - 1)
    }

    /// Which of the session's memberships it is.
    #[must_use]
    pub(crate) const fn membership(self) -> MembershipId {
        MembershipId::new((self.0 >> SLOT_BITS).to_le_bytes()[0])
    }
}

const _: () = assert!(size_of::<Audience>() == 104);

/// A flush begins this many members after where the last one began, so that nobody is always last.
const FLUSH_ROTATION: u32 = 97;

/// Members of one rendition. The first cache line is what of the stream each message changes; in the second there is room
/// for something else of the room.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Audience {
    /// The stream.
    pub(super) index: Index,
    /// In no order.
    members: Few<Member>,
    /// The member that the flush under way, or the next one, serves next.
    flush_next: u32,
    /// Members that the flush under way has yet to serve.
    flush_left: u32,
}

impl Audience {
    /// One without members.
    #[must_use]
    pub(crate) fn new(rendition: Rendition) -> Self {
        Self {
            index: Index::new(rendition),
            members: Few::default(),
            flush_next: 0,
            flush_left: 0,
        }
    }

    /// What its members read.
    #[must_use]
    pub(crate) fn rendition(&self) -> Rendition {
        self.index.rendition()
    }

    /// Where its stream lies in the log.
    #[must_use]
    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// Its members.
    #[must_use]
    pub(crate) fn members(&self) -> &[Member] {
        self.members.as_slice()
    }

    /// Every member has something new to send; true when no flush was under way.
    pub(crate) fn start_flush(&mut self) -> bool {
        let idle = self.flush_left == 0;
        let count = u32::try_from(self.members().len()).expect("slots are below 2^24");
        if idle && count > 0 {
            self.flush_next = (self.flush_next + FLUSH_ROTATION) % count;
        }
        self.flush_left = count;
        idle && count > 0
    }

    /// The member to serve next; `None` when the flush is complete.
    pub(crate) fn next_to_flush(&mut self) -> Option<Member> {
        self.flush_left = self.flush_left.checked_sub(1)?;
        let members = self.members.as_slice();
        let (number, member) = match members.get(self.flush_next as usize) {
            Some(&member) => (self.flush_next, member),
            None => (0, *members.first()?),
        };
        self.flush_next = number + 1;
        Some(member)
    }

    /// Adds a member; returns where it stands among the members. A flush under way may come by it,
    /// and then has one more to serve.
    pub(crate) fn add(&mut self, member: Member) -> u32 {
        let number = u32::try_from(self.members().len()).expect("slots are below 2^24");
        self.members.push(member);
        self.flush_left += u32::from(self.is_flushing());
        number
    }

    /// Takes out the member that stands at `number`; returns the one that moved into its place, which
    /// the flush under way may now pass by.
    pub(crate) fn remove(&mut self, number: u32) -> Option<Member> {
        self.members.swap_remove(number as usize);
        if self.members().is_empty() {
            self.index.prune(self.index.head(), LogPosition::default());
        }
        let count = u32::try_from(self.members().len()).expect("slots are below 2^24");
        self.flush_left = self.flush_left.min(count);
        self.members().get(number as usize).copied()
    }

    /// Whether a flush is under way.
    #[must_use]
    pub(crate) fn is_flushing(&self) -> bool {
        self.flush_left > 0
    }

    /// Forgets what all of its members were sent, when enough of it has gathered that a look at all
    /// their cursors is worth it.
    pub(crate) fn prune(
        &mut self,
        log_tail: LogPosition,
        cursor: impl Fn(Member) -> StreamPosition,
    ) {
        if self.index.wants_pruning(|| self.members().len()) {
            let oldest = self.members().iter().map(|&member| cursor(member)).min();
            let oldest = oldest.unwrap_or(self.index.head());
            self.index.prune(oldest, log_tail);
        }
    }
}

/// The audiences that a room has.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Audiences {
    /// All but the first.
    #[expect(
        clippy::box_collection,
        reason = "nearly every room has none, and pays a pointer"
    )]
    more: Option<Box<Vec<Audience>>>,
    first: Option<Audience>,
}

impl Audiences {
    pub(super) const fn new() -> Self {
        Self {
            more: None,
            first: None,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Audience> {
        let more = self.more.as_ref().map_or(&[][..], |more| more);
        self.first.iter().chain(more)
    }

    /// Does something to each of them: nearly always to one.
    #[inline]
    pub(super) fn for_each(&mut self, mut each: impl FnMut(&mut Audience)) {
        if let Some(first) = &mut self.first {
            each(first);
        }
        if let Some(more) = &mut self.more {
            more.iter_mut().for_each(each);
        }
    }

    /// Whether there are none, and so no members.
    #[inline]
    pub(super) const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// The sum of what each of them counts.
    #[inline]
    pub(super) fn sum(&self, count: impl Fn(&Audience) -> usize) -> usize {
        let first = self.first.as_ref().map_or(0, &count);
        match &self.more {
            None => first,
            Some(more) => first + more.iter().map(count).sum::<usize>(),
        }
    }

    /// Whether all of them read the plain protocol, or there are none: so it is in nearly every room.
    #[inline]
    pub(super) fn are_plain(&self) -> bool {
        let is_plain = |audience: &Audience| audience.rendition().protocol() == Protocol::Plain;
        self.first.as_ref().is_none_or(is_plain)
            && (self.more.as_ref()).is_none_or(|more| more.iter().all(is_plain))
    }

    /// The protocols in which they are sent messages.
    pub(super) fn protocols(&self) -> Protocols {
        let mut protocols = Protocols::default();
        for audience in self.iter() {
            protocols.insert(audience.rendition().protocol());
        }
        protocols
    }

    /// The audience that reads `rendition`, if there is one.
    #[inline]
    pub(super) fn find(&self, rendition: Rendition) -> Option<&Audience> {
        match &self.first {
            Some(first) if first.rendition() == rendition => Some(first),
            _ => (self.more.as_deref()?.iter()).find(|audience| audience.rendition() == rendition),
        }
    }

    /// Like [`Self::find`].
    #[inline]
    pub(super) fn find_mut(&mut self, rendition: Rendition) -> Option<&mut Audience> {
        match &mut self.first {
            Some(first) if first.rendition() == rendition => Some(first),
            _ => (self.more.as_deref_mut()?.iter_mut())
                .find(|audience| audience.rendition() == rendition),
        }
    }

    /// The audience that reads `rendition`, begun when there is none.
    pub(super) fn find_or_begin(&mut self, rendition: Rendition) -> &mut Audience {
        if self.find(rendition).is_none() {
            let audience = Audience::new(rendition);
            match &mut self.first {
                None => self.first = Some(audience),
                Some(_) => self.more.get_or_insert_default().push(audience),
            }
        }
        self.find_mut(rendition).expect("it was just made sure of")
    }

    /// Forgets audiences that have no members. One that comes back begins a stream of its own.
    pub(super) fn end_empty(&mut self) {
        if let Some(more) = &mut self.more {
            more.retain(|audience| !audience.members().is_empty());
        }
        self.more.take_if(|more| more.is_empty());
        self.first.take_if(|first| first.members().is_empty());
        if self.first.is_none() {
            self.first = self.more.as_mut().and_then(|more| more.pop());
            self.more.take_if(|more| more.is_empty());
        }
    }
}
