//! The messages of a closed loop that are waited for: those that were sent, have not reached all, and were not given up.
//!
//! What was given up may come all the same. It makes no room then for others, which took its place when it was given up.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bits for how many are complete; those above count how often messages were given up.
const COMPLETE_BITS: u32 = 48;

/// Those of one publisher.
#[derive(Debug, Default)]
struct Own {
    /// All before this sequence are complete or given up.
    given_up: AtomicU64,
    /// How many of the others are complete, and above that how often messages were given up: a completion that is
    /// entered meanwhile is seen, and judged again.
    state: AtomicU64,
}

/// Those of all publishers. Workers complete what others have sent; each gives up what its own have.
#[derive(Debug)]
pub(crate) struct Outstanding(Vec<Own>);

impl Outstanding {
    pub(crate) fn new(publishers: u32) -> Self {
        Self((0..publishers).map(|_| Own::default()).collect())
    }

    /// A message has reached all.
    pub(crate) fn complete(&self, publisher: u32, sequence: u64) {
        let own = &self.0[publisher as usize];
        let mut state = own.state.load(Ordering::Acquire);
        // Who sees the state of after a giving up sees what was given up.
        while sequence >= own.given_up.load(Ordering::Acquire) {
            let next = state + 1;
            let entered =
                own.state
                    .compare_exchange_weak(state, next, Ordering::AcqRel, Ordering::Acquire);
            match entered {
                Ok(_) => return,
                Err(now) => state = now,
            }
        }
    }

    /// How many of so many that a publisher has sent are outstanding. For its own worker, as what is sent and given up
    /// stands still meanwhile.
    pub(crate) fn of(&self, publisher: u32, sent: u64) -> u64 {
        let own = &self.0[publisher as usize];
        let complete = own.state.load(Ordering::Acquire) & ((1 << COMPLETE_BITS) - 1);
        sent - own.given_up.load(Ordering::Acquire) - complete
    }

    /// A number that is another one whenever something has happened to what a publisher waits for.
    pub(crate) fn mark(&self, publisher: u32) -> u64 {
        self.0[publisher as usize].state.load(Ordering::Acquire)
    }

    /// Gives up all that a publisher has sent and that is not complete. For its own worker.
    pub(crate) fn give_up(&self, publisher: u32, sent: u64) {
        let own = &self.0[publisher as usize];
        own.given_up.store(sent, Ordering::Release);
        let times = own.state.load(Ordering::Acquire) >> COMPLETE_BITS;
        let times = times.wrapping_add(1) << COMPLETE_BITS;
        own.state.swap(times, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// Goal: what was given up and comes late makes no room for anything, and all else does, in any order.
    #[test]
    fn late_ones_make_no_room() {
        let outstanding = Outstanding::new(3);
        assert_eq!(outstanding.of(2, 2), 2);
        outstanding.complete(2, 1);
        assert_eq!(outstanding.of(2, 2), 1);
        let mark = outstanding.mark(2);
        outstanding.give_up(2, 2);
        assert!(outstanding.mark(2) != mark && outstanding.of(2, 2) == 0);
        assert_eq!(outstanding.of(2, 4), 2, "two more were sent");
        outstanding.complete(2, 0);
        assert_eq!(outstanding.of(2, 4), 2, "late");
        outstanding.complete(2, 3);
        assert_eq!(outstanding.of(2, 4), 1);
        outstanding.give_up(2, 4);
        outstanding.complete(2, 2);
        assert_eq!((outstanding.of(2, 4), outstanding.of(0, 7)), (0, 7));
    }

    /// Goal: however completions of other threads and giving up meet, no message makes room twice, and none that was
    /// not given up is forgotten.
    #[test]
    fn nothing_is_counted_twice() {
        const ROUNDS: u64 = 2_000;
        const EACH: u64 = 8;
        let outstanding = Outstanding::new(1);
        let sent = AtomicU64::new(0);
        thread::scope(|scope| {
            for number in 0..2 {
                let (outstanding, sent) = (&outstanding, &sent);
                scope.spawn(move || {
                    for sequence in (number..ROUNDS * EACH).step_by(2) {
                        while sent.load(Ordering::Acquire) <= sequence {
                            thread::yield_now();
                        }
                        outstanding.complete(0, sequence);
                    }
                });
            }
            for round in 1..=ROUNDS {
                let now = round * EACH;
                sent.store(now, Ordering::Release);
                let waiting = outstanding.of(0, now);
                assert!(waiting <= EACH, "{waiting} in round {round}");
                outstanding.give_up(0, now);
                assert_eq!(outstanding.of(0, now), 0);
            }
        });
        assert_eq!(outstanding.of(0, ROUNDS * EACH), 0);
    }
}
