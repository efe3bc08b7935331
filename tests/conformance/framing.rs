//! Section 5: the frame header, masks, lengths, reserved bits and opcodes, control frames.

use std::net::Shutdown;

use crate::support::client::{Client, Heard};
use crate::support::frame::{BINARY, CLOSE, LengthForm, Outgoing, PING, PONG, TEXT};
use crate::support::server::Server;
use crate::support::wait::each;
use crate::{echo, echo_server};

/// Sends each case's bytes on a session of its own and insists on close code 1002.
fn run(cases: Vec<(String, Vec<u8>)>) {
    let mut server = echo_server();
    each(
        cases,
        |(name, _)| name.clone(),
        |(_, bytes)| {
            let mut client = echo(&server);
            client.wire.offer(bytes);
            client.expect_failure(&[1002]);
        },
    );
    server.assert_alive();
}

/// Goal: a frame without a mask fails the connection, whatever its kind (5.1).
#[test]
fn unmasked_frames_fail_the_connection() {
    let kinds = [
        ("text", Outgoing::text("hello")),
        ("empty text", Outgoing::text("")),
        ("binary", Outgoing::binary([0; 300])),
        ("ping", Outgoing::ping("x")),
        ("empty ping", Outgoing::ping("")),
        ("pong", Outgoing::new(PONG, "x")),
        ("close", Outgoing::close(1000, "")),
        ("fragment", Outgoing::text("hel").more()),
    ];
    run(kinds
        .map(|(name, frame)| (name.to_owned(), frame.unmasked().bytes()))
        .into());
}

/// Goal: each reserved bit, alone or together, on any kind of frame, fails the connection when
/// no extension gave it a meaning (5.2).
#[test]
fn reserved_bits_fail_the_connection() {
    let mut cases = Vec::new();
    for bits in 1..=7 {
        for opcode in [TEXT, BINARY, CLOSE, PING, PONG] {
            let frame = Outgoing::new(opcode, "").reserved(bits);
            cases.push((
                format!("bits {bits:03b} on opcode {opcode:#x}"),
                frame.bytes(),
            ));
        }
        let begun = Outgoing::text("a").more().bytes();
        let then = Outgoing::continuation("b").reserved(bits).bytes();
        cases.push((
            format!("bits {bits:03b} on a continuation"),
            [begun, then].concat(),
        ));
    }
    run(cases);
}

/// Goal: each reserved opcode fails the connection, with and without FIN and payload (5.2).
#[test]
fn reserved_opcodes_fail_the_connection() {
    let mut cases = Vec::new();
    for opcode in (3..=7).chain(11..=15) {
        let plain = Outgoing::new(opcode, "");
        let full = Outgoing::new(opcode, "payload");
        cases.push((format!("opcode {opcode}"), plain.clone().bytes()));
        cases.push((format!("opcode {opcode} with a payload"), full.bytes()));
        cases.push((format!("opcode {opcode} without FIN"), plain.more().bytes()));
    }
    run(cases);
}

/// Goal: control frames are never fragmented and never longer than 125 bytes (5.5).
#[test]
fn long_or_fragmented_control_frames_fail_the_connection() {
    let mut cases = Vec::new();
    for opcode in [PING, PONG, CLOSE] {
        let code = 1000_u16.to_be_bytes();
        for length in [126, 127, 1_000, 65_536] {
            let payload = [&code[..], &vec![b'x'; length - 2]].concat();
            let bytes = Outgoing::new(opcode, payload).bytes();
            cases.push((format!("opcode {opcode:#x} of {length} bytes"), bytes));
        }
        let fragment = Outgoing::new(opcode, code).more().bytes();
        cases.push((format!("opcode {opcode:#x} without FIN"), fragment));
        // The header alone tells.
        let header = Outgoing::new(opcode, "").declaring(126).bytes();
        cases.push((
            format!("only the header of opcode {opcode:#x}, 126 bytes"),
            header,
        ));
    }
    run(cases);
}

