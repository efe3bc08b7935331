//! The flush: one send for each session with something to send, in bounded chunks.

use std::os::fd::{AsRawFd, RawFd};

use super::{Action, Shard};
use crate::id::SessionKey;
use crate::room::index::Piece;
use crate::session::outbox::{Nothing, Progress, Undo};
use crate::session::{Flags, Phase, Place};

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
#[derive(Debug, Default)]
pub struct FlushBatch {
    /// The sends.
    pub sends: Vec<PlannedSend>,
    pieces: Vec<Piece>,
    /// Bytes of the quiet ones.
    quiet_bytes: u64,
}

impl Shard {
    /// Whether every session had its send since the last append.
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        self.dirty_sessions.is_empty() && self.dirty_audiences.is_empty()
    }

    /// Plans at most `sends_max` sends into `batch`, whose ranges reach up to the head as of now.
    pub fn poll_flush(&mut self, sends_max: usize, batch: &mut FlushBatch) {
        batch.sends.clear();
        batch.pieces.clear();
        batch.quiet_bytes = 0;
        while batch.sends.len() < sends_max {
            let Some(slot) = self.dirty_sessions.pop_front() else {
                break;
            };
            if let Some(session) = self.sessions.get_mut(slot) {
                session.unmark(Flags::DIRTY);
                self.plan(slot, batch);
            }
        }
        while batch.sends.len() < sends_max {
            let Some(&(room, rendition)) = self.dirty_audiences.front() else {
                break;
            };
            match self.rooms.next_to_flush(room, rendition) {
                Some(slot) => self.plan(slot, batch),
                None => {
                    self.dirty_audiences.pop_front();
                    self.rooms.release(room);
                }
            }
        }
        self.metrics().sends.add(batch.sends.len() as u64);
        self.count_sent(batch.quiet_bytes);
    }

    /// Counts bytes as sent, less those that quiet sends were counted with and did not send.
    fn count_sent(&mut self, bytes: u64) {
        let known = bytes.min(self.overcounted_bytes);
        self.overcounted_bytes -= known;
        self.metrics().sent_bytes.add(bytes - known);
    }

    fn plan(&mut self, slot: u32, batch: &mut FlushBatch) {
        let (key, member) = (self.sessions.key(slot), self.member_id(slot));
        let session = self.sessions.at_mut(slot);
        let may_send = matches!(session.phase(), Phase::Open | Phase::Closing);
        if !may_send || session.flags().any(Flags::SENDING.and(Flags::BLOCKED)) {
            return;
        }
        let plan = &mut self.scratch.plan;
        match session.plan_send(member, &self.rooms, &self.log, plan) {
            Err(Nothing::ToSend) => self.settle(slot),
            Err(Nothing::Left(_)) => self.kill(slot),
            Ok(undo) => {
                match undo {
                    Some(undo) => batch.quiet_bytes += u64::from(undo.bytes),
                    None => self.operations += 1,
                }
                let first = batch.pieces.len();
                batch.pieces.extend_from_slice(&plan.pieces);
                let narrow = |count: usize| u32::try_from(count).expect("as bounded as a batch");
                let count = |count: usize| u8::try_from(count).expect("twice PIECES_MAX");
                batch.sends.push(PlannedSend {
                    key,
                    fd: session.socket().as_raw_fd(),
                    first: narrow(first),
                    pieces: count(plan.pieces.len()),
                    before: count(plan.before),
                    private: plan.private,
                    undo,
                });
            }
        }
    }

    /// The bytes of a planned send, slice by slice, at most [`crate::session::outbox::PIECES_MAX`]
    /// and two.
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
            self.overcounted_bytes += u64::from(undo.bytes);
        } else {
            self.operations -= 1;
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
                self.paused_drained |= session.flags().any(Flags::PAUSED);
                if output {
                    self.mark_dirty(slot);
                }
            }
            Progress::Blocked => {
                let fd = session.socket().as_raw_fd();
                self.metrics().send_blocked.add(1);
                self.begin_operation(slot, Flags::BLOCKED);
                self.actions.push_back(Action::PollWritable(key, fd));
                self.watch_session(slot);
            }
        }
        let session = self.sessions.at(slot);
        if session.phase() == Phase::Closing && matches!(session.place(), Place::Room { .. }) {
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
