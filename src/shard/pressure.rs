//! Backpressure: publishers are not read from while what they publish cannot move on.
//!
//! Three things hold a publisher back: this shard has staged as much as a flush may append, the
//! shard it is for has not used up what was sent there, or half of the room's members are behind
//! although they read as fast as they can. A few that came far behind have a moment to catch up. A
//! member that has stopped reading, or hardly reads, holds nobody back for long; it falls behind and
//! is dealt with by the slow-consumer policy.

use std::sync::Arc;

use super::Shard;
use super::parts::action::Action;
use crate::id::{RoomId, SessionKey, ShardId};
use crate::room::congestion::Behind;
use crate::session::client::Client;
use crate::session::{Flags, Place};
use crate::talk::ToShard;

impl Shard {
    /// Whether the session is not read from for its room's sake.
    pub(super) fn is_held_back(&self, slot: u32) -> bool {
        let session = self.sessions.at(slot);
        session.flags().any(Flags::PAUSED) && self.must_wait_in(session.place())
    }

    fn must_wait_in(&self, place: Place) -> bool {
        matches!(place, Place::Room { room, .. } if self.queues.must_wait(&self.rooms, room))
    }

    /// No longer reads from the session.
    pub(super) fn pause(&mut self, slot: u32) {
        let key = self.sessions.key(slot);
        if self.pressure.pause(key, self.sessions.at_mut(slot)) {
            self.cancel_receive(slot);
        }
    }

    /// Cancels the receive in flight, if there is one.
    pub(super) fn cancel_receive(&mut self, slot: u32) {
        let key = self.sessions.key(slot);
        let session = self.sessions.at_mut(slot);
        let flags = session.flags();
        if flags.any(Flags::RECEIVING) && !flags.any(Flags::CANCELLING) {
            session.mark(Flags::CANCELLING);
            self.actions.push_back(Action::CancelReceive(key));
        }
    }

    /// Reads again from the sessions that nothing holds back any more.
    pub(super) fn resume(&mut self) {
        let Some(mut paused) = self.pressure.take_paused() else {
            return;
        };
        paused.retain(|&key| self.stays_paused(key));
        self.pressure.give_back(paused);
    }

    fn stays_paused(&mut self, key: SessionKey) -> bool {
        let Some(session) = self.sessions.find(key) else {
            return false;
        };
        if !session.flags().any(Flags::PAUSED) {
            return false;
        }
        if session.flags().any(Flags::CLIENT) {
            self.resume_commands(key.slot);
            // It may wait on, and with other commands than before.
            self.note_holding(key.slot);
        }
        let session = self.sessions.at(key.slot);
        if !session.flags().any(Flags::PAUSED) {
            return false;
        }
        let is_full = session.client().is_some_and(Client::is_full);
        let wait = session.private_bytes() > 0 || is_full || self.must_wait_in(session.place());
        if !wait {
            let tick = self.tick();
            let session = self.sessions.at_mut(key.slot);
            session.unmark(Flags::PAUSED);
            if let Some(client) = session.client_mut() {
                client.postpone_pong(tick);
            }
            // Its silence until now was not its own.
            session.hear(tick);
            self.settle(key.slot);
        }
        wait
    }

    /// Finds out who is behind here, and tells the homes of their rooms what has changed.
    pub(super) fn look_at_pressure(&mut self) {
        let now = self.now;
        if !self.pressure.is_due(&self.log, now) {
            return;
        }
        let lag_bytes_max = self.config().lag_bytes_max as u64;
        let (watched, sessions) = (self.watch.sessions(), &self.sessions);
        let behind = (self.pressure).look(
            watched,
            sessions,
            &self.rooms,
            &self.log,
            lag_bytes_max,
            now,
        );
        for room in self.pressure.note_told(&behind) {
            self.tell_behind(room, Behind::default());
        }
        for (room, there) in behind {
            self.tell_behind(room, there);
        }
    }

    /// Tells the home of a room how many of its members are behind here, unless it knows.
    fn tell_behind(&mut self, room: RoomId, behind: Behind) {
        let Some(here) = self.rooms.lookup(room) else {
            return;
        };
        if !here.tell_behind(behind) {
            return;
        }
        let message = ToShard::Behind {
            from: self.setup.number,
            room: Arc::clone(&here.name),
            behind,
        };
        self.mail.tell(here.home_shard, message);
    }

    /// At the room's home: so many members on a shard are behind now.
    pub(super) fn members_behind_on(&mut self, shard: ShardId, name: &Arc<str>, behind: Behind) {
        let now = self.now;
        if let Some(room) = self.rooms.find(name) {
            let hold = self.rooms.home_mut(room).set_behind(shard, behind, now);
            self.tell_hold(room, hold);
            self.rooms.note_deadline(room, now);
        }
    }

    /// Tells all shards whether a room is held, if that has changed: a shard may have no members but ones
    /// whose joins are under way.
    pub(super) fn tell_hold(&mut self, room: RoomId, hold: Option<bool>) {
        if let Some(on) = hold {
            let name = Arc::clone(&self.rooms.get(room).name);
            self.tell_shards(|| ToShard::Hold {
                room: Arc::clone(&name),
                on,
            });
        }
    }

    /// The home of a room says whether whoever publishes to it waits.
    pub(super) fn held_by_home(&mut self, name: &str, on: bool) {
        if let Some(room) = self.rooms.find(name)
            && self.rooms.get_mut(room).facts.hold(on)
        {
            // Also when it begins: what waited for credit is now held.
            self.queues.line_up(&mut self.rooms);
        }
    }

    /// Lets the room go whose held messages take most when all of them take too much, or half of that
    /// for more than a moment, since other shards have no credit meanwhile; once a turn.
    pub(super) fn bound_held(&mut self) {
        let now = self.now;
        let (held, most) = (
            self.queues.sequencing.weight_held(),
            self.config().held_bytes_max(),
        );
        if held <= most / 2 {
            return;
        }
        let weight = |room: RoomId| {
            let group = self.rooms.get(room).staged.as_ref();
            group.map_or(0, |group| group.weight())
        };
        let is_held = |room: RoomId| {
            let home = self.rooms.get(room).home.as_ref();
            home.is_some_and(|home| home.is_held())
        };
        let heaviest = (self.queues.sequencing.aside().iter().copied())
            .filter(|&room| is_held(room))
            .max_by_key(|&room| weight(room));
        let Some(room) = heaviest else { return };
        let home = self.rooms.home_mut(room);
        if held > most || home.is_held_for_long(now) {
            let hold = home.let_go(now);
            self.tell_hold(room, hold);
            self.rooms.note_deadline(room, now);
        }
    }
}
