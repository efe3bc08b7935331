//! The timers of a session under their names, and since when its peer was silent.
//!
//! No two timers run at once: each belongs to a phase, and a ping and the end of idleness take turns. So
//! they share one entry in the shard's wheel. Which one runs is read off the phase, not kept. What a client
//! waits for while it is open it keeps itself, and has one timer for it all.

use super::flags::Flags;
use super::phase::Phase;
use super::tick::Tick;
use super::wheel::Wheel;
use crate::id::SessionKey;

/// The named timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timer {
    /// The request head has to be whole.
    Head,
    /// The peer was silent for so long that it is asked for a sign of life.
    Ping,
    /// It was asked, and is looked at until it answers or has been idle for too long.
    Idle,
    /// Something of a client is due.
    Client,
    /// It has to take its last bytes and to answer the goodbye.
    Close,
    /// The kernel has to end the receive of a socket that was shut down.
    Release,
}

impl Timer {
    /// The one that runs in a phase; none while another shard is awaited.
    #[must_use]
    pub(super) fn of(phase: Phase, flags: Flags) -> Option<Self> {
        match phase {
            Phase::Head => Some(Self::Head),
            Phase::Joining => None,
            Phase::Open if flags.any(Flags::CLIENT) => Some(Self::Client),
            Phase::Open if flags.any(Flags::PINGED) => Some(Self::Idle),
            Phase::Open => Some(Self::Ping),
            Phase::Closing | Phase::Lingering => Some(Self::Close),
            Phase::Dead => Some(Self::Release),
        }
    }
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

    // Silence.

    /// The peer was heard; so many bytes had been sent by then, modulo 2^32.
    pub(super) fn hear(&mut self, now: Tick, sent_bytes: u32) {
        self.heard = now;
        self.sent_then = sent_bytes;
    }

    /// When the peer was last heard.
    #[must_use]
    pub(super) fn heard(&self) -> Tick {
        self.heard
    }

    /// Bytes that were sent since then, when there are `sent_bytes` by now; both modulo 2^32.
    #[must_use]
    pub(super) fn unheard_bytes(&self, sent_bytes: u32) -> u32 {
        sent_bytes.wrapping_sub(self.sent_then)
    }

    /// What was sent is counted anew from `sent_bytes` on: of those, so many the peer was not heard since.
    pub(super) fn recount(&mut self, sent_bytes: u32, unheard_bytes: u32) {
        self.sent_then = sent_bytes.wrapping_sub(unheard_bytes);
    }

    // The head and the close.

    /// What runs ends at `deadline`.
    pub(super) fn run_until(&mut self, deadline: Tick) {
        self.deadline = deadline;
    }

    /// What runs ends at `deadline`, or later if it did anyway.
    pub(super) fn extend_until(&mut self, deadline: Tick) {
        self.deadline = self.deadline.max(deadline);
    }

    /// When what runs ends.
    #[must_use]
    pub(super) fn deadline(&self) -> Tick {
        self.deadline
    }

    // The wheel.

    /// Makes sure that `wheel` brings the session, which is `key`, up by `deadline`.
    pub(super) fn schedule(
        &mut self,
        wheel: &mut Wheel,
        key: SessionKey,
        deadline: Tick,
        now: Tick,
    ) {
        if deadline < self.entry || self.entry <= now {
            // Not always the deadline: one that is far away is looked at on the way.
            self.entry = wheel.insert(key, deadline.max(Tick(now.0 + 1)));
        }
    }

    /// Whether the entry that came up at `now` is the valid one.
    #[must_use]
    pub(super) fn has_come_up(&self, now: Tick) -> bool {
        self.entry <= now
    }
}

#[cfg(test)]
mod tests {
    use super::{SessionKey, Tick, Timers, Wheel};

    const KEY: SessionKey = SessionKey {
        slot: 1,
        generation: 2,
    };

    /// Goal: the wheel is told of an earlier deadline and not of a later one, and what comes up is known
    /// to be the entry that counts, or not.
    #[test]
    fn the_earliest_entry_counts() {
        let mut timers = Timers::new(Tick(0), Tick(100));
        let (mut wheel, mut due) = (Wheel::default(), Vec::new());
        timers.schedule(&mut wheel, KEY, Tick(50), Tick(1));
        timers.schedule(&mut wheel, KEY, Tick(80), Tick(1));
        timers.schedule(&mut wheel, KEY, Tick(20), Tick(1));
        assert!(!timers.has_come_up(Tick(19)));
        wheel.expire(Tick(20), &mut due);
        assert_eq!(due, [KEY]);
        assert!(timers.has_come_up(Tick(20)));
        timers.schedule(&mut wheel, KEY, Tick(80), Tick(20));
        wheel.expire(Tick(60), &mut due);
        assert_eq!(due, [KEY, KEY]);
        assert!(
            !timers.has_come_up(Tick(60)),
            "that was the one from before"
        );
        // At once is the next tick: this one's bucket was looked at.
        timers.schedule(&mut wheel, KEY, Tick(3), Tick(60));
        assert_eq!(wheel.next_due(), Some(Tick(61)));
    }

    /// Goal: what was sent since the peer was heard is known across the end of the count, and across a new
    /// beginning of it.
    #[test]
    fn what_was_sent_is_counted_modulo() {
        let mut timers = Timers::new(Tick(0), Tick(100));
        timers.hear(Tick(3), u32::MAX - 9);
        assert_eq!(timers.heard(), Tick(3));
        assert_eq!(timers.unheard_bytes(u32::MAX), 9);
        assert_eq!(timers.unheard_bytes(20), 30);
        timers.recount(7, 30);
        assert_eq!(timers.unheard_bytes(7), 30);
        assert_eq!(timers.unheard_bytes(10), 33);
        assert_eq!(timers.heard(), Tick(3));
    }

    /// Goal: progress prolongs what runs and never cuts it short.
    #[test]
    fn a_deadline_is_extended() {
        let mut timers = Timers::new(Tick(0), Tick(100));
        timers.run_until(Tick(50));
        timers.extend_until(Tick(40));
        assert_eq!(timers.deadline(), Tick(50));
        timers.extend_until(Tick(60));
        assert_eq!(timers.deadline(), Tick(60));
    }
}
