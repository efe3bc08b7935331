//! Waiting for a condition with a deadline, and running a table of cases to its end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// How long a test waits for the next thing to happen before it calls that a failure. Only a test that
/// fails ever waits so long, so it is far longer than a busy machine needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Failures after which a table stops, so that a server that answers nothing fails soon.
const TABLE_FAILURES_MAX: usize = 8;

/// A moment after which a test has waited long enough.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    end: Instant,
    allowed: Duration,
    progress: u64,
}

impl Deadline {
    /// `allowed` from now.
    pub(crate) fn after(allowed: Duration) -> Self {
        Self {
            end: Instant::now() + allowed,
            allowed,
            progress: 0,
        }
    }

    /// Begins anew when `progress` is another one than the last time: a slow machine that gets on is
    /// no failure.
    pub(crate) fn renew(&mut self, progress: impl TryInto<u64>) {
        let progress = progress.try_into().unwrap_or(u64::MAX);
        if progress != self.progress {
            *self = Self::after(self.allowed);
            self.progress = progress;
        }
    }

    /// Whether the moment has passed.
    pub(crate) fn passed(&self) -> bool {
        Instant::now() >= self.end
    }

    /// Panics with `what` did not happen when the moment has passed.
    #[track_caller]
    pub(crate) fn check(&self, what: impl FnOnce() -> String) {
        assert!(!self.passed(), "not within {:?}: {}", self.allowed, what());
    }
}

/// Asks `probe` again and again until it answers, for at most `allowed`.
#[track_caller]
pub(crate) fn eventually<T>(
    what: &str,
    allowed: Duration,
    mut probe: impl FnMut() -> Option<T>,
) -> T {
    let deadline = Deadline::after(allowed);
    loop {
        if let Some(answer) = probe() {
            return answer;
        }
        deadline.check(|| what.to_owned());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Runs `check` on every case of a table and fails once, at the end, naming those that failed.
#[track_caller]
pub(crate) fn each<C>(
    cases: impl IntoIterator<Item = C>,
    name: impl Fn(&C) -> String,
    check: impl Fn(&C),
) {
    let mut failed = Vec::new();
    let mut total = 0_usize;
    for case in cases {
        total += 1;
        if catch_unwind(AssertUnwindSafe(|| check(&case))).is_err() {
            eprintln!("^^^ in case: {}", name(&case));
            failed.push(name(&case));
        }
        if failed.len() >= TABLE_FAILURES_MAX {
            failed.push("and the rest of the table was not run".to_owned());
            break;
        }
    }
    assert!(total > 0, "the table is empty");
    assert!(
        failed.is_empty(),
        "{} failed:\n  {}",
        failed.len(),
        failed.join("\n  ")
    );
}
