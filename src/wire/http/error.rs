//! Why a request head can't be understood, and what answers it.

use thiserror::Error;

use super::refusal::Refusal;

/// The most header fields in a request; more get 431.
pub const HEADERS_MAX: usize = 100;

/// Why a head can't be understood; see [`HttpError::refusal`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum HttpError {
    /// Not HTTP/1.x, or cut.
    #[error("The request head is not well-formed HTTP/1.1: {0}.")]
    Malformed(&'static str),
    /// Nothing that becomes a request line: another protocol, TLS as a rule.
    #[error(
        "This is no HTTP: the port speaks plain HTTP and WebSocket, so use http:// or ws://, or put a \
         proxy that ends TLS in front of it."
    )]
    NoHttp,
    /// More bytes than the server takes.
    #[error(
        "The request head is over {head_bytes_max} bytes: send fewer or shorter headers, or start the \
         server with a larger --head-bytes-max."
    )]
    HeadTooLong {
        /// What it takes.
        head_bytes_max: usize,
    },
    /// More than [`HEADERS_MAX`] fields.
    #[error("The request has over {HEADERS_MAX} header fields: send fewer.")]
    TooManyHeaders,
    /// Neither HTTP/1.0 nor HTTP/1.1.
    #[error("This server speaks HTTP/1.1: use that version.")]
    Version,
}

impl HttpError {
    /// The status that answers it: 400, 431 or 505.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed(_) | Self::NoHttp => 400,
            Self::HeadTooLong { .. } | Self::TooManyHeaders => 431,
            Self::Version => 505,
        }
    }

    /// The response that answers it.
    #[must_use]
    pub fn refusal(self) -> Refusal {
        Refusal::new(self.status(), self.to_string())
    }
}
