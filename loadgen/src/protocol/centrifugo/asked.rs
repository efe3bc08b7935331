//! What a server of Centrifugo's protocol is asked for, in whichever encoding.

/// A subscription. Strings are as the encoding has them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subscribe<'a> {
    pub(super) channel: &'a [u8],
    pub(super) token: Option<&'a [u8]>,
    /// Whether to be told who comes and goes.
    pub(super) wants_notices: bool,
}

impl<'a> Subscribe<'a> {
    /// To a channel, and nothing else.
    #[cfg(test)]
    pub(super) fn to(channel: &'a [u8]) -> Self {
        Self {
            channel,
            token: None,
            wants_notices: false,
        }
    }
}
