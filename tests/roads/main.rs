//! A request has one answer, whichever way it comes: first on its connection, which a shard reads, or
//! after others, which the web thread holds.

#[path = "../support/mod.rs"]
mod support;

mod made_up;

use std::io::Write;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use self::support::client::{fresh_key, handshake};
use self::support::http::{Response, Wire};
use self::support::server::Server;
use self::support::wait::each;

/// How long the server waits for a head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// A request and the status that answers it.
struct Case {
    request: String,
    status: u16,
}

fn case(request: impl Into<String>, status: u16) -> Case {
    Case {
        request: request.into(),
        status,
    }
}

/// A right handshake in which `find` is replaced.
fn altered(find: &str, replacement: &str) -> String {
    let right = "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    assert!(right.contains(find), "{find:?}");
    right.replacen(find, replacement, 1)
}

/// A request for `target` of a right head.
fn plain(line: &str) -> String {
    format!("{line}\r\nHost: a\r\n\r\n")
}

fn with_fields(request: &str, fields: &str) -> String {
    request.replacen("\r\n", &format!("\r\n{fields}"), 1)
}

/// Connections on which the request is the first, and the third.
fn roads(server: &Server) -> [Wire; 2] {
    let mut kept = Wire::open(server.address());
    for _ in 0..2 {
        kept.send(plain("GET /healthz HTTP/1.1").as_bytes());
        kept.response("GET");
    }
    [Wire::open(server.address()), kept]
}

/// The answers to a request on both roads, which must be the same.
fn ask(server: &Server, request: &str) -> Response {
    let method = request.trim_start().split(' ').next().unwrap_or_default();
    let [fresh, kept] = roads(server).map(|mut wire| {
        wire.offer(request.as_bytes());
        let answer = match wire.response_head() {
            answer if answer.status == 101 => answer,
            mut answer => {
                let bytes = answer.header("content-length").unwrap_or("0").to_owned();
                if method != "HEAD" && answer.status != 204 {
                    answer.body = wire.body(bytes.parse().expect("a length"));
                }
                answer
            }
        };
        if answer
            .header("connection")
            .is_some_and(|it| it.starts_with("close"))
        {
            wire.expect_end();
        }
        answer
    });
    assert_eq!(fresh.status, kept.status, "{fresh:?} and {kept:?}");
    if fresh.status >= 400 {
        assert_eq!(fresh.body, kept.body);
        assert!(
            method == "HEAD" || !fresh.body.is_empty(),
            "a sentence: {fresh:?}"
        );
        let told = |response: &Response| -> Vec<_> {
            let names = [
                "allow",
                "upgrade",
                "connection",
                "sec-websocket-version",
                "retry-after",
            ];
            names
                .map(|name| response.header(name).map(str::to_owned))
                .to_vec()
        };
        assert_eq!(told(&fresh), told(&kept));
    }
    fresh
}

fn run(server: &Server, cases: Vec<Case>) {
    each(
        cases,
        |case| case.request.chars().take(80).collect(),
        |case| assert_eq!(ask(server, &case.request).status, case.status),
    );
    for figure in ["refused_other", "web_refused_other"] {
        assert_eq!(
            server.figure(figure),
            0,
            "each status has a figure of its own"
        );
    }
}

/// Goal: what asks for a WebSocket, or would if it were right, is answered in one way.
#[test]
fn upgrades_have_one_answer() {
    let mut server = Server::start(&[]);
    let long_room = "x".repeat(256);
    run(
        &server,
        vec![
            case(altered("GET", "GET"), 101),
            case(altered("/ws", "http://a/ws/room?echo=1"), 101),
            case(altered("/ws", "/ws/%41%2e"), 101),
            case(altered("Host", "\tHost").replace('\t', "host"), 400),
            case(altered("GET", "\r\nGET"), 101),
            case(altered("GET", "POST"), 400),
            case(altered("GET", "HEAD"), 400),
            case(altered("GET", "get"), 400),
            case(altered("HTTP/1.1", "HTTP/1.0"), 400),
            case(altered("HTTP/1.1", "HTTP/2.0"), 505),
            case(altered("Host: a\r\n", ""), 400),
            case(altered("Host: a", "Host: a\r\nHost: a"), 400),
            case(altered("Host: a", "Host: a/b"), 400),
            case(altered("Host: a", "Host: a\r\nOrigin: http://b"), 403),
            case(altered("Connection: Upgrade", "Connection: close"), 400),
            case(altered("Upgrade: websocket", "Upgrade: h2c"), 426),
            case(altered("Upgrade: websocket\r\n", ""), 426),
            case(altered("Key: d", "Key: "), 400),
            case(altered("Version: 13", "Version: 8"), 426),
            case(
                altered("Version: 13", "Version: 13\r\nContent-Length: 3"),
                400,
            ),
            case(
                altered("Version: 13", "Version: 13\r\nTransfer-Encoding: chunked"),
                400,
            ),
            case(altered("/ws", "/ws/"), 400),
            case(altered("/ws", "/ws/a/b"), 400),
            case(altered("/ws", "/ws/%2"), 400),
            case(altered("/ws", "/ws/%ff"), 400),
            case(altered("/ws", "/ws/%00"), 400),
            case(altered("/ws", &format!("/ws/{long_room}")), 400),
            case(altered("/ws", "/nope"), 404),
            case(altered("/ws", "/echo"), 404),
            case(altered("/ws", "/wsx"), 404),
        ],
    );
    server.assert_alive();
}

