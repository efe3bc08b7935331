//! The pure shards under a simulated kernel, mesh and clients, all drawn from a seed: whatever
//! happens, every member of a room hears the same messages in the same order exactly once, and
//! afterwards nothing is left.
//!
//! `SIM_SEED=N cargo test --test sim` replays one seed with a trace on standard error;
//! `SIM_SEEDS=N` runs so many of them, from `SIM_FIRST` on.

mod books;
mod client;
mod decode;
mod driver;
mod kernel;
mod links;
mod order;
mod run;
mod settings;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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
        run(seed).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        return;
    }
    let first: u64 = variable("SIM_FIRST").unwrap_or(0);
    let end = first + variable("SIM_SEEDS").unwrap_or(SEEDS);
    let (next, failures) = (AtomicU64::new(first), AtomicU64::new(0));
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
                    if let Err(why) = outcome {
                        failures.fetch_add(1, Ordering::Relaxed);
                        eprintln!(
                            "seed {seed} failed: replay with SIM_SEED={seed} cargo test --test \
                             sim\n    {why}"
                        );
                    }
                }
            });
        }
    });
    assert_eq!(failures.into_inner(), 0, "seeds failed, see above");
}
