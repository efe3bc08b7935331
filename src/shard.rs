//! A shard: everything about the sessions of one core, as a state machine without I/O.
//!
//! `handle_*` methods take what happened; `poll_*` methods give out what is to be done. The shard
//! knows no ring, makes no system call and reads no clock. [`drive::turn`] makes the calls in the order
//! that [`Shard`] asks for; `crate::drive` does so on a real ring, the simulation in `tests/` on a
//! made-up kernel.
//!
//! Each part of its state is a type of its own in `parts`, and knows no shard. What happens on a shard is in
//! files that hold its methods alone, and that nobody imports.

mod parts;

// What happens on a shard.
mod alive;
mod arrive;
mod ask;
mod check;
mod client;
mod command;
mod door;
mod end;
mod figures;
mod flush;
mod holders;
mod home;
pub mod join;
mod pressure;
mod receive;
mod recover;
mod report;
mod scarce;
mod seat;
mod stop;
mod turn;
mod watch;

// Who drives it.
pub mod clock;
pub mod drive;

use std::collections::{HashSet, VecDeque};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use self::clock::earlier;
pub use self::parts::action::{Action, Measured, Received};
use self::parts::alive::Alive;
use self::parts::asks::Asks;
pub use self::parts::batch::{FlushBatch, PlannedSend};
use self::parts::credit::Lanes;
use self::parts::dead::Dead;
use self::parts::ending::Ending;
pub use self::parts::figures::{Account, HomeFigures, PlaceFigures, RoomFigures, cost_of};
use self::parts::flush::Flush;
use self::parts::keyring::KeyWaiters;
pub(crate) use self::parts::keyring::keys;
use self::parts::leases::Leases;
use self::parts::mail::Mail;
use self::parts::pressure::Pressure;
use self::parts::queues::Queues;
use self::parts::report::Reports;
pub(crate) use self::parts::report::{End, Report, ReportEvent};
use self::parts::seats::Seats;
pub(crate) use self::parts::starved::STARVED_PER_TURN_MAX;
use self::parts::starved::Starved;
use self::parts::tally::Tally;
use self::parts::waiters::Waiters;
use self::parts::watch::Watch;
use crate::auth::Keys;
use crate::config::Config;
use crate::id::{MemberId, SessionKey, ShardId};
use crate::metrics::ShardMetrics;
use crate::room::homes::Homes;
use crate::room::log::Log;
use crate::room::presence::About;
use crate::room::{Bounds, Rooms};
use crate::session::holdings::Holdings;
use crate::session::send::Plan;
use crate::session::tick::Tick;
use crate::session::{Flags, Session, Sessions};
use crate::talk::{Letter, ToShard};

/// Who a shard is and what it may use.
#[derive(Debug, Clone)]
pub struct ShardSetup {
    /// Which it is.
    pub number: ShardId,
    /// How many there are, and which is whose home.
    pub homes: Homes,
    /// Settings and limits.
    pub config: Arc<Config>,
    /// Everybody's counters; the shard writes those of its own number.
    pub metrics: Arc<[ShardMetrics]>,
    /// Where session ids, epochs and jitter come from.
    pub seed: u64,
}

