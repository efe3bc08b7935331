//! Judges every delivery: lost, duplicated, reordered or damaged, and how long it took.
//!
//! Memory is bounded by subscribers times publishers; nothing is kept for each message.

use crate::payload::{Decoded, Payload, decode};
use crate::plan::Plan;
use hdrhistogram::Histogram;

/// Latencies are kept from 1 us to 60 s with three digits; what is longer counts as 60 s.
const LATENCY_NS_MIN: u64 = 1_000;
const LATENCY_NS_MAX: u64 = 60_000_000_000;

/// How far back a late message is told from a repeated one.
const WINDOW: u64 = u64::BITS as u64;

/// A histogram of nanoseconds as all of this program uses it.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(LATENCY_NS_MIN, LATENCY_NS_MAX, 3)
        .unwrap_or_else(|error| unreachable!("constant bounds: {error:?}"))
}

/// What one subscriber has had of one publisher.
#[derive(Clone, Copy, Debug, Default)]
struct Track {
    /// One more than the highest sequence seen.
    next: u64,
    /// Bit `i`: sequence `next - 1 - i` was seen.
    seen: u64,
}

/// Deliveries so far, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Messages seen for the first time by a subscriber.
    pub(crate) delivered: u64,
    /// Sequences that were skipped and have not come later.
    holes: u64,
    /// Messages a subscriber had seen before.
    pub(crate) duplicated: u64,
    /// Messages that came after a later one of the same publisher. One that is over 64 behind
    /// can't be told from a repetition any more; it is counted here, and stays a hole if it was one.
    pub(crate) reordered: u64,
    /// Messages with the wrong length, padding, publisher or a sequence never sent.
    pub(crate) corrupt: u64,
    /// Messages that are not this program's, such as notices of the server.
    pub(crate) foreign: u64,
}

/// The books of one run.
pub(crate) struct Tally {
    size: usize,
    publishers: usize,
    tracks: Vec<Track>,
    /// Messages handed to the kernel so far, for each publisher.
    sent: Vec<u64>,
    counts: Counts,
    latency: Histogram<u64>,
    plan: Option<Plan>,
}

impl Tally {
    pub(crate) fn new(subscribers: usize, publishers: usize, size: usize) -> Self {
        Self {
            size,
            publishers,
            tracks: vec![Track::default(); subscribers * publishers],
            sent: vec![0; publishers],
            counts: Counts::default(),
            latency: histogram(),
            plan: None,
        }
    }

