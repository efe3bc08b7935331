//! The forms in which a room's messages are sent, and who makes them.

use crate::message::Message;

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Verbatim, a frame each (docs/PROTOCOL.md).
    Plain,
}

impl Protocol {
    /// All there are.
    pub(crate) const ALL: [Self; 1] = [Self::Plain];
}

/// Whether members hear of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notices {
    /// Of joins, leaves and member counts.
    With,
    /// Of messages only.
    Without,
}

/// The form in which a member is sent a room's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rendition {
    /// How they are written. Those of one protocol share their bytes in the log.
    pub(crate) protocol: Protocol,
    /// Which of them there are.
    pub(crate) notices: Notices,
}

impl Rendition {
    /// What a plain member reads that asks for nothing else.
    pub const PLAIN: Self = Self {
        protocol: Protocol::Plain,
        notices: Notices::With,
    };
    /// The same without notices.
    pub const PLAIN_QUIET: Self = Self {
        notices: Notices::Without,
        ..Self::PLAIN
    };

    /// Whether members that read it are sent `message`.
    #[must_use]
    pub(crate) fn has(self, message: &Message<'_>) -> bool {
        self.notices == Notices::With || !message.is_notice()
    }
}

/// Makes the bytes of messages. Rooms are handed one by whoever knows the protocols.
pub(crate) trait Encode {
    /// As many bytes as `message` takes, or more.
    fn encoded_bytes_max(&self, protocol: Protocol, message: &Message<'_>) -> usize;

    /// Writes the frame of `message` to the front of `out`, which is as long as
    /// [`Self::encoded_bytes_max`] says; returns its bytes. What lies behind them must not be
    /// touched: it may be the oldest of the log that somebody has yet to be sent.
    fn encode(&self, protocol: Protocol, message: &Message<'_>, out: &mut [u8]) -> usize;
}
