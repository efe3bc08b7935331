//! Frame headers, in both directions (RFC 6455 section 5.2).
//!
//! Knows one header at a time; what sequences of frames mean is [`super::message`]'s business.

use thiserror::Error;

use super::mask;

/// The longest header: two bytes, a 64-bit length and a masking key.
pub const HEADER_BYTES_MAX: usize = 14;
/// The longest payload of a control frame (RFC 6455 section 5.5).
pub(crate) const CONTROL_BYTES_MAX: usize = 125;

const FIN: u8 = 0x80;
const RESERVED_BITS: u8 = 0x70;
const MASKED: u8 = 0x80;

/// What a frame is (RFC 6455 section 11.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum OpCode {
    /// A further fragment of the message that is under way.
    Continuation = 0x0,
    /// A text message, or its first fragment.
    Text = 0x1,
    /// A binary message, or its first fragment.
    Binary = 0x2,
    /// The start of, or the answer to, the close handshake.
    Close = 0x8,
    /// To be answered with a pong of the same payload.
    Ping = 0x9,
    /// An answer to a ping, or a heartbeat nobody asked for.
    Pong = 0xa,
}

impl OpCode {
    /// Whether frames of this kind stand between fragments and have at most
    /// `CONTROL_BYTES_MAX` bytes.
    #[must_use]
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }

    const fn decode(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            _ => return None,
        })
    }
}

/// Which end of the connection reads the frames; it decides who must mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Reads frames of a client, which are all masked.
    Server,
    /// Reads frames of a server, none of which is masked.
    Client,
}

/// A header that breaks the protocol; all of these close with 1002.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum FrameError {
    /// RSV1, RSV2 or RSV3 is set.
    #[error("a frame has a reserved bit set, but no extension was negotiated")]
    ReservedBits,
    /// Opcodes 3 to 7 and 11 to 15 mean nothing yet.
    #[error("frame opcode {0} is reserved")]
    ReservedOpCode(u8),
    /// A control frame without FIN.
    #[error("a control frame must not be fragmented")]
    FragmentedControl,
    /// A control frame that announces 126 bytes or more.
    #[error("a control frame has at most 125 bytes of payload")]
    ControlTooLong,
    /// A client sent a frame in the clear.
    #[error("frames of a client must be masked")]
    Unmasked,
    /// A server masked a frame.
    #[error("frames of a server must not be masked")]
    Masked,
    /// A length that a shorter form could have said.
    #[error("a frame's length must use the shortest form")]
    LengthNotMinimal,
    /// A 64-bit length of 2^63 or more.
    #[error("a frame's 64-bit length must have its top bit clear")]
    LengthTopBit,
}

/// A decoded header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the frame is.
    pub opcode: OpCode,
    /// Whether it ends its message.
    pub fin: bool,
    /// The masking key; zero in an unmasked frame, where applying it changes nothing.
    pub key: [u8; 4],
    /// Announced length of the payload in bytes, below 2^63.
    pub payload_bytes: u64,
    /// Length of this header in bytes: 2 to [`HEADER_BYTES_MAX`].
    pub bytes: usize,
}

/// Decodes the header at the start of `bytes`; `None` when more bytes are needed.
///
/// # Errors
/// A [`FrameError`] as soon as the bytes at hand show it, even if the header is not whole.
#[inline]
pub fn decode_header(bytes: &[u8], role: Role) -> Result<Option<Header>, FrameError> {
    let Some(&first) = bytes.first() else {
        return Ok(None);
    };
    if first & RESERVED_BITS != 0 {
        return Err(FrameError::ReservedBits);
    }
    let opcode = OpCode::decode(first & 0xf).ok_or(FrameError::ReservedOpCode(first & 0xf))?;
    let fin = first & FIN != 0;
    if opcode.is_control() && !fin {
        return Err(FrameError::FragmentedControl);
    }
    let Some(&second) = bytes.get(1) else {
        return Ok(None);
    };
    match (role, second & MASKED != 0) {
        (Role::Server, false) => return Err(FrameError::Unmasked),
        (Role::Client, true) => return Err(FrameError::Masked),
        (Role::Server, true) | (Role::Client, false) => {}
    }
    if opcode.is_control() && second & !MASKED > 125 {
        return Err(FrameError::ControlTooLong);
    }
    let Some((payload_bytes, length_bytes)) = decode_length(second & !MASKED, &bytes[2..])? else {
        return Ok(None);
    };
    let mut at = 2 + length_bytes;
    let mut key = [0; 4];
    if role == Role::Server {
        let Some(found) = bytes[at..].first_chunk() else {
            return Ok(None);
        };
        key = *found;
        at += key.len();
    }
    Ok(Some(Header {
        opcode,
        fin,
        key,
        payload_bytes,
        bytes: at,
    }))
}

