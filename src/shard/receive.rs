//! What the kernel says of a socket's input, and when a session is read from.

use std::os::fd::AsRawFd;

use super::Shard;
use super::parts::action::{Action, Received};
use super::parts::report::End;
use super::parts::starved::STARVED_PER_TURN_MAX;
use crate::id::SessionKey;
use crate::session::{Flags, Phase};

impl Shard {
    /// A receive gave a result; with `more` it goes on by itself.
    pub fn handle_received(&mut self, key: SessionKey, received: Received<'_>, more: bool) {
        let (slot, tick) = (key.slot, self.tick());
        let session = self.sessions.lookup(key);
        let session = session.expect("its slot outlives every operation");
        if !more {
            session.end(Flags::RECEIVING);
            session.unmark(Flags::CANCELLING);
            self.tally.end_operation();
        }
        match received {
            Received::Data(bytes) => {
                session.hear(tick);
                let phase = session.phase();
                if session.flags().any(Flags::PINGED) {
                    session.unmark(Flags::PINGED);
                    self.alive.forget(key);
                }
                match phase {
                    Phase::Head => self.head_bytes(slot, bytes),
                    Phase::Open | Phase::Closing => self.frames(slot, bytes),
                    Phase::Joining | Phase::Lingering | Phase::Dead => {}
                }
            }
            Received::NoBuffers => {
                session.mark(Flags::STARVED);
                (self.starved).add(key, session.phase() != Phase::Lingering);
                self.metrics().receive_no_buffers.add(1);
            }
            Received::Cancelled => {}
            Received::End => self.ended(slot),
            Received::Failed => self.kill(slot),
        }
        if self.sessions.lookup(key).is_some() {
            self.settle(slot);
        }
    }

    /// The peer sends no more. It may still read: what it is owed goes out first.
    fn ended(&mut self, slot: u32) {
        let session = self.sessions.at_mut(slot);
        let owed = session.private_bytes() > 0 || session.flags().any(Flags::SENDING);
        if !owed || !matches!(session.phase(), Phase::Open | Phase::Closing) {
            return self.kill(slot);
        }
        session.input_ended();
        self.note_end(slot, End::Lost);
        self.close_with(slot, |_| {});
    }

    /// After any event of a session: starts what its state calls for.
    pub(super) fn settle(&mut self, slot: u32) {
        self.note_holding(slot);
        let session = self.sessions.at(slot);
        let flags = session.flags();
        match session.phase() {
            Phase::Closing if session.is_drained() && flags.any(Flags::CLOSE_RECEIVED) => {
                // Both Close frames are through; the server ends the connection first
                // (RFC 6455 section 7.1.1).
                return self.kill(slot);
            }
            Phase::Closing if session.is_drained() => {
                let key = self.sessions.key(slot);
                self.sessions.at_mut(slot).linger();
                self.actions.push_back(Action::ShutdownWrite(key));
            }
            Phase::Dead => return self.dead.add(self.sessions.key(slot)),
            _ => {}
        }
        if flags.any(Flags::RECEIVING.and(Flags::STARVED)) {
            return;
        }
        let (session, key) = (self.sessions.at(slot), self.sessions.key(slot));
        if !session.is_to_be_read() {
            return;
        }
        let fd = session.socket().as_raw_fd();
        let receive = match session.phase() {
            // A head is short, and of what is thrown away no more is taken at a time than has to be.
            Phase::Head | Phase::Lingering => Action::ReceiveOnce(key, fd),
            _ => Action::Receive(key, fd),
        };
        self.begin_operation(slot, Flags::RECEIVING);
        self.actions.push_back(receive);
    }

    /// Receives from those who found no buffer: one each, before anybody else has any.
    pub(super) fn receive_for_starved(&mut self) {
        if !self.starved.has_work() {
            return;
        }
        let of_others = self.actions.len();
        for _ in 0..STARVED_PER_TURN_MAX {
            let Some(key) = self.starved.next() else {
                break;
            };
            let Some(session) = self.sessions.lookup(key) else {
                continue;
            };
            session.unmark(Flags::STARVED);
            if !session.is_to_be_read() {
                continue;
            }
            let fd = session.socket().as_raw_fd();
            self.begin_operation(key.slot, Flags::RECEIVING);
            self.actions.push_back(Action::ReceiveOnce(key, fd));
        }
        self.actions.rotate_left(of_others);
    }
}
