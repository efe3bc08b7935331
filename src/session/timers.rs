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

#[cfg(test)]
mod tests {
    use super::Timer;
    use crate::id::{MembershipId, RoomId, SessionKey, StreamPosition};
    use crate::room::rendition::Rendition;
    use crate::session::tests::{fresh, open};
    use crate::session::tick::Tick;
    use crate::session::wheel::Wheel;
    use crate::session::{Flags, Place, Session};

    const KEY: SessionKey = SessionKey {
        slot: 1,
        generation: 2,
    };

    /// Goal: each phase has its timer, and a ping and the wait for its answer take turns.
    #[test]
    fn every_phase_has_its_timer() {
        let mut session = fresh();
        assert_eq!(session.timer(), Some(Timer::Head));
        assert_eq!(session.head_deadline(), Tick(100));
        session.await_head(Tick(130));
        assert_eq!(session.head_deadline(), Tick(130));
        session.join(Place::Echo, Flags::default(), b"");
        assert_eq!(session.timer(), None);
        session.open(Tick(7));
        assert_eq!(session.timer(), Some(Timer::Ping));
        session.mark(Flags::PINGED);
        assert_eq!(session.timer(), Some(Timer::Idle));
        session.unmark(Flags::PINGED);
        assert_eq!(session.timer(), Some(Timer::Ping));
        session.close().clear();
        assert_eq!(session.timer(), Some(Timer::Close));
        session.await_close(Tick(200));
        session.extend_close(Tick(150));
        assert_eq!(session.close_deadline(), Tick(200));
        session.extend_close(Tick(250));
        assert_eq!(session.close_deadline(), Tick(250));
        session.private = None;
        session.linger();
        assert_eq!(session.timer(), Some(Timer::Close));
        session.die();
        assert_eq!(session.timer(), Some(Timer::Release));
        session.await_close(Tick(300));
    }

    /// Goal: a timer that does not run has no deadline to ask for.
    #[test]
    #[should_panic(expected = "Some(Close)")]
    fn a_session_that_stays_has_no_end() {
        let _ = open().close_deadline();
    }

    /// Goal: the wheel is told of an earlier deadline and not of a later one, and what comes up is known
    /// to be the entry that counts, or not.
    #[test]
    fn the_earliest_entry_counts() {
        let (mut session, mut wheel, mut due) = (open(), Wheel::default(), Vec::new());
        session.schedule(&mut wheel, KEY, Tick(50), Tick(1));
        session.schedule(&mut wheel, KEY, Tick(80), Tick(1));
        session.schedule(&mut wheel, KEY, Tick(20), Tick(1));
        assert!(!session.has_come_up(Tick(19)));
        wheel.expire(Tick(20), &mut due);
        assert_eq!(due, [KEY]);
        assert!(session.has_come_up(Tick(20)));
        session.schedule(&mut wheel, KEY, Tick(80), Tick(20));
        wheel.expire(Tick(60), &mut due);
        assert_eq!(due, [KEY, KEY]);
        assert!(
            !session.has_come_up(Tick(60)),
            "that was the one from before"
        );
        // At once is the next tick: this one's bucket was looked at.
        session.schedule(&mut wheel, KEY, Tick(3), Tick(60));
        assert_eq!(wheel.next_due(), Some(Tick(61)));
    }

    fn join(session: &mut Session, room: usize, head: u64) -> MembershipId {
        let id = (session.add_membership(RoomId::at(room), Rendition::PLAIN)).unwrap();
        session.enter(id, 0, StreamPosition::new(head));
        id
    }

    /// Goal: rooms that come and go, with cursors wherever they stand, change nothing of what was sent
    /// since the peer was heard.
    #[test]
    fn what_was_sent_is_counted_over_rooms() {
        let mut session = open();
        session.hear(Tick(1));
        let first = join(&mut session, 0, 1 << 40);
        assert_eq!(session.sent_unheard_bytes(), 0);
        let one = session.membership_mut(first).unwrap();
        one.stand_at(StreamPosition::new((1 << 40) + 300));
        assert_eq!(session.sent_unheard_bytes(), 300);
        let second = join(&mut session, 1, 77);
        assert_eq!(session.sent_unheard_bytes(), 300);
        session.side.as_mut().unwrap().sent_bytes += 50;
        let third = join(&mut session, 2, 9);
        session.remove_membership(first).unwrap();
        assert_eq!(session.sent_unheard_bytes(), 350);
        session.remove_membership(second).unwrap();
        session.remove_membership(third).unwrap();
        assert_eq!(session.sent_unheard_bytes(), 350);
        session.hear(Tick(2));
        assert_eq!(session.sent_unheard_bytes(), 0);
        session.check_invariants().unwrap();
    }
}
