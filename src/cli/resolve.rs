//! From layers of text to one checked [`Config`]: every rule a single value or a pair must keep.

mod http;
mod memory;

use std::fmt::Display;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use super::error::CliError;
use super::layers::{Given, Layers, Source};
use super::units::{self, ValueError};
use crate::config::{
    CONNECTIONS_MAX, Config, DURATION_MAX, FRAME_HEADER_BYTES_MAX, HEAD_BYTES_MAX, HEAD_BYTES_MIN,
    LOG_BYTES_MAX, LOG_BYTES_MIN, MESSAGE_BYTES_MAX, SHARDS_MAX, SlowConsumer,
};
use crate::process::Machine;

/// A checked configuration, and what the person who wrote it should know about it.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) config: Config,
    /// Sentences for the log: values that became others.
    pub(super) notices: Vec<String>,
}

/// Checks everything; the first rule broken is the one reported.
///
/// # Errors
/// The sentence that names the value, the rule and the fix.
pub(super) fn resolve(layers: &Layers, machine: &Machine) -> Result<Resolved, CliError> {
    let defaults = Config::default();
    let mut notices = Vec::new();
    let listen = listen(layers)?.unwrap_or_else(|| defaults.listen.clone());
    let shards = shards(layers, machine)?;
    let log_bytes = log_bytes(layers, machine, defaults.log_bytes, &mut notices)?;
    let message_bytes_max = message_bytes_max(layers, log_bytes, defaults.message_bytes_max)?;
    let ping_interval = duration(layers, "ping_interval", defaults.ping_interval)?;
    let web_connections_max = http::connections_max(layers, machine)?;
    let reserved_for = |descriptors_max, web_connections_max| {
        let (shards, listeners) = (shards.get(), listen.len());
        Config::descriptors_reserved(descriptors_max, shards, listeners, web_connections_max)
    };
    let reserved = Reserved {
        now: reserved_for(machine.descriptors_max, web_connections_max),
        at_most: reserved_for(
            usize::MAX,
            web_connections_max.max(Config::web_connections_for(usize::MAX)),
        ),
    };
    let connections_max = connections_max(layers, machine, reserved)?;
    let config = Config {
        pin: pin(layers, shards, machine)?,
        static_dir: static_dir(layers)?,
        content_security_policy: http::policy(layers, defaults.content_security_policy.clone())?,
        allow_origin: list(layers, "allow_origin", units::origin)?,
        subprotocols: list(layers, "subprotocol", units::subprotocol)?,
        lag_bytes_max: lag_bytes_max(layers, log_bytes, message_bytes_max)?,
        connections_max,
        session_buffers_max: memory::session_buffers_max(
            layers,
            shards,
            connections_max,
            message_bytes_max,
        )?,
        echo: value(layers, "echo", units::switch)?.map_or(defaults.echo, |(echo, _)| echo),
        idle_timeout: idle_timeout(layers, ping_interval, defaults.idle_timeout)?,
        slow_consumer: value(layers, "slow_consumer", slow_consumer)?
            .map_or(defaults.slow_consumer, |(policy, _)| policy),
        presence_members_max: count(
            layers,
            "presence_members_max",
            defaults.presence_members_max,
        )?,
        spread_members_min: count(layers, "spread_members_min", defaults.spread_members_min)?,
        head_bytes_max: head_bytes_max(layers, defaults.head_bytes_max)?,
        descriptors_max: machine.descriptors_max,
        drain_timeout: http::drain_timeout(layers, defaults.drain_timeout)?,
        http_keep_alive: duration(layers, "http_keep_alive", defaults.http_keep_alive)?,
        web_connections_max,
        listen,
        shards,
        log_bytes,
        message_bytes_max,
        ping_interval,
        ..defaults
    };
    Ok(Resolved { config, notices })
}

/// The value of `name`, read by `read`, and where it was written.
fn value<'a, T>(
    layers: &'a Layers,
    name: &str,
    read: fn(&str) -> Result<T, ValueError>,
) -> Result<Option<(T, &'a Given)>, CliError> {
    let Some(given) = layers.one(name) else {
        return Ok(None);
    };
    let value = read_at(&given.source, &given.values[0], read)?;
    Ok(Some((value, given)))
}

fn read_at<T>(
    place: &Source,
    text: &str,
    read: fn(&str) -> Result<T, ValueError>,
) -> Result<T, CliError> {
    read(text).map_err(|problem| CliError::Value {
        place: place.clone(),
        value: text.to_owned(),
        problem,
    })
}

/// The error for a value that reads well but breaks a rule.
fn broken(given: &Given, problem: impl Display) -> CliError {
    CliError::Limit {
        place: given.source.clone(),
        value: given.values.join(","),
        problem: problem.to_string(),
    }
}

