//! What one turn of the loop has gathered: messages framed and waiting, grouped by room, to be
//! appended to the log in one run for each room.

use std::collections::VecDeque;

use super::index::MemberId;
use super::{Rendition, RoomId};

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
    /// Adds the frame that `write` appends to the buffer it is given; returns its bytes.
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
        bytes
    }

    /// Whether nothing is staged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes whole frames from the front, at least one and, beyond that, at most `bytes_max`,
    /// into `frames` and `entries`.
    pub fn take(&mut self, bytes_max: usize, frames: &mut Vec<u8>, entries: &mut Vec<Entry>) {
        frames.clear();
        entries.clear();
        let mut bytes = 0;
        while let Some(entry) = self.entries.front() {
            if bytes > 0 && bytes + entry.bytes as usize > bytes_max {
                break;
            }
            bytes += entry.bytes as usize;
            entries.push(*entry);
            self.entries.pop_front();
        }
        frames.extend_from_slice(&self.frames[self.taken_bytes..self.taken_bytes + bytes]);
        self.taken_bytes += bytes;
        if self.entries.is_empty() {
            self.frames.clear();
            self.taken_bytes = 0;
            if self.frames.capacity() > KEPT_BYTES_MAX {
                *self = Self::default();
            }
        }
    }
}

/// Groups kept for the next rooms that have something to say.
const SPARE_GROUPS_MAX: usize = 64;

/// The rooms that have something staged, first come first served, and how much it is in all.
///
/// Rooms borrow their groups from here for a turn: of ten thousand rooms few speak in the same one, and the
/// group that was used last is in the cache.
#[derive(Debug, Default)]
pub struct Staging {
    rooms: VecDeque<RoomId>,
    bytes: usize,
    #[expect(
        clippy::vec_box,
        reason = "a room holds a pointer, which comes and goes without a copy"
    )]
    spare: Vec<Box<Group>>,
}

impl Staging {
    /// Bytes staged over all rooms.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing is staged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }

    /// A place in line and an empty group for `room`, which had nothing staged before.
    pub fn begin(&mut self, room: RoomId) -> Box<Group> {
        self.rooms.push_back(room);
        self.spare.pop().unwrap_or_default()
    }

    /// `bytes` were staged for a room that has its place.
    pub fn extend(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// The room whose turn it is.
    #[must_use]
    pub fn next(&self) -> Option<RoomId> {
        self.rooms.front().copied()
    }

    /// `bytes` of the room whose turn it is were taken.
    pub fn taken(&mut self, bytes: usize) {
        self.bytes -= bytes;
    }

    /// The room whose turn it is has nothing staged any more, and gives its group back.
    pub fn finish(&mut self, group: Box<Group>) {
        assert!(group.is_empty());
        self.rooms.pop_front();
        if self.spare.len() < SPARE_GROUPS_MAX {
            self.spare.push(group);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Group;

    proptest! {
        /// Frames come out whole, once, in order, at least one each time and no more than asked.
        #[test]
        fn frames_are_taken_whole_and_in_order(
            frames in prop::collection::vec((2usize..40, any::<bool>(), 0usize..60), 1..60),
        ) {
            let (mut group, mut expected, mut got) = (Group::default(), Vec::new(), Vec::new());
            let (mut bytes, mut entries) = (Vec::new(), Vec::new());
            let mut take = |group: &mut Group, most: usize| {
                group.take(most, &mut bytes, &mut entries);
                assert!(!entries.is_empty() && (bytes.len() <= most || entries.len() == 1));
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
                    take(&mut group, most);
                }
            }
            while !group.is_empty() {
                take(&mut group, 50);
            }
            prop_assert_eq!(got, expected);
        }
    }
}
