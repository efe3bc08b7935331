//! What happened in a room, before anybody has made a frame of it.
//!
//! A `Message` says it, a [`Run`] holds several in their order: that is what is staged, crosses
//! the mesh and is put in order. Which bytes a member is sent for it is not known here.

mod run;

use uuid::Uuid;

pub use self::run::{Run, Slice};
use crate::id::{MemberId, Offset};
use crate::wire::message::Kind;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// Somebody said something.
    Published(Kind, &'a [u8]),
    /// A member joined.
    Joined(Uuid),
    /// A member left.
    Left(Uuid),
    /// So many members take part in presence.
    Members(u32),
}

/// Something that happened in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    /// What.
    pub(crate) event: Event<'a>,
    /// The session that is not to get it.
    pub(crate) origin: Option<MemberId>,
    /// Its place among what was published in the room, once it has one; notices have none.
    pub(crate) offset: Option<Offset>,
}

impl<'a> Message<'a> {
    /// Something that has no place in the order yet.
    #[must_use]
    pub(crate) const fn new(event: Event<'a>, origin: Option<MemberId>) -> Self {
        Self {
            event,
            origin,
            offset: None,
        }
    }

    /// Whether it is about members and not from one.
    #[must_use]
    pub(crate) const fn is_notice(&self) -> bool {
        !matches!(self.event, Event::Published(..))
    }
}
