//! What the workers of a run and the thread that started it share.
//!
//! Counters and flags, each written by few; no worker ever waits for another on a lock, except for
//! the moment in which an interval is handed over.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rustix::event::{EventfdFlags, eventfd};

use crate::books::inflight::InFlight;
use crate::cli::settings::Settings;
use crate::load::layout::Layout;
use crate::load::plan::Plan;
use crate::results::interval::Interval;
use crate::session::connection::Ending;

/// Where a worker leaves its interval; `cut` says which one it has handed over last.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    pub(crate) cut: u64,
    pub(crate) interval: Interval,
}

/// How sessions ended that were not to end.
#[derive(Debug, Default)]
pub(crate) struct Endings {
    pub(crate) closes: BTreeMap<u16, u64>,
    pub(crate) first: Option<String>,
}

/// The state of a run.
#[derive(Debug)]
pub(crate) struct Shared<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) layout: Layout,
    /// Messages handed on for sending, for each publisher.
    pub(crate) sent: Vec<AtomicU64>,
    /// Messages that reached all, for each publisher; kept in a closed loop only.
    pub(crate) completed: Vec<AtomicU64>,
    /// Open subscribers of each room that count for completion.
    pub(crate) members: Vec<AtomicU32>,
    pub(crate) in_flight: InFlight,
    /// Set when the load may begin.
    pub(crate) plan: OnceLock<Plan>,
    /// An end of the measured window before the planned one; [`u64::MAX`] if there is none.
    cut_ns: AtomicU64,
    /// How many storms have been called for, and when the last was, and workers that are over it.
    pub(crate) storms: AtomicU32,
    pub(crate) storm_ns: AtomicU64,
    pub(crate) stormed: AtomicU32,
    /// Workers whose sessions are all open.
    pub(crate) connected: AtomicU32,
    /// Sessions that were given up before they were open.
    pub(crate) unopened: AtomicU32,
    /// Open sessions of those that are to stay.
    pub(crate) open: AtomicU32,
    /// Sessions that ended and should not have; publishers among them.
    pub(crate) ended: AtomicU32,
    pub(crate) publishers_ended: AtomicU32,
    pub(crate) subscribers_open: AtomicU32,
    /// Workers that have sent all they will, and those that have got all they will.
    pub(crate) sent_all: AtomicU32,
    pub(crate) drained: AtomicU32,
    /// Set when everything that needs open sessions has been looked at.
    pub(crate) goodbye: AtomicBool,
    /// Tells all to stop now: the run can't be made, or has lost its meaning.
    pub(crate) stop: AtomicBool,
    /// Number of the interval that is to be handed over.
    pub(crate) cut: AtomicU64,
    pub(crate) mailboxes: Vec<Mutex<Mailbox>>,
    /// One for each worker, to wake it when another has completed a message of its publishers.
    pub(crate) doorbells: Vec<OwnedFd>,
    endings: Mutex<Endings>,
    /// Why the run can't be made.
    failure: Mutex<Option<String>>,
}

impl<'a> Shared<'a> {
    pub(crate) fn new(settings: &'a Settings) -> io::Result<Self> {
        let layout = settings.layout();
        let counters = |count: u32| (0..count).map(|_| AtomicU64::new(0)).collect();
        let workers = settings.workers as usize;
        let doorbell = || Ok(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        Ok(Self {
            settings,
            layout,
            sent: counters(layout.publishers),
            completed: counters(layout.publishers),
            members: (0..layout.rooms).map(|_| AtomicU32::new(0)).collect(),
            in_flight: InFlight::new(layout.publishers),
            plan: OnceLock::new(),
            cut_ns: AtomicU64::new(u64::MAX),
            storms: AtomicU32::new(0),
            storm_ns: AtomicU64::new(0),
            stormed: AtomicU32::new(0),
            connected: AtomicU32::new(0),
            unopened: AtomicU32::new(0),
            open: AtomicU32::new(0),
            ended: AtomicU32::new(0),
            publishers_ended: AtomicU32::new(0),
            subscribers_open: AtomicU32::new(0),
            sent_all: AtomicU32::new(0),
            drained: AtomicU32::new(0),
            goodbye: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            cut: AtomicU64::new(0),
            mailboxes: (0..workers).map(|_| Mutex::default()).collect(),
            doorbells: (0..workers)
                .map(|_| doorbell())
                .collect::<io::Result<_>>()?,
            endings: Mutex::default(),
            failure: Mutex::default(),
        })
    }

    /// A session ended and should not have.
    pub(crate) fn note_ending(&self, ending: &Ending) {
        let mut endings = lock(&self.endings);
        *endings.closes.entry(ending.code()).or_default() += 1;
        endings.first.get_or_insert_with(|| ending.to_string());
    }

    /// Something went wrong that is no session's end.
    pub(crate) fn note_cause(&self, why: &str) {
        let mut endings = lock(&self.endings);
        endings.first.get_or_insert_with(|| why.to_owned());
    }

    pub(crate) fn endings(&self) -> MutexGuard<'_, Endings> {
        lock(&self.endings)
    }

    /// The run can't be made: everybody stops. The first reason is the one that is told.
    pub(crate) fn fail(&self, why: String) {
        lock(&self.failure).get_or_insert(why);
        self.stop.store(true, Ordering::Release);
    }

    pub(crate) fn failure(&self) -> Option<String> {
        lock(&self.failure).clone()
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Ends the measured window before its time, at a moment that is still to come.
    pub(crate) fn cut_short(&self, at_ns: u64) {
        self.cut_ns.store(at_ns, Ordering::Release);
    }

    pub(crate) fn is_cut_short(&self) -> bool {
        self.cut_ns.load(Ordering::Acquire) != u64::MAX
    }

    /// When the measured window ends: as planned, or when it was cut short.
    pub(crate) fn measure_end_ns(&self, plan: &Plan) -> u64 {
        plan.measure_end_ns()
            .min(self.cut_ns.load(Ordering::Acquire))
    }

    /// Whether there is still somebody to publish and somebody to receive.
    pub(crate) fn is_useful(&self) -> bool {
        self.ended.load(Ordering::Acquire) == 0
            || (self.subscribers_open.load(Ordering::Acquire) > 0
                && self.publishers_ended.load(Ordering::Acquire) == 0)
    }

    /// Whether a count of workers has reached all of them.
    pub(crate) fn all(&self, count: &AtomicU32) -> bool {
        count.load(Ordering::Acquire) >= self.settings.workers
    }
}

/// Locks; a thread that panicked with the lock has said so itself.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
