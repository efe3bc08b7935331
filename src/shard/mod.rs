//! A shard: everything about the sessions of one core, as a state machine without I/O.
//!
//! `handle_*` methods take what happened; `poll_*` methods give out what is to be done. The shard
//! knows no ring, makes no system call and reads no clock: [`Shard::handle_time`] says what time
//! it is. `event_loop` runs it on a real ring, the simulation in `tests/` on a made-up kernel.

mod check;
pub mod clock;
mod connect;
mod credit;
pub(crate) mod event_loop;
mod flush;
mod hold;
mod leave;
pub mod message;
mod pause;
mod receive;
pub mod report;
mod scarce;
mod silence;
mod stop;
mod turn;

use std::collections::{HashMap, HashSet, VecDeque};
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

pub use self::flush::{FlushBatch, PlannedSend};
pub use self::message::Message;
pub use self::receive::Received;
pub use self::silence::Measured;
use crate::config::Config;
use crate::id::{LogPosition, MemberId, RoomId, SessionKey, ShardId};
use crate::mesh::ThreadId;
use crate::metrics::ShardMetrics;
use crate::room::homes::Homes;
use crate::room::log::Log;
use crate::room::staging::{Entry, Staging};
use crate::room::{Rendition, Rooms};
use crate::session::holdings::Holdings;
use crate::session::tick::Tick;
use crate::session::wheel::Wheel;
use crate::session::{Flags, Session, Sessions};

/// Something to be done to a socket. Those that name a session and are not called otherwise are
/// operations: each is answered by exactly one terminal event.
#[derive(Debug)]
pub enum Action {
    /// Receive once, into a buffer of the receive ring.
    ReceiveOnce(SessionKey, RawFd),
    /// Receive until told otherwise.
    Receive(SessionKey, RawFd),
    /// Cancel the receive in flight; the answer is the receive's own.
    CancelReceive(SessionKey),
    /// Say with [`Shard::handle_measured`], at once, how far the peer has come. No operation.
    Measure(SessionKey),
    /// Say when the socket is writable.
    PollWritable(SessionKey, RawFd),
    /// Shut down the write side: a FIN after everything sent.
    ShutdownWrite(SessionKey),
    /// Shut down both sides: every operation in flight completes.
    Shutdown(SessionKey),
    /// Close a socket on which no operation is in flight.
    Close(OwnedFd),
    /// The same with a reset, which frees what the kernel still holds for the peer.
    Abort(OwnedFd),
}

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
    /// Where session ids and jitter come from.
    pub seed: u64,
}

/// The state of one shard.
#[derive(Debug)]
pub struct Shard {
    setup: ShardSetup,
    now: Duration,
    random: fastrand::Rng,
    sessions: Sessions,
    rooms: Rooms,
    log: Log,
    wheel: Wheel,
    /// Messages for rooms whose home this is: they wait for their place in the order.
    sequencing: Staging,
    /// Messages for rooms with other homes: they wait to be passed on.
    outbound: Staging,
    /// How much may be passed on, and has been used up.
    credits: credit::Lanes,
    /// What other shards have sequenced, waiting until the flush under way has come further.
    deliveries: VecDeque<turn::Delivery>,
    /// Slots with private replies or a writable socket.
    dirty_sessions: VecDeque<u32>,
    /// Audiences whose flush is under way.
    dirty_audiences: VecDeque<(RoomId, Rendition)>,
    /// What sessions hold for their peers' sake.
    holdings: Holdings,
    /// Sessions whose sockets were full: only these can fall behind.
    watched: Vec<SessionKey>,
    /// Sessions that are not read from for now.
    paused: Vec<SessionKey>,
    /// One of those has got all its private replies since they were last looked at.
    paused_drained: bool,
    /// Dead sessions whose slots may be free.
    dead: Vec<SessionKey>,
    /// What was last seen of the sockets of silent and closing sessions.
    looks: HashMap<SessionKey, silence::Look>,
    /// Frames that skipped sessions have missed and not yet been told of.
    missed: HashMap<SessionKey, u64>,
    /// Rooms that owe a member count.
    counts_due: Vec<RoomId>,
    /// Names of the rooms whose sessions stay where they were accepted.
    spread_rooms: HashSet<Arc<str>>,
    /// Members here that are behind, and rooms that wait for such members.
    congestion: pause::Congestion,
    actions: VecDeque<Action>,
    outgoing: VecDeque<(ThreadId, Message)>,
    appended_since_flush: usize,
    watched_at: LogPosition,
    /// Bytes counted as sent that were not, to be left out of the next count.
    overcounted_bytes: u64,
    /// Connections that may yet be handed to the web thread before it has taken earlier ones.
    web_room: usize,
    operations: u64,
    open: u64,
    reports: report::Reports,
    stopping: bool,
    drained: bool,
    scratch: Scratch,
}

