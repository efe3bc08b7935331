//! Which pages may connect, under which names, and what those are told that may not.

use super::super::{Endpoint, Route, judge};
use super::{VALID, ask, changed, status, with_head};

/// What an operator may list.
const LISTED: &[&str] = &[
    "https://chat.example",
    "http://[::1]:8080",
    "http://plain.example",
    "capacitor://localhost",
    "app://.",
    "file://",
    "moz-extension://0a1b-2c",
];

/// A host, an origin, a list, and the status of an upgrade with those.
type Case = (&'static str, &'static str, &'static [&'static str], u16);

fn check(cases: &[Case]) {
    for &(host, origin, list, expected) in cases {
        let (host_header, origin_header) = (format!("Host: {host}"), format!("Origin: {origin}"));
        let mut headers: Vec<&str> = VALID[1..].to_vec();
        headers.extend([&host_header[..], &origin_header[..]]);
        let found = status("GET /ws HTTP/1.1", &headers, list);
        assert_eq!(found, expected, "{origin} at {host}, allowed {list:?}");
    }
}

/// Goal: origins of packaged apps, and `null`, are let in as they are listed, and by no other rule.
#[test]
fn checks_origins_of_apps() {
    check(&[
        ("a.example", "capacitor://localhost", LISTED, 101),
        ("a.example", "Capacitor://Localhost", LISTED, 101),
        ("a.example", "capacitor://localhost:1", LISTED, 403),
        ("a.example", "ionic://localhost", LISTED, 403),
        ("a.example", "app://.", LISTED, 101),
        ("a.example", "file://", LISTED, 101),
        ("a.example", "file:///", LISTED, 403),
        ("a.example", "moz-extension://0a1b-2c", LISTED, 101),
        ("a.example", "null", LISTED, 403),
        ("a.example", "NULL", &["null"], 403),
        ("a.example", "https://a.example", &["null"], 403),
        ("localhost", "capacitor://localhost", &[], 403),
        ("a.example", "ws://a.example", &[], 403),
        (
            "a.example",
            "wss://a.example:443",
            &["wss://a.example"],
            101,
        ),
    ]);
}

/// Goal: origins are judged by the request's host and by lists.
#[test]
fn checks_the_origin() {
    check(&[
        ("a.example", "https://a.example", &[], 101),
        ("a.example", "http://A.Example", &[], 101),
        ("a.example:80", "http://a.example", &[], 101),
        ("a.example", "http://a.example:80", &[], 101),
        ("a.example:443", "https://a.example", &[], 101),
        ("a.example:443", "http://a.example", &[], 403),
        ("127.0.0.1:9001", "http://127.0.0.1:9001", &[], 101),
        ("127.0.0.1:9001", "http://127.0.0.1:9002", &[], 403),
        ("127.0.0.1:9001", "http://127.0.0.1", &[], 403),
        ("[::1]:9001", "http://[::1]:9001", &[], 101),
        ("a.example", "https://b.example", &[], 403),
        ("a.example", "https://a.example.evil", &[], 403),
        ("a.example", "https://evil@a.example", &[], 403),
        ("a.example", "https://a.example/path", &[], 403),
        ("a.example", "ftp://a.example", &[], 403),
        ("a.example", "a.example", &[], 403),
        ("a.example", "null", &[], 403),
        ("a.example", "", &[], 403),
        ("a.example", "null", &["null"], 101),
        ("a.example", "https://b.example", &["*"], 101),
        ("a.example", "null", &["*"], 101),
        ("a.example", "https://chat.example", LISTED, 101),
        ("a.example", "HTTPS://CHAT.example:443", LISTED, 101),
        ("a.example", "http://chat.example", LISTED, 403),
        ("a.example", "https://chat.example:8443", LISTED, 403),
        ("a.example", "http://[::1]:8080", LISTED, 101),
        ("a.example", "http://plain.example:80", LISTED, 101),
        ("a.example", "https://a.example", LISTED, 403),
    ]);
    assert_eq!(
        status("GET /ws HTTP/1.1", &VALID, LISTED),
        101,
        "no origin is no page"
    );
    let twice = [&VALID[..], &["Origin: https://chat.example"; 2]].concat();
    assert_eq!(status("GET /ws HTTP/1.1", &twice, LISTED), 403);
}

