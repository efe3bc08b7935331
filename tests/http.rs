//! What the port serves besides WebSockets: the page, files, `/healthz`, and both kinds of
//! request on one connection.

mod support;

use self::support::client::{Client, fresh_key, handshake};
use self::support::frame::{Outgoing, TEXT};
use self::support::http::{Wire, request, request_bytes};
use self::support::server::Server;
use self::support::wait::{PATIENCE, each, eventually};

/// Goal: without a folder, `/` is the chat page, complete and under a strict policy.
#[test]
fn the_page_is_served() {
    let server = Server::start(&[]);
    let page = request(server.address(), "GET", "/", &[]);
    assert_eq!(page.status, 200);
    let kind = page.header("content-type").expect("Content-Type");
    assert!(kind.starts_with("text/html"), "{kind}");
    assert!(
        page.text()
            .to_ascii_lowercase()
            .starts_with("<!doctype html>")
    );
    let policy = page
        .header("content-security-policy")
        .expect("Content-Security-Policy");
    assert!(!policy.contains("unsafe-inline"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));

    let head = request(server.address(), "HEAD", "/", &[]);
    assert_eq!(head.status, 200);
    assert_eq!(
        head.header("content-length"),
        Some(page.body.len().to_string().as_str())
    );
    // Whatever the page asks for is there.
    for part in page.text().split(['"', '\'']).filter(|part| {
        let file = part.ends_with(".js") || part.ends_with(".css");
        file && !part.contains("//")
    }) {
        let target = format!("/{}", part.trim_start_matches(['.', '/']));
        assert_eq!(
            request(server.address(), "GET", &target, &[]).status,
            200,
            "{target}"
        );
    }
}

/// Goal: `/healthz` tells programs how the server is.
#[test]
fn health_is_served() {
    let server = Server::start(&["--shards", "2"]);
    let response = request(server.address(), "GET", "/healthz", &[]);
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(server.figure("sessions"), 0);
    let _one = Client::connect(server.address(), "/ws");
    assert_eq!(server.await_figure("sessions", |sessions| sessions > 0), 1);
    assert_eq!(
        request(server.address(), "HEAD", "/healthz", &[]).status,
        200
    );
}

/// Goal: other paths are not found, other methods not allowed, and neither costs more than an
/// answer.
#[test]
fn other_requests_are_refused() {
    let mut server = Server::start(&[]);
    let cases = [
        ("GET", "/nope", 404),
        ("GET", "/index.htm", 404),
        ("HEAD", "/nope", 404),
        ("POST", "/", 405),
        ("DELETE", "/", 405),
        ("PUT", "/healthz", 405),
    ];
    each(
        cases,
        |(method, target, _)| format!("{method} {target}"),
        |(method, target, status)| {
            let response = request(server.address(), method, target, &[]);
            assert_eq!(response.status, *status);
            if *status == 405 {
                let allowed = response
                    .header("allow")
                    .expect("Allow (RFC 9110 section 15.5.6)");
                assert!(allowed.contains("GET"), "{allowed}");
            }
        },
    );
    server.assert_alive();
}

/// Goal: the plain health check of HAProxy (`option httpchk`) finds the server up.
#[test]
fn options_are_answered() {
    let server = Server::start(&[]);
    for asked in ["OPTIONS / HTTP/1.0\r\n\r\n", "OPTIONS * HTTP/1.0\r\n\r\n"] {
        let mut wire = Wire::open(server.address());
        wire.send(asked.as_bytes());
        while wire.fill().expect("an answer") > 0 {}
        let answer = String::from_utf8_lossy(wire.bytes()).into_owned();
        let (line, fields) = answer.split_once("\r\n").expect("a status line");
        assert!(line.ends_with(" 204 No Content"), "{answer}");
        assert!(fields.contains("allow: GET, HEAD, OPTIONS\r\n"), "{answer}");
    }
    let over = request(server.address(), "OPTIONS", "/healthz", &[]);
    assert_eq!((over.status, over.body.len()), (204, 0));
}