/// The state of one shard.
///
/// # The order of calls
/// A turn is made of these steps, in this order; [`drive::turn`] makes them:
/// 1. [`Self::poll_flush`]. Its sends are made, and [`Self::handle_sent`] told of every one that was not
///    taken whole or is not quiet, before anything else is told: until then the shard takes quiet sends
///    for taken, and their bytes change with the next event. [`Self::handle_flushed`] says that this
///    is all.
/// 2. [`Self::handle_clock`] with the time of the turn.
/// 3. What happened to sockets: [`Self::handle_accepted`], [`Self::handle_received`],
///    [`Self::handle_writable`], `Self::accept_backed_off`. All that has happened by then, since a
///    shard judges silence only after it has heard everybody.
/// 4. What other threads say: [`Self::handle_message`], [`Self::handle_stop`], and
///    [`Self::handle_web_waiting`].
/// 5. [`Self::handle_time`]: deadlines, then [`Self::handle_turn`]: what was published is appended.
/// 6. [`Self::publish_gauges`], then [`Self::poll_letter`] until there is none: what others read when
///    they hear of the turn is no older than the turn, and they flush while this shard does.
/// 7. `Self::poll_report` and `Self::take_left_out`, while the connections they name are there.
/// 8. [`Self::poll_action`] until there is none. Each may be answered at once.
/// 9. `Self::next_deadline` and [`Self::has_work`] say how long the driver may wait.
#[derive(Debug)]
pub struct Shard {
    setup: ShardSetup,
    now: Duration,
    random: fastrand::Rng,
    sessions: Sessions,
    rooms: Rooms,
    log: Log,
    /// What waits to be put in order, passed on or appended.
    queues: Queues,
    /// How much may be passed on, and has been used up.
    lanes: Lanes,
    flush: Flush,
    /// Kept between turns so that steady work allocates nothing.
    plan: Plan,
    watch: Watch,
    /// What [`Config::message_size_limit`] says.
    message_size_limit: usize,
    /// Clients whose message waits until its room takes more.
    waiters: Waiters,
    /// What sessions want to know of rooms that have their homes here.
    asks: Asks,
    /// What tokens are held against.
    keys: Keys,
    key_waiters: KeyWaiters,
    /// Connections of users, where they are limited.
    seats: Seats,
    /// Sessions that end with the token they came in by.
    leases: Leases,
    /// The time on the wall, since the beginning of 1970: tokens are good by that.
    unix_time: Duration,
    /// What is told of clients of whom nothing is known.
    nobody: Arc<About>,
    pressure: Pressure,
    alive: Alive,
    /// What sessions hold for their peers' sake.
    holdings: Holdings,
    dead: Dead,
    /// Sessions in line for a receive buffer.
    starved: Starved,
    mail: Mail,
    reports: Reports,
    tally: Tally,
    ending: Ending,
    actions: VecDeque<Action>,
    /// Names of the rooms whose sessions stay where they were accepted.
    spread_rooms: HashSet<Arc<str>>,
    /// Messages that the web thread has not taken yet, and connections handed to it since.
    web_waiting: usize,
}

impl Shard {
    /// A shard without sessions.
    ///
    /// # Errors
    /// When its log cannot be mapped.
    pub fn new(setup: ShardSetup) -> std::io::Result<Self> {
        let config = Arc::clone(&setup.config);
        let shards = setup.homes.shards();
        Ok(Self {
            now: Duration::ZERO,
            random: fastrand::Rng::with_seed(setup.seed),
            sessions: Sessions::new(config.descriptors_max.min((1 << 24) - 1)),
            rooms: Rooms::new(
                setup.number,
                setup.homes,
                Bounds {
                    rooms_max: config.rooms_max,
                    reserved_rooms: config.reserved_rooms(),
                    index_bytes_max: config.index_bytes_max(),
                    history_bytes_max: config.history_bytes_max,
                    positions_max: config.positions_max,
                },
            ),
            log: Log::new(config.log_bytes)?,
            queues: Queues::new(config.append_bytes_max()),
            lanes: Lanes::new(shards, config.mesh_credit_bytes()),
            flush: Flush::default(),
            plan: Plan::default(),
            watch: Watch::default(),
            message_size_limit: config.message_size_limit(),
            waiters: Waiters::default(),
            asks: Asks::default(),
            keys: keys(&config.chat).map_err(std::io::Error::other)?,
            key_waiters: KeyWaiters::default(),
            seats: Seats::default(),
            leases: Leases::default(),
            unix_time: Duration::ZERO,
            nobody: Arc::new(About::new("", b"", b"").expect("nothing is not too much")),
            pressure: Pressure::default(),
            alive: Alive::default(),
            holdings: Holdings::default(),
            dead: Dead::default(),
            starved: Starved::default(),
            mail: Mail::new(setup.number),
            reports: Reports::default(),
            tally: Tally::default(),
            ending: Ending::default(),
            actions: VecDeque::new(),
            spread_rooms: HashSet::new(),
            web_waiting: 0,
            setup,
        })
    }

