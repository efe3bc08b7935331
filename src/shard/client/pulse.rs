//! What is due of a client in time: pings and their answers, and whatever ends.
//!
//! A client that reads slowly can't answer what it has yet to read, so the time for an answer runs only from when
//! all that comes before the ping has left. Whether its peer still takes anything only the kernel knows.

use crate::protocol::centrifugo::codes::{Disconnect, ErrorCode, Unsubscribed};
use crate::protocol::centrifugo::encode;
use crate::session::client::reach::LOOK_BYTES;
use crate::session::client::{Client, Stage, Took};
use crate::session::send::Progress;
use crate::session::tick::{TICKS_PER_SECOND, Tick};
use crate::session::{Flags, Phase};
use crate::shard::Shard;
use crate::shard::parts::action::{Action, Measured};
use crate::shard::parts::step::encoding;

/// How long a socket may take nothing at all.
const STUCK_TICKS_MAX: u32 = 30 * TICKS_PER_SECOND;

/// How often a socket is looked at whose peer takes little, or has yet to answer.
const LOOK_AGAIN_TICKS: u32 = TICKS_PER_SECOND;

impl Shard {
    /// Makes sure that the wheel brings the client up when something of it is due.
    pub(super) fn schedule_client(&mut self, slot: u32) {
        let pong_ticks = self.pong_ticks();
        let due = (self.client(slot)).and_then(|client| client.next_due(pong_ticks));
        if let Some(due) = due {
            self.schedule(slot, due);
        }
    }

    fn pong_ticks(&self) -> u32 {
        Tick::at(self.chat().client.pong_timeout).0
    }

    /// Something of a client may be due.
    pub(in crate::shard) fn client_has_time(&mut self, slot: u32) {
        let (tick, pong_ticks) = (self.tick(), self.pong_ticks());
        let Some(client) = self.client(slot) else {
            return;
        };
        let is_stale = match client.stage() {
            Stage::New(deadline) | Stage::Refused(deadline) => deadline <= tick,
            Stage::Connecting | Stage::Connected => false,
        };
        let is_due = |at: Option<Tick>| at.is_some_and(|at| at <= tick);
        let ended = client.subscriptions().ended(tick);
        let must_look = is_due(client.look_at(pong_ticks));
        let must_ping = is_due(client.pulse().next());
        if is_stale {
            self.disconnect(slot, Disconnect::Stale);
        } else if is_due(client.ends()) {
            self.disconnect(slot, Disconnect::Expired);
        } else {
            if let Some(membership) = ended {
                self.put_out(slot, membership, Unsubscribed::Expired);
            }
            if must_ping {
                self.ping_client(slot);
            }
            self.withdraw_late(slot);
            self.refuse_held(slot);
            self.refuse_what_waits(slot, tick);
            if must_look {
                let key = self.sessions.key(slot);
                self.actions.push_back(Action::Measure(key));
            }
        }
        self.settle(slot);
        self.schedule_client(slot);
    }

    /// Refuses commands that wait for that until `tick` at most.
    pub(super) fn refuse_what_waits(&mut self, slot: u32, tick: Tick) {
        while let Some(id) = (self.client_mut(slot)).and_then(|client| client.take_refusal(tick)) {
            self.decline(slot, id, ErrorCode::TooManyRequests.into());
        }
    }

    fn ping_client(&mut self, slot: u32) {
        let (tick, interval) = (self.tick(), Tick::at(self.chat().client.ping_interval).0);
        let sent = self.sessions.at(slot).sent_bytes();
        let Some(client) = self.client_mut(slot) else {
            return;
        };
        client.ping(sent, tick, interval);
        let encoding = encoding(client.protocol());
        self.reply(slot, |out| encode::append_ping(out, encoding));
    }

    /// Replies of a session are sent now: where they had to wait for that, a ping among them has its time only from now
    /// on.
    pub(in crate::shard) fn replies_leave(&mut self, slot: u32) {
        let tick = self.tick();
        if let Some(client) = self.client_mut(slot) {
            client.ping_leaves(tick);
        }
    }

    /// A client has answered a ping.
    pub(in crate::shard) fn client_pongs(&mut self, slot: u32) {
        let tick = self.tick();
        if let Some(client) = self.client_mut(slot) {
            client.pong(tick);
            self.look_how_far(slot);
        }
    }

    /// A send of a client was answered, which has brought the count of what it was sent of its rooms from one
    /// to the other.
    pub(in crate::shard) fn look_at_client(&mut self, slot: u32, of_rooms: (u32, u32)) {
        let session = self.sessions.at_mut(slot);
        let is_open = session.phase() == Phase::Open;
        let Some(client) = session.client_mut().filter(|_| is_open) else {
            return;
        };
        if of_rooms.0 / LOOK_BYTES != of_rooms.1 / LOOK_BYTES {
            client.begin_reach(of_rooms.0);
        }
        self.look_how_far(slot);
        self.note_holding(slot);
    }

    /// Pings a client that was sent much since it last answered, and sends it no more of its rooms if that was
    /// too much, or goes on with that.
    fn look_how_far(&mut self, slot: u32) {
        let (key, sent) = (self.sessions.key(slot), self.sessions.at(slot).sent_bytes());
        let Some(client) = self.client(slot) else {
            return;
        };
        let Some(reach) = client.reach() else {
            return;
        };
        let is_connected = client.stage() == Stage::Connected;
        let must_ask = is_connected && reach.must_ask(sent);
        let is_ahead = is_connected && reach.left_bytes(sent) == 0;
        if must_ask {
            self.ask_client(slot);
        }
        let is_slow = self.client(slot).and_then(Client::reach);
        let is_slow = is_slow.is_some_and(|reach| reach.is_slow(sent));
        let session = self.sessions.at_mut(slot);
        let was_ahead = session.flags().any(Flags::AHEAD);
        for (flag, holds) in [(Flags::SLOW, is_slow), (Flags::AHEAD, is_ahead)] {
            match holds {
                true => session.mark(flag),
                false => session.unmark(flag),
            }
        }
        match (was_ahead, is_ahead) {
            // It may fall behind meanwhile.
            (false, true) => self.watch.add(key, &mut self.sessions),
            (true, false) => self.mark_dirty(slot),
            (true, true) | (false, false) => {}
        }
    }

