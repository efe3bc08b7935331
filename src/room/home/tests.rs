//! Who is in a room, and what is to be told of that.

use std::time::Duration;

use super::*;

const ZERO: ShardId = ShardId::new(0);
const ONE: ShardId = ShardId::new(1);
const NOW: Duration = Duration::from_secs(5);
const CUSTOMS: Customs = Customs {
    announced_members_max: 2,
    spread_members_min: 4,
};

fn guest(shard: ShardId, visible: Visible) -> Guest {
    let key = crate::id::SessionKey {
        slot: 0,
        generation: 0,
    };
    Guest {
        member: MemberId::new(shard, key),
        id: Uuid::nil(),
        visible,
        about: None,
    }
}

fn home() -> Home {
    Home::new(2, Order::new(Epoch::new(1)))
}

/// Goal: joins and leaves are announced one by one up to the limit and as a count above it, by the
/// members there are with the one that joins or leaves.
#[test]
fn large_rooms_announce_counts() {
    let mut room = home();
    let mut join = |shard, visible| room.join(&guest(shard, visible), &CUSTOMS).announcement;
    assert_eq!(join(ZERO, Visible::Yes), Announcement::Member);
    assert_eq!(join(ONE, Visible::No), Announcement::None);
    assert_eq!(join(ONE, Visible::Yes), Announcement::Member);
    assert_eq!(join(ZERO, Visible::Yes), Announcement::Count);
    assert_eq!((room.members(), room.visible()), (4, 3));
    let mut leave = |shard, visible| {
        room.leave(&guest(shard, visible), &CUSTOMS, NOW)
            .announcement
    };
    assert_eq!(leave(ZERO, Visible::Yes), Announcement::Count);
    assert_eq!(leave(ONE, Visible::No), Announcement::None);
    assert_eq!(leave(ONE, Visible::Yes), Announcement::Member);
    assert!(room.shards_except(ZERO).next().is_none());
    assert_eq!(room.shards_except(ONE).collect::<Vec<_>>(), [ZERO]);
    let news = room.leave(&guest(ZERO, Visible::Yes), &CUSTOMS, NOW);
    assert_eq!(news.announcement, Announcement::Member);
    assert!(room.is_idle());
    room.check_invariants().unwrap();
}

/// Goal: nobody leaves who was not let in.
#[test]
#[should_panic(expected = "only those leave who were let in")]
fn only_members_leave() {
    let mut room = home();
    room.join(&guest(ZERO, Visible::Yes), &CUSTOMS);
    room.leave(&guest(ONE, Visible::Yes), &CUSTOMS, NOW);
}

/// Goal: shards are told that a room has become large, and that it is small again once it has half of
/// that.
#[test]
fn rooms_spread_and_shrink() {
    let mut room = home();
    let spread = (0..5).map(|_| room.join(&guest(ZERO, Visible::No), &CUSTOMS).spread);
    assert_eq!(
        spread.collect::<Vec<_>>(),
        [None, None, None, Some(true), None]
    );
    let spread = (0..5).map(|_| room.leave(&guest(ZERO, Visible::No), &CUSTOMS, NOW).spread);
    assert_eq!(
        spread.collect::<Vec<_>>(),
        [None, None, Some(false), None, None]
    );
}

/// Goal: a count goes out at once, and the next one a second later.
#[test]
fn counts_keep_their_distance() {
    let mut room = home();
    let at = Duration::from_millis;
    for _ in 0..3 {
        room.join(&guest(ZERO, Visible::Yes), &CUSTOMS);
    }
    assert_eq!(room.deadline(at(70)), Some(at(70)));
    assert_eq!(room.handle_time(at(70)), (Some(3), None));
    assert_eq!(room.deadline(at(70)), None);
    room.join(&guest(ZERO, Visible::Yes), &CUSTOMS);
    assert_eq!(room.deadline(at(80)), Some(at(1070)));
    assert_eq!(room.handle_time(at(1069)), (None, None));
    assert_eq!(room.handle_time(at(1070)), (Some(4), None));
}

/// Goal: with the last member of a shard goes what was known of those behind there.
#[test]
fn nobody_waits_for_members_that_left() {
    let mut room = home();
    room.join(&guest(ZERO, Visible::No), &CUSTOMS);
    room.join(&guest(ONE, Visible::No), &CUSTOMS);
    let behind = Behind {
        members: 1,
        far: false,
    };
    assert_eq!(room.set_behind(ONE, behind, NOW), Some(true));
    let news = room.leave(&guest(ONE, Visible::No), &CUSTOMS, NOW);
    assert_eq!((news.hold, room.is_held()), (Some(false), false));
    assert_eq!(room.set_behind(ONE, behind, NOW), None, "they are gone");
}

