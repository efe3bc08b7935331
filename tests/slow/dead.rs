//! Peers that never finish their request, and peers that die.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::alone;
use crate::support::client::Client;
use crate::support::frame::{Outgoing, TEXT};
use crate::support::http::{Wire, request_bytes};
use crate::support::server::Server;
use crate::support::wait::{Deadline, PATIENCE, eventually};

/// The server gives a request head this long.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Goal: a thousand connections with half a request, some of which go on byte by byte, are gone
/// after the head's deadline with a 408, except those that sent nothing, which hear nothing; and two
/// people chat meanwhile as if nothing were.
#[test]
fn half_requests_are_gone_after_the_deadline() {
    let _alone = alone();
    let mut server = Server::start(&["--shards", "2"]);
    let address = server.address();
    let mut one = Client::connect(address, "/ws/chat?presence=0");
    let mut other = Client::connect(address, "/ws/chat?presence=0");
    let descriptors = server.descriptors();
    let head = "GET /ws HTTP/1.1\r\nHost: chat.example\r\nUpgrade: websocket\r\n";
    let started = Instant::now();
    let mut halves: Vec<Wire> = (0..1_000)
        .map(|number| {
            let mut wire = Wire::open(address);
            wire.send(&head.as_bytes()[..number % head.len()]);
            wire
        })
        .collect();
    server.await_figure("connections", |connections| connections >= 1_002);

    let mut rounds = Vec::new();
    let deadline = Deadline::after(HEAD_TIMEOUT + PATIENCE);
    let mut round = 0_usize;
    let gone_after = loop {
        let asked = Instant::now();
        one.text(&format!("{round}"));
        other.expect(TEXT, format!("{round}"));
        other.text("and back");
        one.expect(TEXT, "and back");
        rounds.push(asked.elapsed());
        // A head that grows slowly is as late as one that does not.
        halves[round % 50].offer(b"x");
        round += 1;
        if round.is_multiple_of(10) {
            let left = server.figure("connections");
            if left == 2 {
                break started.elapsed();
            }
            deadline.check(|| format!("{left} connections are left of 2"));
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    assert!(
        gone_after >= HEAD_TIMEOUT - Duration::from_millis(500),
        "{gone_after:?}"
    );
    // A round that found the processors busy is nobody's fault; most of them are fast.
    rounds.sort_unstable();
    let most = rounds[rounds.len() * 9 / 10];
    assert!(
        most < Duration::from_secs(1),
        "a round of chat took {most:?}"
    );
    for (number, mut wire) in halves.into_iter().enumerate() {
        if number >= 50 && number % head.len() == 0 {
            wire.expect_end();
            continue;
        }
        let answer = wire.response("GET");
        // What was added to the first fifty does not make a method of each.
        let expected: &[u16] = if number < 50 { &[400, 408] } else { &[408] };
        assert!(expected.contains(&answer.status), "{number}: {answer:?}");
        assert!(answer.text().contains(": "), "{answer:?}");
    }
    eventually("the descriptors are closed", PATIENCE, || {
        (server.descriptors() <= descriptors).then_some(())
    });
    server.assert_alive();
}

/// Set for the process that is killed: the address it connects to.
const VICTIM: &str = "FANRING_TEST_VICTIM";
/// What that process says when all its connections stand.
const READY: &str = "all victims are connected";
/// Sessions among its 500 connections.
const VICTIM_SESSIONS: u64 = 300;

/// Holds 500 connections in every state until the process is killed or its parent goes.
fn hold_connections(address: &str) {
    let address = address.parse().expect("an address");
    let sessions: Vec<Client> = (0..VICTIM_SESSIONS)
        .map(|number| {
            let mut client = Client::connect(address, "/ws/victims");
            match number % 3 {
                0 => client.send(&Outgoing::text("half a message").more()),
                1 => client
                    .wire
                    .send(&Outgoing::text("half a frame").bytes()[..9]),
                _ => client.text("whole"),
            }
            client
        })
        .collect();
    let half_heads: Vec<Wire> = (0..100)
        .map(|_| {
            let mut wire = Wire::open(address);
            wire.send(b"GET /ws HTTP/1.1\r\nHo");
            wire
        })
        .collect();
    let kept: Vec<Wire> = (0..100)
        .map(|_| {
            let mut wire = Wire::open(address);
            wire.send(&request_bytes(
                address,
                "GET",
                "/healthz",
                &[],
                "keep-alive",
            ));
            assert_eq!(wire.response("GET").status, 200);
            wire
        })
        .collect();
    eprintln!("{READY}");
    let mut nothing = [0];
    let read = std::io::stdin().read(&mut nothing);
    drop((read, sessions, half_heads, kept));
}

/// The process that is killed; dropped, it is.
struct Victim(Child);

impl Victim {
    /// Starts this test's own executable again, to run `test` with [`VICTIM`] set.
    #[track_caller]
    fn start(test: &str, server: &Server) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("the test's executable"))
            .args(["--exact", test, "--nocapture"])
            .env(VICTIM, server.address().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the test's executable starts");
        let stderr = child.stderr.take().expect("a pipe was asked for");
        let victim = Self(child);
        let lines: Vec<String> = BufReader::new(stderr)
            .lines()
            .map_while(Result::ok)
            .take_while(|line| line != READY)
            .collect();
        let mut victim = victim;
        let status = victim.0.try_wait().expect("a child");
        assert!(
            status.is_none(),
            "the process to be killed failed: {lines:?}"
        );
        victim
    }

    /// `kill -9`.
    fn kill(&mut self) {
        self.0.kill().expect("SIGKILL");
        self.0.wait().expect("a child");
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // It is dead already unless the test failed before.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Goal: `kill -9` of a process with 500 connections, in whatever state they are, leaves no
/// slot, no session, no operation and no descriptor behind; their room hears of each.
#[test]
fn killed_peers_leave_nothing_behind() {
    if let Ok(address) = std::env::var(VICTIM) {
        return hold_connections(&address);
    }
    let _alone = alone();
    let mut server = Server::start(&["--shards", "2"]);
    let mut witness = Client::connect(server.address(), "/ws/victims");
    witness.expect_quiet();
    server.await_figure("connections", |connections| connections == 1);
    let operations = server.figure("operations");
    let descriptors = server.descriptors();
    for _ in 0..2 {
        let mut victim = Victim::start("dead::killed_peers_leave_nothing_behind", &server);
        server.await_figure("sessions", |sessions| sessions == 1 + VICTIM_SESSIONS);
        // The base may have counted the request for a figure just before it.
        eventually("all 500 connections are accepted", PATIENCE, || {
            (server.descriptors() >= descriptors + 495).then_some(())
        });
        victim.kill();
        let mut connected = 0;
        let mut disconnected = 0;
        let mut deadline = Deadline::after(PATIENCE);
        while disconnected < VICTIM_SESSIONS {
            let text = witness.next_text();
            connected += u64::from(text.contains("\"connect\""));
            disconnected += u64::from(text.contains("\"disconnect\""));
            deadline.renew(connected + disconnected);
            deadline.check(|| format!("{disconnected} disconnect notices"));
        }
        assert_eq!(connected, VICTIM_SESSIONS);
        server.await_figure("sessions", |sessions| sessions == 1);
        server.await_figure("connections", |connections| connections == 1);
        server.await_figure("operations", |now| now <= operations);
        eventually("the descriptors are closed", PATIENCE, || {
            (server.descriptors() <= descriptors).then_some(())
        });
    }
    witness.expect_quiet();
    server.assert_alive();
}

/// Goal: connections come and go for as long as one likes without anything piling up.
#[test]
fn nothing_piles_up() {
    let _alone = alone();
    let server = Server::start(&["--shards", "2"]);
    let address = server.address();
    let round = || {
        for number in 0..200 {
            // A room of its own, so that nothing of the one before is under way to it.
            let mut client = Client::connect(address, &format!("/ws/come-and-go-{number}"));
            client.text("hello");
            match number % 3 {
                0 => client.leave(1000),
                1 => client.reset(),
                _ => drop(client),
            }
        }
        server.await_figure("connections", |connections| connections == 0);
        server.await_figure("operations", |operations| operations == 0);
    };
    round();
    let (descriptors, resident) = (server.descriptors(), server.rss_bytes());
    (0..10).for_each(|_| round());
    eventually("the descriptors are closed", PATIENCE, || {
        (server.descriptors() <= descriptors).then_some(())
    });
    let grown = server.rss_bytes().saturating_sub(resident);
    assert!(
        grown < 8 << 20,
        "resident memory grew by {grown} bytes over 2,000 sessions"
    );
}