    /// Pings a client behind what it was sent, although no ping is due.
    fn ask_client(&mut self, slot: u32) {
        let (tick, sent) = (self.tick(), self.sessions.at(slot).sent_bytes());
        let Some(client) = self.client_mut(slot) else {
            return;
        };
        client.ask(sent, tick);
        let encoding = encoding(client.protocol());
        self.reply(slot, |out| encode::append_ping(out, encoding));
        self.schedule_client(slot);
    }

    // What its socket takes.

    /// A send of a client was answered.
    pub(in crate::shard) fn client_sent(&mut self, slot: u32, bytes: u32, progress: Progress) {
        let session = self.sessions.at(slot);
        let has_more = session.has_output(&self.rooms);
        let is_tracked = session.flags().any(Flags::TRACKED);
        match progress {
            Progress::Lost => {}
            Progress::All if has_more && is_tracked => self.client_is_behind(slot, Took::Some),
            Progress::All if has_more => {}
            Progress::All => self.client_drained(slot),
            Progress::Blocked if bytes > 0 => self.client_is_behind(slot, Took::Some),
            Progress::Blocked => self.client_is_behind(slot, Took::Nothing),
        }
    }

    /// There is more for a client than its socket has taken.
    pub(super) fn client_is_behind(&mut self, slot: u32, took: Took) {
        let tick = self.tick();
        if let Some(client) = self.client_mut(slot) {
            client.blocked(took, tick);
            self.sessions.at_mut(slot).mark(Flags::TRACKED);
            self.schedule_client(slot);
        }
    }

    fn client_drained(&mut self, slot: u32) {
        let (tick, key) = (self.tick(), self.sessions.key(slot));
        let session = self.sessions.at_mut(slot);
        let was_tracked = session.flags().any(Flags::TRACKED);
        if was_tracked {
            session.unmark(Flags::TRACKED);
            self.alive.forget(key);
        }
        if let Some(client) = self.client_mut(slot) {
            client.drained(tick);
        }
        if was_tracked {
            // What it waits for may come sooner now.
            self.schedule_client(slot);
        }
    }

    /// The kernel says how far a client's peer has come.
    pub(in crate::shard) fn judge_client(&mut self, slot: u32, measured: &Measured) {
        let session = self.sessions.at(slot);
        let Some(client) = session.client() else {
            return;
        };
        let waits_here = session.private_bytes() > 0
            || session.flags().any(Flags::BLOCKED)
            || session.is_mid_frame();
        if waits_here || measured.unsent > 0 {
            self.judge_slow_client(slot, measured);
        } else if client.stuck_since().is_some() {
            // From now on it can answer.
            self.client_drained(slot);
        } else {
            self.judge_silent_client(slot, measured);
        }
        self.settle(slot);
        self.schedule_client(slot);
    }

    /// A client has not taken all there is for it: what it owes an answer to lies behind that.
    fn judge_slow_client(&mut self, slot: u32, measured: &Measured) {
        let (tick, key) = (self.tick(), self.sessions.key(slot));
        let Some(client) = self.sessions.at_mut(slot).client_mut() else {
            return;
        };
        client.blocked(Took::Nothing, tick);
        let since = client.stuck_since().unwrap_or(tick);
        // What there was no room for in the socket waits, too.
        let seen = Measured {
            unsent: measured.unsent.max(1),
            ..*measured
        };
        let alive = (self.alive).look_at_silent(key, &seen, since, tick);
        if alive == tick {
            client.blocked(Took::Some, tick);
        }
        client.postpone_pong(tick);
        client.look_again(tick, LOOK_AGAIN_TICKS);
        self.sessions.at_mut(slot).mark(Flags::TRACKED);
        if tick >= alive.plus(STUCK_TICKS_MAX) {
            self.client_is_stuck(slot);
        }
    }

    /// A client owes an answer to what it can have read, unless what it said was not read here.
    fn judge_silent_client(&mut self, slot: u32, measured: &Measured) {
        let (tick, pong_ticks) = (self.tick(), self.pong_ticks());
        let swallowed = Tick::at(self.swallowed(slot, measured)).0;
        let session = self.sessions.at_mut(slot);
        let is_heard = !session.flags().any(Flags::PAUSED);
        let Some(client) = session.client_mut() else {
            return;
        };
        let Some(since) = client.pulse().owed_since() else {
            return;
        };
        if !is_heard {
            return client.postpone_pong(tick);
        }
        let late = since.plus(pong_ticks).plus(swallowed);
        client.look_again(tick, LOOK_AGAIN_TICKS);
        if tick >= late && measured.unread == 0 {
            self.metrics().idle_closed.add(1);
            self.disconnect(slot, Disconnect::NoPong);
        }
    }

    /// A client's peer has taken nothing for too long.
    fn client_is_stuck(&mut self, slot: u32) {
        self.metrics().slow_closed.add(1);
        let session = self.sessions.at_mut(slot);
        if session.is_mid_frame() {
            // It would have to take the rest of the frame before it could be told.
            session.mark(Flags::ABORT);
            self.kill(slot);
        } else {
            self.disconnect(slot, Disconnect::Slow);
        }
    }
}
