//! When each message is due: a fixed open-loop plan that does not wait for the server.
//!
//! A message that leaves late because the server or the generator was slow is still timed from
//! when it was due, so a stall shows up in the latencies of all messages it held up.

use std::time::Duration;

use clap::ValueEnum;
use fastrand::Rng;

use crate::load::profile::Profile;

/// How messages are spread over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arrivals {
    /// At equal distances; publishers take turns.
    Uniform,
    /// At random, as from many independent people (seeded: the same in every run).
    Poisson,
}

/// The whole schedule of a run. Times are nanoseconds of [`crate::clock`].
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    start_ns: u64,
    /// Messages a second over all publishers; not a whole number in a search.
    profile: Profile,
    publishers: u32,
    arrivals: Arrivals,
    measure_start_ns: u64,
    measure_end_ns: u64,
}

impl Plan {
    /// Messages at the rate of a profile, over all publishers, from `start_ns` on, for as long as warm-up
    /// and measurement take.
    pub(crate) fn new(
        start_ns: u64,
        (profile, arrivals): (Profile, Arrivals),
        publishers: u32,
        warmup: Duration,
        duration: Duration,
    ) -> Self {
        let measure_start_ns = start_ns + nanoseconds(warmup);
        Self {
            start_ns,
            profile,
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
            plan: self.clone(),
            rng: Rng::with_seed(0x9e37_79b9_7f4a_7c15 ^ u64::from(publisher) << 20),
            publisher,
            sequence: 0,
            place: 0.0,
            due_ns: None,
        };
        schedule.draw();
        schedule
    }

    /// More messages than one publisher can have: twice its share and some, for arrivals that are drawn.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "message numbers stay below 2^53"
    )]
    pub(crate) fn messages_max(&self) -> u64 {
        (self.profile.total() / f64::from(self.publishers) * 2.0) as u64 + 100
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
    /// How many messages of all publishers are due before the next one of this.
    place: f64,
    due_ns: Option<u64>,
}

impl Schedule {
    /// When the next message is due; none after the last.
    pub(crate) fn due_ns(&self) -> Option<u64> {
        self.due_ns
    }

    /// When the message with a number is due, which must not be before the next one; none after the last.
    pub(crate) fn due_of(mut self, sequence: u64) -> Option<u64> {
        if self.plan.arrivals == Arrivals::Uniform {
            self.sequence = sequence;
            self.draw();
        }
        while self.sequence < sequence {
            self.advance();
        }
        self.due_ns
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
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "message numbers stay below 2^53, and days of nanoseconds fit"
    )]
    fn draw(&mut self) {
        let plan = &self.plan;
        let publishers = f64::from(plan.publishers);
        match plan.arrivals {
            // From the index and not by adding up, so that no error does.
            Arrivals::Uniform => {
                self.place = self.sequence as f64 * publishers + f64::from(self.publisher);
            }
            // As often as the profile says: a Poisson process of rate 1, with its time stretched.
            Arrivals::Poisson => {
                let gap = -(1.0 - self.rng.f64()).ln();
                self.place += gap * publishers;
            }
        }
        let due_s = plan.profile.due_s(self.place);
        let due_ns = due_s.map(|due_s| plan.start_ns + (due_s * 1e9) as u64);
        self.due_ns = due_ns.filter(|due_ns| *due_ns < plan.measure_end_ns);
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
        let profile = Profile::steady(rate, Duration::from_millis(warmup + duration));
        Plan::new(
            1_000,
            (profile, arrivals),
            publishers,
            Duration::from_millis(warmup),
            Duration::from_millis(duration),
        )
    }

    /// Stages after a warm-up of 2 s.
    fn staged(rate: f64, stages: &str, arrivals: Arrivals, publishers: u32) -> Plan {
        let (warmup, stages) = (Duration::from_secs(2), stages.parse().unwrap());
        let profile = Profile::staged(rate, warmup, &stages);
        Plan::new(
            1_000,
            (profile, arrivals),
            publishers,
            warmup,
            stages.length(),
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

    /// Goal: when any message of a publisher is due is known without going through the plan again.
    #[test]
    fn every_message_is_found_in_the_plan() {
        for arrivals in [Arrivals::Uniform, Arrivals::Poisson] {
            let plan = plan(1_000.0, arrivals, 3, (0, 500));
            let mut schedule = plan.publisher(2);
            while let Some(due_ns) = schedule.due_ns() {
                let found = plan.publisher(2).due_of(schedule.sequence());
                assert_eq!(found, Some(due_ns), "{arrivals:?} {}", schedule.sequence());
                schedule.advance();
            }
            assert!(schedule.sequence() > 100);
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

    /// Goal: stages hold exactly as many messages as the area below them, over however many publishers,
    /// and the warm-up those of the first rate.
    #[test]
    fn stages_hold_the_area_below_them() {
        for publishers in [1, 3, 7] {
            let totals =
                |rate, stages: &str| staged(rate, stages, Arrivals::Uniform, publishers).totals();
            let ramps = 1_500 + 66_000 + 15_000;
            assert_eq!(totals(0.0, "30s:100,2m:1000,30s:0"), (ramps, ramps));
            assert_eq!(
                totals(50.0, "30s:100,2m:1000,30s:0"),
                (ramps + 850, ramps + 750)
            );
            assert_eq!(
                totals(0.0, "0s:10,10s:10,5s:0,5s:0,0s:40,500ms:40"),
                (145, 145)
            );
            assert_eq!(totals(10.0, "1s:10,1s:0,60s:0"), (35, 15));
        }
    }

    /// Goal: random arrivals follow the stages: each second has as many as the area says, but for chance.
    #[test]
    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    fn random_arrivals_follow_the_stages() {
        let plan = staged(0.0, "10s:1000,10s:1000,10s:0", Arrivals::Poisson, 4);
        let mut seconds = vec![0.0f64; 32];
        for publisher in 0..4 {
            let mut schedule = plan.publisher(publisher);
            let mut last_ns = 0;
            while let Some(planned_ns) = schedule.due_ns() {
                assert!(planned_ns >= last_ns, "in order");
                last_ns = planned_ns;
                seconds[((planned_ns - 1_000) / 1_000_000_000) as usize] += 1.0;
                schedule.advance();
            }
        }
        for (second, count) in seconds.iter().enumerate() {
            let area = match second {
                0 | 1 => 0.0,
                2..12 => (second as f64 - 1.5) * 100.0,
                12..22 => 1_000.0,
                _ => (31.5 - second as f64) * 100.0,
            };
            // Five standard deviations.
            let slack = 5.0 * f64::max(area, 1.0).sqrt();
            assert!(
                (count - area).abs() <= slack,
                "{count} in second {second}, not {area}"
            );
        }
    }
}
