//! Sessions that come and go: from which message on each of them is to have all.
//!
//! When a session joins, it is not known which message is the first that the server has for it. So what
//! it is to have goes from its first message to its last; what was sent before it began to join is history.

use std::ops::Range;

/// One session and one publisher, since the session joined.
#[derive(Clone, Debug, Default)]
struct Stay {
    /// The first message that was sent after it began to join.
    from: u64,
    /// From the lowest to the highest it had; empty if it had none.
    had: Range<u64>,
    /// Whether it is to have all from the beginning of that on, whatever comes first.
    is_resumed: bool,
}

/// All stays of a worker.
#[derive(Debug)]
pub(super) struct Stays {
    /// The first pair that is one of these.
    first_pair: usize,
    stays: Vec<Stay>,
    /// Messages between first and last, and those of them that came, of all stays there ever were.
    expected: u64,
    delivered: u64,
}

impl Stays {
    /// The pairs with these numbers.
    pub(super) fn new(pairs: Range<usize>) -> Self {
        Self {
            first_pair: pairs.start,
            stays: vec![Stay::default(); pairs.len()],
            expected: 0,
            delivered: 0,
        }
    }

    /// A session joins; the next message that is sent is this one.
    pub(super) fn begin(&mut self, pair: usize, from: u64) {
        self.stays[pair - self.first_pair] = Stay {
            from,
            ..Stay::default()
        };
    }

    /// A session comes back, and is to have all from this message on.
    pub(super) fn resume(&mut self, pair: usize, next: u64) {
        self.stays[pair - self.first_pair] = Stay {
            from: 0,
            had: next..next,
            is_resumed: true,
        };
    }

    /// Whether a message had been sent before the session began to join.
    pub(super) fn is_history(&self, pair: usize, sequence: u64) -> bool {
        sequence < self.stays[pair - self.first_pair].from
    }

    /// Whether nothing has come since the session joined.
    pub(super) fn is_empty(&self, pair: usize) -> bool {
        self.stays[pair - self.first_pair].had.is_empty()
    }

    /// A message has come for the first time.
    pub(super) fn enter(&mut self, pair: usize, sequence: u64) {
        let stay = &mut self.stays[pair - self.first_pair];
        let had = &mut stay.had;
        let before = had.end - had.start;
        *had = match before {
            0 if !stay.is_resumed => sequence..sequence + 1,
            _ => sequence.min(had.start)..had.end.max(sequence + 1),
        };
        self.expected += had.end - had.start - before;
        self.delivered += 1;
    }

    /// Deliveries that all of them should have had, from the first message of each to its last.
    pub(super) fn expected(&self) -> u64 {
        self.expected
    }

    /// Those that came.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a stay goes from the lowest message to the highest, in whatever order they come, and what was
    /// sent before it began is history.
    #[test]
    fn stays_go_from_first_to_last() {
        let mut stays = Stays::new(5..7);
        stays.begin(6, 50);
        assert!(stays.is_history(6, 49) && !stays.is_history(6, 50));
        let mut expect = |sequence, expected: (u64, u64)| {
            stays.enter(6, sequence);
            assert_eq!(
                (stays.expected(), stays.delivered()),
                expected,
                "{sequence}"
            );
        };
        expect(60, (1, 1));
        expect(61, (2, 2));
        expect(64, (5, 3));
        expect(55, (10, 4));
        expect(62, (10, 5));
        stays.begin(6, 100);
        assert!(stays.is_history(6, 64));
        stays.enter(6, 200);
        assert_eq!((stays.expected(), stays.delivered()), (11, 6));
    }

    /// Goal: a stay that goes on where one ended has all from there on, also what did not come first; what comes again is
    /// no history.
    #[test]
    fn stays_go_on_where_they_ended() {
        let mut stays = Stays::new(0..1);
        stays.resume(0, 40);
        assert!(stays.is_empty(0) && !stays.is_history(0, 39));
        stays.enter(0, 43);
        assert_eq!((stays.expected(), stays.delivered()), (4, 1));
        stays.enter(0, 40);
        stays.enter(0, 44);
        assert_eq!((stays.expected(), stays.delivered()), (5, 3));
        stays.begin(0, 50);
        stays.enter(0, 52);
        assert_eq!((stays.expected(), stays.delivered()), (6, 4));
    }
}
