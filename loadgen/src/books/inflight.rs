//! Messages in flight, shared by all workers: how many have each, and since when.
//!
//! The last 65,536 or so messages have a slot each, so memory does not depend on how long a run is.
//! A worker adds all it received of a message in one turn at once: an addition, a minimum and a
//! maximum for each message, worker and turn, not for each delivery. The turn whose addition
//! reaches half of the subscribers gives the median, and the one that reaches all of them ends the
//! message; so both are exact to one turn, without a sketch.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Slots in all, as long as each publisher has at least [`SHARE_MIN`].
const SLOTS: usize = 65_536;

/// The fewest messages of one publisher that can be in flight.
const SHARE_MIN: usize = 4;

#[derive(Debug, Default)]
struct Slot {
    /// One more than the sequence of its message; 0 if it never had one.
    tag: AtomicU64,
    /// The low half of the tag, then the deliveries so far: a late addition to a former message
    /// is seen and taken back.
    state: AtomicU64,
    expected: AtomicU32,
    planned_ns: AtomicU64,
    first_ns: AtomicU64,
    median_ns: AtomicU64,
    last_ns: AtomicU64,
}

/// The slots of all publishers.
#[derive(Debug)]
pub(crate) struct InFlight {
    slots: Vec<Slot>,
    /// Slots of each publisher; a power of two.
    share: usize,
    /// Held to open a message of a publisher elsewhere, which any worker may do.
    opening: Mutex<()>,
}

/// When a message that all its subscribers have came to the first, to half of them and to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Completion {
    pub(crate) planned_ns: u64,
    pub(crate) first_ns: u64,
    /// Not known of a message that several processes have.
    pub(crate) median_ns: Option<u64>,
    pub(crate) last_ns: u64,
}

impl InFlight {
    pub(crate) fn new(publishers: u32) -> Self {
        let share = Self::share(publishers);
        let mut slots = Vec::new();
        slots.resize_with(share * publishers as usize, Slot::default);
        Self {
            slots,
            share,
            opening: Mutex::default(),
        }
    }

    /// How many messages of each publisher can be followed at once.
    pub(crate) fn share(publishers: u32) -> usize {
        let share = (SLOTS / (publishers as usize).max(1)).max(SHARE_MIN);
        if share.is_power_of_two() {
            share
        } else {
            share.next_power_of_two() / 2
        }
    }

    /// How many slots there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The slot of a message.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "only the low bits count")]
    pub(crate) fn slot(&self, publisher: u32, sequence: u64) -> usize {
        publisher as usize * self.share + (sequence as usize & (self.share - 1))
    }

    /// When a message was planned; if its place was needed for another, when the earliest that still
    /// has one was.
    pub(crate) fn planned_ns(&self, publisher: u32, sequence: u64) -> u64 {
        let slot = &self.slots[self.slot(publisher, sequence)];
        if slot.tag.load(Ordering::Acquire) == sequence + 1 {
            return slot.planned_ns.load(Ordering::Relaxed);
        }
        let first = publisher as usize * self.share;
        let used = self.slots[first..first + self.share].iter();
        let used = used.filter(|slot| slot.tag.load(Ordering::Acquire) != 0);
        let planned = used.map(|slot| slot.planned_ns.load(Ordering::Relaxed));
        planned.min().unwrap_or(u64::MAX)
    }

    /// A message is about to be sent to so many subscribers. Called by its publisher's worker only.
    /// Returns when the message that had the slot was planned, if not all of its subscribers ever
    /// had it.
    pub(crate) fn open(
        &self,
        (publisher, sequence): (u32, u64),
        planned_ns: u64,
        expected: u32,
    ) -> Option<u64> {
        let slot = &self.slots[self.slot(publisher, sequence)];
        let unfinished = slot.unfinished();
        slot.tag.store(0, Ordering::Release);
        slot.state.store((sequence + 1) << 32, Ordering::Relaxed);
        slot.expected.store(expected, Ordering::Relaxed);
        slot.planned_ns.store(planned_ns, Ordering::Relaxed);
        slot.first_ns.store(u64::MAX, Ordering::Relaxed);
        slot.median_ns.store(0, Ordering::Relaxed);
        slot.last_ns.store(0, Ordering::Relaxed);
        slot.tag.store(sequence + 1, Ordering::Release);
        unfinished
    }

    /// A message of a publisher in another process has come, for the first time here unless another worker has
    /// opened it. Returns what [`open`](Self::open) does.
    #[inline]
    pub(crate) fn meet(
        &self,
        (publisher, sequence): (u32, u64),
        planned_ns: u64,
        expected: u32,
    ) -> Option<u64> {
        let slot = &self.slots[self.slot(publisher, sequence)];
        // Whoever opens it sets this for a moment to 0, and holds the lock.
        if slot.tag.load(Ordering::Acquire) > sequence {
            return None;
        }
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.tag.load(Ordering::Acquire) > sequence {
            return None;
        }
        self.open((publisher, sequence), planned_ns, expected)
    }

