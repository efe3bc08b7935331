//! Close codes and close frames (RFC 6455 sections 5.5.1 and 7.4).

use std::fmt;

use super::frame::{self, CONTROL_BYTES_MAX, OpCode};

/// The longest reason a close frame has room for, in bytes.
pub const REASON_BYTES_MAX: usize = CONTROL_BYTES_MAX - 2;

/// A close code that may stand in a close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// The connection served its purpose.
    pub const NORMAL: Self = Self(1000);
    /// The server stops, or the page was left.
    pub const GOING_AWAY: Self = Self(1001);
    /// The peer was silent for too long; no code of its own is registered for that.
    pub const IDLE: Self = Self::GOING_AWAY;
    /// The peer broke the protocol.
    pub const PROTOCOL: Self = Self(1002);
    /// The peer sent a kind of data that is not accepted.
    pub const UNSUPPORTED: Self = Self(1003);
    /// A text was not UTF-8.
    pub const INVALID_DATA: Self = Self(1007);
    /// The peer broke a rule that has no code of its own.
    pub const POLICY: Self = Self(1008);
    /// A message was longer than allowed.
    pub const TOO_BIG: Self = Self(1009);
    /// The server failed.
    pub const INTERNAL: Self = Self(1011);
    /// The server is overloaded; try again later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// The session read more slowly than its room published (Fanring's own code).
    pub const SLOW: Self = Self(4001);

    /// The code, or `None` when it must not be sent: outside 1000 to 4999, not assigned (1004,
    /// 1016 to 2999), or reserved for reports that never travel (1005, 1006, 1015).
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Appends an unmasked close frame. The reason is cut to [`REASON_BYTES_MAX`] bytes between two
/// characters.
pub fn append_close_frame(out: &mut Vec<u8>, code: CloseCode, reason: &str) {
    let reason = &reason[..reason.floor_char_boundary(REASON_BYTES_MAX)];
    let (header, bytes) = frame::encode_header(OpCode::Close, true, 2 + reason.len());
    out.extend_from_slice(&header[..bytes]);
    out.extend_from_slice(&code.get().to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
}
