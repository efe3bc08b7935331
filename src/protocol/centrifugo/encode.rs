//! Frames of what one client is told.

use super::Encoding;
use super::codes::Disconnect;
use super::json;
use super::protobuf;
use super::reply::{Publication, Push, Reply};
use super::sink::Write;
use crate::wire::close::append_close_frame;
use crate::wire::frame::{OpCode, encode_header};

/// Appends the frame of the reply to the command with that `id`.
pub fn append_reply(out: &mut Vec<u8>, encoding: Encoding, id: u32, reply: &Reply<'_>) {
    append_message(out, encoding, |out| match encoding {
        Encoding::Json => json::reply::reply(out, id, reply),
        Encoding::Protobuf => protobuf::reply::reply(out, id, reply),
    });
}

/// Appends the frame of something that the client did not ask for.
pub fn append_push(out: &mut Vec<u8>, encoding: Encoding, push: &Push<'_>) {
    append_message(out, encoding, |out| match encoding {
        Encoding::Json => json::reply::push(out, push),
        Encoding::Protobuf => protobuf::reply::push(out, push),
    });
}

/// Appends the frame of a ping: a message that says nothing.
pub fn append_ping(out: &mut Vec<u8>, encoding: Encoding) {
    append_message(out, encoding, |out| match encoding {
        Encoding::Json => out.extend_from_slice(b"{}"),
        Encoding::Protobuf => {}
    });
}

/// Appends the close frame that says why the connection ends.
pub fn append_close(out: &mut Vec<u8>, disconnect: Disconnect) {
    append_close_frame(out, disconnect.close_code(), disconnect.text());
}

/// As many bytes as a publication takes in a reply, or a few more.
#[must_use]
pub fn publication_bytes(encoding: Encoding, publication: &Publication<'_>) -> usize {
    match encoding {
        Encoding::Json => 1 + json::publication::PublicationText::of(publication).bytes(),
        Encoding::Protobuf => {
            let message = protobuf::publication::PublicationMessage::of(publication);
            protobuf::writing::NESTED_BYTES_MAX + message.bytes()
        }
    }
}

/// Appends a frame with the one message that `write` appends, without its length in Protobuf.
fn append_message(out: &mut Vec<u8>, encoding: Encoding, write: impl FnOnce(&mut Vec<u8>)) {
    // What most messages need; it grows for those that need more.
    const HEADER_BYTES: usize = 2;
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_BYTES]);
    let opcode = match encoding {
        Encoding::Json => {
            write(out);
            OpCode::Text
        }
        Encoding::Protobuf => {
            protobuf::writing::prefixed(out, write);
            OpCode::Binary
        }
    };
    let payload_bytes = out.len() - start - HEADER_BYTES;
    let (header, bytes) = encode_header(opcode, true, payload_bytes);
    let place = start..start + HEADER_BYTES;
    if bytes == HEADER_BYTES {
        out[place].copy_from_slice(&header[..bytes]);
    } else {
        out.splice(place, header.into_iter().take(bytes));
    }
}
