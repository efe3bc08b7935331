//! Section 8.1: text is UTF-8, checked as it arrives: a bad byte fails the connection without
//! waiting for the rest of its frame or message.

use crate::support::client::Client;
use crate::support::frame::{BINARY, Outgoing, TEXT};
use crate::support::wait::each;
use crate::{echo, echo_server};

/// Texts at the edges of what UTF-8 allows.
const VALID: [&str; 16] = [
    "Hello-µ@ßöäüàá-UTF-8!!",
    "κόσμε",
    "\0",
    "\u{7f}",
    "\u{80}",
    "\u{7ff}",
    "\u{800}",
    "\u{d7ff}",
    "\u{e000}",
    "\u{fffd}",
    "\u{fffe}",
    "\u{ffff}",
    "\u{10000}",
    "\u{1ffff}",
    "\u{10fffe}",
    "\u{10ffff}",
];

/// Byte strings that are not UTF-8, each with the index of the first byte that no valid text
/// could have there; the length where only the end of the message makes it invalid.
const INVALID: [(&[u8], usize); 34] = [
    (b"\x80", 0),
    (b"\xbf", 0),
    (b"ab\x80", 2),
    (b"\x80\xbf\x80", 0),
    (b"\xc0 ", 0),
    (b"\xc1\xbf", 0),
    (b"\xc3 ", 1),
    (b"\xc3(", 1),
    (b"\xdf", 1),
    (b"\xe0\x80\xaf", 1),
    (b"\xe0\x9f\xbf", 1),
    (b"\xe2\x82", 2),
    (b"\xe2\x82 ", 2),
    (b"\xe2(\xa1", 1),
    (b"\xed\xa0\x80", 1),
    (b"\xed\xad\xbf", 1),
    (b"\xed\xae\x80", 1),
    (b"\xed\xbf\xbf", 1),
    (b"\xed\xa0\x80\xed\xb0\x80", 1),
    (b"\xef\xbf", 2),
    (b"\xf0\x80\x80\xaf", 1),
    (b"\xf0\x8f\xbf\xbf", 1),
    (b"\xf0\x9f\x98", 3),
    (b"\xf0\x9f\x98 ", 3),
    (b"\xf0(\x8c\xbc", 1),
    (b"\xf4\x90\x80\x80", 1),
    (b"\xf5\x80\x80\x80", 0),
    (b"\xf8\x88\x80\x80\x80", 0),
    (b"\xfc\x84\x80\x80\x80\x80", 0),
    (b"\xfe", 0),
    (b"\xff", 0),
    (b"\xfe\xfe\xff\xff", 0),
    (
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
        12,
    ),
    (
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited",
        12,
    ),
];

/// Long text on either side, so that a vectorised validator meets the byte in its middle.
fn surrounded(bytes: &[u8]) -> Vec<u8> {
    [&[b'a'; 200], bytes, &[b'z'; 200]].concat()
}

fn name(case: &(&[u8], usize)) -> String {
    format!("{:02x?}", case.0)
}

/// Goal: valid text is accepted whole, and with its code points cut by frames and by writes.
#[test]
fn valid_text_is_accepted_however_it_is_cut() {
    let server = echo_server();
    let mut client = echo(&server);
    let all: String = VALID.concat();
    for text in VALID.into_iter().chain([all.as_str()]) {
        client.text(text);
        client.expect(TEXT, text);
        let long = surrounded(text.as_bytes());
        client.send(&Outgoing::text(&long));
        client.expect(TEXT, &long);
        // Every byte a frame of its own.
        client.send(&Outgoing::text("").more());
        for byte in text.as_bytes() {
            client.send(&Outgoing::new(0, [*byte]).more());
        }
        client.send(&Outgoing::continuation(""));
        client.expect(TEXT, text);
        // Every byte a write of its own.
        for byte in Outgoing::text(text).bytes() {
            client.wire.send(&[byte]);
        }
        client.expect(TEXT, text);
    }
    // Every place to cut one frame into two.
    for cut in 0..=all.len() {
        let (first, second) = all.as_bytes().split_at(cut);
        client.send(&Outgoing::text(first).more());
        client.send(&Outgoing::continuation(second));
        client.expect(TEXT, &all);
    }
}

