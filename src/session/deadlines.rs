//! What a session waits for in time: which of its timers runs, until when, and how long it has heard
//! nothing.

use super::tick::Tick;
use super::timers::Timer;
use super::wheel::Wheel;
use super::{Flags, Session};
use crate::id::{SessionKey, StreamPosition};

impl Session {
    /// The timer that runs; none while another shard is awaited.
    #[must_use]
    pub(crate) fn timer(&self) -> Option<Timer> {
        Timer::of(self.phase, self.flags)
    }

    // The head.

    /// The head has to be whole by `deadline`.
    pub(crate) fn await_head(&mut self, deadline: Tick) {
        assert_eq!(self.timer(), Some(Timer::Head));
        self.timers.run_until(deadline);
    }

    /// When the head is late.
    #[must_use]
    pub(crate) fn head_deadline(&self) -> Tick {
        assert_eq!(self.timer(), Some(Timer::Head));
        self.timers.deadline()
    }

    // Ping and idle.

    /// The peer was heard, or would have been if it had been listened to.
    pub(crate) fn hear(&mut self, now: Tick) {
        let sent_bytes = self.sent_bytes();
        self.timers.hear(now, sent_bytes);
    }

    /// When the peer was last heard.
    #[must_use]
    pub(crate) fn heard(&self) -> Tick {
        self.timers.heard()
    }

    /// Bytes of its rooms that were sent since the peer was last heard, modulo 2^32.
    #[must_use]
    pub(crate) fn sent_unheard_bytes(&self) -> u32 {
        self.timers.unheard_bytes(self.sent_bytes())
    }

    /// Bytes of its rooms that were sent, from wherever the count began, modulo 2^32: a cursor that has no
    /// others beside it is as good a count as any.
    #[must_use]
    pub(crate) fn sent_bytes(&self) -> u32 {
        match (&self.side, &self.membership) {
            (Some(side), _) if self.flags.any(Flags::SEVERAL) => side.sent_bytes,
            (_, Some(membership)) => low_half(membership.cursor()),
            (_, None) => 0,
        }
    }

    /// Does what changes where that count begins.
    pub(super) fn keeping_unheard<R>(&mut self, change: impl FnOnce(&mut Self) -> R) -> R {
        let (before, unheard) = (self.sent_bytes(), self.sent_unheard_bytes());
        let result = change(self);
        let sent_bytes = self.sent_bytes();
        self.timers.recount(sent_bytes, unheard);
        if let Some(client) = self.client_mut() {
            client.shift_reach(sent_bytes.wrapping_sub(before));
        }
        result
    }

    // The close.

    /// The peer has to take its last bytes, and to answer, by `deadline`. To no effect on one that has
    /// died over its goodbye.
    pub(crate) fn await_close(&mut self, deadline: Tick) {
        assert!(matches!(self.timer(), Some(Timer::Close | Timer::Release)));
        self.timers.run_until(deadline);
    }

    /// It is making progress: it has until `deadline` at least.
    pub(crate) fn extend_close(&mut self, deadline: Tick) {
        assert_eq!(self.timer(), Some(Timer::Close));
        self.timers.extend_until(deadline);
    }

    /// When the goodbye has taken too long.
    #[must_use]
    pub(crate) fn close_deadline(&self) -> Tick {
        assert_eq!(self.timer(), Some(Timer::Close));
        self.timers.deadline()
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
        self.timers.schedule(wheel, key, deadline, now);
    }

    /// Whether the entry that came up at `now` is the valid one.
    #[must_use]
    pub(crate) fn has_come_up(&self, now: Tick) -> bool {
        self.timers.has_come_up(now)
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
    use crate::id::{MembershipId, RoomId, StreamPosition};
    use crate::room::rendition::Rendition;
    use crate::session::tests::{fresh, open};
    use crate::session::tick::Tick;
    use crate::session::{Flags, Place, Session};

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
