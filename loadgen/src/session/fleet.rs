//! The sessions of one worker on one ring: connecting, receiving and sending for them.
//!
//! Knows no plan: what is to be opened, published and closed is told to it. Messages go to a
//! [`Tally`] as they come, and at the end of each turn their times to the books.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::os::fd::AsRawFd;
use std::time::Duration;

use anyhow::Context;
use fanring::ring::{Completion, Op, Ring, RingConfig, Token};

use crate::books::run::RunBooks;
use crate::books::tally::{Scope, Tally};
use crate::clock::{Busy, now_ns};
use crate::load::layout::Role;
use crate::load::plan::nanoseconds;
use crate::protocol::seam::Position;
use crate::results::interval::Interval;
use crate::session::connection::{Connection, Way};
use crate::session::sources::Sources;
use crate::shared::{Shared, lock};

/// Completions that are dealt with before a look at what is due: some tenths of a millisecond.
const COMPLETIONS_MAX: usize = 256;

/// Receive buffers, and the bounds of their size.
const BUFFERS: u16 = 256;
const BUFFER_BYTES_MIN: usize = 4096;
const BUFFER_BYTES_MAX: usize = 65_536;

/// Bounds of the completion queue: one receive and one send for each session should fit.
const CQ_ENTRIES_MIN: u32 = 4096;
const CQ_ENTRIES_MAX: u32 = 65_536;

/// The longest a turn waits, so that what other threads say is noticed, in nanoseconds.
const TURN_NS_MAX: u64 = 20_000_000;

/// What all publishers of a run may have queued that the server does not read, in bytes. Beyond it they wait.
const QUEUED_BYTES_MAX: u64 = 64 << 20;

/// Slot of the operations that belong to no session.
pub(super) const NO_SLOT: u32 = 0;

/// What the sessions are there for at the moment; decides what their opening and ending means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// All are to open; one that can't is the end of the run.
    Connecting,
    /// Those that end, end early.
    Running,
    /// All were dropped and come back; one that can't tries again.
    Storm,
    /// Those that end, end as they should.
    Goodbye,
}

/// A place for a session.
pub(crate) struct Seat {
    /// Its number in the whole run.
    pub(crate) session: u32,
    pub(crate) room: u32,
    pub(crate) role: Role,
    /// Tells completions of an earlier connection in this seat.
    pub(crate) generation: u32,
    pub(crate) connection: Option<Connection>,
    /// Does not read any more.
    pub(crate) stopped: bool,
    /// Was told to end.
    pub(crate) leaving: bool,
    /// Could not be opened, and will not be.
    pub(crate) absent: bool,
    /// Messages it took, if it is one that stops reading.
    pub(crate) taken: u64,
    /// Where the last session in it stood, if one can come back to that.
    pub(crate) position: Option<Position>,
}

impl Seat {
    pub(super) fn token(&self, op: Op, index: usize) -> Token {
        let slot = u32::try_from(index).unwrap_or(u32::MAX);
        Token::new(op, slot, self.generation)
    }

    pub(super) fn is_upgraded(&self) -> bool {
        self.connection
            .as_ref()
            .is_some_and(Connection::is_upgraded)
    }

    pub(super) fn is_closing(&self) -> bool {
        self.connection.as_ref().is_some_and(Connection::is_closing)
    }

    pub(super) fn is_over(&self) -> bool {
        self.connection.as_ref().is_some_and(Connection::is_over)
    }

    pub(super) fn is_refused(&self) -> bool {
        self.connection.as_ref().is_some_and(Connection::is_refused)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.connection.as_ref().is_some_and(Connection::is_open)
    }
}

/// The sessions of one worker.
pub(crate) struct Fleet<'a> {
    pub(crate) shared: &'a Shared<'a>,
    pub(crate) worker: u32,
    pub(super) ring: Ring,
    pub(crate) seats: Vec<Seat>,
    sources: Sources,
    /// What was reaped at a time, and has not been dealt with.
    completions: VecDeque<Completion>,
    reaped_ns: u64,
    /// What was reaped while sending, and has no time yet.
    pub(super) fresh: Vec<Completion>,
    /// Seats with something to send, each once.
    pub(super) dirty: Vec<u32>,
    /// When which seat's protocol has something to say, and the generation of that time.
    pub(super) beats: BinaryHeap<Reverse<(u64, u32, u32)>>,
    /// Until when which seat's connection has time, with the generation of that time: those that end or were refused.
    pub(super) limits: BinaryHeap<Reverse<(u64, u32, u32)>>,
    /// What was published and the kernel has not taken, and how much that may be.
    pub(crate) queued_bytes: u64,
    pub(super) queued_bytes_max: u64,
    /// Room to put a message together in.
    pub(super) message: Vec<u8>,
    /// Seats to open and from when on, in that order.
    pub(crate) wanted: VecDeque<(u64, u32)>,
    /// The earliest time a timer is set for.
    pub(super) timer_ns: Option<u64>,
    pub(crate) mode: Mode,
    /// Connections on their way to being open.
    pub(crate) pending: usize,
    pub(crate) open: usize,
    /// Connections that are no session any more, of which the server has not ended its side.
    pub(super) closing: usize,
    pub(crate) tally: Tally,
    pub(crate) books: RunBooks,
    pub(crate) interval: Interval,
    /// Number of the interval handed over last.
    cut: u64,
    busy: Busy,
}