/// A client on `shard` of which `user` is known.
fn client(shard: ShardId, number: u128, user: &str) -> Guest {
    let about = About::new(user, b"", b"").expect("it is short");
    Guest {
        id: Uuid::from_u128(number),
        about: Some(Arc::new(about)),
        ..guest(shard, Visible::Yes)
    }
}

fn asker(call: u32) -> Asker {
    let member = guest(ZERO, Visible::Yes).member;
    Asker { member, call }
}

/// Who is there, by number; `None` when there are too many.
fn numbers(room: &mut Home) -> Option<Vec<u128>> {
    let names = room.names(asker(0), &CUSTOMS);
    match names.expect("it is to be known") {
        Names::All(all) => {
            let mut numbers: Vec<u128> = all.iter().map(|one| one.client.as_u128()).collect();
            numbers.sort_unstable();
            Some(numbers)
        }
        Names::Crowded => None,
        Names::Gathering => panic!("nobody is to be asked"),
    }
}

/// Goal: members that come and go quietly are there for whoever asks, and nobody hears of their joins and leaves.
#[test]
fn members_may_come_and_go_quietly() {
    let mut room = home();
    let _ = room.begin_presence();
    let quiet = Guest {
        visible: Visible::Quietly,
        ..client(ZERO, 1, "a")
    };
    let news = room.join(&quiet, &CUSTOMS);
    assert_eq!(news.announcement, Announcement::None);
    assert_eq!(numbers(&mut room), Some(vec![1]));
    let news = room.join(&client(ZERO, 2, "a"), &CUSTOMS);
    assert_eq!(news.announcement, Announcement::Member);
    let news = room.leave(&quiet, &CUSTOMS, NOW);
    assert_eq!(news.announcement, Announcement::None);
    assert_eq!(numbers(&mut room), Some(vec![2]));
}

/// Goal: sessions and their users are counted exactly, however many, and named while they are few enough; that
/// they are not is told once.
#[test]
fn members_are_counted_and_named() {
    let mut room = home();
    assert_eq!(room.stats(), None);
    assert!(room.begin_presence().on.is_empty());
    assert_eq!(
        (room.stats(), numbers(&mut room)),
        (Some((0, 0)), Some(vec![]))
    );
    let all = [(1, "a"), (2, "b"), (3, "a"), (4, ""), (5, "a"), (6, "c")];
    let mut crowded = Vec::new();
    for (number, user) in all {
        let news = room.join(&client(ONE, number, user), &CUSTOMS);
        crowded.push(news.is_crowded);
        room.check_invariants().unwrap();
        let named = (number <= 2).then(|| (1..=number).collect::<Vec<_>>());
        assert_eq!(numbers(&mut room), named);
    }
    assert_eq!(crowded, [false, false, true, false, false, false]);
    assert_eq!(room.stats(), Some((6, 4)));
    let mut round = None;
    for (number, user) in [(3, "a"), (6, "c"), (1, "a"), (5, "a")] {
        let news = room.leave(&client(ONE, number, user), &CUSTOMS, NOW);
        let is_few = number == 5;
        assert_eq!(news.census.on.contains(ONE), is_few, "{number}");
        round = Some(news.census.round);
        room.check_invariants().unwrap();
    }
    assert_eq!(room.stats(), Some((2, 2)));
    // Those who are there are asked for, and those who have left again are not told.
    assert_eq!(room.names(asker(7), &CUSTOMS), Some(Names::Gathering));
    let there = [2, 4].map(|number| client(ONE, number, "b").present());
    let round = round.expect("they were asked for");
    assert_eq!(room.told(ONE, round, there.to_vec()), [asker(7)]);
    assert_eq!(numbers(&mut room), Some(vec![2, 4]));
    let news = room.join(&client(ONE, 9, ""), &CUSTOMS);
    assert!(!news.is_crowded, "it was told");
}

