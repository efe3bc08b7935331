//! What the operator is told of clients: refusals and ends, counted by code and in the log.

mod support;

use fanring::metrics::{Closes, Refusals, WebRefusals};

use self::support::client::{Client, fresh_key, handshake};
use self::support::frame::TEXT;
use self::support::http::{self, Wire};
use self::support::server::{Server, command};
use self::support::wait::{PATIENCE, eventually};

/// Rooms that are made: enough for all of them never to have both members where the room is at home.
const ROOMS: u64 = 16;

/// A server that tells all it has to tell.
fn talkative(arguments: &[&str]) -> Server {
    let all = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--shards",
        "2",
        "--no-pin",
    ];
    let mut command = command(&all);
    command.args(["--log-bytes", "1MiB"]).args(arguments);
    command.env("FANRING_LOG", "debug");
    Server::run(command, 1)
}

/// Sends an upgrade with these header lines instead of the right ones, and returns the status.
fn refused(server: &Server, target: &str, more: &str) -> u16 {
    let mut wire = Wire::open(server.address());
    wire.send(handshake(server.address(), target, &fresh_key(), more).as_bytes());
    let response = wire.response("GET");
    response.status
}

/// Goal: an operator finds out why a client was turned away, and how many were, by status.
#[test]
fn refusals_are_counted_by_status_and_told() {
    let server = talkative(&[]);
    let foreign = "Origin: https://elsewhere.example\r\n";
    for (target, more, status) in [
        ("/ws/room?token=secret", foreign, 403),
        ("/ws/room", foreign, 403),
        ("/other", "", 404),
        ("/ws/room", "Sec-WebSocket-Version: 12\r\n", 400),
    ] {
        assert_eq!(refused(&server, target, more), status, "{target}");
    }
    assert_eq!(
        http::request(server.address(), "GET", "/nothing", &[]).status,
        404
    );
    for (name, expected) in [
        ("refused", 4),
        ("refused_403", 2),
        ("refused_404", 1),
        ("refused_400", 1),
        ("refused_503", 0),
        ("refused_other", 0),
        ("web_refused_404", 1),
    ] {
        assert_eq!(
            server.figure(name),
            expected,
            "{name} in {}",
            server.healthz()
        );
    }
    let line = line_with(&server, "refused status=403");
    for part in [
        "refused status=403",
        "path=\"/ws/room\"",
        "origin=\"https://elsewhere.example\"",
        &format!("host=\"{}\"", server.address()),
        "peer=127.0.0.1:",
        "reason=\"",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert!(!server.log().contains("secret"), "{}", server.log());
}

/// Goal: an operator finds out how sessions ended, and how many did, by code.
#[test]
fn ends_of_sessions_are_counted_by_code_and_told() {
    let server = talkative(&["--message-bytes-max", "1KiB"]);
    let join = || Client::connect(server.address(), "/ws/room?presence=0");
    let mut broken = join();
    broken.wire.send(&[0x81, 0x00]);
    broken.expect_failure(&[1002]);
    let mut large = join();
    large.text(&"x".repeat(2000));
    large.expect_failure(&[1009]);
    join().leave(4321);
    join().reset();
    drop(join());
    let kept = join();
    server.await_figure("lost", |lost| lost == 2);
    for (name, expected) in [
        ("opened", 6),
        ("sessions", 1),
        ("peer_closed", 1),
        ("closed_1002", 1),
        ("closed_1009", 1),
        ("closed_1001", 0),
        ("closed_other", 0),
    ] {
        assert_eq!(
            server.figure(name),
            expected,
            "{name} in {}",
            server.healthz()
        );
    }
    for (mark, room) in [
        ("closed by the server code=1009 reason=\"", "room=\"room\""),
        ("closed by the peer code=4321", "room=\"room\""),
        ("ended without a close frame id=", "room=\"room\""),
    ] {
        let line = line_with(&server, mark);
        assert!(line.contains(room) && line.contains("id="), "{line}");
    }
    drop(kept);
}

/// Goal: what comes, goes and is there shows in the figures: none of them is forgotten.
#[test]
fn what_moves_is_counted() {
    // Members of one room are on several shards, so that its messages cross between them.
    let server = talkative(&["--spread-members-min", "1"]);
    let text = "x".repeat(100);
    let mut rooms = Vec::new();
    for number in 0..ROOMS {
        let target = format!("/ws/{number}?presence=0");
        let mut pair = [(); 2].map(|()| Client::connect(server.address(), &target));
        pair[0].text(&text);
        pair[1].expect(TEXT, &text);
        rooms.push(pair);
    }
    server.await_figure("published", |published| published == ROOMS);
    // A gauge is told once a turn, and whoever has left is no longer in it.
    server.await_figure("sessions", |sessions| sessions == 2 * ROOMS);
    for (name, least) in [
        ("accepted", 2 * ROOMS),
        ("connections", 2 * ROOMS),
        ("operations", 2 * ROOMS),
        ("rooms", ROOMS),
        ("appended_bytes", ROOMS * 102),
        ("sends", ROOMS),
        ("sent_bytes", ROOMS * 102),
        ("mesh_publishes", 1),
    ] {
        let figure = server.figure(name);
        assert!(figure >= least, "{name} is {figure}: {}", server.healthz());
    }
}

/// Goal: a connection that was an HTTP client's, and becomes a session, is counted.
#[test]
fn an_upgrade_on_a_kept_connection_is_counted() {
    let server = talkative(&[]);
    let mut wire = Wire::open(server.address());
    wire.send(&http::request_bytes(
        server.address(),
        "GET",
        "/rooms",
        &[],
        "keep-alive",
    ));
    wire.response("GET");
    assert_eq!(server.figure("adopted_from_web"), 0);
    let _session = Client::upgrade(wire, server.address(), "/ws/room");
    assert_eq!(server.figure("adopted_from_web"), 1);
}

/// Goal: what PROTOCOL.md says the server answers and sends is what is counted: no code is
/// documented that it never sends, none sent that is not documented.
#[test]
fn documented_codes_are_the_counted_ones() {
    let protocol = include_str!("../docs/PROTOCOL.md");
    // Those of replies and pushes are no answers to requests, and no closes.
    let (told, rest) = protocol
        .split_once("<!-- errors -->")
        .expect("a table of errors");
    let (_, rest) = rest.split_once("<!-- /errors -->").expect("its end");
    let (closes_of_clients, _) = rest
        .split_once("<!-- unsubscribes -->")
        .expect("another table");
    let protocol = [told, closes_of_clients].concat();
    let rows = |digits: usize| {
        let first = |line: &str| Some(line.strip_prefix("| ")?.split(' ').next()?.to_owned());
        let is_code = move |code: &String| code.len() == digits && code.parse::<u16>().is_ok();
        let mut rows: Vec<String> = protocol.lines().filter_map(first).filter(is_code).collect();
        rows.sort_unstable();
        rows.into_iter()
    };
    let closes = Closes::default();
    let counted: Vec<String> = closes.figures().map(|(name, _)| name.to_owned()).collect();
    let mut documented: Vec<String> = rows(4).map(|code| format!("closed_{code}")).collect();
    documented.push("closed_other".to_owned());
    assert_eq!(counted, documented);
    let (shards, web) = (Refusals::default(), WebRefusals::default());
    let names = shards.figures().chain(web.figures()).map(|(name, _)| name);
    let names: Vec<&str> = names.collect();
    for status in rows(3) {
        let ending = format!("refused_{status}");
        assert!(names.iter().any(|name| name.ends_with(&ending)), "{ending}");
    }
}

/// Goal: however many are refused, the log gets a line for some and the count of the rest.
#[test]
fn a_flood_of_refusals_does_not_flood_the_log() {
    let server = talkative(&[]);
    let mut count = 0;
    eventually("lines are left out", PATIENCE, || {
        // They connect first, so that the requests come at once.
        let mut wires: Vec<Wire> = (0..400).map(|_| Wire::open(server.address())).collect();
        for wire in &mut wires {
            wire.send(handshake(server.address(), "/other", &fresh_key(), "").as_bytes());
        }
        for mut wire in wires {
            assert_eq!(wire.response("GET").status, 404);
            count += 1;
        }
        (server.log().contains("lines like these were left out")).then_some(())
    });
    assert_eq!(server.figure("refused_404"), count);
    let told = server.log().matches("refused status=404").count() as u64;
    assert!(told < count, "{told} of {count}");
}

/// The first line of the log with `text`, which may not be written yet.
#[track_caller]
fn line_with(server: &Server, text: &str) -> String {
    eventually(text, PATIENCE, || {
        let log = server.log();
        let line = log.lines().find(|line| line.contains(text))?;
        Some(line.to_owned())
    })
}
