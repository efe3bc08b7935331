//! How much a shard keeps for the sake of clients.

use std::num::NonZeroUsize;

use fanring::config::{Config, LOG_BYTES_MIN};

use super::{publish, subscribe};
use crate::bench::{Bench, room_at};

/// Goal: what those have missed who don't read it is kept for them up to a limit. Beyond it, whoever comes back to another
/// room is told to try again, and is not in there; it succeeds once there is room, and a single room is never too much.
#[test]
fn what_is_kept_for_those_who_recover_is_bounded() {
    const DATA_BYTES: usize = 10_000;
    let mut bench = Bench::with(Config {
        shards: NonZeroUsize::new(2).unwrap(),
        log_bytes: LOG_BYTES_MIN,
        lag_bytes_max: LOG_BYTES_MIN / 2,
        history_bytes_max: 30 * DATA_BYTES,
        descriptors_max: 200,
        ..Config::default()
    });
    let rooms = [0, 1].map(|home| room_at(home, 2));
    let speaker = bench.client_in(0, &[&rooms[0], &rooms[1]]);
    let data = format!(r#""{}""#, "x".repeat(DATA_BYTES));
    for number in 0..20 {
        for room in &rooms {
            bench.command(speaker, &publish(10 + number, room, &data));
            bench.settle();
        }
    }
    let recover =
        |id, room: &str| subscribe(id, room).replace("}}", r#","recover":true,"offset":0}}"#);
    let idle = bench.client_in(0, &[]);
    bench.answer(idle);
    bench.block(idle);
    bench.command(idle, &recover(3, &rooms[0]));
    bench.settle();
    let client = bench.client_in(0, &[]);
    bench.answer(client);
    bench.command(client, &recover(3, &rooms[1]));
    let told = bench.told(client);
    assert!(
        told[0].starts_with(r#"{"id":3,"error":{"code":111,"#),
        "{told:.300?}"
    );
    bench.command(
        client,
        &format!(
            r#"{{"id":4,"presence_stats":{{"channel":"{}"}}}}"#,
            rooms[1]
        ),
    );
    assert!(bench.told(client)[0].contains(r#""num_clients":1"#));
    // Of the same room no more is kept for others.
    let other = bench.client_in(0, &[]);
    bench.answer(other);
    bench.command(other, &recover(3, &rooms[0]));
    assert_eq!(bench.told(other).len(), 1 + 20);
    bench.unblock(idle);
    assert_eq!(bench.told(idle).len(), 1 + 20);
    bench.command(client, &recover(5, &rooms[1]));
    assert_eq!(bench.told(client).len(), 1 + 20);
}
