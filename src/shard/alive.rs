//! Deadlines: who is still alive, who was silent for too long, and who had time enough to say goodbye.
//!
//! Silence is judged only of those who could be heard. A ping waits behind everything that was sent
//! before it, and a peer that reads steadily but slowly can't answer what it has yet to read: while
//! the peer's window holds bytes back here, that they go on leaving is as good as a word. Only the
//! kernel knows, so before a session is judged the shard asks for its socket to be measured.

use std::collections::HashMap;
use std::time::Duration;

use super::{Action, Shard};
use crate::id::SessionKey;
use crate::session::tick::{TICK, Tick};
use crate::session::timers::Timer;
use crate::session::wheel::Wheel;
use crate::session::{Flags, Phase, Session};
use crate::wire::close::CloseCode;
use crate::wire::frame::{OpCode, append_frame};

/// Looks at a silent session between its ping and its end.
const LOOKS: u32 = 8;

/// As slowly as a peer may read what it was sent before its ping, once none of it waits here.
const READING_BYTES_PER_SECOND: u32 = 16 << 10;

/// What the kernel says of a session's socket, in answer to [`Action::Measure`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Measured {
    /// Bytes that the peer's machine has acknowledged since the connection began.
    pub acknowledged: u64,
    /// Bytes that it has yet to acknowledge, sent or not.
    pub outstanding: u64,
    /// Those of them that could not be sent yet.
    pub unsent: u64,
    /// Bytes that have arrived and wait to be received.
    pub unread: u64,
}

/// What was seen of a session the last time its socket was measured.
#[derive(Debug, Clone, Copy)]
struct Look {
    acknowledged: u64,
    /// Whether bytes waited for the peer then.
    waiting: bool,
    /// When such bytes were last seen to have left.
    progress: Tick,
}

impl Look {
    /// Takes in what was measured at `tick`, when bytes were `waiting` for the peer.
    fn update(&mut self, measured: &Measured, waiting: bool, tick: Tick) {
        // Without a backlog an acknowledgement is the peer's kernel's, whatever became of the peer.
        if self.waiting && measured.acknowledged > self.acknowledged {
            self.progress = tick;
        }
        self.acknowledged = measured.acknowledged;
        self.waiting = waiting;
    }
}

/// When sessions come up, and what was last seen of the sockets of silent and closing ones.
#[derive(Debug, Default)]
pub(super) struct Alive {
    wheel: Wheel,
    looks: HashMap<SessionKey, Look>,
    /// Kept between turns so that steady work allocates nothing.
    due: Vec<SessionKey>,
}

impl Alive {
    /// Makes sure that the wheel brings the session up by `deadline`.
    pub(super) fn schedule(
        &mut self,
        session: &mut Session,
        key: SessionKey,
        deadline: Tick,
        now: Tick,
    ) {
        session.schedule(&mut self.wheel, key, deadline, now);
    }

    /// The sessions that come up by `now`, in a list to be given back.
    pub(super) fn expire(&mut self, now: Tick) -> Vec<SessionKey> {
        let mut due = std::mem::take(&mut self.due);
        self.wheel.expire(now, &mut due);
        due
    }

    /// The list that [`Self::expire`] gave out, which is empty now.
    pub(super) fn give_back(&mut self, due: Vec<SessionKey>) {
        self.due = due;
    }

    /// When the next session comes up.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.wheel.next_due().map(|tick| TICK * tick.0)
    }

    /// The session was heard, or waits for something else from now on: what was seen does not count.
    pub(super) fn forget(&mut self, key: SessionKey) {
        self.looks.remove(&key);
    }

    /// Takes in what was measured of a session that was last `heard` some time ago and has a ping to
    /// answer; returns when it has last shown to be alive.
    fn look_at_silent(
        &mut self,
        key: SessionKey,
        measured: &Measured,
        heard: Tick,
        now: Tick,
    ) -> Tick {
        let look = self.looks.entry(key).or_insert(Look {
            acknowledged: measured.acknowledged,
            waiting: false,
            progress: heard,
        });
        look.update(measured, measured.unsent > 0, now);
        heard.max(look.progress)
    }

    /// Takes in what was measured of a session that is to take its last bytes; true when it has just
    /// taken some.
    fn look_at_closing(&mut self, key: SessionKey, measured: &Measured, now: Tick) -> bool {
        let waiting = measured.outstanding > 0;
        let look = self.looks.entry(key).or_insert(Look {
            acknowledged: measured.acknowledged,
            waiting,
            progress: Tick(0),
        });
        look.update(measured, waiting, now);
        look.progress == now
    }
}

