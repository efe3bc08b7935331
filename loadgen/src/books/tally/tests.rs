//! What the books say of messages that arrive wrongly in known ways.

mod comings;

use super::*;
use crate::books::payload::encode;

const RUN: u32 = 77;

struct Bench {
    tally: Tally,
    sent: PerPublisher,
    in_flight: InFlight,
}

fn layout(subscribers: u32, publishers: u32) -> Layout {
    Layout {
        subscribers,
        slow: 0,
        publishers,
        churners: 0,
        rooms: 1,
        everybody_publishes: false,
        self_delivery: false,
    }
}

/// One subscriber, one publisher, and somebody who comes and goes: session 2.
fn with_churner() -> Layout {
    Layout {
        churners: 1,
        ..layout(1, 1)
    }
}

fn message(run: u32, publisher: u32, sequence: u64) -> [u8; 40] {
    let mut bytes = [0; 40];
    let payload = Payload {
        publisher,
        sequence,
        planned_ns: 1_000,
    };
    encode(run, payload, &mut bytes);
    bytes
}

impl Bench {
    /// Each publisher has sent as much as `sent` says.
    fn new(layout: Layout, sent: &[u64]) -> Self {
        Self::with(layout, sent, false)
    }

    fn with(layout: Layout, sent: &[u64], recovers: bool) -> Self {
        let in_flight = InFlight::new(layout.publishers);
        let scope = Scope {
            layout: &layout,
            crew: &Crew::alone(1),
            ahead_ns: &[],
            run: RUN,
            slots: in_flight.len(),
            arrives_as: Some(Kind::Text),
            recovers,
        };
        let numbers = PerPublisher::new(layout.publishers);
        for (publisher, &sent) in (0..).zip(sent) {
            numbers.set(publisher, sent);
        }
        Self {
            tally: Tally::new(scope, 0..layout.sessions()),
            sent: numbers,
            in_flight,
        }
    }

    fn receive(&mut self, session: usize, publisher: u32, sequence: u64) {
        self.take(session, &message(RUN, publisher, sequence));
    }

    fn take(&mut self, session: usize, bytes: &[u8]) {
        self.take_as(session, bytes, Kind::Text, seam::Place::Whole);
    }

    fn take_as(&mut self, session: usize, bytes: &[u8], kind: Kind, place: seam::Place) {
        let (sent, in_flight) = (&self.sent, &self.in_flight);
        let found = Found { bytes, place, kind };
        self.tally.received(session, found, sent, in_flight);
    }

    /// The counts, of which those that were expected add up.
    fn counts(&self) -> Counts {
        let counts = self.tally.counts(&self.sent);
        assert_eq!(
            counts.expected,
            counts.delivered + counts.missing().sum(),
            "{counts:?}"
        );
        counts
    }

    /// How many times were handed out, and how many of those count for completion.
    fn times(&mut self) -> (u32, u32) {
        let mut sums = (0, 0);
        self.tally.end_turn(|batch| {
            sums.0 += batch.count;
            sums.1 += batch.steady;
        });
        sums
    }
}

/// One subscriber, one publisher who has sent `sent`, and the sequences that arrived: skipped,
/// outstanding, duplicated, reordered.
fn verdict(sent: u64, arrived: &[u64]) -> [u64; 4] {
    let mut bench = Bench::new(layout(1, 1), &[sent]);
    for &sequence in arrived {
        bench.receive(0, 0, sequence);
    }
    let counts = bench.counts();
    [
        counts.skipped,
        counts.outstanding,
        counts.duplicated,
        counts.reordered,
    ]
}

