//! The settings of what is served besides WebSockets.

use std::time::Duration;

use super::{broken, value};
use crate::cli::error::CliError;
use crate::cli::layers::Layers;
use crate::cli::units;
use crate::config::{Config, DURATION_MAX, WEB_CONNECTIONS_MIN};
use crate::process::Machine;

/// At most a quarter of the descriptors: each may take two, and sessions need the rest.
pub(super) fn connections_max(layers: &Layers, machine: &Machine) -> Result<usize, CliError> {
    let Some((asked, given)) = value(layers, "http_connections_max", units::count)? else {
        return Ok(Config::web_connections_for(machine.descriptors_max));
    };
    if asked < WEB_CONNECTIONS_MIN {
        let problem = format!(
            "which is too few for a browser or two; raise it to {WEB_CONNECTIONS_MIN} or more"
        );
        return Err(broken(given, problem));
    }
    let descriptors_max = machine.descriptors_max;
    if asked > descriptors_max / 4 {
        let problem = format!(
            "but each may take two of {descriptors_max} descriptors, which sessions need too; \
             lower it to {}, or raise the limit with ulimit -Hn or LimitNOFILE=",
            descriptors_max / 4
        );
        return Err(broken(given, problem));
    }
    Ok(asked)
}

/// No time at all is a time here: whoever has no load balancer may want a quick end.
pub(super) fn drain_timeout(layers: &Layers, default: Duration) -> Result<Duration, CliError> {
    let Some((asked, given)) = value(layers, "drain_timeout", units::duration)? else {
        return Ok(default);
    };
    if asked > DURATION_MAX {
        return Err(broken(given, "which is more than a day; write 24h or less"));
    }
    Ok(asked)
}

/// What may stand in a header; whether browsers understand it is theirs to say.
pub(super) fn policy(layers: &Layers, default: Option<String>) -> Result<Option<String>, CliError> {
    let Some(given) = layers.one("content_security_policy") else {
        return Ok(default);
    };
    let policy = given.values[0].trim();
    if policy == "none" {
        return Ok(None);
    }
    if policy.is_empty() || !policy.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        let problem = "which can't be a header's value; write it on one line in ASCII, or none";
        return Err(broken(given, problem));
    }
    Ok(Some(policy.to_owned()))
}
