//! What is around a shard in the simulation: the made-up kernel, the mesh, and chance.

use std::collections::BTreeSet;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use fanring::id::SessionKey;
use fanring::shard::clock::Clock;
use fanring::shard::drive::Driver;
use fanring::shard::{Action, FlushBatch, Received, Shard};
use fanring::talk::{Handover, Letter, ToShard, ToWeb};
use fastrand::Rng;

use crate::kernel::{Answer, Got, Kernel};
use crate::links::Links;
use crate::trace;

/// Messages a shard takes from each ring in a turn.
const MESH_MESSAGES_MAX: usize = 256;

/// Whoever looks at what a shard does besides, and may want something of it.
pub(crate) trait Onlooker {
    /// What it makes of a send.
    type View;

    /// These bytes are to be sent on a connection.
    fn planned(
        &mut self,
        shard: &Shard,
        key: SessionKey,
        connection: usize,
        bytes: &[u8],
    ) -> Result<Self::View, String>;

    /// So many of them were taken.
    fn taken(&mut self, connection: usize, view: &Self::View, bytes: usize);

    /// Something is about to happen on a socket.
    fn before_event(&mut self, shard: &mut Shard, kernel: &Kernel, rng: &mut Rng);

    /// All has happened that has by now.
    fn behind_events(&mut self, shard: &mut Shard, kernel: &Kernel);
}

/// The world as one shard meets it in one turn.
pub(crate) struct SimDriver<'a, O> {
    pub(crate) number: usize,
    pub(crate) shards: usize,
    pub(crate) kernel: &'a mut Kernel,
    pub(crate) to_shards: &'a mut Links<ToShard>,
    pub(crate) to_web: &'a mut Links<ToWeb>,
    pub(crate) rng: &'a mut Rng,
    pub(crate) clock: &'a mut Clock,
    pub(crate) now: Duration,
    pub(crate) stopping: bool,
    pub(crate) onlooker: O,
}

impl<O: Onlooker> Driver for SimDriver<'_, O> {
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
            let onlooker = &mut self.onlooker;
            let view = (onlooker.planned(shard, send.key, connection, &bytes)).map_err(|why| {
                format!(
                    "connection {connection} is sent {} bytes: {why}",
                    bytes.len()
                )
            })?;
            let session = (self.number, send.key);
            let sent = self.kernel.send(session, send.fd, &bytes, self.rng);
            onlooker.taken(connection, &view, sent.unwrap_or(0) as usize);
            trace!(
                "shard {}, connection {connection}: {sent:?} of {} bytes were taken",
                self.number,
                bytes.len()
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
            (self.onlooker).before_event(shard, self.kernel, self.rng);
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
        self.onlooker.behind_events(shard, self.kernel);
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
