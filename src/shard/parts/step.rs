//! What a command of a client leads to, and in which form clients are answered.

use crate::protocol::centrifugo::Encoding;
use crate::protocol::centrifugo::codes::{Disconnect, ErrorCode};
use crate::room::rendition::Protocol;

/// What clients are told that they talk to.
pub(crate) const VERSION: &str = concat!("fanring ", env!("CARGO_PKG_VERSION"));

/// Whether the commands behind one may have their turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// They may: it was answered, or will be whatever they do.
    Done,
    /// They wait until it is answered.
    Waits,
    /// They wait, and so does it: it has had no turn.
    Later,
}

/// Why a command is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Declined {
    /// The reply says so.
    Error(ErrorCode),
    /// The connection ends with it.
    Close(Disconnect),
}

impl From<ErrorCode> for Declined {
    fn from(error: ErrorCode) -> Self {
        Self::Error(error)
    }
}

impl From<Disconnect> for Declined {
    fn from(disconnect: Disconnect) -> Self {
        Self::Close(disconnect)
    }
}

/// How messages are written for a client that reads `protocol`.
#[must_use]
pub(crate) fn encoding(protocol: Protocol) -> Encoding {
    match protocol {
        Protocol::Json => Encoding::Json,
        Protocol::Protobuf => Encoding::Protobuf,
        Protocol::Plain => unreachable!("a client has no plain messages"),
    }
}
