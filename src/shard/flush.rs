//! The flush: one send for each session with something to send, in bounded chunks.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, RawFd};

use super::{Action, Shard};
use crate::id::{RoomId, SessionKey};
use crate::room::Rooms;
use crate::room::audience::Member;
use crate::room::index::Piece;
use crate::room::rendition::Rendition;
use crate::session::send::{Nothing, Plan, Progress, Undo};
use crate::session::{Flags, Phase, Session, Sessions};

/// One planned send, which refers to its batch for the pieces.
#[derive(Debug, Clone)]
pub struct PlannedSend {
    /// Whose.
    pub key: SessionKey,
    /// Its socket.
    pub fd: RawFd,
    /// Its first piece in the batch, how many there are, and how many go ahead of the private bytes.
    first: u32,
    pieces: u8,
    before: u8,
    private: u32,
    undo: Option<Undo>,
}

impl PlannedSend {
    /// Whether [`Shard::handle_sent`] is to hear of it only when the socket did not take all of it.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.undo.is_some()
    }
}

/// The sends of one chunk. They are to be made, and the shard told of what became of them, before it
/// is told of anything else: their bytes are in the log and in private buffers, which change with the
/// next event.
#[derive(Debug)]
pub struct FlushBatch {
    /// The sends.
    pub sends: Vec<PlannedSend>,
    sends_max: usize,
    pieces: Vec<Piece>,
    /// Bytes of the quiet ones.
    quiet_bytes: u64,
}

impl FlushBatch {
    /// An empty one, for chunks of at most `sends_max` sends.
    #[must_use]
    pub fn new(sends_max: usize) -> Self {
        Self {
            sends: Vec::new(),
            sends_max,
            pieces: Vec::new(),
            quiet_bytes: 0,
        }
    }

    fn clear(&mut self) {
        self.sends.clear();
        self.pieces.clear();
        self.quiet_bytes = 0;
    }

    fn is_full(&self) -> bool {
        self.sends.len() >= self.sends_max
    }

    /// Takes in a send as planned.
    fn push(&mut self, key: SessionKey, fd: RawFd, plan: &Plan, undo: Option<Undo>) {
        let narrow = |count: usize| u32::try_from(count).expect("as bounded as a batch");
        let count = |count: usize| u8::try_from(count).expect("twice PIECES_MAX");
        let first = self.pieces.len();
        self.pieces.extend_from_slice(&plan.pieces);
        self.quiet_bytes += undo.map_or(0, |undo| u64::from(undo.bytes));
        self.sends.push(PlannedSend {
            key,
            fd,
            first: narrow(first),
            pieces: count(plan.pieces.len()),
            before: count(plan.before),
            private: plan.private,
            undo,
        });
    }
}

/// Who has something to be sent, and how far the flush of it has come.
#[derive(Debug, Default)]
pub(super) struct Flush {
    /// Slots with private replies or a writable socket.
    sessions: VecDeque<u32>,
    /// Audiences whose flush is under way.
    audiences: VecDeque<(RoomId, Rendition)>,
    /// Slots of members of several rooms, which are served once after all of them.
    several: VecDeque<u32>,
    /// Bytes that were appended since a flush was complete.
    appended_bytes: usize,
    /// Bytes counted as sent that were not, to be left out of the next count.
    overcounted_bytes: u64,
}

impl Flush {
    /// Puts the session among those to serve, unless its socket is known to be full.
    pub(super) fn add_session(&mut self, slot: u32, session: &mut Session) {
        if !session.flags().any(Flags::DIRTY.and(Flags::BLOCKED)) {
            session.mark(Flags::DIRTY);
            self.sessions.push_back(slot);
        }
    }

    /// A member has something new to be sent, of one of its rooms.
    pub(super) fn add_member(&mut self, member: Member, sessions: &mut Sessions) {
        let session = sessions.at_mut(member.slot());
        if !session.flags().any(Flags::SEVERAL) {
            return self.add_session(member.slot(), session);
        }
        session.mark_due(member.membership());
        if !session.flags().any(Flags::DIRTY.and(Flags::BLOCKED)) {
            session.mark(Flags::DIRTY);
            self.several.push_back(member.slot());
        }
    }

