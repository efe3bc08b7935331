//! What one turn of the loop has gathered: messages framed and waiting, grouped by room, to be
//! appended to the log in one run for each room.

use std::collections::VecDeque;

use super::Rendition;
use crate::id::{MemberId, RoomId};

/// One frame on its way into a room's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Header and payload.
    pub bytes: u32,
    /// Whether it is a join or leave notice or a member count.
    pub notice: bool,
    /// The session that is not to get it.
    pub origin: Option<MemberId>,
}

impl Entry {
    /// Whether members that read `rendition` get it.
    #[must_use]
    pub fn is_in(&self, rendition: Rendition) -> bool {
        match rendition {
            Rendition::Full => true,
            Rendition::Quiet => !self.notice,
        }
    }
}

/// What staged or passed on messages take in memory: frames, and what describes them.
#[must_use]
pub fn weight(frame_bytes: usize, entries: usize) -> usize {
    frame_bytes + entries * size_of::<Entry>()
}

/// The staged frames of one room, in order.
#[derive(Debug, Default)]
pub struct Group {
    frames: Vec<u8>,
    entries: VecDeque<Entry>,
    taken_bytes: usize,
}

/// A staging buffer larger than this is given back once it is empty.
const KEPT_BYTES_MAX: usize = 4 << 10;

impl Group {
    /// Adds the frame that `write` appends to the buffer it is given; returns its weight.
    pub fn push(
        &mut self,
        notice: bool,
        origin: Option<MemberId>,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> usize {
        let before = self.frames.len();
        write(&mut self.frames);
        let bytes = self.frames.len() - before;
        let bytes_u32 = u32::try_from(bytes).expect("a frame is at most a quarter of the log");
        self.entries.push_back(Entry {
            bytes: bytes_u32,
            notice,
            origin,
        });
        weight(bytes, 1)
    }

    /// Whether nothing is staged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What it weighs.
    #[must_use]
    pub fn weight(&self) -> usize {
        weight(self.frames.len() - self.taken_bytes, self.entries.len())
    }

    /// Takes whole frames from the front, at least one and, beyond that, of at most `weight_max`,
    /// into `frames` and `entries`; returns their weight.
    pub fn take(
        &mut self,
        weight_max: usize,
        frames: &mut Vec<u8>,
        entries: &mut Vec<Entry>,
    ) -> usize {
        frames.clear();
        entries.clear();
        let mut bytes = 0;
        while let Some(entry) = self.entries.front() {
            let more = bytes + entry.bytes as usize;
            if bytes > 0 && weight(more, entries.len() + 1) > weight_max {
                break;
            }
            bytes = more;
            entries.push(*entry);
            self.entries.pop_front();
        }
        frames.extend_from_slice(&self.frames[self.taken_bytes..self.taken_bytes + bytes]);
        self.taken_bytes += bytes;
        if self.taken_bytes > self.frames.len() / 2 {
            // What was taken goes even if there is always more, at the price of less than was taken.
            self.frames.drain(..self.taken_bytes);
            self.taken_bytes = 0;
        }
        if self.entries.is_empty() && self.frames.capacity() > KEPT_BYTES_MAX {
            *self = Self::default();
        }
        weight(bytes, entries.len())
    }
}

/// Groups kept for the next rooms that have something to say.
const SPARE_GROUPS_MAX: usize = 64;

/// Why a room with something staged is not served for now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Aside {
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
pub struct Staging {
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
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// What the rooms weigh whose turn comes without anything happening outside.
    #[must_use]
    pub fn weight_in_line(&self) -> usize {
        self.weight - self.for_credit - self.for_members
    }

    /// What the rooms weigh that are held for their members.
    #[must_use]
    pub fn weight_held(&self) -> usize {
        self.for_members
    }

    /// The rooms that were set aside.
    #[must_use]
    pub fn aside(&self) -> &[RoomId] {
        &self.aside
    }

    /// Whether no room stands in line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// A place in line and an empty group for `room`, which had nothing staged before.
    pub fn begin(&mut self, room: RoomId) -> Box<Group> {
        self.line.push_back(room);
        self.spare.pop().unwrap_or_default()
    }

