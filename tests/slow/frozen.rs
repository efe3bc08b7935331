//! A server that stood still: a stopped process, a suspended machine.

use std::time::{Duration, Instant};

use crate::alone;
use crate::support::client::{Client, fresh_key, handshake};
use crate::support::frame::{CLOSE, PING};
use crate::support::http::{Wire, request_bytes};
use crate::support::server::Server;
use crate::support::wait::{Deadline, PATIENCE};

const TALKERS: usize = 20;
const MESSAGES: usize = 100;

/// Goal: who talked while the server stood still for longer than the idle timeout is heard and not
/// closed, all that was said arrives, and a request head that came meanwhile is answered; who stays
/// silent is closed in due time.
#[test]
fn a_frozen_server_hears_before_it_judges() {
    let _alone = alone();
    let server = Server::start(&["--idle-timeout", "6s", "--ping-interval", "2s"]);
    let address = server.address();
    let mut talkers: Vec<Client> = (0..TALKERS)
        .map(|_| Client::connect(address, "/ws/frozen?presence=0"))
        .collect();
    let mut silent = Client::connect(address, "/ws/silent?presence=0");
    let mut late = Wire::open(address);
    late.send(b"GET /healthz HTTP/1.1\r\n");
    server.await_figure("sessions", |sessions| sessions == 1 + TALKERS as u64);

    server.freeze();
    let thaw_at = Instant::now() + Duration::from_secs(11);
    late.send(b"Host: h\r\n\r\n");
    for number in 0..MESSAGES {
        for talker in &mut talkers {
            talker.text(&format!("message {number}"));
        }
    }
    // The time that passes is what this is about.
    std::thread::sleep(thaw_at.saturating_duration_since(Instant::now()));
    server.thaw();

    assert_eq!(late.response("GET").status, 200);
    for talker in &mut talkers {
        for _ in 0..(TALKERS - 1) * MESSAGES {
            assert!(talker.next_text().starts_with("message "));
        }
    }
    // The silent one answers no ping.
    let closed = std::thread::spawn(move || {
        loop {
            let frame = silent.frame();
            match frame.opcode {
                PING => {}
                CLOSE => return frame.payload,
                other => panic!("opcode {other:#x}"),
            }
        }
    });
    let deadline = Deadline::after(PATIENCE);
    while !closed.is_finished() {
        deadline.check(|| "the silent one is closed".to_owned());
        for talker in &mut talkers {
            talker.text("still here");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let payload = closed.join().expect("a close frame");
    assert_eq!(payload[..2], 1001u16.to_be_bytes());
    for talker in &mut talkers {
        talker.text("to the end");
    }
    server.await_figure("sessions", |sessions| sessions == TALKERS as u64);
}

/// Goal: a head that came while the server stood still for longer than heads may take is answered, whether
/// it had begun before, on a new connection or a kept one, or not at all; no other deadline is due before
/// that one.
#[test]
fn heads_that_came_while_the_server_was_frozen_are_answered() {
    let _alone = alone();
    let server = Server::start(&["--shards", "1"]);
    let address = server.address();
    let key = fresh_key();
    let head = handshake(address, "/ws/frozen?presence=0", &key, "");
    let mut wires = Vec::new();
    for number in 0..9 {
        let mut wire = Wire::open(address);
        if number % 3 == 0 {
            wire.send(&request_bytes(
                address,
                "GET",
                "/healthz",
                &[],
                "keep-alive",
            ));
            assert_eq!(wire.response("GET").status, 200);
        }
        let sent = if number % 3 == 1 { 0 } else { 30 };
        wire.send(&head.as_bytes()[..sent]);
        wires.push((wire, sent));
    }
    server.await_figure("connections", |connections| connections >= 6);

    server.freeze();
    let thaw_at = Instant::now() + Duration::from_secs(11);
    for (wire, sent) in &mut wires {
        wire.send(&head.as_bytes()[*sent..]);
    }
    std::thread::sleep(thaw_at.saturating_duration_since(Instant::now()));
    server.thaw();
    for (wire, _) in wires {
        Client::opened(wire, &key).leave(1000);
    }
}
