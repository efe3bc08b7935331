//! Close codes and close frames (RFC 6455 sections 5.5.1 and 7.4).

use std::fmt;

use super::frame::{self, CONTROL_BYTES_MAX, OpCode};

/// The longest reason a close frame has room for, in bytes.
pub(crate) const REASON_BYTES_MAX: usize = CONTROL_BYTES_MAX - 2;

/// A close code that may stand in a close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// The connection served its purpose.
    pub const NORMAL: Self = Self(1000);
    /// The server stops, or the page was left.
    pub(crate) const GOING_AWAY: Self = Self(1001);
    /// The peer was silent for too long; no code of its own is registered for that.
    pub(crate) const IDLE: Self = Self::GOING_AWAY;
    /// The peer broke the protocol.
    pub(crate) const PROTOCOL: Self = Self(1002);
    /// A text was not UTF-8.
    pub(crate) const INVALID_DATA: Self = Self(1007);
    /// The peer did what it may not do here.
    pub(crate) const POLICY: Self = Self(1008);
    /// A message was longer than allowed.
    pub(crate) const TOO_BIG: Self = Self(1009);
    /// The server is overloaded; try again later.
    pub(crate) const TRY_AGAIN_LATER: Self = Self(1013);
    /// The session read more slowly than its room published (Fanring's own code).
    pub(crate) const SLOW: Self = Self(4001);
    /// The token that the session came in by has ended (Fanring's own code).
    pub(crate) const EXPIRED: Self = Self(4002);

    /// The code, or `None` when it must not be sent: outside 1000 to 4999, not assigned (1004,
    /// 1016 to 2999), or reserved for reports that never travel (1005, 1006, 1015).
    #[must_use]
    pub(crate) const fn new(code: u16) -> Option<Self> {
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
pub(crate) fn append_close_frame(out: &mut Vec<u8>, code: CloseCode, reason: &str) {
    let reason = &reason[..reason.floor_char_boundary(REASON_BYTES_MAX)];
    let (header, bytes) = frame::encode_header(OpCode::Close, true, 2 + reason.len());
    out.extend_from_slice(&header[..bytes]);
    out.extend_from_slice(&code.get().to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::{CloseCode, REASON_BYTES_MAX, append_close_frame};

    /// Goal: the codes that may travel are those of RFC 6455 section 7.4 and the IANA registry.
    #[test]
    fn knows_which_codes_may_travel() {
        for code in 0..=u16::MAX {
            let valid = matches!(
                code,
                1000 | 1001 | 1002 | 1003 | 1007 | 1008 | 1009 | 1010 | 1011 | 1012 | 1013 | 1014
            ) || (3000..5000).contains(&code);
            assert_eq!(CloseCode::new(code).is_some(), valid, "{code}");
        }
        assert_eq!(CloseCode::new(1009), Some(CloseCode::TOO_BIG));
        assert_eq!(CloseCode::SLOW.to_string(), "4001");
    }

    /// Goal: every constant may travel.
    #[test]
    fn constants_may_travel() {
        for code in [
            CloseCode::NORMAL,
            CloseCode::GOING_AWAY,
            CloseCode::IDLE,
            CloseCode::PROTOCOL,
            CloseCode::INVALID_DATA,
            CloseCode::POLICY,
            CloseCode::TOO_BIG,
            CloseCode::TRY_AGAIN_LATER,
            CloseCode::SLOW,
        ] {
            assert_eq!(CloseCode::new(code.get()), Some(code));
        }
    }

    /// Goal: a close frame is its code in network order and then the reason.
    #[test]
    fn writes_code_and_reason() {
        let mut out = b"before".to_vec();
        append_close_frame(&mut out, CloseCode::GOING_AWAY, "bye");
        assert_eq!(out, b"before\x88\x05\x03\xe9bye");
    }

    /// Goal: a reason that is too long ends between two characters, so that it stays UTF-8.
    #[test]
    fn cuts_the_reason_between_characters() {
        for (reason, kept) in [
            ("x".repeat(123), 123),
            ("x".repeat(124), 123),
            ("é".repeat(62), 122),
            ("€".repeat(200), 123),
            (format!("x{}", "🦀".repeat(40)), 121),
        ] {
            assert!(kept <= REASON_BYTES_MAX);
            let mut out = Vec::new();
            append_close_frame(&mut out, CloseCode::NORMAL, &reason);
            assert_eq!(usize::from(out[1]), kept + 2);
            assert_eq!(std::str::from_utf8(&out[4..]), Ok(&reason[..kept]));
        }
    }
}