/// Goal: skipped, outstanding, duplicated and reordered are each counted exactly, also in combination.
#[test]
fn deliveries_are_judged_exactly() {
    assert_eq!(verdict(5, &[0, 1, 2, 3, 4]), [0, 0, 0, 0]);
    assert_eq!(verdict(5, &[0, 1, 3, 4]), [1, 0, 0, 0]);
    assert_eq!(verdict(5, &[1, 2, 3]), [1, 1, 0, 0]);
    assert_eq!(verdict(5, &[0, 1]), [0, 3, 0, 0]);
    assert_eq!(verdict(5, &[]), [0, 5, 0, 0]);
    assert_eq!(verdict(5, &[0, 1, 1, 2, 3, 4, 0]), [0, 0, 2, 0]);
    assert_eq!(verdict(5, &[0, 2, 1, 4, 3]), [0, 0, 0, 2]);
    assert_eq!(verdict(5, &[0, 2, 1, 1, 4]), [1, 0, 1, 1]);
    assert_eq!(verdict(1_000, &[0, 999]), [998, 0, 0, 0]);
    assert_eq!(verdict(200, &[0, 63, 64, 128, 100]), [124, 71, 0, 1]);
}

/// Goal: a delivery that was overtaken by hundreds is late and not lost, and one that was overtaken by more
/// than there is memory for is said to be too late to tell; the time of both counts.
#[test]
fn late_deliveries_keep_their_times() {
    let many = 70_000;
    let mut bench = Bench::new(layout(1, 1), &[many]);
    for sequence in (1..1_000).chain([0]).chain(1_001..many) {
        bench.receive(0, 0, sequence);
    }
    assert_eq!((bench.counts().reordered, bench.counts().skipped), (1, 1));
    assert_eq!(bench.times(), (69_999, 69_999));
    bench.receive(0, 0, 1_000);
    let counts = bench.counts();
    assert_eq!((counts.too_late, counts.skipped), (1, 1));
    assert_eq!((counts.reordered, counts.delivered), (1, 69_999));
    assert_eq!(bench.times(), (1, 0), "for the latency, not for completion");
}

/// Goal: subscribers and publishers do not mix, and the end of a run is known.
#[test]
fn every_pair_has_its_own_track() {
    let mut bench = Bench::new(layout(2, 2), &[1, 1]);
    for (subscriber, publisher) in [(0, 0), (0, 1), (1, 1)] {
        bench.receive(subscriber, publisher, 0);
    }
    let counts = bench.counts();
    assert_eq!((counts.outstanding, counts.expected), (1, 4));
    assert_eq!(counts.duplicated, 0);
    assert!(!bench.tally.is_complete(&bench.sent));
    bench.receive(1, 0, 0);
    assert!(bench.tally.is_complete(&bench.sent));
}

/// Goal: what a session that ended can't get any more is cut off, and neither lost nor waited for; what it
/// had been passed over before is lost all the same.
#[test]
fn ended_sessions_are_cut_off() {
    let mut bench = Bench::new(layout(2, 2), &[4, 2]);
    for (session, publisher, sequence) in [(0, 0, 0), (1, 0, 0), (1, 0, 2), (0, 1, 0)] {
        bench.receive(session, publisher, sequence);
    }
    bench.tally.ended(1);
    bench.tally.ended(1);
    let counts = bench.counts();
    assert_eq!((counts.skipped, counts.outstanding), (1, 4));
    assert_eq!(
        counts.cut_off, 3,
        "one message of the first and two of the other"
    );
    bench.sent.set(0, 10);
    let counts = bench.counts();
    assert_eq!((counts.outstanding, counts.cut_off), (10, 9));
    for sequence in 1..10 {
        bench.receive(0, 0, sequence);
    }
    bench.receive(0, 1, 1);
    assert!(
        !bench.tally.is_complete(&bench.sent),
        "what was skipped is waited for"
    );
    assert_eq!(bench.counts().outstanding, 0);
}

/// Goal: of what is outstanding the oldest message of each publisher is known.
#[test]
fn the_oldest_outstanding_is_known() {
    let mut bench = Bench::new(layout(2, 3), &[5, 5, 2]);
    for (session, publisher, sequence) in [(0, 0, 3), (1, 0, 2), (0, 1, 4), (1, 1, 4)] {
        bench.receive(session, publisher, sequence);
    }
    let oldest = bench.tally.oldest_outstanding(&bench.sent);
    assert_eq!(oldest, [(0, 3), (2, 0)]);
    bench.tally.ended(1);
    let oldest = bench.tally.oldest_outstanding(&bench.sent);
    assert_eq!(oldest, [(0, 4), (2, 0)]);
}