impl Shard {
    /// The session's entry in the timer wheel came up.
    pub(super) fn deadline_reached(&mut self, key: SessionKey) {
        let tick = self.tick();
        let Some(session) = self.sessions.lookup(key) else {
            return;
        };
        if !session.has_come_up(tick) {
            return;
        }
        let slot = key.slot;
        let deadline = match session.timer() {
            Some(Timer::Ping | Timer::Idle) => return self.silent(slot),
            Some(Timer::Head) => session.head_deadline(),
            Some(Timer::Close) => session.close_deadline(),
            // A multishot receive can miss the end of the stream when it comes right behind data,
            // and then no shutdown wakes it any more.
            Some(Timer::Release) => return self.cancel_receive(slot),
            None => return,
        };
        if tick >= deadline {
            self.actions.push_back(Action::Measure(key));
        } else {
            self.schedule(slot, deadline);
        }
    }

    /// The answer to [`Action::Measure`]; to be given in the same turn.
    pub fn handle_measured(&mut self, key: SessionKey, measured: Measured) {
        let tick = self.tick();
        let Some(session) = self.sessions.lookup(key) else {
            return;
        };
        match session.phase() {
            Phase::Open => self.judge_silence(key, &measured),
            Phase::Closing | Phase::Lingering => self.judge_goodbye(key, &measured),
            // What waits was not read in time here, which is not the peer's fault.
            Phase::Head if measured.unread > 0 => self.schedule(key.slot, Tick(tick.0 + 1)),
            Phase::Head => self.head_is_late(key.slot),
            Phase::Joining | Phase::Dead => {}
        }
    }

    /// Pings a session that has been silent, and has one that stays so looked at.
    fn silent(&mut self, slot: u32) {
        let (tick, key) = (self.tick(), self.sessions.key(slot));
        if self.is_held_back(slot) {
            // Whatever it says, it is the server that does not listen.
            self.sessions.at_mut(slot).hear(tick);
        }
        let ping_interval = self.config().ping_interval;
        let session = self.sessions.at_mut(slot);
        if session.flags().any(Flags::PINGED) {
            return self.actions.push_back(Action::Measure(key));
        }
        // A little early counts as reached: the jitter in `schedule_ping` goes both ways.
        let quiet = tick.0.saturating_sub(session.heard().0);
        if quiet >= Tick::at(ping_interval.mul_f64(0.9)).0 {
            session.mark(Flags::PINGED);
            self.reply(slot, |out| append_frame(out, OpCode::Ping, &[]));
            self.schedule(slot, Tick(tick.0 + self.look_ticks()));
        } else {
            self.schedule_ping(slot);
        }
    }

    /// Ticks between two looks at a session that does not answer its ping.
    fn look_ticks(&self) -> u32 {
        let config = self.config();
        let rest = config.idle_timeout.saturating_sub(config.ping_interval);
        Tick::at(rest / LOOKS).0.max(1)
    }

