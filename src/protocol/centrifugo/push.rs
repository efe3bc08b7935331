//! Frames of what all members of a channel are told: what is published there, and who comes and goes.
//!
//! They are written once for all who read them, straight to where they stay.

use super::Encoding;
use super::json::push::PushText;
use super::protobuf::push::PushMessage;
use super::sink::{Cursor, Sink, Write};
use crate::room::rendition::Said;
use crate::wire::frame::{HEADER_BYTES_MAX, OpCode, encode_header};

/// As many bytes as the frame of what was said has, or more.
#[inline]
pub(crate) fn encoded_bytes_max(encoding: Encoding, said: &Said<'_>) -> usize {
    let payload_bytes_max = match encoding {
        Encoding::Json => PushText::bytes_max(said),
        Encoding::Protobuf => PushMessage::bytes_max(said),
    };
    HEADER_BYTES_MAX + payload_bytes_max
}

/// Writes the frame of what was said to the front of `out`, and nothing behind it; returns its bytes.
/// Of what this protocol has no word for there is no frame, and nothing is written.
#[inline]
pub(crate) fn encode(encoding: Encoding, said: &Said<'_>, out: &mut [u8]) -> usize {
    match encoding {
        Encoding::Json => PushText::of(said).map_or(0, |text| frame(OpCode::Text, &text, out)),
        Encoding::Protobuf => {
            PushMessage::of(said).map_or(0, |message| frame(OpCode::Binary, &message, out))
        }
    }
}

fn frame(opcode: OpCode, payload: &impl Write, out: &mut [u8]) -> usize {
    let payload_bytes = payload.bytes();
    let (header, header_bytes) = encode_header(opcode, true, payload_bytes);
    let mut cursor = Cursor::new(out);
    cursor.put(&header[..header_bytes]);
    payload.write(&mut cursor);
    debug_assert_eq!(cursor.bytes(), header_bytes + payload_bytes);
    cursor.bytes()
}
