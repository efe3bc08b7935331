//! The forms in which a room's messages are sent, and who makes them.

use crate::id::Epoch;
use crate::message::{Event, Message};

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Verbatim, a frame each (docs/PROTOCOL.md).
    Plain,
    /// As pushes of Centrifugo's client protocol, in JSON.
    Json,
    /// The same in Protobuf.
    Protobuf,
}

/// Some of the protocols.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Protocols(u8);

impl Protocols {
    /// Adds one, if it is not among them.
    pub(super) fn insert(&mut self, protocol: Protocol) {
        self.0 |= 1 << protocol as u8;
    }

    /// Each of them.
    pub(super) fn iter(self) -> impl Iterator<Item = Protocol> {
        let all = [Protocol::Plain, Protocol::Json, Protocol::Protobuf];
        (all.into_iter()).filter(move |&protocol| self.0 & (1 << protocol as u8) != 0)
    }
}

/// Whether members hear of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notices {
    /// Of joins, leaves and member counts.
    With,
    /// Of messages only.
    Without,
}

/// The form in which a member is sent a room's messages: how they are written, and which of them there are. In a byte,
/// since each delivery compares two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rendition(Form);

/// A protocol, with notices or without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    PlainQuiet,
    Json,
    JsonQuiet,
    Protobuf,
    ProtobufQuiet,
}

impl Rendition {
    /// What a plain member reads that asks for nothing else.
    pub const PLAIN: Self = Self(Form::Plain);
    /// The same without notices.
    pub const PLAIN_QUIET: Self = Self(Form::PlainQuiet);

    /// Messages as `protocol` has them, and such notices.
    #[must_use]
    pub(crate) const fn new(protocol: Protocol, notices: Notices) -> Self {
        Self(match (protocol, notices) {
            (Protocol::Plain, Notices::With) => Form::Plain,
            (Protocol::Plain, Notices::Without) => Form::PlainQuiet,
            (Protocol::Json, Notices::With) => Form::Json,
            (Protocol::Json, Notices::Without) => Form::JsonQuiet,
            (Protocol::Protobuf, Notices::With) => Form::Protobuf,
            (Protocol::Protobuf, Notices::Without) => Form::ProtobufQuiet,
        })
    }

    /// How messages are written. Renditions of one protocol share their bytes in the log.
    #[must_use]
    #[inline]
    pub(crate) const fn protocol(self) -> Protocol {
        match self.0 {
            Form::Plain | Form::PlainQuiet => Protocol::Plain,
            Form::Json | Form::JsonQuiet => Protocol::Json,
            Form::Protobuf | Form::ProtobufQuiet => Protocol::Protobuf,
        }
    }

    /// Which of the notices there are.
    #[must_use]
    #[inline]
    pub(crate) const fn notices(self) -> Notices {
        match self.0 {
            Form::Plain | Form::Json | Form::Protobuf => Notices::With,
            Form::PlainQuiet | Form::JsonQuiet | Form::ProtobufQuiet => Notices::Without,
        }
    }

    /// Whether members that read it are sent `message`.
    #[must_use]
    #[inline]
    pub(crate) fn has(self, message: &Message<'_>) -> bool {
        match message.event {
            Event::Published { .. } => true,
            Event::Joined(_) | Event::Left(_) => self.notices() == Notices::With,
            // No other protocol has a word for it.
            Event::Members(_) => self == Self::PLAIN,
        }
    }
}

/// A message, and where it was said.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said<'a> {
    /// The room's name; empty where only plain members are told, who know it.
    pub(crate) room: &'a str,
    /// The incarnation of the room that the message's offset is of.
    pub(crate) epoch: Epoch,
    /// What happened.
    pub(crate) message: &'a Message<'a>,
    /// Whether the room keeps what is said, so that members are told offsets.
    pub(crate) has_history: bool,
}

/// Makes the bytes of messages. Rooms are handed one by whoever knows the protocols.
pub(crate) trait Encode {
    /// As many bytes as what was said takes, or more.
    fn encoded_bytes_max(&self, protocol: Protocol, said: &Said<'_>) -> usize;

    /// Writes the frame of what was said to the front of `out`, which is as long as
    /// [`Self::encoded_bytes_max`] says; returns its bytes. What lies behind them must not be
    /// touched: it may be the oldest of the log that somebody has yet to be sent.
    fn encode(&self, protocol: Protocol, said: &Said<'_>, out: &mut [u8]) -> usize;
}
