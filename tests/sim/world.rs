//! One run: shards, the mesh between them, the kernel below and the clients around them.

use std::sync::Arc;
use std::time::Duration;

use fanring::id::ShardId;
use fanring::metrics::ShardMetrics;
use fanring::room::homes::Homes;
use fanring::shard::clock::Clock;
use fanring::shard::drive::turn;
use fanring::shard::{FlushBatch, Shard, ShardSetup};
use fanring::talk::{Handover, ToShard, ToWeb};
use fastrand::Rng;

use crate::client::Client;
use crate::counts::Counts;
use crate::driver::SimDriver;
use crate::kernel::Kernel;
use crate::links::Links;
use crate::roamers::Roamers;
use crate::roles::{Leave, Role, Stage};
use crate::settings::Settings;
use crate::tape::Tape;
use crate::trace;

/// How far a room has come that everybody is to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deserted {
    /// They are on their way out.
    Leaving,
    /// Its home has forgotten it.
    Gone,
}

/// Everything there is in a run.
pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) kernel: Kernel,
    pub(crate) clients: Vec<Client>,
    /// The rooms' names.
    pub(crate) names: Vec<Arc<str>>,
    pub(crate) homes: Homes,
    /// Which of them are held, and which everybody has left.
    pub(crate) held: Vec<bool>,
    pub(crate) deserted: Vec<Option<Deserted>>,
    /// What each connection was sent.
    pub(crate) tapes: Vec<Tape>,
    pub(crate) counts: Counts,
    pub(crate) shards: Vec<Shard>,
    pub(crate) metrics: Arc<[ShardMetrics]>,
    pub(crate) to_shards: Links<ToShard>,
    pub(crate) to_web: Links<ToWeb>,
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
        let homes = Homes::new(shards_u16, u128::from(seed));
        let rooms = settings.rooms + settings.side_rooms;
        let make = |number: ShardId| {
            let setup = ShardSetup {
                number,
                homes,
                config: Arc::clone(&config),
                metrics: Arc::clone(&metrics),
                seed: seed.wrapping_add(u64::from(number.number())),
            };
            Shard::new(setup).expect("its log is small")
        };
        let mut world = Self {
            kernel: Kernel::new(shards, settings.odds),
            clients: Vec::new(),
            names: (0..rooms).map(|room| format!("r{room}").into()).collect(),
            homes,
            held: vec![false; rooms],
            deserted: vec![None; rooms],
            tapes: Vec::new(),
            counts: Counts::default(),
            shards: ShardId::all(shards_u16).map(make).collect(),
            metrics: Arc::clone(&metrics),
            to_shards: Links::new(shards + 1, settings.mesh_messages),
            to_web: Links::new(shards + 1, settings.mesh_messages),
            rng,
            now: Duration::ZERO,
            stalled: Duration::ZERO,
            stalls: 0,
            clocks: (0..shards).map(|_| Clock::default()).collect(),
            clock: 0,
            stopping: false,
            batch: FlushBatch::new(settings.flush_sends_max),
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
            client.roams = client.role == Role::Member && self.rng.bool();
        }
        if self.settings.lone_roamer {
            let roamers = self.clients.iter_mut().filter(|client| client.roams);
            roamers.skip(1).for_each(|client| client.roams = false);
        }
    }

    /// How many shards there are.
    pub(crate) fn shard_count(&self) -> u16 {
        u16::try_from(self.shards.len()).expect("three at most")
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
        self.tapes.push(Tape::default());
        assert_eq!(self.tapes.len(), connection + 1);
        let here = &mut self.clients[client];
        here.now = self.now - self.stalled;
        here.connect(connection, self.clock, &mut self.rng);
        if here.role == Role::Member && self.rng.u8(..12) == 0 {
            here.leave_at_once(Leave::ALL[self.rng.usize(..3)], &mut self.kernel);
            self.counts.left_at_once += 1;
        }
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
    pub(crate) fn step(&mut self) -> Result<(), String> {
        let most = u64::try_from(self.settings.step_max.as_micros()).unwrap_or(u64::MAX);
        self.now += Duration::from_micros(self.rng.u64(..=most));
        self.kernel.progress(&mut self.rng);
        let first = self.rng.usize(..self.shards.len());
        for number in 0..self.shards.len() {
            if self.rng.u8(..4) > 0 {
                self.turn((first + number) % self.shards.len())?;
            }
        }
        self.web_turn();
        self.watch_rooms();
        Ok(())
    }

    fn turn(&mut self, number: usize) -> Result<(), String> {
        self.clock += 1;
        let own_rooms: Vec<usize> = self.clients.iter().map(|client| client.room).collect();
        let wishes = self.wishes(number);
        let mut driver = SimDriver {
            number,
            shards: self.shards.len(),
            kernel: &mut self.kernel,
            to_shards: &mut self.to_shards,
            to_web: &mut self.to_web,
            rng: &mut self.rng,
            clock: &mut self.clocks[number],
            now: self.now,
            stopping: self.stopping,
            onlooker: Roamers {
                number,
                names: &self.names,
                own_rooms: &own_rooms,
                tapes: &mut self.tapes,
                counts: &mut self.counts,
                wishes,
                granted: Vec::new(),
                named: Vec::new(),
            },
        };
        turn(&mut self.shards[number], &mut self.batch, &mut driver)?;
        let Roamers { granted, named, .. } = driver.onlooker;
        for (connection, id) in named {
            let mut clients = self.clients.iter_mut();
            let client = clients.find(|client| client.connection == connection);
            client.expect("each connection is a client's").id = Some(id);
        }
        self.clock += 1;
        self.note_granted(granted)?;
        self.note_changes(number)
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

    /// The web thread closes whatever it is handed.
    fn web_turn(&mut self) {
        let web = self.shards.len();
        for from in 0..web {
            for message in self.to_web.receive(from, web, usize::MAX, &mut self.rng) {
                match message {
                    ToWeb::Serve(Handover { socket, bytes }) => {
                        assert!(bytes.ends_with(b"\r\n\r\n"), "a whole request head");
                        self.kernel.serve(socket);
                    }
                    ToWeb::MembersCounted { .. } => panic!("nobody has asked"),
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
            && self.to_shards.is_quiet()
            && self.to_web.is_quiet()
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
                client.leave(Leave::ALL[self.rng.usize(..3)], &mut self.kernel);
            }
        }
    }
}
