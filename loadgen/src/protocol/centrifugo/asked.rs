//! What a server of Centrifugo's protocol is asked for, in whichever encoding.

use crate::protocol::seam::Position;

/// Whether the offsets of publications matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offsets {
    Kept,
    Ignored,
}

/// A subscription. Strings are as the encoding has them, but in the position.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subscribe<'a> {
    pub(super) channel: &'a [u8],
    pub(super) token: Option<&'a [u8]>,
    /// Whether to be told who comes and goes.
    pub(super) wants_notices: bool,
    /// Whether to be told the position, so that one may come back to it.
    pub(super) offsets: Offsets,
    /// Where the session stood that comes back.
    pub(super) since: Option<&'a Position>,
}

impl<'a> Subscribe<'a> {
    /// To a channel, and nothing else.
    #[cfg(test)]
    pub(super) fn to(channel: &'a [u8]) -> Self {
        Self {
            channel,
            token: None,
            wants_notices: false,
            offsets: Offsets::Ignored,
            since: None,
        }
    }
}
