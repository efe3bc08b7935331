//! Section 4.2: what the server accepts as an opening handshake, and how it refuses the rest.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::support::client::{Client, accept_for, fresh_key, handshake};
use crate::support::frame::{Outgoing, TEXT};
use crate::support::http::{Response, Wire};
use crate::support::server::Server;
use crate::support::wait::each;

/// How long the server waits for a head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The key and its answer in RFC 6455 section 1.3.
const SAMPLE_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const SAMPLE_ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A request that differs from a right handshake in one thing.
struct Case {
    name: &'static str,
    request: String,
    statuses: &'static [u16],
}

/// A right handshake in which `find` is replaced.
fn altered(find: &str, replacement: &str) -> String {
    let right = right();
    assert!(right.contains(find), "{find:?} is not in {right:?}");
    right.replace(find, replacement)
}

fn right() -> String {
    "GET /ws HTTP/1.1\r\nHost: chat.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        .to_owned()
}

fn ask(server: &Server, request: &str) -> Response {
    let mut wire = Wire::open(server.address());
    wire.send(request.as_bytes());
    wire.response_head()
}

fn run(cases: Vec<Case>) {
    let mut server = Server::start(&[]);
    each(
        cases,
        |case| case.name.to_owned(),
        |case| {
            let response = ask(&server, &case.request);
            assert!(
                case.statuses.contains(&response.status),
                "{} instead of {:?}",
                response.status,
                case.statuses
            );
            if response.status == 426 {
                assert_eq!(
                    response.header("sec-websocket-version"),
                    Some("13"),
                    "RFC 6455 section 4.4"
                );
            }
            if response.status != 101 {
                assert_eq!(response.header("sec-websocket-accept"), None);
            }
        },
    );
    server.assert_alive();
    Client::connect(server.address(), "/ws/afterwards").leave(1000);
}

fn case(name: &'static str, statuses: &'static [u16], find: &str, replacement: &str) -> Case {
    Case {
        name,
        request: altered(find, replacement),
        statuses,
    }
}

/// Goal: a request line, Host, Upgrade or Connection that is missing or wrong is refused, and so
/// is what is no HTTP (4.2.1 items 1 to 4, 4.2.2 item 4).
#[test]
fn wrong_requests_are_refused_with_their_status() {
    run(vec![
        case("method POST", &[400], "GET", "POST"),
        case("method HEAD", &[400], "GET", "HEAD"),
        case("method in lower case", &[400], "GET", "get"),
        case("HTTP/1.0", &[400, 505], "HTTP/1.1", "HTTP/1.0"),
        case("no HTTP at all", &[400], "GET /ws HTTP/1.1", "hello there"),
        case("no Host", &[400], "Host: chat.example\r\n", ""),
        case("two Hosts", &[400], "Host:", "Host: other.example\r\nHost:"),
        case(
            "another Upgrade",
            &[426],
            "Upgrade: websocket",
            "Upgrade: h2c",
        ),
        case(
            "Upgrade with a suffix",
            &[426],
            "Upgrade: websocket",
            "Upgrade: websockets",
        ),
        case("no Connection", &[400], "Connection: Upgrade\r\n", ""),
        case(
            "another Connection",
            &[400],
            "Connection: Upgrade",
            "Connection: keep-alive",
        ),
        case("another path", &[404], "/ws", "/nope"),
        case("a path that begins like ours", &[404], "/ws", "/wsx"),
        case("/echo without --echo", &[404], "/ws", "/echo"),
        case("a space before the colon", &[400], "Host:", "Host :"),
        case(
            "a NUL in a header",
            &[400],
            "chat.example",
            "chat\0.example",
        ),
        case(
            "a line without a colon",
            &[400],
            "Upgrade: websocket",
            "Upgrade websocket",
        ),
    ]);
}

