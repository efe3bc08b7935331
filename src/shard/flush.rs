//! The flush: one send for each session with something to send, in bounded chunks.

use std::os::fd::AsRawFd;

use super::Shard;
use super::parts::action::Action;
use super::parts::batch::{FlushBatch, PlannedSend};
use super::parts::flush::Turn;
use crate::id::{MemberId, SessionKey};
use crate::session::send::{Nothing, Progress};
use crate::session::{Flags, Phase};

impl Shard {
    /// Plans as many sends as `batch` takes, whose ranges reach up to the head as of now.
    pub fn poll_flush(&mut self, batch: &mut FlushBatch) {
        assert!(self.flush.is_answered(), "handle_flushed comes in between");
        batch.clear();
        while !batch.is_full()
            && let Some(turn) = self.flush.next(&mut self.sessions, &mut self.rooms)
        {
            self.plan(turn, batch);
        }
        if batch.is_full() || self.flush.has_served_early() {
            self.flush.end_chunk(&mut self.sessions);
        }
        self.metrics().sends.add(batch.sends.len() as u64);
        self.count_sent(batch.quiet_bytes());
    }

    fn count_sent(&mut self, bytes: u64) {
        let count = self.flush.count(bytes);
        self.metrics().sent_bytes.add(count);
    }

    fn plan(&mut self, turn: Turn, batch: &mut FlushBatch) {
        let slot = match turn {
            Turn::Session(slot) => slot,
            Turn::Member(member) => member.slot(),
        };
        let key = self.sessions.key(slot);
        let session = self.sessions.at_mut(slot);
        if let (Turn::Member(_), Some(shared)) = (turn, batch.shared())
            && let Some(undo) = session.take_share(shared)
        {
            return batch.push_shared(key, session, undo);
        }
        if session.flags().any(Flags::SEVERAL)
            && let Turn::Member(member) = turn
        {
            return self.flush.add_member(member, &mut self.sessions);
        }
        let may_send = matches!(session.phase(), Phase::Open | Phase::Closing);
        let waits = Flags::SENDING.and(Flags::BLOCKED).and(Flags::UNANNOUNCED);
        if !may_send || session.flags().any(waits) {
            return;
        }
        let member = MemberId::new(self.setup.number, key);
        match session.plan_send(member, &self.rooms, &self.log, &mut self.plan) {
            // It may have waited for its last bytes; an open one waits for nothing that it has not asked for.
            Err(Nothing::ToSend) if session.phase() == Phase::Open => {}
            Err(Nothing::ToSend) => self.settle(slot),
            Err(Nothing::Left(id)) if session.flags().any(Flags::CLIENT) => {
                self.client_falls_behind(slot, id);
            }
            Err(Nothing::Left(_)) => self.kill(slot),
            Ok(undo) => {
                let has_replies = match undo {
                    None => {
                        self.tally.begin_operation();
                        self.plan.private > 0
                    }
                    Some(undo) if undo.private > 0 => {
                        self.flush.assume_replied(slot);
                        true
                    }
                    Some(_) => false,
                };
                batch.push(key, session, &self.plan, undo);
                if let (Turn::Member(_), Some(undo)) = (turn, &undo)
                    && let Some(shared) = session.share(undo)
                {
                    batch.share(shared);
                }
                if has_replies {
                    self.replies_leave(slot);
                }
            }
        }
    }

    /// The bytes of a planned send, slice by slice, at most as many as a send may
    /// gather pieces, and two.
    #[inline]
    pub fn slices<'a>(
        &'a self,
        batch: &'a FlushBatch,
        send: &'a PlannedSend,
    ) -> impl Iterator<Item = &'a [u8]> {
        let mut private = (send.private_bytes() > 0).then(|| {
            let session = self.sessions.at(send.key.slot);
            &session.unsent()[..send.private_bytes()]
        });
        let (mut before, mut pieces) = batch.pieces(send);
        send.transport().leaving(std::iter::from_fn(move || {
            match before.checked_sub(1) {
                Some(left) => before = left,
                None if private.is_some() => return private.take(),
                None => {}
            }
            let (piece, rest) = pieces.split_first()?;
            pieces = rest;
            let bytes = usize::try_from(piece.bytes).expect("the log fits in memory");
            Some(self.log.slice(piece.position, bytes))
        }))
    }

    /// The kernel took `sent` bytes of the send at `place` in `batch`; 0 when the socket was full,
    /// `None` when the connection is broken. Quiet sends that were taken whole are not told of.
    pub fn handle_sent(&mut self, batch: &FlushBatch, place: usize, sent: Option<u32>) {
        let send = &batch.sends[place];
        let (key, undo) = (send.key, send.undo());
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
        let bytes = session.transport().released(bytes);
        let before = session.sent_bytes();
        let progress = session.sent(member, &self.rooms, &self.log, bytes);
        let of_rooms = (before, session.sent_bytes());
        if session.flags().any(Flags::SEVERAL) {
            self.go_on_recovering(slot, progress);
        }
        let session = self.sessions.at(slot);
        let (output, phase) = (session.has_output(&self.rooms), session.phase());
        let is_client = session.flags().any(Flags::CLIENT);
        self.count_sent(u64::from(bytes));
        self.note_holding(slot);
        if phase == Phase::Dead {
            return self.settle(slot);
        }
        if is_client {
            self.look_at_client(slot, of_rooms);
            self.client_sent(slot, bytes, progress);
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

    /// All has been told of the chunk's sends: what was not told of was taken whole.
    pub fn handle_flushed(&mut self) {
        if self.flush.is_answered() {
            return;
        }
        let mut replying = self.flush.take_replying();
        for slot in replying.drain(..) {
            let session = self.sessions.at_mut(slot);
            session.replies_sent();
            self.note_holding(slot);
        }
        self.flush.give_back(replying);
    }

    /// The poll for writability has answered.
    pub fn handle_writable(&mut self, key: SessionKey) {
        assert!(
            self.sessions.lookup(key).is_some(),
            "its slot outlives every operation"
        );
        let slot = key.slot;
        self.end_operation(slot, Flags::BLOCKED);
        if self.sessions.at(slot).flags().any(Flags::SEVERAL) {
            self.read_on(slot);
        }
        self.tell_missed(key);
        self.mark_dirty(slot);
        self.settle(slot);
    }
}