    /// Puts the audience among those to serve; it is not among them yet.
    pub(super) fn add_audience(&mut self, room: RoomId, rendition: Rendition) {
        self.audiences.push_back((room, rendition));
    }

    /// Whether every session had its send since the last append.
    pub(super) fn is_done(&self) -> bool {
        self.sessions.is_empty() && self.audiences.is_empty() && self.several.is_empty()
    }

    /// Another flush begins with what is appended now, if the last one is complete.
    pub(super) fn begin_if_done(&mut self) {
        if self.is_done() {
            self.appended_bytes = 0;
        }
    }

    /// So much was appended.
    pub(super) fn note_appended(&mut self, bytes: usize) {
        self.appended_bytes += bytes;
    }

    /// What was appended since a flush was complete.
    pub(super) fn appended_bytes(&self) -> usize {
        self.appended_bytes
    }

    /// The slot of the session to serve next; `None` when the flush is complete.
    fn next(&mut self, sessions: &mut Sessions, rooms: &mut Rooms) -> Option<u32> {
        if let Some(slot) = take_dirty(&mut self.sessions, sessions) {
            return Some(slot);
        }
        while let Some(&(room, rendition)) = self.audiences.front() {
            match rooms.next_to_flush(room, rendition) {
                Some(member) if sessions.at(member.slot()).flags().any(Flags::SEVERAL) => {
                    self.add_member(member, sessions);
                }
                Some(member) => return Some(member.slot()),
                None => {
                    self.audiences.pop_front();
                    rooms.release(room);
                }
            }
        }
        take_dirty(&mut self.several, sessions)
    }

    /// How many bytes count as sent when `bytes` were: less those that quiet sends were counted with and
    /// did not send.
    fn count(&mut self, bytes: u64) -> u64 {
        let known = bytes.min(self.overcounted_bytes);
        self.overcounted_bytes -= known;
        bytes - known
    }

    /// So many bytes of a quiet send that was counted were not sent, as far as is known.
    fn take_back(&mut self, bytes: u32) {
        self.overcounted_bytes += u64::from(bytes);
    }
}

/// The next slot of a list that still has a session.
fn take_dirty(slots: &mut VecDeque<u32>, sessions: &mut Sessions) -> Option<u32> {
    while let Some(slot) = slots.pop_front() {
        if let Some(session) = sessions.get_mut(slot) {
            session.unmark(Flags::DIRTY);
            return Some(slot);
        }
    }
    None
}

impl Shard {
    /// Plans as many sends as `batch` takes, whose ranges reach up to the head as of now.
    pub fn poll_flush(&mut self, batch: &mut FlushBatch) {
        batch.clear();
        while !batch.is_full()
            && let Some(slot) = self.flush.next(&mut self.sessions, &mut self.rooms)
        {
            self.plan(slot, batch);
        }
        self.metrics().sends.add(batch.sends.len() as u64);
        self.count_sent(batch.quiet_bytes);
    }

    fn count_sent(&mut self, bytes: u64) {
        let count = self.flush.count(bytes);
        self.metrics().sent_bytes.add(count);
    }

    fn plan(&mut self, slot: u32, batch: &mut FlushBatch) {
        let (key, member) = (self.sessions.key(slot), self.member_id(slot));
        let session = self.sessions.at_mut(slot);
        let may_send = matches!(session.phase(), Phase::Open | Phase::Closing);
        if !may_send || session.flags().any(Flags::SENDING.and(Flags::BLOCKED)) {
            return;
        }
        match session.plan_send(member, &self.rooms, &self.log, &mut self.plan) {
            Err(Nothing::ToSend) => self.settle(slot),
            Err(Nothing::Left(_)) => self.kill(slot),
            Ok(undo) => {
                if undo.is_none() {
                    self.tally.begin_operation();
                }
                batch.push(key, session.socket().as_raw_fd(), &self.plan, undo);
            }
        }
    }

