//! How far the end of the server has come.

use std::time::Duration;

use crate::id::SessionKey;

/// How far the end of the server has come.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    stopping: bool,
    drained: bool,
    /// Clients that are told of the end once they have all there is for them, and some that are gone.
    farewells: Vec<SessionKey>,
    /// When they are told in any case.
    farewells_over: Option<Duration>,
}

impl Ending {
    /// The server is stopping; who is to be told later has until `farewells_over`.
    pub(crate) fn stop(&mut self, farewells_over: Duration) {
        self.stopping = true;
        self.farewells_over.get_or_insert(farewells_over);
    }

    /// The last pages were served.
    pub(crate) fn drain(&mut self) {
        self.drained = true;
    }

    /// Whether upgrades are refused.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// Whether no connections are taken any more.
    pub(crate) fn is_drained(&self) -> bool {
        self.drained
    }

    /// The client is told of the end later.
    pub(crate) fn await_farewell(&mut self, key: SessionKey) {
        self.farewells.push(key);
    }

    /// Those clients, in a list to be given back with those that are still to be told; `None` when there are
    /// none.
    pub(crate) fn take_farewells(&mut self) -> Option<Vec<SessionKey>> {
        (!self.farewells.is_empty()).then(|| std::mem::take(&mut self.farewells))
    }

    /// These are still to be told.
    pub(crate) fn return_farewells(&mut self, mut farewells: Vec<SessionKey>) {
        self.farewells.append(&mut farewells);
    }

    /// When all that are still to be told are told in any case, if there are any.
    pub(crate) fn farewell_deadline(&self) -> Option<Duration> {
        self.farewells_over.filter(|_| !self.farewells.is_empty())
    }

    /// Whether that time has come.
    pub(crate) fn is_farewell_over(&self, now: Duration) -> bool {
        self.farewells_over.is_some_and(|over| over <= now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Ending, SessionKey};

    /// Goal: first upgrades are refused, then connections too, and neither is allowed again.
    #[test]
    fn the_end_comes_in_steps() {
        type Step = fn(&mut Ending);
        let stop = |ending: &mut Ending| ending.stop(Duration::from_secs(1));
        let mut ending = Ending::default();
        let steps: [(Step, (bool, bool)); 4] = [
            (|_| {}, (false, false)),
            (stop, (true, false)),
            (Ending::drain, (true, true)),
            (stop, (true, true)),
        ];
        for (step, expected) in steps {
            step(&mut ending);
            assert_eq!((ending.is_stopping(), ending.is_drained()), expected);
        }
    }

    /// Goal: whoever is to be told later has until the time of the first stop, and nothing is due when nobody is.
    #[test]
    fn farewells_have_their_time() {
        let key = |slot| SessionKey {
            slot,
            generation: 0,
        };
        let at = Duration::from_secs;
        let mut ending = Ending::default();
        ending.stop(at(3));
        ending.stop(at(9));
        assert_eq!(ending.farewell_deadline(), None);
        ending.await_farewell(key(1));
        ending.await_farewell(key(2));
        assert_eq!(ending.farewell_deadline(), Some(at(3)));
        assert!(!ending.is_farewell_over(at(2)) && ending.is_farewell_over(at(3)));
        let mut taken = ending.take_farewells().expect("two are to be told");
        taken.pop();
        ending.return_farewells(taken);
        assert_eq!(ending.take_farewells(), Some(vec![key(1)]));
        assert_eq!(
            (ending.take_farewells(), ending.farewell_deadline()),
            (None, None)
        );
    }
}