/// Goal: a refused page is told what was compared and what to do, in one printable line.
#[test]
fn a_refused_page_is_told_what_was_compared() {
    let refusal = |host: &str, origin: &str, list: &[&str]| {
        let headers = [
            &VALID[1..],
            &[&format!("Host: {host}"), &format!("Origin: {origin}")],
        ];
        match ask("GET /ws HTTP/1.1", &headers.concat(), list) {
            Route::Refused(refusal) => refusal,
            other => panic!("{origin} at {host}: {other:?}"),
        }
    };
    let told = refusal("127.0.0.1:8000", "https://chat.example", &[]);
    assert_eq!(
        told.body,
        "Pages of https://chat.example may not connect to 127.0.0.1:8000: when a proxy in front has \
         changed Host, have it pass on the browser's, else start the server with --allow-origin \
         https://chat.example."
    );
    let told = refusal("chat.example", "https://b.example", &["https://a.example"]);
    assert_eq!(
        told.body,
        "Pages of https://b.example may not connect to chat.example: the server's --allow-origin \
         names others, so start it with --allow-origin https://b.example too."
    );
    let long = "x".repeat(5_000);
    for origin in ["https://\u{e9}\u{202e}\"\t'", &long] {
        let told = refusal("chat.example", origin, &[]);
        let printable = told.body.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        assert!(printable && told.body.len() < 700, "{:?}", told.body);
    }
}

/// Goal: on a port that only this machine can reach, a name that is not this machine's is another
/// site's, made to resolve here.
#[test]
fn foreign_names_are_refused_on_local_ports() {
    let cases: &[(&str, &[&str], u16)] = &[
        ("localhost:9001", &[], 101),
        ("LOCALHOST:9001", &[], 101),
        ("localhost.:9001", &[], 101),
        ("app.localhost:9001", &[], 101),
        ("127.0.0.1:9001", &[], 101),
        ("127.8.9.10:9001", &[], 101),
        ("[::1]:9001", &[], 101),
        ("[::ffff:127.0.0.1]:9001", &[], 101),
        ("evil.example:9001", &[], 403),
        ("localhost.evil.example:9001", &[], 403),
        ("evillocalhost:9001", &[], 403),
        ("127.0.0.1.evil.example:9001", &[], 403),
        ("192.168.0.7:9001", &[], 403),
        ("[2001:db8::1]:9001", &[], 403),
        // Through a proxy, or a port that others can reach too.
        ("chat.example", &[], 101),
        ("chat.example:443", &[], 101),
        ("chat.example:9002", &[], 101),
        // As the operator says.
        ("chat.example:9001", &["http://chat.example:9001"], 101),
        ("chat.example:9001", &["https://CHAT.example:9001"], 101),
        ("chat.example:9001", &["*"], 101),
        ("chat.example:9001", &["http://chat.example"], 403),
        ("chat.example:9001", &["http://other.example:9001"], 403),
    ];
    for &(host, list, expected) in cases {
        let host = format!("Host: {host}");
        let headers = [&VALID[1..], &[&host]].concat();
        assert_eq!(
            status("GET /ws HTTP/1.1", &headers, list),
            expected,
            "{host} {list:?}"
        );
        let expected = if expected == 101 { 200 } else { expected };
        for line in [
            "GET /rooms HTTP/1.1",
            "GET / HTTP/1.1",
            "OPTIONS /ws HTTP/1.1",
        ] {
            assert_eq!(
                status(line, &[&host], list),
                expected,
                "{line} {host} {list:?}"
            );
        }
    }
    let Route::Refused(refusal) = ask("GET / HTTP/1.0", &["Host: a", "Host: b:9001"], &[]) else {
        panic!("must be refused")
    };
    assert_eq!(
        refusal.body,
        "This port is for this machine only and b:9001 is not a name of it: connect to localhost, or \
         start the server with --allow-origin http://b:9001."
    );
}

/// Goal: a page's question is answered as its upgrade would be, without the upgrade's headers.
#[test]
fn a_page_is_judged_as_its_upgrade_would_be() {
    let cases: &[(&str, &[&'static str], u16)] = &[
        ("/ws", &[], 101),
        ("/ws/a", &["Origin: https://chat.example"], 101),
        ("/ws/%ff", &[], 400),
        ("/ws/a", &["Origin: https://evil.example"], 403),
        ("/ws/a", &["Host: evil.example:9001"], 403),
        ("/ws", &["Host"], 400),
        ("/nope", &[], 404),
    ];
    for &(path, changes, expected) in cases {
        let headers = changed(changes);
        let upgrade = status(&format!("GET {path} HTTP/1.1"), &headers, &[]);
        let plain: Vec<&str> = headers
            .into_iter()
            .filter(|header| header.starts_with("Host") || header.starts_with("Origin"))
            .collect();
        for method in ["OPTIONS", "GET"] {
            let line = format!("{method} {path} HTTP/1.1");
            let judged = with_head(&line, &plain, &[], judge);
            let judged = judged.map_or_else(|refusal| refusal.status, |_| 101);
            assert_eq!(
                (judged, upgrade),
                (expected, expected),
                "{line} {changes:?}"
            );
        }
    }
    let room = with_head("OPTIONS /ws/a%20b HTTP/1.1", &["Host: h"], &[], judge);
    assert_eq!(room, Ok(Endpoint::Room("a b".to_owned())));
}
