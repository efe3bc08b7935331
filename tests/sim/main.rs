//! The pure shards under a simulated kernel, mesh and clients, all drawn from a seed: whatever
//! happens, every member of a room hears the same messages in the same order exactly once, and
//! afterwards nothing is left. Some clients join further rooms and leave them all the time.
//!
//! `SIM_SEED=N cargo test --test sim` replays one seed with a trace on standard error;
//! `SIM_SEEDS=N` runs so many of them, from `SIM_FIRST` on.

mod align;
mod books;
mod client;
mod counts;
mod decode;
mod desert;
mod driver;
mod hearing;
mod kernel;
mod links;
mod order;
mod roam;
mod roles;
mod run;
mod settings;
mod stay;
mod tape;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use self::counts::Counts;
use self::run::run;

/// Seeds of an ordinary run of the tests.
const SEEDS: u64 = 1000;

/// Whether a seed is replayed.
static TRACE: AtomicBool = AtomicBool::new(false);

/// Says on standard error what happens, when a seed is replayed.
#[macro_export]
macro_rules! trace {
    ($($arguments:tt)+) => {
        if $crate::TRACE.load(std::sync::atomic::Ordering::Relaxed) {
            eprintln!($($arguments)+);
        }
    };
}

/// Goal: no seed breaks an invariant.
#[test]
fn every_seed_holds() {
    let variable = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    if let Some(seed) = variable("SIM_SEED") {
        TRACE.store(true, Ordering::Relaxed);
        let counts = run(seed).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        trace!("{counts:?}");
        return;
    }
    let first: u64 = variable("SIM_FIRST").unwrap_or(0);
    let end = first + variable("SIM_SEEDS").unwrap_or(SEEDS);
    let (next, failures) = (AtomicU64::new(first), AtomicU64::new(0));
    let total = Mutex::new(Counts::default());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let outcome = catch_unwind(AssertUnwindSafe(|| run(seed)))
                        .unwrap_or_else(|_| Err("it panicked, see above".to_owned()));
                    match outcome {
                        Ok(counts) => *total.lock().expect("nobody panics with it") += counts,
                        Err(why) => {
                            failures.fetch_add(1, Ordering::Relaxed);
                            eprintln!(
                                "seed {seed} failed: replay with SIM_SEED={seed} cargo test \
                                 --test sim\n    {why}"
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
    let lacking = total.lacking(end - first);
    assert!(lacking.is_empty(), "too seldom: {lacking:?}");
}