impl<'a> Fleet<'a> {
    /// The sessions of a worker, none of them open.
    ///
    /// # Errors
    /// When the ring can't be set up, with what stands in the way.
    pub(crate) fn new(shared: &'a Shared<'a>, worker: u32) -> anyhow::Result<Self> {
        let settings = shared.settings;
        let layout = &shared.layout;
        let sessions = || {
            let first = shared.post.crew.number(worker);
            (first..layout.sessions()).step_by(shared.post.crew.all() as usize)
        };
        let seats: Vec<_> = sessions()
            .map(|session| Seat {
                session,
                room: layout.room(session),
                role: layout.role(session),
                generation: 0,
                connection: None,
                stopped: false,
                leaving: false,
                absent: false,
                taken: 0,
                position: None,
            })
            .collect();
        let largest = settings.sizes.iter().copied().max().unwrap_or(0) as usize;
        let buffer_bytes = (largest * 2).clamp(BUFFER_BYTES_MIN, BUFFER_BYTES_MAX);
        let operations = u32::try_from(seats.len() * 2).unwrap_or(CQ_ENTRIES_MAX);
        let config = RingConfig {
            buffers: BUFFERS,
            buffer_bytes: u32::try_from(buffer_bytes)?,
            cq_entries: operations.clamp(CQ_ENTRIES_MIN, CQ_ENTRIES_MAX),
            ..RingConfig::default()
        };
        let scope = Scope {
            layout,
            crew: &shared.post.crew,
            ahead_ns: &shared.post.ahead_ns,
            run: shared.post.run,
            slots: shared.in_flight.len(),
            arrives_as: settings.speech.arrives_as,
            recovers: settings.speech.protocol.recovers(),
        };
        let mut fleet = Self {
            shared,
            worker,
            ring: Ring::new(&config)?,
            tally: Tally::new(scope, sessions()),
            seats,
            sources: Sources::new(settings),
            completions: VecDeque::new(),
            reaped_ns: 0,
            fresh: Vec::new(),
            dirty: Vec::new(),
            beats: BinaryHeap::new(),
            limits: BinaryHeap::new(),
            queued_bytes: 0,
            queued_bytes_max: QUEUED_BYTES_MAX / u64::from(shared.post.crew.all()),
            message: Vec::new(),
            wanted: VecDeque::new(),
            timer_ns: None,
            mode: Mode::Connecting,
            pending: 0,
            open: 0,
            closing: 0,
            books: RunBooks::default(),
            interval: Interval::default(),
            cut: 0,
            busy: Busy::begin(),
        };
        fleet.listen_to_doorbell();
        Ok(fleet)
    }

    pub(super) fn listen_to_doorbell(&mut self) {
        let doorbell = self.shared.doorbells[self.worker as usize].as_raw_fd();
        let token = Token::new(Op::Doorbell, NO_SLOT, 0);
        self.ring.read_doorbell(doorbell, token);
    }

    /// Whether sessions are to open that have not.
    pub(crate) fn is_opening(&self) -> bool {
        self.pending > 0 || !self.wanted.is_empty()
    }

    /// How often the completion queue overflowed.
    pub(crate) fn overflows(&mut self) -> u64 {
        self.ring.overflows()
    }

    /// Opens what is due, sends what is queued, waits for something to happen, at the latest until
    /// `until_ns`, and deals with it, or with a part of it if it is much: messages that are due
    /// must not wait for all that came. Returns the time.
    pub(crate) fn turn(&mut self, until_ns: u64) -> anyhow::Result<u64> {
        let before = now_ns();
        let until_ns = self
            .open_due(before)
            .min(self.beat(before))
            .min(self.end_overdue(before))
            .min(until_ns)
            .min(before + TURN_NS_MAX);
        self.flush();
        if self.completions.is_empty() {
            self.reap(until_ns)?;
        }
        let traffic = self.tally.traffic();
        for _ in 0..COMPLETIONS_MAX {
            let Some(completion) = self.completions.pop_front() else {
                break;
            };
            self.handle(completion, self.reaped_ns);
        }
        self.enter_turn(traffic, self.reaped_ns);
        self.hand_over();
        Ok(now_ns())
    }

