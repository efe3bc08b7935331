//! Sections 5.5.1 and 7: the close handshake, its codes and reasons, and who ends the
//! connection.

use crate::support::client::{Client, Heard};
use crate::support::frame::{CLOSE, Outgoing, PONG};
use crate::support::wait::each;
use crate::{echo, echo_server};

/// Goal: every code an endpoint may send is answered with the same code, and then the server
/// ends the connection (5.5.1, 7.4).
#[test]
fn valid_codes_are_answered_with_themselves() {
    let mut server = echo_server();
    let codes = [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999,
    ];
    for target in ["/echo", "/ws/closing?presence=0"] {
        each(
            codes,
            |code| format!("{code} at {target}"),
            |code| Client::connect(server.address(), target).leave(*code),
        );
    }
    server.assert_alive();
}

/// Goal: codes that must not be sent, are reserved or belong to no range fail the connection
/// (7.4.1, 7.4.2).
#[test]
fn invalid_codes_fail_the_connection() {
    let mut server = echo_server();
    let codes = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999];
    let frames = codes.iter().flat_map(|code| {
        [
            (*code, Outgoing::close(*code, "")),
            (*code, Outgoing::close(*code, "with a reason")),
        ]
    });
    each(
        frames,
        |(code, _)| code.to_string(),
        |(_, frame)| {
            let mut client = echo(&server);
            client.send(frame);
            client.expect_failure(&[1002]);
        },
    );
    server.assert_alive();
}

/// Goal: a close frame without a code is answered, by one without a code or by 1000.
#[test]
fn a_close_without_a_code_is_answered() {
    let server = echo_server();
    let mut client = echo(&server);
    client.send(&Outgoing::new(CLOSE, ""));
    let code = client.close_frame().map(|(code, _)| code);
    assert!([None, Some(1000)].contains(&code), "{code:?}");
    assert_eq!(client.hear(), Heard::End);
}

/// Goal: reasons up to 123 bytes are accepted, in any script, as the RFC's 125-byte limit of
/// control frames allows.
#[test]
fn reasons_are_accepted() {
    let server = echo_server();
    let reasons = [
        "".to_owned(),
        "x".to_owned(),
        "x".repeat(123),
        "ü".repeat(61),
        "going 🙂".into(),
    ];
    for reason in reasons {
        let mut client = echo(&server);
        client.send(&Outgoing::close(1000, &reason));
        assert_eq!(
            client.close_frame().map(|(code, _)| code),
            Some(1000),
            "{reason:?}"
        );
        assert_eq!(client.hear(), Heard::End);
    }
}

/// Goal: half a code, a reason too long, and a reason that is not UTF-8 each fail the
/// connection with their own code (5.5, 5.5.1, 8.1).
#[test]
fn malformed_close_frames_fail_the_connection() {
    let mut server = echo_server();
    let cases: Vec<(&str, Outgoing, u16)> = vec![
        ("one byte", Outgoing::new(CLOSE, [3]), 1002),
        (
            "124 bytes of reason",
            Outgoing::close(1000, "x".repeat(124)),
            1002,
        ),
        (
            "a byte that is never UTF-8",
            Outgoing::close(1000, [0xff]),
            1007,
        ),
        (
            "a reason cut in a code point",
            Outgoing::close(1000, &"x€".as_bytes()[..3]),
            1007,
        ),
        (
            "a surrogate",
            Outgoing::close(1000, [0xed, 0xa0, 0x80]),
            1007,
        ),
        (
            "a good start",
            Outgoing::close(1000, b"Hello-\xce\xba\xff"),
            1007,
        ),
    ];
    each(
        cases,
        |(name, _, _)| (*name).to_owned(),
        |(_, frame, code)| {
            let mut client = echo(&server);
            client.send(frame);
            client.expect_failure(&[*code]);
        },
    );
    server.assert_alive();
}

