//! Why a session ended, or why there never was one.

use std::{fmt, io};

use fanring::wire::close::CloseCode;
use fanring::wire::handshake::AnswerError;
use fanring::wire::message::WireError;

use crate::session::refusal::Refusal;

/// The longest response head that is read, in bytes.
pub(crate) const HEAD_BYTES_MAX: usize = 8192;

/// Why a session ended or never began.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The connection was never made.
    Connect(io::Error),
    /// The server answered the upgrade with another status than 101.
    Refused(Refusal),
    /// The response to the upgrade is not the one asked for.
    BadAnswer(AnswerError),
    /// The response to the upgrade does not end.
    LongHead,
    /// The connection ended before the response did.
    NoAnswer,
    /// The server said goodbye, with a code and a reason if it gave some.
    Closed(Option<CloseCode>, String),
    /// The connection ended without a goodbye.
    Dropped,
    /// The connection failed.
    Failed(io::Error),
    /// The server broke the protocol.
    Protocol(WireError),
    /// The server refuses what is spoken on the session.
    Unwanted(String),
    /// TLS failed.
    Tls(rustls::Error),
    /// The server answers in TLS.
    WantsTls,
}

impl Ending {
    /// The close code it counts as; 1005 for a goodbye without one and 1006 for none (RFC 6455
    /// section 7.1.5).
    pub(crate) fn code(&self) -> u16 {
        match self {
            Self::Closed(Some(code), _) => code.get(),
            Self::Closed(None, _) => 1005,
            _ => 1006,
        }
    }

    /// Leaves out of what the server said what it must not be told again.
    pub(crate) fn censor(&mut self, hide: impl Fn(&str) -> String) {
        match self {
            Self::Refused(refusal) => refusal.censor(hide),
            Self::Closed(_, said) | Self::Unwanted(said) => *said = hide(said),
            _ => {}
        }
    }

    /// The HTTP status that refused the handshake, if one did.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(refusal) => Some(refusal.status),
            _ => None,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                write!(f, "nobody listens there (connection refused)")
            }
            Self::Connect(error) => write!(f, "can't connect: {error}"),
            Self::Refused(refusal) => write!(f, "{refusal}"),
            Self::BadAnswer(error) => write!(f, "{error}"),
            Self::LongHead => write!(
                f,
                "the head of the server's answer is over {HEAD_BYTES_MAX} bytes"
            ),
            Self::NoAnswer => write!(f, "the server ended the connection instead of an answer"),
            Self::Closed(Some(code), reason) => {
                write!(f, "the server closed a session with code {code}")?;
                match reason.is_empty() {
                    true => Ok(()),
                    false => write!(f, ": {reason}"),
                }
            }
            Self::Closed(None, _) => write!(f, "the server closed a session without a code"),
            Self::Dropped => write!(f, "the server dropped a connection without a close frame"),
            Self::Failed(error) => write!(f, "a connection failed: {error}"),
            Self::Protocol(error) => write!(f, "the server broke the protocol: {error}"),
            Self::Unwanted(why) => write!(f, "{why}"),
            Self::Tls(error @ rustls::Error::InvalidCertificate(_)) => write!(
                f,
                "TLS failed: {error}: --ca names whom to trust, --insecure trusts anybody"
            ),
            Self::Tls(rustls::Error::InvalidMessage(_)) => {
                write!(
                    f,
                    "the server does not speak TLS there: want ws:// in --target"
                )
            }
            Self::Tls(error) => write!(f, "TLS failed: {error}"),
            Self::WantsTls => write!(f, "the server speaks TLS there: want wss:// in --target"),
        }
    }
}
