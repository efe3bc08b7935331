//! The part of one process in a run that another one leads.

use std::mem;
use std::time::Duration;

use anyhow::{anyhow, bail, ensure};

use super::link::Link;
use super::orders::{Order, Report, Sent, Task};
use super::rules::{self, Rules};
use crate::books::backlog::Reach;
use crate::clock::now_ns;
use crate::load::crew::Crew;
use crate::load::layout::Role;
use crate::load::plan::nanoseconds;
use crate::results::interval::Interval;
use crate::results::units::ms;
use crate::run::engine::{plan_from, with_hands};
use crate::run::machine::prepare;
use crate::run::worker;
use crate::shared::post::Post;
use crate::shared::standing::Standing;
use crate::shared::{Milestone, Shared, lock};

/// How often it is looked whether there is something to tell.
const LOOK: Duration = Duration::from_millis(5);

/// How long the workers have for handing an interval over. One that is late is in the next.
const HAND_OVER_NS: u64 = 60_000_000;

/// How much longer than its phases a run may take before it is ended here, whatever its leader says.
const SLACK: Duration = Duration::from_secs(60);

/// Messages that are told of at once.
const BATCH_MAX: usize = 50_000;

/// Makes the run that is asked for.
///
/// # Errors
/// One sentence: a leader that has gone, or a run that can't be made here; it has been told.
pub(super) fn follow(mut link: Link<Order>, rules: Option<&Rules>) -> anyhow::Result<()> {
    let task = loop {
        match link.next(LOOK).map_err(|why| anyhow!("no run: {why}"))? {
            Some((Order::Begin(task), _)) => break task,
            Some(_) => bail!("it wants something before there is a run"),
            None => {}
        }
    };
    let made = make(&mut link, *task, rules);
    if let Err(why) = &made {
        let why = format!("{why:#}");
        // It may have gone, which is then why.
        let _ = link.send(&Report::Failed { why });
    }
    // It asks for the time once more, and ends the connection.
    while link.next(LOOK).is_ok() {}
    made
}

fn make(link: &mut Link<Order>, task: Task, rules: Option<&Rules>) -> anyhow::Result<()> {
    let is_sound = task.process < task.processes && task.ahead_ns.len() == task.processes as usize;
    ensure!(is_sound && task.processes <= 64, "no such process");
    let settings = rules::settings(&task.arguments, task.processes, rules)?;
    let crew = Crew {
        process: task.process,
        processes: task.processes,
        workers: settings.workers,
    };
    prepare(&settings, &crew)?;
    let post = Post {
        crew,
        hands: settings.workers,
        follows: true,
        run: task.run,
        ahead_ns: task.ahead_ns,
    };
    let shared = Shared::new(&settings, post)?;
    expect_all(&shared);
    let work = |worker| Ok(vec![worker::run(&shared, worker)?]);
    let mut outcomes = with_hands(&shared, &work, || {
        let mut reporter = Reporter::new(&shared);
        lead(&shared, link, &mut reporter)
    })?;
    for outcome in &mut outcomes {
        outcome.waits.retain(|(_, waits)| waits.count > 0);
    }
    let mut reporter = Reporter::new(&shared);
    reporter.tell_done(link)?;
    let interval = Box::new(take_intervals(&shared).0);
    let finished = Report::Finished { outcomes, interval };
    link.send(&finished)
        .map_err(|why| anyhow!("the leader has gone: {why}"))
}

/// Does what is asked, and tells what comes of it, until all is over.
fn lead(
    shared: &Shared<'_>,
    link: &mut Link<Order>,
    reporter: &mut Reporter<'_, '_>,
) -> anyhow::Result<()> {
    let until_ns = now_ns() + nanoseconds(rules::length(shared.settings) + SLACK);
    loop {
        let heard = link.next(LOOK);
        let heard = heard.map_err(|why| anyhow!("the leader has gone: {why}"))?;
        match heard.map(|(order, _)| order) {
            Some(Order::Goodbye) => {
                reporter.tell(link)?;
                return Ok(());
            }
            Some(Order::Stop) => bail!("the leader stopped the run"),
            Some(Order::Interval { number }) => reporter.ask_for_interval(number),
            Some(order) => obey(shared, order),
            None => {}
        }
        reporter.tell(link)?;
        ensure!(now_ns() < until_ns, "the run did not end in its time");
    }
}

