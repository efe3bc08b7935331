//! Limits that the shards keep together.

use std::num::NonZeroUsize;

use fanring::config::{Config, LOG_BYTES_MIN};

use crate::bench::{Bench, room_at};

/// The status that somebody gets who would join a room whose home is `shard`.
fn status(bench: &mut Bench, shard: u16) -> String {
    let client = bench.connect(usize::from(shard));
    let head = format!(
        "GET /ws/{} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        room_at(shard, 2)
    );
    bench.request(client, head.as_bytes());
    let answer = bench.answered(client);
    let status = answer.split(' ').nth(1).expect("a status line");
    status.to_owned()
}

/// Goal: the sessions of all shards count, whoever asks, and one that goes makes room anywhere.
#[test]
fn connections_are_counted_over_all_shards() {
    let mut bench = Bench::with(Config {
        shards: NonZeroUsize::new(2).unwrap(),
        connections_max: 3,
        log_bytes: LOG_BYTES_MIN,
        lag_bytes_max: LOG_BYTES_MIN / 2,
        descriptors_max: 64,
        ..Config::default()
    });
    bench.join(0, "/ws/one");
    bench.join(0, "/ws/two");
    let leaver = bench.join(1, "/ws/one");
    for shard in [0, 1] {
        assert_eq!(status(&mut bench, shard), "503", "on shard {shard}");
    }
    bench.fail(leaver);
    bench.settle();
    assert_eq!(status(&mut bench, 0), "101");
    assert_eq!(status(&mut bench, 1), "503");
}
