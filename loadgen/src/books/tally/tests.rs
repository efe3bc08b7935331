//! What the books say of messages that arrive wrongly in known ways.

use super::*;
use crate::books::payload::encode;

struct Bench {
    tally: Tally,
    sent: Vec<AtomicU64>,
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

impl Bench {
    /// Each publisher has sent as much as `sent` says.
    fn new(layout: Layout, sent: &[u64]) -> Self {
        let in_flight = InFlight::new(layout.publishers);
        Self {
            tally: Tally::new(
                &layout,
                0..layout.sessions(),
                in_flight.len(),
                Some(Kind::Text),
            ),
            sent: sent.iter().map(|&sent| AtomicU64::new(sent)).collect(),
            in_flight,
        }
    }

    fn receive(&mut self, session: usize, publisher: u32, sequence: u64) {
        let mut bytes = [0; 40];
        let payload = Payload {
            publisher,
            sequence,
            planned_ns: 1_000,
        };
        encode(payload, &mut bytes);
        self.take(session, &bytes);
    }

    fn take(&mut self, session: usize, bytes: &[u8]) {
        self.take_as(session, bytes, Kind::Text);
    }

    fn take_as(&mut self, session: usize, bytes: &[u8], kind: Kind) {
        let (sent, in_flight) = (&self.sent, &self.in_flight);
        let place = Place::Whole;
        let found = Found { bytes, place, kind };
        self.tally.received(session, found, sent, in_flight);
    }

    fn lost(&self) -> u64 {
        self.tally.lost(&self.sent)
    }
}

/// One subscriber, one publisher who has sent `sent`, and the sequences that arrived: lost,
/// duplicated, reordered.
fn verdict(sent: u64, arrived: &[u64]) -> (u64, u64, u64) {
    let mut bench = Bench::new(layout(1, 1), &[sent]);
    for &sequence in arrived {
        bench.receive(0, 0, sequence);
    }
    let counts = bench.tally.counts();
    (bench.lost(), counts.duplicated, counts.reordered)
}

/// Goal: lost, duplicated and reordered are each counted exactly, also in combination.
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

/// Goal: gaps wider than the window are still counted exactly.
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

/// Goal: subscribers and publishers do not mix, and the end of a run is known.
#[test]
fn every_pair_has_its_own_track() {
    let mut bench = Bench::new(layout(2, 2), &[1, 1]);
    for (subscriber, publisher) in [(0, 0), (0, 1), (1, 1)] {
        bench.receive(subscriber, publisher, 0);
    }
    assert_eq!((bench.lost(), bench.tally.expected(&bench.sent)), (1, 4));
    assert_eq!(bench.tally.counts().duplicated, 0);
    assert!(!bench.tally.is_complete(&bench.sent));
    bench.receive(1, 0, 0);
    assert!(bench.tally.is_complete(&bench.sent));
}

/// Goal: what was never sent is damage, and what is not ours is left alone.
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
    let counts = bench.tally.counts();
    assert_eq!((counts.corrupt, counts.foreign, bench.lost()), (3, 1, 1));
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
        assert_eq!(bench.tally.expected(&bench.sent), expected);
        bench.receive(0, 2, 0);
        bench.receive(0, 0, 0);
        bench.receive(1, 0, 0);
        let counts = bench.tally.counts();
        assert_eq!(counts.corrupt, 1);
        assert_eq!(counts.foreign, u64::from(!self_delivery));
        assert_eq!(bench.lost(), expected - counts.delivered);
    }
}

/// Goal: one who joins late misses nothing before its first message, and all after it counts.
#[test]
fn late_joiners_start_where_they_join() {
    let layout = Layout {
        churners: 1,
        ..layout(1, 1)
    };
    let mut bench = Bench::new(layout, &[100]);
    for sequence in [50, 51, 53] {
        bench.receive(2, 0, sequence);
    }
    assert_eq!(bench.tally.counts().holes, 1);
    bench.tally.rejoined(2);
    bench.receive(2, 0, 80);
    assert_eq!(bench.tally.counts().holes, 1);
    assert_eq!(bench.tally.counts().delivered, 4);
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
    let mut bytes = [0; 40];
    let payload = Payload {
        publisher: 0,
        sequence: 0,
        planned_ns: 1_000,
    };
    encode(payload, &mut bytes);
    bench.take_as(0, b"hello", Kind::Binary);
    bench.take_as(0, &bytes, Kind::Binary);
    let counts = bench.tally.counts();
    assert_eq!((counts.wrong_type, counts.delivered), (1, 1));
    assert_eq!((counts.foreign, bench.lost()), (1, 0));
}