/// Goal: text that is not UTF-8 fails the connection with 1007, in one frame, among much good
/// text, and in fragments.
#[test]
fn invalid_text_fails_the_connection() {
    let mut server = echo_server();
    each(
        INVALID
            .iter()
            .filter(|(bytes, _)| std::str::from_utf8(bytes).is_err()),
        |case| name(case),
        |(bytes, _)| {
            let long = surrounded(bytes);
            for payload in [bytes, long.as_slice()] {
                let mut client = echo(&server);
                client.send(&Outgoing::text(payload));
                client.expect_failure(&[1007]);
            }
            let mut client = echo(&server);
            client.offer(&Outgoing::text("").more());
            for byte in *bytes {
                client.offer(&Outgoing::new(0, [*byte]).more());
            }
            client.offer(&Outgoing::continuation(""));
            client.expect_failure(&[1007]);
        },
    );
    assert!(
        INVALID
            .iter()
            .all(|(bytes, _)| std::str::from_utf8(bytes).is_err())
    );
    server.assert_alive();
}

/// Goal: in a fragmented message the first impossible byte fails the connection, while the
/// message is still unfinished; everything up to it is fine.
#[test]
fn a_bad_byte_fails_at_once_between_fragments() {
    let server = echo_server();
    each(
        INVALID.iter().filter(|(bytes, bad)| *bad < bytes.len()),
        |case| name(case),
        |(bytes, bad)| {
            let mut client = echo(&server);
            client.send(&Outgoing::text(&bytes[..*bad]).more());
            client.expect_quiet();
            client.send(&Outgoing::new(0, [bytes[*bad]]).more());
            client.expect_failure(&[1007]);
        },
    );
}

/// Goal: the same inside one frame whose rest never comes: cut by the write.
#[test]
fn a_bad_byte_fails_at_once_inside_a_frame() {
    let server = echo_server();
    each(
        INVALID.iter().filter(|(bytes, bad)| *bad < bytes.len()),
        |case| name(case),
        |(bytes, bad)| {
            let start = surrounded(&[]);
            for before in [&[], start.as_slice()] {
                let sent = [before, &bytes[..=*bad]].concat();
                let length = u16::try_from(sent.len() + 500).expect("a short frame");
                let frame = Outgoing::text(&sent).declaring(length.into()).bytes();
                let mut client = echo(&server);
                client.wire.send(&frame[..frame.len() - 1]);
                client.wire.send(&frame[frame.len() - 1..]);
                client.expect_failure(&[1007]);
            }
        },
    );
}

/// Goal: a code point left open fails only where the message ends, by its last frame, and a
/// ping in the middle of it changes nothing.
#[test]
fn an_open_code_point_fails_at_the_end_of_the_message() {
    let server = echo_server();
    for open in [&b"\xc3"[..], b"\xe2\x82", b"\xf0\x9f\x98", b"ok \xf0\x9f"] {
        let mut client = echo(&server);
        client.send(&Outgoing::text(open).more());
        client.expect_quiet();
        client.send(&Outgoing::new(0, "").more());
        client.expect_quiet();
        client.send(&Outgoing::continuation(""));
        client.expect_failure(&[1007]);
    }
}

/// Goal: binary messages are not text: any bytes pass, and a text after them starts anew.
#[test]
fn binary_messages_may_be_anything() {
    let server = echo_server();
    let mut client = echo(&server);
    for (bytes, _) in INVALID {
        client.send(&Outgoing::binary(bytes));
        client.expect(BINARY, bytes);
        client.text("and text");
        client.expect(TEXT, "and text");
    }
}

/// Goal: bad text reaches nobody in a room, not even its good beginning.
#[test]
fn bad_text_is_not_broadcast() {
    let server = echo_server();
    let target = "/ws/bad?presence=0";
    let mut listener = Client::connect(server.address(), target);
    for (bytes, _) in INVALID {
        let mut sender = Client::connect(server.address(), target);
        sender.send(&Outgoing::text([b"good start ", bytes].concat()));
        sender.expect_failure(&[1007]);
    }
    listener.expect_quiet();
}
