//! A second of a run: what the workers write down while it goes on, and who is told.

use serde::{Deserialize, Serialize};

use super::distribution::Distribution;
use super::model::PhaseName;
use super::model::counts::Missing;

/// One second of a run, or less where a phase ends.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Interval {
    /// The phase it lies in. Intervals are reported in every phase, also while connecting.
    pub(crate) phase: PhaseName,
    /// When it began.
    pub(crate) start_ns: u64,
    /// How long it was.
    pub(crate) length_ns: u64,
    /// Messages planned in it.
    pub(crate) planned: u64,
    /// Messages sent in it.
    pub(crate) sent: u64,
    /// Messages whose last delivery came in it.
    pub(crate) completed: u64,
    /// Deliveries in it.
    pub(crate) delivered: u64,
    /// Deliveries that had not come by its end, since the run began.
    pub(crate) missing: Missing,
    /// Sessions open at its end.
    pub(crate) open: u64,
    /// Sessions the run wants open.
    pub(crate) open_wanted: u64,
    /// Handshakes completed in it.
    pub(crate) upgrade: Distribution,
    /// Latency of the deliveries of messages planned before the measured window.
    pub(crate) warmup: Distribution,
    /// Latency of the deliveries of messages planned in the measured window: over all intervals these
    /// add up to [`super::model::latency::Latency::delivery_ns`].
    pub(crate) delivery: Distribution,
    /// Completion of messages planned in the measured window and completed in this interval.
    pub(crate) completion: Distribution,
    /// Spread of those.
    pub(crate) spread: Distribution,
    /// Messages that the server said in it that it has.
    pub(crate) acknowledged: u64,
    /// How long that took, for messages planned in the measured window.
    pub(crate) ack: Distribution,
    /// This program's own part of the publish lag, for messages sent in it.
    pub(crate) publish_lag: Distribution,
    /// Processor time of the busiest worker, as a share of the time it took.
    pub(crate) cpu_share: f64,
}

impl Interval {
    /// Adds what another worker wrote down for the same time.
    pub(crate) fn add(&mut self, other: &Self) {
        self.planned += other.planned;
        self.sent += other.sent;
        self.completed += other.completed;
        self.delivered += other.delivered;
        self.acknowledged += other.acknowledged;
        self.missing.add(other.missing);
        self.open += other.open;
        self.cpu_share = self.cpu_share.max(other.cpu_share);
        let pairs = [
            (&mut self.upgrade, &other.upgrade),
            (&mut self.warmup, &other.warmup),
            (&mut self.delivery, &other.delivery),
            (&mut self.completion, &other.completion),
            (&mut self.spread, &other.spread),
            (&mut self.ack, &other.ack),
            (&mut self.publish_lag, &other.publish_lag),
        ];
        for (own, others) in pairs {
            if !others.is_empty() {
                own.add(others);
            }
        }
    }

    /// Begins a new one, without giving memory back.
    pub(crate) fn clear(&mut self) {
        (self.planned, self.sent, self.completed, self.delivered) = (0, 0, 0, 0);
        (self.missing, self.open) = (Missing::default(), 0);
        self.acknowledged = 0;
        self.cpu_share = 0.0;
        for distribution in [
            &mut self.upgrade,
            &mut self.warmup,
            &mut self.delivery,
            &mut self.completion,
            &mut self.spread,
            &mut self.ack,
            &mut self.publish_lag,
        ] {
            if !distribution.is_empty() {
                distribution.0.reset();
            }
        }
    }

    /// The series with the names they have in files.
    pub(crate) fn series(&self) -> [(&'static str, &Distribution); 6] {
        [
            ("upgrade", &self.upgrade),
            ("warmup", &self.warmup),
            ("delivery", &self.delivery),
            ("completion", &self.completion),
            ("spread", &self.spread),
            ("ack", &self.ack),
        ]
    }

    /// Latency of all deliveries that came in it.
    pub(crate) fn arrivals(&self) -> Distribution {
        let mut all = self.delivery.clone();
        if !self.warmup.is_empty() {
            all.add(&self.warmup);
        }
        all
    }
}

/// Who is told of a run while it runs.
pub(crate) trait Observer {
    /// Takes the interval that has just ended. Called in order, about once a second, from the thread
    /// that started the run; must return within a few milliseconds.
    fn interval(&mut self, interval: &Interval);
}
