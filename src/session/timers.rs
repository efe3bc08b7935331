//! What a session waits for in time, under its name, and since when its peer was silent.
//!
//! No two timers run at once: each belongs to a phase, and a ping and the end of idleness take turns. So
//! they share one entry in the shard's wheel. Which one runs is read off the phase, not kept.

use super::tick::Tick;
use super::wheel::Wheel;
use super::{Flags, Phase, Session};
use crate::id::{SessionKey, StreamPosition};

/// The named timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timer {
    /// The request head has to be whole.
    Head,
    /// The peer was silent for so long that it is asked for a sign of life.
    Ping,
    /// It was asked, and is looked at until it answers or has been idle for too long.
    Idle,
    /// It has to take its last bytes and to answer the goodbye.
    Close,
    /// The kernel has to end the receive of a socket that was shut down.
    Release,
}

/// The times of one session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timers {
    /// When the peer was last heard: ping and idle count from there.
    heard: Tick,
    /// What had been sent of its rooms then, modulo 2^32.
    sent_then: u32,
    /// When the head or the close is late.
    deadline: Tick,
    /// The tick of its valid entry in the timer wheel; other entries are stale.
    entry: Tick,
}

impl Timers {
    /// Those of a connection that has just come, and has until `deadline` for its head.
    pub(super) fn new(now: Tick, deadline: Tick) -> Self {
        Self {
            heard: now,
            sent_then: 0,
            deadline,
            entry: Tick::default(),
        }
    }
}

impl Session {
    /// The timer that runs; none while another shard is awaited.
    #[must_use]
    pub(crate) fn timer(&self) -> Option<Timer> {
        match self.phase {
            Phase::Head => Some(Timer::Head),
            Phase::Joining => None,
            Phase::Open if self.flags.any(Flags::PINGED) => Some(Timer::Idle),
            Phase::Open => Some(Timer::Ping),
            Phase::Closing | Phase::Lingering => Some(Timer::Close),
            Phase::Dead => Some(Timer::Release),
        }
    }

    // The head.

    /// The head has to be whole by `deadline`.
    pub(crate) fn await_head(&mut self, deadline: Tick) {
        assert_eq!(self.timer(), Some(Timer::Head));
        self.timers.deadline = deadline;
    }

    /// When the head is late.
    #[must_use]
    pub(crate) fn head_deadline(&self) -> Tick {
        assert_eq!(self.timer(), Some(Timer::Head));
        self.timers.deadline
    }

    // Ping and idle.

    /// The peer was heard, or would have been if it had been listened to.
    pub(crate) fn hear(&mut self, now: Tick) {
        self.timers.heard = now;
        self.timers.sent_then = self.sent_bytes();
    }

    /// When the peer was last heard.
    #[must_use]
    pub(crate) fn heard(&self) -> Tick {
        self.timers.heard
    }

    /// Bytes of its rooms that were sent since the peer was last heard, modulo 2^32.
    #[must_use]
    pub(crate) fn sent_unheard_bytes(&self) -> u32 {
        self.sent_bytes().wrapping_sub(self.timers.sent_then)
    }

    /// Bytes of its rooms that were sent, from wherever the count began, modulo 2^32: a cursor that has no
    /// others beside it is as good a count as any.
    fn sent_bytes(&self) -> u32 {
        match (&self.side, &self.membership) {
            (Some(side), _) if self.flags.any(Flags::SEVERAL) => side.sent_bytes,
            (_, Some(membership)) => low_half(membership.cursor()),
            (_, None) => 0,
        }
    }

    /// Does what changes where that count begins.
    pub(super) fn keeping_unheard<R>(&mut self, change: impl FnOnce(&mut Self) -> R) -> R {
        let unheard = self.sent_unheard_bytes();
        let result = change(self);
        self.timers.sent_then = self.sent_bytes().wrapping_sub(unheard);
        result
    }

    // The close.

    /// The peer has to take its last bytes, and to answer, by `deadline`. To no effect on one that has
    /// died over its goodbye.
    pub(crate) fn await_close(&mut self, deadline: Tick) {
        assert!(matches!(self.timer(), Some(Timer::Close | Timer::Release)));
        self.timers.deadline = deadline;
    }

    /// It is making progress: it has until `deadline` at least.
    pub(crate) fn extend_close(&mut self, deadline: Tick) {
        assert_eq!(self.timer(), Some(Timer::Close));
        self.timers.deadline = self.timers.deadline.max(deadline);
    }

    /// When the goodbye has taken too long.
    #[must_use]
    pub(crate) fn close_deadline(&self) -> Tick {
        assert_eq!(self.timer(), Some(Timer::Close));
        self.timers.deadline
    }

    // The wheel.

    /// Makes sure that `wheel` brings the session, which is `key`, up by `deadline`.
    pub(crate) fn schedule(
        &mut self,
        wheel: &mut Wheel,
        key: SessionKey,
        deadline: Tick,
        now: Tick,
    ) {
        let entry = &mut self.timers.entry;
        if deadline < *entry || *entry <= now {
            // Not always the deadline: one that is far away is looked at on the way.
            *entry = wheel.insert(key, deadline.max(Tick(now.0 + 1)));
        }
    }

    /// Whether the entry that came up at `now` is the valid one.
    #[must_use]
    pub(crate) fn has_come_up(&self, now: Tick) -> bool {
        self.timers.entry <= now
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a difference of two is what counts, modulo 2^32"
)]
fn low_half(position: StreamPosition) -> u32 {
    position.bytes() as u32
}