    /// A session that has not answered its ping: closes it when neither it nor its socket has given
    /// a sign of life for the idle timeout.
    fn judge_silence(&mut self, key: SessionKey, measured: &Measured) {
        let (slot, tick, idle_timeout) = (key.slot, self.tick(), self.config().idle_timeout);
        let session = self.sessions.at(slot);
        if !session.flags().any(Flags::PINGED) {
            return self.schedule_ping(slot);
        }
        if measured.unread > 0 && !session.flags().any(Flags::PAUSED) {
            // It has spoken, and is about to be heard.
            return self.schedule(slot, Tick(tick.0 + 1));
        }
        let (heard, unheard_bytes) = (session.heard(), session.sent_unheard_bytes());
        let alive = (self.alive).look_at_silent(key, measured, heard, tick);
        // What a proxy or the peer's machine has taken in one go may still lie before the ping there.
        let swallowed = if measured.outstanding == 0 {
            Duration::from_secs(u64::from(unheard_bytes / READING_BYTES_PER_SECOND))
        } else {
            Duration::ZERO
        };
        let deadline = alive.after(idle_timeout + swallowed);
        if tick >= deadline {
            self.metrics().idle_closed.add(1);
            return self.close(
                slot,
                CloseCode::IDLE,
                "nothing was heard for the idle timeout",
            );
        }
        let next = Tick(tick.0 + self.look_ticks());
        self.schedule(slot, next.min(deadline));
    }

    /// From now on the session has `close_timeout` to take what it is owed and to answer, again each
    /// time it is found to have taken some.
    pub(super) fn begin_goodbye(&mut self, slot: u32) {
        let deadline = self.tick().after(self.config().close_timeout);
        let key = self.sessions.key(slot);
        self.sessions.at_mut(slot).await_close(deadline);
        self.alive.forget(key);
        self.actions.push_back(Action::Measure(key));
        self.schedule(slot, deadline);
    }

    fn judge_goodbye(&mut self, key: SessionKey, measured: &Measured) {
        let (slot, tick) = (key.slot, self.tick());
        let moved = self.alive.look_at_closing(key, measured, tick);
        let again = tick.after(self.config().close_timeout);
        let session: &mut Session = self.sessions.at_mut(slot);
        if moved {
            session.extend_close(again);
        }
        let deadline = session.close_deadline();
        if tick < deadline {
            return self.schedule(slot, deadline);
        }
        session.mark(Flags::ABORT);
        self.kill(slot);
    }

    /// Has the wheel bring the session up when its silence is worth a ping, give or take a tenth,
    /// so that sessions that came together do not ping together for ever.
    pub(super) fn schedule_ping(&mut self, slot: u32) {
        let jitter = 0.9 + 0.2 * self.random.f64();
        let interval = self.config().ping_interval.mul_f64(jitter);
        let heard = self.sessions.at(slot).heard();
        self.schedule(slot, heard.after(interval));
    }
}

#[cfg(test)]
mod tests {
    use super::{Alive, Measured, Tick};
    use crate::id::SessionKey;

    const KEY: SessionKey = SessionKey {
        slot: 1,
        generation: 0,
    };

    fn measured(acknowledged: u64, unsent: u64) -> Measured {
        Measured {
            acknowledged,
            outstanding: unsent,
            unsent,
            unread: 0,
        }
    }

    /// Goal: a silent peer is alive while it takes bytes that waited for it here, and not by what its kernel
    /// acknowledges otherwise.
    #[test]
    fn taking_what_waited_is_a_sign_of_life() {
        let mut alive = Alive::default();
        let heard = Tick(10);
        let mut look = |acknowledged, unsent, now| {
            alive.look_at_silent(KEY, &measured(acknowledged, unsent), heard, Tick(now))
        };
        assert_eq!(look(100, 0, 20), heard);
        assert_eq!(look(200, 50, 21), heard, "nothing had waited");
        assert_eq!(look(200, 50, 22), heard, "it took nothing");
        assert_eq!(look(210, 40, 23), Tick(23));
        assert_eq!(look(210, 40, 24), Tick(23));
        alive.forget(KEY);
        assert_eq!(
            alive.look_at_silent(KEY, &measured(300, 0), heard, Tick(30)),
            heard
        );
    }

    /// Goal: one that says goodbye makes progress while it takes what it is owed.
    #[test]
    fn a_closing_peer_is_given_time_while_it_reads() {
        let mut alive = Alive::default();
        let mut look = |acknowledged, unsent, now| {
            alive.look_at_closing(KEY, &measured(acknowledged, unsent), Tick(now))
        };
        assert!(!look(100, 50, 5));
        assert!(look(120, 30, 6));
        assert!(!look(120, 30, 7));
        assert!(look(150, 0, 8));
        assert!(!look(150, 0, 9));
    }
}
