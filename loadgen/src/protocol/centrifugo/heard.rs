//! What a server of Centrifugo's protocol says, in whichever encoding.

use crate::protocol::seam::Notice;

/// One message of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard<'a> {
    /// Wants an answer, if the server has said so.
    Ping,
    /// Somebody published in the channel; the payload is in here.
    Publication(&'a [u8]),
    /// The answer to the command with this number.
    Answer {
        id: u32,
        /// What the server says if it refuses.
        refusal: Option<String>,
        /// In the answer to the connect command: pings are to be answered.
        wants_pong: bool,
    },
    /// Somebody came, or went.
    Noticed(Notice),
    /// The channel was taken away, and why.
    Unsubscribed(String),
    /// Anything else, such as a message of the server's.
    Other(&'a [u8]),
}

/// An error, or the reason for an end, as people read it.
pub(super) fn told(code: u32, text: &str) -> String {
    format!("{code} {text}")
}
