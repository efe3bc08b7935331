//! How a session ends: goodbyes, falling behind, and the way back to a free slot.

use std::sync::Arc;

use super::message::Message;
use super::report::End;
use super::{Action, Shard};
use crate::config::SlowConsumer;
use crate::id::{MembershipId, RoomId, SessionKey};
use crate::room::Departure;
use crate::session::tick::Tick;
use crate::session::{Flags, Phase, Place};
use crate::wire::close::{CloseCode, append_close_frame};
use crate::wire::plain;

/// How many times over its size the log is filled between two looks at who is behind.
const WATCHES_PER_LOG: u64 = 16;

/// How long a shutdown may take to end a receive before it is cancelled. A cancel is not for every
/// close: the kernel looks for the receive in chains that grow with the sessions it has armed.
const RECEIVE_ENDS_TICKS: u32 = 2;

impl Shard {
    /// Says goodbye with a Close frame: the session leaves its room now, its connection when the
    /// peer has answered or `close_timeout` is over.
    pub(super) fn close(&mut self, slot: u32, code: CloseCode, reason: &str) {
        self.note_end(slot, End::Closed(code, reason.to_owned()));
        self.close_with(slot, |out| append_close_frame(out, code, reason));
    }

    /// The same with the Close frame that `write` appends.
    pub(super) fn close_with(&mut self, slot: u32, write: impl FnOnce(&mut Vec<u8>)) {
        if self.sessions.at(slot).phase() != Phase::Open {
            return;
        }
        self.depart(slot);
        let session = self.sessions.at_mut(slot);
        write(session.close());
        if !session.flags().any(Flags::SENDING) {
            self.detach(slot);
        }
        self.begin_goodbye(slot);
        self.note_holding(slot);
        self.mark_dirty(slot);
    }

    /// Has the room's home told that the session is gone, after what it said.
    fn depart(&mut self, slot: u32) {
        self.open -= 1;
        self.missed.remove(&self.sessions.key(slot));
        let session = self.sessions.at(slot);
        let Place::Room { room, .. } = session.place() else {
            return;
        };
        let (id, visible) = (session.id(), session.flags().any(Flags::VISIBLE));
        let departure = Departure {
            member: self.member_id(slot),
            id,
            visible,
        };
        let here = self.rooms.get_mut(room);
        if here.sequencer.is_some() || here.staged.is_none() {
            self.tell_departure(room, departure);
        } else {
            here.departures.push(departure);
        }
    }

    /// Tells the home of `room` that a member has left.
    pub(super) fn tell_departure(&mut self, room: RoomId, departure: Departure) {
        let Departure {
            member,
            id,
            visible,
        } = departure;
        let room = self.rooms.get(room);
        let (home, name) = (room.home, Arc::clone(&room.name));
        self.send_or_handle(
            home,
            Message::Leave {
                room: name,
                member,
                id,
                visible,
            },
        );
    }

    /// Takes a closing session out of its room, with the rest of a frame that was cut.
    pub(super) fn detach(&mut self, slot: u32) {
        let member = self.member_id(slot);
        let session = self.sessions.at_mut(slot);
        let id = MembershipId::INLINE;
        if session.rescue_cut_frame(id, member, &self.rooms, &self.log) {
            self.remove_member(slot);
        } else {
            self.kill(slot);
        }
    }

    fn remove_member(&mut self, slot: u32) {
        let left = (self.sessions.at_mut(slot)).remove_membership(MembershipId::INLINE);
        let Some((membership, number)) = left.and_then(|left| Some((left, left.number()?))) else {
            return;
        };
        let (room, rendition) = (membership.room(), membership.rendition());
        let (moved, flushing) = self.rooms.change(room, |here| {
            let audience = here.audience(rendition);
            (audience.remove(number as usize), audience.is_flushing())
        });
        if let Some(moved) = moved {
            (self.sessions.at_mut(moved)).renumber(MembershipId::INLINE, number);
            if flushing {
                self.mark_dirty(moved);
            }
        }
        self.rooms.release(room);
    }

    /// Ends the connection without further words.
    pub(super) fn kill(&mut self, slot: u32) {
        match self.sessions.at(slot).phase() {
            Phase::Dead => return,
            Phase::Open => {
                self.note_end(slot, End::Lost);
                self.depart(slot);
            }
            Phase::Joining => {
                self.depart(slot);
                let session = self.sessions.at_mut(slot);
                if let Some(given_up) = session.remove_membership(MembershipId::INLINE) {
                    self.rooms.get_mut(given_up.room()).joining -= 1;
                    self.rooms.release(given_up.room());
                }
            }
            Phase::Head | Phase::Closing | Phase::Lingering => {}
        }
        self.sessions.at_mut(slot).die();
        self.remove_member(slot);
        let key = self.sessions.key(slot);
        self.note_holding(slot);
        let session = self.sessions.at_mut(slot);
        self.actions.push_back(Action::Shutdown(key));
        if session.flags().any(Flags::RECEIVING) {
            // The shutdown ends the receive, as a rule at once.
            let deadline = Tick(self.tick().0 + RECEIVE_ENDS_TICKS);
            self.schedule(slot, deadline);
        }
        self.dead.push(key);
    }

