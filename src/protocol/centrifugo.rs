//! The bidirectional protocol of Centrifugo's client SDKs: commands come in, replies and pushes go
//! out, in JSON or in Protobuf.
//!
//! It knows what the bytes say. What a command leads to, and when anything is said, is decided above.

pub mod codes;
pub mod command;
pub mod decode;
pub mod encode;
pub mod payload;
pub mod reply;

pub(super) mod push;

mod json;
mod protobuf;
mod sink;

/// How a session's messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Texts: one JSON value for each message, with line feeds in between.
    Json,
    /// Binary messages: the length of each as a varint, and then its fields.
    Protobuf,
}

#[cfg(test)]
mod tests;
