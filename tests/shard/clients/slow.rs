//! Clients that read too slowly: how far behind they may be.

use std::num::NonZeroUsize;
use std::time::Duration;

use fanring::config::Config;

use super::{begin_with, publish, subscribe, unsubscribe};
use crate::bench::Bench;

/// How far behind a client may be, far less than the log is moved on between two looks at who is.
const LAG_BYTES_MAX: usize = 512 << 10;

/// Bytes of what is said at a time.
const DATA_BYTES: usize = 32 << 10;

/// A room with members that read and somebody who speaks, and a client in there.
fn room() -> (Bench, usize, usize) {
    let mut bench = Bench::with(Config {
        shards: NonZeroUsize::MIN,
        lag_bytes_max: LAG_BYTES_MAX,
        descriptors_max: 200,
        ..Config::default()
    });
    let speaker = bench.client_in(0, &["room"]);
    let others = [0; 6].map(|shard| bench.client_in(shard, &["room"]));
    let client = bench.client_in(0, &["room"]);
    for all in others.into_iter().chain([speaker, client]) {
        bench.answer(all);
    }
    (bench, speaker, client)
}

/// So much is said while a client's socket takes nothing; returns what it is told once it does.
fn told_after(bench: &mut Bench, speaker: usize, client: usize, count: usize) -> String {
    bench.block(client);
    let data = format!(r#""{}""#, "x".repeat(DATA_BYTES));
    for number in 0..count {
        let id = 100 + u32::try_from(number).unwrap();
        bench.command(speaker, &publish(id, "room", &data));
        bench.settle();
        let replies = bench.heard(speaker).concat();
        assert!(replies.contains(r#""publish":{"#), "{replies:.200}");
    }
    bench.unblock(client);
    bench.settle();
    bench.heard(client).concat()
}

/// Goal: a client is put out of a room once it is further behind than it may be by a quarter, and not before, however
/// much larger the log is.
#[test]
fn one_is_put_out_when_it_is_behind_and_not_later() {
    for (count, is_put_out) in [(14, false), (21, true)] {
        let (mut bench, speaker, client) = room();
        let told = told_after(&mut bench, speaker, client, count);
        assert_eq!(told.contains(r#""code":2500"#), is_put_out, "{count}");
        assert_eq!(
            bench.metrics[0].slow_unsubscribed.get(),
            u64::from(is_put_out)
        );
    }
}

/// Goal: one that comes back too early is told so when the time is over, so that it does not try all the time; it may
/// publish meanwhile, and gets the answers to other commands in their order.
#[test]
fn one_that_comes_back_too_early_is_told_so_late() {
    let (mut bench, speaker, client) = room();
    let told = told_after(&mut bench, speaker, client, 21);
    assert!(told.contains(r#""code":2500"#));
    let stats = r#"{"id":7,"presence_stats":{"channel":"other"}}"#;
    bench.command(client, &subscribe(4, "room"));
    assert_eq!(bench.told(client), [""; 0]);
    bench.command(client, &publish(5, "other", "1"));
    begin_with(&bench.told(client), &[r#"{"id":5,"publish":"#]);
    bench.command(client, &[&subscribe(6, "room"), stats].join("\n"));
    let refused = |id| format!(r#"{{"id":{id},"error":{{"code":111,"#);
    let (first, second) = (refused(4), refused(6));
    begin_with(&bench.told(client), &[&first, &second, r#"{"id":7,"#]);
    bench.command(client, &subscribe(8, "room"));
    assert_eq!(bench.told(client), [""; 0]);
    bench.pass_time(0, Duration::from_millis(600));
    begin_with(&bench.told(client), &[&refused(8)]);
    bench.command(client, &subscribe(9, "room"));
    begin_with(&bench.told(client), &[r#"{"id":9,"subscribe":"#]);
}

/// Goal: who has come back to a room and has got all it had missed is judged as anybody else from then on.
#[test]
fn one_that_has_caught_up_may_be_behind_as_others() {
    let (mut bench, speaker, client) = room();
    bench.command(client, &unsubscribe(3, "room"));
    bench.command(speaker, &publish(9, "room", "1"));
    bench.settle();
    let recover = subscribe(4, "room").replace("}}", r#","recover":true,"offset":0}}"#);
    // Something is said while it is sent what it has missed.
    bench.crawl(client, 100);
    bench.command(client, &recover);
    bench.settle();
    bench.command(speaker, &publish(10, "room", "2"));
    bench.settle();
    bench.unblock(client);
    bench.settle();
    let told = bench.heard(client).concat();
    assert!(told.contains(r#""data":1,"#) && told.contains(r#""data":2,"#));
    bench.pass_time(0, Duration::from_secs(1));
    bench.heard(speaker);
    let told = told_after(&mut bench, speaker, client, 21);
    assert!(told.contains(r#""code":2500"#), "{told:.300}");
}