    /// A room staged more; `aside` says where it stands.
    pub fn extend(&mut self, weight: usize, aside: Aside) {
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
    pub fn next(&self) -> Option<RoomId> {
        self.line.front().copied()
    }

    /// So much of the room whose turn it is was taken.
    pub fn taken(&mut self, weight: usize) {
        self.weight -= weight;
    }

    /// The room whose turn it is has had it, and goes to the end of the line.
    pub fn rotate(&mut self) {
        self.line.rotate_left(1);
    }

    /// The room whose turn it is, with a group of `weight`, can't be served for now.
    pub fn set_aside(&mut self, weight: usize, aside: Aside) {
        self.aside.extend(self.line.pop_front());
        self.count_aside(weight, aside);
    }

    /// The rooms set aside stand in line again; returns them.
    pub fn line_up(&mut self) -> impl Iterator<Item = RoomId> + use<> {
        (self.for_credit, self.for_members) = (0, 0);
        let rooms = std::mem::take(&mut self.aside);
        self.line.extend(&rooms);
        rooms.into_iter()
    }

    /// The room whose turn it is has nothing staged any more, and gives its group back.
    pub fn finish(&mut self, group: Box<Group>) {
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

    use super::{Aside, Group, RoomId, Staging, weight};

    proptest! {
        /// Frames come out whole, once, in order, at least one each time and no more than asked.
        #[test]
        fn frames_are_taken_whole_and_in_order(
            frames in prop::collection::vec((2usize..40, any::<bool>(), 0usize..60), 1..60),
        ) {
            let (mut group, mut expected, mut got) = (Group::default(), Vec::new(), Vec::new());
            let (mut bytes, mut entries) = (Vec::new(), Vec::new());
            let mut take = |group: &mut Group, most: usize| {
                let taken = group.take(most, &mut bytes, &mut entries);
                assert_eq!(taken, weight(bytes.len(), entries.len()));
                assert!(!entries.is_empty() && (taken <= most || entries.len() == 1));
                let mut rest = &bytes[..];
                for entry in &entries {
                    let (frame, after) = rest.split_at(entry.bytes as usize);
                    got.push((frame.to_vec(), entry.notice));
                    rest = after;
                }
                assert!(rest.is_empty());
            };
            for (number, (length, notice, most)) in (0u8..).zip(frames) {
                let frame = vec![number; length];
                group.push(notice, None, |out| out.extend_from_slice(&frame));
                expected.push((frame, notice));
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

    /// A group that is never emptied does not keep what was taken.
    #[test]
    fn a_group_forgets_what_was_taken() {
        let (mut group, mut bytes, mut entries) = (Group::default(), Vec::new(), Vec::new());
        for _ in 0..1000 {
            group.push(false, None, |out| out.extend_from_slice(&[0; 1000]));
            group.push(false, None, |out| out.extend_from_slice(&[0; 1000]));
            group.take(1, &mut bytes, &mut entries);
            group.push(false, None, |out| out.extend_from_slice(&[0; 10]));
            while group.entries.len() > 2 {
                group.take(1, &mut bytes, &mut entries);
            }
        }
        assert!(
            group.frames.capacity() < 20_000,
            "{}",
            group.frames.capacity()
        );
    }

    /// Rooms take turns, those set aside stand apart until they are called, and the sums follow.
    #[test]
    fn rooms_take_turns_and_stand_aside() {
        let mut staging = Staging::default();
        let mut groups: Vec<_> = (0..3).map(|room| staging.begin(RoomId::at(room))).collect();
        for group in &mut groups {
            let weight = group.push(false, None, |out| out.extend_from_slice(&[0; 10]));
            staging.extend(weight, Aside::No);
        }
        let each = groups[0].weight();
        assert_eq!(staging.next(), Some(RoomId::at(0)));
        staging.rotate();
        assert_eq!(staging.next(), Some(RoomId::at(1)));
        staging.set_aside(each, Aside::ForMembers);
        staging.extend(5, Aside::ForMembers);
        assert_eq!(staging.weight_held(), each + 5);
        assert_eq!(
            (staging.weight(), staging.weight_in_line()),
            (3 * each + 5, 2 * each)
        );
        assert_eq!(staging.next(), Some(RoomId::at(2)));
        assert_eq!(staging.line_up().collect::<Vec<_>>(), [RoomId::at(1)]);
        assert_eq!(staging.weight_in_line(), staging.weight());
        assert!(!staging.is_empty());
    }
}