/// Goal: a key that is missing or not 16 bytes in base64, and any version but 13, are refused
/// (4.2.1 items 5 and 6, 4.4).
#[test]
fn wrong_keys_and_versions_are_refused_with_their_status() {
    let key_line = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let version = "Sec-WebSocket-Version: 13\r\n";
    run(vec![
        case("no key", &[400], key_line, ""),
        case("an empty key", &[400], "dGhlIHNhbXBsZSBub25jZQ==", ""),
        case(
            "a key of 15 bytes",
            &[400],
            "dGhlIHNhbXBsZSBub25jZQ==",
            "dGhlIHNhbXBsZSBub25j",
        ),
        case(
            "a key of 17 bytes",
            &[400],
            "dGhlIHNhbXBsZSBub25jZQ==",
            "dGhlIHNhbXBsZSBub25jZWU=",
        ),
        case("a key without padding", &[400], "ZQ==", "ZQ"),
        case("a key that is not base64", &[400], "dGhlIHNh", "dGhl!HNh"),
        case("two keys", &[400], key_line, &key_line.repeat(2)),
        case("no version", &[400, 426], version, ""),
        case("version 8", &[426], ": 13", ": 8"),
        case("version 0", &[426], ": 13", ": 0"),
        case("version 14", &[426], ": 13", ": 14"),
        case("version 130", &[426], ": 13", ": 130"),
        case("version 255", &[426], ": 13", ": 255"),
        case(
            "a version that is no number",
            &[400, 426],
            ": 13",
            ": thirteen",
        ),
    ]);
}

/// Goal: what the RFC lets a client vary is accepted: case, order, lists, queries, further
/// fields, the absolute form of the target (4.2.1 items 1 to 5).
#[test]
fn right_handshakes_in_other_words_are_accepted() {
    let fields = "Host: chat.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    let turned = "Connection: Upgrade\r\nUpgrade: websocket\r\nHost: chat.example\r\n";
    let offers = "Sec-WebSocket-Extensions: permessage-deflate\r\nHost:";
    run(vec![
        case("as it should be", &[101], "GET", "GET"),
        case(
            "Upgrade in another case",
            &[101],
            "Upgrade: websocket",
            "Upgrade: WebSocket",
        ),
        case(
            "Connection in lower case",
            &[101],
            "Connection: Upgrade",
            "Connection: upgrade",
        ),
        case(
            "names in lower case",
            &[101],
            "Sec-WebSocket-Key",
            "sec-websocket-key",
        ),
        case(
            "names in upper case",
            &[101],
            "Sec-WebSocket-Version",
            "SEC-WEBSOCKET-VERSION",
        ),
        case(
            "a Connection list",
            &[101],
            "n: Upgrade",
            "n: keep-alive, Upgrade",
        ),
        case(
            "a Connection list without spaces",
            &[101],
            "n: Upgrade",
            "n: a,upgrade,b",
        ),
        case(
            "two Connection lines",
            &[101],
            "Conn",
            "Connection: keep-alive\r\nConn",
        ),
        case("another order", &[101], fields, turned),
        case("no space behind the colon", &[101], "Host: ", "Host:"),
        case(
            "spaces and tabs around a value",
            &[101],
            "Host: chat.example",
            "Host: \t chat.example \t",
        ),
        case("a query", &[101], "/ws", "/ws?presence=0&x=y"),
        case("a room", &[101], "/ws", "/ws/kitchen"),
        case("the absolute form", &[101], "/ws", "http://chat.example/ws"),
        case("extensions offered", &[101], "Host:", offers),
        case(
            "no protocol offered, in words",
            &[101],
            "Host:",
            "Sec-WebSocket-Protocol:\r\nHost:",
        ),
        case("cookies", &[101], "Host:", "Cookie: a=b; c=d\r\nHost:"),
    ]);
}