/// Goal: the addresses of WebSockets answer plain requests in one way, and so does the rest.
#[test]
fn plain_requests_have_one_answer() {
    let mut server = Server::start(&[]);
    let port = server.address().port();
    run(
        &server,
        vec![
            case(plain("GET /ws HTTP/1.1"), 426),
            case(plain("GET /ws HTTP/1.0"), 426),
            case("GET /ws HTTP/1.0\r\n\r\n", 426),
            case("GET /ws HTTP/1.1\r\n\r\n", 400),
            case(plain("HEAD /ws HTTP/1.1"), 426),
            case(plain("GET /ws/room HTTP/1.1"), 426),
            case(plain("GET /ws/%ff HTTP/1.1"), 400),
            case(plain("GET /ws/a/b HTTP/1.1"), 400),
            case(plain("GET http://a/ws HTTP/1.1"), 426),
            case(plain("POST /ws HTTP/1.1"), 405),
            case(plain("DELETE /ws/room HTTP/1.1"), 405),
            case(
                with_fields(&plain("POST /ws HTTP/1.1"), "Content-Length: 0\r\n"),
                405,
            ),
            case(plain("GET /healthz HTTP/1.1"), 200),
            case(plain("GET / HTTP/1.1"), 200),
            case("GET / HTTP/1.0\r\n\r\n", 200),
            case("GET / HTTP/1.1\r\n\r\n", 400),
            case(with_fields(&plain("GET / HTTP/1.1"), "Host: a\r\n"), 400),
            case(plain("HEAD /nope HTTP/1.1"), 404),
            case(plain("POST / HTTP/1.1"), 405),
            case(plain("BREW / HTTP/1.1"), 405),
            case(plain("CONNECT a:80 HTTP/1.1"), 405),
            case(
                with_fields(&plain("CONNECT a:80 HTTP/1.1"), "Connection: close\r\n"),
                405,
            ),
            // An upgrade to something else is ignored, and the answer arrives all the same.
            case(
                with_fields(&plain("GET / HTTP/1.1"), "Upgrade: h2c\r\n"),
                200,
            ),
            case(
                with_fields(
                    &plain("GET /app.js HTTP/1.1"),
                    "Upgrade: h2c\r\nConnection: close, Upgrade\r\n",
                ),
                200,
            ),
            case(
                with_fields(
                    &plain("POST / HTTP/1.1"),
                    "Upgrade: h2c\r\nContent-Length: 3\r\n",
                ),
                405,
            ),
            case(plain("GET http://a/healthz HTTP/1.1"), 200),
            case(plain("GET /%zz HTTP/1.1"), 400),
            case(plain("GET /wsx HTTP/1.1"), 404),
            case(
                format!("GET /healthz HTTP/1.1\r\nHost: evil.example:{port}\r\n\r\n"),
                403,
            ),
            case(
                format!("OPTIONS /ws HTTP/1.1\r\nHost: evil.example:{port}\r\n\r\n"),
                403,
            ),
        ],
    );
    server.assert_alive();
}