    /// So many more subscribers had the message in the slot at a time. Returns it when that
    /// completes it.
    pub(crate) fn deliver(
        &self,
        slot: usize,
        sequence: u64,
        count: u32,
        now_ns: u64,
    ) -> Option<Completion> {
        let slot = &self.slots[slot];
        if slot.tag.load(Ordering::Acquire) != sequence + 1 {
            return None;
        }
        slot.first_ns.fetch_min(now_ns, Ordering::Relaxed);
        slot.last_ns.fetch_max(now_ns, Ordering::Relaxed);
        let before = slot.state.fetch_add(u64::from(count), Ordering::AcqRel);
        if before >> 32 != (sequence + 1) & 0xffff_ffff {
            slot.state.fetch_sub(u64::from(count), Ordering::AcqRel);
            return None;
        }
        let before = before & 0xffff_ffff;
        let after = before + u64::from(count);
        let expected = u64::from(slot.expected.load(Ordering::Relaxed));
        let half = expected.div_ceil(2);
        if before < half && half <= after {
            slot.median_ns.store(now_ns, Ordering::Release);
        }
        (before < expected && expected <= after).then(|| Completion {
            planned_ns: slot.planned_ns.load(Ordering::Relaxed),
            first_ns: slot.first_ns.load(Ordering::Relaxed),
            median_ns: Some(match slot.median_ns.load(Ordering::Acquire) {
                // Another worker is between its addition and its note of the time: it is now.
                0 => now_ns,
                time_ns => time_ns,
            }),
            last_ns: slot.last_ns.load(Ordering::Relaxed),
        })
    }
}

impl Slot {
    fn unfinished(&self) -> Option<u64> {
        let delivered = self.state.load(Ordering::Acquire) & 0xffff_ffff;
        let expected = u64::from(self.expected.load(Ordering::Relaxed));
        let is_open = self.tag.load(Ordering::Relaxed) != 0 && delivered < expected;
        is_open.then(|| self.planned_ns.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: first, median and last are those of the deliveries, however they are grouped.
    #[test]
    fn completion_is_exact() {
        let in_flight = InFlight::new(1);
        let slot = in_flight.slot(0, 7);
        assert_eq!(in_flight.open((0, 7), 100, 10), None);
        assert_eq!(in_flight.deliver(slot, 7, 1, 110), None);
        assert_eq!(in_flight.deliver(slot, 7, 3, 120), None);
        assert_eq!(in_flight.deliver(slot, 7, 3, 130), None);
        assert_eq!(in_flight.deliver(slot, 7, 2, 150), None);
        // A worker whose turn began earlier adds later: the last delivery is still the latest.
        let completion = in_flight.deliver(slot, 7, 1, 140);
        let expected = Completion {
            planned_ns: 100,
            first_ns: 110,
            median_ns: Some(130),
            last_ns: 150,
        };
        assert_eq!(completion, Some(expected));
        assert_eq!(in_flight.deliver(slot, 7, 1, 160), None, "completed once");
    }

    /// Goal: a message of a publisher elsewhere is opened once, by whoever has it first, and never over a later one.
    #[test]
    fn messages_from_elsewhere_are_opened_once() {
        let in_flight = InFlight::new(20_000);
        let (slot, share) = (in_flight.slot(3, 0), 4);
        assert_eq!(in_flight.meet((3, 0), 100, 2), None);
        assert_eq!(in_flight.deliver(slot, 0, 1, 110), None);
        assert_eq!(in_flight.meet((3, 0), 100, 2), None);
        assert_eq!(in_flight.deliver(slot, 0, 1, 120).unwrap().first_ns, 110);
        assert_eq!(in_flight.meet((3, share), 200, 2), None);
        assert_eq!(in_flight.meet((3, 0), 100, 2), None, "too late");
        assert_eq!(in_flight.planned_ns(3, share), 200);
        assert_eq!(in_flight.meet((3, 2 * share), 300, 2), Some(200));
    }

    /// Goal: a message that loses its slot before it completed is told, and its late deliveries do
    /// not count for its successor.
    #[test]
    fn slots_are_reused_safely() {
        let in_flight = InFlight::new(20_000);
        let share = in_flight.len() as u64 / 20_000;
        assert_eq!(share, 4);
        assert_eq!(in_flight.open((3, 0), 100, 2), None);
        let slot = in_flight.slot(3, 0);
        in_flight.deliver(slot, 0, 1, 110);
        assert_eq!(in_flight.open((3, share), 200, 2), Some(100));
        assert_eq!(in_flight.deliver(slot, 0, 1, 210), None);
        assert_eq!(in_flight.deliver(slot, share, 1, 220), None);
        assert_eq!(in_flight.planned_ns(3, share), 200);
        assert_eq!(
            in_flight.planned_ns(3, 0),
            200,
            "displaced: the earliest left"
        );
        let completion = in_flight.deliver(slot, share, 1, 230).unwrap();
        assert_eq!((completion.first_ns, completion.last_ns), (220, 230));
        assert_eq!(in_flight.open((3, 2 * share), 300, 2), None);
    }
}
