//! What the workers of a run and the thread that started it share.
//!
//! Counters and flags, each written by few; no worker ever waits for another on a lock, except for
//! the moment in which an interval is handed over. What each of them means stands on the methods:
//! nobody else touches them.

pub(crate) mod post;
pub(crate) mod standing;
pub(crate) mod storm;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rustix::event::{EventfdFlags, eventfd};
use serde::{Deserialize, Serialize};

use self::post::Post;
use self::standing::{Endings, Standing};
use self::storm::Storm;
use crate::books::backlog::{Backlog, Gone, Reach};
use crate::books::done::Done;
use crate::books::inflight::InFlight;
use crate::books::outstanding::Outstanding;
use crate::books::per_publisher::PerPublisher;
use crate::cli::settings::Settings;
use crate::load::layout::{Layout, Role};
use crate::load::plan::Plan;
use crate::results::interval::Interval;
use crate::session::ending::Ending;

/// Where a worker leaves its interval; `cut` says which one it has handed over last.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    pub(crate) cut: u64,
    pub(crate) interval: Interval,
    /// How far the worker's deliveries were then; it stays until the next.
    pub(crate) reach: Reach,
}

/// What every worker comes to, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Milestone {
    /// All its sessions are open.
    Connected,
    /// All have dropped that a storm drops.
    Dropped,
    /// It has published what those that were dropped are to miss.
    Published,
    /// All are back after the storm.
    Returned,
    /// It has sent all it will.
    SentAll,
    /// It has got all it will, or its time for that is over.
    Drained,
}

const MILESTONES: usize = 6;

impl Milestone {
    /// All of them.
    pub(crate) const ALL: [Self; MILESTONES] = [
        Self::Connected,
        Self::Dropped,
        Self::Published,
        Self::Returned,
        Self::SentAll,
        Self::Drained,
    ];
}

/// The state of a run.
#[derive(Debug)]
pub(crate) struct Shared<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) layout: Layout,
    pub(crate) post: Post,
    /// Messages handed on for sending.
    pub(crate) sent: PerPublisher,
    /// Those of them that the kernel has taken to the last byte.
    pub(crate) taken: PerPublisher,
    /// How many of the first messages the server said it has, without a gap, where it says so.
    pub(crate) acknowledged: PerPublisher,
    /// When the latest message was due that all who stay had here; kept if there are others.
    pub(crate) heard: PerPublisher,
    /// What a closed loop waits for.
    pub(crate) outstanding: Outstanding,
    pub(crate) in_flight: InFlight,
    /// Set when the load may begin.
    pub(crate) plan: OnceLock<Plan>,
    pub(crate) mailboxes: Vec<Mutex<Mailbox>>,
    /// Messages that all subscribers here had, for the process that leads.
    pub(crate) done: Mutex<Vec<Done>>,
    /// Sessions that do not stay, for the process that leads; there, what that means over all.
    pub(crate) gone: Mutex<Vec<Gone>>,
    pub(crate) backlog: Mutex<Backlog>,
    pub(crate) storm: Storm,
    /// One for each worker, to wake it when another has completed a message of its publishers.
    pub(crate) doorbells: Vec<OwnedFd>,
    /// Open subscribers of each room.
    members: Vec<AtomicU32>,
    subscribers_open: AtomicU32,
    open: AtomicU32,
    ended_early: AtomicU32,
    publishers_ended: AtomicU32,
    /// Sessions that were given up before they were open.
    given_up: AtomicU32,
    publishers_given_up: AtomicU32,
    /// An end of the measured window before the planned one; [`u64::MAX`] if there is none.
    cut_ns: AtomicU64,
    /// How many workers have come to each.
    milestones: [AtomicU32; MILESTONES],
    /// Whether all processes have sent all they will; of several only.
    others_sent: AtomicBool,
    /// Whether the process that leads has nobody left to publish or to receive.
    useless: AtomicBool,
    goodbye: AtomicBool,
    stop: AtomicBool,
    /// Number of the interval that is to be handed over.
    cut: AtomicU64,
    endings: Mutex<Endings>,
    /// Why the run can't be made.
    failure: Mutex<Option<String>>,
}

