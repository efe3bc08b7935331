//! Messages that are too long for clients, in rooms that clients come to.

use std::num::NonZeroUsize;

use fanring::config::{Config, LOG_BYTES_MIN};
use fanring::wire::frame::OpCode;

use super::{publish, subscribe};
use crate::bench::{Bench, room_at};

/// As long as a message of the plain protocol may be: as a JSON string it would be longer than the log.
const LONG_BYTES: usize = 200 << 10;

fn bench() -> Bench {
    Bench::with(Config {
        shards: NonZeroUsize::new(2).unwrap(),
        log_bytes: LOG_BYTES_MIN,
        lag_bytes_max: LOG_BYTES_MIN / 2,
        message_bytes_max: LONG_BYTES,
        descriptors_max: 200,
        ..Config::default()
    })
}

/// The offsets that a client is told of publications, and what else there is to be told of them.
fn offsets(told: &[String]) -> Vec<&str> {
    let after = |one: &'_ String| one.find(r#""offset":"#).map(|at| at + r#""offset":"#.len());
    let offset = |one| after(one).map(|at| one[at..].split([',', '}']).next().unwrap());
    (told.iter().filter(|one| one.contains(r#""pub":{"#)))
        .filter_map(offset)
        .collect()
}

/// Goal: a message that was on its way when the first client came, and is too long for clients, reaches plain members
/// alone; it takes no place, so that none is missing, and the history can be read and recovered.
#[test]
fn what_is_too_long_for_clients_takes_no_place() {
    for (home, speaks_on) in [(0, 0), (0, 1), (1, 0)] {
        let room = room_at(home, 2);
        let mut bench = bench();
        let plain = bench.join(speaks_on, &format!("/ws/{room}?presence=0"));
        let reader = bench.join(0, &format!("/ws/{room}?presence=0"));
        let client = bench.client_in(0, &[]);
        bench.say(plain, OpCode::Text, &[1; LONG_BYTES]);
        bench.command(client, &subscribe(2, &room));
        bench.say(plain, OpCode::Text, &[2; LONG_BYTES]);
        bench.settle();
        let lengths: Vec<usize> = bench.heard(reader).iter().map(String::len).collect();
        assert_eq!(lengths, [LONG_BYTES, LONG_BYTES]);
        for number in 3..6 {
            bench.say(plain, OpCode::Text, format!("{number}").as_bytes());
        }
        let told = bench.told(client);
        assert_eq!(offsets(&told), ["1", "2", "3"], "{home} {speaks_on}");
        let other = bench.client_in(1, &[]);
        let recover = subscribe(3, &room).replace("}}", r#","recover":true,"offset":0}}"#);
        bench.command(other, &recover);
        let told = bench.told(other);
        assert!(told[0].contains(r#""recovered":true"#));
        assert_eq!(offsets(&told), ["1", "2", "3"]);
        bench.command(
            other,
            &format!(r#"{{"id":4,"history":{{"channel":"{room}","limit":-1}}}}"#),
        );
        let told = bench.told(other).concat();
        assert_eq!(told.matches(r#""data":"#).count(), 3, "{told:.300}");
    }
}

/// Goal: once a room has a client, whoever says there what is too long for it is told so and closed, on whichever
/// shard it is, whether it was there before or has come since.
#[test]
fn whoever_is_too_long_for_clients_is_closed() {
    for home in 0..2 {
        let room = room_at(home, 2);
        let mut bench = bench();
        let before = [0, 1].map(|shard| bench.join(shard, &format!("/ws/{room}?presence=0")));
        let client = bench.client_in(0, &[&room]);
        let since = [0, 1].map(|shard| bench.join(shard, &format!("/ws/{room}?presence=0")));
        for plain in before.into_iter().chain(since) {
            bench.heard(plain);
            bench.say(plain, OpCode::Text, &[1; LONG_BYTES]);
            bench.settle();
            assert_eq!(bench.heard(plain), ["close 1009"], "home {home}");
        }
        bench.command(client, &publish(9, &room, "1"));
        assert_eq!(offsets(&bench.told(client)), ["1"]);
    }
}