/// Goal: heads have the same limits and the same rules on both roads.
#[test]
fn heads_have_one_answer() {
    let mut server = Server::start(&["--head-bytes-max", "12KiB"]);
    let padded = |request: &str, bytes: usize| {
        let padding = "p".repeat(bytes - request.len() - "A: \r\n".len());
        with_fields(request, &format!("A: {padding}\r\n"))
    };
    let many = |request: &str, fields: usize| with_fields(request, &"A: b\r\n".repeat(fields));
    let get = plain("GET /healthz HTTP/1.1");
    let upgrade = altered("GET", "GET");
    let max = 12 << 10;
    run(
        &server,
        vec![
            case(padded(&get, max), 200),
            case(padded(&upgrade, max), 101),
            case(padded(&get, max + 1), 431),
            case(padded(&upgrade, max + 1), 431),
            case(many(&get, 99), 200),
            case(many(&upgrade, 95), 101),
            case(many(&get, 100), 431),
            case(many(&upgrade, 96), 431),
            case(with_fields(&get, "A : b\r\n"), 400),
            case(with_fields(&get, "A: b\r\n folded\r\n"), 400),
            case(with_fields(&get, "no colon\r\n"), 400),
            case(with_fields(&get, "A: \0\r\n"), 400),
            case(with_fields(&get, "Content-Length: x\r\n"), 400),
            case(
                with_fields(&get, "Content-Length: 1\r\nContent-Length: 2\r\n"),
                400,
            ),
            case(
                with_fields(&get, "Content-Length: 99999999999999999999\r\n"),
                400,
            ),
            case(with_fields(&get, "Transfer-Encoding: gzip\r\n"), 400),
            case(
                with_fields(&get, "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n"),
                400,
            ),
            case(
                with_fields(&get.replace("1.1", "1.0"), "Transfer-Encoding: chunked\r\n"),
                400,
            ),
            case(plain("GET /<a> HTTP/1.1"), 400),
            case(plain("GET http://[/ HTTP/1.1"), 400),
            case("GET  /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            case("GET /healthz HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
            case("GET /healthz\r\n\r\n", 400),
            case("GET /healthz HTTP/1.2\r\nHost: a\r\n\r\n", 505),
            case("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
            case("\u{16}\u{3}\u{1}\u{2}", 400),
            case("SSH-2.0-client\r\n", 400),
            case("\r\n\r\n\r\n", 400),
            case(format!("{} /", "X".repeat(33)), 400),
        ],
    );
    server.assert_alive();
}

/// Goal: the largest heads that can be allowed pass on both roads, and a target that is longer than a
/// library takes is told so.
#[test]
fn the_largest_heads_have_one_answer() {
    let server = Server::start(&["--head-bytes-max", "256KiB"]);
    let padding = "p".repeat((256 << 10) - 200);
    let cookie = format!("Cookie: {padding}\r\n");
    run(
        &server,
        vec![
            case(with_fields(&plain("GET /healthz HTTP/1.1"), &cookie), 200),
            case(with_fields(&altered("GET", "GET"), &cookie), 101),
            case(with_fields(&plain("GET /ws HTTP/1.1"), &cookie), 426),
            case(
                plain(&format!("GET /?{} HTTP/1.1", &padding[..65_000])),
                200,
            ),
            case(
                plain(&format!("GET /?{} HTTP/1.1", &padding[..66_000])),
                414,
            ),
        ],
    );
}

/// Goal: a head that begins and does not end is answered 408 on both roads, all in the same time, and one
/// that hangs up midway is gone without a word.
#[test]
fn late_heads_have_one_answer() {
    let server = Server::start(&[]);
    let mut late = roads(&server).map(|mut wire| {
        wire.send(b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgr");
        wire
    });
    let begun = Instant::now();
    for mut wire in roads(&server) {
        wire.stream.write_all(b"GET /ws HT").expect("half a head");
        wire.stream.shutdown(Shutdown::Write).expect("a FIN");
        wire.expect_end();
    }
    assert!(begun.elapsed() < HEAD_TIMEOUT, "the end is no time-out");
    let answers = late.each_mut().map(|wire| {
        let answer = wire.response("GET");
        wire.expect_end();
        (answer.status, answer.text().to_owned())
    });
    assert!(begun.elapsed() >= HEAD_TIMEOUT - Duration::from_millis(500));
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].0, 408);
}

/// Goal: where no body may be there is none (RFC 9110 sections 6.4.1 and 8.6): answers to HEAD, 204 and 304,
/// seen by what follows them on one connection.
#[test]
fn answers_without_a_body_have_none() {
    let server = Server::start(&[]);
    let mut wire = Wire::open(server.address());
    wire.send(plain("GET / HTTP/1.1").as_bytes());
    let tag = wire
        .response("GET")
        .header("etag")
        .expect("a tag")
        .to_owned();
    let asked = [
        (plain("HEAD / HTTP/1.1"), "HEAD", 200),
        (plain("HEAD /healthz HTTP/1.1"), "HEAD", 200),
        (plain("HEAD /nope HTTP/1.1"), "HEAD", 404),
        (plain("HEAD /%zz HTTP/1.1"), "HEAD", 400),
        (plain("OPTIONS * HTTP/1.1"), "OPTIONS", 204),
        (
            with_fields(
                &plain("GET / HTTP/1.1"),
                &format!("If-None-Match: {tag}\r\n"),
            ),
            "GET",
            304,
        ),
        (plain("GET /healthz HTTP/1.1"), "GET", 200),
    ];
    let all: String = asked.iter().map(|(request, ..)| request.as_str()).collect();
    wire.send(all.as_bytes());
    for (request, method, status) in &asked {
        let answer = match status {
            204 => wire.response_head(),
            _ => wire.response(method),
        };
        assert_eq!(answer.status, *status, "{request}");
        let length = answer.header("content-length");
        match status {
            204 => assert_eq!((length, answer.header("transfer-encoding")), (None, None)),
            304 => assert_ne!(length, Some("0"), "it would be taken for the file's"),
            _ => assert_ne!(length, Some("0"), "{request}"),
        }
    }
    assert_eq!(wire.bytes(), b"");
}

/// Goal: a kept connection that was refused costs no other one anything, and sessions still open on
/// others.
#[test]
fn kept_connections_still_become_sessions() {
    let server = Server::start(&["--shards", "2"]);
    for round in 0..20 {
        let [_, mut wire] = roads(&server);
        let key = fresh_key();
        let target = if round % 2 == 0 { "/ws/a" } else { "/nope" };
        wire.send(handshake(server.address(), target, &key, "").as_bytes());
        let expected = if round % 2 == 0 { 101 } else { 404 };
        assert_eq!(wire.response_head().status, expected);
    }
    server.await_figure("http_connections", |connections| connections == 1);
}
