//! Sums up what the workers found into the results of the run.

use crate::books::run::RunBooks;
use crate::books::tracks;
use crate::cli::settings::Settings;
use crate::cli::{Workload, redact};
use crate::results::model::agents::Machines;
use crate::results::model::asked::Parameters;
use crate::results::model::counts::Counts;
use crate::results::model::recovery::Recovery;
use crate::results::model::{
    Churn, Environment, Generator, HeldBack, Phase, Rates, Results, SCHEMA_VERSION, Sessions, Slow,
    Storm, Window,
};
use crate::run::slowest::slowest;
use crate::run::verdict::verdict;
use crate::run::worker::Outcome;
use crate::shared::Shared;
use crate::watch::server::Monitor;

/// What is known when a run is over.
pub(crate) struct Facts<'r, 's> {
    pub(crate) shared: &'r Shared<'s>,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) phases: Vec<Phase>,
    pub(crate) monitor: Monitor,
    /// As it was when the run began.
    pub(crate) environment: Environment,
    /// When the measured window ended.
    pub(crate) window_end_ns: u64,
    /// What is known of several processes together only, and which they were.
    pub(crate) joined: RunBooks,
    pub(crate) machines: Option<Machines>,
}

/// Puts the results together.
pub(crate) fn summarize(facts: Facts<'_, '_>) -> Results {
    let shared = facts.shared;
    let settings = shared.settings;
    let mut books = RunBooks::default();
    let mut counts = Counts::default();
    for outcome in &facts.outcomes {
        books.add(&outcome.books);
        counts.add(&outcome.counts);
    }
    books.add(&facts.joined);
    let window_start_ns = shared.plan.get().map_or(0, |plan| plan.measure_start_ns());
    let length_ns = facts.window_end_ns.saturating_sub(window_start_ns);
    let window = window(shared, &books, length_ns);
    counts.planned = planned(shared, &books).0;
    counts.sent = shared.taken.sum();
    counts.rejected = books.rejected;
    counts.acknowledged = books.acknowledged;
    counts.unanswered = books.unanswered;
    counts.joins = books.joins;
    counts.leaves = books.leaves;
    let rates = rates(shared, &window, &books);
    let waits = facts
        .outcomes
        .iter()
        .flat_map(|outcome| outcome.waits.iter().copied());
    let arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    let mut results = Results {
        schema_version: SCHEMA_VERSION,
        environment: facts.environment,
        command_line: redact::arguments(arguments),
        target: settings.target(),
        parameters: Parameters {
            workers: shared.post.crew.all(),
            ..settings.parameters()
        },
        phases: facts.phases,
        counts,
        rates,
        sessions: sessions(shared, &books),
        generator: generator(shared, &facts.outcomes, &books, facts.monitor.own_rss),
        server: facts.monitor.server_use(window.delivered),
        held_back: HeldBack {
            messages: books.held,
            longest_ns: books.held_ns_max,
            left_messages: books.left_messages,
            left_bytes: books.left_bytes,
        },
        storm: storm(settings, &books),
        recovery: recovery(settings, &books),
        churn: churn(settings, &books),
        slow: slow(settings, &books),
        window,
        slowest: slowest(&shared.layout, waits),
        latency: books.latency,
        machines: facts.machines,
        ..Results::default()
    };
    if let Some(machines) = &mut results.machines {
        machines.doubt(&results.latency.series());
    }
    results.verdict = verdict(&results, settings, shared.is_cut_short());
    results.slo = settings.slo.as_ref().map(|demand| demand.judge(&results));
    results
}

/// Messages of the whole run and of its measured window. A closed loop plans as it goes.
fn planned(shared: &Shared<'_>, books: &RunBooks) -> (u64, u64) {
    let publishers = 0..shared.layout.publishers;
    let missed: u64 = publishers.map(|each| shared.missed_of(each)).sum();
    let (all, in_window) = match shared.plan.get() {
        Some(plan) if shared.settings.closed.is_none() && !shared.settings.is_idle() => {
            let planned = plan.clone().until(shared.measure_end_ns(plan)).totals();
            (
                planned.0.saturating_sub(books.unpublished),
                planned.1.saturating_sub(books.unpublished_in_window),
            )
        }
        _ => (books.planned_all, books.planned),
    };
    (missed + all, in_window)
}

fn window(shared: &Shared<'_>, books: &RunBooks, length_ns: u64) -> Window {
    Window {
        length_ns,
        planned: planned(shared, books).1,
        sent: books.sent,
        completed: books.completed,
        delivered: books.delivered,
    }
}

#[expect(clippy::cast_precision_loss, reason = "rates for people")]
fn rates(shared: &Shared<'_>, window: &Window, books: &RunBooks) -> Rates {
    let seconds = (window.length_ns.max(1) as f64) / 1e9;
    let rate = |count: u64| count as f64 / seconds;
    Rates {
        planned: match (shared.settings.closed, shared.plan.get()) {
            (None, Some(plan)) => {
                let end_ns = shared.measure_end_ns(plan);
                let planned_ns = end_ns.saturating_sub(plan.measure_start_ns()).max(1);
                window.planned as f64 * 1e9 / planned_ns as f64
            }
            _ => 0.0,
        },
        sent: rate(window.sent),
        achieved: rate(window.completed),
        deliveries: rate(window.delivered),
        payload_bytes: rate(books.delivered_bytes),
    }
}

fn sessions(shared: &Shared<'_>, books: &RunBooks) -> Sessions {
    let endings = shared.endings();
    Sessions {
        opened: books.opened,
        unopened: books.unopened,
        failed: books.failed,
        heard_nothing: books.heard_nothing,
        refusals: endings.refusals.clone(),
        ended_early: shared.ended_early(),
        closes: endings.closes.clone(),
        first_cause: endings.first.clone(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
fn generator(
    shared: &Shared<'_>,
    outcomes: &[Outcome],
    books: &RunBooks,
    own_rss: (u64, u64),
) -> Generator {
    let cpu_ns: u64 = outcomes.iter().map(|outcome| outcome.figures.cpu_ns).sum();
    Generator {
        workers: outcomes
            .iter()
            .map(|outcome| outcome.figures.clone())
            .collect(),
        cpu_ns_per_received: cpu_ns as f64 / books.received.max(1) as f64,
        publish_lag_ns: books.publish_lag.clone(),
        own_lag_ns: books.own_lag.clone(),
        displaced: books.evicted,
        reorder_window: tracks::window(shared.layout.pairs()),
        rss_bytes_start: own_rss.0,
        rss_bytes_end: own_rss.1,
    }
}

fn storm(settings: &Settings, books: &RunBooks) -> Option<Storm> {
    (settings.workload == Workload::Storm).then(|| Storm {
        dropped: books.dropped,
        returned: books.returned,
        recovery_ns: (books.returned == books.dropped).then(|| books.returns.0.max()),
        return_ns: books.returns.clone(),
    })
}

fn recovery(settings: &Settings, books: &RunBooks) -> Option<Recovery> {
    let recovers = settings.speech.protocol.recovers();
    recovers.then(|| books.recovery.clone())
}

fn churn(settings: &Settings, books: &RunBooks) -> Option<Churn> {
    let has_guests = settings.workload == Workload::Churn || settings.pace.guests_max() > 0;
    has_guests.then_some(Churn {
        joined: books.joined,
        left: books.left,
    })
}

fn slow(settings: &Settings, books: &RunBooks) -> Option<Slow> {
    (settings.workload == Workload::Slow).then_some(Slow {
        stopped: books.stopped,
        closed: books.stopped_closed,
        untaken: books.untaken,
    })
}