    // Getters.

    /// The time it was last told.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.now
    }

    /// Whether every session had its send since the last append.
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        self.flush.is_done()
    }

    /// Whether no connection is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Whether there is work that waits for nothing from outside.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.queues.has_work()
            || !self.flush.is_done()
            || !self.actions.is_empty()
            || self.dead.has_work()
            || self.starved.has_work()
            || self.pressure.has_work()
            || self.mail.has_work()
            || self.asks.has_work()
    }

    /// How many shards there are.
    #[must_use]
    pub(crate) fn shards(&self) -> u16 {
        self.setup.homes.shards()
    }

    /// Whether messages wait for another shard or for a room's members.
    #[must_use]
    pub fn is_held_up(&self) -> bool {
        self.queues.holds_anything()
    }

    /// Operations in flight over all connections.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.tally.operations()
    }

    /// When [`Self::handle_time`] has something to do next, if ever.
    #[must_use]
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        let room = self.rooms.next_deadline(self.now);
        let room = earlier(room, self.rooms.next_expiry());
        let room = earlier(room, self.leases.next_end().map(Tick::begins));
        let room_or_look = earlier(room, self.pressure.next_look());
        let others = earlier(room_or_look, self.ending.farewell_deadline());
        earlier(self.alive.next_deadline(), others)
    }

    /// The socket of a session, if it is still there.
    #[must_use]
    pub fn socket(&self, key: SessionKey) -> Option<BorrowedFd<'_>> {
        self.sessions.find(key).map(Session::socket)
    }

    // What is to be done.

    /// The next thing to do to a socket.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.bury();
        self.actions.pop_front()
    }

    /// The next message to another thread.
    pub fn poll_letter(&mut self) -> Option<Letter> {
        self.mail.poll()
    }

    /// Brings the gauges up to date; once a turn.
    pub fn publish_gauges(&self) {
        let metrics = self.metrics();
        metrics.connections.set(self.sessions.len() as u64);
        metrics.sessions.set(self.tally.open());
        metrics.operations.set(self.tally.operations());
        metrics.rooms.set(self.rooms.len() as u64);
    }

    /// How often the completion queue of this shard's ring has overflowed.
    pub fn publish_overflows(&self, count: u64) {
        self.metrics().completion_overflows.set(count);
    }

    /// A message to another thread had to wait for room in a ring.
    pub fn message_parked(&self) {
        self.metrics().mesh_parked.add(1);
    }

    // What happened.

    /// It is `now`, counted from the shard's beginning. What follows in this turn happens then;
    /// deadlines wait for [`Self::handle_time`].
    pub fn handle_clock(&mut self, now: Duration) {
        assert!(now >= self.now, "time goes forward");
        self.now = now;
    }

    /// It is so long after the beginning of 1970, as far as this machine knows.
    pub fn handle_unix_time(&mut self, unix_time: Duration) {
        self.unix_time = unix_time;
    }

    /// Everything that has arrived by the time of the turn was handled: deadlines that have passed are
    /// acted on.
    pub fn handle_time(&mut self) {
        if let Some(mut due) = self.alive.expire(self.tick()) {
            for key in due.drain(..) {
                self.deadline_reached(key);
            }
            self.alive.give_back(due);
        }
        let next_end = self.leases.next_end();
        if next_end.is_some_and(|ends| ends <= self.tick()) {
            self.end_leases();
        }
        for room in self.rooms.take_due(self.now) {
            self.home_has_time(room);
        }
        self.rooms.expire(self.now);
        self.look_at_pressure();
    }

    /// A message from another thread, or from this one to itself.
    pub fn handle_message(&mut self, message: ToShard) {
        match message {
            ToShard::Adopt {
                from,
                connection,
                placed,
            } => self.adopt(from, connection, placed),
            ToShard::Drained => self.handle_drained(),
            ToShard::Join {
                room,
                guest,
                recover,
            } => self.join(&room, guest, recover.as_deref()),
            ToShard::Joined {
                room,
                guest,
                answer,
            } => self.answered(room, guest, answer),
            ToShard::Leave { room, guest } => self.left(&room, &guest),
            ToShard::Publish {
                from,
                room,
                messages,
            } => self.put_in_line(from, &room, messages),
            ToShard::Published { acks } => self.published(&acks),
            ToShard::Withdraw {
                room,
                member,
                ticket,
            } => self.withdraw(&room, member, ticket),
            ToShard::Answer {
                asker,
                call,
                answer,
            } => self.told(asker, call, &answer),
            ToShard::Ask {
                asker,
                room,
                question,
            } => self.asked(asker, room, question),
            ToShard::Census { from, room, round } => self.census_asked(from, room, round),
            ToShard::Counted {
                from,
                room,
                round,
                members,
            } => self.counted(from, &room, round, members),
            ToShard::Deliver {
                from,
                room,
                epoch,
                messages,
            } => self.delivered(from, room, epoch, messages),
            ToShard::Spread { room, spread } => self.spread(room, spread),
            ToShard::Credit { from, lane, bytes } => self.credited(from, lane, bytes),
            ToShard::Behind { from, room, behind } => self.members_behind_on(from, &room, behind),
            ToShard::Hold { room, on } => self.held_by_home(&room, on),
            ToShard::TakeSeat { user, member } => self.seat_wanted(user, member),
            ToShard::SeatTaken { user, key, seat } => self.seat_answered(user, key, seat),
            ToShard::LeaveSeat { user } => self.seats.give_back(&user),
            ToShard::Clients { room } => self.clients_have_come(&room),
            ToShard::CountMembers {
                room,
                token,
                ticket,
            } => self.count_members(&room, token.as_deref(), ticket),
        }
    }

    /// Sessions of a room stay on the shard that accepted them, or no longer.
    fn spread(&mut self, room: Arc<str>, spread: bool) {
        if spread {
            self.spread_rooms.insert(room);
        } else {
            self.spread_rooms.remove(&room);
        }
    }

    /// So many messages to the web thread were not taken yet; once a turn.
    pub fn handle_web_waiting(&mut self, messages: usize) {
        self.web_waiting = messages;
    }

    // Helpers that every part of the shard uses.

    fn tick(&self) -> Tick {
        Tick::at(self.now)
    }

    /// The second on the wall, of the Unix epoch, as tokens count.
    fn unix_seconds(&self) -> u64 {
        self.unix_time.as_secs()
    }

    fn metrics(&self) -> &ShardMetrics {
        &self.setup.metrics[self.setup.number.index()]
    }

    fn config(&self) -> &Config {
        &self.setup.config
    }

    /// Tells every shard, this one too.
    fn tell_shards(&mut self, message: impl Fn() -> ToShard) {
        for shard in ShardId::all(self.shards()) {
            self.mail.tell(shard, message());
        }
    }

    fn member_id(&self, slot: u32) -> MemberId {
        MemberId::new(self.setup.number, self.sessions.key(slot))
    }

    fn new_id(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(self.random.u128(..).to_ne_bytes()).into_uuid()
    }

    fn begin_operation(&mut self, slot: u32, operation: Flags) {
        self.sessions.at_mut(slot).begin(operation);
        self.tally.begin_operation();
    }

    fn end_operation(&mut self, slot: u32, operation: Flags) {
        self.sessions.at_mut(slot).end(operation);
        self.tally.end_operation();
    }

    /// Puts the session among those to flush, unless its socket is known to be full.
    fn mark_dirty(&mut self, slot: u32) {
        self.flush.add_session(slot, self.sessions.at_mut(slot));
    }

    /// Makes sure that the wheel brings the session up by `deadline`.
    fn schedule(&mut self, slot: u32, deadline: Tick) {
        let (key, tick) = (self.sessions.key(slot), self.tick());
        (self.alive).schedule(self.sessions.at_mut(slot), key, deadline, tick);
    }
}