    /// Waits, and takes all that happened. It had happened by the time that is noted: no byte
    /// came later than that.
    fn reap(&mut self, until_ns: u64) -> anyhow::Result<()> {
        self.arm(until_ns);
        let want = u32::from(self.fresh.is_empty() && self.dirty.is_empty());
        self.ring
            .submit_and_wait(want)
            .context("waiting on the ring")?;
        self.ring.reap(&mut self.fresh);
        self.completions.extend(self.fresh.drain(..));
        self.reaped_ns = now_ns();
        Ok(())
    }

    /// Opens what is wanted by now, as far as the limit goes. Returns when there is more to do.
    fn open_due(&mut self, now: u64) -> u64 {
        let settings = self.shared.settings;
        let pending_max = settings
            .connects_max
            .div_ceil(self.shared.post.crew.all())
            .max(1) as usize;
        while let Some(&(due_ns, slot)) = self.wanted.front() {
            if due_ns > now {
                return due_ns;
            }
            if self.pending >= pending_max {
                break;
            }
            self.wanted.pop_front();
            self.start(slot as usize, due_ns, now);
        }
        u64::MAX
    }

    fn start(&mut self, index: usize, due_ns: u64, now: u64) {
        if self.seats[index].is_closing() {
            self.empty(index);
        }
        let seat = &mut self.seats[index];
        if seat.connection.is_some() {
            return;
        }
        seat.generation = seat.generation.wrapping_add(1);
        seat.leaving = false;
        self.pending += 1;
        if seat.position.is_some() {
            // It may have tried before.
            let storm_ns = self.shared.storm.back_since_ns();
            let storm_ns = storm_ns.filter(|_| self.mode == Mode::Storm);
            self.tally.sets_out(index, storm_ns.unwrap_or(due_ns));
        } else if seat.role == Role::Churner {
            // Not when it opens: messages may come with the answer to the handshake.
            let lag_ns = nanoseconds(self.shared.settings.lag_max);
            let since_ns = now.saturating_sub(lag_ns);
            self.tally.joins(index, &self.shared.taken, since_ns);
        }
        let target = self
            .shared
            .settings
            .reach
            .of(seat.session, seat.room)
            .address;
        let source = self.sources.of(seat.session, &target);
        let settings = self.shared.settings;
        let run = self.shared.post.run;
        let who = settings.speech.who(run, seat.session, seat.room);
        let mut speaker = settings.speech.protocol.speaker(&who);
        if let Some(position) = &seat.position {
            speaker.resumes(position);
        }
        // Without a rate all are due at once, and wait for each other as this program wants it.
        let due_ns = match settings.connect_rate {
            Some(_) if self.mode == Mode::Connecting => due_ns,
            _ => now,
        };
        let tls = settings.reach.tls.as_ref();
        let way = Way {
            target,
            source,
            tls,
            acknowledges: settings.speech.protocol.acknowledges(),
        };
        match Connection::start(&way, due_ns, speaker) {
            Ok(connection) => {
                let token = seat.token(Op::Writable, index);
                if let Some(fd) = connection.fd() {
                    self.ring.poll_writable(fd, token);
                }
                seat.connection = Some(connection);
            }
            Err(ending) => self.failed(index, &ending.to_string(), ending.status()),
        }
    }

    /// Makes sure that a timer fires at a time or before.
    fn arm(&mut self, at_ns: u64) {
        if self.timer_ns.is_some_and(|armed| armed <= at_ns) {
            return;
        }
        let after = Duration::from_nanos(at_ns.saturating_sub(now_ns()));
        self.ring.timeout(after, Token::new(Op::Timer, NO_SLOT, 0));
        self.timer_ns = Some(at_ns);
    }

    /// Hands the interval over if it is over.
    fn hand_over(&mut self) {
        let cut = self.shared.interval_asked_for();
        if cut != self.cut {
            self.deliver_interval(cut);
        }
    }

    /// Hands over what there is, for whatever interval is to come.
    pub(crate) fn hand_over_last(&mut self) {
        self.deliver_interval(u64::MAX);
    }

    fn deliver_interval(&mut self, cut: u64) {
        self.cut = cut;
        self.interval.cpu_share = self.busy.share();
        let mut mailbox = lock(&self.shared.mailboxes[self.worker as usize]);
        mailbox.interval.add(&self.interval);
        // How it stands now, even if what was left here before has not been fetched.
        mailbox.interval.missing = self.tally.counts(&self.shared.taken).missing();
        mailbox.interval.open = self.open as u64;
        mailbox.reach = self.tally.reach();
        mailbox.cut = cut;
        self.interval.clear();
    }
}
