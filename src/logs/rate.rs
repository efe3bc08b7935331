//! How many lines a thread may write about what peers do, so that none of them fills the log.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use tracing::warn;

/// Lines of a thread in a second; those beyond are counted.
const LINES_PER_SECOND_MAX: u32 = 100;

thread_local! {
    static RATE: RefCell<Rate> = RefCell::default();
}

/// Whether one more line may be written by this thread; to be asked only when it would be.
#[must_use]
pub(crate) fn may_tell() -> bool {
    let (allowed, left_out) = RATE.with_borrow_mut(|rate| rate.ask(Instant::now()));
    if left_out > 0 {
        warn!("{left_out} lines like these were left out, there were too many");
    }
    allowed
}

/// Notes lines that were not even asked for.
pub(crate) fn leave_out(lines: u64) {
    RATE.with_borrow_mut(|rate| rate.left_out += lines);
}

/// What was written lately.
#[derive(Debug, Default)]
struct Rate {
    second: Option<Instant>,
    lines: u32,
    left_out: u64,
}

impl Rate {
    /// Whether there may be a line, and how many were left out before it.
    fn ask(&mut self, now: Instant) -> (bool, u64) {
        let mut left_out = 0;
        let over = |second: Instant| now.duration_since(second) >= Duration::from_secs(1);
        if self.second.is_none_or(over) {
            self.second = Some(now);
            self.lines = 0;
            left_out = std::mem::take(&mut self.left_out);
        }
        let allowed = self.lines < LINES_PER_SECOND_MAX;
        if allowed {
            self.lines += 1;
        } else {
            self.left_out += 1;
        }
        (allowed, left_out)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{LINES_PER_SECOND_MAX, Rate};

    /// Goal: a second has its lines, the next one says how many it did not get.
    #[test]
    fn lines_beyond_the_rate_are_counted() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        for number in 0..LINES_PER_SECOND_MAX + 5 {
            let allowed = number < LINES_PER_SECOND_MAX;
            assert_eq!(rate.ask(start), (allowed, 0));
        }
        let later = start + Duration::from_secs(1);
        assert_eq!(rate.ask(later), (true, 5));
        assert_eq!(rate.ask(later), (true, 0));
    }
}