/// Goal: what follows a close frame is not answered and not delivered, whether it comes in the
/// same write or later (5.5.1).
#[test]
fn nothing_counts_after_a_close_frame() {
    let server = echo_server();
    let target = "/ws/after?presence=0";
    let mut listener = Client::connect(server.address(), target);
    let mut leaver = Client::connect(server.address(), target);
    let close = Outgoing::close(1000, "bye").bytes();
    let behind = [
        Outgoing::ping("too late").bytes(),
        Outgoing::text("too late").bytes(),
        Outgoing::close(1001, "again").bytes(),
        Outgoing::text("wrong").unmasked().bytes(),
    ]
    .concat();
    leaver.wire.send(&[close, behind.clone()].concat());
    assert_eq!(leaver.close_frame().map(|(code, _)| code), Some(1000));
    let last = leaver.hear();
    assert!(matches!(last, Heard::End | Heard::Reset), "{last:?}");

    let mut leaver = echo(&server);
    leaver.send(&Outgoing::close(1000, ""));
    leaver.wire.offer(&behind);
    assert_eq!(leaver.close_frame().map(|(code, _)| code), Some(1000));
    let last = leaver.hear();
    assert!(matches!(last, Heard::End | Heard::Reset), "{last:?}");
    listener.expect_quiet();
}

/// Goal: answers to what came before a close frame are sent before it is answered, and a
/// message that was only half there is dropped.
#[test]
fn what_came_before_a_close_frame_is_finished() {
    let server = echo_server();
    let mut client = echo(&server);
    let mut bytes = Vec::new();
    for n in 0..50 {
        bytes.extend(Outgoing::text(format!("message {n}")).bytes());
    }
    bytes.extend(Outgoing::ping("and a ping").bytes());
    bytes.extend(Outgoing::text("half").more().bytes());
    bytes.extend(Outgoing::close(3000, "").bytes());
    client.wire.send(&bytes);
    let mut texts = 0;
    let mut pongs = 0;
    loop {
        let frame = client.frame();
        match frame.opcode {
            CLOSE => {
                assert_eq!(frame.payload, 3000_u16.to_be_bytes());
                break;
            }
            PONG => pongs += 1,
            _ => {
                assert_eq!(frame.payload, format!("message {texts}").into_bytes());
                texts += 1;
            }
        }
    }
    assert_eq!((texts, pongs), (50, 1));
    assert_eq!(client.hear(), Heard::End);
}

/// Goal: after failing a connection the server waits for the close frame of its peer for a
/// while only, and ignores what else comes (7.1.1, 7.1.7).
#[test]
fn a_peer_that_never_answers_a_close_frame_is_dropped() {
    let server = echo_server();
    let mut client = echo(&server);
    client.send(&Outgoing::text([0xff]));
    assert_eq!(client.close_frame().map(|(code, _)| code), Some(1007));
    client.offer(&Outgoing::text("deaf"));
    client.offer(&Outgoing::ping("deaf"));
    let last = client.hear();
    assert!(matches!(last, Heard::End | Heard::Reset), "{last:?}");
    server.await_figure("connections", |connections| connections == 0);
}

/// Goal: a session that closes while others send to it is gone for good, and its room goes on.
#[test]
fn a_session_may_close_amid_traffic() {
    let server = echo_server();
    let target = "/ws/amid?presence=0";
    let mut talker = Client::connect(server.address(), target);
    let mut stayer = Client::connect(server.address(), target);
    for round in 0..20 {
        let mut leaver = Client::connect(server.address(), target);
        let talk: Vec<u8> = (0..20)
            .flat_map(|n| Outgoing::text(format!("{round}.{n}")).bytes())
            .collect();
        talker.wire.send(&talk);
        leaver.send(&Outgoing::close(1000, ""));
        let mut heard = 0;
        while let frame = leaver.frame()
            && frame.opcode != CLOSE
        {
            assert_eq!(frame.payload, format!("{round}.{heard}").into_bytes());
            heard += 1;
        }
        assert_eq!(leaver.hear(), Heard::End);
        for n in 0..20 {
            stayer.expect(crate::support::frame::TEXT, format!("{round}.{n}"));
        }
    }
}
