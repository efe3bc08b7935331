//! Peers that stop reading, never finish their request, or die: they cost the others nothing
//! and leave nothing behind. And a server that stands still for a while.

#[path = "../support/mod.rs"]
mod support;

mod dead;
mod flow;
mod frozen;
mod recovers;
mod slow_reader;
mod stalled;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// These tests measure or fill the machine: one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
