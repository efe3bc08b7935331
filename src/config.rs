//! Every setting and every limit of the server, with its unit in its name.
//!
//! [`Config`] is the parsed form. A section's file has all there is to say about its settings: name,
//! help, default, rule and test; [`crate::cli`] makes flags, variables and keys of them, and reads
//! what was written. `resolve` refuses what cannot work, so the rest of the program need not check
//! again.

mod descriptors;
mod http;
mod limits;
mod network;
mod sessions;
mod setting;
mod shares;
#[cfg(test)]
mod testing;
mod threads;
mod units;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use self::limits::CONNECTIONS_MOST;
pub use self::limits::{LOG_BYTES_MIN, SESSION_BUFFERS_MIN};
pub use self::sessions::SlowConsumer;
use self::setting::Asked;
pub use self::setting::Refusal;
pub(crate) use self::setting::{Given, Preset, Section, Setting, Shape, Written};
pub(crate) use self::threads::SHARDS_MAX;
pub use self::units::ValueError;
use crate::process::Machine;

/// Largest header of a server frame: 2 bytes and 8 of length (RFC 6455 section 5.2).
pub(crate) const FRAME_HEADER_BYTES_MAX: usize = 10;

/// All settings, in the order of the help text, which is that of their rules too.
pub(crate) const SECTIONS: [Section; 5] = [
    network::SECTION,
    http::SECTION,
    threads::SECTION,
    limits::SECTION,
    sessions::SECTION,
];

/// The settings of all [`SECTIONS`].
pub(crate) fn settings() -> impl Iterator<Item = &'static Setting> {
    SECTIONS.iter().flat_map(|section| section.settings)
}

/// A complete, checked configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Addresses to listen on; port 0 lets the kernel pick one, and stands here until it has.
    pub listen: Vec<SocketAddr>,
    /// Shard threads, each with a ring, a log and sessions of its own.
    pub shards: NonZeroUsize,
    /// Whether shard `i` is bound to the `i`-th processor of the process's affinity mask.
    pub pin: bool,
    /// Folder to serve instead of the embedded chat page.
    pub static_dir: Option<PathBuf>,
    /// The content security policy the files of that folder are sent with, if any. What this
    /// program wrote itself has a stricter one.
    pub content_security_policy: Option<String>,
    /// Origins whose pages may open a WebSocket; `*` is any, and none given means pages of the
    /// same host as `Host`. A request without `Origin` is let in whatever stands here.
    pub allow_origin: Vec<String>,
    /// Subprotocols that are spoken; a client that offers only others is answered 400.
    pub subprotocols: Vec<String>,
    /// Size of one shard's log; a power of two and a multiple of the page size.
    pub log_bytes: usize,
    /// How far a session may fall behind its room before [`SlowConsumer`] decides.
    pub lag_bytes_max: usize,
    /// Open WebSocket sessions over all shards; one more is answered 503.
    pub connections_max: usize,
    /// Largest message, in payload bytes after reassembly; a larger one is closed with 1009.
    pub message_bytes_max: usize,
    /// What the sessions of a shard may hold between them of what they have half received or not
    /// read; beyond it, the oldest holders are dropped.
    pub session_buffers_max: usize,
    /// Longest request head; a longer one is answered 431.
    pub head_bytes_max: usize,
    /// Private replies a session may hold before it is no longer read from.
    pub private_bytes_max: usize,
    /// Whether `/echo` is served, which sends each message back to its sender.
    pub echo: bool,
    /// Silence after which the server pings a session.
    pub ping_interval: Duration,
    /// Silence after which the server closes a session.
    pub idle_timeout: Duration,
    /// How long a request head may take to arrive.
    pub head_timeout: Duration,
    /// How long a closing handshake may take before the connection is dropped.
    pub close_timeout: Duration,
    /// What happens to a session that falls too far behind.
    pub slow_consumer: SlowConsumer,
    /// Members up to which a room announces each join and leave; above it, only the count.
    pub presence_members_max: usize,
    /// Members from which a room spreads over the shards that accepted its sessions.
    pub spread_members_min: usize,
    /// Rooms that may exist at once on a shard.
    pub rooms_max: usize,
    /// Descriptors the process may open: the hard `RLIMIT_NOFILE`.
    pub descriptors_max: usize,
    /// How long pages, files and health checks are served on after the signal to stop.
    pub drain_timeout: Duration,
    /// Connections the web thread serves at once; beyond it the longest idle gives way.
    pub web_connections_max: usize,
    /// How long a kept HTTP connection may stay open without a request.
    pub http_keep_alive: Duration,
    /// How long an HTTP answer may go without the peer taking a byte of it.
    pub http_stall_timeout: Duration,
    /// How long a peer that keeps a place busy without taking or sending a byte keeps it, once
    /// another connection needs one.
    pub http_give_way_after: Duration,
    /// How long a new HTTP connection may wait for a place, before it is answered 503.
    pub http_wait_max: Duration,
    /// How long a closed HTTP connection is read on, so that no reset overtakes its last answer.
    pub http_linger_timeout: Duration,
    /// Bytes a closed HTTP connection may still send before it is reset.
    pub http_linger_bytes_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![network::LISTEN_DEFAULT],
            shards: NonZeroUsize::MIN,
            pin: false,
            static_dir: None,
            content_security_policy: Some(http::CONTENT_SECURITY_POLICY_DEFAULT.to_owned()),
            allow_origin: Vec::new(),
            subprotocols: Vec::new(),
            log_bytes: limits::LOG_BYTES_DEFAULT,
            lag_bytes_max: limits::LOG_BYTES_DEFAULT / 4,
            connections_max: 10_000,
            message_bytes_max: limits::MESSAGE_BYTES_MAX_DEFAULT,
            session_buffers_max: limits::SESSION_BUFFERS_MUCH,
            head_bytes_max: limits::HEAD_BYTES_MAX_DEFAULT,
            private_bytes_max: 64 << 10,
            echo: false,
            ping_interval: sessions::PING_INTERVAL_DEFAULT,
            idle_timeout: sessions::IDLE_TIMEOUT_DEFAULT,
            head_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(5),
            slow_consumer: SlowConsumer::Close,
            presence_members_max: sessions::PRESENCE_MEMBERS_MAX_DEFAULT,
            spread_members_min: sessions::SPREAD_MEMBERS_MIN_DEFAULT,
            rooms_max: 1 << 20,
            descriptors_max: 20_000,
            drain_timeout: http::DRAIN_TIMEOUT_DEFAULT,
            web_connections_max: descriptors::WEB_CONNECTIONS_MAX,
            http_keep_alive: http::HTTP_KEEP_ALIVE_DEFAULT,
            http_stall_timeout: Duration::from_secs(30),
            http_give_way_after: Duration::from_secs(5),
            http_wait_max: Duration::from_secs(1),
            http_linger_timeout: Duration::from_secs(2),
            http_linger_bytes_max: 256 << 10,
        }
    }
}