/// Goal: a length is written in its shortest form, and never with the top bit set (5.2).
#[test]
fn lengths_in_another_form_fail_the_connection() {
    let mut cases = Vec::new();
    for length in [0, 1, 125] {
        let frame = Outgoing::binary(vec![1; length]).length_form(LengthForm::Two);
        cases.push((format!("{length} in two bytes"), frame.bytes()));
    }
    for length in [0, 1, 125, 126, 1_000, 65_535] {
        let frame = Outgoing::binary(vec![1; length]).length_form(LengthForm::Eight);
        cases.push((format!("{length} in eight bytes"), frame.bytes()));
    }
    let ping = Outgoing::ping("ping").length_form(LengthForm::Two).bytes();
    cases.push(("a ping of 4 in two bytes".to_owned(), ping));
    for length in [1 << 63, u64::MAX, (1 << 63) | 5] {
        let frame = Outgoing::binary("").declaring(length);
        cases.push((format!("{length:#x}, the top bit set"), frame.bytes()));
    }
    run(cases);
}

/// Goal: payloads of every length form, up to the default limit, come back as they went, as the
/// same kind, and so do masks of zeros and ones (5.2, 5.3).
#[test]
fn payloads_of_all_sizes_are_echoed() {
    let server = echo_server();
    let mut client = echo(&server);
    for length in (0..=20).chain([63, 124, 125, 126, 127, 128, 1_000, 4_096, 65_535, 65_536]) {
        let text: String = ('a'..='z').cycle().take(length).collect();
        client.text(&text);
        client.expect(TEXT, &text);
        let binary: Vec<u8> = (0..=255).cycle().take(length).collect();
        client.send(&Outgoing::binary(&binary));
        client.expect(BINARY, &binary);
    }
    let keys = [[0; 4], [255; 4], [0, 0, 0, 1], [1, 0, 0, 0], *b"mask"];
    for (key, length) in keys
        .iter()
        .flat_map(|key| (0..40).map(move |length| (key, length)))
    {
        let payload: Vec<u8> = (100..=255).cycle().take(length).collect();
        client.send(&Outgoing::binary(&payload).masked_with(*key));
        client.expect(BINARY, &payload);
    }
}

/// Goal: a ping of any allowed size is answered by a pong with the same payload (5.5.2, 5.5.3),
/// and a pong nobody asked for by nothing.
#[test]
fn pings_are_answered_and_pongs_ignored() {
    let server = echo_server();
    for target in ["/echo", "/ws/pings"] {
        let mut client = Client::connect(server.address(), target);
        for length in 0..=125_u8 {
            let payload: Vec<u8> = (0..length).map(|byte| byte.wrapping_mul(37)).collect();
            client.send(&Outgoing::new(PONG, &payload));
            client.send(&Outgoing::ping(&payload));
            let answer = client.frame();
            assert_eq!(
                (answer.opcode, &answer.payload),
                (PONG, &payload),
                "{length} bytes"
            );
        }
        client.leave(1000);
    }
}

/// Goal: ten pings in one write get ten pongs in their order.
#[test]
fn pings_in_one_write_are_answered_in_order() {
    let server = echo_server();
    let mut client = echo(&server);
    let pings: Vec<u8> = (0..10)
        .flat_map(|n| Outgoing::ping(format!("ping {n}")).bytes())
        .collect();
    client.wire.send(&pings);
    for n in 0..10 {
        let answer = client.frame();
        assert_eq!(
            (answer.opcode, answer.payload),
            (PONG, format!("ping {n}").into_bytes())
        );
    }
}