    /// Latencies of the messages the plan says to measure are recorded from now on.
    pub(crate) fn follow(&mut self, plan: Plan) {
        self.plan = Some(plan);
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    pub(crate) fn latency(&self) -> &Histogram<u64> {
        &self.latency
    }

    /// Notes that a publisher's next message is on its way.
    pub(crate) fn sent(&mut self, publisher: u32) {
        self.sent[publisher as usize] += 1;
    }

    /// Messages sent, over all publishers.
    pub(crate) fn sent_total(&self) -> u64 {
        self.sent.iter().sum()
    }

    /// Deliveries that are still to come.
    pub(crate) fn outstanding(&self) -> u64 {
        let subscribers = self.tracks.len().checked_div(self.publishers).unwrap_or(0) as u64;
        (self.sent_total() * subscribers).saturating_sub(self.counts.delivered)
    }

    /// Deliveries that have not come: at the end of a run, those that were lost.
    pub(crate) fn lost(&self) -> u64 {
        let behind = |(index, track): (usize, &Track)| {
            self.sent[index % self.publishers].saturating_sub(track.next)
        };
        self.counts.holes + self.tracks.iter().enumerate().map(behind).sum::<u64>()
    }

    /// Judges one message that a subscriber got.
    #[inline]
    pub(crate) fn received(&mut self, subscriber: usize, bytes: &[u8], now_ns: u64) {
        match decode(bytes, self.size) {
            Decoded::Ours(payload) => self.judge(subscriber, payload, now_ns),
            Decoded::Corrupt => self.counts.corrupt += 1,
            Decoded::Foreign => self.counts.foreign += 1,
        }
    }

    fn judge(&mut self, subscriber: usize, payload: Payload, now_ns: u64) {
        let publisher = payload.publisher as usize;
        if self
            .sent
            .get(publisher)
            .is_none_or(|&sent| payload.sequence >= sent)
        {
            self.counts.corrupt += 1;
            return;
        }
        let counts = &mut self.counts;
        let track = &mut self.tracks[subscriber * self.publishers + publisher];
        if payload.sequence >= track.next {
            let skipped = payload.sequence - track.next;
            let shifted = if skipped + 1 < WINDOW {
                track.seen << (skipped + 1)
            } else {
                0
            };
            *track = Track {
                next: payload.sequence + 1,
                seen: shifted | 1,
            };
            counts.holes += skipped;
        } else {
            let back = track.next - 1 - payload.sequence;
            if back >= WINDOW {
                counts.reordered += 1;
                return;
            }
            if track.seen >> back & 1 == 1 {
                counts.duplicated += 1;
                return;
            }
            track.seen |= 1 << back;
            counts.holes -= 1;
            counts.reordered += 1;
        }
        counts.delivered += 1;
        if self
            .plan
            .is_some_and(|plan| plan.is_measured(payload.planned_ns))
        {
            self.latency
                .saturating_record(now_ns.saturating_sub(payload.planned_ns));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::encode;
    use std::time::Duration;

    fn message(publisher: u32, sequence: u64) -> [u8; 32] {
        let mut bytes = [0; 32];
        encode(
            Payload {
                publisher,
                sequence,
                planned_ns: 1_000,
            },
            &mut bytes,
        );
        bytes
    }

    /// One subscriber, one publisher who has sent `sent`, and the sequences that arrived.
    fn tally(sent: u64, arrived: &[u64]) -> Tally {
        let mut tally = Tally::new(1, 1, 32);
        for _ in 0..sent {
            tally.sent(0);
        }
        for &sequence in arrived {
            tally.received(0, &message(0, sequence), 2_000);
        }
        tally
    }

    fn verdict(sent: u64, arrived: &[u64]) -> (u64, u64, u64) {
        let tally = tally(sent, arrived);
        (
            tally.lost(),
            tally.counts().duplicated,
            tally.counts().reordered,
        )
    }

    // Goal: lost, duplicated and reordered are each counted exactly, also in combination.
    #[test]
    fn deliveries_are_judged_exactly() {
        assert_eq!(verdict(5, &[0, 1, 2, 3, 4]), (0, 0, 0));
        assert_eq!(verdict(5, &[0, 1, 3, 4]), (1, 0, 0));
        assert_eq!(verdict(5, &[1, 2, 3]), (2, 0, 0));
        assert_eq!(verdict(5, &[]), (5, 0, 0));
        assert_eq!(verdict(5, &[0, 1, 1, 2, 3, 4, 0]), (0, 2, 0));
        assert_eq!(verdict(5, &[0, 2, 1, 4, 3]), (0, 0, 2));
        assert_eq!(verdict(5, &[0, 2, 1, 1, 4]), (1, 1, 1));
    }

    // Goal: gaps wider than the window are still counted exactly.
    #[test]
    fn wide_gaps_are_counted() {
        assert_eq!(verdict(1_000, &[0, 999]), (998, 0, 0));
        assert_eq!(verdict(200, &[0, 63, 64, 128, 100]), (195, 0, 1));
        assert_eq!(
            verdict(200, &[0, 199, 1]),
            (198, 0, 1),
            "too late to be told apart"
        );
    }

    // Goal: the end of a run is known the moment the last delivery is in.
    #[test]
    fn outstanding_deliveries_are_known() {
        assert_eq!(tally(3, &[0, 1, 1]).outstanding(), 1);
        assert_eq!(tally(3, &[0, 1, 2]).outstanding(), 0);
    }

    // Goal: subscribers and publishers do not mix.
    #[test]
    fn every_pair_has_its_own_track() {
        let mut tally = Tally::new(2, 2, 32);
        tally.sent(0);
        tally.sent(1);
        for (subscriber, publisher) in [(0, 0), (0, 1), (1, 1)] {
            tally.received(subscriber, &message(publisher, 0), 2_000);
        }
        assert_eq!((tally.lost(), tally.outstanding()), (1, 1));
        assert_eq!(tally.counts().duplicated, 0);
    }

    // Goal: what was never sent is damage, and what is not ours is left alone.
    #[test]
    fn impossible_messages_are_corrupt() {
        let mut tally = tally(1, &[]);
        tally.received(0, &message(0, 1), 2_000);
        tally.received(0, &message(1, 0), 2_000);
        tally.received(0, &message(0, 0)[..31], 2_000);
        tally.received(0, b"hello", 2_000);
        assert_eq!((tally.counts().corrupt, tally.counts().foreign), (3, 1));
        assert_eq!(tally.lost(), 1);
    }

    // Goal: latency runs from the planned time, for messages of the measured window only.
    #[test]
    fn latency_runs_from_the_plan() {
        let mut tally = tally(2, &[]);
        let (none, second) = (Duration::ZERO, Duration::from_secs(1));
        tally.follow(Plan::new(1_000, 1, 1, none, second));
        tally.received(0, &message(0, 0), 5_001_000);
        assert_eq!(tally.latency().len(), 1);
        assert!(tally.latency().max().abs_diff(5_000_000) < 10_000);
        tally.follow(Plan::new(0, 1, 1, second, second));
        tally.received(0, &message(0, 1), 5_001_000);
        assert_eq!(tally.latency().len(), 1, "planned in the warm-up");
    }
}
