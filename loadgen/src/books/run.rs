//! What one worker writes down over the whole run; for each second, see
//! [`Interval`].

use serde::{Deserialize, Serialize};

use crate::books::inflight::Completion;
use crate::results::distribution::Distribution;
use crate::results::interval::Interval;
use crate::results::model::latency::Latency;
use crate::results::model::recovery::Recovery;

/// Figures of the measured window of one worker, or of several added up; besides those, what
/// happened to its sessions.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct RunBooks {
    pub(crate) latency: Latency,
    /// From when a message was due to when the kernel had its last byte, and to when it was offered to it.
    pub(crate) publish_lag: Distribution,
    pub(crate) own_lag: Distribution,
    /// From the drop of a storm to each session's complete handshake.
    pub(crate) returns: Distribution,
    /// Messages planned in the window, and sent of those.
    pub(crate) planned: u64,
    pub(crate) sent: u64,
    /// Messages that the kernel did not take when they were offered, and the longest that one waited.
    pub(crate) held: u64,
    pub(crate) held_ns_max: u64,
    /// Messages that were due and not sent in the end, and bytes of those that were queued.
    pub(crate) left_messages: u64,
    pub(crate) left_bytes: u64,
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
    /// Sessions that could not be opened, as many may; and messages that these would have published, in the whole run and
    /// in its window.
    pub(crate) unopened: u64,
    pub(crate) unpublished: u64,
    pub(crate) unpublished_in_window: u64,
    pub(crate) dropped: u64,
    pub(crate) returned: u64,
    pub(crate) joined: u64,
    pub(crate) left: u64,
    /// Those that joined and heard nothing, although others did.
    pub(crate) heard_nothing: u64,
    pub(crate) stopped: u64,
    pub(crate) stopped_closed: u64,
    /// Messages that subscribers who stopped reading did not take.
    pub(crate) untaken: u64,
    /// Messages that the server said it will not deliver, that it said it has, and that it has not answered although it
    /// answers all.
    pub(crate) rejected: u64,
    pub(crate) acknowledged: u64,
    pub(crate) unanswered: u64,
    /// Notices of the server that somebody came, or went.
    pub(crate) joins: u64,
    pub(crate) leaves: u64,
    pub(crate) recovery: Recovery,
}

impl RunBooks {
    /// Adds another worker's.
    pub(crate) fn add(&mut self, other: &Self) {
        self.latency.add(&other.latency);
        self.publish_lag.add(&other.publish_lag);
        self.own_lag.add(&other.own_lag);
        self.returns.add(&other.returns);
        self.recovery.add(&other.recovery);
        let sums = [
            (&mut self.planned, other.planned),
            (&mut self.sent, other.sent),
            (&mut self.planned_all, other.planned_all),
            (&mut self.held, other.held),
            (&mut self.left_messages, other.left_messages),
            (&mut self.left_bytes, other.left_bytes),
            (&mut self.completed, other.completed),
            (&mut self.evicted, other.evicted),
            (&mut self.delivered, other.delivered),
            (&mut self.delivered_bytes, other.delivered_bytes),
            (&mut self.received, other.received),
            (&mut self.opened, other.opened),
            (&mut self.failed, other.failed),
            (&mut self.unopened, other.unopened),
            (&mut self.unpublished, other.unpublished),
            (&mut self.unpublished_in_window, other.unpublished_in_window),
            (&mut self.dropped, other.dropped),
            (&mut self.returned, other.returned),
            (&mut self.joined, other.joined),
            (&mut self.left, other.left),
            (&mut self.heard_nothing, other.heard_nothing),
            (&mut self.stopped, other.stopped),
            (&mut self.stopped_closed, other.stopped_closed),
            (&mut self.untaken, other.untaken),
            (&mut self.rejected, other.rejected),
            (&mut self.acknowledged, other.acknowledged),
            (&mut self.unanswered, other.unanswered),
            (&mut self.joins, other.joins),
            (&mut self.leaves, other.leaves),
        ];
        for (own, others) in sums {
            *own += others;
        }
        self.held_ns_max = self.held_ns_max.max(other.held_ns_max);
    }

    /// The kernel took the last byte of a message of the window so long after it was due, and could have taken it
    /// after `own_lag_ns`.
    pub(crate) fn note_sent(&mut self, lag_ns: u64, own_lag_ns: u64) {
        self.sent += 1;
        self.publish_lag.record(lag_ns);
        self.own_lag.record(own_lag_ns);
    }

    /// A message of the window has reached all its subscribers.
    pub(crate) fn note_complete(&mut self, interval: &mut Interval, done: &Completion) {
        let since = |time_ns: u64| time_ns.saturating_sub(done.planned_ns);
        let spread_ns = done.last_ns.saturating_sub(done.first_ns);
        interval.completion.record(since(done.last_ns));
        interval.spread.record(spread_ns);
        self.completed += 1;
        let latency = &mut self.latency;
        latency.first_ns.record(since(done.first_ns));
        if let Some(median_ns) = done.median_ns {
            latency.median_ns.record(since(median_ns));
        }
        latency.completion_ns.record(since(done.last_ns));
        latency.spread_ns.record(spread_ns);
    }

    /// The server held so many messages back, the first of them for so long.
    pub(crate) fn note_held(&mut self, held_ns: u64, messages: u64) {
        self.held += messages;
        if messages > 0 {
            self.held_ns_max = self.held_ns_max.max(held_ns);
        }
    }
}
