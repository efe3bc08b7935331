//! A run from its first connection to its results: starts the workers, leads them through the
//! phases, and tells an observer how it goes.

use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};

use crate::books::run::RunBooks;
use crate::cli::Workload;
use crate::cli::settings::Settings;
use crate::clock::now_ns;
use crate::load::crew::Crew;
use crate::load::layout::Role;
use crate::load::plan::{Plan, nanoseconds};
use crate::results::interval::Observer;
use crate::results::model::{Environment, PhaseName, Results};
use crate::run::interrupt::Interrupt;
use crate::run::machine::prepare;
use crate::run::progress::Progress;
use crate::run::summary::{Facts, summarize};
use crate::run::worker::{self, Outcome};
use crate::shared::post::Post;
use crate::shared::{Milestone, Shared};
use crate::watch::server::Monitor;

/// Beyond the drain, how long workers may take to end it.
const DRAIN_SLACK: Duration = Duration::from_secs(2);

/// Beyond the time for connecting, how long workers may take to give up.
const CONNECT_SLACK: Duration = Duration::from_millis(500);

/// How much further ahead the plan begins that other processes must hear of before.
const PLAN_AHEAD: Duration = Duration::from_millis(250);

/// How far ahead an interruption sets the end of the run, so that all workers know of it in time.
const CUT_AHEAD: Duration = Duration::from_millis(100);

/// Makes a run and gives what it found, without the pieces the observer saw.
///
/// # Errors
/// One sentence, when the run can't be made: no server, a refused handshake, too few sessions in
/// time, an interruption before anything was measured. What goes wrong later is in the results.
pub(crate) fn measure(
    settings: &Settings,
    interrupt: &Interrupt,
    observer: &mut dyn Observer,
) -> anyhow::Result<Results> {
    prepare(settings, &Crew::alone(settings.workers))?;
    let post = Post::alone(settings.workers);
    let shared = Shared::new(settings, post).context("setting up the workers")?;
    let work = |worker| Ok(vec![worker::run(&shared, worker)?]);
    Ok(summarize(conduct(&shared, interrupt, observer, &work)?))
}

/// Goes through a run whose hands do this work each, and gives what is known in the end.
///
/// # Errors
/// See [`measure`].
pub(crate) fn conduct<'r, 's>(
    shared: &'r Shared<'s>,
    interrupt: &Interrupt,
    observer: &mut dyn Observer,
    work: &Work<'_>,
) -> anyhow::Result<Facts<'r, 's>> {
    let environment = Environment::gather();
    let monitor = Monitor::new(&shared.settings.server_pids)?;
    let mut progress = Progress::new(shared, monitor, observer);
    let outcomes = with_hands(shared, work, || lead(shared, interrupt, &mut progress))?;
    progress.end();
    Ok(Facts {
        shared,
        outcomes,
        phases: progress.phases,
        monitor: progress.monitor,
        environment,
        window_end_ns: progress.window_end_ns,
        joined: RunBooks::default(),
        machines: None,
    })
}

/// What each hand does, by its number.
pub(crate) type Work<'w> = dyn Fn(u32) -> anyhow::Result<Vec<Outcome>> + Sync + 'w;

/// Starts all hands, leads them, says goodbye, and gives what they found.
///
/// # Errors
/// One sentence: why it could not be led, or what a hand failed with.
pub(crate) fn with_hands(
    shared: &Shared<'_>,
    work: &Work<'_>,
    lead: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Outcome>> {
    let (outcomes, led) = thread::scope(|scope| {
        let hands: Vec<_> = (0..shared.post.hands)
            .map(|hand| {
                thread::Builder::new()
                    .name(format!("worker-{hand}"))
                    .spawn_scoped(scope, move || guarded(shared, work, hand))
            })
            .collect();
        let led = lead();
        shared.say_goodbye();
        if led.is_err() || !hands.iter().all(Result::is_ok) {
            shared.stop();
        }
        let outcomes: Vec<_> = hands
            .into_iter()
            .map(
                |spawned| match spawned.context("starting a worker")?.join() {
                    Ok(outcome) => outcome,
                    Err(_) => bail!("a worker panicked"),
                },
            )
            .collect();
        (outcomes, led)
    });
    led?;
    let outcomes = outcomes.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    if let Some(why) = shared.failure() {
        bail!(why);
    }
    Ok(outcomes.into_iter().flatten().collect())
}

/// A worker's thread. Whatever way it fails, the others must not wait for it.
fn guarded(shared: &Shared<'_>, work: &Work<'_>, hand: u32) -> anyhow::Result<Vec<Outcome>> {
    struct Guard<'a>(&'a Shared<'a>);
    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            if thread::panicking() {
                self.0.fail("a worker panicked".to_owned());
            }
        }
    }
    let guard = Guard(shared);
    let outcome = work(hand);
    if let Err(error) = &outcome {
        shared.fail(format!("{error:#}"));
    }
    drop(guard);
    outcome
}

