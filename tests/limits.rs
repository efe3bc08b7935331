//! What the server does when the kernel gives it no more, and that its limits are those of the whole
//! process.

mod support;

use std::time::{Duration, Instant};

use serde_json::Value;

use self::support::client::Client;
use self::support::frame::TEXT;
use self::support::http::{Wire, request_bytes};
use self::support::server::Server;
use self::support::wait::{PATIENCE, eventually};

/// Pause of the server before it accepts again after a limit was met.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// Descriptors the server may open, not many more than it keeps for other things than sessions.
const DESCRIPTORS: usize = 640;

/// A figure of `/healthz`, asked for on a connection that is kept: a new one might not get in.
#[track_caller]
fn figure(server: &Server, kept: &mut Wire, name: &str) -> u64 {
    kept.send(&request_bytes(
        server.address(),
        "GET",
        "/healthz",
        &[],
        "keep-alive",
    ));
    let health: Value = serde_json::from_slice(&kept.response("GET").body).expect("JSON");
    health[name].as_u64().expect("a figure of that name")
}

/// Goal: without a descriptor for the next connection, a shard tries again a few times a second instead
/// of as fast as it can, those who are in go on, and once there are descriptors, so do the others.
#[test]
fn a_shard_without_descriptors_takes_a_breath() {
    let server = Server::start_with_descriptors(DESCRIPTORS, &["--shards", "1"]);
    let mut kept = Wire::open(server.address());
    let mut one = Client::connect(server.address(), "/ws/limit?presence=0");
    let mut other = Client::connect(server.address(), "/ws/limit?presence=0");
    assert_eq!(figure(&server, &mut kept, "accept_backoffs"), 0);
    // The kernel completes these by itself; the server can't accept them all.
    let mut waiting: Vec<Wire> = (0..DESCRIPTORS + 20)
        .map(|_| Wire::open(server.address()))
        .collect();
    let first = eventually("the limit is met", PATIENCE, || {
        let backoffs = figure(&server, &mut kept, "accept_backoffs");
        (backoffs > 0).then_some(backoffs)
    });
    let started = Instant::now();
    let last = eventually("it tries again", PATIENCE, || {
        one.text("still");
        other.expect(TEXT, "still");
        let backoffs = figure(&server, &mut kept, "accept_backoffs");
        (backoffs >= first + 5).then_some(backoffs)
    });
    // A busy machine makes it fewer, nothing makes it more.
    let tries_max = 2 + started.elapsed().as_millis() / ACCEPT_BACKOFF.as_millis();
    assert!(
        u128::from(last - first) <= tries_max,
        "{} tries in {:?}",
        last - first,
        started.elapsed()
    );
    waiting.drain(..DESCRIPTORS / 2);
    let mut late = Client::connect(server.address(), "/ws/limit?presence=0");
    late.text("in at last");
    other.expect(TEXT, "in at last");
}