/// Goal: a connection serves one request after another, and then becomes a session, also when
/// the upgrade and first frames follow in the same write.
#[test]
fn a_kept_connection_may_become_a_session() {
    let server = Server::start(&["--echo", "--shards", "2"]);
    let address = server.address();
    let get = request_bytes(address, "GET", "/healthz", &[], "keep-alive");
    let mut wire = Wire::open(address);
    for _ in 0..5 {
        wire.send(&get);
        assert_eq!(wire.response("GET").status, 200);
    }
    let mut client = Client::upgrade(wire, address, "/echo");
    client.text("now a session");
    client.expect(TEXT, "now a session");
    client.leave(1000);

    for _ in 0..10 {
        let key = fresh_key();
        let upgrade = handshake(address, "/echo", &key, "").into_bytes();
        let frames = [Outgoing::text("one").bytes(), Outgoing::text("two").bytes()].concat();
        let mut wire = Wire::open(address);
        wire.send(&[get.clone(), get.clone(), upgrade, frames].concat());
        assert_eq!(wire.response("GET").status, 200);
        assert_eq!(wire.response("GET").status, 200);
        let mut client = Client::opened(wire, &key);
        client.expect(TEXT, "one");
        client.expect(TEXT, "two");
    }
    server.await_figure("sessions", |sessions| sessions == 0);
}

/// Goal: a session that came over a kept connection is in the room like any other.
#[test]
fn sessions_of_kept_connections_chat_with_others() {
    let server = Server::start(&["--shards", "2"]);
    let address = server.address();
    let mut first = Client::connect(address, "/ws/kept?presence=0");
    let mut kept: Vec<Client> = (0..10)
        .map(|_| {
            let mut wire = Wire::open(address);
            wire.send(&request_bytes(address, "GET", "/", &[], "keep-alive"));
            assert_eq!(wire.response("GET").status, 200);
            Client::upgrade(wire, address, "/ws/kept?presence=0")
        })
        .collect();
    first.text("to the kept");
    for client in &mut kept {
        client.expect(TEXT, "to the kept");
    }
    kept[0].text("from the kept");
    first.expect(TEXT, "from the kept");
}

/// Goal: the number of a room's members can be asked for, as the page does.
#[test]
fn the_number_of_members_is_told() {
    let server = Server::start(&["--shards", "2"]);
    let address = server.address();
    let members: Vec<Client> = (0..3)
        .map(|_| Client::connect(address, "/ws/a%20room"))
        .collect();
    let _elsewhere = Client::connect(address, "/ws");
    for (target, room, count) in [("/rooms/a%20room", "a room", 3), ("/rooms", "", 1)] {
        let response = request(address, "GET", target, &[]);
        assert_eq!(response.status, 200, "{target}");
        let told: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
        assert_eq!(told, serde_json::json!({"room": room, "members": count}));
    }
    drop(members);
    eventually("a room without members is unknown", PATIENCE, || {
        (request(address, "GET", "/rooms/a%20room", &[]).status == 404).then_some(())
    });
}

/// Goal: a request in single bytes is a request.
#[test]
fn requests_may_come_in_single_bytes() {
    let server = Server::start(&[]);
    let mut wire = Wire::open(server.address());
    for byte in request_bytes(server.address(), "GET", "/healthz", &[], "close") {
        wire.send(&[byte]);
    }
    assert_eq!(wire.response("GET").status, 200);
    wire.expect_end();
}

/// Goal: one process serves several listeners, IPv4 and IPv6, as one server.
#[test]
fn several_listeners_share_their_rooms() {
    let server = Server::start_on(
        &["127.0.0.1:0", "[::1]:0", "127.0.0.1:0"],
        &["--shards", "2"],
    );
    let addresses = server.addresses().to_vec();
    assert_eq!(addresses.len(), 3);
    let mut members: Vec<Client> = addresses
        .iter()
        .map(|address| Client::connect(*address, "/ws/listeners?presence=0"))
        .collect();
    members[1].text("over IPv6");
    members[0].expect(TEXT, "over IPv6");
    members[2].expect(TEXT, "over IPv6");
    for address in addresses {
        assert_eq!(request(address, "GET", "/healthz", &[]).status, 200);
    }
}
