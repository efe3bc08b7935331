//! What clients may do, and how they are kept.

use std::time::Duration;

use crate::room::rendition::Notices;
use crate::session::client::Standing;

/// How clients are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manners {
    /// The longest message of a client.
    pub(crate) message_bytes_max: usize,
    /// How long a client may take to say who it is.
    pub(crate) stale_close_delay: Duration,
    /// How often it is pinged.
    pub(crate) ping_interval: Duration,
    /// How long it may take to answer.
    pub(crate) pong_timeout: Duration,
    /// Rooms that it may be in at a time.
    pub(crate) channel_limit: usize,
    /// Publications that it is told in one reply.
    pub(crate) history_max_publication_limit: i32,
}

/// That a client may be in a room, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Permit {
    /// Whether it hears of others who come and go.
    pub(crate) notices: Notices,
    /// Whether it is told where the room's history stands.
    pub(crate) standing: Standing,
}
