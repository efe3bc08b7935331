//! What is kept, for how long, and what is told to somebody who comes back.

mod recovery;

use std::time::Duration;

use self::Step::{GiveWay, Notices, Remove, Say, Vanish, Wait};
use super::{
    Direction, EpochClaim, History, Missed, Position, Query, Recovery, RecoveryMode, Retention,
    Since, Unreadable,
};
use crate::id::Epoch;
use crate::message::{Event, Form, Info, Message, Origin, Run};
use crate::room::order::Order;

const EPOCH: Epoch = Epoch::new(77);
const OTHER: Epoch = Epoch::new(78);

const RETENTION: Retention = Retention {
    messages_max: 5,
    messages_time: Duration::from_secs(300),
    position_time: Duration::from_secs(3_000),
    mode: RecoveryMode::Stream,
    recovered_max: None,
};

/// A room's order with what it keeps.
struct Bench {
    order: Order,
    history: History,
    now: Duration,
}

/// What happens to it.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// So many messages are published.
    Say(u64),
    /// A member joins, another leaves, and they are counted.
    Notices,
    /// So many seconds pass.
    Wait(u64),
    /// The history is removed.
    Remove,
    /// All rooms keep too much: its oldest piece goes.
    GiveWay,
    /// The room is gone, but for its place.
    Vanish,
}

impl Bench {
    fn new(retention: Retention) -> Self {
        let now = Duration::from_secs(1_000);
        Self {
            order: Order::new(EPOCH),
            history: History::new(retention, 0, 1, now),
            now,
        }
    }

    fn run(retention: Retention, steps: &[Step]) -> Self {
        let mut bench = Self::new(retention);
        for &step in steps {
            bench.step(step);
            bench.history.check(bench.position().top).unwrap();
        }
        bench
    }

    fn position(&self) -> Position {
        self.order.position()
    }

    fn step(&mut self, step: Step) {
        match step {
            Say(count) => (0..count).for_each(|_| {
                let said = format!("message {}", self.position().top + 1);
                let event = Event::said(Form::Text, said.as_bytes());
                self.take([event]);
            }),
            Notices => {
                let info = Info::anonymous(uuid::Uuid::from_u128(1));
                self.take([Event::Joined(info), Event::Members(3), Event::Left(info)]);
            }
            Wait(seconds) => {
                self.now += Duration::from_secs(seconds);
                self.history.expire(self.now);
            }
            Remove => self.history.clear(),
            GiveWay => self.history.give_way(EPOCH, 1),
            Vanish => {
                let position = self.position();
                self.order = Order::resume(position);
                self.history = History::new(RETENTION, position.top, 2, self.now);
            }
        }
    }

    fn take<const N: usize>(&mut self, events: [Event<'_>; N]) {
        let mut run = Run::default();
        for event in events {
            run.push(&Message::new(event, Origin::Nobody));
        }
        run.put_in_order(0, N, |_| self.order.next());
        self.history.keep(EPOCH, run.as_slice(), self.now);
    }

    fn recover(&mut self, offset: u64, epoch: EpochClaim) -> Recovery {
        let position = self.position();
        self.history
            .recover(&Since { offset, epoch }, &position, self.now)
    }

    fn read(&mut self, limit: i32, since: Option<u64>, direction: Direction) -> Vec<u64> {
        let epoch = told(EPOCH);
        let since = since.map(|offset| Since { offset, epoch });
        let query = Query {
            limit,
            since,
            direction,
        };
        let position = self.position();
        let run = self.history.read(&query, &position, usize::MAX, self.now);
        numbers(&run.unwrap())
    }
}

fn told(epoch: Epoch) -> EpochClaim {
    EpochClaim::of(std::str::from_utf8(&epoch.text()).unwrap())
}

/// The offsets of messages, each of which says its own.
fn numbers(run: &Run) -> Vec<u64> {
    let number = |message: Message<'_>| {
        let number = message.offset.unwrap().number();
        let said = format!("message {number}");
        assert_eq!(message.event, Event::said(Form::Text, said.as_bytes()));
        number
    };
    run.as_slice().messages().map(number).collect()
}

/// What is missed, by offset; `None` when it is lost.
fn missed(recovery: Recovery) -> Option<Vec<u64>> {
    let missed = match recovery {
        Recovery::NotAsked => panic!("somebody has asked"),
        Recovery::Lost => return None,
        Recovery::Recovered(missed) => missed,
    };
    let Some(Missed { after, replays }) = missed else {
        return Some(Vec::new());
    };
    let mut all = Vec::new();
    for replay in replays {
        assert_eq!(replay.epoch, EPOCH);
        let mut behind = Run::default();
        behind.keep(replay.behind(after));
        all.extend(numbers(&behind));
    }
    assert!(!all.is_empty(), "nothing is missed");
    Some(all)
}

/// Goal: who has missed more than may be recovered at once has lost it; without a limit nobody has.
#[test]
fn recovery_may_be_limited() {
    for (recovered_max, expected) in [
        (None, Some(vec![2, 3, 4])),
        (Some(3), Some(vec![2, 3, 4])),
        (Some(2), None),
    ] {
        let retention = Retention {
            recovered_max,
            ..RETENTION
        };
        let mut bench = Bench::run(retention, &[Say(4)]);
        assert_eq!(missed(bench.recover(1, told(EPOCH))), expected);
    }
}

