//! How long things took in a run.

use serde::{Deserialize, Serialize};

use crate::results::distribution::Distribution;

/// Distributions of times. Those of messages count from the time a message was planned, so that
/// what waits behind a stall counts with all of its wait.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Latency {
    /// From the start of a connection to its complete handshake (connect phase).
    pub(crate) upgrade_ns: Distribution,
    /// Each delivery: from the planned time to a subscriber's having it.
    pub(crate) delivery_ns: Distribution,
    /// Each message: from the planned time to its first delivery.
    pub(crate) first_ns: Distribution,
    /// Each message: from the planned time to half of its deliveries.
    pub(crate) median_ns: Distribution,
    /// Fan-out completion; each message: from the planned time to its last delivery. Messages that
    /// were not delivered to all are not in it.
    pub(crate) completion_ns: Distribution,
    /// Each complete message: from its first delivery to its last.
    pub(crate) spread_ns: Distribution,
    /// Each message that was acknowledged: from the planned time to the server's saying that it has it.
    #[serde(default)]
    pub(crate) ack_ns: Distribution,
}

impl Latency {
    /// All series with their names, in the order in which they are told.
    pub(crate) fn series(&self) -> [(&'static str, &Distribution); 7] {
        [
            ("upgrade", &self.upgrade_ns),
            ("delivery", &self.delivery_ns),
            ("first", &self.first_ns),
            ("median", &self.median_ns),
            ("completion", &self.completion_ns),
            ("spread", &self.spread_ns),
            ("ack", &self.ack_ns),
        ]
    }

    /// Adds what another worker measured.
    pub(crate) fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.upgrade_ns, &other.upgrade_ns),
            (&mut self.delivery_ns, &other.delivery_ns),
            (&mut self.first_ns, &other.first_ns),
            (&mut self.median_ns, &other.median_ns),
            (&mut self.completion_ns, &other.completion_ns),
            (&mut self.spread_ns, &other.spread_ns),
            (&mut self.ack_ns, &other.ack_ns),
        ];
        for (own, others) in pairs {
            own.add(others);
        }
    }
}
