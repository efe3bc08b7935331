//! A run as far as it has come: its intervals added up.

use std::time::Duration;

use super::distribution::Distribution;
use super::interval::Interval;
use super::model::PhaseName;
use super::model::counts::Missing;

/// Share of a processor above which a worker has no time to spare: what it receives has waited
/// for it.
pub(crate) const CPU_SHARE_MAX: f64 = 0.97;

/// The sum of the intervals so far. Counts are those of the whole run, times those of the measured
/// window, as in the results.
#[derive(Clone, Debug, Default)]
pub(crate) struct SoFar {
    /// The phase under way.
    pub(crate) phase: PhaseName,
    /// When the last interval ended, and when the load began.
    pub(crate) now_ns: u64,
    pub(crate) load_start_ns: Option<u64>,
    pub(crate) planned: u64,
    pub(crate) sent: u64,
    pub(crate) completed: u64,
    pub(crate) delivered: u64,
    pub(crate) missing: Missing,
    pub(crate) open: u64,
    pub(crate) open_wanted: u64,
    pub(crate) delivery: Distribution,
    pub(crate) completion: Distribution,
    pub(crate) acknowledged: u64,
    pub(crate) ack: Distribution,
    pub(crate) publish_lag: Distribution,
    /// Share of a processor that the busiest worker used in the last interval.
    pub(crate) cpu_share: f64,
}

impl SoFar {
    /// Takes in the interval that has ended.
    pub(crate) fn add(&mut self, interval: &Interval) {
        self.phase = interval.phase;
        self.now_ns = interval.start_ns + interval.length_ns;
        if interval.phase >= PhaseName::WarmUp {
            self.load_start_ns.get_or_insert(interval.start_ns);
        }
        self.planned += interval.planned;
        self.sent += interval.sent;
        self.completed += interval.completed;
        self.delivered += interval.delivered;
        self.acknowledged += interval.acknowledged;
        self.missing = interval.missing;
        self.open = interval.open;
        self.open_wanted = interval.open_wanted;
        self.cpu_share = interval.cpu_share;
        let pairs = [
            (&mut self.delivery, &interval.delivery),
            (&mut self.completion, &interval.completion),
            (&mut self.ack, &interval.ack),
        ];
        for (own, others) in pairs {
            if !others.is_empty() {
                own.add(others);
            }
        }
        if interval.phase == PhaseName::Measure && !interval.publish_lag.is_empty() {
            self.publish_lag.add(&interval.publish_lag);
        }
    }

    /// In what way this program is the limit and not the server, as far as can be seen.
    pub(crate) fn trouble(&self, lag_max: Duration) -> Option<&'static str> {
        if u128::from(self.publish_lag.at(0.99)) > lag_max.as_nanos() {
            Some("late")
        } else if self.cpu_share > CPU_SHARE_MAX {
            Some("busy")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::sample;

    /// Goal: what was added up is what the results say at the end.
    #[test]
    fn sums_are_those_of_the_results() {
        let (results, intervals) = sample::run(4);
        let mut so_far = SoFar::default();
        for interval in &intervals {
            so_far.add(interval);
        }
        assert_eq!(so_far.planned, results.counts.planned);
        assert_eq!(so_far.delivered, results.counts.delivered);
        assert_eq!(so_far.delivery, results.latency.delivery_ns);
        assert_eq!(so_far.phase, PhaseName::Measure);
        assert_eq!(so_far.load_start_ns, Some(500_000_000));
        assert_eq!(so_far.now_ns, 5_500_000_000);
        assert!(so_far.publish_lag.at(0.99) > 0);
        assert_eq!(
            (so_far.acknowledged, &so_far.ack),
            (500, &results.latency.ack_ns)
        );
    }
}
