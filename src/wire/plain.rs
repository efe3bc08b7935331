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
pub enum Command {
    /// Send the message to the other members of the room.
    Publish,
    /// Answer with an empty text message and tell nobody.
    KeepAlive,
}

/// What the message asks for: an empty text is the keep-alive, all else is published.
#[must_use]
pub fn command(kind: Kind, payload: &[u8]) -> Command {
    match kind {
        Kind::Text if payload.is_empty() => Command::KeepAlive,
        Kind::Text | Kind::Binary => Command::Publish,
    }
}

/// Appends a message as its members receive it.
pub fn append_message(out: &mut Vec<u8>, kind: Kind, payload: &[u8]) {
    append_frame(out, kind.opcode(), payload);
}

/// Appends the answer to a keep-alive: an empty text.
pub fn append_keep_alive(out: &mut Vec<u8>) {
    append_frame(out, OpCode::Text, b"");
}

/// Appends `{"event":"connect","id":"<uuid>"}`.
pub fn append_connect(out: &mut Vec<u8>, id: Uuid) {
    append_presence(out, "connect", id);
}

/// Appends `{"event":"disconnect","id":"<uuid>"}`.
pub fn append_disconnect(out: &mut Vec<u8>, id: Uuid) {
    append_presence(out, "disconnect", id);
}

/// Appends `{"event":"members","count":<count>}`.
pub fn append_count(out: &mut Vec<u8>, count: usize) {
    append_text(out, &format!(r#"{{"event":"members","count":{count}}}"#));
}

/// Appends `{"event":"gap","missed":<messages>}`: how many messages a slow session was spared.
pub fn append_gap(out: &mut Vec<u8>, messages: u64) {
    append_text(out, &format!(r#"{{"event":"gap","missed":{messages}}}"#));
}

fn append_presence(out: &mut Vec<u8>, event: &str, id: Uuid) {
    append_text(out, &format!(r#"{{"event":"{event}","id":"{id}"}}"#));
}

fn append_text(out: &mut Vec<u8>, text: &str) {
    append_frame(out, OpCode::Text, text.as_bytes());
}
