//! Goal: however many connections there are, a visitor gets in as long as one of them is idle, and
//! a health check always; nobody with work under way is thrown out for them.

use std::io::Read;
use std::time::Duration;

use super::harness::{Client, Server, wait_until};
use crate::config::Config;

const PLACES: usize = 3;

fn server(config: Config) -> Server {
    Server::start(Config {
        web_connections_max: PLACES,
        ..config
    })
}

/// With a short wait, for those who are to be refused.
fn impatient() -> Config {
    Config {
        http_wait_max: Duration::from_millis(20),
        ..Config::default()
    }
}

/// A connection that has got an answer and waits.
fn idle(server: &Server) -> Client {
    let mut client = server.connect();
    client.send("GET /rooms HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.receive("GET").status, 200);
    client
}

/// A folder with a file far larger than all buffers between it and a client.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::TempDir::new().unwrap();
    let huge = std::fs::File::create(folder.path().join("huge.bin")).unwrap();
    huge.set_len(1 << 30).unwrap();
    folder
}

/// A connection whose client takes the start of its answer and no more.
fn stalled(server: &Server) -> Client {
    let mut client = server.connect();
    client.send("GET /huge.bin HTTP/1.1\r\nHost: a\r\n\r\n");
    client.stream.read_exact(&mut [0; 12]).unwrap();
    client
}

/// Goal: the longest idle goes first, the others stay, and it is counted.
#[test]
fn the_longest_idle_gives_way() {
    let server = server(Config::default());
    let mut clients: Vec<Client> = (0..PLACES).map(|_| idle(&server)).collect();
    // The first is now the one that was idle for the shortest time.
    clients[0].send("GET /rooms HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(clients[0].receive("GET").status, 200);
    let mut visitor = idle(&server);
    assert!(clients[1].rest().is_empty(), "the longest idle is closed");
    for client in [&mut clients[0], &mut visitor] {
        client.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
        let health = client.receive("GET").json();
        assert_eq!(health["http_connections"], PLACES);
        assert_eq!(health["http_gave_way"], 1);
        assert_eq!(health["http_refused"], 0);
    }
    clients[2].send("GET /rooms HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(clients[2].receive("GET").status, 200);
}

/// Goal: more visitors at once than there are places all get their answer, one after another.
#[test]
fn a_crowd_passes_through_few_places() {
    let server = server(Config::default());
    let mut crowd: Vec<Client> = (0..PLACES * 2).map(|_| server.connect()).collect();
    for client in &mut crowd {
        client.send("GET /rooms HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    for client in &mut crowd {
        assert_eq!(client.receive("GET").status, 200);
    }
    assert_eq!(server.get("/healthz").json()["http_refused"], 0);
}

/// Goal: who comes while all are busy waits for a moment, and gets the first place that is free.
#[test]
fn a_short_wait_may_be_enough() {
    let folder = folder();
    let server = server(Config {
        static_dir: Some(folder.path().to_owned()),
        http_wait_max: Duration::from_secs(10),
        ..Config::default()
    });
    let mut busy: Vec<Client> = (0..PLACES).map(|_| stalled(&server)).collect();
    let mut visitor = server.connect();
    visitor.send("GET /rooms HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until(|| server.get("/healthz").json()["http_connections"] == PLACES + 1);
    drop(busy.pop());
    assert_eq!(visitor.receive("GET").status, 200);
}

/// Goal: a request that has arrived is not lost to a newcomer.
#[test]
fn requests_under_way_are_not_cut() {
    let server = server(Config::default());
    let mut clients: Vec<Client> = (0..PLACES).map(|_| idle(&server)).collect();
    for round in 0..50 {
        for client in &mut clients {
            client.send("GET /rooms HTTP/1.1\r\nHost: a\r\n\r\n");
        }
        let mut visitor = server.connect();
        visitor.send("GET /rooms HTTP/1.1\r\nHost: a\r\n\r\n");
        for client in &mut clients {
            assert_eq!(client.receive("GET").status, 200, "round {round}");
        }
        assert!(matches!(visitor.receive("GET").status, 200 | 503));
        clients = (0..PLACES).map(|_| idle(&server)).collect();
    }
}

/// Goal: with all places busy a visitor is told to come back, and health checks still get through.
#[test]
fn health_has_a_reserve() {
    let folder = folder();
    let server = server(Config {
        static_dir: Some(folder.path().to_owned()),
        ..impatient()
    });
    let _busy: Vec<Client> = (0..PLACES).map(|_| stalled(&server)).collect();
    for round in 1..=20 {
        let mut visitor = server.connect();
        visitor.send("GET /rooms HTTP/1.1\r\nHost: a\r\n\r\n");
        let refused = visitor.receive("GET");
        assert_eq!((refused.status, refused.header("retry-after")), (503, "1"));
        assert!(refused.text().contains("try again"), "{}", refused.text());
        let mut check = server.connect();
        check.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
        let health = check.receive("GET");
        assert_eq!(health.status, 200);
        assert_eq!(health.header("connection"), "close");
        assert!(check.rest().is_empty(), "its place is for one answer");
        assert_eq!(health.json()["http_refused"], round);
        assert_eq!(health.json()["http_connections"], PLACES + 1);
    }
}

/// Goal: a client that has taken nothing for a while gives way too, though not to the first comer.
#[test]
fn the_stuck_give_way_after_a_while() {
    let folder = folder();
    let server = server(Config {
        static_dir: Some(folder.path().to_owned()),
        http_give_way_after: Duration::from_millis(300),
        ..impatient()
    });
    let _stuck: Vec<Client> = (0..PLACES).map(|_| stalled(&server)).collect();
    wait_until(|| server.get("/rooms").status == 200);
}
