//! Frames in, messages out: fragmentation, control frames in between, text, size and close rules
//! (RFC 6455 sections 5.4, 5.5, 7 and 8.1).
//!
//! It answers nothing itself: pongs, close frames and what an error leads to are up to the caller.
//! Any split of the bytes costs time linear in their count, and a session between two messages
//! owns no buffer.

mod assembly;

use std::mem;

use thiserror::Error;

use self::assembly::Assembly;
pub use super::frame::Role;
use super::{
    close::CloseCode,
    frame::{self, FrameError, Header, OpCode},
    mask,
    utf8::{self, InvalidUtf8},
};

/// Whether a message is text or binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Valid UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

impl Kind {
    /// The opcode of a message of this kind.
    #[must_use]
    pub const fn opcode(self) -> OpCode {
        match self {
            Self::Text => OpCode::Text,
            Self::Binary => OpCode::Binary,
        }
    }
}

/// What a [`Reader`] must hold its peer to; the same for all sessions of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Which end reads.
    pub role: Role,
    /// The longest message accepted, in payload bytes over all its fragments.
    pub message_bytes_max: usize,
}

/// What a peer said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole message; the payload of a text is valid UTF-8.
    Message {
        /// Text or binary.
        kind: Kind,
        /// All of its bytes, unmasked.
        payload: &'a [u8],
    },
    /// To be answered with a pong of the same payload (at most 125 bytes).
    Ping(&'a [u8]),
    /// At most 125 bytes.
    Pong(&'a [u8]),
    /// The peer closes: its code, if it gave one, and its reason, which is valid UTF-8 of at most
    /// 123 bytes.
    Close(Option<CloseCode>, &'a [u8]),
}

/// What makes a connection fail (RFC 6455 section 7.1.7); see [`WireError::close_code`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum WireError {
    /// A header that is wrong by itself.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A continuation frame where no message is under way.
    #[error("a continuation frame came without a message to continue")]
    NothingToContinue,
    /// A text or binary frame within a fragmented message.
    #[error("a new message began before the fragmented one ended")]
    MessageInterrupted,
    /// The announced frame would make the message too long.
    #[error("a message of at least {bytes} bytes is over the limit of {message_bytes_max}")]
    TooBig {
        /// Bytes already assembled and those announced.
        bytes: u64,
        /// The limit it breaks.
        message_bytes_max: usize,
    },
    /// Text that is not UTF-8.
    #[error("a text message is not valid UTF-8")]
    TextNotUtf8,
    /// A close frame with half a code.
    #[error("a close frame has a payload of one byte, which is no code")]
    CloseCodeCut,
    /// A close code that must not be sent.
    #[error("close code {0} must not be sent")]
    CloseCodeInvalid(u16),
    /// A close reason that is not UTF-8.
    #[error("the reason of a close frame is not valid UTF-8")]
    CloseReasonNotUtf8,
}

impl WireError {
    /// The code to close the connection with.
    #[must_use]
    pub const fn close_code(&self) -> CloseCode {
        match self {
            Self::Frame(_)
            | Self::NothingToContinue
            | Self::MessageInterrupted
            | Self::CloseCodeCut
            | Self::CloseCodeInvalid(_) => CloseCode::PROTOCOL,
            Self::TooBig { .. } => CloseCode::TOO_BIG,
            Self::TextNotUtf8 | Self::CloseReasonNotUtf8 => CloseCode::INVALID_DATA,
        }
    }
}

impl From<InvalidUtf8> for WireError {
    fn from(InvalidUtf8: InvalidUtf8) -> Self {
        Self::TextNotUtf8
    }
}

/// The reading side of one session: a single pointer, which is null between messages.
#[derive(Debug, Default)]
pub struct Reader {
    assembly: Option<Box<Assembly>>,
}

impl Reader {
    /// Takes bytes off the front of `input` up to and including the next event; `None` when all
    /// of `input` is taken and more is needed.
    ///
    /// A frame that is a whole message and lies within `input` is unmasked in place and
    /// its payload borrowed from there. Everything else is copied once into a buffer that
    /// grows with what has arrived, never by what was only announced, and is freed by the next
    /// call; so call until `None`.
    ///
    /// # Errors
    /// A [`WireError`] as soon as the bytes show it: in particular too long a message at its
    /// header, and bad text at its first bad byte. After an error or [`Event::Close`] the reader
    /// must not be used any more.
    pub fn next<'event, 'input: 'event>(
        &'event mut self,
        input: &mut &'input mut [u8],
        rules: &Rules,
    ) -> Result<Option<Event<'event>>, WireError> {
        if self
            .assembly
            .as_mut()
            .is_some_and(|assembly| assembly.forget_delivered())
        {
            self.assembly = None;
        }
        if self.assembly.is_none() {
            if let Some(event) = whole_message(input, rules)? {
                return Ok(Some(event));
            }
            if input.is_empty() {
                return Ok(None);
            }
        }
        let assembly = self.assembly.get_or_insert_default();
        while !input.is_empty() {
            if let Some(opcode) = assembly.take(input, rules)? {
                return assembly.deliver(opcode).map(Some);
            }
        }
        Ok(None)
    }

    /// Whether the peer stands between two messages, where no buffer is owned. True only once
    /// [`Reader::next`] has returned `None`.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.assembly.is_none()
    }

    /// Bytes of heap this reader owns.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.assembly
            .as_ref()
            .map_or(0, |assembly| size_of::<Assembly>() + assembly.heap_bytes())
    }
}

