//! How long each session waited for its deliveries: a count, a sum and a maximum for each, so that the
//! slowest can be named without a histogram for each of them.
//!
//! A delivery costs an addition or two on what is at hand anyway; a session's own figures are touched
//! once for all that came to it in one piece.

use serde::{Deserialize, Serialize};

/// What one session, or several together, waited in the measured window: 24 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Waits {
    pub(crate) count: u64,
    pub(crate) sum_ns: u64,
    pub(crate) max_ns: u64,
}

impl Waits {
    /// Adds another session's.
    pub(crate) fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.sum_ns += other.sum_ns;
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// The mean, in nanoseconds.
    pub(crate) fn mean_ns(&self) -> u64 {
        self.sum_ns / self.count.max(1)
    }
}

/// The waits of all sessions of one worker.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// The measured window; nothing is in it before it is known.
    start_ns: u64,
    length_ns: u64,
    /// Deliveries that are not settled: how many, the sum of their planned times and the earliest,
    /// from the start of the window on.
    count: u64,
    planned_sum_ns: u64,
    planned_first_ns: u64,
    sessions: Vec<Waits>,
}

impl Waiting {
    /// So many sessions, called by their numbers from 0 on.
    pub(crate) fn new(sessions: usize) -> Self {
        Self {
            start_ns: 0,
            length_ns: 0,
            count: 0,
            planned_sum_ns: 0,
            planned_first_ns: u64::MAX,
            sessions: vec![Waits::default(); sessions],
        }
    }

    /// The window in which messages are planned that count.
    pub(crate) fn measure(&mut self, start_ns: u64, end_ns: u64) {
        self.start_ns = start_ns;
        self.length_ns = end_ns.saturating_sub(start_ns);
    }

    /// A delivery of a message that was planned then, to the session that is settled next.
    #[inline]
    pub(crate) fn note(&mut self, planned_ns: u64) {
        let since_ns = planned_ns.wrapping_sub(self.start_ns);
        if since_ns < self.length_ns {
            self.count += 1;
            self.planned_sum_ns += since_ns;
            self.planned_first_ns = self.planned_first_ns.min(since_ns);
        }
    }

    /// All that was noted since the last call came to this session at this time.
    #[inline]
    pub(crate) fn settle(&mut self, session: usize, now_ns: u64) {
        if self.count == 0 {
            return;
        }
        let now_ns = now_ns.saturating_sub(self.start_ns);
        let waits = Waits {
            count: self.count,
            sum_ns: (self.count * now_ns).saturating_sub(self.planned_sum_ns),
            max_ns: now_ns.saturating_sub(self.planned_first_ns),
        };
        self.sessions[session].add(&waits);
        (self.count, self.planned_sum_ns, self.planned_first_ns) = (0, 0, u64::MAX);
    }

    /// The waits of each session.
    pub(crate) fn sessions(&self) -> &[Waits] {
        &self.sessions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: each session has the number, sum and maximum of its own waits, and of those only that
    /// were planned in the window.
    #[test]
    fn waits_are_exact() {
        let mut waiting = Waiting::new(2);
        waiting.note(1_000);
        waiting.settle(0, 5_000);
        assert_eq!(waiting.sessions()[0], Waits::default(), "no window yet");
        waiting.measure(1_000, 2_000);
        for planned_ns in [999, 1_000, 1_500, 1_999, 2_000] {
            waiting.note(planned_ns);
        }
        waiting.settle(1, 2_500);
        waiting.note(1_200);
        waiting.settle(1, 1_300);
        waiting.settle(0, 9_000);
        let waits = Waits {
            count: 4,
            sum_ns: 1_500 + 1_000 + 501 + 100,
            max_ns: 1_500,
        };
        assert_eq!(waiting.sessions(), [Waits::default(), waits]);
        assert_eq!(waits.mean_ns(), 775);
        assert_eq!(Waits::default().mean_ns(), 0);
    }
}
