//! A client publishes, and is told when what it said has its place.
//!
//! It is never kept from reading and writing for a room's sake: an answer to a ping would lie unread. Of
//! what can't be taken for now one message waits, on the shard of whoever said it, and not for so long that
//! the client would think it lost; further ones are refused. The same time goes for what waits behind other commands.

use std::sync::Arc;

use crate::id::{MemberId, RoomId, SessionKey, Ticket};
use crate::message::{Event, Message, Origin};
use crate::metrics::CommandKind;
use crate::protocol::centrifugo::codes::{Disconnect, ErrorCode};
use crate::protocol::centrifugo::command::{Publish, Request};
use crate::protocol::centrifugo::decode;
use crate::protocol::centrifugo::payload::Payload;
use crate::protocol::centrifugo::reply::{Position, Reply};
use crate::session::Session;
use crate::session::client::{Client, PutOff, Said, Stage, patience};
use crate::session::tick::Tick;
use crate::shard::Shard;
use crate::shard::parts::step::{Declined, Step, encoding};
use crate::talk::{Ack, Published, ToShard};

/// Whether a message was taken.
enum Taken {
    /// It was.
    Yes,
    /// It was not, and may be later.
    NotYet,
}

impl Shard {
    /// A client publishes.
    pub(super) fn client_publish(
        &mut self,
        slot: u32,
        id: u32,
        publish: &Publish<'_>,
        said: Said<'_>,
    ) -> Result<Step, Declined> {
        let (channel, user) = (self.channel(&publish.channel)?, self.user(slot));
        let (room, standing) = self.room_and_standing(slot, &publish.channel);
        if publish.kind != 0 {
            return Err(ErrorCode::NotAvailable.into());
        }
        channel.may_publish(user, standing)?;
        let data = publish.data.as_ref().map_or(&b""[..], |data| data.bytes);
        if !channel.options.publication_data_format.accepts(data) {
            return Err(ErrorCode::BadRequest.into());
        }
        let until = patience(said.at);
        let client = self.client(slot).ok_or(Disconnect::Stale)?;
        if until <= self.tick() || client.put_off_until().is_some() {
            return Err(ErrorCode::TooManyRequests.into());
        }
        if !client.may_publish() {
            // Where those before it wait for their room, it would be late before its turn came.
            let must_wait = room.is_some_and(|room| self.queues.must_wait(&self.rooms, room));
            return match must_wait {
                true => Err(ErrorCode::TooManyRequests.into()),
                false => Ok(Step::Later),
            };
        }
        match self.stage(slot, id, publish, room, until)? {
            Taken::Yes => self.schedule(slot, until),
            Taken::NotYet => self.put_off(slot, said.command, until),
        }
        Ok(Step::Done)
    }

    fn put_off(&mut self, slot: u32, command: &[u8], until: Tick) {
        if let Some(client) = self.client_mut(slot) {
            client.put_off(command, until);
            let key = self.sessions.key(slot);
            self.waiters.add(key);
            self.schedule(slot, until);
        }
    }

    /// Takes a message in line for its place, where it may be until some time, if there is room: in `room`, if there is
    /// one of that name here.
    fn stage(
        &mut self,
        slot: u32,
        id: u32,
        publish: &Publish<'_>,
        room: Option<RoomId>,
        until: Tick,
    ) -> Result<Taken, Declined> {
        let data = publish.data.unwrap_or_else(|| Payload::of_bytes(b""));
        let room = match room {
            Some(room) => room,
            None => self.room_to_publish_in(&publish.channel)?,
        };
        self.serve_clients(room);
        if self.queues.must_wait(&self.rooms, room) {
            self.rooms.release(room);
            return Ok(Taken::NotYet);
        }
        let member = self.member_id(slot);
        let name = Arc::clone(&self.rooms.get(room).name);
        let client = self.client_mut(slot).ok_or(Disconnect::Stale)?;
        let ticket = client.publish(id, name, until);
        let origin = Origin::Acknowledge { member, ticket };
        self.metrics().published.add(1);
        let session = self.sessions.at(slot);
        let client = session.client().ok_or(Disconnect::Stale)?;
        let about = match session.membership_in(room) {
            Some(membership) => client.about_in(membership),
            None => client.about(),
        };
        let about = about.ok_or(Disconnect::Stale)?;
        let event = Event::Published {
            form: data.form,
            data: data.bytes,
            info: Some(about.info(session.id())),
        };
        let message = Message::new(event, origin);
        self.queues.stage(&mut self.rooms, room, &message);
        Ok(Taken::Yes)
    }

    /// Makes the room of a channel, of which there is none here: it is forgotten again once what is said there has
    /// left.
    #[cold]
    fn room_to_publish_in(&mut self, channel: &str) -> Result<RoomId, Declined> {
        let room = self.find_or_create(&channel.into());
        Ok(room.ok_or(ErrorCode::TooManyRequests)?)
    }

