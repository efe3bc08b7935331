//! One agent, as the process that leads sees it: tells it what to do, and takes in what it tells.

use std::process::Child;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use super::link::Link;
use super::orders::{Order, Report, Sent, Task};
use super::told::{Told, Topic};
use crate::books::done::{Done, Joiner};
use crate::books::inflight::Completion;
use crate::books::run::RunBooks;
use crate::clock::now_ns;
use crate::results::model::agents::Agent;
use crate::run::worker::Outcome;
use crate::shared::standing::Standing;
use crate::shared::{Milestone, Shared, lock};

/// How often it is looked whether there is something to tell.
const LOOK: Duration = Duration::from_millis(2);

/// How often the time is asked for, to find a pair of question and answer that nothing held up.
const PINGS: u32 = 100;

/// How long a child has for ending by itself, in looks.
const CHILD_LOOKS: u32 = 1_000;

/// How an agent's clock stands to the one here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offset {
    /// How much more it shows.
    pub(super) ahead_ns: i64,
    /// How far that may be from the truth: question and answer may have taken different times.
    pub(super) uncertainty_ns: u64,
}

impl Offset {
    /// Of a question, its answer by the other clock and when it came, which nothing can have held up for longer.
    fn of(asked_ns: u64, answer_ns: u64, came_ns: u64) -> Self {
        let round_trip_ns = came_ns.saturating_sub(asked_ns);
        let middle_ns = asked_ns + round_trip_ns / 2;
        Self {
            ahead_ns: answer_ns.wrapping_sub(middle_ns).cast_signed(),
            uncertainty_ns: round_trip_ns.div_ceil(2),
        }
    }

    /// Together with one that was found later: the clocks may have drifted.
    pub(super) fn with(self, later: Self) -> Self {
        let drift_ns = self.ahead_ns.abs_diff(later.ahead_ns);
        Self {
            ahead_ns: self.ahead_ns,
            uncertainty_ns: self.uncertainty_ns.max(later.uncertainty_ns) + drift_ns,
        }
    }
}

/// What all members of a run have in common.
pub(super) struct Hub<'r, 's> {
    pub(super) shared: &'r Shared<'s>,
    pub(super) arguments: Vec<String>,
    /// Of each process.
    pub(super) offsets: Vec<Offset>,
    pub(super) joined: Mutex<Joined>,
}

/// What is known of all processes together only.
pub(super) struct Joined {
    pub(super) joiner: Joiner,
    pub(super) books: RunBooks,
}

/// See the file.
pub(super) struct Member {
    pub(super) name: String,
    host: String,
    process: u32,
    link: Link<Report>,
    /// A process that was started here, whose clock is this one.
    child: Option<Child>,
    offset: Offset,
    standing: Standing,
    told: Told,
    reached: Vec<Milestone>,
    lost: Option<String>,
    sessions: u64,
}

impl Member {
    pub(super) fn new(
        process: u32,
        (name, host): (String, String),
        link: Link<Report>,
        child: Option<Child>,
    ) -> Self {
        Self {
            name,
            host,
            process,
            link,
            child,
            offset: Offset::default(),
            standing: Standing::default(),
            told: Told::default(),
            reached: Vec::new(),
            lost: None,
            sessions: 0,
        }
    }

    /// Compares the clocks.
    ///
    /// # Errors
    /// When it has gone: why, as the end of a sentence.
    pub(super) fn compare_clocks(&mut self) -> Result<Offset, String> {
        let mut best: Option<Offset> = None;
        if self.child.is_some() {
            return Ok(Offset::default());
        }
        for _ in 0..PINGS {
            let asked_ns = now_ns();
            self.link.send(&Order::Ping)?;
            let offset = loop {
                match self.link.next(LOOK)? {
                    Some((Report::Pong { at_ns }, came_ns)) => {
                        break Offset::of(asked_ns, at_ns, came_ns);
                    }
                    Some((Report::Failed { why }, _)) => return Err(why),
                    _ => {}
                }
            };
            best = best
                .into_iter()
                .chain([offset])
                .min_by_key(|offset| offset.uncertainty_ns);
        }
        self.offset = best.unwrap_or_default();
        Ok(self.offset)
    }

    /// Leads it through a run. Whatever happens to it, the others go on.
    pub(super) fn lead(&mut self, hub: &Hub<'_, '_>) -> Vec<Outcome> {
        let outcomes = self.go_through(hub);
        let outcomes = outcomes.unwrap_or_else(|why| {
            self.lose(hub, &why);
            Vec::new()
        });
        hub.shared.add_endings(&self.standing.endings);
        outcomes
    }

