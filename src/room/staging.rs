//! What one turn of the loop has gathered: messages that wait for their place in the order, or to be
//! passed on to whoever decides it, grouped by room.

use std::collections::VecDeque;

use crate::id::{MemberId, Offset, RoomId, Ticket};
use crate::message::{Message, Origin, Run, Slice};

/// The staged messages of one room, in order.
#[derive(Debug, Default)]
pub(crate) struct Group {
    run: Run,
    /// Messages at the front of it that were taken, and the bytes of what they said.
    taken: usize,
    taken_bytes: usize,
}

/// A group that holds more memory than this gives it back once it is empty.
const KEPT_BYTES_MAX: usize = 8 << 10;

impl Group {
    /// Adds a message; returns its weight.
    pub(crate) fn push(&mut self, message: &Message<'_>) -> usize {
        self.run.push(message)
    }

    /// Adds all messages of `run`; returns their weight.
    pub(crate) fn append(&mut self, run: &mut Run) -> usize {
        let weight = run.weight();
        self.run.append(run);
        weight
    }

    /// Takes back the message that `member` waits for word of by `ticket`, if it is there; returns its weight.
    pub(crate) fn withdraw(&mut self, member: MemberId, ticket: Ticket) -> Option<usize> {
        let weight = self.run.withdraw(self.taken, member, ticket)?;
        if self.is_empty() {
            self.run.clear();
            (self.taken, self.taken_bytes) = (0, 0);
        }
        Some(weight)
    }

    /// Whether nothing is staged.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.taken == self.run.len()
    }

    /// What it weighs.
    #[must_use]
    pub(crate) fn weight(&self) -> usize {
        self.run.weight() - self.taken_weight()
    }

    /// What those weigh that were taken and are not forgotten yet.
    fn taken_weight(&self) -> usize {
        self.taken_bytes + self.taken * Run::ENTRY_BYTES
    }

    /// The first messages, at least one and, beyond that, of at most `weight_max`.
    #[must_use]
    pub(crate) fn front(&self, weight_max: usize) -> Slice<'_> {
        self.run
            .part_of_weight(self.taken, self.taken_bytes, weight_max)
    }

    /// The first `count` messages, which say so many bytes.
    #[must_use]
    pub(crate) fn first(&self, count: usize, payload_bytes: usize) -> Slice<'_> {
        (self.run).part(self.taken, count, self.taken_bytes, payload_bytes)
    }

    /// Gives those of the first `count` messages that were published the places that `place` says when it
    /// hears where they came from.
    pub(crate) fn put_in_order(&mut self, count: usize, place: impl FnMut(Origin) -> Offset) {
        self.run.put_in_order(self.taken, count, place);
    }

    /// The same, but those get none that say more than so many bytes.
    pub(crate) fn put_short_in_order(
        &mut self,
        count: usize,
        data_bytes_max: usize,
        place: impl FnMut(Origin) -> Offset,
    ) {
        (self.run).put_short_in_order(self.taken, count, data_bytes_max, place);
    }

    /// Takes out the first `count` messages, to keep.
    pub(crate) fn take(&mut self, count: usize) -> Run {
        if self.taken == 0 && count == self.run.len() {
            // Whoever counts its weight knows of no more memory than that.
            return self.run.take_tight();
        }
        let front = self.run.part_of_count(self.taken, self.taken_bytes, count);
        let (run, bytes) = (front.to_run(), front.payload_bytes());
        self.remove(count, bytes);
        run
    }

    /// Takes out the first `count` messages, which say so many bytes.
    pub(crate) fn remove(&mut self, count: usize, payload_bytes: usize) {
        self.taken += count;
        self.taken_bytes += payload_bytes;
        if self.is_empty() {
            if self.run.held_bytes() > KEPT_BYTES_MAX {
                self.run = Run::default();
            }
            self.run.clear();
            (self.taken, self.taken_bytes) = (0, 0);
        } else if 2 * self.taken_weight() > self.run.weight() {
            // What was taken goes even if there is always more, at the price of less than was taken.
            self.run.forget(self.taken, self.taken_bytes);
            (self.taken, self.taken_bytes) = (0, 0);
        }
    }
}