/// Goal: those who were there before anybody wanted to know are asked for on each shard, and all who come and
/// go meanwhile are counted once.
#[test]
fn plain_members_are_asked_for() {
    let plain = |number, shard| Guest {
        id: Uuid::from_u128(number),
        ..guest(shard, Visible::Yes)
    };
    let customs = Customs {
        announced_members_max: 100,
        ..CUSTOMS
    };
    let mut room = home();
    for (number, shard) in [(1, ZERO), (2, ZERO), (3, ONE)] {
        room.join(&plain(number, shard), &customs);
    }
    room.join(&guest(ONE, Visible::No), &customs);
    let census = room.begin_presence();
    let round = census.round;
    assert_eq!(census.on.iter().collect::<Vec<_>>(), [ZERO, ONE]);
    assert!(room.begin_presence().on.is_empty(), "they are asked once");
    assert_eq!(room.stats(), Some((3, 1)));
    assert_eq!(room.names(asker(1), &customs), Some(Names::Gathering));
    // One leaves before its shard answers, one behind that, one comes before, and one answers twice.
    room.leave(&plain(1, ZERO), &customs, NOW);
    room.join(&client(ONE, 4, "a"), &customs);
    assert!(
        room.told(ZERO, round, vec![plain(2, ZERO).present()])
            .is_empty()
    );
    room.leave(&plain(2, ZERO), &customs, NOW);
    assert!(
        room.told(ZERO, round, vec![plain(2, ZERO).present()])
            .is_empty()
    );
    assert_eq!(room.names(asker(2), &customs), Some(Names::Gathering));
    let there = vec![plain(3, ONE).present(), client(ONE, 4, "a").present()];
    assert_eq!(room.told(ONE, round, there), [asker(1), asker(2)]);
    assert_eq!(numbers(&mut room), Some(vec![3, 4]));
    assert_eq!(room.stats(), Some((2, 2)));
    room.check_invariants().unwrap();
}

/// Goal: whoever waits for names is told that there are too many when that comes to be so, and a room that is
/// empty again is one in which nobody need be asked for.
#[test]
fn who_waits_for_names_hears_of_a_crowd() {
    let mut room = home();
    room.join(&guest(ONE, Visible::Yes), &CUSTOMS);
    let census = room.begin_presence();
    assert!(census.on.contains(ONE));
    assert_eq!(room.names(asker(5), &CUSTOMS), Some(Names::Gathering));
    let news = room.join(&client(ZERO, 1, "a"), &CUSTOMS);
    assert!(news.in_vain.is_empty());
    let news = room.join(&client(ZERO, 2, "a"), &CUSTOMS);
    assert_eq!(news.in_vain, [asker(5)]);
    assert!(
        room.told(ONE, census.round, vec![]).is_empty(),
        "that is of no interest any more"
    );
    room.leave(&guest(ONE, Visible::Yes), &CUSTOMS, NOW);
    room.leave(&client(ZERO, 1, "a"), &CUSTOMS, NOW);
    room.leave(&client(ZERO, 2, "a"), &CUSTOMS, NOW);
    room.check_invariants().unwrap();
    let mut room = home();
    let customs = Customs {
        announced_members_max: 0,
        ..CUSTOMS
    };
    let _ = room.begin_presence();
    room.join(&client(ZERO, 1, "a"), &customs);
    let news = room.leave(&client(ZERO, 1, "a"), &customs, NOW);
    assert!(news.census.on.is_empty());
    assert_eq!(numbers(&mut room), Some(vec![]));
}

/// Goal: a shard that is asked again before it has answered is heard when it answers the last question: those who came
/// between two of them are in no earlier answer.
#[test]
fn an_answer_to_an_earlier_question_is_none() {
    let mut room = home();
    room.join(&client(ONE, 1, "a"), &CUSTOMS);
    let _ = room.begin_presence();
    room.join(&client(ONE, 2, "a"), &CUSTOMS);
    let mut asked = Vec::new();
    for _ in 0..2 {
        room.join(&client(ONE, 3, "a"), &CUSTOMS);
        let news = room.leave(&client(ONE, 1, "a"), &CUSTOMS, NOW);
        asked.push(news.census);
        room.join(&client(ONE, 1, "a"), &CUSTOMS);
        room.leave(&client(ONE, 3, "a"), &CUSTOMS, NOW);
    }
    let rounds: Vec<_> = (asked.iter().filter(|census| !census.on.is_empty()))
        .map(|census| census.round)
        .collect();
    let [earlier, .., last] = *rounds else {
        panic!("it is asked each time that there are few again: {asked:?}");
    };
    assert_ne!(earlier, last);
    assert!(room.told(ONE, earlier, vec![]).is_empty());
    room.check_invariants().unwrap();
}