    fn go_through(&mut self, hub: &Hub<'_, '_>) -> Result<Vec<Outcome>, String> {
        let own_ns = self.offset.ahead_ns;
        let ahead_ns = hub
            .offsets
            .iter()
            .map(|offset| own_ns.wrapping_sub(offset.ahead_ns));
        let task = Task {
            arguments: hub.arguments.clone(),
            process: self.process,
            processes: hub.shared.post.crew.processes,
            run: hub.shared.post.run,
            ahead_ns: ahead_ns.collect(),
        };
        self.link.send(&Order::Begin(Box::new(task)))?;
        loop {
            self.tell(hub)?;
            if hub.shared.is_stopped() {
                return Ok(Vec::new());
            }
            let Some((report, _)) = self.link.next(LOOK)? else {
                continue;
            };
            if let Some(outcomes) = self.hear(hub, report) {
                self.sessions = outcomes
                    .iter()
                    .map(|outcome| outcome.figures.sessions)
                    .sum();
                let before = self.offset;
                match self.compare_clocks() {
                    Ok(after) => self.offset = before.with(after),
                    Err(why) => {
                        self.lost = Some(format!("before its clock was compared again: {why}"))
                    }
                }
                return Ok(outcomes);
            }
        }
    }

    /// Passes on what has been decided here.
    fn tell(&mut self, hub: &Hub<'_, '_>) -> Result<(), String> {
        let shared = hub.shared;
        let by_its_clock = |ns: u64| ns.saturating_add_signed(self.offset.ahead_ns);
        let (told, link) = (&mut self.told, &self.link);
        let plan = shared.plan.get().map(|plan| Order::Plan {
            start_ns: by_its_clock(plan.start_ns()),
        });
        let storm = shared.storm.drop_ns().map(|at_ns| Order::Storm {
            at_ns: by_its_clock(at_ns),
        });
        let back = shared.storm.return_ns().map(|at_ns| Order::Return {
            at_ns: by_its_clock(at_ns),
            sent: all_sent(shared),
        });
        let cut = shared.cut_ns().map(|at_ns| Order::CutShort {
            at_ns: by_its_clock(at_ns),
        });
        let is_useless = plan.is_some() && !shared.is_useful();
        let is_away = shared.storm.are_all_away();
        let is_sent = shared.all_reached(Milestone::SentAll);
        let sent = || Order::Sent {
            all: all_sent(shared),
        };
        let orders = [
            told.interval(shared.interval_asked_for()),
            told.once(Topic::Plan, plan),
            told.once(Topic::Storm, storm),
            told.once(Topic::Away, is_away.then_some(Order::Away)),
            told.once(Topic::Return, back),
            told.once(Topic::CutShort, cut),
            told.once(Topic::Useless, is_useless.then_some(Order::Useless)),
            told.once(Topic::Sent, is_sent.then(sent)),
        ];
        for order in orders.into_iter().flatten() {
            link.send(&order)?;
        }
        if shared.is_stopped() {
            return link.send(&Order::Stop);
        }
        let goodbye = shared.is_goodbye().then_some(Order::Goodbye);
        if let Some(goodbye) = told.once(Topic::Goodbye, goodbye) {
            link.send(&sent())?;
            link.send(&goodbye)?;
        }
        Ok(())
    }

    /// Takes in what it tells; its books, when they are closed.
    fn hear(&mut self, hub: &Hub<'_, '_>, report: Report) -> Option<Vec<Outcome>> {
        let shared = hub.shared;
        match report {
            Report::Pong { .. } => {}
            Report::Reached { milestone, sent } => {
                self.note_sent(hub, &sent);
                self.reach(hub, milestone);
            }
            Report::Standing(standing) => self.stand(hub, standing),
            Report::Done(batch) => {
                let process = self.process;
                let shift = |done: Done| done.shifted(self.offset.ahead_ns.wrapping_neg());
                let mut joined = lock(&hub.joined);
                let joiner = &mut joined.joiner;
                let complete = batch.into_iter().map(shift);
                let complete = complete.filter_map(|done| joiner.enter(process, done));
                let complete: Vec<_> = complete.collect();
                self.note_complete(hub, &mut joined, &complete);
            }
            Report::Vacant(rooms) => {
                let mut joined = lock(&hub.joined);
                for room in rooms {
                    let complete = joined.joiner.leave(self.process, Some(room));
                    self.note_complete(hub, &mut joined, &complete);
                }
            }
            Report::Gone(sessions) => {
                let mut backlog = lock(&shared.backlog);
                for gone in sessions {
                    backlog.note_gone(gone);
                }
            }
            Report::Interval {
                number,
                interval,
                reach,
                sent,
            } => {
                self.note_sent(hub, &sent);
                lock(&shared.backlog).note_reach(self.process, reach);
                let mut mailbox = lock(&shared.mailboxes[self.process as usize]);
                mailbox.interval.add(&interval);
                // How it stands now, even if what was left here before has not been fetched.
                mailbox.interval.missing = interval.missing;
                mailbox.interval.open = interval.open;
                mailbox.cut = number;
            }
            Report::Failed { why } => shared.fail(match self.child {
                Some(_) => why,
                None => format!("agent {}: {why}", self.name),
            }),
            Report::Finished { outcomes, interval } => {
                let mut mailbox = lock(&shared.mailboxes[self.process as usize]);
                mailbox.interval.add(&interval);
                mailbox.cut = u64::MAX;
                return Some(outcomes);
            }
        }
        None
    }