/// Goal: what was never sent is damage, and what is not ours is left alone: notices, and another run's
/// messages, whether their numbers could be ours or not.
#[test]
fn impossible_messages_are_corrupt() {
    let mut bench = Bench::new(layout(1, 1), &[1]);
    bench.receive(0, 0, 1);
    bench.receive(0, 1, 0);
    bench.take(
        0,
        b"FNLD and then something else, long enough to hold a header",
    );
    bench.take(0, b"hello");
    bench.take(0, &message(RUN + 1, 0, 0));
    bench.take(0, &message(RUN + 1, 9, 9));
    let counts = bench.counts();
    assert_eq!((counts.corrupted, counts.foreign), (3, 3));
    assert_eq!((counts.outstanding, counts.duplicated), (1, 0));
}

/// Goal: a message of another room is damage, and one's own is expected only if asked for.
#[test]
fn rooms_and_own_messages_are_told_apart() {
    for (self_delivery, expected) in [(false, 2), (true, 4)] {
        let chat = Layout {
            rooms: 2,
            publishers: 4,
            subscribers: 4,
            everybody_publishes: true,
            self_delivery,
            ..layout(4, 4)
        };
        let mut bench = Bench::new(chat, &[1, 0, 1, 0]);
        assert_eq!(bench.counts().expected, expected);
        bench.receive(0, 2, 0);
        bench.receive(0, 0, 0);
        bench.receive(1, 0, 0);
        let counts = bench.counts();
        assert_eq!(counts.corrupted, 1);
        assert_eq!(counts.foreign, u64::from(!self_delivery));
        assert_eq!(counts.outstanding, expected - counts.delivered);
        bench.tally.ended(0);
        bench.tally.ended(2);
        let counts = bench.counts();
        assert_eq!(
            (counts.outstanding, counts.cut_off),
            (0, expected - counts.delivered)
        );
    }
}

/// Goal: one who joins late misses nothing before its first message, and all after it counts.
#[test]
fn late_joiners_start_where_they_join() {
    let mut bench = Bench::new(with_churner(), &[50]);
    bench.tally.joins(2, &bench.sent, 0);
    bench.sent.set(0, 100);
    for sequence in [60, 61, 63] {
        bench.receive(2, 0, sequence);
    }
    let counts = bench.counts();
    assert_eq!((counts.skipped, counts.expected), (1, 104));
    bench.receive(2, 0, 58);
    let counts = bench.counts();
    assert_eq!((counts.skipped, counts.reordered), (2, 1), "it began there");
    bench.tally.joins(2, &bench.sent, 0);
    bench.sent.set(0, 101);
    bench.receive(2, 0, 100);
    let counts = bench.counts();
    assert_eq!((counts.skipped, counts.delivered), (2, 5));
}

/// Goal: one who joins late and gets nothing until it leaves is found if others had something meanwhile that was due
/// after it was open, and only then; history and what comes after the books are closed change nothing of it.
#[test]
fn who_hears_nothing_is_found() {
    let ms = |ms: u64| ms * 1_000_000;
    let mut bench = Bench::new(with_churner(), &[50]);
    let heard = PerPublisher::new(1);
    let stay = |bench: &mut Bench, open_ms: u64, heard_ms: u64, sequences: &[u64]| {
        bench.tally.joins(2, &bench.sent, 0);
        bench.sent.set(0, bench.sent.of(0) + 10);
        bench.tally.opened(2, ms(open_ms));
        for sequence in sequences {
            bench.receive(2, 0, *sequence);
        }
        heard.raise(0, ms(heard_ms));
        bench.tally.leaves(2, &heard);
        bench.tally.has_heard_nothing(2)
    };
    assert!(!stay(&mut bench, 1_000, 1_090, &[]), "a moment");
    assert!(stay(&mut bench, 2_000, 2_500, &[]));
    assert!(!stay(&mut bench, 3_000, 3_500, &[75]));
    assert!(stay(&mut bench, 4_000, 4_500, &[3, 60]), "history");
    bench.tally.joins(2, &bench.sent, 0);
    bench.tally.opened(2, ms(5_000));
    assert!(!bench.tally.has_heard_nothing(2), "it is there yet");
    bench.tally.leaves(2, &heard);
    assert!(!bench.tally.has_heard_nothing(2), "nobody heard anything");
    heard.raise(0, ms(6_000));
    bench.tally.leaves(2, &heard);
    bench.tally.close();
    assert!(!bench.tally.has_heard_nothing(2), "the books are closed");
}