fn obey(shared: &Shared<'_>, order: Order) {
    match order {
        Order::Plan { start_ns } => {
            let late_ns = now_ns().saturating_sub(start_ns);
            // What others publish meanwhile could not be timed here.
            if late_ns > 0 && !shared.post.crew.is_alone() {
                shared.fail(format!(
                    "it heard of the load {:.0} ms after that had begun: --settle gives it longer",
                    ms(late_ns)
                ));
            }
            shared.plan.get_or_init(|| plan_from(shared, start_ns));
        }
        Order::Storm { at_ns } => shared.storm.call(at_ns),
        Order::Away => shared.storm.note_all_away(),
        Order::Return { at_ns, sent } => {
            for (publisher, sent) in known(shared, &sent) {
                sent.note_arrived(shared, publisher);
            }
            shared.storm.call_back(at_ns);
        }
        Order::CutShort { at_ns } => shared.cut_short(at_ns),
        Order::Sent { all } => {
            for (publisher, sent) in known(shared, &all) {
                sent.note(shared, publisher);
            }
            shared.note_all_sent();
        }
        Order::Useless => shared.note_useless(),
        Order::Ping | Order::Begin(_) | Order::Interval { .. } | Order::Goodbye | Order::Stop => {}
    }
}

/// Publishers in other processes.
fn others(shared: &Shared<'_>) -> impl Iterator<Item = u32> {
    let all = 0..shared.layout.publishers;
    all.filter(|each| !shared.post.crew.is_own(shared.layout.session_of(*each)))
}

/// What others have sent is not known here while the run goes on, only what they can; from the beginning, since theirs
/// may come as soon as sessions are open.
fn expect_all(shared: &Shared<'_>) {
    let most = plan_from(shared, 0).messages_max();
    for publisher in others(shared) {
        shared
            .sent
            .set(publisher, shared.missed_of(publisher) + most);
    }
}

/// What publishers elsewhere have sent, of all that is told.
fn known(shared: &Shared<'_>, all: &[Sent]) -> impl Iterator<Item = (u32, Sent)> {
    let told = |publisher: u32| Some((publisher, *all.get(publisher as usize)?));
    others(shared).filter_map(told)
}

/// What was told already.
struct Reporter<'r, 's> {
    shared: &'r Shared<'s>,
    reached: Vec<Milestone>,
    standing: Standing,
    /// Rooms that have subscribers here; known when the load begins.
    rooms: Option<Vec<u32>>,
    /// The interval that was asked for: its number, the one the workers call it by, and until when they have time.
    interval: Option<(u64, u64, u64)>,
    has_failed: bool,
}

impl<'r, 's> Reporter<'r, 's> {
    fn new(shared: &'r Shared<'s>) -> Self {
        Self {
            shared,
            reached: Vec::new(),
            standing: Standing::default(),
            rooms: None,
            interval: None,
            has_failed: false,
        }
    }

    fn ask_for_interval(&mut self, number: u64) {
        let own = self.shared.ask_for_interval();
        self.interval = Some((number, own, now_ns() + HAND_OVER_NS));
    }

    /// Tells what there is to tell.
    fn tell(&mut self, link: &Link<Order>) -> anyhow::Result<()> {
        self.tell_done(link)?;
        self.tell_standing(link)?;
        for milestone in Milestone::ALL {
            if self.shared.all_reached(milestone) && !self.reached.contains(&milestone) {
                self.reached.push(milestone);
                let sent = match milestone {
                    Milestone::Published | Milestone::SentAll | Milestone::Drained => {
                        self.own_sent()
                    }
                    Milestone::Connected | Milestone::Dropped | Milestone::Returned => Vec::new(),
                };
                send(link, &Report::Reached { milestone, sent })?;
            }
        }
        if let Some(why) = self.shared.failure().filter(|_| !self.has_failed) {
            self.has_failed = true;
            send(link, &Report::Failed { why })?;
        }
        self.tell_interval(link)
    }

    fn tell_done(&mut self, link: &Link<Order>) -> anyhow::Result<()> {
        let done = mem::take(&mut *lock(&self.shared.done));
        for batch in done.chunks(BATCH_MAX) {
            send(link, &Report::Done(batch.to_vec()))?;
        }
        Ok(())
    }

    fn tell_standing(&mut self, link: &Link<Order>) -> anyhow::Result<()> {
        let standing = self.shared.standing();
        let gone = mem::take(&mut *lock(&self.shared.gone));
        if !gone.is_empty() {
            send(link, &Report::Gone(gone))?;
        }
        let is_new = standing != self.standing;
        if is_new {
            send(link, &Report::Standing(standing.clone()))?;
            self.standing = standing;
        }
        // Before, a storm may have emptied a room for a moment.
        if self.shared.plan.get().is_some() && (is_new || self.rooms.is_none()) {
            self.tell_vacant(link)?;
        }
        Ok(())
    }

    fn tell_vacant(&mut self, link: &Link<Order>) -> anyhow::Result<()> {
        let shared = self.shared;
        let rooms = self.rooms.get_or_insert_with(|| rooms_of(shared));
        let (empty, left) =
            (rooms.iter()).partition::<Vec<u32>, _>(|room| shared.members(**room) == 0);
        *rooms = left;
        if empty.is_empty() {
            return Ok(());
        }
        // What these had before they went is told first.
        self.tell_done(link)?;
        send(link, &Report::Vacant(empty))
    }

