//! Clients that come back and read at a pace of their own, in a log that is smaller than what they have missed.

use std::num::NonZeroUsize;

use fanring::config::{Config, LOG_BYTES_MIN};
use fanring::wire::frame::OpCode;

use super::{appended, offsets, parsed, recover};
use crate::bench::Bench;
use crate::clients::{CONNECT, TARGET, publish};

/// A small log, and histories that are larger.
fn small_log() -> Bench {
    Bench::with(Config {
        connections_max: 1_200,
        shards: NonZeroUsize::MIN,
        log_bytes: LOG_BYTES_MIN,
        lag_bytes_max: LOG_BYTES_MIN / 2,
        descriptors_max: 2_000,
        ..Config::default()
    })
}

/// Goal: somebody who has missed more than the log holds gets it all however slowly it reads, and whoever reads it faster,
/// or has missed less, gets his share as fast; nobody is put out for it.
#[test]
fn more_than_a_log_is_recovered_at_any_pace() {
    let mut bench = small_log();
    let stays = bench.client_in(0, &["room"]);
    bench.answer(stays);
    let speaker = bench.join(0, "/ws/room?presence=0");
    // As a JSON string each of these bytes takes six.
    let text = [1; 10_000];
    for _ in 1..=100 {
        bench.say(speaker, OpCode::Text, &text);
        bench.settle();
    }
    assert!(6 * text.len() * 100 > 5 * LOG_BYTES_MIN);
    let readers = [
        (0, 5_000),
        (0, 70_000),
        (30, 20_000),
        (60, usize::MAX),
        (0, usize::MAX),
    ];
    let clients = readers.map(|(known, takes)| {
        let client = bench.client_in(0, &[]);
        bench.answer(client);
        bench.crawl(client, takes);
        bench.command(client, &recover(3, "room", known, ""));
        client
    });
    let mut told = readers.map(|_| Vec::new());
    for _ in 0..1_500 {
        for client in clients {
            bench.wake(client);
        }
        bench.settle();
    }
    for ((client, told), (known, _)) in clients.into_iter().zip(&mut told).zip(readers) {
        told.extend(bench.heard(client));
        assert_eq!(parsed(told)[0]["subscribe"]["recovered"], true);
        assert_eq!(offsets(&told[1..]), (known + 1..=100).collect::<Vec<_>>());
    }
    assert_eq!(bench.metrics[0].slow_unsubscribed.get(), 0);
}

/// Goal: when a thousand clients come back to a room at once, whatever each of them has missed, the log takes it once.
#[test]
fn a_thousand_that_come_back_share_what_they_have_missed() {
    // The last is what comes of it when nobody has missed anything.
    let mut costs = [1, 999, 0].map(|order| {
        let mut bench = small_log();
        let speaker = bench.client_in(0, &["room"]);
        for number in 1..=100 {
            bench.command(
                speaker,
                &publish(10 + number, "room", r#"{"text":"something"}"#),
            );
        }
        bench.settle();
        let known = |number: u64| match order {
            0 => 100,
            _ => number * order % 1_000 / 10,
        };
        let clients: Vec<(usize, u64)> = (0..1_000)
            .map(|number| (bench.ask(0, TARGET), known(number)))
            .collect();
        bench.settle();
        let before = appended(&bench, 0);
        for &(client, known) in &clients {
            bench.wire(client);
            bench.answer(client);
            let commands = [CONNECT, &recover(3, "room", known, "")].join("\n");
            bench.command(client, &commands);
        }
        bench.settle();
        let cost = appended(&bench, 0) - before;
        for (client, known) in clients {
            let mut told = bench.heard(client);
            // To read a million of these takes a while.
            told.retain(|one| !one.contains(r#""join":{"#));
            assert_eq!(offsets(&told[2..]), (known + 1..=100).collect::<Vec<_>>());
        }
        cost
    });
    let joins = costs[2];
    for cost in &mut costs[..2] {
        *cost -= joins;
    }
    // A hundred publications, of less than 200 bytes each.
    assert!((5_000..20_000).contains(&costs[0]), "{costs:?}");
    assert_eq!(costs[0], costs[1]);
}

/// Goal: of somebody who reads slowly the log may lose the end of the last message that it had missed, where others read on
/// behind that: it has got what it had missed by then, and is put out for what it has not.
#[test]
fn the_end_of_what_was_missed_may_leave_the_log() {
    let mut bench = small_log();
    let speaker = bench.client_in(0, &["room", "other"]);
    bench.answer(speaker);
    let say = |bench: &mut Bench, id: u32, room: &str, bytes: usize| {
        bench.command(
            speaker,
            &publish(id, room, &format!(r#""{}""#, "x".repeat(bytes))),
        );
        bench.settle();
    };
    for id in 11..=12 {
        say(&mut bench, id, "room", 5_000);
    }
    let slow = bench.client_in(0, &[]);
    bench.crawl(slow, 3_000);
    bench.command(slow, &recover(3, "room", 0, ""));
    bench.settle();
    // It gets the end of the first message, and the beginning of the second.
    bench.wake(slow);
    bench.settle();
    for id in 13..=16 {
        say(&mut bench, id, "room", 100);
    }
    let other = bench.client_in(0, &[]);
    bench.answer(other);
    bench.command(other, &recover(3, "room", 0, ""));
    bench.settle();
    for id in 100..400 {
        say(&mut bench, id, "other", 8_000);
    }
    bench.answer(slow);
    bench.unblock(slow);
    let mut told = bench.told(slow);
    assert_eq!(offsets(&bench.heard(other)[1..]), [1, 2, 3, 4, 5, 6]);
    let last = told.pop().expect("it is told something");
    assert!(last.contains(r#""unsubscribe":{"code":2500"#), "{last}");
    assert_eq!(offsets(&told[1..]), [1, 2]);
}

/// Goal: who comes to read what others have read before it, and more, gets all of it also when that has left the log
/// before it has read it.
#[test]
fn what_others_have_read_stays_for_whoever_reads_it_now() {
    let mut bench = small_log();
    let speaker = bench.client_in(0, &["room"]);
    let say = |bench: &mut Bench, numbers: std::ops::RangeInclusive<u32>| {
        for number in numbers {
            bench.command(speaker, &publish(10 + number, "room", &number.to_string()));
        }
        bench.settle();
    };
    say(&mut bench, 1..=20);
    let first = bench.client_in(0, &[]);
    bench.command(first, &recover(3, "room", 0, ""));
    assert_eq!(
        offsets(&bench.told(first)[1..]),
        (1..=20).collect::<Vec<_>>()
    );
    say(&mut bench, 21..=25);
    let client = bench.client_in(0, &[]);
    bench.block(client);
    bench.command(client, &recover(3, "room", 10, ""));
    bench.settle();
    let others = [0, 0].map(|shard| bench.join(shard, "/ws/other?presence=0"));
    for _ in 0..40 {
        bench.say(others[0], OpCode::Text, &[b'x'; LOG_BYTES_MIN / 32]);
        bench.settle();
        bench.heard(others[1]);
    }
    bench.unblock(client);
    let told = bench.told(client);
    assert_eq!(offsets(&told[1..]), (11..=25).collect::<Vec<_>>());
}
