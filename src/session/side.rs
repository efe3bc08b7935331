//! What only some sessions have, in a box of its own: a request head that is not whole, what came
//! behind one, what a client is owed, and the memberships beyond the first.
//!
//! Among a session's memberships there is no scan for those with something to send: each has a due
//! bit, which is set when its room says something and cleared when it was planned up to its head.

use super::client::Client;
use super::membership::{MEMBERSHIPS_MAX, Membership};
use crate::id::{MembershipId, StreamPosition};

/// A set of memberships, a bit each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Due(u128);

impl Due {
    pub(super) fn insert(&mut self, id: MembershipId) {
        self.0 |= bit(id);
    }

    pub(super) fn remove(&mut self, id: MembershipId) {
        self.0 &= !bit(id);
    }

    pub(super) fn contains(self, id: MembershipId) -> bool {
        self.0 & bit(id) != 0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// All of them, those behind `last` first and those before it after that.
    pub(super) fn behind(self, last: MembershipId) -> impl Iterator<Item = MembershipId> {
        const COUNT: u32 = u128::BITS;
        let first = (u32::from(last.number()) + 1) % COUNT;
        // With the first one in its lowest bit.
        let mut rest = self.0.rotate_right(first);
        std::iter::from_fn(move || {
            let step = rest.trailing_zeros();
            // Clears the lowest bit.
            rest &= rest.checked_sub(1)?;
            let number = u8::try_from((first + step) % COUNT);
            Some(MembershipId::new(number.expect("a bit of a u128")))
        })
    }
}

fn bit(id: MembershipId) -> u128 {
    1 << id.number()
}

/// What a send in flight carries of one membership.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) membership: MembershipId,
    /// Its bytes in the send.
    pub(super) bytes: u32,
    /// The cursor when they are sent; it stands where they begin until then.
    pub(super) end: StreamPosition,
}

/// How far somebody has come that is sent first what it has missed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recovering {
    pub(super) membership: MembershipId,
    pub(super) course: Course,
}

/// What it is sent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Course {
    /// What it has missed.
    Missed(Missing),
    /// What was said while it was sent that, up to there.
    Since(StreamPosition),
}

/// What somebody has missed, and where it goes on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Missing {
    /// The place behind which it begins, as long as it is not known where that is in the stream.
    pub(super) after: Option<u64>,
    /// The offset of the last message that it has missed.
    pub(super) last: u64,
    /// Where it reads on in what is said.
    pub(super) live: StreamPosition,
}

/// What is in the box. It exists only while there is something in it.
#[derive(Debug, Default)]
pub(super) struct Side {
    /// The request head so far, or what came behind it while the join is not confirmed.
    pub(super) head: Vec<u8>,
    /// Of one that says by commands which rooms it is in.
    pub(super) client: Option<Box<Client>>,
    /// Memberships 1 and above; the first stands in the session. The last entry is taken.
    more: Vec<Option<Membership>>,
    /// Memberships that may have something to send, the first one too.
    pub(super) due: Due,
    /// The membership whose bytes were sent last: those behind it are next.
    pub(super) served: MembershipId,
    /// The membership whose frame was cut.
    pub(super) cut: Option<MembershipId>,
    /// What the send in flight carries of which membership, in its order; their private bytes stand
    /// before the first that does not finish a cut frame.
    pub(super) parts: Vec<Part>,
    /// Memberships that have missed something and are not abreast of their rooms yet.
    pub(super) recovering: Vec<Recovering>,
    /// Bytes of rooms that were sent, modulo 2^32.
    pub(super) sent_bytes: u32,
}

impl Side {
    /// Whether the box may go.
    pub(super) fn is_empty(&self) -> bool {
        self.head.is_empty() && !self.is_several() && self.client.is_none()
    }

    /// Whether there are memberships beyond the first, or the first reads more than one stream.
    pub(super) fn is_several(&self) -> bool {
        !self.more.is_empty() || !self.recovering.is_empty()
    }

    /// Of one that has missed something, what it is sent until it is abreast of its room.
    pub(super) fn recovering(&self, id: MembershipId) -> Option<&Course> {
        let found = self.recovering.iter().find(|one| one.membership == id);
        found.map(|one| &one.course)
    }

    /// Like [`Self::recovering`].
    pub(super) fn recovering_mut(&mut self, id: MembershipId) -> Option<&mut Course> {
        let found = self.recovering.iter_mut().find(|one| one.membership == id);
        found.map(|one| &mut one.course)
    }

