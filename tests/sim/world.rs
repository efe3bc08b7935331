//! One run: shards, the mesh between them, the kernel below and the clients around them.

use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use fanring::id::{SessionKey, ShardId};
use fanring::mesh::ThreadId;
use fanring::metrics::ShardMetrics;
use fanring::room::homes::Homes;
use fanring::shard::clock::Clock;
use fanring::shard::{Action, FlushBatch, Message, Received, Shard, ShardSetup};
use fastrand::Rng;

use crate::client::{Client, Leave, Role, Stage};
use crate::kernel::{Answer, Got, Kernel};
use crate::links::Links;
use crate::settings::Settings;
use crate::trace;

/// Messages a shard takes from each ring in a turn.
const MESH_MESSAGES_MAX: usize = 256;

/// Everything there is in a run.
pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) kernel: Kernel,
    pub(crate) clients: Vec<Client>,
    pub(crate) shards: Vec<Shard>,
    pub(crate) metrics: Arc<[ShardMetrics]>,
    pub(crate) links: Links,
    pub(crate) rng: Rng,
    pub(crate) now: Duration,
    /// How long it stood still in all, and how often.
    stalled: Duration,
    pub(crate) stalls: u32,
    /// The clocks of the shards, which leave out stalls.
    clocks: Vec<Clock>,
    /// Counts what happened: which of two things was first.
    pub(crate) clock: u64,
    stopping: bool,
    batch: FlushBatch,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let settings = Settings::draw(&mut rng);
        let shards = settings.config.shards.get();
        trace!("{settings:?}");
        let config = Arc::new(settings.config.clone());
        let metrics: Arc<[ShardMetrics]> = (0..shards).map(|_| ShardMetrics::default()).collect();
        let shards_u16 = u16::try_from(shards).expect("three at most");
        let make = |number: ShardId| {
            let setup = ShardSetup {
                number,
                homes: Homes::new(shards_u16, u128::from(seed)),
                config: Arc::clone(&config),
                metrics: Arc::clone(&metrics),
                seed: seed.wrapping_add(u64::from(number.number())),
            };
            Shard::new(setup).expect("its log is small")
        };
        let mut world = Self {
            kernel: Kernel::new(shards, settings.odds),
            clients: Vec::new(),
            shards: ShardId::all(shards_u16).map(make).collect(),
            metrics: Arc::clone(&metrics),
            links: Links::new(shards + 1, settings.mesh_messages),
            rng,
            now: Duration::ZERO,
            stalled: Duration::ZERO,
            stalls: 0,
            clocks: (0..shards).map(|_| Clock::default()).collect(),
            clock: 0,
            stopping: false,
            batch: FlushBatch::default(),
            settings,
        };
        world.invite();
        world
    }

    /// Decides who comes to which room; some rooms have a witness.
    fn invite(&mut self) {
        let rng = &mut self.rng;
        let mut number = 0;
        for room in 0..self.settings.rooms {
            if !self.settings.crowded && rng.u8(..3) > 0 {
                self.clients
                    .push(Client::new(number, room, Role::Witness, rng));
                number += 1;
            }
        }
        for _ in 0..self.settings.clients {
            let role = match rng.u8(..16) {
                0 => Role::Rude,
                1 => Role::Stranger,
                2 => Role::Browser,
                _ => Role::Member,
            };
            let room = rng.usize(..self.settings.rooms);
            self.clients.push(Client::new(number, room, role, rng));
            number += 1;
        }
        for client in &mut self.clients {
            client.hasty = self.settings.config.idle_timeout < Duration::from_secs(60);
        }
    }

    /// A client connects, to whichever shard's listener the kernel picks.
    pub(crate) fn connect(&mut self, client: usize) {
        let witness = self.clients[client].role == Role::Witness;
        let window = if witness {
            usize::MAX
        } else {
            self.rng.usize(2000..=self.settings.window_bytes_max)
        };
        let (connection, socket) = self.kernel.connect(window);
        let shard = self.rng.usize(..self.shards.len());
        self.clock += 1;
        self.clients[client].connect(connection, self.clock, &mut self.rng);
        trace!("client {client} connects to shard {shard} as connection {connection}");
        self.shards[shard].handle_accepted(socket);
    }

    /// Every client writes and reads what it can.
    pub(crate) fn exchange(&mut self, eager: bool) -> Result<(), String> {
        for client in &mut self.clients {
            self.clock += 1;
            let rng = &mut self.rng;
            let reads = eager
                || client.role == Role::Witness
                || rng.u32(..1000) < self.settings.manners.read;
            let bytes = if eager || client.role == Role::Witness || rng.bool() {
                usize::MAX
            } else {
                rng.usize(1..5000)
            };
            let before = (client.stage, client.close_code);
            client.now = self.now - self.stalled;
            client
                .exchange(&mut self.kernel, if reads { bytes } else { 0 }, self.clock)
                .map_err(|why| format!("client {}: {why}", client.number))?;
            if (client.stage, client.close_code) != before {
                let (number, stage, code) = (client.number, client.stage, client.close_code);
                trace!("client {number} is {stage:?}, close code {code:?}");
            }
        }
        Ok(())
    }

    /// Clients do something by chance.
    pub(crate) fn act(&mut self) {
        for client in &mut self.clients {
            self.clock += 1;
            client.act(
                &mut self.kernel,
                &self.settings.manners,
                self.clock,
                &mut self.rng,
            );
        }
    }

    /// Time passes, operations end, and shards have their turns.
    pub(crate) fn step(&mut self) {
        let most = u64::try_from(self.settings.step_max.as_micros()).unwrap_or(u64::MAX);
        self.now += Duration::from_micros(self.rng.u64(..=most));
        self.kernel.progress(&mut self.rng);
        let first = self.rng.usize(..self.shards.len());
        for number in 0..self.shards.len() {
            if self.rng.u8(..4) > 0 {
                self.turn((first + number) % self.shards.len());
            }
        }
        self.web_turn();
    }

    /// The same order of things as in the shard's event loop.
    fn turn(&mut self, number: usize) {
        self.flush(number);
        let now = self.clocks[number].read(self.now);
        self.shards[number].handle_clock(now);
        self.reap(number);
        self.take_messages(number);
        self.shards[number].handle_time(now);
        self.shards[number].handle_turn();
        self.tell_others(number);
        self.perform(number);
        self.clocks[number].await_deadline(self.shards[number].next_deadline());
    }

    /// At times the whole process stands still for longer than anybody may be silent. Clients don't: they
    /// read what there is, and write.
    pub(crate) fn stall(&mut self) -> Result<(), String> {
        if self.rng.u32(..1000) >= self.settings.stalls {
            return Ok(());
        }
        let stall = Duration::from_millis(self.rng.u64(1000..20_000));
        self.now += stall;
        self.stalled += stall;
        self.stalls += 1;
        trace!("the process stood still until {:?}", self.now);
        self.exchange(true)
    }

    fn tell_others(&mut self, number: usize) {
        self.shards[number].publish_gauges();
        while let Some((to, message)) = self.shards[number].poll_message() {
            if let Message::Serve { socket, .. } | Message::Adopt { socket, .. } = &message {
                self.kernel.hand_over(socket.as_raw_fd());
            }
            trace!("shard {number} to {}: {}", to.0, brief(&message));
            self.links.send(number, usize::from(to.0), message);
        }
    }

    fn reap(&mut self, number: usize) {
        for completion in self.kernel.reap(number, &mut self.rng) {
            let (key, shard) = (completion.key, &mut self.shards[number]);
            trace!(
                "shard {number}, connection {}, {key:?}: {}",
                completion.connection,
                brief_answer(&completion.answer)
            );
            match completion.answer {
                Answer::Received { got, more } => {
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
                Answer::Writable => shard.handle_writable(key),
            }
        }
    }

    fn take_messages(&mut self, number: usize) {
        for from in 0..=self.shards.len() {
            let messages = self
                .links
                .receive(from, number, MESH_MESSAGES_MAX, &mut self.rng);
            for message in messages {
                let from = ThreadId(u16::try_from(from).expect("four at most"));
                self.shards[number].handle_message(from, message);
            }
        }
        let stops = self.stopping && !self.shards[number].is_stopping();
        if stops && self.rng.bool() {
            self.shards[number].handle_stop();
        }
        self.links.unpark(number);
        let waiting = self.links.waiting(number, self.shards.len());
        self.shards[number].handle_web_waiting(waiting);
    }

    fn flush(&mut self, number: usize) {
        let shard = &mut self.shards[number];
        shard.poll_flush(self.settings.flush_sends_max, &mut self.batch);
        let mut answers = Vec::new();
        for (place, send) in self.batch.sends.iter().enumerate() {
            let mut bytes = Vec::new();
            for slice in shard.slices(&self.batch, send) {
                assert!(!slice.is_empty(), "an empty slice");
                bytes.extend_from_slice(slice);
            }
            let sent = self.kernel.send(send.fd, &bytes, &mut self.rng);
            let whole = sent.is_some_and(|sent| sent as usize == bytes.len());
            if !(whole && send.is_quiet()) {
                answers.push((place, sent));
            }
        }
        // All were made before the first answer is heard, as by one submission, and Linux 6.1 lets
        // answers overtake one another.
        self.rng.shuffle(&mut answers);
        for (place, sent) in answers {
            shard.handle_sent(&self.batch, place, sent);
        }
    }

    fn perform(&mut self, number: usize) {
        while let Some(action) = self.shards[number].poll_action() {
            trace!("shard {number}: {action:?}");
            match action {
                Action::ReceiveOnce(key, fd) => self.kernel.receive(number, key, fd, false),
                Action::Receive(key, fd) => self.kernel.receive(number, key, fd, true),
                Action::CancelReceive(key) => {
                    if let Some(fd) = self.fd(number, key) {
                        self.kernel.cancel_receive(fd);
                    }
                }
                Action::Measure(key) => {
                    if let Some(fd) = self.fd(number, key) {
                        let measured = self.kernel.measure(fd);
                        self.shards[number].handle_measured(key, measured);
                    }
                }
                Action::PollWritable(key, fd) => self.kernel.poll_writable(number, key, fd),
                Action::ShutdownWrite(key) => {
                    if let Some(fd) = self.fd(number, key) {
                        self.kernel.shutdown_write(fd);
                    }
                }
                Action::Shutdown(key) => {
                    if let Some(fd) = self.fd(number, key) {
                        self.kernel.shutdown(fd);
                    }
                }
                Action::Close(socket) => self.kernel.close(socket, false),
                Action::Abort(socket) => self.kernel.close(socket, true),
            }
        }
    }

    fn fd(&mut self, number: usize, key: SessionKey) -> Option<i32> {
        self.shards[number].socket(key).map(|fd| fd.as_raw_fd())
    }

    /// The web thread closes whatever it is handed.
    fn web_turn(&mut self) {
        let web = self.shards.len();
        for from in 0..web {
            for message in self.links.receive(from, web, usize::MAX, &mut self.rng) {
                match message {
                    Message::Serve { socket, bytes } => {
                        assert!(bytes.ends_with(b"\r\n\r\n"), "a whole request head");
                        self.kernel.serve(socket);
                    }
                    other => panic!("not for the web thread: {other:?}"),
                }
            }
        }
    }

    /// Tells every shard to stop; each hears of it in one of its next turns.
    pub(crate) fn stop(&mut self) {
        self.stopping = true;
    }

    /// Whether nothing happens any more unless a client or the time makes it.
    pub(crate) fn is_quiet(&self) -> bool {
        self.kernel.is_quiet()
            && self.links.is_quiet()
            && self
                .shards
                .iter()
                .all(|shard| !shard.has_work() && !shard.is_held_up())
            && (self.shards.iter()).all(|shard| shard.is_stopping() == self.stopping)
    }

    /// At times one of the members leaves, of those that say no goodbye to the others.
    pub(crate) fn leave_one(&mut self) {
        let number = self.rng.usize(..self.clients.len());
        let client = &mut self.clients[number];
        if client.role == Role::Member && !client.presence && self.rng.bool() {
            client.leave(Leave::Vanish, &mut self.kernel);
        }
    }

    /// Has every client that is still there leave in some way.
    pub(crate) fn leave_all(&mut self, witnesses: bool) {
        for client in &mut self.clients {
            if (client.role == Role::Witness) == witnesses && client.stage != Stage::Ended {
                let leaves = [Leave::Close, Leave::Finish, Leave::Vanish];
                client.leave(leaves[self.rng.usize(..3)], &mut self.kernel);
            }
        }
    }
}

fn brief(message: &Message) -> String {
    match message {
        Message::Publish { room, entries, .. } => format!("Publish {room} {}", entries.len()),
        Message::Deliver {
            room,
            entries,
            frames,
            ..
        } => format!("Deliver {room} {} of {} bytes", entries.len(), frames.len()),
        Message::Adopt { socket, .. } | Message::Serve { socket, .. } => {
            format!("hands over {socket:?}")
        }
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
