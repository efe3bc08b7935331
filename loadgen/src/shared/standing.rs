//! How the sessions of a process stand: how many are open, ended or given up, and what went wrong with them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What went wrong with sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Endings {
    /// Those that ended and were not to end, by close code.
    pub(crate) closes: BTreeMap<u16, u64>,
    /// Handshakes that were answered with another status than 101, by status.
    pub(crate) refusals: BTreeMap<u16, u64>,
    /// The first thing that went wrong at all.
    pub(crate) first: Option<String>,
}

impl Endings {
    /// Adds those of another process; the first thing is told apart from the numbers.
    pub(super) fn add(&mut self, other: &Self) {
        for (code, count) in &other.closes {
            *self.closes.entry(*code).or_default() += count;
        }
        for (status, count) in &other.refusals {
            *self.refusals.entry(*status).or_default() += count;
        }
    }
}

/// How the sessions of one process stand, as it tells the one that leads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Standing {
    pub(super) open: u32,
    pub(super) subscribers_open: u32,
    pub(super) ended_early: u32,
    pub(super) publishers_ended: u32,
    pub(super) given_up: u32,
    pub(super) publishers_given_up: u32,
    pub(crate) endings: Endings,
}

impl Standing {
    /// The same when the process has gone, with all its sessions.
    pub(crate) fn gone(&self) -> Self {
        Self {
            open: 0,
            subscribers_open: 0,
            ..self.clone()
        }
    }
}
