//! Joins that meet something else on their way.

use std::num::NonZeroUsize;
use std::sync::Arc;

use fanring::config::{Config, LOG_BYTES_MIN};
use fanring::room::rendition::Rendition;
use fanring::talk::{Letter, ToShard};
use fanring::wire::frame::OpCode;

use crate::bench::{Bench, room_at};

/// Goal: whoever was announced to a room gets what is said there after that.
#[test]
fn who_was_announced_hears_what_is_said_next() {
    let mut bench = Bench::new(1);
    let room = "/ws/room";
    let talker = bench.join(0, room);
    let witness = bench.join(0, room);
    let crowd: Vec<usize> = (0..20).map(|_| bench.join(0, room)).collect();
    bench.heard(witness);
    let budget = LOG_BYTES_MIN / 32;
    // The flush under way leaves a little room.
    bench.say(talker, OpCode::Binary, &vec![0; budget / 8 * 7]);
    bench.shards[0].handle_turn();
    bench.flush(0, 1);
    let newcomer = bench.ask(0, room);
    bench.shards[0].handle_turn();
    let mut announced = false;
    while !announced && !bench.shards[0].is_flushed() {
        bench.flush(0, 1);
        announced = (bench.heard(witness).iter()).any(|said| said.contains("connect"));
    }
    assert!(announced && !bench.shards[0].is_flushed());
    bench.say(witness, OpCode::Text, b"welcome");
    bench.shards[0].handle_turn();
    bench.settle();
    for one in crowd {
        assert!(bench.heard(one).contains(&"welcome".to_owned()));
    }
    let wire = bench.wire(newcomer);
    let text = String::from_utf8_lossy(&wire);
    assert!(text.contains("welcome"), "{text}");
}

/// Goal: names of rooms that are gone are not kept.
#[test]
fn rooms_that_spread_at_once_are_forgotten() {
    let mut bench = Bench::with(Config {
        shards: NonZeroUsize::new(2).unwrap(),
        log_bytes: LOG_BYTES_MIN,
        lag_bytes_max: LOG_BYTES_MIN / 2,
        descriptors_max: 200,
        spread_members_min: 0,
        ..Config::default()
    });
    for number in 0..100 {
        let client = bench.join(0, &format!("/ws/gone-{number}"));
        bench.fail(client);
        bench.settle();
    }
    let kept = format!("{:?}", bench.shards[1]).matches("gone-").count();
    assert_eq!(kept, 0);
}

fn letters(bench: &mut Bench, shard: usize) -> Vec<Letter> {
    bench.shards[shard].handle_turn();
    std::iter::from_fn(|| bench.shards[shard].poll_letter()).collect()
}

/// Goal: one that leaves before it was let in, and comes again, misses nothing once it is in.
#[test]
fn an_answer_to_an_earlier_join_is_none_to_this_one() {
    let mut bench = Bench::new(2);
    let name: Arc<str> = room_at(1, 2).into();
    let talker = bench.join(1, &format!("/ws/{name}?presence=0"));
    let home = room_at(0, 2);
    let client = bench.join(0, &format!("/ws/{home}?presence=0"));
    let key = bench.key(client);
    let subscribe = |bench: &mut Bench| {
        bench.shards[0]
            .subscribe(key, &name, Rendition::PLAIN)
            .unwrap();
    };
    subscribe(&mut bench);
    for letter in letters(&mut bench, 0) {
        bench.hand_out(letter);
    }
    let first_answer = letters(&mut bench, 1);
    bench.shards[0].unsubscribe(key, &name).unwrap();
    for letter in letters(&mut bench, 0) {
        bench.hand_out(letter);
    }
    subscribe(&mut bench);
    let second_join = letters(&mut bench, 0);
    for letter in first_answer {
        bench.hand_out(letter);
    }
    bench.say(talker, OpCode::Text, b"one");
    for letter in letters(&mut bench, 1) {
        bench.hand_out(letter);
    }
    for letter in second_join {
        bench.hand_out(letter);
    }
    bench.say(talker, OpCode::Text, b"two");
    for letter in letters(&mut bench, 1) {
        // Without the second answer, to tell what it does.
        if !matches!(letter, Letter::Shard(_, ToShard::Joined { .. })) {
            bench.hand_out(letter);
        }
    }
    bench.settle();
    let heard = bench.heard(client);
    assert!(heard.is_empty() || heard == ["one", "two"], "{heard:?}");
}

/// Goal: one that the home refuses is refused also when it has already said something.
#[test]
fn a_refusal_by_the_home_drops_what_came_early() {
    let mut bench = Bench::with(Config {
        shards: NonZeroUsize::new(2).unwrap(),
        log_bytes: LOG_BYTES_MIN,
        lag_bytes_max: LOG_BYTES_MIN / 2,
        descriptors_max: 200,
        rooms_max: 1,
        ..Config::default()
    });
    bench.join(0, &format!("/ws/{}", room_at(0, 2)));
    let other = (0..)
        .map(|number| format!("other{number}"))
        .find(|name| fanring::room::homes::Homes::new(2, 0).of(name).number() == 0)
        .unwrap();
    bench.adopt(
        1,
        &format!(
            "GET /ws/{other} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n\
             \u{1}"
        ),
    );
    for shard in [1, 0] {
        for letter in letters(&mut bench, shard) {
            bench.hand_out(letter);
        }
    }
    bench.shards[1].check_invariants().unwrap();
}