/// The payload length that `short` (7 bits) and the bytes after it announce, and how many of those
/// bytes say it; `None` when more are needed.
fn decode_length(short: u8, after: &[u8]) -> Result<Option<(u64, usize)>, FrameError> {
    match short {
        126 => {
            let Some(&long) = after.first_chunk() else {
                return Ok(None);
            };
            let bytes = u16::from_be_bytes(long);
            if bytes < 126 {
                return Err(FrameError::LengthNotMinimal);
            }
            Ok(Some((u64::from(bytes), 2)))
        }
        127 => {
            let Some(&long) = after.first_chunk() else {
                return Ok(None);
            };
            let bytes = u64::from_be_bytes(long);
            if bytes >> 63 != 0 {
                return Err(FrameError::LengthTopBit);
            }
            if bytes <= u64::from(u16::MAX) {
                return Err(FrameError::LengthNotMinimal);
            }
            Ok(Some((bytes, 8)))
        }
        _ => Ok(Some((u64::from(short), 0))),
    }
}

/// Total length (header and payload, in bytes) of the unmasked frame that starts `bytes`, which
/// need not hold all of it; `None` when the header is cut or is not one that
/// [`encode_header`] writes.
#[must_use]
pub fn frame_bytes(bytes: &[u8]) -> Option<usize> {
    let header = decode_header(bytes, Role::Client).ok()??;
    header
        .bytes
        .checked_add(usize::try_from(header.payload_bytes).ok()?)
}

/// The header of an unmasked frame, as a server sends it: the array's first so many bytes.
#[must_use]
pub fn encode_header(
    opcode: OpCode,
    fin: bool,
    payload_bytes: usize,
) -> ([u8; HEADER_BYTES_MAX], usize) {
    let mut header = [0; HEADER_BYTES_MAX];
    header[0] = opcode as u8 | if fin { FIN } else { 0 };
    let bytes = if let Ok(short @ 0..=125) = u8::try_from(payload_bytes) {
        header[1] = short;
        2
    } else if let Ok(long) = u16::try_from(payload_bytes) {
        header[1] = 126;
        header[2..4].copy_from_slice(&long.to_be_bytes());
        4
    } else {
        header[1] = 127;
        header[2..10].copy_from_slice(&(payload_bytes as u64).to_be_bytes());
        10
    };
    (header, bytes)
}

/// The header of a masked frame, as a client sends it: the array's first so many bytes. The
/// payload must then be masked with the same `key`, see [`mask::apply`].
#[must_use]
pub fn encode_masked_header(
    opcode: OpCode,
    fin: bool,
    payload_bytes: usize,
    key: [u8; 4],
) -> ([u8; HEADER_BYTES_MAX], usize) {
    let (mut header, bytes) = encode_header(opcode, fin, payload_bytes);
    header[1] |= MASKED;
    header[bytes..bytes + 4].copy_from_slice(&key);
    (header, bytes + 4)
}

/// Appends a whole unmasked frame with FIN set.
pub fn append_frame(out: &mut Vec<u8>, opcode: OpCode, payload: &[u8]) {
    let (header, bytes) = encode_header(opcode, true, payload.len());
    out.reserve(bytes + payload.len());
    out.extend_from_slice(&header[..bytes]);
    out.extend_from_slice(payload);
}

/// Appends a whole masked frame, for clients; `fin` ends the message.
pub fn append_masked_frame(
    out: &mut Vec<u8>,
    opcode: OpCode,
    fin: bool,
    payload: &[u8],
    key: [u8; 4],
) {
    let (header, bytes) = encode_masked_header(opcode, fin, payload.len(), key);
    out.reserve(bytes + payload.len());
    out.extend_from_slice(&header[..bytes]);
    let start = out.len();
    out.extend_from_slice(payload);
    mask::apply(&mut out[start..], key, 0);
}

#[cfg(test)]
mod tests;
