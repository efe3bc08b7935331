//! What sessions hold for their peers' sake: together within a limit, and never at the expense of
//! those who complete what they begin.

use fanring::config::{Config, LOG_BYTES_MIN, SESSION_BUFFERS_MIN};
use fanring::wire::frame::{OpCode, append_masked_frame};

use crate::bench::Bench;

fn bench() -> Bench {
    Bench::with(Config {
        session_buffers_max: SESSION_BUFFERS_MIN,
        message_bytes_max: 100 << 10,
        log_bytes: LOG_BYTES_MIN,
        lag_bytes_max: LOG_BYTES_MIN / 2,
        descriptors_max: 200,
        ..Config::default()
    })
}

/// All of a message's frame but its last byte.
fn half_message(bytes: usize) -> Vec<u8> {
    let mut frame = Vec::new();
    append_masked_frame(&mut frame, OpCode::Binary, true, &vec![0; bytes], [0; 4]);
    frame.pop();
    frame
}

/// Goal: of sessions that stop in the middle of messages, the first ones are told to try again
/// later once together they hold too much; one that goes on meanwhile completes its message.
#[test]
fn half_messages_give_way_to_newer_ones() {
    let mut bench = bench();
    let reader = bench.join(0, "/ws?presence=0&echo=1");
    let halves: Vec<usize> = (0..30)
        .map(|_| {
            let half = bench.join(0, "/ws?presence=0");
            bench.send(half, &mut half_message(100 << 10));
            bench.settle();
            bench.shards[0].check_invariants().unwrap();
            bench.say(reader, OpCode::Binary, &[1; 90 << 10]);
            bench.settle();
            half
        })
        .collect();
    assert_eq!(bench.heard(reader).len(), 30);
    let told: Vec<bool> = halves
        .iter()
        .map(|&half| {
            let last = bench.heard(half).pop();
            last.is_some_and(|last| last == "close 1013")
        })
        .collect();
    let kept = told.iter().filter(|told| !**told).count();
    assert!((8..=10).contains(&kept), "{kept} are kept");
    assert!(
        told.is_sorted_by(|a, b| a >= b),
        "the oldest go first: {told:?}"
    );
    assert_eq!(bench.metrics[0].holders_dropped.get(), 30 - kept as u64);
}

/// Goal: half request heads beyond the limit are answered 503, the first ones first.
#[test]
fn half_heads_give_way_to_newer_ones() {
    let mut bench = bench();
    let head = format!("GET / HTTP/1.1\r\nCookie: {}", "x".repeat(15 << 10));
    let clients: Vec<usize> = (0..100)
        .map(|_| {
            let client = bench.connect(0);
            bench.request(client, head.as_bytes());
            bench.shards[0].check_invariants().unwrap();
            client
        })
        .collect();
    let refused = |client: &usize| bench.answered(*client).starts_with("HTTP/1.1 503 ");
    let refused: Vec<bool> = clients.iter().map(refused).collect();
    assert!(refused.is_sorted_by(|a, b| a >= b) && refused[0] && !refused[99]);
}

/// Goal: sessions that do not read their replies are dropped, the first ones first.
#[test]
fn unread_replies_are_dropped_with_their_sessions() {
    let mut bench = bench();
    let clients: Vec<usize> = (0..40).map(|_| bench.join(0, "/ws?presence=0")).collect();
    for &client in &clients {
        bench.block(client);
        for _ in 0..400 {
            bench.say(client, OpCode::Ping, &[0; 100]);
        }
        bench.settle();
        bench.shards[0].check_invariants().unwrap();
    }
    let dropped = bench.metrics[0].holders_dropped.get();
    assert!((10..35).contains(&dropped), "{dropped} of 40");
    assert!(bench.is_read(clients[39]) && !bench.is_read(clients[0]));
}
