//! What clients ask the home of a room.

use super::{Bench, HOME, OTHER, answer, client, everything, member, plain, present, said};
use crate::room::presence::{Asker, Round};
use crate::talk::{Answer, Question, Refused, ToShard};

/// Goal: in a room of plain members a client is told who is there, each shard having been asked, and not before all
/// have answered; whoever leaves meanwhile is not named.
#[test]
fn plain_members_are_named_to_clients() {
    let mut bench = Bench::new();
    let joins = [1, 2, 3].map(|slot| bench.join(&plain(slot), None));
    assert!(
        !bench
            .say(joins)
            .iter()
            .any(|one| matches!(one, ToShard::Census { .. }))
    );
    let told = bench.say([bench.join(&client(4, "a"), None)]);
    let asked = told.iter().filter_map(|one| match one {
        ToShard::Census {
            from: HOME, round, ..
        } => Some(*round),
        _ => None,
    });
    let asked: Vec<Round> = asked.collect();
    let [round] = *asked else {
        panic!("one shard is asked: {asked:?}");
    };
    let stats = bench.ask(Question::Stats);
    assert!(matches!(
        stats,
        Some(Answer::Stats {
            clients: 4,
            users: 2
        })
    ));
    assert!(
        bench.ask(Question::Presence).is_none(),
        "it is not known yet"
    );
    let leave = bench.leave(&plain(2));
    let counted = ToShard::Counted {
        from: OTHER,
        room: bench.room(),
        round,
        members: vec![present(&plain(1)), present(&plain(3))],
    };
    let told = bench.say([leave, counted]);
    let Some(Answer::Presence(mut all)) = told.into_iter().find_map(answer) else {
        panic!("nobody has answered");
    };
    all.sort_by_key(|one| one.client);
    assert_eq!(
        all,
        [plain(1), plain(3), client(4, "a")].map(|guest| present(&guest))
    );
    // Above the most of them they are counted only, until they are few again.
    let joins = [5, 6].map(|slot| bench.join(&client(slot, "b"), None));
    bench.say(joins);
    let answer = bench.ask(Question::Presence);
    assert!(matches!(answer, Some(Answer::Refused(Refused::NotKept))));
    let stats = bench.ask(Question::Stats);
    assert!(matches!(
        stats,
        Some(Answer::Stats {
            clients: 5,
            users: 3
        })
    ));
    let told = bench.say([bench.leave(&client(5, "b"))]);
    assert!(told.iter().any(|one| matches!(one, ToShard::Census { .. })));
    assert!(bench.ask(Question::Presence).is_none());
    assert_eq!(std::iter::from_fn(|| bench.shard.poll_report()).count(), 1);
}

/// Goal: a room that nobody is in has nobody in it.
#[test]
fn nobody_is_in_a_room_that_is_not_there() {
    let mut bench = Bench::new();
    let present = bench.ask(Question::Presence);
    assert!(matches!(present, Some(Answer::Presence(all)) if all.is_empty()));
    let stats = bench.ask(Question::Stats);
    assert!(matches!(
        stats,
        Some(Answer::Stats {
            clients: 0,
            users: 0
        })
    ));
    assert_eq!(bench.shard.rooms.len(), 0);
}

/// Goal: many long answers do not fill memory: what is over waits for the next turn, in its order.
#[test]
fn long_answers_take_turns() {
    let mut bench = Bench::new();
    let long = vec![b'1'; 10 << 10];
    for ticket in 0..100 {
        let publish = bench.publish(&[said(&long, ticket)]);
        bench.say([publish]);
    }
    let asks = (0..20).map(|_| ToShard::Ask {
        asker: Asker {
            member: member(99),
            call: 5,
        },
        room: bench.room(),
        question: everything(),
    });
    let asks: Vec<ToShard> = asks.collect();
    let mut counts = vec![bench.say(asks).into_iter().filter_map(answer).count()];
    while bench.shard.has_work() {
        counts.push(bench.say([]).into_iter().filter_map(answer).count());
    }
    assert_eq!(counts.iter().sum::<usize>(), 20);
    assert!(
        counts.len() > 2 && counts.iter().all(|&count| count <= 5),
        "{counts:?}"
    );
}
