//! Who has something to be sent: sessions, and audiences whose members are served one after the other.
//!
//! What each of them is sent is its outbox's to say.

use std::collections::VecDeque;

use crate::id::RoomId;
use crate::room::Rooms;
use crate::room::audience::Member;
use crate::room::rendition::Rendition;
use crate::session::{Flags, Session, Sessions};

/// Whose turn it is in a flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// A session that has something to be sent.
    Session(u32),
    /// A member of a room where something was said.
    Member(Member),
}

/// Who has something to be sent, and how far the flush of it has come.
#[derive(Debug, Default)]
pub(crate) struct Flush {
    /// Slots with private replies or a writable socket, and those in several rooms that have waited for a
    /// chunk.
    sessions: VecDeque<u32>,
    /// The audience that is served: apart from the others, since it is looked at once for each of its members.
    served_audience: Option<(RoomId, Rendition)>,
    /// Others whose flush is under way; none while nobody is served.
    audiences: VecDeque<(RoomId, Rendition)>,
    /// Slots of members of several rooms, whatever they have to be sent. They are served after all
    /// audiences, when it is known which of their rooms have something, or in the next chunk.
    several: VecDeque<u32>,
    /// Those of them that were served in this chunk because they had waited, and which of those have
    /// something again: of two sends of one session in a chunk both might be cut.
    served: Vec<u32>,
    again: VecDeque<u32>,
    /// Slots of sessions whose replies are in a quiet send of the chunk.
    replying: Vec<u32>,
    /// Bytes that were appended since a flush was complete.
    appended_bytes: usize,
    /// Bytes counted as sent that were not, to be left out of the next count.
    overcounted_bytes: u64,
}

impl Flush {
    /// Puts the session among those to serve, unless its socket is known to be full.
    pub(crate) fn add_session(&mut self, slot: u32, session: &mut Session) {
        if !session.flags().any(Flags::DIRTY.and(Flags::BLOCKED)) {
            session.mark(Flags::DIRTY);
            let slots = match session.flags().any(Flags::SEVERAL) {
                true => &mut self.several,
                false => &mut self.sessions,
            };
            slots.push_back(slot);
        }
    }

    /// A member has something new to be sent, of one of its rooms.
    pub(crate) fn add_member(&mut self, member: Member, sessions: &mut Sessions) {
        let session = sessions.at_mut(member.slot());
        session.mark_due(member.membership());
        self.add_session(member.slot(), session);
    }

    /// Puts the audience among those to serve; it is not among them yet.
    pub(crate) fn add_audience(&mut self, room: RoomId, rendition: Rendition) {
        match self.served_audience {
            None => self.served_audience = Some((room, rendition)),
            Some(_) => self.audiences.push_back((room, rendition)),
        }
    }

    /// Whether every session had its send since the last append.
    pub(crate) fn is_done(&self) -> bool {
        self.sessions.is_empty()
            && self.served_audience.is_none()
            && self.several.is_empty()
            && self.again.is_empty()
    }

    /// Another flush begins with what is appended now, if the last one is complete.
    pub(crate) fn begin_if_done(&mut self) {
        if self.is_done() {
            self.appended_bytes = 0;
        }
    }

    /// So much was appended.
    pub(crate) fn note_appended(&mut self, bytes: usize) {
        self.appended_bytes += bytes;
    }

    /// What was appended since a flush was complete.
    pub(crate) fn appended_bytes(&self) -> usize {
        self.appended_bytes
    }

    /// A chunk is full, or somebody in several rooms was served early in it. The next one begins with
    /// another room, or one to which more is said all the time would keep the others from their turn, and
    /// with those in several rooms who have waited.
    #[cold]
    pub(crate) fn end_chunk(&mut self, sessions: &mut Sessions) {
        for slot in self.served.drain(..) {
            if let Some(session) = sessions.get_mut(slot) {
                session.unmark(Flags::SERVED);
            }
        }
        self.sessions.append(&mut self.several);
        self.sessions.append(&mut self.again);
        if let Some(next) = self.audiences.pop_front() {
            self.audiences.extend(self.served_audience.replace(next));
        }
    }

    /// Whether somebody in several rooms was served before it was known what all of them have.
    pub(crate) fn has_served_early(&self) -> bool {
        !self.served.is_empty()
    }

    /// Who is to be served next; `None` when the flush is complete.
    pub(crate) fn next(&mut self, sessions: &mut Sessions, rooms: &mut Rooms) -> Option<Turn> {
        while !self.sessions.is_empty() {
            if let Some(slot) = self.take_session(sessions) {
                return Some(Turn::Session(slot));
            }
        }
        while let Some((room, rendition)) = self.served_audience {
            if let Some(member) = rooms.next_to_flush(room, rendition) {
                return Some(Turn::Member(member));
            }
            self.served_audience = self.audiences.pop_front();
            rooms.release(room);
        }
        while !self.several.is_empty() {
            if let Some(slot) = self.take_several(sessions) {
                return Some(Turn::Session(slot));
            }
        }
        None
    }