/// Buffers kept between turns so that steady work allocates nothing.
#[derive(Debug, Default)]
struct Scratch {
    frames: Vec<u8>,
    entries: Vec<Entry>,
    due: Vec<SessionKey>,
    plan: crate::session::outbox::Plan,
}

impl Shard {
    /// A shard without sessions.
    ///
    /// # Errors
    /// When its log cannot be mapped.
    pub fn new(setup: ShardSetup) -> std::io::Result<Self> {
        let config = Arc::clone(&setup.config);
        Ok(Self {
            now: Duration::ZERO,
            random: fastrand::Rng::with_seed(setup.seed),
            sessions: Sessions::new(config.descriptors_max.min((1 << 24) - 1)),
            rooms: Rooms::new(
                setup.number,
                setup.homes,
                config.rooms_max,
                config.index_bytes_max(),
            ),
            log: Log::new(config.log_bytes)?,
            wheel: Wheel::default(),
            sequencing: Staging::default(),
            outbound: Staging::default(),
            credits: credit::Lanes::new(setup.homes.shards(), config.mesh_credit_bytes()),
            deliveries: VecDeque::new(),
            dirty_sessions: VecDeque::new(),
            dirty_audiences: VecDeque::new(),
            holdings: Holdings::default(),
            watched: Vec::new(),
            paused: Vec::new(),
            paused_drained: false,
            dead: Vec::new(),
            looks: HashMap::new(),
            missed: HashMap::new(),
            counts_due: Vec::new(),
            spread_rooms: HashSet::new(),
            congestion: pause::Congestion::default(),
            actions: VecDeque::new(),
            outgoing: VecDeque::new(),
            appended_since_flush: 0,
            watched_at: LogPosition::default(),
            overcounted_bytes: 0,
            web_room: config.web_waiting_max(),
            operations: 0,
            open: 0,
            reports: report::Reports::default(),
            stopping: false,
            drained: false,
            scratch: Scratch::default(),
            setup,
        })
    }

    // Getters.

