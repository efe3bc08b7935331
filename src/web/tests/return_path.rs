//! Goal: an upgrade request that arrives on a connection the web thread holds reaches a shard
//! with every byte, after every earlier answer, and on a socket the shard can use.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use rustix::fs::OFlags;

use super::harness::{Adopted, Client, Server};

const UPGRADE: &str = "GET /ws/tea%20x?echo=1&a=%2f HTTP/1.1\r\nHost: chat.example:81\r\n\
    Connection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Twice: 1\r\nX-Twice: 2\r\n\r\n";

/// Splits adopted bytes into the head and what follows it.
fn take_apart(bytes: &[u8]) -> (String, Vec<u8>) {
    let end = bytes
        .windows(4)
        .position(|bytes| bytes == b"\r\n\r\n")
        .unwrap()
        + 4;
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    (head, bytes[end..].to_vec())
}

fn ask(client: &mut Client, path: &str) -> u16 {
    client.send(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
    client.receive("GET").status
}

/// Plays the shard: answers, then reads what the client goes on to send.
fn check_socket((socket, _): Adopted, client: &mut Client, already: &[u8]) {
    let flags = rustix::fs::fcntl_getfl(&socket).unwrap();
    assert!(!flags.contains(OFlags::NONBLOCK), "as it was accepted");
    let mut shard = TcpStream::from(socket);
    shard
        .write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        .unwrap();
    assert_eq!(client.receive("GET").status, 101);
    client.send("later");
    client.stream.shutdown(Shutdown::Write).unwrap();
    let mut received = already.to_vec();
    shard.read_to_end(&mut received).unwrap();
    assert!(received.ends_with(b"later"));
    drop(shard);
    assert!(
        client.rest().is_empty(),
        "nothing but the shard's answer came"
    );
}

/// Goal: the ordinary case works, as a reverse proxy makes it.
#[test]
fn hands_back_an_upgrade_after_answers() {
    let server = Server::embedded();
    let mut client = server.connect();
    assert_eq!(ask(&mut client, "/"), 200);
    assert_eq!(ask(&mut client, "/healthz"), 200);
    client.send(UPGRADE);
    let adopted = server.adopted();
    let (head, rest) = take_apart(&adopted.1);
    assert_eq!(head, UPGRADE);
    assert!(rest.is_empty());
    check_socket(adopted, &mut client, b"");
    assert_eq!(
        server.get("/healthz").json()["http_connections"],
        1,
        "its place is free again"
    );
}

/// Goal: frames sent right behind the request, before any answer, go along.
#[test]
fn hands_back_what_follows_the_request() {
    let server = Server::embedded();
    let mut client = server.connect();
    assert_eq!(ask(&mut client, "/"), 200);
    let frames: String = (0..2_000).map(|index| format!("frame {index};")).collect();
    client.send(&format!("{UPGRADE}{frames}"));
    let (socket, bytes) = server.adopted();
    let (head, mut rest) = take_apart(&bytes);
    assert_eq!(head, UPGRADE);
    client.stream.shutdown(Shutdown::Write).unwrap();
    TcpStream::from(socket).read_to_end(&mut rest).unwrap();
    assert_eq!(String::from_utf8(rest).unwrap(), frames);
}

/// Goal: an upgrade pipelined behind requests that are not answered yet waits for those answers,
/// though the client starts to read only later.
#[test]
fn hands_back_after_pipelined_answers() {
    const LARGE_BYTES: usize = 20_000_000;
    let outer = tempfile::TempDir::new().unwrap();
    std::fs::write(outer.path().join("large.bin"), vec![7; LARGE_BYTES]).unwrap();
    let server = Server::with_folder(outer.path());
    let mut client = server.connect();
    let gets = "GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\nGET /rooms HTTP/1.1\r\nHost: a\r\n\r\n";
    client.send(&format!("{gets}{UPGRADE}\u{1}\u{2}"));
    let large = client.receive("GET");
    assert!(large.body.len() == LARGE_BYTES && large.body.iter().all(|&byte| byte == 7));
    assert_eq!(client.receive("GET").json()["members"], 2);
    let adopted = server.adopted();
    let (head, rest) = take_apart(&adopted.1);
    assert_eq!(head, UPGRADE);
    check_socket(adopted, &mut client, &rest);
    assert_eq!(rest, [1, 2]);
}

/// Goal: nothing is lost when all is sent at once, before the web thread even has the connection.
#[test]
fn hands_back_a_request_in_the_first_bytes() {
    let server = Server::embedded();
    let mut client = server.connect();
    client.send(&format!(
        "GET /rooms HTTP/1.1\r\nHost: a\r\n\r\n{UPGRADE}ahead"
    ));
    assert_eq!(client.receive("GET").status, 200);
    let adopted = server.adopted();
    let (head, rest) = take_apart(&adopted.1);
    assert_eq!(
        (head.as_str(), rest.as_slice()),
        (UPGRADE, b"ahead".as_slice())
    );
    check_socket(adopted, &mut client, b"ahead");
}

/// Goal: the shard is to judge malformed upgrades too, so they go to it: unknown path, wrong
/// method, old version, missing fields. Other upgrades stay here.
#[test]
fn leaves_the_judgement_to_the_shard() {
    let server = Server::embedded();
    for request in [
        "GET /unknown HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\n\r\n",
        "POST /ws HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\n\r\n",
        "GET /ws HTTP/1.0\r\nhost: a\r\nupgrade: h2c, websocket\r\n\r\n",
        "GET http://a/ws HTTP/1.1\r\nupgrade: websocket\r\n\r\n",
    ] {
        let mut client = server.connect();
        assert_eq!(ask(&mut client, "/rooms"), 200);
        client.send(request);
        let (_, bytes) = server.adopted();
        assert_eq!(String::from_utf8(bytes).unwrap(), request);
    }
    let mut client = server.connect();
    client.send("GET /rooms HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n");
    assert_eq!(client.receive("GET").status, 200);
}

/// Goal: an upgrade that a shard sends here is not sent back, or it would go to and fro; the next
/// one is, whatever is wrong with it.
#[test]
fn answers_upgrades_no_shard_wants() {
    let server = Server::embedded();
    let mut client = server.connect();
    client.send(UPGRADE);
    let answer = client.receive("GET");
    assert_eq!(
        (answer.status, answer.header("upgrade")),
        (426, "websocket")
    );
    let with_body =
        "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nContent-Length: 4\r\n\r\nbody";
    client.send(with_body);
    assert_eq!(server.adopted().1, with_body.as_bytes());
}

/// Goal: many times on one server no place, descriptor or byte gets lost on the way.
#[test]
fn hands_back_again_and_again() {
    let server = Server::embedded();
    for round in 0..200 {
        let mut client = server.connect();
        assert_eq!(ask(&mut client, "/rooms"), 200);
        client.send(&format!("{UPGRADE}{round}"));
        let (socket, bytes) = server.adopted();
        let (head, mut rest) = take_apart(&bytes);
        assert_eq!(head, UPGRADE);
        client.stream.shutdown(Shutdown::Write).unwrap();
        TcpStream::from(socket).read_to_end(&mut rest).unwrap();
        assert_eq!(String::from_utf8(rest).unwrap(), round.to_string());
    }
    assert_eq!(server.get("/healthz").json()["http_connections"], 1);
}
