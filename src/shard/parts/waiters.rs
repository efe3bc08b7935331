//! Clients whose message waits until its room takes more.

use crate::id::SessionKey;

/// Those clients, in the order in which they came, and some that wait no longer.
#[derive(Debug, Default)]
pub(crate) struct Waiters(Vec<SessionKey>);

impl Waiters {
    /// This one waits.
    pub(crate) fn add(&mut self, key: SessionKey) {
        self.0.push(key);
    }

    /// All of them, in a list to be given back with those that wait on; `None` when there are none.
    pub(crate) fn take(&mut self) -> Option<Vec<SessionKey>> {
        (!self.0.is_empty()).then(|| std::mem::take(&mut self.0))
    }

    /// These wait on, and have waited for longer than whoever has come since.
    pub(crate) fn give_back(&mut self, mut waiting: Vec<SessionKey>) {
        waiting.append(&mut self.0);
        self.0 = waiting;
    }
}

#[cfg(test)]
mod tests {
    use super::{SessionKey, Waiters};

    /// Goal: whoever has waited longest stays first, and nobody is kept that was not given back.
    #[test]
    fn waiters_keep_their_order() {
        let key = |slot| SessionKey {
            slot,
            generation: 0,
        };
        let mut waiters = Waiters::default();
        assert!(waiters.take().is_none());
        for slot in [1, 2, 3] {
            waiters.add(key(slot));
        }
        let mut taken = waiters.take().expect("three wait");
        taken.remove(1);
        waiters.add(key(4));
        waiters.give_back(taken);
        assert_eq!(waiters.take(), Some([1, 3, 4].map(key).to_vec()));
        assert!(waiters.take().is_none());
    }
}
