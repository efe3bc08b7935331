//! The words of the plain protocol, as complete frames ready for the log or a socket.
//!
//! What a message means in this protocol is [`command`]; when to say any of it is decided above.

use uuid::Uuid;

use super::{
    frame::{OpCode, append_frame},
    message::Kind,
};

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

/// Appends a message as its members receive it.
pub(crate) fn append_message(out: &mut Vec<u8>, kind: Kind, payload: &[u8]) {
    append_frame(out, kind.opcode(), payload);
}

/// Appends the answer to a keep-alive: an empty text.
pub(crate) fn append_keep_alive(out: &mut Vec<u8>) {
    append_frame(out, OpCode::Text, b"");
}

/// Appends `{"event":"connect","id":"<uuid>"}`.
pub(crate) fn append_connect(out: &mut Vec<u8>, id: Uuid) {
    append_presence(out, "connect", id);
}

/// Appends `{"event":"disconnect","id":"<uuid>"}`.
pub(crate) fn append_disconnect(out: &mut Vec<u8>, id: Uuid) {
    append_presence(out, "disconnect", id);
}

/// Appends `{"event":"members","count":<count>}`.
pub(crate) fn append_count(out: &mut Vec<u8>, count: usize) {
    append_text(out, &format!(r#"{{"event":"members","count":{count}}}"#));
}

/// Appends `{"event":"gap","missed":<messages>}`: how many messages a slow session was spared.
pub(crate) fn append_gap(out: &mut Vec<u8>, messages: u64) {
    append_text(out, &format!(r#"{{"event":"gap","missed":{messages}}}"#));
}

fn append_presence(out: &mut Vec<u8>, event: &str, id: Uuid) {
    append_text(out, &format!(r#"{{"event":"{event}","id":"{id}"}}"#));
}

fn append_text(out: &mut Vec<u8>, text: &str) {
    append_frame(out, OpCode::Text, text.as_bytes());
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{
        Command, append_connect, append_count, append_disconnect, append_gap, append_keep_alive,
        append_message, command,
    };
    use crate::wire::{frame::frame_bytes, message::Kind};

    type Append<'a> = &'a dyn Fn(&mut Vec<u8>);

    /// Goal: only an empty text is the keep-alive.
    #[test]
    fn an_empty_text_is_the_keep_alive() {
        assert_eq!(command(Kind::Text, b""), Command::KeepAlive);
        assert_eq!(command(Kind::Binary, b""), Command::Publish);
        assert_eq!(command(Kind::Text, b" "), Command::Publish);
        assert_eq!(command(Kind::Binary, b"\0"), Command::Publish);
    }

    /// Goal: each word is one whole frame behind what was there, with exactly the promised text.
    #[test]
    fn words_are_whole_frames() {
        let id = Uuid::from_u128(0x67e5_5044_10b1_426f_9247_bb68_0e5f_e0c8);
        let cases: [(Append<'_>, u8, &str); 7] = [
            (
                &|out| append_connect(out, id),
                0x81,
                r#"{"event":"connect","id":"67e55044-10b1-426f-9247-bb680e5fe0c8"}"#,
            ),
            (
                &|out| append_disconnect(out, id),
                0x81,
                r#"{"event":"disconnect","id":"67e55044-10b1-426f-9247-bb680e5fe0c8"}"#,
            ),
            (
                &|out| append_count(out, 1234),
                0x81,
                r#"{"event":"members","count":1234}"#,
            ),
            (
                &|out| append_gap(out, 7),
                0x81,
                r#"{"event":"gap","missed":7}"#,
            ),
            (&append_keep_alive, 0x81, ""),
            (
                &|out| append_message(out, Kind::Text, "é".as_bytes()),
                0x81,
                "é",
            ),
            (
                &|out| append_message(out, Kind::Binary, b"raw"),
                0x82,
                "raw",
            ),
        ];
        for (append, first, payload) in cases {
            let mut out = b"before".to_vec();
            append(&mut out);
            let frame = out.strip_prefix(b"before").expect("what was there stays");
            assert_eq!(frame_bytes(frame), Some(frame.len()), "{payload}");
            assert_eq!((frame[0], &frame[2..]), (first, payload.as_bytes()));
        }
    }
}
