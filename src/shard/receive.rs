//! What arrives at a session: frames become messages, messages become publishes and replies.

use std::os::fd::AsRawFd;

use super::report::End;
use super::{Action, Shard};
use crate::id::{RoomId, SessionKey};
use crate::session::{Flags, Phase, Place};
use crate::wire::close::{CloseCode, append_close_frame};
use crate::wire::frame::{OpCode, append_frame};
use crate::wire::message::{Event, Kind, Role, Rules};
use crate::wire::plain::{self, Command};

/// The outcome of a receive.
#[derive(Debug)]
pub enum Received<'a> {
    /// Bytes, which may be changed in place.
    Data(&'a mut [u8]),
    /// The peer will send no more.
    End,
    /// No buffer was free; nothing was received.
    NoBuffers,
    /// It was cancelled; nothing was received.
    Cancelled,
    /// The connection is broken.
    Failed,
}

impl Shard {
    /// A receive gave a result; with `more` it goes on by itself.
    pub fn handle_received(&mut self, key: SessionKey, received: Received<'_>, more: bool) {
        assert!(
            self.sessions.lookup(key).is_some(),
            "its slot outlives every operation"
        );
        let slot = key.slot;
        if !more {
            self.end_operation(slot, Flags::RECEIVING);
            self.sessions.at_mut(slot).unmark(Flags::CANCELLING);
        }
        match received {
            Received::Data(bytes) => {
                let tick = self.tick();
                let session = self.sessions.at_mut(slot);
                session.hear(tick);
                let phase = session.phase();
                if session.flags().any(Flags::PINGED) {
                    session.unmark(Flags::PINGED);
                    self.looks.remove(&key);
                }
                match phase {
                    Phase::Head => self.head_bytes(slot, bytes),
                    Phase::Open | Phase::Closing => self.frames(slot, bytes),
                    Phase::Joining | Phase::Lingering | Phase::Dead => {}
                }
            }
            Received::NoBuffers => self.metrics().receive_no_buffers.add(1),
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

    /// Bytes of an open session, or of one whose Close frame is awaited.
    pub(super) fn frames(&mut self, slot: u32, mut input: &mut [u8]) {
        let rules = Rules {
            role: Role::Server,
            message_bytes_max: self.config().message_bytes_max,
        };
        let session = self.sessions.at_mut(slot);
        if session.flags().any(Flags::DISCARDING) {
            return;
        }
        // Taken out for the loop: events borrow from it while the rest of the shard acts on them.
        let mut reader = session.take_reader();
        loop {
            match reader.next(&mut input, &rules) {
                Ok(Some(event)) => self.event(slot, event),
                Ok(None) => break,
                Err(error) => {
                    self.close(slot, error.close_code(), &error.to_string());
                    self.sessions.at_mut(slot).mark(Flags::DISCARDING);
                }
            }
            let session = self.sessions.at(slot);
            if session.flags().any(Flags::DISCARDING) || session.phase() == Phase::Dead {
                return;
            }
        }
        self.sessions.at_mut(slot).return_reader(reader);
        // Of what is held, sent or not: a peer may read without end and yet leave a little each time.
        let session = self.sessions.at(slot);
        if session.private_held_bytes() > self.config().private_bytes_max
            && session.phase() == Phase::Open
        {
            self.pause(slot);
        }
    }

    fn event(&mut self, slot: u32, event: Event<'_>) {
        let closing = self.sessions.at(slot).phase() != Phase::Open;
        match event {
            Event::Close(code, _reason) => self.close_received(slot, code),
            _ if closing => {}
            Event::Pong(_) => {}
            Event::Ping(payload) => {
                self.reply(slot, |out| append_frame(out, OpCode::Pong, payload));
            }
            Event::Message { kind, payload } => match self.sessions.at(slot).place() {
                Place::Echo => self.reply(slot, |out| plain::append_message(out, kind, payload)),
                Place::Room { room, .. } => match plain::command(kind, payload) {
                    Command::KeepAlive => self.reply(slot, plain::append_keep_alive),
                    Command::Publish => self.publish(slot, room, kind, payload),
                },
                Place::None => unreachable!("an open session has its place"),
            },
        }
    }

    fn publish(&mut self, slot: u32, room: RoomId, kind: Kind, payload: &[u8]) {
        self.metrics().published.add(1);
        let echo = self.sessions.at(slot).flags().any(Flags::ECHO);
        let origin = (!echo).then(|| self.member_id(slot));
        self.stage(room, false, origin, |out| {
            plain::append_message(out, kind, payload)
        });
        if self.must_wait(room) {
            self.pause(slot);
        }
    }

    /// Appends a private reply.
    pub(super) fn reply(&mut self, slot: u32, write: impl FnOnce(&mut Vec<u8>)) {
        write(self.sessions.at_mut(slot).private_mut());
        self.note_holding(slot);
        self.mark_dirty(slot);
    }

    /// The peer's Close frame (RFC 6455 section 5.5.1): answered in kind, once.
    fn close_received(&mut self, slot: u32, code: Option<CloseCode>) {
        let session = self.sessions.at_mut(slot);
        session.close_received();
        if !session.flags().any(Flags::CLOSE_SENT) {
            self.note_end(slot, End::Left(code));
            self.close_with(slot, |out| match code {
                Some(code) => append_close_frame(out, code, ""),
                None => append_frame(out, OpCode::Close, &[]),
            });
        }
    }

    /// After any event of a session: starts what its state calls for.
    pub(super) fn settle(&mut self, slot: u32) {
        self.note_holding(slot);
        let session = self.sessions.at(slot);
        let flags = session.flags();
        let drained = session.is_drained();
        match session.phase() {
            Phase::Closing if drained && flags.any(Flags::CLOSE_RECEIVED) => {
                // Both Close frames are through; the server ends the connection first
                // (RFC 6455 section 7.1.1).
                return self.kill(slot);
            }
            Phase::Closing if drained => {
                let key = self.sessions.key(slot);
                self.sessions.at_mut(slot).linger();
                self.actions.push_back(Action::ShutdownWrite(key));
            }
            Phase::Dead => return self.dead.push(self.sessions.key(slot)),
            _ => {}
        }
        let (session, key) = (self.sessions.at(slot), self.sessions.key(slot));
        let fd = session.socket().as_raw_fd();
        if flags.any(Flags::RECEIVING.and(Flags::PAUSED).and(Flags::ENDED)) {
            return;
        }
        match session.phase() {
            Phase::Head => {
                self.begin_operation(slot, Flags::RECEIVING);
                self.actions.push_back(Action::ReceiveOnce(key, fd));
            }
            Phase::Open | Phase::Closing | Phase::Lingering => {
                self.begin_operation(slot, Flags::RECEIVING);
                self.actions.push_back(Action::Receive(key, fd));
            }
            Phase::Joining | Phase::Dead => {}
        }
    }
}