/// Takes a frame that is an event by itself and whole within `input`; `None` leaves `input` as it is.
fn whole_message<'input>(
    input: &mut &'input mut [u8],
    rules: &Rules,
) -> Result<Option<Event<'input>>, WireError> {
    let Some(header) = frame::decode_header(input, rules.role)? else {
        return Ok(None);
    };
    let payload_bytes = admit(&header, None, rules)?;
    if !header.fin || input.len() - header.bytes < payload_bytes {
        return Ok(None);
    }
    let (frame, rest) = mem::take(input).split_at_mut(header.bytes + payload_bytes);
    *input = rest;
    let payload = &mut frame[header.bytes..];
    mask::apply(payload, header.key, 0);
    if header.opcode == OpCode::Text {
        utf8::check(payload)?;
    }
    event(header.opcode, payload).map(Some)
}

/// Checks a frame against what is under way (`assembled_bytes` of a fragmented message, or none)
/// and gives the length of its payload, which with the assembled bytes is within the limit.
fn admit(
    header: &Header,
    assembled_bytes: Option<usize>,
    rules: &Rules,
) -> Result<usize, WireError> {
    match (header.opcode, assembled_bytes) {
        (OpCode::Continuation, None) => return Err(WireError::NothingToContinue),
        (OpCode::Text | OpCode::Binary, Some(_)) => return Err(WireError::MessageInterrupted),
        _ => {}
    }
    let too_big = |bytes| WireError::TooBig {
        bytes,
        message_bytes_max: rules.message_bytes_max,
    };
    let payload_bytes =
        usize::try_from(header.payload_bytes).map_err(|_| too_big(header.payload_bytes))?;
    if header.opcode.is_control() {
        return Ok(payload_bytes);
    }
    let assembled_bytes = assembled_bytes.unwrap_or(0);
    if payload_bytes > rules.message_bytes_max.saturating_sub(assembled_bytes) {
        return Err(too_big(
            header.payload_bytes.saturating_add(assembled_bytes as u64),
        ));
    }
    Ok(payload_bytes)
}

/// The event that a whole, unmasked payload is. A continuation is none by itself: callers give
/// the opcode of the first fragment.
fn event(opcode: OpCode, payload: &[u8]) -> Result<Event<'_>, WireError> {
    match opcode {
        OpCode::Continuation => Err(WireError::NothingToContinue),
        OpCode::Text => Ok(Event::Message {
            kind: Kind::Text,
            payload,
        }),
        OpCode::Binary => Ok(Event::Message {
            kind: Kind::Binary,
            payload,
        }),
        OpCode::Ping => Ok(Event::Ping(payload)),
        OpCode::Pong => Ok(Event::Pong(payload)),
        OpCode::Close => close_event(payload),
    }
}

/// Reads the body of a close frame (RFC 6455 section 5.5.1).
fn close_event(payload: &[u8]) -> Result<Event<'_>, WireError> {
    let Some((&code, reason)) = payload.split_first_chunk() else {
        let empty = payload.is_empty();
        return if empty {
            Ok(Event::Close(None, b""))
        } else {
            Err(WireError::CloseCodeCut)
        };
    };
    let code = u16::from_be_bytes(code);
    let valid = CloseCode::new(code).ok_or(WireError::CloseCodeInvalid(code))?;
    utf8::check(reason).map_err(|InvalidUtf8| WireError::CloseReasonNotUtf8)?;
    Ok(Event::Close(Some(valid), reason))
}

#[cfg(test)]
mod tests;
