//! The rules of limits that are memory alone.

use std::num::NonZeroUsize;

use super::{CliError, Layers, broken, units, value};
use crate::config::{Config, SESSION_BUFFERS_MIN};

/// At least four of the largest messages, or a few that arrive at once would end each other.
pub(super) fn session_buffers_max(
    layers: &Layers,
    shards: NonZeroUsize,
    connections_max: usize,
    message_bytes_max: usize,
) -> Result<usize, CliError> {
    let Some((asked, given)) = value(layers, "session_buffers_max", units::bytes)? else {
        return Ok(Config::session_buffers_for(
            shards.get(),
            connections_max,
            message_bytes_max,
        ));
    };
    let least = SESSION_BUFFERS_MIN.max(message_bytes_max.saturating_mul(4));
    if asked < least {
        let problem = format!(
            "which is less than four of the largest messages or 1MiB; raise it to {least} or more, or \
             lower --message-bytes-max"
        );
        return Err(broken(given, problem));
    }
    Ok(asked)
}
