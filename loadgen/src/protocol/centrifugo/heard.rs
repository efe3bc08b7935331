//! What a server of Centrifugo's protocol says, in whichever encoding.

use crate::protocol::seam::{Notice, Position};

/// One message of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard<'a> {
    /// Wants an answer, if the server has said so.
    Ping,
    /// Somebody published in the channel; the payload is in here. The offset is there if it matters and there is one.
    Publication {
        bytes: &'a [u8],
        offset: Option<u64>,
    },
    /// The answer to the command with this number.
    Answer { id: u32, answer: Answer<'a> },
    /// Somebody came, or went.
    Noticed(Notice),
    /// The channel was taken away, and why.
    Unsubscribed(Reason),
    /// Anything else, such as a message of the server's.
    Other(&'a [u8]),
}

/// What a command is answered with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer<'a> {
    Refused(Reason),
    Connected {
        /// Pings are to be answered.
        wants_pong: bool,
    },
    Subscribed(Subscribed<'a>),
    /// Something else was done.
    Done,
}

/// The answer to a subscribe command.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Subscribed<'a> {
    /// Where the session stands, if it may come back to that; before what it had missed.
    pub(super) position: Option<Position>,
    /// It is given all that it had missed.
    pub(super) is_recovered: bool,
    /// Where the payloads of that are.
    pub(super) missed: Vec<&'a [u8]>,
    /// The offset of the last of it, if there is any.
    pub(super) last_offset: Option<u64>,
}

/// An error, or the reason for an end.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reason {
    pub(super) code: u32,
    pub(super) text: String,
}

impl Reason {
    /// As people read it.
    pub(super) fn told(&self) -> String {
        format!("{} {}", self.code, self.text)
    }
}
