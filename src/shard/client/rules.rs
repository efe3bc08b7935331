//! What a client may do, and how it is kept.

use std::time::Duration;

use crate::protocol::centrifugo::codes::{Disconnect, ErrorCode};
use crate::protocol::centrifugo::command::Subscribe;
use crate::room::rendition::Notices;
use crate::session::client::Standing;
use crate::shard::Shard;
use crate::shard::parts::permit::{Manners, Permit};
use crate::shard::parts::step::Declined;

/// The longest name of a channel, in bytes.
const CHANNEL_BYTES_MAX: usize = 255;

impl Shard {
    /// How clients are kept.
    pub(in crate::shard) fn manners(&self) -> Manners {
        Manners {
            message_bytes_max: 64 << 10,
            stale_close_delay: Duration::from_secs(10),
            ping_interval: Duration::from_secs(25),
            pong_timeout: Duration::from_secs(8),
            channel_limit: 128,
            history_max_publication_limit: 300,
        }
    }

    /// Whether a channel can have that name.
    pub(super) fn check_channel(&self, channel: &str) -> Result<(), Declined> {
        if channel.is_empty() {
            return Err(Disconnect::BadRequest.into());
        }
        if channel.len() > CHANNEL_BYTES_MAX || !channel.is_ascii() {
            return Err(ErrorCode::BadRequest.into());
        }
        Ok(())
    }

    /// Whether a client may be in a room, and how.
    pub(super) fn permit_subscribe(&self, subscribe: &Subscribe<'_>) -> Result<Permit, Declined> {
        if !subscribe.token.is_empty() || subscribe.channel.starts_with('$') {
            return Err(ErrorCode::PermissionDenied.into());
        }
        Ok(Permit {
            notices: match subscribe.join_leave {
                true => Notices::With,
                false => Notices::Without,
            },
            standing: Standing::Recoverable,
        })
    }
}