/// Groups kept for the next rooms that have something to say.
const SPARE_GROUPS_MAX: usize = 64;

/// Why a room with something staged is not served for now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Aside {
    /// It is.
    #[default]
    No,
    /// Another shard has to use up what it was sent.
    ForCredit,
    /// It is held for its members.
    ForMembers,
}

/// The rooms that have something staged, in turn, and how much it is in all.
///
/// Rooms borrow their groups from here for a turn: of ten thousand rooms few speak in the same one, and the
/// group that was used last is in the cache.
#[derive(Debug, Default)]
pub(crate) struct Staging {
    line: VecDeque<RoomId>,
    /// Rooms that can't be served until something outside happens.
    aside: Vec<RoomId>,
    weight: usize,
    for_credit: usize,
    for_members: usize,
    #[expect(
        clippy::vec_box,
        reason = "a room holds a pointer, which comes and goes without a copy"
    )]
    spare: Vec<Box<Group>>,
}

impl Staging {
    /// What all that is staged weighs.
    #[must_use]
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }

    /// What the rooms weigh whose turn comes without anything happening outside.
    #[must_use]
    pub(crate) fn weight_in_line(&self) -> usize {
        self.weight - self.for_credit - self.for_members
    }

    /// What the rooms weigh that are held for their members.
    #[must_use]
    pub(crate) fn weight_held(&self) -> usize {
        self.for_members
    }

    /// The rooms that were set aside.
    #[must_use]
    pub(crate) fn aside(&self) -> &[RoomId] {
        &self.aside
    }

    /// Whether no room stands in line.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// A place in line and an empty group for `room`, which had nothing staged before.
    pub(crate) fn begin(&mut self, room: RoomId) -> Box<Group> {
        self.line.push_back(room);
        self.spare.pop().unwrap_or_default()
    }

    /// A room staged more; `aside` says where it stands.
    pub(crate) fn extend(&mut self, weight: usize, aside: Aside) {
        self.weight += weight;
        self.count_aside(weight, aside);
    }

    fn count_aside(&mut self, weight: usize, aside: Aside) {
        match aside {
            Aside::No => {}
            Aside::ForCredit => self.for_credit += weight,
            Aside::ForMembers => self.for_members += weight,
        }
    }

    /// The room whose turn it is.
    #[must_use]
    pub(crate) fn next(&self) -> Option<RoomId> {
        self.line.front().copied()
    }

    /// So much of the room whose turn it is was taken.
    pub(crate) fn taken(&mut self, weight: usize) {
        self.weight -= weight;
    }

    /// The room whose turn it is has had it, and goes to the end of the line.
    pub(crate) fn rotate(&mut self) {
        self.line.rotate_left(1);
    }

    /// The room whose turn it is, with a group of `weight`, can't be served for now.
    pub(crate) fn set_aside(&mut self, weight: usize, aside: Aside) {
        self.aside.extend(self.line.pop_front());
        self.count_aside(weight, aside);
    }

    /// A room, of which `aside` says where it stands, has so much less staged.
    pub(crate) fn withdrawn(&mut self, weight: usize, aside: Aside) {
        self.weight -= weight;
        match aside {
            Aside::No => {}
            Aside::ForCredit => self.for_credit -= weight,
            Aside::ForMembers => self.for_members -= weight,
        }
    }

    /// A room has nothing staged any more, though it has had no turn.
    pub(crate) fn leave(&mut self, room: RoomId) {
        self.line.retain(|&other| other != room);
        self.aside.retain(|&other| other != room);
    }

    /// The rooms set aside stand in line again; returns them.
    pub(crate) fn line_up(&mut self) -> impl Iterator<Item = RoomId> + use<> {
        (self.for_credit, self.for_members) = (0, 0);
        let rooms = std::mem::take(&mut self.aside);
        self.line.extend(&rooms);
        rooms.into_iter()
    }

    /// The room whose turn it is has nothing staged any more, and gives its group back.
    pub(crate) fn finish(&mut self, group: Box<Group>) {
        assert!(group.is_empty());
        self.line.pop_front();
        if self.spare.len() < SPARE_GROUPS_MAX {
            self.spare.push(group);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Aside, Group, Message, RoomId, Staging};
    use crate::message::{Event, Form, Origin};

    fn message(payload: &[u8]) -> Message<'_> {
        Message::new(Event::said(Form::Binary, payload), Origin::Nobody)
    }

    proptest! {
        /// Goal: messages come out whole, once, in order, at least one each time and no more than asked.
        #[test]
        fn messages_are_taken_whole_and_in_order(
            messages in prop::collection::vec((0usize..40, 0usize..60), 1..60),
        ) {
            let (mut group, mut expected, mut got) = (Group::default(), Vec::new(), Vec::new());
            let mut take = |group: &mut Group, most: usize| {
                let before = group.weight();
                let front = group.front(most);
                assert!(front.len() > 0 && (front.weight() <= most || front.len() == 1));
                for message in front.messages() {
                    let Event::Published { data, .. } = message.event else {
                        panic!("{message:?}");
                    };
                    got.push(data.to_vec());
                }
                let (count, bytes, weight) = (front.len(), front.payload_bytes(), front.weight());
                group.remove(count, bytes);
                assert_eq!(group.weight() + weight, before);
            };
            for (number, (length, most)) in (0u8..).zip(messages) {
                let payload = vec![number; length];
                group.push(&message(&payload));
                expected.push(payload);
                if most % 2 == 0 {
                    take(&mut group, most + 40);
                }
            }
            while !group.is_empty() {
                take(&mut group, 90);
            }
            prop_assert_eq!(got, expected);
        }
    }

    /// Goal: a group that is never emptied does not keep what was taken.
    #[test]
    fn a_group_forgets_what_was_taken() {
        let mut group = Group::default();
        let take_one = |group: &mut Group| {
            let front = group.front(1);
            let (count, bytes) = (front.len(), front.payload_bytes());
            group.remove(count, bytes);
        };
        for _ in 0..1000 {
            group.push(&message(&[0; 1000]));
            group.push(&message(&[0; 1000]));
            take_one(&mut group);
            group.push(&message(&[0; 10]));
            while group.front(usize::MAX).len() > 2 {
                take_one(&mut group);
            }
        }
        assert!(
            group.run.held_bytes() < 30_000,
            "{}",
            group.run.held_bytes()
        );
    }

    /// Goal: a group of small messages that is never emptied does not keep what was taken either.
    #[test]
    fn a_group_forgets_small_messages_that_were_taken() {
        let mut group = Group::default();
        for _ in 0..100_000 {
            group.push(&message(b"hello"));
            if group.run.len() > group.taken + 10 {
                let front = group.front(1);
                let (count, bytes) = (front.len(), front.payload_bytes());
                group.remove(count, bytes);
            }
        }
        assert!(group.weight() < 2_000);
        assert!(
            group.run.held_bytes() < 30_000,
            "{} bytes for {} staged",
            group.run.held_bytes(),
            group.weight()
        );
    }

    /// Goal: rooms take turns, those set aside stand apart until they are called, and the sums follow.
    #[test]
    fn rooms_take_turns_and_stand_aside() {
        let mut staging = Staging::default();
        let rooms = [0, 1, 2].map(RoomId::at);
        let mut groups = rooms.map(|room| staging.begin(room));
        for group in &mut groups {
            let weight = group.push(&message(&[0; 10]));
            staging.extend(weight, Aside::No);
        }
        let each = groups[0].weight();
        assert_eq!(staging.next(), Some(rooms[0]));
        staging.rotate();
        assert_eq!(staging.next(), Some(rooms[1]));
        staging.set_aside(each, Aside::ForMembers);
        staging.extend(5, Aside::ForMembers);
        assert_eq!(staging.weight_held(), each + 5);
        assert_eq!(
            (staging.weight(), staging.weight_in_line()),
            (3 * each + 5, 2 * each)
        );
        assert_eq!(staging.next(), Some(rooms[2]));
        assert_eq!(staging.line_up().collect::<Vec<_>>(), [rooms[1]]);
        assert_eq!(staging.weight_in_line(), staging.weight());
        assert!(!staging.is_empty());
    }
}
