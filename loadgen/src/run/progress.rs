//! Where a run stands: collects the workers' intervals, sums them up by phase, and tells the
//! observer.

use std::mem;
use std::thread;
use std::time::Duration;

use crate::clock::now_ns;
use crate::load::tide::Tide;
use crate::results::interval::{Interval, Observer};
use crate::results::model::{Phase, PhaseName};
use crate::shared::{Shared, lock};
use crate::watch::server::Monitor;

/// Length of an interval, in nanoseconds.
const INTERVAL_NS: u64 = 1_000_000_000;

/// How often a wait looks whether it is over.
const LOOK: Duration = Duration::from_millis(2);

/// How long the workers have for handing an interval over. One that is late is in the next.
const HAND_OVER_NS: u64 = 100_000_000;

/// The run so far.
pub(crate) struct Progress<'r, 's> {
    shared: &'r Shared<'s>,
    observer: &'r mut dyn Observer,
    pub(crate) monitor: Monitor,
    pub(crate) phases: Vec<Phase>,
    /// When the first connection was started.
    origin_ns: u64,
    /// When the interval under way began, and when it is to end.
    interval_ns: u64,
    due_ns: u64,
    pub(crate) window_end_ns: u64,
}

impl<'r, 's> Progress<'r, 's> {
    pub(crate) fn new(
        shared: &'r Shared<'s>,
        monitor: Monitor,
        observer: &'r mut dyn Observer,
    ) -> Self {
        let now = now_ns();
        Self {
            shared,
            observer,
            monitor,
            phases: Vec::new(),
            origin_ns: now,
            interval_ns: now,
            due_ns: now + INTERVAL_NS,
            window_end_ns: 0,
        }
    }

    /// Ends the phase under way, and its interval, and begins another.
    pub(crate) fn begin(&mut self, name: PhaseName) {
        self.end();
        self.phases.push(Phase {
            name,
            start_ns: self.interval_ns - self.origin_ns,
            ..Phase::default()
        });
    }

    /// Ends the phase under way.
    pub(crate) fn end(&mut self) {
        if self.phases.is_empty() {
            self.interval_ns = now_ns();
        } else {
            self.cut();
        }
        self.due_ns = self.interval_ns + INTERVAL_NS;
    }

    /// Waits for a time or an event, whichever is first, and reports meanwhile.
    pub(crate) fn wait(&mut self, until_ns: u64, is_over: impl Fn() -> bool) {
        loop {
            let now = now_ns();
            if now >= until_ns || is_over() {
                return;
            }
            if now >= self.due_ns {
                self.cut();
                self.due_ns += INTERVAL_NS;
            }
            let next = until_ns.min(self.due_ns).saturating_sub(now);
            thread::sleep(LOOK.min(Duration::from_nanos(next)));
        }
    }

    /// How many sessions are to be open at a time.
    fn wanted(&self, now_ns: u64) -> u64 {
        let shared = self.shared;
        let guests = shared.plan.get().map_or(0, |plan| {
            let stages = &shared.settings.pace.session_stages;
            let tide = Tide::new(stages, plan.measure_start_ns());
            tide.level(now_ns.min(shared.measure_end_ns(plan)))
        });
        u64::from(shared.layout.steady()) + guests
    }

    /// Ends the interval under way: has the workers hand it over, and tells of it.
    fn cut(&mut self) {
        let end_ns = now_ns();
        let cut = self.shared.ask_for_interval();
        let mut interval = Interval::default();
        for mailbox in &self.shared.mailboxes {
            while lock(mailbox).cut < cut && now_ns() < end_ns + HAND_OVER_NS {
                thread::sleep(LOOK / 4);
            }
            interval.add(&mem::take(&mut lock(mailbox).interval));
        }
        // Each knows what its own sessions have had, and not what others have sent; at the end all do.
        if let Some((outstanding, cut_off)) = self.shared.missing_over_all()
            && !self.shared.is_goodbye()
        {
            interval.missing.outstanding = outstanding;
            interval.missing.cut_off = cut_off;
        }
        self.monitor.look();
        let Some(phase) = self.phases.last_mut() else {
            return;
        };
        phase.length_ns += end_ns - self.interval_ns;
        phase.opened += interval.upgrade.0.len();
        phase.sent += interval.sent;
        phase.delivered += interval.delivered;
        interval.phase = phase.name;
        interval.start_ns = self.interval_ns - self.origin_ns;
        interval.length_ns = end_ns - self.interval_ns;
        interval.open_wanted = self.wanted(end_ns);
        self.interval_ns = end_ns;
        self.observer.interval(&interval);
    }
}
