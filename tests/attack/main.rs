//! The server under attack: floods and hostile peers, and the promise of its start line, which must
//! hold all the while.
//!
//! `ATTACK_SECONDS` makes each attack last longer than the few seconds that a check can spare.

#[path = "../support/mod.rs"]
mod support;

mod flood;
mod promise;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// These tests fill the machine: one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long one attack lasts, unless `ATTACK_SECONDS` says otherwise.
fn attack_time() -> Duration {
    let given = std::env::var("ATTACK_SECONDS").ok();
    let seconds = given.map_or(3, |text| {
        text.parse()
            .expect("ATTACK_SECONDS is a whole number of seconds")
    });
    Duration::from_secs(seconds)
}
