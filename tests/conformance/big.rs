//! Big messages: the limit and its code, and that time grows with the bytes, not their square.

use std::io::Write;
use std::thread;
use std::time::Duration;

use crate::support::client::Client;
use crate::support::frame::{BINARY, Outgoing, PONG, TEXT};
use crate::support::server::Server;
use crate::support::wait::each;
use crate::{echo, echo_server};

/// The limit under which the Autobahn suite's big messages pass.
const BYTES_MAX: usize = 16 << 20;

/// What a quarter of a stream is compared with: linear work is four times it, quadratic sixteen times.
const FOUR_TIMES_MAX: u32 = 9;

/// Processor time below which a stream tells nothing of how it grows.
const NOISE: Duration = Duration::from_millis(100);

fn big_server() -> Server {
    let limit = BYTES_MAX.to_string();
    Server::start(&["--echo", "--message-bytes-max", &limit, "--shards", "1"])
}

fn letters(bytes: usize) -> Vec<u8> {
    (b'a'..=b'z').cycle().take(bytes).collect()
}

/// Insists that `cost`, the server's processor time for a stream of so many bytes, grows with the bytes.
#[track_caller]
fn assert_linear(bytes: usize, mut cost: impl FnMut(usize) -> Duration) {
    let (quarter, whole) = (cost(bytes / 4), cost(bytes));
    assert!(
        whole < quarter * FOUR_TIMES_MAX + NOISE,
        "{bytes} bytes cost {whole:?}, a quarter of them {quarter:?}"
    );
}

/// Sends `stream` in writes of `write_bytes` from another thread and insists on `payload` back.
#[track_caller]
fn echo_stream(
    client: &mut Client,
    stream: Vec<u8>,
    write_bytes: usize,
    opcode: u8,
    payload: &[u8],
) {
    let mut writer = client.wire.stream.try_clone().expect("a second descriptor");
    let writing = thread::spawn(move || {
        for piece in stream.chunks(write_bytes) {
            writer
                .write_all(piece)
                .expect("the server takes what is sent");
        }
    });
    client.expect(opcode, payload);
    writing.join().expect("the writer ends");
}

/// Goal: 16 MiB in one frame come back as they went, as text and as binary.
#[test]
fn sixteen_mebibytes_are_echoed() {
    let server = big_server();
    let payload = letters(BYTES_MAX);
    for opcode in [TEXT, BINARY] {
        let mut client = echo(&server);
        let stream = Outgoing::new(opcode, &payload).bytes();
        echo_stream(&mut client, stream, BYTES_MAX * 2, opcode, &payload);
        client.leave(1000);
    }
}

/// Goal: the server reads on as soon as a big echo is through, not when a timer happens to wake it:
/// there is none for longer than the client waits.
#[test]
fn big_messages_follow_one_another_at_once() {
    let server = big_server();
    let payload = letters(4 << 20);
    let mut client = echo(&server);
    for _ in 0..4 {
        let stream = Outgoing::new(BINARY, &payload).bytes();
        echo_stream(&mut client, stream, payload.len() * 2, BINARY, &payload);
    }
    client.leave(1000);
}

/// Goal: the same in writes of 1 KiB, at a cost that grows with the bytes, not their square.
#[test]
fn sixteen_mebibytes_in_small_writes_are_echoed() {
    let server = big_server();
    assert_linear(BYTES_MAX, |bytes| {
        let payload = letters(bytes);
        let mut client = echo(&server);
        let before = server.processor_time();
        let stream = Outgoing::text(&payload).bytes();
        echo_stream(&mut client, stream, 1 << 10, TEXT, &payload);
        let cost = server.processor_time() - before;
        client.leave(1000);
        cost
    });
}

/// Goal: single bytes are no worse: 256 KiB in as many writes.
#[test]
fn single_byte_writes_are_echoed() {
    let server = big_server();
    assert_linear(256 << 10, |bytes| {
        let payload = letters(bytes);
        let mut client = echo(&server);
        let before = server.processor_time();
        let stream = Outgoing::text(&payload).bytes();
        echo_stream(&mut client, stream, 1, TEXT, &payload);
        server.processor_time() - before
    });
}