/// Goes through the phases, as far as the run gets.
fn lead(
    shared: &Shared<'_>,
    interrupt: &Interrupt,
    progress: &mut Progress<'_, '_>,
) -> anyhow::Result<()> {
    let settings = shared.settings;
    let is_over = || shared.is_stopped() || !shared.is_useful() || interrupt.is_asked();
    connect(shared, interrupt, progress)?;
    progress.begin(PhaseName::Settle);
    if settings.workload == Workload::Storm {
        progress.wait(now_ns() + nanoseconds(settings.settle), is_over);
        storm(shared, interrupt, progress)?;
    }
    let ahead = match shared.post.crew.is_alone() {
        true => settings.settle,
        false => settings.settle + PLAN_AHEAD,
    };
    let plan = plan_from(shared, now_ns() + nanoseconds(ahead));
    shared.plan.get_or_init(|| plan.clone());
    progress.wait(plan.start_ns(), is_over);
    if !settings.is_idle() {
        progress.monitor.all_open(shared.open());
    }
    if plan.measure_start_ns() > plan.start_ns() {
        progress.begin(PhaseName::WarmUp);
        progress.wait(plan.measure_start_ns(), is_over);
    }
    heed(interrupt)?;
    progress.begin(PhaseName::Measure);
    progress.monitor.window_start();
    progress.wait(plan.measure_end_ns(), is_over);
    if interrupt.is_asked() {
        shared.cut_short(now_ns() + nanoseconds(CUT_AHEAD));
        progress.wait(shared.measure_end_ns(&plan), || {
            shared.is_stopped() || !shared.is_useful()
        });
    }
    if settings.is_idle() {
        progress.monitor.all_open(shared.open());
    }
    progress.window_end_ns = now_ns().min(shared.measure_end_ns(&plan));
    progress.monitor.window_end();
    progress.begin(PhaseName::Drain);
    let limit = now_ns() + nanoseconds(settings.drain + DRAIN_SLACK);
    progress.wait(limit, || {
        shared.is_stopped() || !shared.is_useful() || shared.all_reached(Milestone::Drained)
    });
    if let Some(why) = shared.failure() {
        bail!(why);
    }
    Ok(())
}

/// The plan of the run, if it begins at a time.
pub(crate) fn plan_from(shared: &Shared<'_>, start_ns: u64) -> Plan {
    let settings = shared.settings;
    let (warmup, duration) = match settings.is_idle() {
        true => (Duration::ZERO, settings.hold),
        false => (settings.pace.warmup, settings.pace.duration),
    };
    Plan::new(
        start_ns,
        (settings.pace.profile(), settings.arrivals),
        shared.layout.publishers.max(1),
        warmup,
        duration,
    )
}

/// Before anything is measured, an interruption leaves nothing to tell of.
fn heed(interrupt: &Interrupt) -> anyhow::Result<()> {
    ensure!(
        !interrupt.is_asked(),
        "interrupted before anything was measured"
    );
    Ok(())
}

fn connect(
    shared: &Shared<'_>,
    interrupt: &Interrupt,
    progress: &mut Progress<'_, '_>,
) -> anyhow::Result<()> {
    progress.begin(PhaseName::Connect);
    let settings = shared.settings;
    let deadline = now_ns() + nanoseconds(settings.connect_timeout + CONNECT_SLACK);
    progress.wait(deadline, || {
        shared.is_stopped() || interrupt.is_asked() || shared.all_reached(Milestone::Connected)
    });
    if let Some(why) = shared.failure() {
        bail!(why);
    }
    heed(interrupt)?;
    if !shared.all_reached(Milestone::Connected) || shared.are_too_many_given_up() {
        return Err(too_few(shared, "were open"));
    }
    Ok(())
}

/// Has everybody dropped, has published what they are to miss, and waits until all are back and have it.
fn storm(
    shared: &Shared<'_>,
    interrupt: &Interrupt,
    progress: &mut Progress<'_, '_>,
) -> anyhow::Result<()> {
    let settings = shared.settings;
    let connect = settings.connect_timeout + CONNECT_SLACK;
    let has_reached =
        |milestone| shared.is_stopped() || interrupt.is_asked() || shared.all_reached(milestone);
    if settings.missed == 0 {
        progress.monitor.storm_start();
    }
    shared.storm.call(now_ns());
    let mut within = connect;
    if settings.missed > 0 {
        let until_ns = now_ns() + nanoseconds(connect);
        progress.wait(until_ns, || has_reached(Milestone::Dropped));
        shared.storm.note_all_away();
        progress.wait(until_ns, || has_reached(Milestone::Published));
        heed(interrupt)?;
        progress.monitor.storm_start();
        shared.storm.call_back(now_ns());
        within += settings.drain;
    }
    let until_ns = now_ns() + nanoseconds(within);
    progress.wait(until_ns, || has_reached(Milestone::Returned));
    progress.monitor.storm_end();
    heed(interrupt)?;
    if !shared.all_reached(Milestone::Returned) || shared.are_too_many_given_up() {
        return Err(too_few(shared, "had come back"));
    }
    Ok(())
}

fn too_few(shared: &Shared<'_>, did: &str) -> anyhow::Error {
    let settings = shared.settings;
    let layout = &shared.layout;
    let steady = (0..layout.sessions()).filter(|&i| layout.role(i) != Role::Churner);
    let cause = shared.endings().first.take();
    anyhow!(
        "{}: only {} of {} sessions {did} after {} s{}; --connect-timeout gives it longer",
        settings.address,
        shared.open(),
        steady.count(),
        settings.connect_timeout.as_secs_f64(),
        cause.map_or_else(String::new, |cause| format!(" ({cause})"))
    )
}