/// Goal: history that a server sends to one who joins is told from live messages, before the first of
/// them and after it, and is no delivery; what comes live twice is repeated all the same.
#[test]
fn history_is_told_from_live_messages() {
    let mut bench = Bench::new(with_churner(), &[50]);
    bench.tally.joins(2, &bench.sent, 0);
    bench.sent.set(0, 53);
    for sequence in [40, 41, 42, 50, 49, 51, 51, 40] {
        bench.receive(2, 0, sequence);
    }
    let counts = bench.counts();
    assert_eq!((counts.replayed, counts.delivered), (5, 2));
    assert_eq!((counts.duplicated, counts.reordered), (1, 0));
    assert_eq!(bench.times(), (2, 0));
    bench.tally.joins(2, &bench.sent, 0);
    bench.receive(2, 0, 51);
    assert_eq!(
        bench.counts().replayed,
        6,
        "it had that one when it was here before"
    );
}

/// Goal: what comes after the books are closed is in no count and no latency.
#[test]
fn closed_books_stay_closed() {
    let mut bench = Bench::new(with_churner(), &[3]);
    bench.receive(0, 0, 0);
    bench.tally.ended(0);
    let before = bench.counts();
    assert_eq!(bench.times(), (1, 1));
    bench.tally.close();
    assert_eq!(bench.counts(), before);
    for sequence in [0, 1, 2, 9] {
        bench.receive(0, 0, sequence);
        bench.receive(2, 0, sequence);
    }
    bench.take(0, b"hello");
    assert_eq!(bench.counts(), before);
    assert_eq!(bench.times(), (0, 0));
}

/// Goal: several payloads in one message are each judged, and a message without any is foreign.
#[test]
fn several_payloads_in_a_message_are_judged() {
    let mut bench = Bench::new(layout(1, 1), &[3]);
    let [first, second, third] = [0, 1, 2].map(|sequence| message(RUN, 0, sequence));
    let mut take = |bytes: &[u8]| bench.take_as(0, bytes, Kind::Text, seam::Place::Within);
    take(&[b"[", &first[..], b",", &second, b",", &first, b"]"].concat());
    take(b"{\"members\":1}");
    take(&third);
    let counts = bench.counts();
    assert_eq!((counts.delivered, counts.duplicated), (3, 1));
    assert_eq!((counts.foreign, counts.outstanding), (1, 0));
    assert_eq!(bench.tally.traffic().received, 3);
}

/// Goal: deliveries of a turn are handed on by message, with those that count for completion apart.
#[test]
fn turns_are_summed_by_message() {
    let layout = Layout {
        churners: 1,
        ..layout(3, 1)
    };
    let mut bench = Bench::new(layout, &[9]);
    for (session, sequence) in [(0, 0), (1, 0), (0, 1), (4, 1), (2, 0), (1, 1)] {
        bench.receive(session, 0, sequence);
    }
    let mut batches = Vec::new();
    bench
        .tally
        .end_turn(|batch| batches.push((batch.payload.sequence, batch.count, batch.steady)));
    assert_eq!(batches, [(0, 3, 3), (1, 3, 2)]);
    bench.tally.end_turn(|_| panic!("nothing came since"));
}

/// Goal: a message of the wrong type is damage, though it is there; whatever is not ours has no type.
#[test]
fn wrong_types_are_counted() {
    let mut bench = Bench::new(layout(1, 1), &[1]);
    let whole = seam::Place::Whole;
    bench.take_as(0, b"hello", Kind::Binary, whole);
    bench.take_as(0, &message(RUN, 0, 0), Kind::Binary, whole);
    let counts = bench.counts();
    assert_eq!((counts.wrong_type, counts.delivered), (1, 1));
    assert_eq!((counts.foreign, counts.outstanding), (1, 0));
}
