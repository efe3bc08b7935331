//! One worker thread from its first connection to its last: the phases as its sessions see them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::books::run::RunBooks;
use crate::books::waiting::Waits;
use crate::cli::Workload;
use crate::clock::{now_ns, thread_cpu_ns};
use crate::load::layout::Role;
use crate::load::plan::{Plan, nanoseconds};
use crate::results::model::Worker;
use crate::results::model::counts::Counts;
use crate::run::guests::Guests;
use crate::run::machine::pin;
use crate::run::opening::connect;
use crate::run::publish::Publishers;
use crate::run::storm;
use crate::session::fleet::Fleet;
use crate::shared::{Milestone, Shared};

/// How long a run that was cut short waits for the rest of its sessions to end too, so that the
/// report tells a dead server from one lost session.
const SETTLING: Duration = Duration::from_millis(500);

/// How often the end of the drain is looked for: it takes a pass over all sessions and publishers.
const DRAIN_LOOK_NS: u64 = 5_000_000;

/// What one worker has to say at the end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) books: RunBooks,
    pub(crate) counts: Counts,
    pub(crate) figures: Worker,
    /// What each session waited, by its number in the run.
    pub(crate) waits: Vec<(u32, Waits)>,
}

/// Where the worker's own figures stood at one moment.
#[derive(Clone, Copy)]
struct Mark {
    at_ns: u64,
    cpu_ns: u64,
    overflows: u64,
}

/// Drives a worker's share of the sessions through the whole run.
///
/// # Errors
/// When its ring can't be set up or fails.
pub(crate) fn run(shared: &Shared<'_>, worker: u32) -> anyhow::Result<Outcome> {
    let settings = shared.settings;
    if !settings.pin.is_empty() {
        let number = shared.post.crew.number(worker) as usize;
        pin(settings.pin[number % settings.pin.len()])?;
    }
    let mut fleet = Fleet::new(shared, worker)?;
    connect(&mut fleet)?;
    shared.reached(Milestone::Connected);
    let plan = wait_for_plan(&mut fleet)?;
    let mut figures = Worker::default();
    if let Some(plan) = plan {
        if settings.is_idle() {
            idle(&mut fleet, &plan)?;
        } else {
            figures = load(&mut fleet, plan)?;
        }
    }
    if !shared.is_useful() {
        fleet.settle(now_ns() + nanoseconds(SETTLING))?;
    }
    let counts = close_books(&mut fleet);
    fleet.close()?;
    note_untaken(&mut fleet);
    fleet.hand_over_last();
    figures.sessions = fleet.seats.len() as u64;
    let waits = fleet.tally.waiting.sessions().iter().copied();
    let waits = fleet.seats.iter().map(|seat| seat.session).zip(waits);
    Ok(Outcome {
        waits: waits.collect(),
        books: fleet.books,
        counts,
        figures,
    })
}

/// Holds the sessions until the load may begin, and goes through the storm if it is called for.
fn wait_for_plan(fleet: &mut Fleet<'_>) -> anyhow::Result<Option<Plan>> {
    let shared = fleet.shared;
    let mut is_storm_over = false;
    loop {
        if let Some(plan) = shared.plan.get() {
            return Ok(Some(plan.clone()));
        }
        if shared.is_stopped() {
            return Ok(None);
        }
        if !is_storm_over && shared.storm.drop_ns().is_some() {
            is_storm_over = true;
            storm::go_through(fleet)?;
            shared.reached(Milestone::Returned);
        }
        fleet.turn(u64::MAX)?;
    }
}

/// Holds the sessions, and nothing else.
fn idle(fleet: &mut Fleet<'_>, plan: &Plan) -> anyhow::Result<()> {
    let shared = fleet.shared;
    while !shared.is_stopped() {
        let end_ns = shared.measure_end_ns(plan);
        if fleet.turn(end_ns)? >= end_ns {
            break;
        }
    }
    drained(fleet)
}