    /// The bytes of a planned send, slice by slice, at most as many as a send may
    /// gather pieces, and two.
    pub fn slices<'a>(
        &'a self,
        batch: &'a FlushBatch,
        send: &'a PlannedSend,
    ) -> impl Iterator<Item = &'a [u8]> {
        let from_log = |piece: &Piece| {
            self.log.slice(
                piece.position,
                usize::try_from(piece.bytes).unwrap_or(usize::MAX),
            )
        };
        let private = (send.private > 0).then(|| {
            let session = self.sessions.at(send.key.slot);
            &session.unsent()[..send.private as usize]
        });
        let pieces = &batch.pieces[send.first as usize..][..usize::from(send.pieces)];
        let (before, after) = pieces.split_at(usize::from(send.before));
        (before.iter().map(from_log))
            .chain(private)
            .chain(after.iter().map(from_log))
    }

    /// The kernel took `sent` bytes of the send at `place` in `batch`; 0 when the socket was full,
    /// `None` when the connection is broken. Quiet sends that were taken whole are not told of.
    pub fn handle_sent(&mut self, batch: &FlushBatch, place: usize, sent: Option<u32>) {
        let PlannedSend { key, undo, .. } = batch.sends[place];
        assert!(
            self.sessions.lookup(key).is_some(),
            "its slot outlives every operation"
        );
        let slot = key.slot;
        let member = self.member_id(slot);
        let session = self.sessions.at_mut(slot);
        if let Some(undo) = undo {
            session.not_sent(undo);
            self.flush.take_back(undo.bytes);
        } else {
            self.tally.end_operation();
        }
        let Some(bytes) = sent else {
            session.send_failed();
            self.kill(slot);
            // It may have been dead already, with this as its last operation.
            return self.settle(slot);
        };
        let progress = session.sent(member, &self.rooms, &self.log, bytes);
        let (output, phase) = (session.has_output(&self.rooms), session.phase());
        self.count_sent(u64::from(bytes));
        self.note_holding(slot);
        if phase == Phase::Dead {
            return self.settle(slot);
        }
        let session = self.sessions.at_mut(slot);
        match progress {
            Progress::Lost => return self.kill(slot),
            Progress::All => {
                // Its next bytes may be here already: nothing else need ever wake the shard.
                self.pressure.note_drained(session);
                if output {
                    self.mark_dirty(slot);
                }
            }
            Progress::Blocked => {
                let fd = session.socket().as_raw_fd();
                self.metrics().send_blocked.add(1);
                self.begin_operation(slot, Flags::BLOCKED);
                self.actions.push_back(Action::PollWritable(key, fd));
                self.watch.add(key, &mut self.sessions);
            }
        }
        let session = self.sessions.at(slot);
        if session.phase() == Phase::Closing && session.memberships().next().is_some() {
            self.detach(slot);
        }
        if self.sessions.at(slot).phase() != Phase::Open {
            self.settle(slot);
        }
    }

    /// The poll for writability has answered.
    pub fn handle_writable(&mut self, key: SessionKey) {
        assert!(
            self.sessions.lookup(key).is_some(),
            "its slot outlives every operation"
        );
        let slot = key.slot;
        self.end_operation(slot, Flags::BLOCKED);
        self.tell_missed(key);
        self.mark_dirty(slot);
        self.settle(slot);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::sync::Arc;

    use uuid::Uuid;

    use super::*;
    use crate::id::{Epoch, MembershipId, ShardId};
    use crate::room::homes::Homes;
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
        let mut rooms = Rooms::new(ShardId::new(0), Homes::new(1, 0), 10, 1 << 20);
        let room = rooms.find_or_create(&Arc::from("room"), || Epoch::new(1));
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
        let audience = rooms.get_mut(room).audiences_mut().next().unwrap();
        assert!(audience.start_flush());
        flush.add_audience(room, PLAIN);
        let mut served: Vec<u32> =
            std::iter::from_fn(|| flush.next(&mut sessions, &mut rooms)).collect();
        assert_eq!(served[..2], [2, 0]);
        served[2..].sort_unstable();
        assert_eq!(served[2..], [0, 1, 2]);
        assert!(flush.is_done());
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
