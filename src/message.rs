//! What happened in a room, before anybody has made a frame of it.
//!
//! A `Message` says it, a [`Run`] holds several in their order: that is what is staged, crosses
//! the mesh and is put in order. Which bytes a member is sent for it is not known here.

mod info;
mod run;

pub(crate) use self::info::Info;
pub use self::run::{Run, Slice};
use crate::id::{MemberId, Offset, Ticket};

/// How what was published is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Text, whatever it says.
    Text,
    /// Any bytes.
    Binary,
    /// One JSON value, without newlines.
    Json,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// Somebody said something.
    Published {
        /// How it is to be read.
        form: Form,
        /// What was said.
        data: &'a [u8],
        /// Who said it, if that is to be known.
        info: Option<Info<'a>>,
    },
    /// A member joined.
    Joined(Info<'a>),
    /// A member left.
    Left(Info<'a>),
    /// So many members take part in presence.
    Members(u32),
}

/// What the home of a room does with where a message came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nothing: everybody gets it, and nobody waits for word of it.
    Nobody,
    /// This session is not to get it where it reads the plain protocol.
    Exclude(MemberId),
    /// This session is told once the message has its place.
    Acknowledge {
        /// Which session.
        member: MemberId,
        /// Which of its messages.
        ticket: Ticket,
    },
}

/// Something that happened in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    /// What.
    pub(crate) event: Event<'a>,
    /// Where it came from.
    pub(crate) origin: Origin,
    /// Its place among what was published in the room, once it has one; notices have none.
    pub(crate) offset: Option<Offset>,
}

impl<'a> Message<'a> {
    /// Something that has no place in the order yet.
    #[must_use]
    pub(crate) const fn new(event: Event<'a>, origin: Origin) -> Self {
        Self {
            event,
            origin,
            offset: None,
        }
    }

    /// The session that is not to get it.
    #[must_use]
    pub(crate) const fn excluded(&self) -> Option<MemberId> {
        match self.origin {
            Origin::Exclude(member) => Some(member),
            Origin::Nobody | Origin::Acknowledge { .. } => None,
        }
    }
}

impl Message<'_> {
    /// Whether it is about members and not from one.
    #[must_use]
    pub(crate) const fn is_notice(&self) -> bool {
        !matches!(self.event, Event::Published { .. })
    }
}

#[cfg(test)]
impl<'a> Event<'a> {
    /// Something that nobody in particular said.
    pub(crate) const fn said(form: Form, data: &'a [u8]) -> Self {
        Self::Published {
            form,
            data,
            info: None,
        }
    }
}