/// Goal: 4 MiB in 65,536 fragments of 64 bytes are one message, as the Autobahn suite's 9.3.1
/// and 9.4.1 send it, at a cost that grows with the bytes.
#[test]
fn many_small_fragments_are_one_message() {
    let server = big_server();
    for opcode in [TEXT, BINARY] {
        assert_linear(4 << 20, |bytes| {
            let payload = letters(bytes);
            let mut client = echo(&server);
            let mut stream = Vec::with_capacity(payload.len() * 5 / 4);
            for (index, piece) in payload.chunks(64).enumerate() {
                let kind = if index == 0 { opcode } else { 0 };
                stream.extend(Outgoing::new(kind, piece).more().bytes());
            }
            stream.extend(Outgoing::continuation("").bytes());
            let before = server.processor_time();
            echo_stream(&mut client, stream, 64 << 10, opcode, &payload);
            let cost = server.processor_time() - before;
            client.leave(1000);
            cost
        });
    }
}

/// Goal: a ping amid a big message is answered before the message is complete.
#[test]
fn a_ping_amid_a_big_message_is_answered() {
    let server = big_server();
    let mut client = echo(&server);
    let payload = letters(2 << 20);
    client.send(&Outgoing::text(&payload).more());
    client.expect_quiet();
    client.send(&Outgoing::continuation("end"));
    client.expect(TEXT, [payload.as_slice(), b"end"].concat());
}

/// Goal: a message over `message_bytes_max` is refused with 1009 as soon as a header says so,
/// before its payload comes; one of exactly that size passes.
#[test]
fn messages_over_the_limit_are_refused_at_once() {
    let mut server = echo_server();
    let limit = 64 << 10;
    let header = |opcode: u8, length: u64| {
        let bytes = Outgoing::new(opcode, "").declaring(length).bytes();
        vec![bytes]
    };
    let begun = |bytes: usize| Outgoing::text(letters(bytes)).more().bytes();
    let more = |length: u64| Outgoing::new(0, "").declaring(length).more().bytes();
    let cases: Vec<(&str, Vec<Vec<u8>>)> = vec![
        ("text, one too many", header(TEXT, limit + 1)),
        ("binary, one too many", header(BINARY, limit + 1)),
        ("a gigabyte", header(BINARY, 1 << 30)),
        ("2^62", header(TEXT, 1 << 62)),
        ("2^63 - 1", header(TEXT, (1 << 63) - 1)),
        ("a fragment too many", vec![begun(65_536), more(1)]),
        ("a fragment that is too long", vec![begun(1), more(limit)]),
        (
            "fragments whose sum overflows",
            vec![begun(1), more((1 << 63) - 1)],
        ),
        (
            "behind a ping",
            vec![begun(65_536), Outgoing::new(PONG, "x").bytes(), more(1)],
        ),
    ];
    each(
        cases,
        |(name, _)| (*name).to_owned(),
        |(_, pieces)| {
            for target in ["/echo", "/ws/big?presence=0"] {
                let mut client = Client::connect(server.address(), target);
                for piece in pieces {
                    client.wire.offer(piece);
                }
                client.expect_failure(&[1009]);
            }
        },
    );
    server.assert_alive();
}

/// Goal: exactly the limit passes, whole and in fragments, and control frames in between do not
/// count; in a room as well.
#[test]
fn messages_of_exactly_the_limit_pass() {
    let server = echo_server();
    let payload = letters(64 << 10);
    let mut client = echo(&server);
    client.send(&Outgoing::text(&payload));
    client.expect(TEXT, &payload);
    client.send(&Outgoing::text(&payload[..60_000]).more());
    for _ in 0..10 {
        client.send(&Outgoing::new(PONG, [0; 125]));
    }
    client.send(&Outgoing::continuation(&payload[60_000..]));
    client.expect(TEXT, &payload);

    let target = "/ws/exactly?presence=0";
    let mut listener = Client::connect(server.address(), target);
    let mut sender = Client::connect(server.address(), target);
    for _ in 0..20 {
        sender.send(&Outgoing::binary(&payload));
        listener.expect(BINARY, &payload);
    }
}

/// Goal: the limit of 16 MiB is one to the byte.
#[test]
fn one_byte_over_sixteen_mebibytes_is_refused() {
    let server = big_server();
    let mut client = echo(&server);
    client
        .wire
        .send(&Outgoing::binary("").declaring(BYTES_MAX as u64 + 1).bytes());
    client.expect_failure(&[1009]);
    let mut client = echo(&server);
    client.send(&Outgoing::binary(letters(BYTES_MAX)).more());
    client.expect_quiet();
    client.send(&Outgoing::new(0, "x").more());
    client.expect_failure(&[1009]);
}
