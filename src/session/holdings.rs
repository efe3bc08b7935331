//! What the sessions of a shard hold in memory for their peers' sake: request heads and messages of
//! which the rest has not come, replies that were not read. Together they have one limit.
//!
//! It keeps the sums and who has held something for the longest; what becomes of them is not
//! decided here. Where nobody is malicious, nothing is held for long.

use std::collections::VecDeque;

use crate::id::SessionKey;

/// What any session may hold without being asked for it: a short request head, a few replies.
pub(crate) const SMALL_BYTES: usize = 512;

/// What the session in a slot holds.
#[derive(Debug, Clone, Copy, Default)]
struct Holding {
    bytes: usize,
    /// Names its valid entry in the line; 0 when it has none.
    entry: u64,
}

/// The holdings of all sessions of a shard.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    by_slot: Vec<Holding>,
    bytes: usize,
    holders: usize,
    /// Whoever holds more than a little, and since when; with entries that are no longer valid.
    line: VecDeque<(SessionKey, u64)>,
    entries: u64,
}

impl Holdings {
    /// What all sessions hold together.
    #[must_use]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The session holds so much now; nothing when it is gone.
    #[inline]
    pub(crate) fn note(&mut self, key: SessionKey, bytes: usize) {
        let before = (self.by_slot.get(key.slot as usize)).map_or(0, |holding| holding.bytes);
        // Nearly always nothing, as before.
        if bytes != before {
            self.change(key, bytes);
        }
    }

    /// Not inlined, so that [`Self::note`] is.
    #[inline(never)]
    fn change(&mut self, key: SessionKey, bytes: usize) {
        let slot = key.slot as usize;
        if self.by_slot.len() <= slot {
            self.by_slot.resize(slot + 1, Holding::default());
        }
        let holding = &mut self.by_slot[slot];
        self.bytes = self.bytes - holding.bytes + bytes;
        holding.bytes = bytes;
        match (bytes > SMALL_BYTES, holding.entry) {
            (true, 0) => {
                self.entries += 1;
                holding.entry = self.entries;
                self.holders += 1;
                self.line.push_back((key, self.entries));
                self.forget_invalid();
            }
            (false, 1..) => {
                holding.entry = 0;
                self.holders -= 1;
            }
            _ => {}
        }
    }

    /// Whoever has held more than a little for the longest; it is named once.
    pub(crate) fn poll_oldest(&mut self) -> Option<SessionKey> {
        while let Some((key, entry)) = self.line.pop_front() {
            let holding = &mut self.by_slot[key.slot as usize];
            if holding.entry == entry {
                holding.entry = 0;
                self.holders -= 1;
                return Some(key);
            }
        }
        None
    }

    /// Keeps the line about as long as there are holders.
    fn forget_invalid(&mut self) {
        if self.line.len() > 2 * self.holders + 64 {
            let by_slot = &self.by_slot;
            (self.line).retain(|(key, entry)| by_slot[key.slot as usize].entry == *entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Holdings, SMALL_BYTES};
    use crate::id::SessionKey;

    fn key(slot: u32) -> SessionKey {
        SessionKey {
            slot,
            generation: 0,
        }
    }

    /// Goal: the one that has held most for the longest is named first; whoever let go in between
    /// counts anew, and a little counts in the sum alone.
    #[test]
    fn the_oldest_holder_comes_first() {
        let mut holdings = Holdings::default();
        for slot in 0..4 {
            holdings.note(key(slot), 1000);
        }
        holdings.note(key(9), SMALL_BYTES);
        assert_eq!(holdings.bytes(), 4000 + SMALL_BYTES);
        holdings.note(key(0), 0);
        holdings.note(key(0), 5000);
        holdings.note(key(1), 3000);
        holdings.note(key(2), 10);
        let order: Vec<_> = std::iter::from_fn(|| holdings.poll_oldest()).collect();
        assert_eq!(order, [key(1), key(3), key(0)]);
        assert_eq!(holdings.bytes(), 5000 + 3000 + 10 + 1000 + SMALL_BYTES);
    }

    /// Goal: sessions that come and go, or hold something now and then, leave nothing behind.
    #[test]
    fn the_line_does_not_grow() {
        let mut holdings = Holdings::default();
        for round in 0..10_000 {
            holdings.note(key(round % 7), 2000);
            holdings.note(key(round % 7), 0);
        }
        assert!(holdings.line.len() <= 66, "{}", holdings.line.len());
        assert_eq!((holdings.bytes(), holdings.holders), (0, 0));
    }
}
