//! Dead sessions on their way to a free slot.

use crate::id::SessionKey;

/// Dead sessions whose slots may be free.
#[derive(Debug, Default)]
pub(crate) struct Dead(Vec<SessionKey>);

impl Dead {
    /// The kernel may owe no answer to this one any more.
    pub(crate) fn add(&mut self, key: SessionKey) {
        self.0.push(key);
    }

    /// The next one to look at.
    pub(crate) fn next(&mut self) -> Option<SessionKey> {
        self.0.pop()
    }

    /// Whether there is a slot to look at.
    pub(crate) fn has_work(&self) -> bool {
        !self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::{Dead, SessionKey};

    /// Goal: each one that is added is looked at, once for each time, and then there is no work.
    #[test]
    fn the_dead_are_looked_at() {
        let key = |slot| SessionKey {
            slot,
            generation: 0,
        };
        let mut dead = Dead::default();
        assert!(!dead.has_work() && dead.next().is_none());
        for slot in [1, 2, 1] {
            dead.add(key(slot));
        }
        assert!(dead.has_work());
        let mut seen: Vec<u32> = std::iter::from_fn(|| dead.next())
            .map(|key| key.slot)
            .collect();
        seen.sort_unstable();
        assert_eq!(seen, [1, 1, 2]);
        assert!(!dead.has_work());
    }
}
