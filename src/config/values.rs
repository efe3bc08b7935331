//! The values of all settings, once they are checked. Where they come from is not known here.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use super::chat::Chat;
use crate::process::AddressSpace;

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
    /// Retained messages of all histories of a shard; beyond it the oldest histories give way.
    pub history_bytes_max: usize,
    /// Rooms without members and retained messages whose positions a shard remembers.
    pub positions_max: usize,
    /// Longest reply to one command.
    pub reply_bytes_max: usize,
    /// Rooms that may exist at once on a shard.
    pub rooms_max: usize,
    /// Whether a shard may take addresses for all of them when it starts.
    pub address_space: AddressSpace,
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
    /// What the sections of the settings file say: who may connect, and what channels there are.
    pub chat: Chat,
}

/// What happens to a session that falls too far behind its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlowConsumer {
    /// It is closed with code 4001.
    Close,
    /// It is told how much it missed and goes on at the head of the room.
    Skip,
}
