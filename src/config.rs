//! Every setting and every limit of the server, with its unit in its name.
//!
//! This is the parsed form: [`crate::cli`] reads flags, environment and file into it and refuses
//! what cannot work, so the rest of the program need not check again.

mod budget;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

pub use self::budget::{Budget, BudgetLine, Sizes};

/// Shards a process may run; the mesh grows with the square of their number.
pub const SHARDS_MAX: usize = 64;
/// Smallest log of a shard.
pub const LOG_BYTES_MIN: usize = 1 << 20;
/// Largest log of a shard.
pub const LOG_BYTES_MAX: usize = 1 << 36;
/// Longest message that can be let through: a send that carries one, and its rest, stays below the
/// 2 GiB that kernels refuse.
pub const MESSAGE_BYTES_MAX: usize = 1 << 30;
/// Most sessions a process takes on, whatever its descriptor limit allows.
pub const CONNECTIONS_MAX: usize = 1 << 20;
/// Longest interval or timeout that can be set.
pub const DURATION_MAX: Duration = Duration::from_hours(24);
/// Connections a shard hands to the web thread before it has taken earlier ones, at most: a whole turn
/// of new visitors, where there are descriptors for them.
const WEB_WAITING_MAX: usize = 256;
/// The same where descriptors are few.
const WEB_WAITING_MIN: usize = 16;
/// Least that the sessions of a shard may hold, and most unless it is asked for.
pub const SESSION_BUFFERS_MIN: usize = 1 << 20;
const SESSION_BUFFERS_FEW: usize = 4 << 20;
const SESSION_BUFFERS_MAX: usize = 64 << 20;
/// Least that may be staged for rooms that are held for their members.
const HELD_BYTES_MIN: usize = 4 << 20;
/// Least that a shard may have on its way to another.
const MESH_CREDIT_BYTES_MIN: usize = 64 << 10;
/// Largest header of a server frame: 2 bytes and 8 of length (RFC 6455 section 5.2).
pub const FRAME_HEADER_BYTES_MAX: usize = 10;

/// Smallest limit of a request head that can be set: what an HTTP library must be able to hold.
pub const HEAD_BYTES_MIN: usize = 8 << 10;
/// Largest limit of a request head that can be set.
pub const HEAD_BYTES_MAX: usize = 256 << 10;

/// Connections the web thread serves at once, unless a small descriptor limit says less.
const WEB_CONNECTIONS_MAX: usize = 256;
/// The fewest connections of the web thread: a browser opens six for one page.
pub const WEB_CONNECTIONS_MIN: usize = 16;
/// Connections beyond those for health checks.
const WEB_HEALTH_CONNECTIONS_MAX: usize = 16;
/// Descriptors for standard streams, the web thread's ring, signals and whatever libraries open:
/// twelve when this was counted, and what a parent may leave open.
const DESCRIPTORS_FOR_PROCESS: usize = 32;
/// Descriptors of a shard besides its listeners and sessions: ring, doorbell, log, spares for
/// connections about to be refused.
const DESCRIPTORS_FOR_SHARD: usize = 8;

/// What a site in a folder may do: whatever its own files say, styles and pictures that its scripts
/// make up, WebAssembly, workers, and sockets to any host. Scripts that stand inside of a page are
/// what this is to keep out: that is where other people's text ends up.
const FOLDER_POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; \
     style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; \
     font-src 'self' data:; worker-src 'self' blob:; connect-src 'self' data: blob: ws: wss:; \
     object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'";

/// What happens to a session that falls too far behind its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlowConsumer {
    /// It is closed with code 4001.
    Close,
    /// It is told how much it missed and goes on at the head of the room.
    Skip,
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
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 9001))],
            shards: NonZeroUsize::MIN,
            pin: false,
            static_dir: None,
            content_security_policy: Some(FOLDER_POLICY.to_owned()),
            allow_origin: Vec::new(),
            subprotocols: Vec::new(),
            log_bytes: 64 << 20,
            lag_bytes_max: 16 << 20,
            connections_max: 10_000,
            message_bytes_max: 64 << 10,
            session_buffers_max: SESSION_BUFFERS_MAX,
            head_bytes_max: 16 << 10,
            private_bytes_max: 64 << 10,
            echo: false,
            ping_interval: Duration::from_secs(20),
            idle_timeout: Duration::from_secs(60),
            head_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(5),
            slow_consumer: SlowConsumer::Close,
            presence_members_max: 2_000,
            spread_members_min: 64,
            rooms_max: 1 << 20,
            descriptors_max: 20_000,
            drain_timeout: Duration::from_secs(3),
            web_connections_max: WEB_CONNECTIONS_MAX,
            // Longer than load balancers keep theirs: 60 s by default for nginx and AWS, 600 s
            // for Google's. Whoever closes first must be the one who sends the requests.
            http_keep_alive: Duration::from_secs(620),
            http_stall_timeout: Duration::from_secs(30),
            http_give_way_after: Duration::from_secs(5),
            http_wait_max: Duration::from_secs(1),
            http_linger_timeout: Duration::from_secs(2),
            http_linger_bytes_max: 256 << 10,
        }
    }
}

