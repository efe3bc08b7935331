//! One run: shards, the mesh between them, the kernel below and everybody around them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use fanring::id::{SessionKey, ShardId};
use fanring::metrics::ShardMetrics;
use fanring::room::homes::Homes;
use fanring::shard::clock::Clock;
use fanring::shard::drive::turn;
use fanring::shard::{FlushBatch, PlaceFigures, Shard, ShardSetup};
use fanring::talk::{ToShard, ToWeb};
use fastrand::Rng;

use super::actor::{Actor, Stage, Who};
use super::settings::Settings;
use super::tally::Tally;
use crate::driver::{Onlooker, SimDriver};
use crate::kernel::Kernel;
use crate::links::Links;
use crate::support::chat::ledger::Ledger;
use crate::support::chat::plain::Plain;
use crate::support::chat::room::Room;
use crate::support::chat::sdk::{Event, Sdk};
use crate::support::chat::told::Encoding;
use crate::trace;

/// What is known of a room's home besides.
#[derive(Debug, Clone, Copy, Default)]
struct Sighting {
    /// When somebody was there last, or something was said.
    visited_at: Duration,
    /// Whether there was none when it was looked at last.
    is_gone: bool,
}

/// Everything there is in a run.
pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) kernel: Kernel,
    pub(crate) actors: Vec<Actor>,
    /// Plain members whose connections have ended.
    pub(crate) gone: Vec<Plain>,
    pub(crate) ledger: Ledger,
    pub(crate) homes: Homes,
    sightings: Vec<Sighting>,
    /// What clients were told of who is in which room, since somebody wanted to know.
    pub(crate) answers: Vec<Event>,
    pub(crate) tally: Tally,
    pub(crate) shards: Vec<Shard>,
    pub(crate) metrics: Arc<[ShardMetrics]>,
    to_shards: Links<ToShard>,
    to_web: Links<ToWeb>,
    pub(crate) rng: Rng,
    pub(crate) now: Duration,
    clocks: Vec<Clock>,
    pub(crate) is_stopping: bool,
    batch: FlushBatch,
    digest: DefaultHasher,
}

/// Whoever only wants to know whether a run is the same as another.
struct Digest<'a>(&'a mut DefaultHasher);

