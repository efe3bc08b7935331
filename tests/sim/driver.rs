//! What is around a shard in the simulation: the made-up kernel, the mesh, and chance.

use std::collections::BTreeSet;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use fanring::id::SessionKey;
use fanring::room::rendition::Rendition;
use fanring::shard::clock::Clock;
use fanring::shard::drive::Driver;
use fanring::shard::join::SubscribeError;
use fanring::shard::{Action, FlushBatch, Received, Shard};
use fanring::talk::{Handover, Letter, ToShard, ToWeb};
use fastrand::Rng;
use uuid::Uuid;

use crate::counts::Counts;
use crate::kernel::{Answer, Got, Kernel};
use crate::links::Links;
use crate::tape::{Content, Piece, Tape};
use crate::trace;

/// Messages a shard takes from each ring in a turn.
const MESH_MESSAGES_MAX: usize = 256;

/// What a session asks its shard for, as a command of its client would.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Verb {
    Join(Rendition),
    Leave,
}

/// That of one client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    pub(crate) client: usize,
    pub(crate) connection: usize,
    pub(crate) key: SessionKey,
    pub(crate) room: usize,
    pub(crate) verb: Verb,
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) wish: Wish,
    /// Whether the session spoke then.
    pub(crate) was_open: bool,
    pub(crate) answer: Result<(), SubscribeError>,
}

/// The world as one shard meets it in one turn.
pub(crate) struct SimDriver<'a> {
    pub(crate) number: usize,
    pub(crate) shards: usize,
    pub(crate) kernel: &'a mut Kernel,
    pub(crate) to_shards: &'a mut Links<ToShard>,
    pub(crate) to_web: &'a mut Links<ToWeb>,
    pub(crate) rng: &'a mut Rng,
    pub(crate) clock: &'a mut Clock,
    pub(crate) now: Duration,
    pub(crate) stopping: bool,
    /// The rooms' names, and which is the own one of each client.
    pub(crate) names: &'a [Arc<str>],
    pub(crate) own_rooms: &'a [usize],
    pub(crate) tapes: &'a mut [Tape],
    pub(crate) counts: &'a mut Counts,
    pub(crate) wishes: Vec<Wish>,
    pub(crate) granted: Vec<Granted>,
    /// The public names of those who were sent something, by their connections.
    pub(crate) named: Vec<(usize, Uuid)>,
}

impl SimDriver<'_> {
    /// Of the rooms of those whose messages are in a send only those may begin that the session is in.
    fn check_send(
        &mut self,
        shard: &Shard,
        key: SessionKey,
        pieces: &[Piece],
    ) -> Result<(), String> {
        let reads = |room: usize| shard.reads(key, &self.names[room]);
        let mut rooms = BTreeSet::new();
        for piece in pieces {
            match piece.content {
                Content::Message(author) => {
                    let room = self.own_rooms[author as usize];
                    rooms.insert(room);
                    if piece.begins && reads(room).is_none() {
                        return Err(format!(
                            "{key:?} is sent what {author} says, and is not in its room"
                        ));
                    }
                }
                Content::Notice if piece.begins => {
                    let with = |room| reads(room) == Some(Rendition::PLAIN);
                    if !(0..self.names.len()).any(with) {
                        return Err(format!("{key:?} is sent a notice it does not read"));
                    }
                }
                Content::Notice | Content::Private => {}
            }
        }
        self.counts.sends_of_several += u64::from(rooms.len() > 1);
        Ok(())
    }

    /// Does what some sessions want, of which there may be more events before and after.
    fn grant(&mut self, shard: &mut Shard, count: usize) {
        let wishes: Vec<Wish> = self.wishes.drain(..count).collect();
        for wish in wishes {
            let name = &self.names[wish.room];
            let own = &self.names[self.own_rooms[wish.client]];
            let was_open = shard.reads(wish.key, own).is_some();
            let answer = match wish.verb {
                Verb::Join(rendition) => shard.subscribe(wish.key, name, rendition),
                Verb::Leave => shard.unsubscribe(wish.key, name),
            };
            trace!("shard {}, {wish:?}: {answer:?}", self.number);
            if answer.is_ok() {
                self.count(&wish);
            }
            self.granted.push(Granted {
                wish,
                was_open,
                answer,
            });
        }
    }

    fn count(&mut self, wish: &Wish) {
        let is_full = self.kernel.is_full(wish.connection);
        match wish.verb {
            Verb::Join(_) => self.counts.joins_of_the_full += u64::from(is_full),
            Verb::Leave => {
                self.counts.leaves += 1;
                self.counts.leaves_of_the_full += u64::from(is_full);
                if let Some(Content::Message(author)) = self.tapes[wish.connection].cut() {
                    let is_cut = self.own_rooms[author as usize] == wish.room;
                    self.counts.leaves_within_a_frame += u64::from(is_cut);
                }
            }
        }
    }
}