/// Goal: where only the newest message matters it is sent to whoever does not have it, whatever else they
/// have missed, and nobody has recovered when it is no longer kept, but who has it.
#[test]
fn a_cache_recovers_the_newest() {
    let retention = Retention {
        mode: RecoveryMode::Cache,
        ..RETENTION
    };
    let epoch = told(EPOCH);
    type Case<'a> = (&'a [Step], u64, EpochClaim, Option<&'a [u64]>);
    let cases: &[Case<'_>] = &[
        (&[Say(8)], 2, epoch, Some(&[8])),
        (&[Say(8)], 0, EpochClaim::Any, Some(&[8])),
        (&[Say(8)], 8, told(OTHER), Some(&[8])),
        (&[Say(8)], 8, EpochClaim::Any, Some(&[8])),
        (&[Say(8)], 8, epoch, Some(&[])),
        (&[Say(8), Remove], 8, epoch, Some(&[])),
        (&[Say(8), Remove], 7, epoch, None),
        (&[Say(8), Wait(300)], 7, epoch, None),
        (&[], 0, epoch, None),
        (&[], 0, EpochClaim::Any, None),
    ];
    for &(steps, offset, epoch, expected) in cases {
        let mut bench = Bench::run(retention, steps);
        let found = missed(bench.recover(offset, epoch));
        assert_eq!(found.as_deref(), expected, "{steps:?} {offset} {epoch:?}");
    }
}

/// Goal: those who have missed the same share it, as long as nothing is said in between.
#[test]
fn what_was_missed_is_shared() {
    let mut bench = Bench::run(RETENTION, &[Say(4)]);
    let share = |bench: &mut Bench, offset| match bench.recover(offset, told(EPOCH)) {
        Recovery::Recovered(Some(missed)) => missed.replays,
        recovery => panic!("{recovery:?}"),
    };
    let (first, second) = (share(&mut bench, 1), share(&mut bench, 1));
    assert_eq!(first.len(), second.len());
    let same = first.iter().zip(&second);
    assert!(
        same.into_iter()
            .all(|(one, other)| std::sync::Arc::ptr_eq(one, other))
    );
}

/// Goal: a part of what is kept is read from either end, behind or before a place, and no more than was
/// asked for.
#[test]
fn a_history_is_read() {
    use Direction::{Forward, Reverse};
    type Case<'a> = (i32, Option<u64>, Direction, &'a [u64]);
    let cases: &[Case<'_>] = &[
        (0, None, Forward, &[]),
        (0, Some(5), Forward, &[]),
        (-1, None, Forward, &[4, 5, 6, 7, 8]),
        (2, None, Forward, &[4, 5]),
        (100, None, Forward, &[4, 5, 6, 7, 8]),
        (-1, Some(6), Forward, &[7, 8]),
        (1, Some(6), Forward, &[7]),
        // What is no longer kept is passed over.
        (2, Some(1), Forward, &[4, 5]),
        (-1, Some(8), Forward, &[]),
        (-1, Some(99), Forward, &[]),
        (-1, None, Reverse, &[8, 7, 6, 5, 4]),
        (2, None, Reverse, &[8, 7]),
        (2, Some(7), Reverse, &[6, 5]),
        (-1, Some(9), Reverse, &[8, 7, 6, 5, 4]),
        (-1, Some(10), Reverse, &[]),
        (-1, Some(4), Reverse, &[]),
        (-1, Some(2), Reverse, &[]),
        (0, None, Reverse, &[]),
    ];
    for &(limit, since, direction, expected) in cases {
        let mut bench = Bench::run(RETENTION, &[Say(2), Notices, Say(6)]);
        let found = bench.read(limit, since, direction);
        assert_eq!(found, expected, "{limit} {since:?} {direction:?}");
        bench.step(Wait(300));
        assert_eq!(bench.read(limit, since, direction), [0; 0], "expired");
    }
}

/// Goal: what can't be read is told, and what is read is not more than fits, but a message.
#[test]
fn reading_has_limits() {
    let mut bench = Bench::run(RETENTION, &[Say(5)]);
    let position = bench.position();
    let mut read = |since: Option<Since>, direction, bytes_max| {
        let query = Query {
            limit: -1,
            since,
            direction,
        };
        let run = (bench.history).read(&query, &position, bytes_max, bench.now)?;
        Ok(numbers(&run))
    };
    let since = |offset, epoch| Some(Since { offset, epoch });
    let foreign = since(2, told(OTHER));
    for direction in [Direction::Forward, Direction::Reverse] {
        let refused = read(foreign, direction, usize::MAX);
        assert_eq!(refused, Err(Unreadable::ForeignEpoch));
    }
    let nowhere = since(0, EpochClaim::Any);
    let refused = read(nowhere, Direction::Reverse, usize::MAX);
    assert_eq!(refused, Err(Unreadable::Senseless));
    assert_eq!(read(nowhere, Direction::Forward, 0), Ok(vec![1]));
    let two = 2 * (Run::ENTRY_BYTES + "message 1".len());
    assert_eq!(read(None, Direction::Forward, two), Ok(vec![1, 2]));
    assert_eq!(read(None, Direction::Reverse, two + 1), Ok(vec![5, 4]));
}

/// Goal: the place where a history stands is to be remembered for its time after the last visit or message.
#[test]
fn a_place_is_remembered_after_the_last_visit() {
    let mut bench = Bench::run(RETENTION, &[Say(1)]);
    let time = RETENTION.position_time;
    assert_eq!(bench.history.remembered_until(), bench.now + time);
    bench.step(Wait(100));
    bench.history.visit(bench.now);
    assert_eq!(bench.history.remembered_until(), bench.now + time);
    assert_eq!(
        bench.history.expires_at(),
        Some(bench.now + Duration::from_secs(200))
    );
    bench.step(Remove);
    assert_eq!(bench.history.expires_at(), None);
    assert!(bench.history.is_empty());
}
