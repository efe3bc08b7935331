//! The histories of all rooms of a shard together: what they take, when one is to be looked at, and
//! where those stand whose rooms are gone.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::history::{History, Retention};
use super::positions::Positions;
use crate::id::RoomId;

/// When a history is to be looked at, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due {
    pub(super) at: Duration,
    pub(super) room: RoomId,
    pub(super) serial: u64,
}

/// What is known of all of them.
#[derive(Debug)]
pub(super) struct Histories {
    /// Memory of all their messages, and of the rooms that stay for them.
    bytes: usize,
    bytes_max: usize,
    /// At most one for each that has messages, and some whose histories are gone.
    due: BinaryHeap<Reverse<Due>>,
    serial: u64,
    pub(super) positions: Positions,
}

impl Histories {
    /// None yet; all may take so many bytes, and so many places be remembered.
    pub(super) fn new(bytes_max: usize, positions_max: usize) -> Self {
        Self {
            bytes: 0,
            bytes_max,
            due: BinaryHeap::new(),
            serial: 0,
            positions: Positions::new(positions_max),
        }
    }

    /// Memory of all their messages, and of the rooms that stay for them, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How much of it is too much; then it is worth a look at all rooms to free a quarter.
    pub(super) fn excess(&self) -> Option<usize> {
        (self.bytes > self.bytes_max).then(|| self.bytes - self.bytes_max / 4 * 3)
    }

    /// One more, of a room whose messages up to the place `top` are not kept.
    pub(super) fn begin(&mut self, retention: Retention, top: u64, now: Duration) -> History {
        self.serial += 1;
        History::new(retention, top, self.serial, now)
    }

    /// Does something to the history of a room that changes what it keeps.
    pub(super) fn change<R>(
        &mut self,
        room: RoomId,
        history: &mut History,
        change: impl FnOnce(&mut History) -> R,
    ) -> R {
        let before = history.bytes();
        let result = change(history);
        self.bytes += history.bytes();
        self.bytes -= before;
        if !history.is_noted
            && let Some(at) = history.expires_at()
        {
            history.is_noted = true;
            let serial = history.serial;
            self.due.push(Reverse(Due { at, room, serial }));
        }
        result
    }

    /// One is gone, with its room.
    pub(super) fn end(&mut self, history: &History) {
        self.bytes -= history.bytes();
    }

    /// When the first is to be looked at.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.due.peek().map(|Reverse(due)| due.at)
    }

    /// The next that is to be looked at by `now`, and is noted no longer.
    pub(super) fn take_due(&mut self, now: Duration) -> Option<Due> {
        let Reverse(due) = *self.due.peek()?;
        if due.at > now {
            return None;
        }
        self.due.pop();
        Some(due)
    }
}