    /// The next of those that come first, unless its session is gone or was served in this chunk.
    fn take_session(&mut self, sessions: &mut Sessions) -> Option<u32> {
        let slot = self.sessions.pop_front()?;
        let session = sessions.get_mut(slot)?;
        if session.flags().any(Flags::SEVERAL.and(Flags::SERVED)) {
            self.serve_early(slot, session)?;
        }
        session.unmark(Flags::DIRTY);
        Some(slot)
    }

    /// Notes that one in several rooms is served before it is known what all of them have, unless it was
    /// in this chunk: it may have something again.
    #[cold]
    fn serve_early(&mut self, slot: u32, session: &mut Session) -> Option<()> {
        if session.flags().any(Flags::SERVED) {
            self.again.push_back(slot);
            return None;
        }
        session.mark(Flags::SERVED);
        self.served.push(slot);
        Some(())
    }

    /// The next of those in several rooms, unless its session is gone or was served in this chunk.
    fn take_several(&mut self, sessions: &mut Sessions) -> Option<u32> {
        let slot = self.several.pop_front()?;
        let session = sessions.get_mut(slot)?;
        if session.flags().any(Flags::SERVED) {
            self.again.push_back(slot);
            return None;
        }
        session.unmark(Flags::DIRTY);
        Some(slot)
    }

    /// Replies of the session in `slot` are in a quiet send: when nothing else is said of it, they are sent.
    #[inline]
    pub(crate) fn assume_replied(&mut self, slot: u32) {
        self.replying.push(slot);
    }