impl Config {
    /// Descriptors that are not for sessions, for `shards` shards with `listeners` addresses each.
    /// A connection of the web thread may have a file open, and another one may wait for its
    /// place; a health check has no file.
    #[must_use]
    pub fn descriptors_reserved(
        descriptors_max: usize,
        shards: usize,
        listeners: usize,
        web_connections_max: usize,
    ) -> usize {
        DESCRIPTORS_FOR_PROCESS
            + 3 * web_connections_max
            + web_health_connections_max(web_connections_max)
            + shards * (DESCRIPTORS_FOR_SHARD + listeners + web_waiting(descriptors_max, shards))
    }

    /// Connections a shard hands to the web thread before it has taken earlier ones; more are answered
    /// 503 by the shard.
    #[must_use]
    pub fn web_waiting_max(&self) -> usize {
        web_waiting(self.descriptors_max, self.shards.get())
    }

    /// Of those, the ones that only health checks get.
    #[must_use]
    pub fn web_waiting_health(&self) -> usize {
        (self.web_waiting_max() / 4).min(WEB_HEALTH_CONNECTIONS_MAX)
    }

    /// Connections of the web thread where the kernel lets a process open `descriptors_max`
    /// descriptors and nothing else is said.
    #[must_use]
    pub fn web_connections_for(descriptors_max: usize) -> usize {
        (descriptors_max / 16).clamp(WEB_CONNECTIONS_MIN, WEB_CONNECTIONS_MAX)
    }

    /// Places beyond [`Self::web_connections_max`] for connections that begin with a health
    /// check and end with its answer.
    #[must_use]
    pub fn web_health_connections_max(&self) -> usize {
        web_health_connections_max(self.web_connections_max)
    }

    /// What the sessions of a shard may hold between them if nothing else is said: a message of
    /// each, as far as that is not much.
    #[must_use]
    pub fn session_buffers_for(
        shards: usize,
        connections_max: usize,
        message_bytes_max: usize,
    ) -> usize {
        let few = message_bytes_max.saturating_mul(4);
        (connections_max.saturating_mul(message_bytes_max) / shards)
            .clamp(SESSION_BUFFERS_FEW, SESSION_BUFFERS_MAX)
            .max(few)
    }

    /// What one flush may append to a shard's log, but for the frame that exceeds it, and what may
    /// be staged before publishers wait. Sessions that keep up are then never overtaken by the
    /// tail, and one whose socket is full for a few turns is not yet as far behind as
    /// `lag_bytes_max` lets it be, which is a quarter of the log or more.
    #[must_use]
    pub fn append_bytes_max(&self) -> usize {
        self.log_bytes / 32
    }

    /// What rooms that are held for their members may have staged on a shard, in all. Nobody who
    /// publishes to them is read from, so it is what was staged when they came to be held, which
    /// for one room is no more than three times what a flush may append and what arrives in a turn.
    #[must_use]
    pub fn held_bytes_max(&self) -> usize {
        (8 * self.append_bytes_max()).saturating_add(HELD_BYTES_MIN)
    }

    /// What the indexes of a shard's rooms may take besides a few entries each: where messages
    /// are in the log that somebody has yet to be sent.
    #[must_use]
    pub fn index_bytes_max(&self) -> usize {
        self.log_bytes / 4
    }

    /// What a shard may have sent to another that was not used up there, in bytes of frames and
    /// what describes them: all the others together fill the part of its log that one flush
    /// appends.
    #[must_use]
    pub fn mesh_credit_bytes(&self) -> usize {
        (self.append_bytes_max() / self.shards.get()).max(MESH_CREDIT_BYTES_MIN)
    }

    /// The most memory these limits allow, line by line.
    #[must_use]
    pub fn budget(&self) -> Budget {
        Budget::of(self)
    }
}

fn web_health_connections_max(web_connections_max: usize) -> usize {
    web_connections_max
        .div_ceil(4)
        .min(WEB_HEALTH_CONNECTIONS_MAX)
}

/// A thirty-second of the descriptors over all shards.
fn web_waiting(descriptors_max: usize, shards: usize) -> usize {
    (descriptors_max / 32 / shards).clamp(WEB_WAITING_MIN, WEB_WAITING_MAX)
}
