//! What a connection is doing, for its deadlines, for its way back to a shard, and for others that need
//! its place.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::config::Config;

/// What a connection is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// For the first byte of a request.
    Idle,
    /// For the rest of a request head.
    Head,
    /// For its own answer, or for the peer to take it.
    Answer,
    /// For the peer to take the last of an answer that was handed to hyper.
    Flushing,
    /// For the peer to close, too.
    Lingering,
}

/// What one connection is doing; shared by its socket, its service and its driver, all of which
/// run on one thread.
#[derive(Debug)]
pub(super) struct Activity {
    phase: Cell<Phase>,
    since: Cell<Instant>,
    /// Whether bytes came in during an answer: they start the next head.
    ahead: Cell<bool>,
    /// Whether a request came that is a shard's.
    leaving: Cell<bool>,
    /// Whether all answers have left hyper's buffer.
    flushed: Cell<bool>,
    /// Whether the request that is answered is the connection's last.
    last: Cell<bool>,
    /// Whether another connection needs this one's place.
    giving_way: Cell<bool>,
    asked: Notify,
}

impl Activity {
    /// Starts with a head that is being read.
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self {
            phase: Cell::new(Phase::Head),
            since: Cell::new(Instant::now()),
            ahead: Cell::new(false),
            leaving: Cell::new(false),
            flushed: Cell::new(true),
            last: Cell::new(false),
            giving_way: Cell::new(false),
            asked: Notify::new(),
        })
    }

    /// A request head is complete.
    pub(super) fn begin_answer(&self) {
        self.ahead.set(false);
        self.flushed.set(false);
        self.enter(Phase::Answer);
    }

    /// The answer's last byte was handed to hyper.
    pub(super) fn end_answer(&self) {
        self.enter(Phase::Flushing);
    }

    /// The connection is closed, and read on so that its last answer arrives.
    pub(super) fn begin_linger(&self) {
        self.enter(Phase::Lingering);
    }

    /// Whether nobody would miss the connection.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.phase.get(), Phase::Idle | Phase::Lingering)
    }

    /// Since when it has waited for what it waits for.
    pub(super) fn since(&self) -> Instant {
        self.since.get()
    }

    /// Whether it is idle, or its peer has kept it waiting for `patience`.
    pub(super) fn can_give_way(&self, patience: Duration) -> bool {
        self.is_idle() || self.since.get().elapsed() >= patience
    }

    /// Another connection needs the place.
    pub(super) fn ask_to_give_way(&self) {
        self.giving_way.set(true);
        self.asked.notify_one();
    }

    /// Ends when the connection is asked to give way.
    pub(super) async fn asked_to_give_way(&self) {
        self.asked.notified().await;
    }

    /// Whether it was asked to, and has not refused.
    pub(super) fn is_giving_way(&self) -> bool {
        self.giving_way.get()
    }

    /// It has work to do.
    pub(super) fn stay(&self) {
        self.giving_way.set(false);
    }

    /// A request came that is a shard's to answer.
    pub(super) fn leave(&self) {
        self.leaving.set(true);
    }

    /// Whether the connection is to go to a shard now: nothing is left to send before that.
    pub(super) fn may_leave(&self) -> bool {
        self.leaving.get() && self.flushed.get()
    }

    /// Whether the connection must end after the answer to the request that is passed on.
    pub(super) fn note_last(&self, is_last: bool) {
        self.last.set(is_last);
    }

    /// Whether the connection must end after this answer.
    pub(super) fn is_last(&self) -> bool {
        self.last.get()
    }

    /// Whether a request has begun whose head is not there.
    pub(super) fn awaits_head(&self) -> bool {
        self.phase.get() == Phase::Head
    }

    /// When the connection has waited too long, if nothing happens until then.
    pub(super) fn deadline(&self, config: &Config) -> Instant {
        self.since.get()
            + match self.phase.get() {
                Phase::Idle => config.http_keep_alive,
                Phase::Head => config.head_timeout,
                Phase::Answer | Phase::Flushing => config.http_stall_timeout,
                Phase::Lingering => config.http_linger_timeout,
            }
    }

    /// So long nobody could be heard.
    pub(super) fn forgive(&self, time: Duration) {
        self.since.set(self.since.get() + time);
    }

    fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.since.set(Instant::now());
    }

    pub(super) fn note_read(&self) {
        match self.phase.get() {
            Phase::Idle => self.enter(Phase::Head),
            Phase::Head | Phase::Lingering => {}
            Phase::Answer | Phase::Flushing => self.ahead.set(true),
        }
    }

    /// Taking bytes keeps an answer going; it does not prolong a head.
    pub(super) fn note_written(&self) {
        if self.phase.get() != Phase::Head {
            self.since.set(Instant::now());
        }
    }

    /// hyper flushes its socket only once its own buffer is empty, so this marks the moment
    /// from which the connection may leave, and from which the peer is in nobody's debt.
    pub(super) fn note_flushed(&self) {
        if self.phase.get() == Phase::Answer {
            return;
        }
        self.flushed.set(true);
        if self.phase.get() == Phase::Flushing {
            // The time of the next head does not run while the peer takes this answer.
            self.enter(if self.ahead.get() {
                Phase::Head
            } else {
                Phase::Idle
            });
        }
    }
}
