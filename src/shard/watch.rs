//! Who falls behind: sessions whose sockets were full, and what became of those the log has overtaken.

use std::collections::HashMap;

use super::Shard;
use crate::config::SlowConsumer;
use crate::id::{LogPosition, MembershipId, SessionKey};
use crate::protocol::plain;
use crate::room::Rooms;
use crate::room::log::Log;
use crate::session::{Flags, Phase, Sessions};
use crate::wire::close::CloseCode;

/// How many times over its size the log is filled between two looks at who is behind.
const LOOKS_PER_LOG: u64 = 16;

/// Sessions that may be behind.
///
/// Only sessions whose sockets were full can be behind by more than the flush under way; they are looked
/// at until they have caught up, since a slow one has room at times. With looks as often as the log
/// moves on a little, nobody's next byte is overwritten unseen: the bounds in [`crate::config`] add
/// up to less than the log.
#[derive(Debug, Default)]
pub(super) struct Watch {
    sessions: Vec<SessionKey>,
    /// The head of the log at the last look.
    looked_at: LogPosition,
    /// Frames that skipped sessions have missed and not yet been told of.
    missed: HashMap<SessionKey, u64>,
}

impl Watch {
    /// The socket of the session was full.
    pub(super) fn add(&mut self, key: SessionKey, sessions: &mut Sessions) {
        let session = sessions.at_mut(key.slot);
        if session.flags().any(Flags::WATCHED) {
            return;
        }
        session.mark(Flags::WATCHED);
        self.sessions.push(key);
        if self.sessions.len() > 2 * sessions.len() {
            // Those that are gone are found only when the log moves.
            self.sessions.retain(|&key| sessions.find(key).is_some());
        }
    }

    /// The sessions that may be behind, and some that are gone.
    pub(super) fn sessions(&self) -> &[SessionKey] {
        &self.sessions
    }

    /// Whether the log has moved on enough for another look.
    fn is_due(&self, log: &Log) -> bool {
        log.head() - self.looked_at >= log.capacity_bytes() as u64 / LOOKS_PER_LOG
    }

    /// The sessions that have fallen behind in a room by more than `lag_bytes_max`, or whose next byte of
    /// it is about to leave the log; those that have caught up everywhere are watched no longer.
    fn look(
        &mut self,
        sessions: &mut Sessions,
        rooms: &Rooms,
        log: &Log,
        lag_bytes_max: u64,
    ) -> Vec<(SessionKey, MembershipId)> {
        self.looked_at = log.head();
        let capacity = log.capacity_bytes() as u64;
        let mut fallen = Vec::new();
        self.sessions.retain(|&key| {
            let Some(session) = sessions.lookup(key) else {
                return false;
            };
            let blocked = session.flags().any(Flags::BLOCKED);
            let mut lags = false;
            for (id, one, index) in session.streams(rooms) {
                let lag = index.head() - one.cursor();
                lags |= lag > 0;
                let age = index.position(one.cursor()).map(|at| log.head() - at);
                // One whose socket has room again may catch up with its next send, if in time.
                let late =
                    (blocked && lag > lag_bytes_max) || age.is_none_or(|age| age > capacity / 2);
                if lag > 0 && late {
                    fallen.push((key, id));
                }
            }
            let stays = session.phase() == Phase::Open && (blocked || lags);
            if !stays {
                session.unmark(Flags::WATCHED);
            }
            stays
        });
        fallen.retain(|(key, _)| sessions.at(key.slot).flags().any(Flags::WATCHED));
        fallen
    }

    /// The session was spared so many frames.
    fn note_missed(&mut self, key: SessionKey, frames: u64) {
        *self.missed.entry(key).or_default() += frames;
    }

    /// What the session has yet to be told that it missed.
    fn take_missed(&mut self, key: SessionKey) -> Option<u64> {
        self.missed.remove(&key)
    }

    /// The session is told nothing more.
    pub(super) fn forget(&mut self, key: SessionKey) {
        self.missed.remove(&key);
    }
}

impl Shard {
    /// Looks for sessions that have fallen behind, each time the log has moved on a little.
    pub(super) fn look_for_laggards(&mut self) {
        if !self.watch.is_due(&self.log) {
            return;
        }
        let lag_bytes_max = self.config().lag_bytes_max as u64;
        let (watch, sessions) = (&mut self.watch, &mut self.sessions);
        for (key, id) in watch.look(sessions, &self.rooms, &self.log, lag_bytes_max) {
            self.fall_behind(key, id);
        }
    }

    fn fall_behind(&mut self, key: SessionKey, id: MembershipId) {
        let slot = key.slot;
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
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use uuid::Uuid;

    use super::Watch;
    use crate::id::SessionKey;
    use crate::session::tick::Tick;
    use crate::session::{Flags, Session, Sessions};

    fn join(sessions: &mut Sessions) -> SessionKey {
        let socket = File::open("/dev/null").unwrap().into();
        let session = Session::new(socket, Uuid::nil(), Tick(0), Tick(0));
        sessions.insert(session).unwrap()
    }

    /// Goal: a session is watched once, however often its socket is full, and those that are gone do not
    /// gather.
    #[test]
    fn the_watch_does_not_grow() {
        let mut sessions = Sessions::new(2);
        let mut watch = Watch::default();
        let stays = join(&mut sessions);
        watch.add(stays, &mut sessions);
        watch.add(stays, &mut sessions);
        assert_eq!(watch.sessions(), [stays]);
        assert!(sessions.at(stays.slot).flags().any(Flags::WATCHED));
        for _ in 0..100 {
            let passes = join(&mut sessions);
            watch.add(passes, &mut sessions);
            sessions.remove(passes.slot);
        }
        assert!(watch.sessions().len() <= 5 && watch.sessions().contains(&stays));
    }

    /// Goal: what was missed adds up until it is told, and is told once.
    #[test]
    fn what_was_missed_is_told_once() {
        let mut sessions = Sessions::new(2);
        let (first, second) = (join(&mut sessions), join(&mut sessions));
        let mut watch = Watch::default();
        watch.note_missed(first, 3);
        watch.note_missed(first, 4);
        watch.note_missed(second, 1);
        watch.forget(second);
        assert_eq!(
            [first, second].map(|key| watch.take_missed(key)),
            [Some(7), None]
        );
        assert_eq!(watch.take_missed(first), None);
    }
}
