//! Who waited longest in a run.

use serde::{Deserialize, Serialize};

/// Sessions and rooms whose deliveries took longest in the measured window, by their mean, slowest first;
/// at most five of each, and no rooms if there is only one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Slowest {
    /// Sessions.
    pub(crate) sessions: Vec<Laggard>,
    /// Rooms, over all their sessions.
    pub(crate) rooms: Vec<Laggard>,
}

/// One of the slowest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Laggard {
    /// Number of the session, as `{i}` has it; none if this is a whole room.
    pub(crate) session: Option<u32>,
    /// Number of the room, as `{room}` has it.
    pub(crate) room: u32,
    /// Deliveries of messages planned in the window.
    pub(crate) deliveries: u64,
    /// Mean of their latencies.
    pub(crate) mean_ns: u64,
    /// Longest of their latencies.
    pub(crate) max_ns: u64,
}