impl Driver for SimDriver<'_> {
    type Error = String;

    fn send(&mut self, shard: &mut Shard, batch: &FlushBatch) -> Result<(), String> {
        let mut answers = Vec::new();
        let sessions: BTreeSet<SessionKey> = batch.sends.iter().map(|send| send.key).collect();
        if sessions.len() < batch.sends.len() {
            return Err("a session has two sends at a time".to_owned());
        }
        for (place, send) in batch.sends.iter().enumerate() {
            let mut bytes = Vec::new();
            for slice in shard.slices(batch, send) {
                assert!(!slice.is_empty(), "an empty slice");
                bytes.extend_from_slice(slice);
            }
            let connection = self.kernel.connection(send.fd);
            let pieces = (self.tapes[connection].pieces(&bytes)).map_err(|why| {
                format!(
                    "connection {connection} is sent {} bytes: {why}",
                    bytes.len()
                )
            })?;
            self.check_send(shard, send.key, &pieces)?;
            let session = (self.number, send.key);
            let id = shard.public_id(send.key);
            self.named.extend(id.map(|id| (connection, id)));
            let sent = self.kernel.send(session, send.fd, &bytes, self.rng);
            self.tapes[connection].take(&pieces, sent.unwrap_or(0) as usize);
            trace!(
                "shard {}, connection {connection}: {sent:?} of {} bytes were taken of {} frames",
                self.number,
                bytes.len(),
                pieces.len()
            );
            let whole = sent.is_some_and(|sent| sent as usize == bytes.len());
            if !(whole && send.is_quiet()) {
                answers.push((place, sent));
            }
        }
        // All were made before the first answer is heard, as by one submission, and Linux 6.1 lets
        // answers overtake one another.
        self.rng.shuffle(&mut answers);
        for (place, sent) in answers {
            shard.handle_sent(batch, place, sent);
        }
        Ok(())
    }

    fn now(&mut self) -> Duration {
        self.clock.read(self.now)
    }

    fn tell_events(&mut self, shard: &mut Shard) {
        for completion in self.kernel.reap(self.number, self.rng) {
            let count = self.rng.usize(..=self.wishes.len());
            self.grant(shard, count);
            let key = completion.key;
            trace!(
                "shard {}, connection {}, {key:?}: {}",
                self.number,
                completion.connection,
                brief_answer(&completion.answer)
            );
            match completion.answer {
                Answer::Received { got, more } => tell_received(shard, key, got, more),
                Answer::Writable => shard.handle_writable(key),
            }
        }
        self.grant(shard, self.wishes.len());
    }

    fn tell_messages(&mut self, shard: &mut Shard) {
        for from in 0..=self.shards {
            let messages = (self.to_shards).receive(from, self.number, MESH_MESSAGES_MAX, self.rng);
            for message in messages {
                shard.handle_message(message);
            }
        }
        if self.stopping && !shard.is_stopping() && self.rng.bool() {
            shard.handle_stop();
        }
        self.to_shards.unpark(self.number);
        self.to_web.unpark(self.number);
        shard.handle_web_waiting(self.to_web.waiting(self.number, self.shards));
    }

    fn post(&mut self, _shard: &Shard, letter: Letter) {
        let from = self.number;
        match letter {
            Letter::Shard(to, message) => {
                if let ToShard::Adopt { connection, .. } = &message {
                    self.kernel.hand_over(connection.socket.as_raw_fd());
                }
                trace!("shard {from} to shard {to}: {}", brief(&message));
                self.to_shards.send(from, to.index(), message);
            }
            Letter::Keeper(..) => {}
            Letter::Web(message) => {
                if let ToWeb::Serve(Handover { socket, .. }) = &message {
                    self.kernel.hand_over(socket.as_raw_fd());
                }
                trace!("shard {from} to the web thread: {message:?}");
                self.to_web.send(from, self.shards, message);
            }
        }
    }

    fn act(&mut self, shard: &mut Shard, action: Action) {
        let number = self.number;
        trace!("shard {number}: {action:?}");
        match action {
            Action::ReceiveOnce(key, fd) => self.kernel.receive(number, key, fd, false),
            Action::Receive(key, fd) => self.kernel.receive(number, key, fd, true),
            Action::CancelReceive(key) => {
                if let Some(fd) = descriptor(shard, key) {
                    self.kernel.cancel_receive(fd);
                }
            }
            Action::Measure(key) => {
                if let Some(fd) = descriptor(shard, key) {
                    shard.handle_measured(key, self.kernel.measure(fd));
                }
            }
            Action::HoldLittle(_) => {}
            Action::PollWritable(key, fd) => self.kernel.poll_writable(number, key, fd),
            Action::ShutdownWrite(key) => {
                if let Some(fd) = descriptor(shard, key) {
                    self.kernel.shutdown_write(fd);
                }
            }
            Action::Shutdown(key) => {
                if let Some(fd) = descriptor(shard, key) {
                    self.kernel.shutdown(fd);
                }
            }
            Action::Close(socket) => self.kernel.close(socket, false),
            Action::Abort(socket) => self.kernel.close(socket, true),
        }
    }

    fn rest(&mut self, shard: &Shard, deadline: Option<Duration>) {
        match shard.has_work() {
            true => self.clock.await_turn(),
            false => self.clock.await_deadline(deadline),
        }
    }
}

fn tell_received(shard: &mut Shard, key: SessionKey, got: Got, more: bool) {
    let mut bytes: Vec<u8>;
    let received = match got {
        Got::Data(data) => {
            bytes = data;
            Received::Data(&mut bytes)
        }
        Got::End => Received::End,
        Got::NoBuffers => Received::NoBuffers,
        Got::Cancelled => Received::Cancelled,
        Got::Failed => Received::Failed,
    };
    shard.handle_received(key, received, more);
}

fn descriptor(shard: &Shard, key: SessionKey) -> Option<RawFd> {
    shard.socket(key).map(|fd| fd.as_raw_fd())
}

fn brief(message: &ToShard) -> String {
    match message {
        ToShard::Publish { room, messages, .. } => format!("Publish {room} {}", messages.len()),
        ToShard::Deliver { room, messages, .. } => format!("Deliver {room} {}", messages.len()),
        ToShard::Adopt { connection, .. } => format!("hands over {:?}", connection.socket),
        other => format!("{other:?}"),
    }
}

fn brief_answer(answer: &Answer) -> String {
    match answer {
        Answer::Received {
            got: Got::Data(data),
            more,
        } => format!("received {} bytes, more {more}", data.len()),
        other => format!("{other:?}"),
    }
}