/// Goal: the 101 carries exactly what 4.2.2 item 5 asks for: the two fields, the accept value,
/// no protocol or extension that was not agreed on, and no body.
#[test]
fn the_answer_has_exactly_the_fields_it_should() {
    let server = Server::start(&[]);
    let offers = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\
                  Sec-WebSocket-Protocol:\r\nHost:";
    let response = ask(&server, &altered("Host:", offers));
    assert_eq!(response.status, 101);
    let upgrade = response.header("upgrade").expect("Upgrade");
    assert!(upgrade.eq_ignore_ascii_case("websocket"), "{upgrade:?}");
    let connection = response.header("connection").expect("Connection");
    assert!(connection.eq_ignore_ascii_case("upgrade"), "{connection:?}");
    assert_eq!(response.header("sec-websocket-accept"), Some(SAMPLE_ACCEPT));
    let absent = [
        "sec-websocket-extensions",
        "sec-websocket-protocol",
        "sec-websocket-version",
        "content-length",
        "transfer-encoding",
    ];
    for name in absent {
        assert_eq!(response.header(name), None, "{name}");
    }
    assert_eq!(
        accept_for(SAMPLE_KEY),
        SAMPLE_ACCEPT,
        "the test's own arithmetic"
    );
    for _ in 0..20 {
        Client::connect(server.address(), "/ws");
    }
}

/// Goal: a head may come in any pieces, down to single bytes, and frames may follow it in the
/// same write: nothing is lost between the two parsers.
#[test]
fn heads_come_in_any_pieces_with_frames_behind() {
    let server = Server::start(&["--echo"]);
    let key = fresh_key();
    let head = handshake(server.address(), "/echo", &key, "X-Some: thing\r\n").into_bytes();
    let mut wire = Wire::open(server.address());
    for byte in &head {
        wire.send(std::slice::from_ref(byte));
    }
    let mut client = Client::opened(wire, &key);
    client.text("after single bytes");
    client.expect(TEXT, "after single bytes");

    let frames = [Outgoing::text("one").bytes(), Outgoing::text("two").bytes()].concat();
    let whole = [head, frames].concat();
    for cut in (1..whole.len()).step_by(7).chain([whole.len()]) {
        let mut wire = Wire::open(server.address());
        wire.send(&whole[..cut]);
        wire.send(&whole[cut..]);
        let mut client = Client::opened(wire, &key);
        client.expect(TEXT, "one");
        client.expect(TEXT, "two");
    }
}

/// Goal: a head of up to `--head-bytes-max` and 100 fields passes, a larger one is refused with 431
/// as soon as it is known to be, and costs the server nothing.
#[test]
fn heads_have_their_limits() {
    let padded = |bytes: usize| {
        let base = altered("Host:", "X-Padding: \r\nHost:");
        base.replace(
            "X-Padding: ",
            &format!("X-Padding: {}", "p".repeat(bytes - base.len())),
        )
    };
    let with_fields = |count: usize| {
        let more: String = (5..count)
            .map(|index| format!("X-{index}: y\r\n"))
            .collect();
        altered("Host:", &format!("{more}Host:"))
    };
    for (arguments, bytes_max) in [
        (&[][..], 16 << 10),
        (&["--head-bytes-max", "8KiB"], 8 << 10),
        (&["--head-bytes-max", "256KiB"], 256 << 10),
    ] {
        let mut server = Server::start(arguments);
        assert_eq!(padded(bytes_max).len(), bytes_max);
        assert_eq!(ask(&server, &padded(bytes_max)).status, 101, "{bytes_max}");
        assert_eq!(ask(&server, &with_fields(100)).status, 101, "100 fields");
        for request in [padded(bytes_max + 1), with_fields(101), with_fields(200)] {
            let mut wire = Wire::open(server.address());
            wire.offer(request.as_bytes());
            let answer = wire.response("GET");
            assert_eq!(answer.status, 431, "{bytes_max}");
            assert!(answer.text().contains(": send fewer"), "{answer:?}");
        }
        // No end in sight: refused before the head is complete.
        let mut wire = Wire::open(server.address());
        wire.offer(padded(bytes_max + 4_000).trim_end().as_bytes());
        assert_eq!(wire.response_head().status, 431, "an endless head");
        server.assert_alive();
    }
}

