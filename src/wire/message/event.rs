//! What a peer says with a message or a control frame.

use super::error::WireError;
use crate::wire::close::CloseCode;
use crate::wire::frame::OpCode;
use crate::wire::utf8::{self, InvalidUtf8};

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

impl<'a> Event<'a> {
    /// The event that a whole, unmasked payload is. A continuation is none by itself: callers give
    /// the opcode of the first fragment.
    pub(super) fn of(opcode: OpCode, payload: &'a [u8]) -> Result<Self, WireError> {
        match opcode {
            OpCode::Continuation => Err(WireError::NothingToContinue),
            OpCode::Text => Ok(Self::Message {
                kind: Kind::Text,
                payload,
            }),
            OpCode::Binary => Ok(Self::Message {
                kind: Kind::Binary,
                payload,
            }),
            OpCode::Ping => Ok(Self::Ping(payload)),
            OpCode::Pong => Ok(Self::Pong(payload)),
            OpCode::Close => close_event(payload),
        }
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
