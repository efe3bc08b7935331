//! Who is in a room, as members of it are told.

use std::sync::Arc;

use uuid::Uuid;

use crate::message::Info;

/// What the application says of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct About {
    user: String,
    connection: Vec<u8>,
    channel: Vec<u8>,
}

impl About {
    /// Of `user`, and what is told of the connection and of its place in the room: JSON or bytes,
    /// empty when it is nothing. `None` when it is more than a message may carry.
    #[must_use]
    pub(crate) fn new(user: &str, connection: &[u8], channel: &[u8]) -> Option<Self> {
        let packed = Info::packed_bytes(user.len(), connection.len(), channel.len());
        (packed <= Info::PACKED_BYTES_MAX).then(|| Self {
            user: user.to_owned(),
            connection: connection.to_vec(),
            channel: channel.to_vec(),
        })
    }

    /// The same as a message carries it, of the session called `client`.
    #[must_use]
    pub(crate) fn info(&self, client: Uuid) -> Info<'_> {
        Info {
            client,
            user: &self.user,
            connection: &self.connection,
            channel: &self.channel,
        }
    }
}

/// Somebody who is in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// The session's public name.
    pub(crate) client: Uuid,
    /// What is known of it besides.
    pub(crate) about: Option<Arc<About>>,
}