fn listen(layers: &Layers) -> Result<Option<Vec<SocketAddr>>, CliError> {
    let Some(given) = layers.one("listen") else {
        return Ok(None);
    };
    let mut listen: Vec<SocketAddr> = Vec::with_capacity(given.values.len());
    for text in &given.values {
        let address = read_at(&given.source, text, units::address)?;
        // Port 0 stands for a different port each time.
        if address.port() != 0 && listen.contains(&address) {
            return Err(broken(
                given,
                format!("which names {address} twice; remove one of them"),
            ));
        }
        listen.push(address);
    }
    Ok(Some(listen))
}

fn list(
    layers: &Layers,
    name: &str,
    read: fn(&str) -> Result<String, ValueError>,
) -> Result<Vec<String>, CliError> {
    let Some(given) = layers.one(name) else {
        return Ok(Vec::new());
    };
    given
        .values
        .iter()
        .map(|text| read_at(&given.source, text, read))
        .collect()
}

fn shards(layers: &Layers, machine: &Machine) -> Result<NonZeroUsize, CliError> {
    let auto = NonZeroUsize::new(machine.processors.min(SHARDS_MAX)).unwrap_or(NonZeroUsize::MIN);
    let Some(given) = layers
        .one("shards")
        .filter(|given| given.values[0] != "auto")
    else {
        return Ok(auto);
    };
    let shards = read_at(&given.source, &given.values[0], |text| {
        units::count(text).map_err(|_| ValueError::Word("a number from 1 to 64, or auto"))
    })?;
    NonZeroUsize::new(shards)
        .filter(|shards| shards.get() <= SHARDS_MAX)
        .ok_or_else(|| {
            broken(
                given,
                format!("which is not from 1 to {SHARDS_MAX}; try auto"),
            )
        })
}

/// Bound by default only where each processor gets one shard: then binding moves no load, it
/// just keeps caches warm. With fewer shards, two servers would meet on the first processor.
fn pin(layers: &Layers, shards: NonZeroUsize, machine: &Machine) -> Result<bool, CliError> {
    let Some((pin, given)) = value(layers, "pin", units::switch)? else {
        return Ok(shards.get() == machine.processors);
    };
    if pin && shards.get() > machine.processors {
        let problem = format!(
            "but {shards} shards cannot have one of {} processors each; lower --shards or use \
             --no-pin",
            machine.processors
        );
        return Err(broken(given, problem));
    }
    Ok(pin)
}

fn static_dir(layers: &Layers) -> Result<Option<PathBuf>, CliError> {
    let Some(given) = layers.one("static") else {
        return Ok(None);
    };
    let path = PathBuf::from(&given.values[0]);
    // Reading the folder is the one test that asks what serving from it will ask.
    match std::fs::read_dir(&path) {
        Ok(_) => Ok(Some(path)),
        Err(error) => {
            let problem =
                format!("which can't be served ({error}); name a folder this user can read");
            Err(broken(given, problem))
        }
    }
}

/// A ring that is mapped twice needs whole pages, and masks need a power of two.
fn log_bytes(
    layers: &Layers,
    machine: &Machine,
    default: usize,
    notices: &mut Vec<String>,
) -> Result<usize, CliError> {
    let Some((asked, given)) = value(layers, "log_bytes", units::bytes)? else {
        return Ok(default);
    };
    if !(LOG_BYTES_MIN..=LOG_BYTES_MAX).contains(&asked) {
        return Err(broken(
            given,
            "which is not from 1MiB to 64GiB; the default is 64MiB",
        ));
    }
    let log_bytes = asked.max(machine.page_bytes).next_power_of_two();
    if log_bytes != asked {
        let place = &given.source;
        notices.push(format!(
            "{place}: rounded up from {asked} to {log_bytes} bytes"
        ));
    }
    Ok(log_bytes)
}

fn message_bytes_max(layers: &Layers, log_bytes: usize, default: usize) -> Result<usize, CliError> {
    let Some((asked, given)) = value(layers, "message_bytes_max", units::bytes)? else {
        return Ok(default);
    };
    if asked == 0 {
        return Err(broken(
            given,
            "which lets no message through; the default is 64KiB",
        ));
    }
    if asked > log_bytes / 4 {
        let problem = format!(
            "which is more than a quarter of log_bytes ({log_bytes}); lower it to {} or raise \
             --log-bytes",
            log_bytes / 4
        );
        return Err(broken(given, problem));
    }
    if asked > MESSAGE_BYTES_MAX {
        return Err(broken(
            given,
            "which is more than one send can carry; lower it to 1GiB",
        ));
    }
    Ok(asked)
}