/// A checked configuration, and what the person who wrote it should know about it.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// The configuration.
    pub(crate) config: Config,
    /// Sentences for the log: values that became others.
    pub(crate) notices: Vec<String>,
}

/// Applies the rule of every setting; the first one broken is reported.
///
/// # Errors
/// The sentence that names the value, the rule and the fix.
pub(crate) fn resolve(written: &Written, machine: &Machine) -> Result<Resolved, Refusal> {
    let mut notices = Vec::new();
    let mut config = Config {
        descriptors_max: machine.descriptors_max,
        ..Config::default()
    };
    for setting in settings() {
        let mut asked = Asked::new(setting, written, machine, &mut notices);
        (setting.rule)(&mut asked, &mut config)?;
    }
    Ok(Resolved { config, notices })
}

#[cfg(test)]
mod tests {
    use super::testing::{MACHINE, resolved};
    use super::{Config, Machine, Preset, Resolved, settings};

    /// Goal: what the help tells as a default can be written, and is what holds without it.
    #[test]
    fn defaults_are_told_as_they_are() {
        let nothing = resolved(&[], &MACHINE).expect("accepted").config;
        for setting in settings() {
            if matches!(setting.default, Preset::Nothing | Preset::Text(_)) {
                continue;
            }
            let text = setting.default.to_string();
            let written = resolved(&[(setting.name, &text)], &MACHINE);
            let Resolved { config, notices } = written.unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(
                format!("{config:?}"),
                format!("{nothing:?}"),
                "{}",
                setting.name
            );
            assert!(notices.is_empty(), "{notices:?}");
        }
    }

    /// Goal: a configuration that code makes up is one that could have been written.
    #[test]
    fn without_settings_it_is_the_default() {
        let made = Config::default();
        let machine = Machine {
            processors: 1,
            ..MACHINE
        };
        let lines = [("connections_max", "10000"), ("pin", "false")];
        let written = resolved(&lines, &machine).expect("accepted").config;
        assert_eq!(format!("{written:?}"), format!("{made:?}"));
    }
}
