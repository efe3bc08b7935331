//! Many seeds one after the other, and what to do when one fails.

use std::fmt::Debug;
use std::ops::AddAssign;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Whether a seed is replayed.
pub(crate) static TRACE: AtomicBool = AtomicBool::new(false);

/// Says on standard error what happens, when a seed is replayed.
#[macro_export]
macro_rules! trace {
    ($($arguments:tt)+) => {
        if $crate::seeds::TRACE.load(std::sync::atomic::Ordering::Relaxed) {
            eprintln!($($arguments)+);
        }
    };
}

/// What too seldom happened: its name, how often it did and should have.
pub(crate) type Lacking = Vec<(&'static str, u64, u64)>;

/// A simulation.
pub(crate) struct Seeds<C> {
    /// How the names of the variables begin that say which seeds are run.
    pub(crate) prefix: &'static str,
    /// The test that runs them.
    pub(crate) test: &'static str,
    /// Seeds of an ordinary run.
    pub(crate) count: u64,
    /// Runs one, and says what happened in it.
    pub(crate) run: fn(u64) -> Result<C, String>,
    /// What happened too seldom in so many.
    pub(crate) lacking: fn(&C, u64) -> Lacking,
}

/// Runs the seeds that are asked for; panics when one of them fails.
pub(crate) fn hold<C: AddAssign + Debug + Default + Send>(seeds: &Seeds<C>) {
    let (prefix, test) = (seeds.prefix, seeds.test);
    let variable = |name: &str| {
        let text = std::env::var(format!("{prefix}_{name}")).ok();
        text.and_then(|text| text.parse().ok())
    };
    if let Some(seed) = variable("SEED") {
        TRACE.store(true, Ordering::Relaxed);
        let counts = (seeds.run)(seed).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        trace!("{counts:?}");
        return;
    }
    let first: u64 = variable("FIRST").unwrap_or(0);
    let end = first + variable("SEEDS").unwrap_or(seeds.count);
    let (next, failures) = (AtomicU64::new(first), AtomicU64::new(0));
    let total = Mutex::new(C::default());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let outcome = catch_unwind(AssertUnwindSafe(|| (seeds.run)(seed)))
                        .unwrap_or_else(|_| Err("it panicked, see above".to_owned()));
                    match outcome {
                        Ok(counts) => *total.lock().expect("nobody panics with it") += counts,
                        Err(why) => {
                            failures.fetch_add(1, Ordering::Relaxed);
                            eprintln!(
                                "seed {seed} failed: replay with {prefix}_SEED={seed} cargo test \
                                 --test sim -- --exact {test}\n    {why}"
                            );
                        }
                    }
                }
            });
        }
    });
    assert_eq!(failures.into_inner(), 0, "seeds failed, see above");
    let total = total.into_inner().expect("nobody panicked with it");
    eprintln!("{total:?}");
    let lacking = (seeds.lacking)(&total, end - first);
    assert!(lacking.is_empty(), "too seldom: {lacking:?}");
}
