//! Goal: pages of origins on the list may read what the server says of itself, others may not, and
//! every page may ask why its WebSocket does not open.

use super::harness::{Answer, Server};
use crate::config::Config;

const LISTED: &str = "https://app.example";

fn server(allow_origin: &[&str]) -> Server {
    Server::start(Config {
        allow_origin: allow_origin.iter().map(|&origin| origin.into()).collect(),
        ..Config::default()
    })
}

fn ask(server: &Server, method: &str, path: &str, origin: &str) -> Answer {
    server.ask(method, path, &format!("Origin: {origin}\r\n"))
}

/// Goal: every answer of the shared paths may be read, errors too, and no other.
#[test]
fn listed_pages_may_read_figures() {
    let server = server(&[LISTED, "http://other.example"]);
    let table = [
        ("GET", "/healthz", 200, true),
        ("HEAD", "/healthz", 200, true),
        ("GET", "/rooms", 200, true),
        ("GET", "/rooms/", 200, true),
        ("GET", "/rooms/none", 404, true),
        ("GET", "/rooms/%zz", 404, true),
        ("POST", "/rooms", 405, true),
        ("OPTIONS", "/rooms", 204, true),
        ("GET", "/", 200, false),
        ("GET", "/app.js", 200, false),
        ("GET", "/roomsx", 404, false),
    ];
    for (method, path, status, is_shared) in table {
        let answer = ask(&server, method, path, LISTED);
        assert_eq!(answer.status, status, "{method} {path}");
        let (allowed, vary) = if is_shared {
            (LISTED, "Origin")
        } else {
            ("", "")
        };
        let told = answer.header("access-control-allow-origin");
        assert_eq!(
            (told, answer.header("vary")),
            (allowed, vary),
            "{method} {path}"
        );
    }
    // Caches must know of the header even from an answer without it.
    for stranger in ["https://evil.example", "http://app.example", "null"] {
        let answer = ask(&server, "GET", "/healthz", stranger);
        assert_eq!(
            answer.header("access-control-allow-origin"),
            "",
            "{stranger}"
        );
        assert_eq!(answer.header("vary"), "Origin");
    }
    let two = format!("Origin: {LISTED}\r\nOrigin: {LISTED}\r\n");
    let answer = server.ask("GET", "/healthz", &two);
    assert_eq!(answer.header("access-control-allow-origin"), "");
}

/// Goal: a browser that asks first hears that it may go on.
#[test]
fn preflights_are_answered() {
    let server = server(&["*"]);
    let fields = "Origin: https://any.example\r\nAccess-Control-Request-Method: GET\r\n\
        Access-Control-Request-Headers: x-requested-with\r\n";
    let answer = server.ask("OPTIONS", "/rooms/tea", fields);
    assert_eq!(answer.status, 204);
    let origin = answer.header("access-control-allow-origin");
    assert_eq!(origin, "https://any.example");
    assert_eq!(
        answer.header("access-control-allow-methods"),
        "GET, HEAD, OPTIONS"
    );
    assert_eq!(answer.header("access-control-allow-headers"), "*");
    assert_eq!(answer.header("access-control-max-age"), "600");
}

/// Goal: without a list, what other hosts' pages get is what they got before there was one.
#[test]
fn no_list_is_no_sharing() {
    let server = server(&[]);
    for origin in ["http://a", "https://any.example"] {
        let answer = ask(&server, "GET", "/healthz", origin);
        assert_eq!(answer.header("access-control-allow-origin"), "");
        assert_eq!(answer.header("vary"), "");
    }
}

/// Goal: a question is refused as the upgrade would be, with the same sentence.
#[test]
fn says_what_an_upgrade_would_get() {
    let here = server(&[]);
    let long = format!("/ws/{}", "x".repeat(300));
    let table = [
        ("/ws", "http://a", 204, ""),
        ("/ws/tea%20time", "http://a", 204, ""),
        ("/ws/tea?echo=1", "http://a", 204, ""),
        ("/ws/a%2Fb", "http://a", 400, "no / and no control"),
        ("/ws/%zz", "http://a", 400, "two hexadecimal digits"),
        ("/ws/", "http://a", 400, "1 to 255 bytes"),
        (long.as_str(), "http://a", 400, "1 to 255 bytes"),
        ("/ws", "http://other", 403, "--allow-origin http://other"),
        // No WebSocket's address, so nothing to say but the methods.
        ("/wsx", "http://other", 204, ""),
    ];
    for (path, origin, status, sentence) in table {
        let answer = ask(&here, "OPTIONS", path, origin);
        assert_eq!(answer.status, status, "{path} {origin}");
        assert!(
            answer.text().contains(sentence),
            "{path}: {}",
            answer.text()
        );
        let allow = if status == 204 {
            "GET, HEAD, OPTIONS"
        } else {
            ""
        };
        assert_eq!(answer.header("allow"), allow);
    }
    let full = Server::start(Config {
        // The backend of these tests has three.
        connections_max: 3,
        ..Config::default()
    });
    let busy = ask(&full, "OPTIONS", "/ws", "http://a");
    assert_eq!(busy.status, 503);
    assert_ne!(busy.header("retry-after"), "");
}