fn head_bytes_max(layers: &Layers, default: usize) -> Result<usize, CliError> {
    let Some((asked, given)) = value(layers, "head_bytes_max", units::bytes)? else {
        return Ok(default);
    };
    if !(HEAD_BYTES_MIN..=HEAD_BYTES_MAX).contains(&asked) {
        return Err(broken(
            given,
            "which is not from 8KiB to 256KiB; the default is 16KiB",
        ));
    }
    Ok(asked)
}

/// At least the largest message with its header, or that message alone would make every session
/// slow; at most half the log, or a cursor could be overwritten before it is judged.
fn lag_bytes_max(
    layers: &Layers,
    log_bytes: usize,
    message_bytes_max: usize,
) -> Result<usize, CliError> {
    let least = message_bytes_max + FRAME_HEADER_BYTES_MAX;
    let Some((asked, given)) = value(layers, "lag_bytes_max", units::bytes)? else {
        return Ok((log_bytes / 4).max((2 * least).min(log_bytes / 2)));
    };
    if asked > log_bytes / 2 {
        let problem = format!(
            "which is more than half of log_bytes ({log_bytes}); lower it to {} or raise \
             --log-bytes",
            log_bytes / 2
        );
        return Err(broken(given, problem));
    }
    if asked < least {
        let problem = format!(
            "which is less than one message of message_bytes_max; raise it to {least} or more"
        );
        return Err(broken(given, problem));
    }
    Ok(asked)
}

/// Descriptors that are not for sessions.
struct Reserved {
    now: usize,
    /// With as high a limit as may be: more of them are kept then.
    at_most: usize,
}

fn connections_max(
    layers: &Layers,
    machine: &Machine,
    reserved: Reserved,
) -> Result<usize, CliError> {
    let descriptors_max = machine.descriptors_max;
    let room = descriptors_max.saturating_sub(reserved.now);
    if room == 0 {
        return Err(CliError::Descriptors {
            descriptors_max,
            reserved: reserved.now,
        });
    }
    let Some((asked, given)) = value(layers, "connections_max", units::count)? else {
        return Ok(room.min(CONNECTIONS_MAX));
    };
    if asked == 0 {
        return Err(broken(
            given,
            "which lets nobody in; leave it out for as many as fit",
        ));
    }
    if asked > CONNECTIONS_MAX {
        let problem =
            format!("which is more than one process takes; lower it to {CONNECTIONS_MAX}");
        return Err(broken(given, problem));
    }
    if asked > room {
        let problem = format!(
            "but the hard descriptor limit of {descriptors_max} leaves {room}; lower it, or raise \
             the limit with ulimit -Hn or LimitNOFILE= to {}",
            asked + reserved.at_most
        );
        return Err(broken(given, problem));
    }
    Ok(asked)
}

fn duration(layers: &Layers, name: &str, default: Duration) -> Result<Duration, CliError> {
    let Some((asked, given)) = value(layers, name, units::duration)? else {
        return Ok(default);
    };
    if asked.is_zero() {
        return Err(broken(
            given,
            format!("which is no time at all; the default is {default:?}"),
        ));
    }
    if asked > DURATION_MAX {
        return Err(broken(given, "which is more than a day; write 24h or less"));
    }
    Ok(asked)
}

/// A session must be pinged, and have time to answer, before it is given up.
fn idle_timeout(
    layers: &Layers,
    ping_interval: Duration,
    default: Duration,
) -> Result<Duration, CliError> {
    let idle_timeout = duration(layers, "idle_timeout", default)?;
    if idle_timeout > ping_interval {
        return Ok(idle_timeout);
    }
    let (given, problem) = match (layers.one("idle_timeout"), layers.one("ping_interval")) {
        (Some(given), _) => (
            given,
            format!(
                "which is not longer than ping_interval ({ping_interval:?}); raise it or lower \
                 --ping-interval"
            ),
        ),
        (None, Some(given)) => (
            given,
            format!(
                "which is not shorter than idle_timeout ({idle_timeout:?}); lower it or raise \
                 --idle-timeout"
            ),
        ),
        (None, None) => unreachable!("the defaults keep this rule"),
    };
    Err(broken(given, problem))
}

fn count(layers: &Layers, name: &str, default: usize) -> Result<usize, CliError> {
    let Some((asked, given)) = value(layers, name, units::count)? else {
        return Ok(default);
    };
    if asked == 0 {
        return Err(broken(
            given,
            format!("which must be at least 1; the default is {default}"),
        ));
    }
    Ok(asked)
}

fn slow_consumer(text: &str) -> Result<SlowConsumer, ValueError> {
    match text {
        "close" => Ok(SlowConsumer::Close),
        "skip" => Ok(SlowConsumer::Skip),
        _ => Err(ValueError::Word("close or skip")),
    }
}
