//! Sessions that have sent something for which no receive buffer was left, in line for one.
//!
//! The kernel lends buffers in the order in which receives are begun, and a receive that goes on by itself
//! takes them for as long as its socket has bytes: whoever was served would be served again, and the others
//! never.

use std::collections::VecDeque;

use crate::id::SessionKey;

/// Receives that are begun for them in a turn: as many as there are buffers.
pub(crate) const STARVED_PER_TURN_MAX: usize = 64;

/// Those sessions. Whoever is listened to comes before those whose words are thrown away, and of either the
/// one that has waited longest comes first.
#[derive(Debug, Default)]
pub(crate) struct Starved {
    heard: VecDeque<SessionKey>,
    /// They have been told to go, and there may be thousands that talk on.
    ignored: VecDeque<SessionKey>,
}

impl Starved {
    /// There was no buffer for what this one has sent, which is of interest or not.
    pub(crate) fn add(&mut self, key: SessionKey, is_heard: bool) {
        match is_heard {
            true => self.heard.push_back(key),
            false => self.ignored.push_back(key),
        }
    }

    /// The next one, which may be gone.
    pub(crate) fn next(&mut self) -> Option<SessionKey> {
        self.heard.pop_front().or_else(|| self.ignored.pop_front())
    }

    /// Whether somebody is in line.
    pub(crate) fn has_work(&self) -> bool {
        !self.heard.is_empty() || !self.ignored.is_empty()
    }

    /// Whether this one is; it looks at everybody.
    pub(crate) fn has(&self, key: SessionKey) -> bool {
        self.heard.contains(&key) || self.ignored.contains(&key)
    }
}

#[cfg(test)]
mod tests {
    use super::{SessionKey, Starved};

    /// Goal: whoever has waited longest comes first, and once; those to whom nobody listens come last.
    #[test]
    fn the_first_comes_first() {
        let key = |slot| SessionKey {
            slot,
            generation: 0,
        };
        let mut starved = Starved::default();
        assert!(!starved.has_work() && starved.next().is_none());
        for (slot, is_heard) in [(5, false), (3, true), (1, true), (4, false), (2, true)] {
            starved.add(key(slot), is_heard);
        }
        assert!(starved.has(key(1)) && starved.has(key(4)) && !starved.has(key(6)));
        let slots: Vec<u32> = std::iter::from_fn(|| starved.next())
            .map(|key| key.slot)
            .collect();
        assert_eq!(slots, [3, 1, 2, 5, 4]);
        assert!(!starved.has_work());
    }
}
