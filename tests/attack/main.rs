//! The server under attack: small limits, hostile peers, and the promise of its start line, which
//! must hold all the while for a bystander in another room to be served.
//!
//! `ATTACK_SECONDS` makes each attack last longer than the few seconds that a check can spare.

#[path = "../support/mod.rs"]
mod support;

mod behind;
mod bystander;
mod downloads;
mod echoes;
mod fair;
mod flood;
mod halves;
mod kept;
mod pongs;
mod promise;
mod rooms;
mod siege;
mod staged;
mod stalled;
mod swarm;
mod tiny;

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
    let seconds = given.map_or(2, |text| {
        text.parse()
            .expect("ATTACK_SECONDS is a whole number of seconds")
    });
    Duration::from_secs(seconds)
}
