//! The plain protocol (docs/PROTOCOL.md): messages go out as they came in, and what is said about
//! members is a text of JSON.
//!
//! What a message means in this protocol is [`command`]; when to say any of it is decided above.

use std::io::Write;

use uuid::Uuid;

use crate::message::{Event, Form};
use crate::wire::frame::{HEADER_BYTES_MAX, OpCode, append_frame, encode_header};
use crate::wire::message::Kind;

/// What a client asks for with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Send the message to the other members of the room.
    Publish,
    /// Answer with an empty text message and tell nobody.
    KeepAlive,
}

/// What the message asks for: an empty text is the keep-alive, all else is published.
#[must_use]
pub(crate) fn command(kind: Kind, payload: &[u8]) -> Command {
    match kind {
        Kind::Text if payload.is_empty() => Command::KeepAlive,
        Kind::Text | Kind::Binary => Command::Publish,
    }
}

/// More bytes than any notice has.
const NOTICE_BYTES_MAX: usize = 80;

/// As many bytes as the frame of `event` has, or more.
pub(super) fn encoded_bytes_max(event: &Event<'_>) -> usize {
    HEADER_BYTES_MAX
        + match event {
            Event::Published { data, .. } => data.len(),
            _ => NOTICE_BYTES_MAX,
        }
}

/// Writes the frame of `event` to the front of `out`; returns its bytes.
pub(super) fn encode(event: &Event<'_>, out: &mut [u8]) -> usize {
    let mut text = [0; NOTICE_BYTES_MAX];
    let (opcode, payload) = match *event {
        Event::Published { form, data, .. } => (opcode(form), data),
        Event::Joined(info) => (OpCode::Text, presence(&mut text, "connect", info.client)),
        Event::Left(info) => (OpCode::Text, presence(&mut text, "disconnect", info.client)),
        Event::Members(count) => {
            let notice = format_args!(r#"{{"event":"members","count":{count}}}"#);
            (OpCode::Text, written(&mut text, notice))
        }
    };
    let (header, header_bytes) = encode_header(opcode, true, payload.len());
    let (before, rest) = out.split_at_mut(header_bytes);
    before.copy_from_slice(&header[..header_bytes]);
    rest[..payload.len()].copy_from_slice(payload);
    header_bytes + payload.len()
}

fn opcode(form: Form) -> OpCode {
    match form {
        Form::Text | Form::Json => OpCode::Text,
        Form::Binary => OpCode::Binary,
    }
}

/// `{"event":"<event>","id":"<uuid>"}`.
fn presence<'a>(text: &'a mut [u8], event: &str, id: Uuid) -> &'a [u8] {
    written(text, format_args!(r#"{{"event":"{event}","id":"{id}"}}"#))
}

fn written<'a>(text: &'a mut [u8], notice: std::fmt::Arguments<'_>) -> &'a [u8] {
    let bytes = text.len();
    let mut rest = &mut text[..];
    rest.write_fmt(notice).expect("notices are short");
    let written = bytes - rest.len();
    &text[..written]
}

/// Appends a message that is sent back to whoever said it.
pub(crate) fn append_message(out: &mut Vec<u8>, kind: Kind, payload: &[u8]) {
    append_frame(out, kind.opcode(), payload);
}

/// Appends the answer to a keep-alive: an empty text.
pub(crate) fn append_keep_alive(out: &mut Vec<u8>) {
    append_frame(out, OpCode::Text, b"");
}

/// Appends `{"event":"gap","missed":<messages>}`: how many messages a slow session was spared.
pub(crate) fn append_gap(out: &mut Vec<u8>, messages: u64) {
    let text = format!(r#"{{"event":"gap","missed":{messages}}}"#);
    append_frame(out, OpCode::Text, text.as_bytes());
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::message::Info;
    use crate::wire::frame::frame_bytes;

    /// Goal: only an empty text is the keep-alive.
    #[test]
    fn an_empty_text_is_the_keep_alive() {
        assert_eq!(command(Kind::Text, b""), Command::KeepAlive);
        assert_eq!(command(Kind::Binary, b""), Command::Publish);
        assert_eq!(command(Kind::Text, b" "), Command::Publish);
        assert_eq!(command(Kind::Binary, b"\0"), Command::Publish);
    }

    /// Goal: each event is one whole frame with exactly the promised text, no longer than was said, and
    /// nothing behind it is touched.
    #[test]
    fn events_are_whole_frames() {
        let id = Info::anonymous(Uuid::from_u128(0x67e5_5044_10b1_426f_9247_bb68_0e5f_e0c8));
        let cases = [
            (
                Event::Joined(id),
                0x81,
                r#"{"event":"connect","id":"67e55044-10b1-426f-9247-bb680e5fe0c8"}"#,
            ),
            (
                Event::Left(id),
                0x81,
                r#"{"event":"disconnect","id":"67e55044-10b1-426f-9247-bb680e5fe0c8"}"#,
            ),
            (
                Event::Members(u32::MAX),
                0x81,
                r#"{"event":"members","count":4294967295}"#,
            ),
            (Event::said(Form::Text, "é".as_bytes()), 0x81, "é"),
            (Event::said(Form::Json, b"[]"), 0x81, "[]"),
            (Event::said(Form::Binary, b"raw"), 0x82, "raw"),
        ];
        for (event, first, payload) in cases {
            let mut out = vec![0xee; encoded_bytes_max(&event)];
            let bytes = encode(&event, &mut out);
            let (frame, behind) = out.split_at(bytes);
            assert_eq!(frame_bytes(frame), Some(frame.len()), "{payload}");
            assert_eq!((frame[0], &frame[2..]), (first, payload.as_bytes()));
            assert!(behind.iter().all(|&byte| byte == 0xee), "{payload}");
        }
    }

    /// Goal: messages of every size of header are framed whole.
    #[test]
    fn long_messages_are_framed() {
        for length in [125, 126, 65_535, 65_536] {
            let payload = vec![7; length];
            let event = Event::said(Form::Binary, &payload);
            let mut out = vec![0; encoded_bytes_max(&event)];
            let bytes = encode(&event, &mut out);
            assert_eq!(frame_bytes(&out), Some(bytes));
            assert_eq!(out[bytes - length..bytes], payload);
        }
    }

    /// Goal: private replies are whole frames behind what was there.
    #[test]
    fn replies_are_whole_frames() {
        let mut out = b"before".to_vec();
        append_gap(&mut out, 7);
        let gap = out.split_off(6);
        assert_eq!(gap[2..], *br#"{"event":"gap","missed":7}"#);
        append_keep_alive(&mut out);
        assert_eq!(out.split_off(6), [0x81, 0]);
        append_message(&mut out, Kind::Text, b"x");
        assert_eq!(out, b"before\x81\x01x");
    }
}
