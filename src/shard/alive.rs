//! Deadlines: who is still alive, who was silent for too long, and who had time enough to say goodbye.
//!
//! Silence is judged only of those who could be heard. A ping waits behind everything that was sent
//! before it, and a peer that reads steadily but slowly can't answer what it has yet to read: while
//! the peer's window holds bytes back here, that they go on leaving is as good as a word. Only the
//! kernel knows, so before a session is judged the shard asks for its socket to be measured.

use std::time::Duration;

use super::Shard;
use super::parts::action::{Action, Measured};
use crate::id::SessionKey;
use crate::session::client::Client;
use crate::session::tick::Tick;
use crate::session::timers::Timer;
use crate::session::{Flags, Phase, Session};
use crate::wire::close::CloseCode;
use crate::wire::frame::{OpCode, append_frame};

/// Looks at a silent session between its ping and its end.
const LOOKS: u32 = 8;

/// As slowly as a peer may read what it was sent before its ping, once none of it waits here.
const READING_BYTES_PER_SECOND: u32 = 16 << 10;

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
            Some(Timer::Client) => return self.client_has_time(slot),
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
            Phase::Open if session.flags().any(Flags::CLIENT) => {
                self.judge_client(key.slot, &measured);
            }
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
            self.note_holding(slot);
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
        let heard = session.heard();
        // What there was no room for in the socket waits, too, even if the socket was emptied since.
        let is_behind = session.flags().any(Flags::BLOCKED) || session.is_mid_frame();
        let seen = Measured {
            unsent: measured.unsent.max(u64::from(is_behind)),
            ..*measured
        };
        let alive = (self.alive).look_at_silent(key, &seen, heard, tick);
        let deadline = alive.after(idle_timeout + self.swallowed(slot, measured));
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

    /// How long what a proxy or the peer's machine has taken in one go may lie before the ping there.
    pub(super) fn swallowed(&self, slot: u32, measured: &Measured) -> Duration {
        if measured.outstanding > 0 {
            return Duration::ZERO;
        }
        let session = self.sessions.at(slot);
        // A client that says something may yet have to read what lies before its ping.
        let reach = session.client().and_then(Client::reach);
        let unread_bytes = reach.map_or(0, |reach| reach.unread_bytes(session.sent_bytes()));
        let unheard_bytes = session.sent_unheard_bytes().max(unread_bytes);
        Duration::from_secs(u64::from(unheard_bytes / READING_BYTES_PER_SECOND))
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
        let left_bytes = self.sessions.at(slot).private_bytes();
        let moved = (self.alive).look_at_closing(key, measured, left_bytes, tick);
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
