//! What a session's peer says: frames become messages, messages become publishes and replies.

use super::Shard;
use super::parts::report::End;
use crate::id::RoomId;
use crate::message::{self, Form, Info, Message, Origin};
use crate::protocol::plain::{self, Command};
use crate::session::{Flags, Phase, Place};
use crate::wire::close::{CloseCode, append_close_frame};
use crate::wire::frame::{OpCode, append_frame};
use crate::wire::message::{Event, Kind, Role, Rules};

impl Shard {
    /// Bytes of an open session, or of one whose Close frame is awaited.
    pub(super) fn frames(&mut self, slot: u32, mut input: &mut [u8]) {
        let session = self.sessions.at_mut(slot);
        let flags = session.flags();
        if flags.any(Flags::DISCARDING) {
            return;
        }
        let rules = Rules {
            role: Role::Server,
            message_bytes_max: match flags.any(Flags::CLIENT) {
                true => self.message_size_limit,
                false => self.setup.config.message_bytes_max,
            },
        };
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
        let session = self.sessions.at_mut(slot);
        session.return_reader(reader);
        // Of what is held, sent or not: a peer may read without end and yet leave a little each time.
        if session.private_held_bytes() > self.setup.config.private_bytes_max
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
            Event::Message { kind, payload } => self.command(slot, kind, payload),
        }
    }

    /// A message of an open session.
    fn command(&mut self, slot: u32, kind: Kind, payload: &[u8]) {
        match self.sessions.at(slot).place() {
            Place::Room { room, .. } => match plain::command(kind, payload) {
                Command::KeepAlive => self.reply(slot, plain::append_keep_alive),
                Command::Publish => self.publish(slot, room, kind, payload),
            },
            Place::Echo => self.reply(slot, |out| plain::append_message(out, kind, payload)),
            Place::Client => self.commands(slot, payload),
            Place::None => panic!("an open session has its place"),
        }
    }

    /// Closes a session that may not say what it says, a reader's or a message longer than clients may be sent; false
    /// when it may.
    #[cold]
    fn refuse_publish(&mut self, slot: u32, room: RoomId, flags: Flags) -> bool {
        if flags.any(Flags::READER) {
            self.close(slot, CloseCode::POLICY, "publishing is not allowed here");
            return true;
        }
        // Each client is sent it in a form that may be several times as long.
        let has_clients = self.rooms.get(room).has_clients();
        if has_clients {
            let reason = "too long for a room with such clients";
            self.close(slot, CloseCode::TOO_BIG, reason);
        }
        has_clients
    }

    fn publish(&mut self, slot: u32, room: RoomId, kind: Kind, payload: &[u8]) {
        let flags = self.sessions.at(slot).flags();
        let is_long = payload.len() > self.message_size_limit;
        if (is_long || flags.any(Flags::READER)) && self.refuse_publish(slot, room, flags) {
            return;
        }
        let origin = match flags.any(Flags::ECHO) {
            true => Origin::Nobody,
            false => Origin::Exclude(self.member_id(slot)),
        };
        let event = message::Event::Published {
            form: form(kind),
            data: payload,
            // Who takes no part in presence is nobody here, too.
            info: (flags.any(Flags::VISIBLE)).then(|| Info::anonymous(self.sessions.at(slot).id())),
        };
        self.metrics().published.add(1);
        let message = Message::new(event, origin);
        if self.queues.publish(&mut self.rooms, room, &message) {
            self.pause(slot);
        }
    }

    /// Appends a private reply. Whoever calls this notes afterwards what the session holds: once for
    /// all that has happened to it.
    pub(super) fn reply(&mut self, slot: u32, write: impl FnOnce(&mut Vec<u8>)) {
        write(self.sessions.at_mut(slot).private_mut());
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
}

/// How a message of the plain protocol is to be read.
fn form(kind: Kind) -> Form {
    match kind {
        Kind::Text => Form::Text,
        Kind::Binary => Form::Binary,
    }
}