    /// Tries again what waits until its room takes more, and refuses what has waited for too long; once a
    /// turn.
    pub(in crate::shard) fn retry_put_off(&mut self) {
        let Some(mut waiting) = self.waiters.take() else {
            return;
        };
        waiting.retain(|&key| self.waits_on(key));
        self.waiters.give_back(waiting);
    }

    fn waits_on(&mut self, key: SessionKey) -> bool {
        let (slot, tick) = (key.slot, self.tick());
        let client = (self.sessions.lookup(key)).and_then(Session::client_mut);
        let Some(client) = client else {
            return false;
        };
        let encoding = encoding(client.protocol());
        let Some(until) = client.put_off_until() else {
            return false;
        };
        let Some(put_off) = client.take_put_off() else {
            return false;
        };
        let Ok(command) = decode::read(encoding, put_off.command()) else {
            unreachable!("it was read before");
        };
        let (id, Request::Publish(publish)) = (command.id, &command.request) else {
            unreachable!("nothing else is put off");
        };
        let taken = match until <= tick {
            true => Err(ErrorCode::TooManyRequests.into()),
            false => {
                let room = self.rooms.find(&publish.channel);
                self.stage(slot, id, publish, room, until)
            }
        };
        match taken {
            Ok(Taken::Yes) => {}
            Ok(Taken::NotYet) => return self.wait_on(slot, put_off),
            Err(declined) => {
                self.decline(slot, id, declined);
            }
        }
        self.resume_commands(slot);
        self.settle(slot);
        false
    }

    fn wait_on(&mut self, slot: u32, put_off: PutOff) -> bool {
        if let Some(client) = self.client_mut(slot) {
            client.return_put_off(put_off);
        }
        self.note_holding(slot);
        true
    }

    /// Refuses what waits behind other commands and has done so for too long. Not what waits until replies are read:
    /// this would be one more.
    pub(super) fn refuse_held(&mut self, slot: u32) {
        let (tick, has_many_replies) = (self.tick(), self.has_many_replies(slot));
        let Some(client) = self.client_mut(slot) else {
            return;
        };
        let encoding = encoding(client.protocol());
        let may_answer = client.stage() == Stage::Connected && !has_many_replies;
        let late = client.take_late(tick, |command| match decode::read(encoding, command) {
            Ok(read) if may_answer && matches!(read.request, Request::Publish(_)) => Some(read.id),
            _ => None,
        });
        for id in late {
            self.metrics().commands.count(CommandKind::Publish);
            self.decline(slot, id, ErrorCode::TooManyRequests.into());
        }
    }

    /// Takes back what a client has said, and what has waited for too long: its room came to be held behind it, or the
    /// home has no time.
    pub(super) fn withdraw_late(&mut self, slot: u32) {
        let (tick, member) = (self.tick(), self.member_id(slot));
        while let Some((ticket, room)) =
            (self.client_mut(slot)).and_then(|client| client.next_late(tick))
        {
            if self.take_back(&room, member, ticket) {
                let outcome = Published::Withdrawn;
                self.published(&[Ack {
                    member,
                    ticket,
                    outcome,
                }]);
                continue;
            }
            let home = self.setup.homes.of(&room);
            if home != self.setup.number {
                let withdraw = ToShard::Withdraw {
                    room,
                    member,
                    ticket,
                };
                self.mail.tell(home, withdraw);
            }
        }
    }

    /// At the home of a room: a message has waited for too long. What has its place keeps it, and whoever said it is
    /// about to hear so.
    pub(in crate::shard) fn withdraw(&mut self, room: &str, member: MemberId, ticket: Ticket) {
        if self.take_back(room, member, ticket) {
            let outcome = Published::Withdrawn;
            self.acknowledge(vec![Ack {
                member,
                ticket,
                outcome,
            }]);
        }
    }

    /// Takes a message back that waits here; false when it does not.
    fn take_back(&mut self, room: &str, member: MemberId, ticket: Ticket) -> bool {
        let Some(room) = self.rooms.find(room) else {
            return false;
        };
        let is_back = self.queues.withdraw(&mut self.rooms, room, member, ticket);
        if is_back && self.rooms.get(room).staged.is_none() {
            self.nothing_is_staged(room);
        }
        is_back
    }

    /// Messages have their places: whoever said them is told.
    pub(in crate::shard) fn published(&mut self, acks: &[Ack]) {
        for ack in acks {
            let key = ack.member.key();
            let client = (self.sessions.lookup(key)).and_then(Session::client_mut);
            let Some(id) = client.and_then(|client: &mut Client| client.published(ack.ticket))
            else {
                continue;
            };
            let slot = key.slot;
            match ack.outcome {
                Published::At(epoch, offset) => {
                    let offset = offset.number();
                    let position = Position { epoch, offset };
                    self.answer(slot, id, &Reply::Publish(Some(position)));
                }
                Published::Passing => self.answer(slot, id, &Reply::Publish(None)),
                Published::Full | Published::Withdrawn => {
                    self.decline(slot, id, ErrorCode::TooManyRequests.into());
                }
            }
            self.resume_commands(slot);
            self.settle(slot);
        }
    }
}
