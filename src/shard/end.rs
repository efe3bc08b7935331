//! How a session ends: goodbyes, and the way back to a free slot.

use super::Shard;
use super::parts::action::Action;
use super::parts::report::End;
use crate::id::MembershipId;
use crate::session::tick::Tick;
use crate::session::{Flags, Phase};
use crate::wire::close::{CloseCode, append_close_frame};

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
        self.mark_dirty(slot);
        // Its peer may have something left to say before it reads that, also where it was not read from.
        self.settle(slot);
    }

    /// Takes a closing session out of its rooms, with the rest of a frame that was cut.
    pub(super) fn detach(&mut self, slot: u32) {
        let member = self.member_id(slot);
        let session = self.sessions.at_mut(slot);
        let ids: Vec<MembershipId> = session.memberships().map(|(id, _)| id).collect();
        let rescued =
            (ids.iter()).all(|&id| session.rescue_cut_frame(id, member, &self.rooms, &self.log));
        if !rescued {
            return self.kill(slot);
        }
        for id in ids {
            self.remove_member(slot, id);
        }
    }

    /// Ends the connection without further words.
    pub(super) fn kill(&mut self, slot: u32) {
        match self.sessions.at(slot).phase() {
            Phase::Dead => return,
            Phase::Open => {
                self.note_end(slot, End::Lost);
                self.depart(slot);
            }
            Phase::Joining => self.depart(slot),
            Phase::Head | Phase::Closing | Phase::Lingering => {}
        }
        let session = self.sessions.at_mut(slot);
        session.die();
        let ids: Vec<MembershipId> = session.memberships().map(|(id, _)| id).collect();
        for id in ids {
            self.remove_member(slot, id);
        }
        let key = self.sessions.key(slot);
        self.note_holding(slot);
        let session = self.sessions.at_mut(slot);
        self.actions.push_back(Action::Shutdown(key));
        if session.flags().any(Flags::RECEIVING) {
            // The shutdown ends the receive, as a rule at once.
            let deadline = Tick(self.tick().0 + RECEIVE_ENDS_TICKS);
            self.schedule(slot, deadline);
        }
        self.dead.add(key);
    }

    /// Frees the slots of dead sessions to whom the kernel owes no answer any more.
    pub(super) fn bury(&mut self) {
        while let Some(key) = self.dead.next() {
            let Some(session) = self.sessions.lookup(key) else {
                continue;
            };
            assert_eq!(session.phase(), Phase::Dead);
            if session.operations() > 0 {
                continue;
            }
            self.holdings.note(key, 0);
            let session = self.sessions.remove(key.slot);
            self.alive.forget(key);
            self.actions
                .push_back(if session.flags().any(Flags::ABORT) {
                    Action::Abort(session.into_socket())
                } else {
                    Action::Close(session.into_socket())
                });
        }
    }
}
