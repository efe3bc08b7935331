//! The way out: sessions are told at once, health checks can see it, downloads may end, and nothing
//! holds the process up for longer than it says.

mod support;

use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use self::support::client::{Client, Heard, fresh_key, handshake};
use self::support::frame::Outgoing;
use self::support::http::{Response, Wire, request_bytes};
use self::support::server::Server;
use self::support::wait::{PATIENCE, eventually};

/// Far more than the socket buffers of both sides hold.
const LARGE_BYTES: usize = 251 << 17;

/// What the process may take to end, by README.md.
const END_MAX: Duration = Duration::from_secs(5);

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("large.bin"), content()).expect("a file");
    folder
}

fn content() -> Vec<u8> {
    let block: Vec<u8> = (0..=250).collect();
    block.repeat(LARGE_BYTES / block.len())
}

fn serve(folder: &tempfile::TempDir, arguments: &[&str]) -> Server {
    let path = folder.path().to_str().expect("a path in UTF-8");
    let mut all = vec!["--shards", "2", "--static", path];
    all.extend(arguments);
    Server::start(&all)
}

/// A download whose client has taken its head and waits.
fn download(address: SocketAddr) -> Wire {
    let mut wire = Wire::open(address);
    wire.send(&request_bytes(
        address,
        "GET",
        "/large.bin",
        &[],
        "keep-alive",
    ));
    wire.stream.read_exact(&mut [0; 12]).expect("a first part");
    wire
}

/// The answer to one request on a new connection, if the server still takes one.
fn try_request(address: SocketAddr, bytes: &[u8]) -> Option<Response> {
    let mut wire = Wire::over(TcpStream::connect(address).ok()?);
    wire.offer(bytes);
    while wire.fill().is_ok_and(|count| count > 0) {}
    (!wire.bytes().is_empty()).then(|| wire.response_head())
}

/// Goal: a download under way at SIGTERM arrives whole, though its client reads on only later.
#[test]
fn a_download_under_way_ends_well() {
    let folder = folder();
    let mut server = serve(&folder, &["--drain-timeout", "20s"]);
    let address = server.address();
    let mut wire = download(address);
    server.terminate();
    let health = request_bytes(address, "GET", "/healthz", &[], "close");
    eventually("the server stops", PATIENCE, || {
        try_request(address, &health).filter(|answer| answer.status == 503)
    });
    let mut rest = Vec::new();
    // The end of the stream is the end of the process.
    wire.stream.read_to_end(&mut rest).expect("the rest");
    let end = rest
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .expect("a head")
        + 4;
    assert!(rest[end..] == content(), "{} bytes", rest.len());
    assert_eq!(server.await_exit(END_MAX).code(), Some(0));
}

/// Goal: sessions hear of the stop at once, and whoever comes during the next second, or while a
/// download is under way, is told so: health checks and upgrades on new connections, and requests
/// that were on their way on kept ones.
#[test]
fn whoever_comes_is_told_of_the_stop() {
    let folder = folder();
    let mut server = serve(&folder, &["--drain-timeout", "60s"]);
    let address = server.address();
    // As long as this one is under way, so that a slow machine is in time as well.
    let mut busy = download(address);
    let mut session = Client::connect(address, "/ws/stop");
    let mut idle = Wire::open(address);
    idle.send(&request_bytes(address, "GET", "/rooms", &[], "keep-alive"));
    idle.response("GET");
    let start = Instant::now();
    server.terminate();
    assert_eq!(session.close_frame().map(|(code, _)| code), Some(1001));
    session.offer(&Outgoing::close(1001, ""));
    assert!(matches!(session.hear(), Heard::End | Heard::Reset));
    let get = request_bytes(address, "GET", "/rooms", &[], "keep-alive");
    idle.send(&get);
    let last = idle.response("GET");
    assert_eq!(last.header("connection"), Some("close"));
    idle.expect_end();
    let health = request_bytes(address, "GET", "/healthz", &[], "close");
    let upgrade = handshake(address, "/ws/stop", &fresh_key(), "").into_bytes();
    for _ in 0..2 {
        let answer = try_request(address, &health).expect("a health check is answered");
        assert_eq!(answer.status, 503);
        let refused = try_request(address, &upgrade).expect("an upgrade is answered");
        assert_eq!(refused.status, 503);
        assert!(refused.header("retry-after").is_some());
    }
    let mut rest = Vec::new();
    busy.stream.read_to_end(&mut rest).expect("the rest");
    assert_eq!(server.await_exit(END_MAX).code(), Some(0));
    assert!(
        start.elapsed() >= Duration::from_millis(900),
        "{:?}",
        start.elapsed()
    );
}

/// Goal: a client that never takes its download, and one that never ends its request, keep the
/// process for as long as README.md says and no longer.
#[test]
fn the_stuck_are_not_waited_for() {
    let folder = folder();
    for (arguments, end_max) in [
        (&[][..], END_MAX),
        // The default would wait for three seconds.
        (&["--drain-timeout", "0s"][..], Duration::from_millis(2_900)),
    ] {
        let mut server = serve(&folder, arguments);
        let _stuck = download(server.address());
        let mut half = Wire::open(server.address());
        half.send(b"GET / HT");
        server.healthz();
        server.terminate();
        assert_eq!(server.await_exit(end_max).code(), Some(0), "{arguments:?}");
    }
}