    /// The sessions whose replies were, in a list to be given back.
    pub(crate) fn take_replying(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.replying)
    }

    /// The list that [`Self::take_replying`] gave out, which is empty now.
    pub(crate) fn give_back(&mut self, replying: Vec<u32>) {
        self.replying = replying;
    }

    /// Whether all has been heard of the sends of the last chunk.
    pub(crate) fn is_answered(&self) -> bool {
        self.replying.is_empty()
    }

    /// How many bytes count as sent when `bytes` were: less those that quiet sends were counted with and
    /// did not send.
    pub(crate) fn count(&mut self, bytes: u64) -> u64 {
        let known = bytes.min(self.overcounted_bytes);
        self.overcounted_bytes -= known;
        bytes - known
    }

    /// So many bytes of a quiet send that was counted were not sent, as far as is known.
    pub(crate) fn take_back(&mut self, bytes: u32) {
        self.overcounted_bytes += u64::from(bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::sync::Arc;
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;
    use crate::id::{Epoch, MembershipId, ShardId};
    use crate::room::Bounds;
    use crate::room::homes::Homes;
    use crate::session::Place;
    use crate::session::tick::Tick;

    const PLAIN: Rendition = Rendition::PLAIN;

    fn sessions(count: u32) -> Sessions {
        let mut sessions = Sessions::new(count as usize);
        for _ in 0..count {
            let socket = File::open("/dev/null").unwrap().into();
            sessions.insert(Session::new(socket, Uuid::nil(), Tick(0), Tick(0)));
        }
        sessions
    }

    fn rooms() -> (Rooms, RoomId) {
        let mut rooms = Rooms::new(ShardId::new(0), Homes::new(1, 0), Bounds::SMALL);
        let room = rooms.find_or_create(&Arc::from("room"), Duration::ZERO, || Epoch::new(1));
        (rooms, room.unwrap())
    }

    /// Goal: sessions come first, each once however often it is added, then all members of an audience.
    #[test]
    fn everybody_is_served_once() {
        let (mut sessions, (mut rooms, room)) = (sessions(3), rooms());
        let mut flush = Flush::default();
        for slot in [2, 0, 2] {
            flush.add_session(slot, sessions.at_mut(slot));
        }
        for slot in 0..3 {
            rooms
                .get_mut(room)
                .add(PLAIN, Member::new(slot, MembershipId::INLINE));
        }
        rooms
            .get_mut(room)
            .for_each_audience(|audience| assert!(audience.start_flush()));
        flush.add_audience(room, PLAIN);
        let mut served: Vec<u32> = std::iter::from_fn(|| flush.next(&mut sessions, &mut rooms))
            .map(|turn| match turn {
                Turn::Session(slot) => slot,
                Turn::Member(member) => member.slot(),
            })
            .collect();
        assert_eq!(served[..2], [2, 0]);
        served[2..].sort_unstable();
        assert_eq!(served[2..], [0, 1, 2]);
        assert!(flush.is_done());
    }

    /// A session in two rooms, in `slot`.
    fn roam(sessions: &mut Sessions, slot: u32) -> &mut Session {
        let session = sessions.at_mut(slot);
        session.join(Place::None, Flags::default(), b"");
        session.open(Tick(0));
        for room in 0..2 {
            session.add_membership(RoomId::at(room), PLAIN).unwrap();
        }
        session
    }

    fn say(rooms: &mut Rooms, room: RoomId) {
        let room = rooms.get_mut(room);
        room.for_each_audience(|audience| {
            audience.start_flush();
        });
    }

    /// Goal: a session in several rooms is served after all audiences.
    #[test]
    fn those_in_several_rooms_come_last() {
        let (mut sessions, (mut rooms, room)) = (sessions(2), rooms());
        let mut flush = Flush::default();
        let roamer = roam(&mut sessions, 0);
        flush.add_session(0, roamer);
        flush.add_session(1, sessions.at_mut(1));
        let member = Member::new(1, MembershipId::INLINE);
        rooms.get_mut(room).add(PLAIN, member);
        say(&mut rooms, room);
        flush.add_audience(room, PLAIN);
        let turns: Vec<Turn> =
            std::iter::from_fn(|| flush.next(&mut sessions, &mut rooms)).collect();
        assert_eq!(
            turns,
            [Turn::Session(1), Turn::Member(member), Turn::Session(0)]
        );
        assert!(flush.is_done());
    }

    /// Goal: a room to which more is said in every chunk of a flush keeps no other from its turn.
    #[test]
    fn rooms_take_turns() {
        let (mut sessions, (mut rooms, first)) = (sessions(6), rooms());
        let second =
            (rooms.find_or_create(&Arc::from("other"), Duration::ZERO, || Epoch::new(1))).unwrap();
        let mut flush = Flush::default();
        for slot in 0..6 {
            let room = if slot < 3 { first } else { second };
            let member = Member::new(slot, MembershipId::INLINE);
            rooms.get_mut(room).add(PLAIN, member);
        }
        for room in [first, second] {
            flush.add_audience(room, PLAIN);
        }
        let mut served = [0; 2];
        for _ in 0..10 {
            say(&mut rooms, first);
            say(&mut rooms, second);
            match flush.next(&mut sessions, &mut rooms) {
                Some(Turn::Member(member)) => served[usize::from(member.slot() >= 3)] += 1,
                turn => panic!("{turn:?}"),
            }
            flush.end_chunk(&mut sessions);
        }
        assert_eq!(served, [5, 5]);
    }

    /// Goal: one in several rooms that has waited for a chunk comes first in the next, and once.
    #[test]
    fn those_in_several_rooms_do_not_wait_for_ever() {
        let (mut sessions, (mut rooms, room)) = (sessions(2), rooms());
        let mut flush = Flush::default();
        roam(&mut sessions, 0);
        let member = Member::new(1, MembershipId::INLINE);
        rooms.get_mut(room).add(PLAIN, member);
        flush.add_audience(room, PLAIN);
        for waited in [false, true] {
            say(&mut rooms, room);
            if waited {
                let next = flush.next(&mut sessions, &mut rooms);
                assert_eq!(next, Some(Turn::Session(0)));
            }
            // It has something again, for the next chunk.
            flush.add_session(0, sessions.at_mut(0));
            let next = flush.next(&mut sessions, &mut rooms);
            assert_eq!(next, Some(Turn::Member(member)));
            assert_eq!(flush.has_served_early(), waited);
            if waited {
                assert_eq!(flush.next(&mut sessions, &mut rooms), None);
            }
            assert!(!flush.is_done());
            flush.end_chunk(&mut sessions);
        }
    }

    /// Goal: what was appended counts until everybody had their sends.
    #[test]
    fn a_flush_counts_what_was_appended() {
        let (mut sessions, (mut rooms, _)) = (sessions(1), rooms());
        let mut flush = Flush::default();
        flush.add_session(0, sessions.at_mut(0));
        flush.note_appended(10);
        flush.begin_if_done();
        assert_eq!(flush.appended_bytes(), 10);
        flush.next(&mut sessions, &mut rooms);
        flush.begin_if_done();
        assert_eq!(flush.appended_bytes(), 0);
    }

    /// Goal: quiet sends count at once, and what they did not send is left out of later counts.
    #[test]
    fn bytes_are_counted_once() {
        let mut flush = Flush::default();
        let mut counted = flush.count(1000);
        flush.take_back(600);
        counted += flush.count(500) + flush.count(200);
        assert_eq!(counted, 1000 - 600 + 500 + 200);
    }
}