/// Publishes by the plan and takes what comes, until all has come or its time is over.
fn load(fleet: &mut Fleet<'_>, plan: Plan) -> anyhow::Result<Worker> {
    let shared = fleet.shared;
    let window = (plan.measure_start_ns(), plan.measure_end_ns());
    fleet.tally.waiting.measure(window.0, window.1);
    let mut publishers = Publishers::new(fleet, plan.clone());
    let mut churn = Churn::new(fleet, &plan);
    let mut guests = Guests::new(fleet, &plan);
    let mut start: Option<Mark> = None;
    let mut end: Option<Mark> = None;
    let mut now = now_ns();
    while shared.is_useful() && !shared.is_stopped() {
        publishers.publish_due(fleet, now);
        churn.act(fleet, now);
        guests.act(fleet, now);
        if start.is_none() && now >= plan.measure_start_ns() {
            start = Some(mark(fleet));
            stop_slow_readers(fleet);
        }
        let end_ns = shared.measure_end_ns(&plan);
        if now >= end_ns {
            end = Some(mark(fleet));
            if publishers.is_done(shared, now) {
                break;
            }
        }
        let next = publishers
            .next_ns()
            .min(churn.next_ns)
            .min(guests.next_ns());
        let edge = if start.is_none() {
            plan.measure_start_ns()
        } else {
            end_ns
        };
        now = fleet.turn(next.min(edge))?;
    }
    let end_ns = shared.measure_end_ns(&plan);
    fleet.books.left_messages += publishers.waiting_until(end_ns.min(now));
    let (all, in_window) = publishers.absent_until(end_ns);
    fleet.books.unpublished += all;
    fleet.books.unpublished_in_window += in_window;
    let end = match end {
        Some(end) => end,
        None => mark(fleet),
    };
    drain(fleet, &plan)?;
    drained(fleet)?;
    Ok(figures(start.unwrap_or(end), end, fleet.books.received))
}

fn drain(fleet: &mut Fleet<'_>, plan: &Plan) -> anyhow::Result<()> {
    let shared = fleet.shared;
    let until = shared.measure_end_ns(plan) + nanoseconds(shared.settings.drain);
    let mut now = now_ns();
    let mut has_sent_all = false;
    while shared.is_useful() && !shared.is_stopped() && now < until {
        // What is queued is still on its way to the server.
        if !has_sent_all && fleet.queued_bytes == 0 {
            has_sent_all = true;
            shared.reached(Milestone::SentAll);
        }
        let has_all = shared.is_all_sent() && fleet.tally.is_complete(&shared.taken);
        if has_all && !fleet.is_opening() && fleet.is_answered() {
            break;
        }
        now = fleet.turn(until.min(now + DRAIN_LOOK_NS))?;
    }
    fleet.note_left();
    Ok(())
}

/// Waits until all workers have what they will get, and the server has been looked at: a goodbye
/// could cost others their last messages, and frees what sessions cost.
fn drained(fleet: &mut Fleet<'_>) -> anyhow::Result<()> {
    let shared = fleet.shared;
    shared.reached(Milestone::Drained);
    while !shared.is_goodbye() && !shared.is_stopped() {
        fleet.turn(u64::MAX)?;
    }
    Ok(())
}