    /// Frees the slots of dead sessions to whom the kernel owes no answer any more.
    pub(super) fn bury(&mut self) {
        while let Some(key) = self.dead.pop() {
            let Some(session) = self.sessions.lookup(key) else {
                continue;
            };
            assert_eq!(session.phase(), Phase::Dead);
            if session.operations() > 0 {
                continue;
            }
            self.holdings.note(key, 0);
            let session = self.sessions.remove(key.slot);
            self.looks.remove(&key);
            self.actions
                .push_back(if session.flags().any(Flags::ABORT) {
                    Action::Abort(session.into_socket())
                } else {
                    Action::Close(session.into_socket())
                });
        }
    }

    /// Notes that the session's socket was full.
    pub(super) fn watch_session(&mut self, slot: u32) {
        let key = self.sessions.key(slot);
        let session = self.sessions.at_mut(slot);
        if !session.flags().any(Flags::WATCHED) {
            session.mark(Flags::WATCHED);
            self.watched.push(key);
            if self.watched.len() > 2 * self.sessions.len() {
                // Those that are gone are found only when the log moves.
                let sessions = &self.sessions;
                self.watched.retain(|&key| sessions.find(key).is_some());
            }
        }
    }

    /// Looks for sessions that have fallen behind, each time the log has moved on a little.
    ///
    /// Only sessions whose sockets were full can be behind by more than the flush under way; they
    /// are looked at until they have caught up, since a slow one has room at times. With looks
    /// this often, nobody's next byte is overwritten unseen: the bounds in
    /// [`crate::config`] add up to less than the log.
    pub(super) fn watch(&mut self) {
        let capacity = self.log.capacity_bytes() as u64;
        if self.log.head() - self.watched_at < capacity / WATCHES_PER_LOG {
            return;
        }
        self.watched_at = self.log.head();
        let mut watched = std::mem::take(&mut self.watched);
        watched.retain(|&key| {
            let Some(session) = self.sessions.lookup(key) else {
                return false;
            };
            let blocked = session.flags().any(Flags::BLOCKED);
            let lag =
                (session.stream(&self.rooms)).map_or(0, |index| index.head() - session.cursor());
            if session.phase() != Phase::Open || (!blocked && lag == 0) {
                session.unmark(Flags::WATCHED);
                return false;
            }
            if let Some(index) = session.stream(&self.rooms)
                && lag > 0
            {
                let age = (index.position(session.cursor())).map(|at| self.log.head() - at);
                let lag_max = self.setup.config.lag_bytes_max as u64;
                // One whose socket has room again may catch up with its next send, if in time.
                if (blocked && lag > lag_max) || age.is_none_or(|age| age > capacity / 2) {
                    self.fall_behind(key);
                }
            }
            true
        });
        self.watched.append(&mut watched);
    }

    fn fall_behind(&mut self, key: SessionKey) {
        let slot = key.slot;
        match self.config().slow_consumer {
            SlowConsumer::Close => {
                self.metrics().slow_closed.add(1);
                self.close(slot, CloseCode::SLOW, "too far behind the room");
                // It does not read: give it longer to find out why it was closed.
                let deadline = self.tick().after(self.config().idle_timeout);
                self.sessions.at_mut(slot).await_close(deadline);
            }
            SlowConsumer::Skip => self.skip(key),
        }
    }

    /// Moves the session to the head of its room; it is told what it missed once its socket has
    /// room.
    fn skip(&mut self, key: SessionKey) {
        let member = self.member_id(key.slot);
        let session = self.sessions.at_mut(key.slot);
        let Some(index) = session.stream(&self.rooms) else {
            return;
        };
        if session.flags().any(Flags::SENDING) {
            return;
        }
        let id = MembershipId::INLINE;
        let ahead = if session.rescue_cut_frame(id, member, &self.rooms, &self.log) {
            (session.membership(id))
                .and_then(|one| index.frames_ahead(&self.log, &one.reading(member)))
        } else {
            None
        };
        let head = index.head();
        self.note_holding(key.slot);
        let Some(ahead) = ahead else {
            return self.kill(key.slot);
        };
        (self.sessions.at_mut(key.slot)).skip_to(MembershipId::INLINE, head);
        if ahead > 0 {
            *self.missed.entry(key).or_default() += ahead;
            self.metrics().slow_skipped.add(1);
        }
        if !self.sessions.at(key.slot).flags().any(Flags::BLOCKED) {
            self.tell_missed(key);
        }
    }

    /// The session reads again: tells it how much it missed, if it did.
    pub(super) fn tell_missed(&mut self, key: SessionKey) {
        if let Some(missed) = self.missed.remove(&key) {
            self.reply(key.slot, |out| plain::append_gap(out, missed));
        }
    }
}