    /// What there is of one that is sent what it has missed.
    pub(super) fn missing(&self, id: MembershipId) -> Option<&Missing> {
        match self.recovering(id)? {
            Course::Missed(missing) => Some(missing),
            Course::Since(_) => None,
        }
    }

    /// It is abreast of its room, or leaves it.
    pub(super) fn end_recovering(&mut self, id: MembershipId) {
        let place = self.recovering.iter().position(|one| one.membership == id);
        if let Some(place) = place {
            self.recovering.swap_remove(place);
        }
        if self.recovering.is_empty() {
            self.recovering = Vec::new();
        }
    }

    /// Takes a free place for another membership; `None` when there is none.
    pub(super) fn add(&mut self, membership: Membership) -> Option<MembershipId> {
        let free = self.more.iter().position(Option::is_none);
        let place = free.unwrap_or(self.more.len());
        if place + 1 >= MEMBERSHIPS_MAX {
            return None;
        }
        if free.is_none() {
            self.more.push(None);
        }
        self.more[place] = Some(membership);
        Some(at(place))
    }

    /// Gives the place of a membership free.
    pub(super) fn remove(&mut self, id: MembershipId) -> Option<Membership> {
        let removed = self.more.get_mut(place(id)?)?.take();
        while self.more.pop_if(|last| last.is_none()).is_some() {}
        removed
    }

    pub(super) fn get(&self, id: MembershipId) -> Option<&Membership> {
        self.more.get(place(id)?)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: MembershipId) -> Option<&mut Membership> {
        self.more.get_mut(place(id)?)?.as_mut()
    }

    /// All beyond the first.
    pub(super) fn memberships(&self) -> impl Iterator<Item = (MembershipId, &Membership)> {
        (self.more.iter().enumerate())
            .filter_map(|(place, membership)| Some((at(place), membership.as_ref()?)))
    }
}

/// The membership at `place` of those beyond the first.
fn at(place: usize) -> MembershipId {
    MembershipId::new(u8::try_from(place + 1).expect("below MEMBERSHIPS_MAX"))
}

/// Its place among those beyond the first.
fn place(id: MembershipId) -> Option<usize> {
    usize::from(id.number()).checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::{Due, Side};
    use crate::id::{MembershipId, RoomId};
    use crate::room::rendition::Rendition;
    use crate::session::membership::{MEMBERSHIPS_MAX, Membership};

    /// Goal: whichever was served last, all that are due come once, from behind it and round.
    #[test]
    fn due_memberships_come_in_turn() {
        let numbers = [0, 1, 5, 63, 64, 100, 127];
        let mut due = Due::default();
        assert_eq!(due.behind(MembershipId::INLINE).count(), 0);
        for number in numbers {
            due.insert(MembershipId::new(number));
        }
        for last in 0..128 {
            let (before, behind): (Vec<u8>, Vec<u8>) =
                numbers.iter().partition(|&&number| number <= last);
            let order: Vec<u8> = (due.behind(MembershipId::new(last)))
                .map(MembershipId::number)
                .collect();
            assert_eq!(order, [behind, before].concat());
        }
        for number in numbers {
            due.remove(MembershipId::new(number));
        }
        assert!(due.is_empty());
    }

    /// Goal: the lowest free place is taken, there are 127 beside the first, and none is kept for
    /// those that have gone.
    #[test]
    fn places_are_used_again() {
        let mut side = Side::default();
        let room = |number: usize| Membership::new(RoomId::at(number), Rendition::PLAIN);
        for number in 1..MEMBERSHIPS_MAX {
            let id = side.add(room(number)).expect("there is room");
            assert_eq!(usize::from(id.number()), number);
        }
        assert!(side.add(room(0)).is_none());
        let (low, high) = (MembershipId::new(3), MembershipId::new(90));
        side.remove(high).expect("it was there");
        side.remove(low).expect("it was there");
        assert!(side.remove(low).is_none() && side.get(low).is_none());
        assert_eq!(side.add(room(200)), Some(low));
        assert_eq!(side.get(low).map(Membership::room), Some(RoomId::at(200)));
        for number in 1..128 {
            side.remove(MembershipId::new(number));
        }
        assert!(side.is_empty() && side.remove(MembershipId::INLINE).is_none());
    }
}
