//! The sessions of a shard, each under a key that is never mistaken for its slot's next tenant.

use slab::Slab;

use super::Session;
use crate::id::SessionKey;

/// A slab of fixed capacity with generational keys.
///
/// A slot is taken until its session is removed, which the shard does only when the kernel owes
/// no answer to any operation on it.
#[derive(Debug)]
pub(crate) struct Sessions {
    slab: Slab<Session>,
    generations: Vec<u32>,
    capacity: usize,
}

impl Sessions {
    /// Room for `capacity` sessions, at most 2^24. Memory is touched as it is used.
    #[must_use]
    pub(crate) fn new(capacity: usize) -> Self {
        assert!(capacity < 1 << 24);
        Self {
            slab: Slab::with_capacity(capacity),
            generations: Vec::new(),
            capacity,
        }
    }

    /// Takes a free slot; `None` when there is none.
    pub(crate) fn insert(&mut self, session: Session) -> Option<SessionKey> {
        if self.slab.len() == self.capacity {
            return None;
        }
        let slot = u32::try_from(self.slab.insert(session)).expect("slots are below 2^24");
        if self.generations.len() <= slot as usize {
            self.generations.resize(slot as usize + 1, 0);
        }
        Some(SessionKey {
            slot,
            generation: self.generations[slot as usize],
        })
    }

    /// Gives the slot free; its next tenant gets another key.
    pub(crate) fn remove(&mut self, slot: u32) -> Session {
        let generation = &mut self.generations[slot as usize];
        *generation = generation.wrapping_add(1);
        self.slab.remove(slot as usize)
    }

    /// The key of the session in `slot`.
    #[must_use]
    pub(crate) fn key(&self, slot: u32) -> SessionKey {
        SessionKey {
            slot,
            generation: self.generations[slot as usize],
        }
    }

    /// The session that `key` names, if it is still there.
    #[must_use]
    pub(crate) fn find(&self, key: SessionKey) -> Option<&Session> {
        if self.generations.get(key.slot as usize) != Some(&key.generation) {
            return None;
        }
        self.slab.get(key.slot as usize)
    }

    /// Like [`Self::find`].
    #[must_use]
    pub(crate) fn lookup(&mut self, key: SessionKey) -> Option<&mut Session> {
        if self.generations.get(key.slot as usize) != Some(&key.generation) {
            return None;
        }
        self.slab.get_mut(key.slot as usize)
    }

    /// The session in `slot`, if it holds one.
    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Session> {
        self.slab.get_mut(slot as usize)
    }

    /// The session in `slot`, which holds one.
    #[must_use]
    pub(crate) fn at(&self, slot: u32) -> &Session {
        &self.slab[slot as usize]
    }

    /// Like [`Self::at`].
    pub(crate) fn at_mut(&mut self, slot: u32) -> &mut Session {
        &mut self.slab[slot as usize]
    }

    /// Taken slots.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    /// Whether no slot is taken.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }

    /// Every taken slot.
    pub(crate) fn slots(&self) -> impl Iterator<Item = u32> {
        self.slab
            .iter()
            .map(|(slot, _)| u32::try_from(slot).expect("slots are below 2^24"))
    }
}

#[cfg(test)]
mod tests {
    use super::Sessions;
    use crate::session::tests::fresh;

    /// Goal: a key names one tenant of a slot and none after it.
    #[test]
    fn a_key_does_not_name_the_next_tenant() {
        let mut sessions = Sessions::new(2);
        let first = sessions.insert(fresh()).unwrap();
        let other = sessions.insert(fresh()).unwrap();
        sessions.remove(first.slot);
        assert!(sessions.lookup(first).is_none());
        let second = sessions.insert(fresh()).unwrap();
        assert_eq!(second.slot, first.slot);
        assert!(sessions.lookup(first).is_none());
        assert!(sessions.lookup(second).is_some() && sessions.lookup(other).is_some());
        assert_eq!(sessions.key(second.slot), second);
    }

    /// Goal: there is room for as many as was said, and again when one is gone.
    #[test]
    fn the_capacity_is_a_limit() {
        let mut sessions = Sessions::new(2);
        let first = sessions.insert(fresh()).unwrap();
        assert!(sessions.insert(fresh()).is_some());
        assert!(sessions.insert(fresh()).is_none());
        sessions.remove(first.slot);
        assert!(sessions.insert(fresh()).is_some());
        assert_eq!((sessions.len(), sessions.is_empty()), (2, false));
        assert_eq!(sessions.slots().collect::<Vec<_>>(), [0, 1]);
    }
}
