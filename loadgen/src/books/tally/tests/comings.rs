//! What the books say of sessions that come back and say where they stood.

use super::{Bench, layout, with_churner};
use crate::books::per_publisher::PerPublisher;
use crate::load::layout::Layout;
use crate::protocol::seam::Return;

impl Bench {
    /// As [`new`](Self::new), where sessions that come back say where they stood.
    fn recovering(layout: Layout, sent: &[u64]) -> Self {
        Self::with(layout, sent, true)
    }

    /// A session comes back when so many messages of the first publisher were acknowledged, and is told this.
    fn come_back(&mut self, session: usize, acknowledged: u64, how: Return) {
        let numbers = PerPublisher::new(1);
        numbers.set(0, acknowledged);
        self.tally.sets_out(session, 500);
        self.tally.comes_back(session, &numbers);
        self.tally.came_back(session, (how, 2_000));
    }

    /// Messages given back, lost, repeated and forgone.
    fn recovery(&mut self) -> [u64; 4] {
        let found = self.tally.recovery();
        [found.messages, found.lost, found.repeated, found.forgone]
    }
}

/// Goal: one who was told that it is given what it missed must have all that was acknowledged before it asked, once, and
/// goes on from there; what does not come is skipped, and known to be lost.
#[test]
fn what_was_promised_must_come() {
    let mut bench = Bench::recovering(layout(1, 1), &[10]);
    (0..3).for_each(|sequence| bench.receive(0, 0, sequence));
    bench.come_back(0, 8, Return::Recovered);
    assert_eq!(bench.tally.awaited(), 5);
    for sequence in [3, 4, 6, 7, 7, 8, 9] {
        bench.receive(0, 0, sequence);
    }
    let counts = bench.counts();
    assert_eq!(
        (counts.skipped, counts.duplicated, counts.delivered),
        (1, 1, 9)
    );
    assert_eq!(
        (bench.tally.awaited(), bench.tally.caught_up().count()),
        (1, 0)
    );
    assert_eq!(bench.recovery(), [4, 1, 1, 0]);
    assert_eq!(bench.tally.awaited(), 0);
}

/// Goal: what one was refused is not expected of the server any more, and no damage if it comes all the same; what was not
/// acknowledged then, and all that follows, is.
#[test]
fn what_was_refused_is_not_expected() {
    let mut bench = Bench::recovering(layout(2, 1), &[10]);
    (0..3).for_each(|sequence| bench.receive(0, 0, sequence));
    (0..10).for_each(|sequence| bench.receive(1, 0, sequence));
    bench.come_back(0, 8, Return::Refused);
    let counts = bench.counts();
    assert_eq!((counts.expected, counts.outstanding), (15, 2));
    bench.receive(0, 0, 4);
    bench.receive(0, 0, 9);
    let counts = bench.counts();
    assert_eq!(
        (counts.replayed, counts.skipped, counts.outstanding),
        (1, 1, 0)
    );
    assert_eq!(bench.recovery(), [0, 0, 0, 5]);
    bench.tally.ended(0);
    bench.sent.set(0, 12);
    assert_eq!((bench.counts().cut_off, bench.counts().outstanding), (2, 2));
}

/// Goal: one who comes and goes has all since it left if it was told so, and what is missing of that is skipped as soon as
/// something later came, and lost; else it begins anew, and what was sent before is history.
#[test]
fn guests_come_back() {
    let mut bench = Bench::recovering(with_churner(), &[50]);
    bench.tally.joins(2, &bench.sent, 0);
    bench.sent.set(0, 70);
    (50..56).for_each(|sequence| bench.receive(2, 0, sequence));
    bench.come_back(2, 65, Return::Recovered);
    for sequence in [56, 57, 59, 60, 61, 62, 63, 64] {
        bench.receive(2, 0, sequence);
    }
    assert_eq!(bench.tally.awaited(), 1);
    let mut timed = 0;
    bench.tally.end_turn(|batch| timed += batch.count);
    assert_eq!(timed, 6, "how long it was away says nothing");
    bench.receive(2, 0, 66);
    let counts = bench.counts();
    assert_eq!(
        (counts.skipped, counts.replayed, counts.reordered),
        (2, 0, 0)
    );
    bench.sent.set(0, 90);
    bench.come_back(2, 80, Return::Refused);
    bench.receive(2, 0, 75);
    bench.receive(2, 0, 81);
    let counts = bench.counts();
    assert_eq!(
        (counts.skipped, counts.replayed, counts.delivered),
        (2, 1, 16)
    );
    bench.come_back(2, 85, Return::Recovered);
    bench.receive(2, 0, 82);
    bench.come_back(2, 90, Return::Recovered);
    let found = "it left before the rest could come, and nothing later came";
    assert_eq!(bench.recovery(), [9, 1, 0, 0], "{found}");
}