/// Writes down what stands. What comes during the goodbyes is neither a delivery nor a time, and who
/// ends then is no loss.
fn close_books(fleet: &mut Fleet<'_>) -> Counts {
    let shared = fleet.shared;
    fleet.give_up();
    fleet.judge_guests();
    let mut counts = fleet.tally.counts(&shared.taken);
    if let Some(plan) = shared.plan.get() {
        let now = now_ns();
        let oldest = fleet.tally.oldest_outstanding(&shared.taken).into_iter();
        let planned = oldest.filter_map(|(publisher, sequence)| {
            // What a storm was to miss is not in the plan.
            let missed = shared.missed_of(publisher);
            match shared.settings.closed {
                _ if sequence < missed => shared.storm.drop_ns(),
                Some(_) => Some(shared.in_flight.planned_ns(publisher, sequence)),
                None => plan.publisher(publisher).due_of(sequence - missed),
            }
        });
        counts.outstanding_age_ns = now.saturating_sub(planned.min().unwrap_or(now));
    }
    if !shared.post.crew.is_alone() {
        counts.corrupted += fleet.tally.impossible(&shared.sent);
    }
    fleet.books.recovery.add(&fleet.tally.recovery());
    fleet.tally.close();
    counts
}

fn mark(fleet: &mut Fleet<'_>) -> Mark {
    Mark {
        at_ns: now_ns(),
        cpu_ns: thread_cpu_ns(),
        overflows: fleet.overflows(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share for people")]
fn figures(start: Mark, end: Mark, received: u64) -> Worker {
    let cpu_ns = end.cpu_ns - start.cpu_ns;
    Worker {
        sessions: 0,
        received,
        cpu_ns,
        cpu_share: cpu_ns as f64 / (end.at_ns - start.at_ns).max(1) as f64,
        cq_overflows: end.overflows - start.overflows,
    }
}

fn stop_slow_readers(fleet: &mut Fleet<'_>) {
    for index in 0..fleet.seats.len() {
        if fleet.seats[index].role == Role::Slow && fleet.seats[index].is_open() {
            fleet.stop_reading(index);
            fleet.books.stopped += 1;
        }
    }
}

/// What the subscribers that stopped reading should have had and did not take.
fn note_untaken(fleet: &mut Fleet<'_>) {
    let layout = fleet.shared.layout;
    for seat in fleet.seats.iter().filter(|seat| seat.role == Role::Slow) {
        let publishers = (seat.room..layout.publishers).step_by(layout.rooms as usize);
        let sent: u64 = publishers.map(|each| fleet.shared.taken.of(each)).sum();
        fleet.books.untaken += sent.saturating_sub(seat.taken);
    }
}

/// Sessions that come and go, in turns.
struct Churn {
    seats: Vec<usize>,
    next: usize,
    next_ns: u64,
    gap_ns: u64,
    end_ns: u64,
}

impl Churn {
    fn new(fleet: &Fleet<'_>, plan: &Plan) -> Self {
        let is_churn = fleet.shared.settings.workload == Workload::Churn;
        let is_churner = |index: &usize| is_churn && fleet.seats[*index].role == Role::Churner;
        let seats: Vec<_> = (0..fleet.seats.len()).filter(is_churner).collect();
        // All churners of all workers together make one round in a second.
        let gap_ns = 1_000_000_000 / (seats.len() as u64).max(1);
        Self {
            next: 0,
            next_ns: if seats.is_empty() {
                u64::MAX
            } else {
                plan.start_ns()
            },
            gap_ns,
            end_ns: plan.measure_end_ns(),
            seats,
        }
    }

    /// Lets those whose turn it is leave, and those that left half a round ago join.
    fn act(&mut self, fleet: &mut Fleet<'_>, now: u64) {
        while self.next_ns <= now {
            if self.next_ns >= self.end_ns {
                self.next_ns = u64::MAX;
                return;
            }
            let count = self.seats.len();
            let leaver = self.seats[self.next % count];
            if fleet.seats[leaver].is_open() {
                fleet.leave(leaver);
            }
            let joiner = self.seats[(self.next + count / 2) % count];
            if count == 1 || !fleet.seats[joiner].is_open() || fleet.seats[joiner].leaving {
                fleet.force_out(joiner);
                let slot = u32::try_from(joiner).unwrap_or(u32::MAX);
                fleet.wanted.push_front((now, slot));
            }
            self.next += 1;
            self.next_ns += self.gap_ns;
        }
    }
}
