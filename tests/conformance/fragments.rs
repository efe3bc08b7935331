//! Sections 5.4 and 6: fragmented messages, control frames in between them, and what a room
//! gets of them.

use crate::support::client::Client;
use crate::support::frame::{BINARY, CLOSE, Outgoing, PONG, TEXT};
use crate::support::wait::each;
use crate::{echo, echo_server};

/// `payload` as a message of kind `opcode` in fragments of the sizes given, the last of them
/// taking what is left.
fn fragments(opcode: u8, payload: &[u8], sizes: &[usize]) -> Vec<Vec<u8>> {
    let mut rest = payload;
    let mut frames = Vec::new();
    let mut kind = opcode;
    for size in sizes {
        let (now, later) = rest.split_at(*size);
        frames.push(Outgoing::new(kind, now).more().bytes());
        (rest, kind) = (later, 0);
    }
    frames.push(Outgoing::new(kind, rest).bytes());
    frames
}

/// Goal: a message in any number of fragments of any size, empty ones among them, is one
/// message of the first fragment's kind.
#[test]
fn fragments_make_one_message() {
    let server = echo_server();
    let mut client = echo(&server);
    let payload = b"a message in several pieces".as_slice();
    let shapes: [&[usize]; 8] = [
        &[],
        &[1],
        &[27],
        &[0],
        &[0, 0, 0],
        &[5, 0, 5, 0],
        &[1; 27],
        &[13, 13],
    ];
    for (opcode, shape) in [TEXT, BINARY]
        .iter()
        .flat_map(|kind| shapes.map(|s| (*kind, s)))
    {
        client
            .wire
            .send(&fragments(opcode, payload, shape).concat());
        client.expect(opcode, payload);
        for frame in fragments(opcode, payload, shape) {
            client.wire.send(&frame);
        }
        client.expect(opcode, payload);
    }
    client.wire.send(&fragments(BINARY, b"", &[0, 0]).concat());
    client.expect(BINARY, b"");
    client.expect_quiet();
}

/// Goal: a fragmented message may be cut at every byte of its stream, headers included, with a
/// ping between the fragments.
#[test]
fn fragmented_streams_may_be_cut_anywhere() {
    let server = echo_server();
    let mut client = echo(&server);
    let frames = fragments(TEXT, "grüße in dréi".as_bytes(), &[3, 4]);
    let ping = Outgoing::ping("now").bytes();
    let stream = [&frames[0][..], &ping, &frames[1], &frames[2]].concat();
    for cut in 1..stream.len() {
        client.wire.send(&stream[..cut]);
        client.wire.send(&stream[cut..]);
        let pong = client.frame();
        assert_eq!(
            (pong.opcode, pong.payload.as_slice()),
            (PONG, b"now".as_slice())
        );
        client.expect(TEXT, "grüße in dréi");
    }
    for byte in &stream {
        client.wire.send(std::slice::from_ref(byte));
    }
    assert_eq!(client.frame().opcode, PONG);
    client.expect(TEXT, "grüße in dréi");
}

/// Goal: a ping between two fragments is answered at once, not after the message, and pings of
/// any size leave the message as it is (5.4).
#[test]
fn control_frames_between_fragments_are_handled_at_once() {
    let server = echo_server();
    let mut client = echo(&server);
    for length in [0_usize, 1, 64, 125] {
        client.send(&Outgoing::text("first ").more());
        client.expect_quiet();
        let payload = vec![b'p'; length];
        client.send(&Outgoing::ping(&payload));
        let answer = client.frame();
        assert_eq!((answer.opcode, answer.payload), (PONG, payload.clone()));
        client.send(&Outgoing::new(0, "second ").more());
        client.send(&Outgoing::new(PONG, &payload));
        client.expect_quiet();
        client.send(&Outgoing::continuation("third"));
        client.expect(TEXT, "first second third");
    }
}

/// Goal: a continuation of nothing, and a message begun inside another, fail the connection.
#[test]
fn fragments_out_of_place_fail_the_connection() {
    let mut server = echo_server();
    let begun = Outgoing::text("a").more();
    let ended = Outgoing::continuation("b");
    let cases: Vec<(&str, Vec<Outgoing>)> = vec![
        ("a last continuation of nothing", vec![ended.clone()]),
        ("a continuation of nothing", vec![ended.clone().more()]),
        (
            "an empty continuation of nothing",
            vec![Outgoing::continuation("")],
        ),
        (
            "a continuation after a message",
            vec![Outgoing::ping(""), ended.clone()],
        ),
        (
            "a continuation too many",
            vec![begun.clone(), ended.clone(), ended.clone()],
        ),
        ("text inside text", vec![begun.clone(), Outgoing::text("b")]),
        (
            "binary inside text",
            vec![begun.clone(), Outgoing::binary("b")],
        ),
        (
            "a text begun inside text",
            vec![begun.clone(), begun.clone()],
        ),
        (
            "text inside binary",
            vec![Outgoing::binary("a").more(), Outgoing::text("b")],
        ),
        (
            "text behind a ping inside text",
            vec![begun.clone(), Outgoing::ping(""), begun],
        ),
    ];
    each(
        cases,
        |(name, _)| (*name).to_owned(),
        |(_, frames)| {
            let mut client = echo(&server);
            for frame in frames {
                client.offer(frame);
            }
            loop {
                let frame = client.frame();
                if frame.opcode == CLOSE {
                    assert_eq!(frame.payload.get(..2), Some(&1002_u16.to_be_bytes()[..]));
                    break;
                }
                assert!([TEXT, PONG].contains(&frame.opcode), "{frame:?}");
            }
        },
    );
    server.assert_alive();
}

/// Goal: members of a room get one whole message for one that came in fragments, and other
/// members' messages are never mixed into it (6.2).
#[test]
fn rooms_get_whole_messages() {
    let server = echo_server();
    let target = "/ws/fragments?presence=0";
    let mut listener = Client::connect(server.address(), target);
    let mut slow = Client::connect(server.address(), target);
    let mut quick = Client::connect(server.address(), target);
    slow.send(&Outgoing::text("one ").more());
    slow.expect_quiet();
    quick.text("in between");
    listener.expect(TEXT, "in between");
    slow.expect(TEXT, "in between");
    slow.send(&Outgoing::new(0, "message ").more());
    slow.send(&Outgoing::ping("x"));
    slow.send(&Outgoing::continuation("at last"));
    let pong = slow.frame();
    assert_eq!(
        (pong.opcode, pong.payload.as_slice()),
        (PONG, b"x".as_slice())
    );
    listener.expect(TEXT, "one message at last");
    quick.expect(TEXT, "one message at last");
    slow.expect_quiet();

    let bytes: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    for frame in fragments(BINARY, &bytes, &[1, 125, 126, 4_000]) {
        slow.wire.send(&frame);
    }
    listener.expect(BINARY, &bytes);
    listener.expect_quiet();
}