    fn reach(&mut self, hub: &Hub<'_, '_>, milestone: Milestone) {
        if !self.reached.contains(&milestone) {
            self.reached.push(milestone);
            hub.shared.reached(milestone);
        }
    }

    fn stand(&mut self, hub: &Hub<'_, '_>, standing: Standing) {
        hub.shared.note_standing(&self.standing, &standing);
        self.standing = standing;
    }

    /// What its publishers have sent.
    fn note_sent(&self, hub: &Hub<'_, '_>, sent: &[Sent]) {
        let shared = hub.shared;
        let layout = &shared.layout;
        let own = (0..layout.publishers).filter(|each| {
            let session = layout.session_of(*each);
            shared.post.crew.process_of(session) == self.process
        });
        for (publisher, sent) in own.zip(sent) {
            sent.note(shared, publisher);
        }
    }

    /// All subscribers had these messages, by the clock here.
    fn note_complete(&self, hub: &Hub<'_, '_>, joined: &mut Joined, complete: &[Done]) {
        let Some(plan) = hub.shared.plan.get() else {
            return;
        };
        let displaced = joined.joiner.displaced_ns.drain(..);
        let displaced = displaced
            .filter(|planned_ns| plan.is_measured(*planned_ns))
            .count();
        joined.books.evicted += displaced as u64;
        let mut mailbox = lock(&hub.shared.mailboxes[self.process as usize]);
        for done in complete {
            mailbox.interval.completed += 1;
            if plan.is_measured(done.planned_ns) {
                let completion = Completion {
                    planned_ns: done.planned_ns,
                    first_ns: done.first_ns,
                    median_ns: None,
                    last_ns: done.last_ns,
                };
                joined
                    .books
                    .note_complete(&mut mailbox.interval, &completion);
            }
        }
    }

    /// It has gone: what waits for it goes on without it, and the run tells of it.
    fn lose(&mut self, hub: &Hub<'_, '_>, why: &str) {
        let shared = hub.shared;
        match shared.plan.get() {
            None => shared.fail(format!(
                "agent {} was lost before the load began: {why}",
                self.name
            )),
            Some(plan) => {
                let since = Duration::from_nanos(now_ns().saturating_sub(plan.start_ns()));
                let since = since.as_secs_f64();
                self.lost = Some(format!("{since:.1} s after the load began: {why}"));
            }
        }
        self.stand(hub, self.standing.gone());
        for milestone in Milestone::ALL {
            self.reach(hub, milestone);
        }
        lock(&shared.mailboxes[self.process as usize]).cut = u64::MAX;
        lock(&shared.backlog).lose(self.process);
        let mut joined = lock(&hub.joined);
        let complete = joined.joiner.leave(self.process, None);
        self.note_complete(hub, &mut joined, &complete);
    }

    /// What is told of it.
    pub(super) fn told(&self) -> Agent {
        Agent {
            name: self.name.clone(),
            host: self.host.clone(),
            sessions: self.sessions,
            clock_ahead_ns: self.offset.ahead_ns,
            clock_uncertainty_ns: self.offset.uncertainty_ns,
            lost: self.lost.clone(),
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.link.close();
        let Some(child) = &mut self.child else { return };
        for _ in 0..CHILD_LOOKS {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(LOOK);
        }
        // It has had its time. Whether it can be ended or not, there is nobody to tell.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// What all publishers of all processes have sent, as far as that is known.
fn all_sent(shared: &Shared<'_>) -> Vec<Sent> {
    let all = 0..shared.layout.publishers;
    all.map(|publisher| Sent::of(shared, publisher)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the true difference of the clocks is within the uncertainty, however unevenly question and answer
    /// took their time, and what the clocks drift is added.
    #[test]
    fn the_truth_is_within_the_uncertainty() {
        for (there_ns, back_ns) in [(50, 50), (100, 0), (0, 100), (7, 2)] {
            for ahead_ns in [-1_000i64, 0, 5_000] {
                let answer_ns = (10_000u64 + there_ns).saturating_add_signed(ahead_ns);
                let offset = Offset::of(10_000, answer_ns, 10_000 + there_ns + back_ns);
                let error_ns = offset.ahead_ns.abs_diff(ahead_ns);
                assert!(error_ns <= offset.uncertainty_ns, "{offset:?}");
            }
        }
        let [before, after] = [(100, 8), (130, 5)].map(|(ahead_ns, uncertainty_ns)| Offset {
            ahead_ns,
            uncertainty_ns,
        });
        assert_eq!(before.with(after).uncertainty_ns, 8 + 30);
        assert_eq!(before.with(after).ahead_ns, 100);
    }
}