impl<'a> Shared<'a> {
    pub(crate) fn new(settings: &'a Settings, post: Post) -> io::Result<Self> {
        let layout = settings.layout();
        let workers = post.hands as usize;
        let doorbell = || Ok(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let doorbells = (0..workers).map(|_| doorbell());
        Ok(Self {
            settings,
            layout,
            sent: PerPublisher::new(layout.publishers),
            taken: PerPublisher::new(layout.publishers),
            acknowledged: PerPublisher::new(layout.publishers),
            heard: PerPublisher::new(layout.publishers),
            outstanding: Outstanding::new(layout.publishers),
            in_flight: InFlight::new(layout.publishers),
            plan: OnceLock::new(),
            mailboxes: (0..workers).map(|_| Mutex::default()).collect(),
            done: Mutex::default(),
            gone: Mutex::default(),
            backlog: Mutex::new(Backlog::new(&layout, &post.crew)),
            doorbells: doorbells.collect::<io::Result<_>>()?,
            members: (0..layout.rooms).map(|_| AtomicU32::new(0)).collect(),
            subscribers_open: AtomicU32::new(0),
            open: AtomicU32::new(0),
            ended_early: AtomicU32::new(0),
            publishers_ended: AtomicU32::new(0),
            given_up: AtomicU32::new(0),
            publishers_given_up: AtomicU32::new(0),
            storm: Storm::new(),
            cut_ns: AtomicU64::new(u64::MAX),
            milestones: std::array::from_fn(|_| AtomicU32::new(0)),
            others_sent: AtomicBool::new(false),
            useless: AtomicBool::new(false),
            goodbye: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            cut: AtomicU64::new(0),
            endings: Mutex::default(),
            failure: Mutex::default(),
            post,
        })
    }
}

/// Sessions.
impl Shared<'_> {
    /// A session is open that is to stay, or one that comes and goes, which is not counted.
    pub(crate) fn session_opened(&self, role: Role, room: u32) {
        if role == Role::Churner {
            return;
        }
        if role == Role::Subscriber {
            self.members[room as usize].fetch_add(1, Ordering::AcqRel);
            self.subscribers_open.fetch_add(1, Ordering::AcqRel);
        }
        self.open.fetch_add(1, Ordering::AcqRel);
    }

    /// A session that was told of by [`session_opened`](Self::session_opened) is open no more.
    pub(crate) fn session_closed(&self, role: Role, room: u32) {
        if role == Role::Churner {
            return;
        }
        if role == Role::Subscriber {
            self.members[room as usize].fetch_sub(1, Ordering::AcqRel);
            self.subscribers_open.fetch_sub(1, Ordering::AcqRel);
        }
        self.open.fetch_sub(1, Ordering::AcqRel);
    }

    /// Open sessions of those that are to stay.
    pub(crate) fn open(&self) -> u64 {
        self.open.load(Ordering::Acquire).into()
    }

    /// Open subscribers of a room: those that count for completion.
    pub(crate) fn members(&self, room: u32) -> u32 {
        self.members[room as usize].load(Ordering::Acquire)
    }

