//! Section 10.2 by way of 4.2.2 item 4: which origins may open a session.

use crate::support::http::Wire;
use crate::support::server::Server;
use crate::support::wait::each;

fn status_for(server: &Server, host: &str, origin: Option<&str>) -> u16 {
    let origin = origin
        .map(|origin| format!("Origin: {origin}\r\n"))
        .unwrap_or_default();
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: {host}\r\n{origin}Upgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Version: 13\r\n\r\n"
    );
    let mut wire = Wire::open(server.address());
    wire.send(request.as_bytes());
    wire.response_head().status
}

fn run(server: &Server, cases: &[(&str, Option<&str>, u16)]) {
    each(
        cases,
        |(host, origin, _)| format!("Host {host}, Origin {origin:?}"),
        |(host, origin, status)| assert_eq!(status_for(server, host, *origin), *status),
    );
}

/// Goal: without a list, only pages of the server's own host and clients that are no browsers
/// may open a session.
#[test]
fn by_default_only_the_same_host_may_connect() {
    let server = Server::start(&[]);
    run(
        &server,
        &[
            ("chat.example", None, 101),
            ("chat.example", Some("http://chat.example"), 101),
            ("chat.example", Some("https://chat.example"), 101),
            ("chat.example", Some("http://CHAT.example"), 101),
            ("127.0.0.1:9001", Some("http://127.0.0.1:9001"), 101),
            ("[::1]:9001", Some("http://[::1]:9001"), 101),
            ("chat.example", Some("https://evil.example"), 403),
            (
                "chat.example",
                Some("https://chat.example.evil.example"),
                403,
            ),
            ("chat.example", Some("https://evilchat.example"), 403),
            (
                "chat.example",
                Some("https://chat.example@evil.example"),
                403,
            ),
            ("chat.example", Some("null"), 403),
            ("chat.example", Some("chat.example"), 403),
            ("chat.example", Some("https://"), 403),
        ],
    );
}

/// Goal: `--allow-origin` lets in the origins it names and clients that are no browsers, and
/// nobody else: the list takes the place of the same-host rule.
#[test]
fn listed_origins_may_connect() {
    let listed = [
        "--allow-origin",
        "https://app.example",
        "--allow-origin",
        "http://b.example:8",
    ];
    let server = Server::start(&listed);
    run(
        &server,
        &[
            ("chat.example", Some("https://app.example"), 101),
            ("chat.example", Some("http://b.example:8"), 101),
            ("chat.example", Some("https://chat.example"), 403),
            ("chat.example", None, 101),
            ("chat.example", Some("http://app.example"), 403),
            ("chat.example", Some("https://app.example:444"), 403),
            ("chat.example", Some("http://b.example"), 403),
            (
                "chat.example",
                Some("https://app.example.evil.example"),
                403,
            ),
            ("chat.example", Some("null"), 403),
        ],
    );
}

/// Goal: `--allow-origin *` lets in any origin.
#[test]
fn a_star_lets_any_origin_in() {
    let server = Server::start(&["--allow-origin", "*"]);
    run(
        &server,
        &[
            ("chat.example", Some("https://anywhere.example"), 101),
            ("chat.example", Some("null"), 101),
            ("chat.example", None, 101),
        ],
    );
}

/// Goal: a page of another name that was made to resolve to this machine (DNS rebinding) reads
/// nothing from a port that only this machine can reach; one behind a proxy, or of a name the
/// operator lists, does.
#[test]
fn a_rebound_page_reads_nothing() {
    let server = Server::start(&[]);
    let port = server.address().port();
    let rebound = format!("evil.example:{port}");
    let page = format!("http://{rebound}");
    let local = format!("localhost:{port}");
    run(
        &server,
        &[
            (&rebound, Some(&page), 403),
            (&rebound, None, 403),
            (&local, Some(&format!("http://{local}")), 101),
            ("evil.example", Some("http://evil.example"), 101),
        ],
    );
    let read = |host: &str, target: &str| {
        let mut wire = Wire::open(server.address());
        wire.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
        wire.response("GET")
    };
    for target in ["/healthz", "/rooms", "/"] {
        let refused = read(&rebound, target);
        assert_eq!(refused.status, 403, "{target}");
        assert!(refused.text().contains(&format!("--allow-origin {page}")));
        assert_ne!(read("chat.example", target).status, 403);
    }
}
