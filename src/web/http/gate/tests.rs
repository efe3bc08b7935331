//! The gate: what passes, what is held, and what a shard is to have.

use std::sync::Arc;

use super::{Gate, Next};
use crate::config::Config;

const GET: &[u8] = b"GET /rooms HTTP/1.1\r\nHost: a\r\n\r\n";
const UPGRADE: &[u8] = b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\nframes";

fn gate(sent: &[u8]) -> Gate {
    let config = Config {
        head_bytes_max: 9_000,
        ..Config::default()
    };
    Gate::new(Arc::new(config), sent.to_vec())
}

/// Takes what passes until the gate wants more or the connection leaves; with what is kept then.
fn run(gate: &mut Gate) -> (Vec<u8>, bool) {
    let mut passed = Vec::new();
    loop {
        match gate.next() {
            Next::Read => return (passed, false),
            Next::Leave => return (passed, true),
            Next::Pass(bytes) => {
                // hyper takes what it has room for.
                let count = bytes.len().min(7);
                passed.extend_from_slice(&bytes[..count]);
                gate.pass(count);
            }
        }
    }
}

/// Goal: requests pass one by one and whole, an upgrade behind them stays with all that follows it,
/// and none of it depends on how the bytes arrive.
#[test]
fn whole_requests_pass_and_an_upgrade_stays() {
    let all = [GET, b"\r\n", GET, UPGRADE].concat();
    let web = all.len() - UPGRADE.len();
    for cut in 0..=all.len() {
        let mut gate = gate(b"");
        gate.hold(&all[..cut]);
        let (mut passed, left) = run(&mut gate);
        assert_eq!(left, all.len() - cut <= b"frames".len(), "cut at {cut}");
        assert!(passed.is_empty() || passed.ends_with(b"\r\n\r\n"));
        gate.hold(&all[cut..]);
        let (rest, left) = run(&mut gate);
        passed.extend(rest);
        assert!(left);
        assert_eq!(passed, all[..web], "cut at {cut}");
        assert_eq!(gate.into_held(), UPGRADE);
    }
    let mut gate = gate(b"");
    let mut passed = Vec::new();
    for byte in &all[..web] {
        gate.hold(&[*byte]);
        passed.extend(run(&mut gate).0);
    }
    assert_eq!(passed, all[..web]);
    assert!(!gate.is_holding());
}

/// Goal: what hyper would answer in its own way is a shard's, with every byte.
#[test]
fn a_shard_answers_what_is_no_good_request() {
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nA: {}", "x".repeat(9_000));
    let fields = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(101));
    let cases: [&[u8]; 9] = [
        b"\x16\x03\x01",
        b"PRI * HTTP/2.0\r\n",
        b"GET / HTTP/1.1\r\nA : b\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /ws/room HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
        b"GET / HTTP/1.1\r\nHost: evil.example:9001\r\n\r\n",
        b"GET /any HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
        long.as_bytes(),
        fields.as_bytes(),
    ];
    for bytes in cases {
        let mut gate = gate(GET);
        gate.hold(bytes);
        assert_eq!(
            run(&mut gate),
            (GET.to_vec(), true),
            "{}",
            bytes.escape_ascii()
        );
        assert_eq!(gate.into_held(), bytes);
    }
}

/// Goal: what a shard has sent here is not sent back, whatever it is.
#[test]
fn the_first_request_stays() {
    let mut gate = gate(&[&UPGRADE[..UPGRADE.len() - 6], UPGRADE].concat());
    let (passed, left) = run(&mut gate);
    let head = String::from_utf8_lossy(&UPGRADE[..UPGRADE.len() - 6]);
    assert_eq!(passed, head.replace("Upgrade:", "ignored:").as_bytes());
    assert!(left);
    assert_eq!(gate.into_held(), UPGRADE);
}

/// Goal: hyper does not hear of other protocols that a client would like to speak.
#[test]
fn other_upgrades_are_hidden() {
    let head =
        "GET /upgrade: HTTP/1.1\r\nHost: a\r\nUPGRADE: h2c\r\nX-Upgrade: b\r\nupgrade: c\r\n\r\n";
    let mut gate = gate(b"");
    gate.hold(head.as_bytes());
    let (passed, _) = run(&mut gate);
    let expected = head
        .replace("UPGRADE:", "ignored:")
        .replace("\nupgrade:", "\nignored:");
    assert_eq!(String::from_utf8(passed).expect("text"), expected);
}

/// Goal: behind a request with a body nothing is judged: only hyper can tell where the body ends.
#[test]
fn a_body_opens_the_gate() {
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut gate = gate(&[GET, head, b"5\r\nhel"].concat());
    let (passed, left) = run(&mut gate);
    assert!(!left && gate.is_open());
    assert_eq!(passed, [GET, head, b"5\r\nhel"].concat());
    gate.hold(UPGRADE);
    assert_eq!(run(&mut gate), (UPGRADE.to_vec(), false));
}
