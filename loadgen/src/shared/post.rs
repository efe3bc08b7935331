//! Who shares the state of a run: the workers of one process, or several processes and whoever leads them.

use std::hash::{BuildHasher, RandomState};

use crate::books::payload::RUN_BITS;
use crate::load::crew::Crew;

/// See the file.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) crew: Crew,
    /// Threads that come to milestones: workers, or those that lead one process each.
    pub(crate) hands: u32,
    /// Whether another process leads.
    pub(crate) follows: bool,
    /// Tells this run's messages from those of others, and of other runs.
    pub(crate) run: u32,
    /// What the clock here shows more than that of each process; empty if it is one clock.
    pub(crate) ahead_ns: Vec<i64>,
}

impl Post {
    /// One process that does all by itself.
    pub(crate) fn alone(workers: u32) -> Self {
        Self {
            crew: Crew::alone(workers),
            hands: workers,
            follows: false,
            run: random_run(),
            ahead_ns: Vec::new(),
        }
    }
}

/// A number that no other run has, but by chance. From the system, because runs that begin at the
/// same moment on two machines must differ too.
pub(crate) fn random_run() -> u32 {
    let bits = RandomState::new().hash_one(std::process::id());
    u32::try_from(bits >> (u64::BITS - RUN_BITS)).expect("24 bits fit")
}
