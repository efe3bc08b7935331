//! Request heads as they arrive: late, in pieces, or no such thing.

use std::time::Duration;

use crate::bench::Bench;

const SECOND: Duration = Duration::from_secs(1);

/// A head that has begun and does not end in time is answered; its time counts from its first byte.
#[test]
fn a_late_head_is_answered() {
    let mut bench = Bench::new(1);
    let client = bench.connect(0);
    bench.shards[0].handle_time(9 * SECOND);
    bench.settle();
    for second in 9..19 {
        bench.shards[0].handle_time(second * SECOND);
        let piece: &[u8] = if second == 9 { b"HEAD" } else { b" " };
        bench.request(client, piece);
        assert_eq!(bench.answered(client), "", "after {second} s");
    }
    bench.shards[0].handle_time(20 * SECOND);
    bench.settle();
    let answer = bench.answered(client);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer:?}");
    assert!(answer.ends_with("\r\n\r\n"), "no body for HEAD: {answer:?}");
    bench.end(client);
    bench.settle();
    assert!(bench.shards[0].is_empty());
}

/// A connection on which nothing came is closed without a word.
#[test]
fn a_silent_connection_is_closed_in_silence() {
    let mut bench = Bench::new(1);
    let client = bench.connect(0);
    bench.shards[0].handle_time(9 * SECOND);
    bench.settle();
    assert!(!bench.shards[0].is_empty());
    bench.shards[0].handle_time(11 * SECOND);
    bench.settle();
    assert!(bench.shards[0].is_empty());
    assert_eq!(bench.answered(client), "");
}

/// What can become no request is answered with the byte that shows it, here the last, however it comes.
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
