//! When each message is due: a fixed open-loop plan that does not wait for the server.
//!
//! A message that leaves late because the server or the generator was slow is still timed from
//! when it was due, so a stall shows up in the latencies of all messages it held up.

use std::time::Duration;

/// The whole schedule of a run. Times are nanoseconds of [`crate::clock`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    start_ns: u64,
    rate: u64,
    publishers: u64,
    total: u64,
    measure_start_ns: u64,
    measure_end_ns: u64,
}

/// One message of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) publisher: u32,
    pub(crate) sequence: u64,
    pub(crate) planned_ns: u64,
}

impl Plan {
    /// `rate` messages a second over all publishers, evenly spaced from `start_ns` on, for as long
    /// as warm-up and measurement take.
    pub(crate) fn new(
        start_ns: u64,
        rate: u32,
        publishers: u32,
        warmup: Duration,
        duration: Duration,
    ) -> Self {
        let nanoseconds = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX / 4);
        let measure_start_ns = start_ns + nanoseconds(warmup);
        let measure_end_ns = measure_start_ns + nanoseconds(duration);
        let mut plan = Self {
            start_ns,
            rate: rate.into(),
            publishers: publishers.into(),
            total: 0,
            measure_start_ns,
            measure_end_ns,
        };
        plan.total = plan.due_before(measure_end_ns);
        plan
    }

    /// Messages in the whole run.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Messages due in the measured window.
    pub(crate) fn measured_total(&self) -> u64 {
        self.total - self.due_before(self.measure_start_ns)
    }

    pub(crate) fn measure_start_ns(&self) -> u64 {
        self.measure_start_ns
    }

    pub(crate) fn measure_end_ns(&self) -> u64 {
        self.measure_end_ns
    }

    /// Whether a message due at that time counts for the latencies.
    pub(crate) fn is_measured(&self, planned_ns: u64) -> bool {
        (self.measure_start_ns..self.measure_end_ns).contains(&planned_ns)
    }

    /// The message with the given index. Publishers take turns, and each counts from 0.
    pub(crate) fn message(&self, index: u64) -> Due {
        let publisher = u32::try_from(index % self.publishers).unwrap_or(0);
        Due {
            publisher,
            sequence: index / self.publishers,
            planned_ns: self.start_ns + self.offset_ns(index),
        }
    }

    /// Multiplies before it divides, so that the error of one interval does not add up.
    fn offset_ns(&self, index: u64) -> u64 {
        u64::try_from(u128::from(index) * 1_000_000_000 / u128::from(self.rate)).unwrap_or(u64::MAX)
    }

    /// How many messages are due before a time.
    fn due_before(&self, time_ns: u64) -> u64 {
        let elapsed = u128::from(time_ns.saturating_sub(self.start_ns));
        let due = (elapsed * u128::from(self.rate)).div_ceil(1_000_000_000);
        u64::try_from(due).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(rate: u32, publishers: u32, warmup_ms: u64, duration_ms: u64) -> Plan {
        let warmup = Duration::from_millis(warmup_ms);
        Plan::new(
            1_000,
            rate,
            publishers,
            warmup,
            Duration::from_millis(duration_ms),
        )
    }

    // Goal: the plan holds as many messages as rate and time say, at any rate, and they all lie
    // within the time.
    #[test]
    fn totals_match_the_rate() {
        for rate in [1, 3, 7, 60, 333, 1_000, 99_991] {
            let plan = plan(rate, 1, 2_000, 10_000);
            assert_eq!(plan.total(), u64::from(rate) * 12, "rate {rate}");
            assert_eq!(plan.measured_total(), u64::from(rate) * 10, "rate {rate}");
            let last = plan.message(plan.total() - 1).planned_ns;
            assert!(last < plan.measure_end_ns());
            assert!(plan.message(plan.total()).planned_ns >= plan.measure_end_ns());
        }
    }

    // Goal: the measured total is exactly the number of messages that count as measured.
    #[test]
    fn the_window_counts_its_messages() {
        let plan = plan(7, 2, 300, 1_100);
        let measured = (0..plan.total()).filter(|&i| plan.is_measured(plan.message(i).planned_ns));
        assert_eq!(measured.count() as u64, plan.measured_total());
    }

    // Goal: publishers take turns and each has a sequence without holes.
    #[test]
    fn publishers_take_turns() {
        let plan = plan(10, 3, 0, 1_000);
        let order: Vec<_> = (0..7)
            .map(|index| plan.message(index))
            .map(|due| (due.publisher, due.sequence))
            .collect();
        assert_eq!(
            order,
            [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (0, 2)]
        );
    }
}