impl Onlooker for Digest<'_> {
    type View = usize;

    fn planned(
        &mut self,
        _shard: &Shard,
        _key: SessionKey,
        _connection: usize,
        bytes: &[u8],
    ) -> Result<usize, String> {
        Ok(bytes.len())
    }

    fn taken(&mut self, connection: usize, planned: &usize, bytes: usize) {
        (connection, planned, bytes).hash(self.0);
    }

    fn before_event(&mut self, _shard: &mut Shard, _kernel: &Kernel, _rng: &mut Rng) {}

    fn behind_events(&mut self, _shard: &mut Shard, _kernel: &Kernel) {}
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let settings = Settings::draw(seed, &mut rng);
        trace!("{settings:?}");
        let config = Arc::new(settings.config.clone());
        let shards = settings.config.shards.get();
        let shards_u16 = u16::try_from(shards).expect("three at most");
        let metrics: Arc<[ShardMetrics]> = (0..shards).map(|_| ShardMetrics::default()).collect();
        let homes = Homes::new(shards_u16, u128::from(seed));
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
        let rooms = settings.names.rooms.iter();
        let rooms: Vec<Room> = rooms
            .map(|(name, rules)| {
                let mut room = Room::new(name, *rules);
                // Otherwise rooms may be gone again before anybody looks.
                room.chronicle.is_watched = !settings.is_squeezed;
                room
            })
            .collect();

        let mut world = Self {
            kernel: Kernel::new(shards, settings.odds),
            actors: Vec::new(),
            gone: Vec::new(),
            sightings: vec![Sighting::default(); rooms.len()],
            ledger: Ledger {
                rooms,
                ..Ledger::default()
            },
            homes,
            answers: Vec::new(),
            tally: Tally::default(),
            shards: ShardId::all(shards_u16).map(make).collect(),
            metrics: Arc::clone(&metrics),
            to_shards: Links::new(shards + 1, settings.mesh_messages),
            to_web: Links::new(shards + 1, settings.mesh_messages),
            rng,
            now: Duration::ZERO,
            clocks: (0..shards).map(|_| Clock::default()).collect(),
            is_stopping: false,
            batch: FlushBatch::new(settings.flush_sends_max),
            digest: DefaultHasher::new(),
            settings,
        };
        world.invite();
        world
    }

    /// Decides who comes: a witness at times, who is in every room, and all others.
    fn invite(&mut self) {
        let rng = &mut self.rng;
        let has_witness = rng.bool();
        let rooms = self.settings.names.rooms.len();
        for number in 0..self.settings.actors {
            let encoding = if rng.bool() {
                Encoding::Json
            } else {
                Encoding::Protobuf
            };
            let is_witness = has_witness && number == 0;
            let who = if is_witness || rng.u8(..4) > 0 {
                let mut sdk = Sdk::new(encoding);
                sdk.is_witness = is_witness;
                Who::Sdk(sdk)
            } else {
                let room = rng.usize(..rooms);
                let ledger = &mut self.ledger;
                Who::Plain(Plain::new(room, rng.bool(), rng.u8(..4) == 0, ledger))
            };
            let mut actor = Actor::new(number, who);
            actor.is_witness = is_witness;
            actor.is_publisher = !is_witness && number <= self.settings.publishers;
            if !is_witness {
                let delay = rng.u64(..3000);
                actor.stage = Stage::Absent(Duration::from_millis(delay));
            }
            self.actors.push(actor);
        }
    }

    pub(crate) fn has_witness(&self) -> bool {
        self.actors[0].is_witness
    }

    /// What a run was, in a number.
    pub(crate) fn digest(&self) -> u64 {
        self.digest.finish()
    }

    /// Somebody connects, to whichever shard's listener the kernel picks.
    pub(crate) fn connect(&mut self, actor: usize) {
        let is_witness = self.actors[actor].is_witness;
        let window = match is_witness {
            true => usize::MAX,
            false => self.rng.usize(2000..=self.settings.window_bytes_max),
        };
        let (connection, socket) = self.kernel.connect(window);
        let shard = self.rng.usize(..self.shards.len());
        let here = &mut self.actors[actor];
        if let Who::Plain(plain) = &here.who {
            self.gone.push(plain.clone());
        }
        here.connect(connection, self.now, &mut self.ledger, &mut self.rng);
        trace!(
            "{actor} connects to shard {shard} as connection {connection}, author {}",
            here.author()
        );
        self.shards[shard].handle_accepted(socket);
    }

    /// Time passes, operations end, and shards have their turns.
    pub(crate) fn step(&mut self) -> Result<(), String> {
        let most = u64::try_from(self.settings.step_max.as_micros()).unwrap_or(u64::MAX);
        self.now += Duration::from_micros(self.rng.u64(..=most));
        self.kernel.progress(&mut self.rng);
        let first = self.rng.usize(..self.shards.len());
        for number in 0..self.shards.len() {
            if self.rng.u8(..4) > 0 {
                let shard = (first + number) % self.shards.len();
                self.turn(shard)?;
                self.look_at_homes(shard)?;
                self.shards[shard].check_invariants()?;
            }
        }
        Ok(())
    }

    fn turn(&mut self, number: usize) -> Result<(), String> {
        let mut driver = SimDriver {
            number,
            shards: self.shards.len(),
            kernel: &mut self.kernel,
            to_shards: &mut self.to_shards,
            to_web: &mut self.to_web,
            rng: &mut self.rng,
            clock: &mut self.clocks[number],
            now: self.now,
            stopping: self.is_stopping,
            onlooker: Digest(&mut self.digest),
        };
        turn(&mut self.shards[number], &mut self.batch, &mut driver)?;
        self.name_plain_members(number);
        Ok(())
    }

    /// Learns what plain members are called, whom nobody tells.
    fn name_plain_members(&mut self, number: usize) {
        for actor in &self.actors {
            if actor.stage != Stage::Head {
                continue;
            }
            let Some(plain) = actor.plain().filter(|plain| plain.is_visible) else {
                continue;
            };
            let session = self.kernel.session(actor.connection);
            if let Some((_, key)) = session.filter(|(shard, _)| *shard == number)
                && let Some(id) = self.shards[number].public_id(key)
            {
                let author = &mut self.ledger.authors[plain.author as usize];
                author.name = Some(id.to_string());
            }
        }
    }

    /// Notes how far the rooms have come that have their homes on a shard.
    fn look_at_homes(&mut self, shard: usize) -> Result<(), String> {
        let now = self.shards[shard].now();
        for number in 0..self.ledger.rooms.len() {
            let name = &self.ledger.rooms[number].name;
            if self.homes.of(name).index() != shard {
                continue;
            }
            let figures = self.shards[shard].room_figures(name);
            let home = figures.and_then(|figures| figures.home);
            self.ledger.rooms[number].now = now;
            let is_used = home
                .as_ref()
                .is_some_and(|home| home.members.iter().sum::<u32>() > 0);
            let place = home.and_then(|home| home.place);
            self.look_at_home(number, place.as_ref(), is_used)
                .map_err(|why| format!("room {number}: {why}"))?;
        }
        Ok(())
    }

    fn look_at_home(
        &mut self,
        number: usize,
        place: Option<&PlaceFigures>,
        is_used: bool,
    ) -> Result<(), String> {
        let (room, sighting) = (&mut self.ledger.rooms[number], &mut self.sightings[number]);
        let now = room.now;
        let is_forgotten = self.settings.config.positions_max == 1
            || (sighting.is_gone && now >= sighting.visited_at + self.settings.names.remembered);
        room.may_begin = room.chronicle.current().is_none() || is_forgotten;
        if let Some(place) = place {
            let is_new = room.chronicle.incarnation(&place.epoch) != room.chronicle.current()
                || room.chronicle.current().is_none();
            if is_new && !room.may_begin {
                return Err(format!("it is forgotten too early: {place:?}"));
            }
            self.tally.anew += u64::from(is_new && room.chronicle.current().is_some());
            let one = room.chronicle.begin(&place.epoch)?;
            if is_new || self.settings.is_squeezed {
                room.chronicle.doubt(one, place.top);
            }
            if place.top < room.chronicle.top(one) {
                return Err(format!("its order goes back to {place:?}"));
            }
            if place.top > room.chronicle.top(one) {
                sighting.visited_at = now;
                room.chronicle.place(one, place.top, now, now);
            }
        }
        sighting.is_gone = place.is_none();
        if is_used {
            sighting.visited_at = now;
        }
        Ok(())
    }

    /// At times the whole process stands still. Others don't.
    pub(crate) fn stall(&mut self) -> Result<(), String> {
        if self.rng.u32(..1000) >= self.settings.stalls {
            return Ok(());
        }
        self.now += Duration::from_millis(self.rng.u64(1000..20_000));
        trace!("the process stood still until {:?}", self.now);
        self.exchange(true)
    }

    /// Whether nothing happens any more unless somebody or the time makes it.
    pub(crate) fn is_quiet(&self) -> bool {
        let is_idle = |shard: &Shard| !shard.has_work() && !shard.is_held_up();
        self.kernel.is_quiet() && self.to_shards.is_quiet() && self.shards.iter().all(is_idle)
    }
}
