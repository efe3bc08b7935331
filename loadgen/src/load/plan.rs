//! When each message is due: a fixed open-loop plan that does not wait for the server.
//!
//! A message that leaves late because the server or the generator was slow is still timed from
//! when it was due, so a stall shows up in the latencies of all messages it held up.

use std::time::Duration;

use clap::ValueEnum;
use fastrand::Rng;

/// How messages are spread over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arrivals {
    /// At equal distances; publishers take turns.
    Uniform,
    /// At random, as from many independent people (seeded: the same in every run).
    Poisson,
}

/// The whole schedule of a run. Times are nanoseconds of [`crate::clock`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    start_ns: u64,
    /// Messages a second over all publishers; not a whole number in a search.
    rate: f64,
    publishers: u32,
    arrivals: Arrivals,
    measure_start_ns: u64,
    measure_end_ns: u64,
}

impl Plan {
    /// `rate` messages a second over all publishers, from `start_ns` on, for as long as warm-up and
    /// measurement take.
    pub(crate) fn new(
        start_ns: u64,
        (rate, arrivals): (f64, Arrivals),
        publishers: u32,
        warmup: Duration,
        duration: Duration,
    ) -> Self {
        let measure_start_ns = start_ns + nanoseconds(warmup);
        Self {
            start_ns,
            rate,
            publishers,
            arrivals,
            measure_start_ns,
            measure_end_ns: measure_start_ns + nanoseconds(duration),
        }
    }

    pub(crate) fn start_ns(&self) -> u64 {
        self.start_ns
    }

    pub(crate) fn measure_start_ns(&self) -> u64 {
        self.measure_start_ns
    }

    pub(crate) fn measure_end_ns(&self) -> u64 {
        self.measure_end_ns
    }

    /// The part of it before a time.
    pub(crate) fn until(self, end_ns: u64) -> Self {
        Self {
            measure_end_ns: self.measure_end_ns.min(end_ns),
            ..self
        }
    }

    /// Whether a message due at that time counts for the latencies.
    #[inline]
    pub(crate) fn is_measured(&self, planned_ns: u64) -> bool {
        (self.measure_start_ns..self.measure_end_ns).contains(&planned_ns)
    }

    /// The messages of one publisher, of which each counts from 0.
    pub(crate) fn publisher(&self, publisher: u32) -> Schedule {
        let mut schedule = Schedule {
            plan: *self,
            rng: Rng::with_seed(0x9e37_79b9_7f4a_7c15 ^ u64::from(publisher) << 20),
            publisher,
            sequence: 0,
            offset_s: 0.0,
        };
        schedule.draw();
        schedule
    }

    /// Messages in the whole run and in the measured window.
    pub(crate) fn totals(&self) -> (u64, u64) {
        let mut totals = (0, 0);
        for publisher in 0..self.publishers {
            let mut schedule = self.publisher(publisher);
            while let Some(planned_ns) = schedule.due_ns() {
                totals.0 += 1;
                totals.1 += u64::from(self.is_measured(planned_ns));
                schedule.advance();
            }
        }
        totals
    }
}

/// The messages of one publisher, one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    plan: Plan,
    rng: Rng,
    publisher: u32,
    sequence: u64,
    /// Seconds from the start of the plan to the message that is next.
    offset_s: f64,
}

impl Schedule {
    /// When the next message is due; none after the last.
    pub(crate) fn due_ns(&self) -> Option<u64> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "days of nanoseconds fit"
        )]
        let due_ns = self.plan.start_ns + (self.offset_s * 1e9) as u64;
        (due_ns < self.plan.measure_end_ns).then_some(due_ns)
    }

    /// The number of the next message.
    #[cfg(test)]
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Goes on to the message after it.
    pub(crate) fn advance(&mut self) {
        self.sequence += 1;
        self.draw();
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "message numbers stay below 2^53"
    )]
    fn draw(&mut self) {
        let publishers = f64::from(self.plan.publishers);
        match self.plan.arrivals {
            // From the index and not by adding up, so that no error does.
            Arrivals::Uniform => {
                let index = self.sequence as f64 * publishers + f64::from(self.publisher);
                self.offset_s = index / self.plan.rate;
            }
            Arrivals::Poisson => {
                let gap = -(1.0 - self.rng.f64()).ln();
                self.offset_s += gap * publishers / self.plan.rate;
            }
        }
    }
}

/// A span in nanoseconds; at most 146 years, so that sums with times do not overflow.
pub(crate) fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos())
        .unwrap_or(u64::MAX)
        .min(u64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(rate: f64, arrivals: Arrivals, publishers: u32, spans_ms: (u64, u64)) -> Plan {
        let (warmup, duration) = spans_ms;
        Plan::new(
            1_000,
            (rate, arrivals),
            publishers,
            Duration::from_millis(warmup),
            Duration::from_millis(duration),
        )
    }

    /// Goal: the plan holds as many messages as rate and time say, at any rate and however many
    /// publish.
    #[test]
    fn totals_match_the_rate() {
        for rate in [1u32, 3, 7, 60, 333, 1_000, 99_991] {
            for publishers in [1, 3] {
                let plan = plan(rate.into(), Arrivals::Uniform, publishers, (2_000, 10_000));
                let (all, measured) = plan.totals();
                assert!(all.abs_diff(u64::from(rate) * 12) <= 1, "{all} at {rate}");
                assert!(
                    measured.abs_diff(u64::from(rate) * 10) <= 1,
                    "{measured} at {rate}"
                );
            }
        }
    }

    /// Goal: publishers take turns at equal distances and each has a sequence without holes.
    #[test]
    fn publishers_take_turns() {
        let plan = plan(10.0, Arrivals::Uniform, 3, (0, 1_000));
        let mut due = Vec::new();
        for publisher in 0..3 {
            let mut schedule = plan.publisher(publisher);
            while let Some(planned_ns) = schedule.due_ns() {
                due.push((planned_ns, publisher, schedule.sequence()));
                schedule.advance();
            }
        }
        due.sort_unstable();
        let order: Vec<_> = due.iter().map(|due| (due.1, due.2)).take(7).collect();
        assert_eq!(
            order,
            [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (0, 2)]
        );
        for pair in due.windows(2) {
            assert!((pair[1].0 - pair[0].0).abs_diff(100_000_000) <= 1);
        }
    }

    /// Goal: Poisson arrivals have the rate asked for and the variance that makes them Poisson.
    #[test]
    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    fn poisson_counts_vary_as_they_must() {
        let plan = plan(1_000.0, Arrivals::Poisson, 4, (0, 100_000));
        let mut bins = vec![0.0f64; 1_000];
        for publisher in 0..4 {
            let mut schedule = plan.publisher(publisher);
            while let Some(planned_ns) = schedule.due_ns() {
                bins[((planned_ns - 1_000) / 100_000_000) as usize] += 1.0;
                schedule.advance();
            }
        }
        let mean = bins.iter().sum::<f64>() / bins.len() as f64;
        let variance = bins.iter().map(|bin| (bin - mean).powi(2)).sum::<f64>() / bins.len() as f64;
        assert!((mean - 100.0).abs() < 2.0, "mean {mean}");
        assert!(
            (variance / mean - 1.0).abs() < 0.2,
            "variance {variance} of mean {mean}"
        );
    }
}