    /// A session was given up before it was open.
    pub(crate) fn note_given_up(&self, session: u32) {
        self.given_up.fetch_add(1, Ordering::AcqRel);
        if self.layout.publisher_of(session).is_some() {
            self.publishers_given_up.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Whether so many were that the run can't be made.
    pub(crate) fn are_too_many_given_up(&self) -> bool {
        let given_up = self.given_up.load(Ordering::Acquire);
        let publishers = self.publishers_given_up.load(Ordering::Acquire);
        let is_nobody_left = publishers > 0 && publishers == self.layout.publishers;
        given_up > self.settings.failures_max() || is_nobody_left
    }

    /// A session ended and should not have.
    pub(crate) fn note_early_end(&self, session: u32, ending: &Ending) {
        self.note_close(ending);
        self.ended_early.fetch_add(1, Ordering::AcqRel);
        if self.layout.publisher_of(session).is_some() {
            self.publishers_ended.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Sessions that ended and should not have.
    pub(crate) fn ended_early(&self) -> u64 {
        self.ended_early.load(Ordering::Acquire).into()
    }

    /// The server closed a session, and how.
    pub(crate) fn note_close(&self, ending: &Ending) {
        let mut endings = lock(&self.endings);
        *endings.closes.entry(ending.code()).or_default() += 1;
        endings.first.get_or_insert_with(|| ending.to_string());
    }

    /// A session could not be opened: why, and with which status if the server refused it.
    pub(crate) fn note_refusal(&self, why: &str, status: Option<u16>) {
        self.note_cause(why);
        if let Some(status) = status {
            let mut endings = lock(&self.endings);
            *endings.refusals.entry(status).or_default() += 1;
        }
    }

    /// Something went wrong that is no session's end.
    pub(crate) fn note_cause(&self, why: &str) {
        let mut endings = lock(&self.endings);
        endings.first.get_or_insert_with(|| why.to_owned());
    }

    pub(crate) fn endings(&self) -> MutexGuard<'_, Endings> {
        lock(&self.endings)
    }
}

/// Several processes.
impl Shared<'_> {
    /// How the sessions of this process stand.
    pub(crate) fn standing(&self) -> Standing {
        let number = |counter: &AtomicU32| counter.load(Ordering::Acquire);
        Standing {
            open: number(&self.open),
            subscribers_open: number(&self.subscribers_open),
            ended_early: number(&self.ended_early),
            publishers_ended: number(&self.publishers_ended),
            given_up: number(&self.given_up),
            publishers_given_up: number(&self.publishers_given_up),
            endings: self.endings().clone(),
        }
    }

    /// The sessions of another process stand differently now.
    pub(crate) fn note_standing(&self, before: &Standing, now: &Standing) {
        for (counter, before, now) in [
            (&self.open, before.open, now.open),
            (
                &self.subscribers_open,
                before.subscribers_open,
                now.subscribers_open,
            ),
            (&self.ended_early, before.ended_early, now.ended_early),
            (
                &self.publishers_ended,
                before.publishers_ended,
                now.publishers_ended,
            ),
            (&self.given_up, before.given_up, now.given_up),
            (
                &self.publishers_given_up,
                before.publishers_given_up,
                now.publishers_given_up,
            ),
        ] {
            // A sum of differences, of which some are negative: it wraps there and back.
            counter.fetch_add(now.wrapping_sub(before), Ordering::AcqRel);
        }
        if let Some(why) = &now.endings.first {
            self.note_cause(why);
        }
    }

    /// What is missing over all processes, for the one that leads several: what is waited for, and what can't come any
    /// more.
    pub(crate) fn missing_over_all(&self) -> Option<(u64, u64)> {
        let leads = !self.post.follows && !self.post.crew.is_alone();
        leads.then(|| lock(&self.backlog).missing(&self.taken))
    }

    /// A session of this process that was to stay does not.
    pub(crate) fn note_gone(&self, gone: Gone) {
        if self.post.follows {
            lock(&self.gone).push(gone);
        }
    }

    /// Adds what went wrong with the sessions of another process.
    pub(crate) fn add_endings(&self, endings: &Endings) {
        lock(&self.endings).add(endings);
    }
}

/// Phases.
impl Shared<'_> {
    /// A worker has come to a milestone.
    pub(crate) fn reached(&self, milestone: Milestone) {
        self.milestones[milestone as usize].fetch_add(1, Ordering::AcqRel);
    }

    /// Whether all workers have come to a milestone.
    pub(crate) fn all_reached(&self, milestone: Milestone) -> bool {
        self.milestones[milestone as usize].load(Ordering::Acquire) >= self.post.hands
    }

    /// Whether all workers of all processes have sent all they will, and how much that is, is known.
    pub(crate) fn is_all_sent(&self) -> bool {
        let others = self.post.crew.is_alone() || self.others_sent.load(Ordering::Acquire);
        others && self.all_reached(Milestone::SentAll)
    }

    /// All other processes have sent all they will.
    pub(crate) fn note_all_sent(&self) {
        self.others_sent.store(true, Ordering::Release);
    }

    /// Messages of a publisher that subscribers are to miss in a storm.
    pub(crate) fn missed_of(&self, publisher: u32) -> u64 {
        self.layout.share_of(publisher, self.settings.missed)
    }

    /// Ends the measured window before its time, at a moment that is still to come.
    pub(crate) fn cut_short(&self, at_ns: u64) {
        self.cut_ns.store(at_ns, Ordering::Release);
    }

    /// When the measured window ends before its time, if it does.
    pub(crate) fn cut_ns(&self) -> Option<u64> {
        let at_ns = self.cut_ns.load(Ordering::Acquire);
        (at_ns != u64::MAX).then_some(at_ns)
    }

    pub(crate) fn is_cut_short(&self) -> bool {
        self.cut_ns().is_some()
    }

    /// When the measured window ends: as planned, or when it was cut short.
    pub(crate) fn measure_end_ns(&self, plan: &Plan) -> u64 {
        plan.measure_end_ns()
            .min(self.cut_ns.load(Ordering::Acquire))
    }

    /// Everything that needs open sessions has been looked at.
    pub(crate) fn say_goodbye(&self) {
        self.goodbye.store(true, Ordering::Release);
    }

    pub(crate) fn is_goodbye(&self) -> bool {
        self.goodbye.load(Ordering::Acquire)
    }

    /// Everybody is to stop now: the run can't be made, or has lost its meaning.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// The run can't be made: everybody stops. The first reason is the one that is told.
    pub(crate) fn fail(&self, why: String) {
        lock(&self.failure).get_or_insert(why);
        self.stop();
    }

    pub(crate) fn failure(&self) -> Option<String> {
        lock(&self.failure).clone()
    }

    /// Whether there is still somebody to publish and somebody to receive.
    pub(crate) fn is_useful(&self) -> bool {
        if self.post.follows {
            return !self.useless.load(Ordering::Acquire);
        }
        self.ended_early() == 0
            || (self.subscribers_open.load(Ordering::Acquire) > 0
                && self.publishers_ended.load(Ordering::Acquire) == 0)
    }

    /// Nobody is left to publish or to receive in all processes.
    pub(crate) fn note_useless(&self) {
        self.useless.store(true, Ordering::Release);
    }

    /// Asks all workers for their interval; gives its number.
    pub(crate) fn ask_for_interval(&self) -> u64 {
        self.cut.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Number of the interval that was asked for last.
    pub(crate) fn interval_asked_for(&self) -> u64 {
        self.cut.load(Ordering::Acquire)
    }
}

/// Locks; a thread that panicked with the lock has said so itself.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
