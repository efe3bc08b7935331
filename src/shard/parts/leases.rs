//! Sessions that end at some time whatever they do: those that came in by a token, and have no way to show another.
//!
//! Few have one, so it is not kept in the session.

use std::collections::{BTreeSet, HashMap};

use crate::id::SessionKey;
use crate::session::tick::Tick;

/// When which sessions end.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    ends: HashMap<SessionKey, Tick>,
    by_end: BTreeSet<(Tick, SessionKey)>,
    /// The first of these ends, at hand: every turn asks for it.
    next_end: Option<Tick>,
}

impl Leases {
    /// A session ends at that time.
    pub(crate) fn begin(&mut self, key: SessionKey, ends: Tick) {
        let before = self.ends.insert(key, ends);
        assert!(before.is_none(), "a session has one");
        self.by_end.insert((ends, key));
        self.next_end = self.first_end();
    }

    /// It has ended.
    pub(crate) fn end(&mut self, key: SessionKey) {
        let ends = self.ends.remove(&key).expect("it has one");
        self.by_end.remove(&(ends, key));
        self.next_end = self.first_end();
    }

    fn first_end(&self) -> Option<Tick> {
        self.by_end.first().map(|&(ends, _)| ends)
    }

    /// When the first of them ends.
    #[must_use]
    #[inline]
    pub(crate) fn next_end(&self) -> Option<Tick> {
        self.next_end
    }

    /// All whose time is over.
    #[must_use]
    pub(crate) fn due(&self, now: Tick) -> Vec<SessionKey> {
        let due = self.by_end.iter().take_while(|(ends, _)| *ends <= now);
        due.map(|&(_, key)| key).collect()
    }

    /// How many there are.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether a session has one.
    #[must_use]
    pub(crate) fn has(&self, key: SessionKey) -> bool {
        self.ends.contains_key(&key)
    }
}

#[cfg(test)]
mod tests {
    use super::{Leases, SessionKey, Tick};

    fn key(slot: u32) -> SessionKey {
        SessionKey {
            slot,
            generation: 7,
        }
    }

    /// Goal: whoever's time is over is known in the order of the ends, until it has ended, and nothing is kept of one
    /// that has.
    #[test]
    fn sessions_end_in_their_order() {
        let mut leases = Leases::default();
        for (slot, ends) in [(1, 30), (2, 20), (3, 30), (4, 10)] {
            leases.begin(key(slot), Tick(ends));
        }
        leases.end(key(4));
        assert_eq!(leases.next_end(), Some(Tick(20)));
        assert!(leases.due(Tick(19)).is_empty());
        assert_eq!(leases.due(Tick(30)), [key(2), key(1), key(3)]);
        for slot in 1..=3 {
            assert!(leases.has(key(slot)));
            leases.end(key(slot));
        }
        assert_eq!((leases.len(), leases.next_end()), (0, None));
    }
}