    /// The time it was last told.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.now
    }

    /// Whether no connection is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Whether there is work that waits for nothing from outside.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.sequencing.is_empty()
            || !self.outbound.is_empty()
            || !self.deliveries.is_empty()
            || !self.dirty_sessions.is_empty()
            || !self.dirty_audiences.is_empty()
            || !self.actions.is_empty()
            || !self.dead.is_empty()
            || self.paused_drained
            || !self.outgoing.is_empty()
    }

    /// How many shards there are.
    #[must_use]
    pub fn shards(&self) -> u16 {
        self.setup.homes.shards()
    }

    /// Whether messages wait for another shard or for a room's members.
    #[must_use]
    pub fn is_held_up(&self) -> bool {
        self.sequencing.weight() + self.outbound.weight() > 0
    }

    /// Operations in flight over all connections.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// When [`Self::handle_time`] has something to do next, if ever.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        let wheel = self
            .wheel
            .next_due()
            .map(|tick| crate::session::tick::TICK * tick.0);
        let counts = (self.counts_due.iter())
            .filter_map(|&room| self.rooms.sequencer(room))
            .map(|sequencer| sequencer.count_at(self.now))
            .min();
        let congestion = self.congestion.next_look();
        [wheel, counts, congestion].into_iter().flatten().min()
    }

    /// The socket of a session, if it is still there.
    #[must_use]
    pub fn socket(&self, key: SessionKey) -> Option<BorrowedFd<'_>> {
        (self.sessions.find(key)).map(|session| session.socket())
    }

    // What is to be done.

    /// The next thing to do to a socket.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.bury();
        self.actions.pop_front()
    }

    /// The next message to another thread.
    pub fn poll_message(&mut self) -> Option<(ThreadId, Message)> {
        self.outgoing.pop_front()
    }

    /// Brings the gauges up to date; once a turn.
    pub fn publish_gauges(&self) {
        let metrics = self.metrics();
        metrics.connections.set(self.sessions.len() as u64);
        metrics.sessions.set(self.open);
        metrics.operations.set(self.operations);
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

    /// It is `now`, and everything that has arrived by now was handled: deadlines that have passed
    /// are acted on.
    pub fn handle_time(&mut self, now: Duration) {
        self.handle_clock(now);
        let mut due = std::mem::take(&mut self.scratch.due);
        self.wheel.expire(self.tick(), &mut due);
        for key in due.drain(..) {
            self.deadline_reached(key);
        }
        self.scratch.due = due;
        self.announce_counts();
        self.look_at_congestion();
    }

    /// A message from another thread.
    pub fn handle_message(&mut self, from: ThreadId, message: Message) {
        let shard = ShardId::new(from.0);
        match message {
            Message::Adopt {
                socket,
                bytes,
                placed,
            } => self.adopt(from, socket, &bytes, placed),
            Message::Join {
                room,
                member,
                id,
                visible,
            } => self.join(&room, member, id, visible),
            Message::Joined { member, ok } => {
                (self.deliveries).push_back(turn::Delivery::Joined { member, ok });
                self.deliver_waiting();
            }
            Message::Leave {
                room,
                member,
                id,
                visible,
            } => self.left(&room, member, id, visible),
            Message::Publish {
                room,
                frames,
                entries,
            } => self.sequence(shard, &room, &frames, &entries),
            Message::Deliver {
                room,
                first_offset: _,
                frames,
                entries,
            } => {
                self.deliveries.push_back(turn::Delivery::Frames {
                    from: shard,
                    room,
                    frames,
                    entries,
                });
                self.deliver_waiting();
            }
            Message::Spread { room, spread: true } => {
                self.spread_rooms.insert(room);
            }
            Message::Spread {
                room,
                spread: false,
            } => {
                self.spread_rooms.remove(&room);
            }
            Message::Credit { to_home, from_home } => self.credited(shard, to_home, from_home),
            Message::Behind { room, behind } => self.members_behind_on(shard, &room, behind),
            Message::Hold { room, on } => self.held_by_home(&room, on),
            Message::Drained => self.handle_drained(),
            Message::CountMembers { room, ticket } => {
                let members = (self.rooms.find(&room))
                    .and_then(|room| self.rooms.get(room).sequencer.as_ref())
                    .map(|sequencer| sequencer.visible());
                self.send_to_thread(from, Message::MembersCounted { ticket, members });
            }
            Message::Serve { .. } | Message::MembersCounted { .. } => {
                unreachable!("these go to the web thread")
            }
        }
    }

    /// So many messages to the web thread were not taken yet; once a turn.
    pub fn handle_web_waiting(&mut self, messages: usize) {
        self.web_room = self.config().web_waiting_max().saturating_sub(messages);
    }

    // Helpers that every part of the shard uses.

    fn tick(&self) -> Tick {
        Tick::at(self.now)
    }

    fn metrics(&self) -> &ShardMetrics {
        &self.setup.metrics[self.setup.number.index()]
    }

    fn config(&self) -> &Config {
        &self.setup.config
    }

    fn send(&mut self, to: ShardId, message: Message) {
        self.send_to_thread(ThreadId(to.number()), message);
    }

    fn send_to_thread(&mut self, to: ThreadId, message: Message) {
        self.outgoing.push_back((to, message));
    }

    fn send_to_shards(&mut self, message: impl Fn() -> Message) {
        let me = self.setup.number;
        for shard in ShardId::all(self.shards()).filter(|&shard| shard != me) {
            self.send(shard, message());
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
        self.operations += 1;
    }

    fn end_operation(&mut self, slot: u32, operation: Flags) {
        self.sessions.at_mut(slot).end(operation);
        self.operations -= 1;
    }

    /// Puts the session among those to flush, unless its socket is known to be full.
    fn mark_dirty(&mut self, slot: u32) {
        let session = self.sessions.at_mut(slot);
        if !session.flags().any(Flags::DIRTY.and(Flags::BLOCKED)) {
            session.mark(Flags::DIRTY);
            self.dirty_sessions.push_back(slot);
        }
    }

    /// Makes sure that the wheel brings the session up by `deadline`.
    fn schedule(&mut self, slot: u32, deadline: Tick) {
        let tick = self.tick();
        let key = self.sessions.key(slot);
        let session = self.sessions.at_mut(slot);
        session.schedule(&mut self.wheel, key, deadline, tick);
    }

    /// Gives the connection a slot. Dropped, and so closed, when there is none or the server ends.
    fn insert(&mut self, socket: OwnedFd) -> Option<u32> {
        if self.drained {
            return None;
        }
        let id = self.new_id();
        let deadline = self.tick().after(self.config().head_timeout);
        let slot = self
            .sessions
            .insert(Session::new(socket, id, self.tick(), deadline))?
            .slot;
        self.schedule(slot, deadline);
        Some(slot)
    }
}
