//! Request heads as they arrive: late, in pieces, or no such thing.

use std::time::Duration;

use fanring::config::{Config, LOG_BYTES_MIN};
use fanring::wire::frame::OpCode;

use crate::bench::Bench;

const SECOND: Duration = Duration::from_secs(1);

/// Goal: a head that has begun and does not end in time is answered; its time counts from its first
/// byte.
#[test]
fn a_late_head_is_answered() {
    let mut bench = Bench::new(1);
    let client = bench.connect(0);
    bench.pass_time(0, 9 * SECOND);
    bench.settle();
    for second in 9..19 {
        bench.pass_time(0, second * SECOND);
        let piece: &[u8] = if second == 9 { b"HEAD" } else { b" " };
        bench.request(client, piece);
        assert_eq!(bench.answered(client), "", "after {second} s");
    }
    bench.pass_time(0, 20 * SECOND);
    bench.settle();
    let answer = bench.answered(client);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer:?}");
    assert!(answer.ends_with("\r\n\r\n"), "no body for HEAD: {answer:?}");
    bench.end(client);
    bench.settle();
    assert!(bench.shards[0].is_empty());
}

/// Goal: a connection on which nothing came is closed without a word.
#[test]
fn a_silent_connection_is_closed_in_silence() {
    let mut bench = Bench::new(1);
    let client = bench.connect(0);
    bench.pass_time(0, 9 * SECOND);
    bench.settle();
    assert!(!bench.shards[0].is_empty());
    bench.pass_time(0, 11 * SECOND);
    bench.settle();
    assert!(bench.shards[0].is_empty());
    assert_eq!(bench.answered(client), "");
}

/// Goal: what can become no request is answered with the byte that shows it, here the last, however
/// it comes.
#[test]
fn no_http_is_answered_at_once() {
    for (sent, status) in [
        ("\u{16}", 400),
        ("\0", 400),
        ("SSH-2.0-client\r", 400),
        ("GET /\r\n", 400),
        ("PRI * HTTP/2.0\r\n", 505),
        (&"x".repeat(33), 400),
    ] {
        let mut bench = Bench::new(1);
        let client = bench.connect(0);
        bench.request(client, sent.as_bytes());
        let answer = bench.answered(client);
        let expected = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&expected), "{sent:?}: {answer:?}");
        let in_pieces = bench.connect(0);
        for byte in sent.bytes() {
            assert_eq!(bench.answered(in_pieces), "");
            bench.request(in_pieces, &[byte]);
        }
        assert_eq!(bench.answered(in_pieces), answer);
    }
}

/// Goal: a web thread that takes nothing is handed a bounded number of connections; further ones
/// are answered 503 by the shard, health checks later than others, and nobody's publishing waits
/// for it.
#[test]
fn a_busy_web_thread_is_handed_a_bounded_number_of_connections() {
    let config = Config {
        log_bytes: LOG_BYTES_MIN,
        lag_bytes_max: LOG_BYTES_MIN / 2,
        ..Config::default()
    };
    let (waiting_max, for_health) = (config.web_waiting_max(), config.web_waiting_health());
    assert!(waiting_max >= 256, "a turn of new visitors");
    let mut bench = Bench::with(config);
    let publisher = bench.join(0, "/ws?echo=1");
    let handed = |bench: &mut Bench, path: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
        let client = bench.adopt(0, &head);
        let message = bench.shards[0].poll_letter();
        bench.flush(0, 256);
        if message.is_none() {
            let answer = bench.answered(client);
            assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        }
        message.is_some()
    };
    let mut asked = 0..1000;
    let pages = asked
        .by_ref()
        .take_while(|_| handed(&mut bench, "/"))
        .count();
    assert_eq!(pages, waiting_max - for_health);
    let checks = asked.take_while(|_| handed(&mut bench, "/healthz")).count();
    assert_eq!(checks, for_health);
    bench.say(publisher, OpCode::Text, b"on");
    bench.settle();
    assert_eq!(bench.heard(publisher), ["on"]);
    assert!(bench.is_read(publisher));
    bench.shards[0].handle_web_waiting(0);
    assert!(handed(&mut bench, "/"));
}

/// Goal: a server with all the rooms it may have says so, and not that it lacks connections.
#[test]
fn a_server_full_of_rooms_says_so() {
    let mut bench = Bench::with(Config {
        rooms_max: 1,
        log_bytes: LOG_BYTES_MIN,
        lag_bytes_max: LOG_BYTES_MIN / 2,
        descriptors_max: 64,
        ..Config::default()
    });
    bench.join(0, "/ws/one");
    let client = bench.connect(0);
    let upgrade = "GET /ws/two HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    bench.request(client, upgrade.as_bytes());
    let answer = bench.answered(client);
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer:?}");
    assert!(answer.contains("\r\nRetry-After: ") && answer.contains("All rooms of"));
    bench.join(0, "/ws/one");
}
