//! What a peer may do wrong between two handshakes, and the code it is told.

use thiserror::Error;

use crate::wire::close::CloseCode;
use crate::wire::frame::FrameError;
use crate::wire::utf8::InvalidUtf8;

/// What makes a connection fail (RFC 6455 section 7.1.7); see `WireError::close_code`.
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
    pub(crate) const fn close_code(&self) -> CloseCode {
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