    fn tell_interval(&mut self, link: &Link<Order>) -> anyhow::Result<()> {
        let Some((number, own, until_ns)) = self.interval else {
            return Ok(());
        };
        let mut mailboxes = self.shared.mailboxes.iter();
        if now_ns() < until_ns && mailboxes.any(|mailbox| lock(mailbox).cut < own) {
            return Ok(());
        }
        self.interval = None;
        let (interval, reach) = take_intervals(self.shared);
        let report = Report::Interval {
            number,
            interval: Box::new(interval),
            reach,
            sent: self.own_sent(),
        };
        send(link, &report)
    }

    /// What the publishers here have sent.
    fn own_sent(&self) -> Vec<Sent> {
        let shared = self.shared;
        let publishers = 0..shared.layout.publishers;
        let own =
            publishers.filter(|each| shared.post.crew.is_own(shared.layout.session_of(*each)));
        own.map(|publisher| Sent::of(shared, publisher)).collect()
    }
}

/// Rooms that are to have subscribers in this process.
fn rooms_of(shared: &Shared<'_>) -> Vec<u32> {
    let layout = &shared.layout;
    let own = (0..layout.subscribers).filter(|session| shared.post.crew.is_own(*session));
    let own = own.filter(|session| layout.role(*session) == Role::Subscriber);
    let mut rooms: Vec<_> = own.map(|session| layout.room(session)).collect();
    rooms.sort_unstable();
    rooms.dedup();
    rooms
}

/// What all workers have handed over.
fn take_intervals(shared: &Shared<'_>) -> (Interval, Reach) {
    let (mut all, mut reach) = (Interval::default(), Reach::default());
    for mailbox in &shared.mailboxes {
        let mut mailbox = lock(mailbox);
        all.add(&mem::take(&mut mailbox.interval));
        reach.add(mailbox.reach);
    }
    (all, reach)
}

fn send(link: &Link<Order>, report: &Report) -> anyhow::Result<()> {
    link.send(report)
        .map_err(|why| anyhow!("the leader has gone: {why}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    /// The second of two processes, with one publisher in each and three messages to miss by each.
    fn with_shared(check: impl Fn(&Shared<'_>)) {
        let flags = "fanload --target 127.0.0.1:82 --publishers 2 --subscribers 2 --protocol centrifugo \
                     --set recover=yes --workload storm --missed 6";
        let cli = Cli::try_parse_from(flags.split_whitespace()).unwrap();
        let settings = cli.run.check().unwrap();
        let crew = Crew {
            process: 1,
            processes: 2,
            workers: 1,
        };
        let post = Post {
            crew,
            hands: 1,
            follows: true,
            run: 5,
            ahead_ns: vec![0; 2],
        };
        check(&Shared::new(&settings, post).unwrap());
    }

    /// Goal: what publishers elsewhere may have sent is taken for possible before the load, in a storm and after it, and
    /// in the end what they have sent; own ones are known by themselves.
    #[test]
    fn what_others_may_send_is_known() {
        with_shared(|shared| {
            let own = (0..2).find(|each| shared.post.crew.is_own(shared.layout.session_of(*each)));
            let own = own.unwrap();
            let other = 1 - own;
            expect_all(shared);
            let most = shared.sent.of(other);
            assert!(most > 3 && shared.sent.of(own) == 0, "{most}");
            let sent: Vec<Sent> = serde_json::from_str(
                "[{\"handed_on\":3,\"taken\":3,\"acknowledged\":3},{\"handed_on\":3,\"taken\":3,\"acknowledged\":3}]",
            )
            .unwrap();
            let at_ns = 7;
            let all = sent.clone();
            obey(shared, Order::Return { at_ns, sent });
            assert_eq!(shared.storm.return_ns(), Some(7));
            let figures = |publisher| {
                let (sent, taken) = (shared.sent.of(publisher), shared.taken.of(publisher));
                (sent, taken, shared.acknowledged.of(publisher))
            };
            assert_eq!((figures(other), figures(own)), ((most, 3, 3), (0, 0, 0)));
            obey(shared, Order::Sent { all });
            assert_eq!((figures(other), figures(own)), ((3, 3, 3), (0, 0, 0)));
        });
    }

    /// Goal: a process that hears of the load when that has begun elsewhere ends the run with what helps, since it would
    /// judge wrongly what comes.
    #[test]
    fn late_plans_end_the_run() {
        with_shared(|shared| {
            let start_ns = now_ns() + nanoseconds(Duration::from_secs(60));
            obey(shared, Order::Plan { start_ns });
            assert_eq!(shared.failure(), None);
        });
        with_shared(|shared| {
            obey(shared, Order::Plan { start_ns: 1 });
            let why = shared.failure().unwrap();
            assert!(why.contains("--settle gives it longer"), "{why}");
        });
    }
}
