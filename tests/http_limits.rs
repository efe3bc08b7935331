//! The limits of what is served besides WebSockets: whoever uses up one of them keeps out neither
//! visitors, nor health checks, nor sessions, nor takes more memory than the budget says.

mod support;

use std::fs;
use std::io::Read;
use std::time::{Duration, Instant};

use fanring::budget::WEB_CONNECTION_BYTES;
use fanring::config::Config;
use serde_json::Value;

use self::support::client::Client;
use self::support::frame::TEXT;
use self::support::http::{Wire, request, request_bytes};
use self::support::server::Server;
use self::support::wait::{PATIENCE, eventually};

/// The default of `--http-connections-max`.
const PLACES: u64 = 256;

/// Kept connections that have got an answer and wait.
fn idle(server: &Server, count: usize) -> Vec<Wire> {
    let get = request_bytes(server.address(), "GET", "/rooms", &[], "keep-alive");
    (0..count)
        .map(|_| {
            let mut wire = Wire::open(server.address());
            wire.send(&get);
            wire.response("GET");
            wire
        })
        .collect()
}

/// Goal: more idle connections than there are places keep out neither a visitor nor a health
/// check, and it is counted. Each of the two used to be refused for as long as they stayed.
#[test]
fn idle_connections_give_way() {
    let server = Server::start(&[]);
    let _idle = idle(&server, 1_200);
    for target in ["/", "/healthz", "/rooms"] {
        let response = request(server.address(), "GET", target, &[]);
        assert_ne!(response.status, 503, "{target}");
    }
    assert!(server.figure("http_gave_way") > 1_200 - PLACES);
    assert_eq!(server.figure("http_refused"), 0);
    // The one that asks may have a place of the reserve.
    assert!((PLACES..=PLACES + 1).contains(&server.figure("http_connections")));
}

/// Goal: a connection without requests is closed when its time is over, by default later than a load
/// balancer closes it: a close from this side may meet a request on its way.
#[test]
fn idle_connections_end_by_the_setting() {
    let server = Server::start(&["--http-keep-alive", "300ms"]);
    let mut wires = idle(&server, 3);
    for wire in &mut wires {
        wire.expect_end();
    }
    let longest_of_balancers = Duration::from_secs(600);
    assert!(Config::default().http_keep_alive > longest_of_balancers);
}

/// Goal: with few descriptors, connections of any number for pages leave enough of them for
/// sessions: an upgrade is answered at once.
#[test]
fn pages_leave_descriptors_for_sessions() {
    let server = Server::start_with_descriptors(256, &["--shards", "1"]);
    let _idle = idle(&server, 300);
    let mut sessions: Vec<Client> = (0..8)
        .map(|_| Client::connect(server.address(), "/ws?presence=0"))
        .collect();
    sessions[0].text("to the others");
    for session in &mut sessions[1..] {
        session.expect(TEXT, "to the others");
    }
    assert_eq!(server.figure("accept_backoffs"), 0);
    assert!(server.descriptors() < 256, "{}", server.descriptors());
}

/// Goal: neither a crowd that asks for pages all at once and stays, nor one that says nothing, keeps an
/// upgrade waiting until the time of each of them is over (5 and 10 s).
#[test]
fn a_crowd_does_not_keep_sessions_out() {
    for said in ["GET /rooms HTTP/1.1\r\nHost: a\r\n\r\n", ""] {
        let server = Server::start_with_descriptors(256, &["--shards", "1"]);
        let mut crowd: Vec<Wire> = (0..600).map(|_| Wire::open(server.address())).collect();
        for wire in &mut crowd {
            wire.offer(said.as_bytes());
        }
        let start = Instant::now();
        let _session = Client::connect(server.address(), "/ws?presence=0");
        assert!(
            start.elapsed() < Duration::from_secs(4),
            "{:?}",
            start.elapsed()
        );
        // While the crowd is being served a health check may have to be repeated.
        eventually("the limit was met", PATIENCE, || {
            let health = request(server.address(), "GET", "/healthz", &[]);
            let health: Value = serde_json::from_slice(&health.body).ok()?;
            health["accept_backoffs"]
                .as_u64()
                .filter(|&count| count > 0)
        });
    }
}

/// Goal: what stalled downloads hold is what the budget says, for as many as there may be.
#[test]
fn stalled_downloads_hold_what_the_budget_says() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let huge = fs::File::create(folder.path().join("huge.bin")).expect("a file");
    huge.set_len(1 << 30).expect("a sparse file");
    let path = folder.path().to_str().expect("a path in UTF-8");
    let server = Server::start(&["--shards", "1", "--static", path]);
    let before = server.rss_bytes();
    let get = request_bytes(server.address(), "GET", "/huge.bin", &[], "close");
    let mut stalled = Vec::new();
    for _ in 0..PLACES {
        let mut wire = Wire::open(server.address());
        wire.send(&get);
        wire.stream.read_exact(&mut [0; 12]).expect("a first part");
        stalled.push(wire);
    }
    assert_eq!(server.figure("http_connections"), PLACES + 1);
    let most = (0..100).map(|_| {
        server.healthz();
        server.rss_bytes()
    });
    let held = most.max().expect("a hundred").saturating_sub(before);
    let head_bytes_max = Config::default().head_bytes_max as u64;
    let each = WEB_CONNECTION_BYTES + 2 * head_bytes_max;
    assert!(
        held <= (PLACES + 1) * each,
        "{held} bytes, {} for each of them",
        held / PLACES
    );
    eprintln!("{held} bytes, {} for each", held / PLACES);
}