/// Goal: what is no HTTP is answered at once with a sentence, and the connection ends: TLS, HTTP/2,
/// another protocol, anything.
#[test]
fn other_protocols_are_answered_at_once() {
    let mut server = Server::start(&[]);
    let cases: [(&[u8], u16, &str); 5] = [
        (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            400,
            "http:// or ws://",
        ),
        (b"\x80\x2e\x01\x00\x02", 400, "http:// or ws://"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", 400, "http:// or ws://"),
        (b"HELO\r\n", 400, "http:// or ws://"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP/1.1"),
    ];
    for (bytes, status, hint) in cases {
        let mut wire = Wire::open(server.address());
        wire.send(bytes);
        let asked = Instant::now();
        let answer = wire.response("GET");
        assert_eq!(answer.status, status, "{bytes:?}");
        assert!(answer.text().contains(hint), "{}", answer.text());
        wire.expect_end();
        assert!(
            asked.elapsed() < HEAD_TIMEOUT / 2,
            "not at the head's deadline"
        );
    }
    server.assert_alive();
}

/// Goal: the answer to HEAD has no body, whatever it refuses (RFC 9110 section 9.3.2).
#[test]
fn refusals_of_head_have_no_body() {
    let server = Server::start(&[]);
    for request in [
        altered("GET", "HEAD"),
        altered("GET /ws", "HEAD /nope"),
        altered("GET /ws", "HEAD /ws/%ff"),
        altered("GET", "HEAD").replace("Host:", "Host :"),
        altered("GET", "HEAD").replace("HTTP/1.1", "HTTP/2.0"),
        altered("GET", "HEAD").replace("Host:", &format!("A: {}\r\nHost:", "b".repeat(16 << 10))),
        "HEAD /ws HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
    ] {
        let mut wire = Wire::open(server.address());
        wire.offer(request.as_bytes());
        let answer = wire.response_head();
        assert!((400..600).contains(&answer.status));
        assert_ne!(answer.header("content-length"), Some("0"));
        wire.expect_end();
    }
}

/// Goal: sessions over `connections_max` get 503 with a Retry-After, and a place that becomes
/// free is given again.
#[test]
fn sessions_over_the_limit_are_put_off() {
    let server = Server::start(&["--connections-max", "2", "--shards", "1"]);
    let mut first = Client::connect(server.address(), "/ws");
    let _second = Client::connect(server.address(), "/ws");
    let response = ask(&server, &right());
    assert_eq!(response.status, 503);
    let retry = response.header("retry-after").expect("Retry-After");
    assert!(retry.parse::<u32>().is_ok(), "Retry-After: {retry}");
    assert_eq!(
        server.healthz()["sessions"],
        2,
        "others may still ask for health"
    );
    // The first heard the second join; then it makes room.
    first.next_notice();
    first.leave(1000);
    server.await_figure("sessions", |sessions| sessions == 1);
    Client::connect(server.address(), "/ws").leave(1000);
}

/// Goal: a peer that hangs up in the middle of its request costs nothing but its own
/// connection.
#[test]
fn a_half_request_that_hangs_up_is_forgotten() {
    let mut server = Server::start(&[]);
    let request = right();
    for cut in (1..request.len()).step_by(13) {
        let mut wire = Wire::open(server.address());
        wire.stream
            .write_all(&request.as_bytes()[..cut])
            .expect("half a head");
        wire.stream
            .shutdown(std::net::Shutdown::Write)
            .expect("a FIN");
        // A refusal or nothing: but the end, and soon.
        while wire.fill().is_ok_and(|count| count > 0) {}
    }
    server.await_figure("connections", |connections| connections == 0);
    server.assert_alive();
}
