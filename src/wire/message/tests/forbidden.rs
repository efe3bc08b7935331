//! What is forbidden fails with its code, and where it first shows.

use super::{KEY, RULES, frames, read};
use crate::wire::frame::OpCode::{Binary, Close, Continuation, Text};
use crate::wire::frame::{FrameError, encode_masked_header};
use crate::wire::mask;
use crate::wire::message::WireError;

/// A conversation, what is wrong with it, and the code to close with.
type Forbidden = (Vec<u8>, WireError, u16);

/// Frames that do not belong where they are.
fn forbidden_frames() -> Vec<Forbidden> {
    let header = |opcode, fin, bytes| {
        let (array, length) = encode_masked_header(opcode, fin, bytes, KEY);
        array[..length].to_vec()
    };
    let over = WireError::TooBig {
        bytes: 1001,
        message_bytes_max: 1000,
    };
    let unmasked = b"\x81\x02".to_vec();
    vec![
        (unmasked, WireError::Frame(FrameError::Unmasked), 1002),
        (
            vec![0x83],
            WireError::Frame(FrameError::ReservedOpCode(3)),
            1002,
        ),
        (
            header(Continuation, true, 0),
            WireError::NothingToContinue,
            1002,
        ),
        (
            header(Continuation, false, 900),
            WireError::NothingToContinue,
            1002,
        ),
        (
            [frames(&[(Text, false, b"a")]), header(Text, true, 1)].concat(),
            WireError::MessageInterrupted,
            1002,
        ),
        (
            [frames(&[(Binary, false, b"")]), header(Binary, false, 1)].concat(),
            WireError::MessageInterrupted,
            1002,
        ),
        (
            [frames(&[(Text, true, b"a")]), header(Continuation, true, 1)].concat(),
            WireError::NothingToContinue,
            1002,
        ),
        (header(Binary, true, 1001), over, 1009),
        (header(Binary, false, 1001), over, 1009),
        (
            [
                frames(&[(Binary, false, &[0; 1000])]),
                header(Continuation, true, 1),
            ]
            .concat(),
            over,
            1009,
        ),
        (
            [
                frames(&[(Text, false, b"a")]),
                header(Continuation, true, usize::MAX >> 1),
            ]
            .concat(),
            WireError::TooBig {
                bytes: 1 << 63,
                message_bytes_max: 1000,
            },
            1009,
        ),
    ]
}

/// Payloads that may not be sent.
fn forbidden_payloads() -> Vec<Forbidden> {
    let close = |payload| frames(&[(Close, true, payload)]);
    let not_text = WireError::TextNotUtf8;
    vec![
        (frames(&[(Text, true, b"a\xff")]), not_text, 1007),
        (frames(&[(Text, true, b"a\xc3")]), not_text, 1007),
        (
            frames(&[(Text, false, b"a\xc3"), (Continuation, true, b"")]),
            not_text,
            1007,
        ),
        (close(b"\x03"), WireError::CloseCodeCut, 1002),
        (close(b"\x03\xe7"), WireError::CloseCodeInvalid(999), 1002),
        (close(b"\x03\xee"), WireError::CloseCodeInvalid(1006), 1002),
        (close(b"\x03\xe8\xff"), WireError::CloseReasonNotUtf8, 1007),
        (
            close(b"\x03\xe8\xe2\x82"),
            WireError::CloseReasonNotUtf8,
            1007,
        ),
    ]
}

/// Goal: what is forbidden fails with its code at the earliest byte that shows it.
#[test]
fn refuses_what_is_forbidden() {
    for (bytes, error, code) in &[forbidden_frames(), forbidden_payloads()].concat() {
        assert_eq!(error.close_code().get(), *code);
        assert_eq!(read(bytes, [], &RULES).failure, Some(*error), "{bytes:x?}");
        let outcome = read(bytes, 0..bytes.len(), &RULES);
        assert_eq!(outcome.failure, Some(*error), "{bytes:x?} byte by byte");
        assert_eq!(
            outcome.known_after_bytes,
            bytes.len(),
            "{bytes:x?} not a byte sooner"
        );
    }
}

/// Goal: bad text fails at its first bad byte, inside a frame whose rest never arrives.
#[test]
fn bad_text_fails_within_an_incomplete_frame() {
    for (start, bad) in [
        (&b"abc"[..], 0xff),
        (b"\xf4", 0x90),
        (b"\xed", 0xa0),
        (b"\xe0", 0x80),
    ] {
        let (array, length) = encode_masked_header(Text, false, 900, KEY);
        let mut payload = [start, &[bad]].concat();
        mask::apply(&mut payload, KEY, 0);
        let bytes = [&array[..length], &payload].concat();
        for cuts in [vec![], vec![bytes.len() - 1], (0..bytes.len()).collect()] {
            let outcome = read(&bytes, cuts, &RULES);
            assert_eq!(outcome.failure, Some(WireError::TextNotUtf8), "{start:x?}");
            assert_eq!(outcome.known_after_bytes, bytes.len());
        }
    }
}
