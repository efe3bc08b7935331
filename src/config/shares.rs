//! Limits that nobody sets: shares of the log, and what follows from how many shards there are.

use super::Config;
use crate::process::AddressSpace;

/// Least that may be staged for rooms that are held for their members.
const HELD_BYTES_MIN: usize = 4 << 20;
/// Least that a shard may have on its way to another.
const MESH_CREDIT_BYTES_MIN: usize = 64 << 10;

impl Config {
    /// What one flush may append to a shard's log, but for the frame that exceeds it, and what may
    /// be staged before publishers wait. Sessions that keep up are then never overtaken by the
    /// tail, and one whose socket is full for a few turns is not yet as far behind as
    /// `lag_bytes_max` lets it be, which is a quarter of the log or more.
    #[must_use]
    pub(crate) fn append_bytes_max(&self) -> usize {
        self.log_bytes / 32
    }

    /// What rooms that are held for their members may have staged on a shard, in all. Nobody who
    /// publishes to them is read from, so it is what was staged when they came to be held, which
    /// for one room is no more than three times what a flush may append and what arrives in a turn.
    #[must_use]
    pub(crate) fn held_bytes_max(&self) -> usize {
        (8 * self.append_bytes_max()).saturating_add(HELD_BYTES_MIN)
    }

    /// What the indexes of a shard's rooms may take besides a few entries each: where messages
    /// are in the log that somebody has yet to be sent.
    #[must_use]
    pub(crate) fn index_bytes_max(&self) -> usize {
        self.log_bytes / 4
    }

    /// Rooms that a shard takes addresses for when it starts.
    #[must_use]
    pub(crate) fn reserved_rooms(&self) -> usize {
        match self.address_space {
            AddressSpace::Free => self.rooms_max,
            AddressSpace::Counted => 0,
        }
    }

    /// What a shard may have sent to another that was not used up there, in bytes of what messages
    /// say and what describes them: all the others together fill the part of its log that one flush
    /// appends.
    #[must_use]
    pub(crate) fn mesh_credit_bytes(&self) -> usize {
        (self.append_bytes_max() / self.shards.get()).max(MESH_CREDIT_BYTES_MIN)
    }
}
