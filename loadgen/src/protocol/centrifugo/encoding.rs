//! The two encodings of Centrifugo's protocol as one: what is said in each, and what is heard.

use fanring::wire::message::Kind;

use super::asked::{Offsets, Subscribe};
use super::heard::Heard;
use super::{json, protobuf};

/// Numbers of the first commands; publishes go on from there.
pub(super) const CONNECT_ID: u32 = 1;
pub(super) const SUBSCRIBE_ID: u32 = 2;

/// See the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Json,
    Protobuf,
}

impl Encoding {
    /// Of its messages.
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Json => Kind::Text,
            Self::Protobuf => Kind::Binary,
        }
    }

    /// What answers a ping.
    pub(super) fn pong(self) -> &'static [u8] {
        match self {
            Self::Json => json::PONG,
            Self::Protobuf => protobuf::PONG,
        }
    }

    /// A string as commands have it.
    pub(super) fn string(self, bytes: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Json => json::string(&bytes),
            Self::Protobuf => bytes,
        }
    }

    pub(super) fn connect(self, token: Option<&[u8]>) -> Vec<u8> {
        match self {
            Self::Json => json::connect(CONNECT_ID, token),
            Self::Protobuf => protobuf::connect(CONNECT_ID, token),
        }
    }

    pub(super) fn subscribe(self, request: &Subscribe<'_>) -> Vec<u8> {
        match self {
            Self::Json => json::subscribe(SUBSCRIBE_ID, request),
            Self::Protobuf => protobuf::subscribe(SUBSCRIBE_ID, request),
        }
    }

    /// Takes a frame apart. `usual` is as [`json::usual`] has it.
    ///
    /// # Errors
    /// What `each` says, or that it can't be read.
    pub(super) fn hear<'a>(
        self,
        frame: &'a [u8],
        (usual, offsets): (&[u8], Offsets),
        each: impl FnMut(Heard<'a>) -> Result<(), String>,
    ) -> Result<(), String> {
        match self {
            Self::Json => json::hear(frame, (usual, offsets), each),
            Self::Protobuf => protobuf::hear(frame, each),
        }
    }
}
