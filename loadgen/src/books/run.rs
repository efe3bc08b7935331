//! What one worker writes down over the whole run; for each second, see
//! [`Interval`](crate::results::interval::Interval).

use crate::results::distribution::Distribution;
use crate::results::model::Latency;

/// Figures of the measured window of one worker, or of several added up; besides those, what
/// happened to its sessions.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunBooks {
    pub(crate) latency: Latency,
    pub(crate) publish_lag: Distribution,
    /// From the drop of a storm to each session's complete handshake.
    pub(crate) returns: Distribution,
    /// Messages planned in the window, and sent of those.
    pub(crate) planned: u64,
    pub(crate) sent: u64,
    /// Messages in the plan as far as they were due, warm-up included.
    pub(crate) planned_all: u64,
    /// Messages planned in the window that reached all, and that lost their place before they did.
    pub(crate) completed: u64,
    pub(crate) evicted: u64,
    /// Deliveries and payload bytes that arrived in the window, and all messages received in it.
    pub(crate) delivered: u64,
    pub(crate) delivered_bytes: u64,
    pub(crate) received: u64,
    pub(crate) opened: u64,
    pub(crate) failed: u64,
    pub(crate) dropped: u64,
    pub(crate) returned: u64,
    pub(crate) joined: u64,
    pub(crate) left: u64,
    pub(crate) stopped: u64,
    pub(crate) stopped_closed: u64,
    /// Messages that subscribers who stopped reading did not take.
    pub(crate) untaken: u64,
}

impl RunBooks {
    /// Adds another worker's.
    pub(crate) fn add(&mut self, other: &Self) {
        self.latency.add(&other.latency);
        self.publish_lag.add(&other.publish_lag);
        self.returns.add(&other.returns);
        let sums = [
            (&mut self.planned, other.planned),
            (&mut self.sent, other.sent),
            (&mut self.planned_all, other.planned_all),
            (&mut self.completed, other.completed),
            (&mut self.evicted, other.evicted),
            (&mut self.delivered, other.delivered),
            (&mut self.delivered_bytes, other.delivered_bytes),
            (&mut self.received, other.received),
            (&mut self.opened, other.opened),
            (&mut self.failed, other.failed),
            (&mut self.dropped, other.dropped),
            (&mut self.returned, other.returned),
            (&mut self.joined, other.joined),
            (&mut self.left, other.left),
            (&mut self.stopped, other.stopped),
            (&mut self.stopped_closed, other.stopped_closed),
            (&mut self.untaken, other.untaken),
        ];
        for (own, others) in sums {
            *own += others;
        }
    }
}
