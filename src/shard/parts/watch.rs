//! Sessions whose sockets were full, and who of them has fallen behind.

use std::collections::HashMap;

use crate::id::{LogPosition, MembershipId, SessionKey};
use crate::room::Rooms;
use crate::room::log::Log;
use crate::session::{Flags, Phase, Sessions};

/// How many times over its size the log is filled between two looks at who is behind.
const LOOKS_PER_LOG: u64 = 16;

/// And how many times over what a session may be behind: it is so by little more when that is seen.
const LOOKS_PER_LAG: u64 = 4;

/// Sessions that may be behind.
///
/// Only sessions whose sockets were full can be behind by more than the flush under way; they are looked
/// at until they have caught up, since a slow one has room at times. With looks as often as the log
/// moves on a little, nobody's next byte is overwritten unseen: the bounds in [`crate::config`] add
/// up to less than the log.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    sessions: Vec<SessionKey>,
    /// The head of the log at the last look.
    looked_at: LogPosition,
    /// Frames that skipped sessions have missed and not yet been told of.
    missed: HashMap<SessionKey, u64>,
}

impl Watch {
    /// The socket of the session was full.
    pub(crate) fn add(&mut self, key: SessionKey, sessions: &mut Sessions) {
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
    pub(crate) fn sessions(&self) -> &[SessionKey] {
        &self.sessions
    }

    /// Whether the log has moved on enough for another look.
    pub(crate) fn is_due(&self, log: &Log, lag_bytes_max: u64) -> bool {
        let step = log.capacity_bytes() as u64 / LOOKS_PER_LOG;
        log.head() - self.looked_at >= step.min(lag_bytes_max / LOOKS_PER_LAG)
    }

    /// The sessions that have fallen behind in a room by more than `lag_bytes_max`, or whose next byte of
    /// it is about to leave the log; those that have caught up everywhere are watched no longer.
    pub(crate) fn look(
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
            let blocked = session.flags().any(Flags::BLOCKED.and(Flags::AHEAD));
            let mut lags = false;
            for (id, one, index) in session.streams(rooms) {
                let lag = index.head() - one.cursor();
                lags |= lag > 0 || one.rerun().is_some();
                // What it had missed when it came does not make it slow.
                let lag_bytes_max = match one.is_catching_up() {
                    true => u64::MAX,
                    false => lag_bytes_max,
                };
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
    pub(crate) fn note_missed(&mut self, key: SessionKey, frames: u64) {
        *self.missed.entry(key).or_default() += frames;
    }

    /// What the session has yet to be told that it missed.
    pub(crate) fn take_missed(&mut self, key: SessionKey) -> Option<u64> {
        self.missed.remove(&key)
    }

    /// The session is told nothing more.
    pub(crate) fn forget(&mut self, key: SessionKey) {
        self.missed.remove(&key);
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
