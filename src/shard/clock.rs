//! The clock a shard lives by: the time that passes while it can act.
//!
//! A process that was stopped, or a machine that was suspended, wakes up with deadlines that have
//! passed while nobody could be heard. Whoever drives the shard knows when it was to wake up at the
//! latest; what goes by beyond that, and a little, is lost and not counted. It reads no clock itself.

use std::time::Duration;

/// How late a turn may come before the time counts as lost: far more than a busy machine needs, and
/// little against every deadline there is.
pub const SLACK: Duration = Duration::from_millis(500);

/// Time without what was lost. It never runs backwards, and never faster than real time.
#[derive(Debug, Default)]
pub struct Clock {
    now: Duration,
    lost: Duration,
    due: Option<Duration>,
}

impl Clock {
    /// The time, when `elapsed` have gone by in reality since the beginning.
    pub fn read(&mut self, elapsed: Duration) -> Duration {
        let running = elapsed.saturating_sub(self.lost).max(self.now);
        let latest = (self.due).map_or(Duration::MAX, |due| due.max(self.now) + SLACK);
        if running > latest {
            self.lost += running - latest;
        }
        self.now = running.min(latest);
        self.now
    }

    /// There is something to be done at once.
    pub fn await_turn(&mut self) {
        self.due = Some(self.now);
    }

    /// Something is to be done at `due`, by this clock, if not before; `None` when nothing ever is.
    pub fn await_deadline(&mut self, due: Option<Duration>) {
        self.due = due;
    }
}

/// The earlier of two times, neither of which need ever come.
#[must_use]
#[inline]
pub(crate) fn earlier(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Clock, SLACK, earlier};

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// Goal: time that was waited for counts, and so does a turn that comes a little late.
    #[test]
    fn awaited_time_counts() {
        let mut clock = Clock::default();
        assert_eq!(clock.read(ms(70_000)), ms(70_000));
        clock.await_deadline(Some(ms(90_000)));
        assert_eq!(clock.read(ms(80_000)), ms(80_000));
        assert_eq!(clock.read(ms(90_000) + SLACK), ms(90_000) + SLACK);
        assert_eq!(clock.read(ms(91_000)), ms(91_000));
    }

    /// Goal: a stall counts up to the deadline that it missed, and a little; after it time runs on.
    #[test]
    fn stalls_are_lost() {
        let mut clock = Clock::default();
        clock.await_deadline(Some(ms(100)));
        assert_eq!(clock.read(ms(50)), ms(50));
        assert_eq!(clock.read(ms(8_000)), ms(100) + SLACK);
        assert_eq!(clock.read(ms(8_010)), ms(110) + SLACK);
        clock.await_deadline(Some(ms(1_000)));
        assert_eq!(clock.read(ms(8_300)), ms(400) + SLACK);
        // Another one, within a turn.
        clock.await_deadline(Some(ms(200)));
        assert_eq!(clock.read(ms(60_000)), ms(400) + 2 * SLACK);
        clock.await_deadline(None);
        assert_eq!(clock.read(ms(70_000)), ms(10_400) + 2 * SLACK);
    }

    /// Goal: a time that comes is earlier than one that never does, whichever is named first.
    #[test]
    fn what_never_comes_is_not_earlier() {
        let (one, other) = (Some(ms(1)), Some(ms(2)));
        assert_eq!([earlier(one, other), earlier(other, one)], [one; 2]);
        assert_eq!([earlier(None, one), earlier(one, None)], [one; 2]);
        assert_eq!(earlier(None, None), None);
    }

    /// Goal: of a stall between two turns of which the second was to come at once, nothing counts but a
    /// little.
    #[test]
    fn stalls_in_work_are_lost() {
        let mut clock = Clock::default();
        assert_eq!(clock.read(ms(10)), ms(10));
        clock.await_deadline(Some(ms(5000)));
        clock.await_turn();
        assert_eq!(clock.read(ms(400)), ms(400));
        clock.await_turn();
        assert_eq!(clock.read(ms(9000)), ms(400) + SLACK);
    }

    /// Goal: a clock that is read twice at a time, or told of an earlier one, stands.
    #[test]
    fn it_never_runs_backwards() {
        let mut clock = Clock::default();
        assert_eq!(clock.read(ms(10)), ms(10));
        assert_eq!(clock.read(ms(10)), ms(10));
        assert_eq!(clock.read(ms(9)), ms(10));
        clock.await_deadline(Some(ms(5)));
        assert_eq!(clock.read(ms(11)), ms(11));
    }
}
