//! What becomes of sessions that have fallen behind: they are closed, or told how much they missed.

use super::Shard;
use crate::config::SlowConsumer;
use crate::id::{MembershipId, SessionKey};
use crate::protocol::plain;
use crate::session::{Flags, Phase};
use crate::wire::close::CloseCode;

impl Shard {
    /// Looks for sessions that have fallen behind, each time the log has moved on a little.
    pub(super) fn look_for_laggards(&mut self) {
        let lag_bytes_max = self.config().lag_bytes_max as u64;
        if !self.watch.is_due(&self.log, lag_bytes_max) {
            return;
        }
        let (watch, sessions) = (&mut self.watch, &mut self.sessions);
        for (key, id) in watch.look(sessions, &self.rooms, &self.log, lag_bytes_max) {
            self.fall_behind(key, id);
        }
    }

    fn fall_behind(&mut self, key: SessionKey, id: MembershipId) {
        let slot = key.slot;
        if self.sessions.at(slot).flags().any(Flags::CLIENT) {
            return self.client_falls_behind(slot, id);
        }
        match self.config().slow_consumer {
            // Of one that is behind in several rooms, the first has ended it.
            SlowConsumer::Close if self.sessions.at(slot).phase() != Phase::Open => {}
            SlowConsumer::Close => {
                self.metrics().slow_closed.add(1);
                self.close(slot, CloseCode::SLOW, "too far behind the room");
                // It does not read: give it longer to find out why it was closed.
                let deadline = self.tick().after(self.config().idle_timeout);
                self.sessions.at_mut(slot).await_close(deadline);
            }
            SlowConsumer::Skip => self.skip(key, id),
        }
    }

    /// Moves the session to the head of a room; it is told what it missed once its socket has room.
    fn skip(&mut self, key: SessionKey, id: MembershipId) {
        let member = self.member_id(key.slot);
        let session = self.sessions.at_mut(key.slot);
        if session.phase() != Phase::Open || session.is_sending() {
            return;
        }
        let ahead = if session.rescue_cut_frame(id, member, &self.rooms, &self.log) {
            (session.streams(&self.rooms))
                .find(|(other, ..)| *other == id)
                .and_then(|(_, one, index)| {
                    let ahead = index.frames_ahead(&self.log, &one.reading(member))?;
                    Some((ahead, index.head()))
                })
        } else {
            None
        };
        self.note_holding(key.slot);
        let Some((ahead, head)) = ahead else {
            return self.kill(key.slot);
        };
        self.sessions.at_mut(key.slot).skip_to(id, head);
        if ahead > 0 {
            self.watch.note_missed(key, ahead);
            self.metrics().slow_skipped.add(1);
        }
        if !self.sessions.at(key.slot).flags().any(Flags::BLOCKED) {
            self.tell_missed(key);
        }
    }

    /// The session reads again: tells it how much it missed, if it did.
    pub(super) fn tell_missed(&mut self, key: SessionKey) {
        if let Some(missed) = self.watch.take_missed(key) {
            self.reply(key.slot, |out| plain::append_gap(out, missed));
            self.note_holding(key.slot);
        }
    }
}