/// Goal: a frame may be cut anywhere: each of its bytes may be the last of a read.
#[test]
fn frames_may_be_cut_anywhere() {
    let server = echo_server();
    let mut client = echo(&server);
    let frames = [
        (TEXT, "cut me".as_bytes().to_vec()),
        (BINARY, (0..=255).cycle().take(300).collect()),
        (PING, b"a ping in two".to_vec()),
    ];
    for (opcode, payload) in frames {
        let bytes = Outgoing::new(opcode, &payload).bytes();
        for cut in 1..bytes.len() {
            client.wire.send(&bytes[..cut]);
            client.wire.send(&bytes[cut..]);
            let answer = client.frame();
            let expected = if opcode == PING { PONG } else { opcode };
            assert_eq!(
                (answer.opcode, &answer.payload),
                (expected, &payload),
                "cut at {cut}"
            );
        }
        for byte in &bytes {
            client.wire.send(std::slice::from_ref(byte));
        }
        assert_eq!(client.frame().payload, payload, "in single bytes");
    }
    // A frame longer than a read, its header in the tail of another read.
    let long = vec![7; 65_536];
    let bytes = [Outgoing::text("x").bytes(), Outgoing::binary(&long).bytes()].concat();
    for cut in 7..22 {
        client.wire.send(&bytes[..cut]);
        client.wire.send(&bytes[cut..]);
        client.expect(TEXT, "x");
        client.expect(BINARY, &long);
    }
}

/// Goal: any number of frames per write are all handled, in order, pings among them.
#[test]
fn many_frames_may_come_in_one_write() {
    let server = echo_server();
    let mut client = echo(&server);
    let mut bytes = Vec::new();
    for n in 0..2_000 {
        bytes.extend(Outgoing::text(format!("message {n}")).bytes());
        if n % 100 == 0 {
            bytes.extend(Outgoing::ping(format!("{n}")).bytes());
        }
    }
    client.wire.send(&bytes);
    let mut pongs = Vec::new();
    let mut texts = 0;
    while texts < 2_000 || pongs.len() < 20 {
        let frame = client.frame();
        let text = String::from_utf8(frame.payload).expect("what was sent is UTF-8");
        if frame.opcode == PONG {
            pongs.push(text);
        } else {
            assert_eq!((frame.opcode, text), (TEXT, format!("message {texts}")));
            texts += 1;
        }
    }
    let expected: Vec<String> = (0..20).map(|n| format!("{}", n * 100)).collect();
    assert_eq!(pongs, expected);
}

/// Goal: a session that fails takes nobody with it: its room goes on, and nothing of a message
/// that was wrong reaches the others.
#[test]
fn a_failed_session_leaves_its_room_alone() {
    let server = echo_server();
    let target = "/ws/failing?presence=0";
    let mut listener = Client::connect(server.address(), target);
    let mut healthy = Client::connect(server.address(), target);
    let wrongs = [
        Outgoing::text("no mask").unmasked(),
        Outgoing::text([0xff, 0xfe]),
        Outgoing::text("reserved").reserved(1),
        Outgoing::text("begun before the other ended"),
    ];
    for wrong in wrongs {
        let mut failing = Client::connect(server.address(), target);
        failing.send(&Outgoing::text("begun").more());
        failing.send(&Outgoing::new(PONG, "in between"));
        failing.send(&wrong);
        let heard = failing.hear();
        assert!(matches!(heard, Heard::Frame(frame) if frame.opcode == CLOSE));
    }
    healthy.text("still here");
    listener.expect(TEXT, "still here");
}

/// Goal: a client that ends its stream without a close frame gets its connection closed, and
/// the server goes on (7.1.1: the connection was not closed cleanly).
#[test]
fn the_end_of_the_stream_ends_the_session() {
    let mut server: Server = echo_server();
    let mut client = echo(&server);
    client.send(&Outgoing::text("half a").more());
    client.expect_quiet();
    client.wire.stream.shutdown(Shutdown::Write).expect("a FIN");
    while let Heard::Frame(frame) = client.hear() {
        assert_eq!(frame.opcode, CLOSE);
    }
    server.await_figure("sessions", |sessions| sessions == 0);
    server.assert_alive();
}
