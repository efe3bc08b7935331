//! The server stops: clients get what was said in their rooms before, and are told to come back.

use crate::id::SessionKey;
use crate::protocol::centrifugo::codes::Disconnect;
use crate::session::{Flags, Phase, Session};
use crate::shard::Shard;

impl Shard {
    /// The server stops: nothing that a client says counts any more, and it is told once it has what was said in
    /// its rooms.
    pub(in crate::shard) fn begin_farewell(&mut self, slot: u32) {
        self.sessions.at_mut(slot).mark(Flags::DISCARDING);
        let key = self.sessions.key(slot);
        self.ending.await_farewell(key);
    }

    /// Takes leave of the clients that have all there is for them, or have had their time; once a turn.
    pub(in crate::shard) fn bid_farewell(&mut self) {
        let Some(mut awaited) = self.ending.take_farewells() else {
            return;
        };
        let is_over = self.ending.is_farewell_over(self.now);
        let is_said = !self.queues.holds_anything() && !self.mail.has_work();
        awaited.retain(|&key| {
            let stays = self.has_yet_to_read(key) || !is_said;
            let stays = stays && !is_over && self.is_open(key);
            if !stays && self.is_open(key) {
                self.disconnect(key.slot, Disconnect::Shutdown);
                self.settle(key.slot);
            }
            stays
        });
        self.ending.return_farewells(awaited);
    }

    fn is_open(&self, key: SessionKey) -> bool {
        let session = self.sessions.find(key);
        session.is_some_and(|session| session.phase() == Phase::Open)
    }

    fn has_yet_to_read(&self, key: SessionKey) -> bool {
        let has_output = |session: &Session| session.has_output(&self.rooms);
        self.sessions.find(key).is_some_and(has_output)
    }
}
