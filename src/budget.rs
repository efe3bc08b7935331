//! The memory budget: what the limits of a [`Config`] add up to, line by line.
//!
//! It stands above all that holds memory, and counts with the sizes those modules have. It knows
//! sizes, not allocations: a line is what its part of the server may come to hold, so the total is a
//! ceiling, and most of it is never touched on a quiet server.

use std::fmt;
use std::mem::size_of;

use crate::auth::error::USER_BYTES_MAX;
use crate::config::chat::names::NAME_BYTES_MAX;
use crate::config::{Config, FRAME_HEADER_BYTES_MAX, SHARDS_MAX};
use crate::mesh::RING_MESSAGES_MAX;
use crate::message::{Info, Run};
use crate::ring::RingConfig;
use crate::room::Room;
use crate::room::directory::Directory;
use crate::room::home::{Members, Rest};
use crate::room::index::{Index, KEPT_ENTRIES_MAX};
use crate::room::positions::Positions;
use crate::session::holdings::SMALL_BYTES;
use crate::session::membership::MEMBERSHIPS_MAX;
use crate::session::{CLIENT_BYTES, MEMBERSHIP_BYTES, Session};
use crate::talk::{ToShard, ToWeb};
use crate::wire::frame;
use crate::wire::handshake::ROOM_BYTES_MAX;

/// A submission queue entry (`io_uring_sqe`, include/uapi/linux/io_uring.h).
const SUBMISSION_ENTRY_BYTES: u64 = 64;
/// A completion queue entry (`io_uring_cqe`).
const COMPLETION_ENTRY_BYTES: u64 = 16;

/// A message in a mesh ring, without its payload.
const MESH_SLOT_BYTES: usize = 80;
const _: () = assert!(
    size_of::<ToShard>() <= MESH_SLOT_BYTES && size_of::<ToWeb>() <= MESH_SLOT_BYTES,
    "a message takes more than MESH_SLOT_BYTES"
);

/// A session in the slab, with its deadlines, its place in the room and in a shard's lists.
const SESSION_BYTES: usize = 400;
const _: () = assert!(
    size_of::<Session>() <= SESSION_BYTES,
    "a session takes more than SESSION_BYTES"
);

// Rooms have one limit on their names, whoever comes to them.
const _: () = assert!(ROOM_BYTES_MAX == NAME_BYTES_MAX);

/// A room on a shard with its name and the index entries that any room may have, which the limit on
/// indexes does not count.
const ROOM_BYTES: usize = 2688;
const _: () = {
    let few = 2 * KEPT_ENTRIES_MAX * Index::ENTRY_BYTES;
    // The table of rooms doubles as it grows where addresses for all of them can't be had; a name has two counts before
    // it.
    let tables = 2 * size_of::<Room>() + Directory::ENTRY_BYTES;
    let name = ROOM_BYTES_MAX + 16;
    let members = 2 * 4 * size_of::<u32>();
    let home = size_of::<Members>() + size_of::<Rest>() + SHARDS_MAX * size_of::<u32>();
    assert!(
        few + tables + name + members + home <= ROOM_BYTES,
        "a room takes more than ROOM_BYTES"
    );
    // Rooms in which nothing is said are what a server may have most of: one with a short name and up to three members, which
    // stand in it.
    let short_name = 16 + 16;
    let idle = size_of::<Room>() + size_of::<Members>() + short_name + Directory::ENTRY_BYTES;
    assert!(idle <= 300, "docs/ARCHITECTURE.md says otherwise");
};

/// A user in a table that doubles as it grows, but for its name: where that is, its two counts, and how many connections.
const USER_BYTES: usize = 2 * size_of::<(&str, usize)>() + 16;

/// A thread with its stack, what its libraries hold, and the memory that the allocator keeps for it;
/// once more for the program itself. `tests/attack` measures it.
const THREAD_BYTES: u64 = 8 << 20;

/// A connection of the web thread besides its request heads, in bytes: its state, a chunk of a file
/// that is read, and one that waits to be taken. `tests/http_limits.rs` measures it.
pub const WEB_CONNECTION_BYTES: u64 = 48 << 10;

// A client's frames have a mask of 4 bytes besides (RFC 6455 section 5.2).
const _: () = assert!(FRAME_HEADER_BYTES_MAX + 4 == frame::HEADER_BYTES_MAX);

/// One line of a [`Budget`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BudgetLine {
    /// What holds the memory.
    pub(crate) what: &'static str,
    /// The product it comes from, for a reader who wants to change it.
    pub(crate) from: String,
    /// Bytes at most.
    pub(crate) bytes: u64,
}

/// Everything the server may hold in memory, by purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Budget {
    /// The lines, the ones that exist from the start first.
    pub(crate) lines: Vec<BudgetLine>,
}

impl Budget {
    /// Adds up the limits of `config`.
    pub(crate) fn of(config: &Config) -> Self {
        let mut lines = shard_lines(config);
        lines.extend(peer_lines(config));
        lines.extend(user_line(config));
        let heap = lines.iter().skip(2).map(|line| line.bytes);
        lines.push(line(
            "fragmentation",
            "an eighth of all but logs and rings",
            1,
            heap.fold(0, u64::saturating_add) / 8,
        ));
        Self { lines }
    }

    /// The sum of all lines, in bytes.
    fn total_bytes(&self) -> u64 {
        self.lines
            .iter()
            .fold(0, |sum, line| sum.saturating_add(line.bytes))
    }
}

/// One line of text: the total and its parts.
impl fmt::Display for Budget {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "at most {}", Bytes(self.total_bytes()))?;
        for (index, line) in self.lines.iter().enumerate() {
            let before = if index == 0 { ": " } else { ", " };
            write!(out, "{before}{} {}", line.what, Bytes(line.bytes))?;
        }
        Ok(())
    }
}

impl fmt::Display for BudgetLine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {} ({})", self.what, Bytes(self.bytes), self.from)
    }
}

/// Bytes for a reader: `64 MiB`, `1.3 GiB`, `96 B`.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
        let (mut whole, mut rest, mut unit) = (self.0, 0, 0);
        while whole >= 1024 && unit + 1 < UNITS.len() {
            rest = whole % 1024;
            whole /= 1024;
            unit += 1;
        }
        match rest * 10 / 1024 {
            0 => write!(out, "{whole} {}", UNITS[unit]),
            tenth => write!(out, "{whole}.{tenth} {}", UNITS[unit]),
        }
    }
}

fn line(what: &'static str, from: &str, count: u64, each: u64) -> BudgetLine {
    BudgetLine {
        what,
        from: format!("{from}: {count} x {each}"),
        bytes: count.saturating_mul(each),
    }
}

/// What a shard has whoever is there, and what is under way through it.
fn shard_lines(config: &Config) -> Vec<BudgetLine> {
    let ring = RingConfig::default();
    let shards = wide(config.shards.get());
    let ring_bytes = u64::from(ring.sq_entries) * SUBMISSION_ENTRY_BYTES
        + u64::from(ring.cq_entries) * COMPLETION_ENTRY_BYTES;
    let receive_bytes = u64::from(ring.buffers) * u64::from(ring.buffer_bytes);
    let frame_bytes_max =
        wide(config.message_bytes_max).saturating_add(wide(FRAME_HEADER_BYTES_MAX));
    vec![
        line("logs", "shards x log_bytes", shards, wide(config.log_bytes)),
        line("rings", "shards x queue entries", shards, ring_bytes),
        line(
            "receive buffers",
            "shards x buffers lent to the kernel",
            shards,
            receive_bytes,
        ),
        line(
            "mesh",
            "ordered pairs of threads x slots",
            // The web thread is one of the threads.
            shards * (shards + 1),
            wide(RING_MESSAGES_MAX * MESH_SLOT_BYTES),
        ),
        line(
            "between shards",
            "ordered pairs of shards x credit and a message, to the home and back",
            2 * shards * (shards - 1),
            wide(config.mesh_credit_bytes()).saturating_add(frame_bytes_max),
        ),
        line(
            "staging",
            "shards x what is published and not appended",
            shards,
            staging_bytes(config, receive_bytes, frame_bytes_max),
        ),
        line(
            "indexes",
            "shards x a quarter of log_bytes, twice while one grows",
            shards,
            wide(config.index_bytes_max()).saturating_mul(2),
        ),
        line(
            "histories",
            "shards x history_bytes_max with rooms that stay for it, once more for what is being sent",
            shards,
            wide(config.history_bytes_max).saturating_mul(2),
        ),
        line(
            "places of histories",
            "shards x rooms that are gone x name and place",
            shards.saturating_mul(wide(config.positions_max)),
            wide(Positions::ENTRY_BYTES + ROOM_BYTES_MAX),
        ),
    ]
}

/// What is there for those who connect, and the process itself.
fn peer_lines(config: &Config) -> Vec<BudgetLine> {
    let shards = wide(config.shards.get());
    let rooms = (wide(config.connections_max).saturating_mul(2))
        .min(shards.saturating_mul(wide(config.rooms_max)));
    let web_connections =
        wide(config.web_connections_max).saturating_add(wide(config.web_health_connections_max()));
    vec![
        line(
            "rooms",
            "a room of each session, at home and where it is, x room",
            rooms,
            wide(ROOM_BYTES),
        ),
        line(
            "sessions",
            "descriptors x session, what a client is owed and a few replies",
            wide(config.descriptors_max),
            wide(SESSION_BYTES + CLIENT_BYTES + SMALL_BYTES),
        ),
        line(
            "memberships",
            "connections_max x rooms of a client beyond the first",
            wide(config.connections_max).saturating_mul(wide(MEMBERSHIPS_MAX - 1)),
            wide(MEMBERSHIP_BYTES),
        ),
        line(
            "session buffers",
            "shards x session_buffers_max and a message that grows",
            shards,
            wide(config.session_buffers_max).saturating_add(2 * wide(config.message_bytes_max)),
        ),
        line(
            "replies",
            "shards x the one that is being made",
            shards,
            wide(config.reply_bytes_max),
        ),
        line(
            "web connections",
            "http_connections_max and the reserve x two request heads and chunks of an answer",
            web_connections,
            2 * wide(config.head_bytes_max) + WEB_CONNECTION_BYTES,
        ),
        line(
            "waiting for the web thread",
            "shards x connections x request head",
            shards * wide(config.web_waiting_max()),
            wide(config.head_bytes_max) + u64::from(RingConfig::default().buffer_bytes),
        ),
        line(
            "process",
            "program, stacks and the allocator's own: one and shards x",
            1 + shards,
            THREAD_BYTES,
        ),
    ]
}

/// The users whose connections are counted, if there is a limit on those.
fn user_line(config: &Config) -> Option<BudgetLine> {
    config.chat.client.user_connection_limit?;
    Some(line(
        "users",
        "connections_max x a counted user with its name",
        wide(config.connections_max),
        wide(USER_BYTES + USER_BYTES_MAX),
    ))
}

/// What a shard may have staged, for rooms at home here and elsewhere: three times what a flush may
/// append, what is held for slow members, and what arrives in a turn after that; at home also what
/// other shards had credit for. Buffers double as they grow, and two runs are taken out to be
/// passed on.
fn staging_bytes(config: &Config, receive_bytes: u64, frame_bytes_max: u64) -> u64 {
    let append = wide(config.append_bytes_max());
    // The shortest frame that can be published has 6 bytes on the wire.
    let entries = receive_bytes / 6 * wide(Run::ENTRY_BYTES + Info::ANONYMOUS_BYTES);
    let own = (3 * append + receive_bytes + entries)
        .saturating_add(frame_bytes_max.saturating_mul(2))
        .saturating_add(wide(config.held_bytes_max()));
    let shards = wide(config.shards.get());
    let each = wide(config.mesh_credit_bytes()).saturating_add(frame_bytes_max);
    let others = each.saturating_mul(shards - 1);
    let runs = append.saturating_add(frame_bytes_max);
    (own.saturating_mul(2).saturating_add(others))
        .saturating_add(runs)
        .saturating_mul(2)
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).expect("no machine counts with more than 64 bits")
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    /// Goal: the budget moves with each limit it claims to come from.
    #[test]
    fn every_limit_moves_the_total() {
        let base = Config::default();
        let total = Budget::of(&base).total_bytes();
        type Change = fn(&mut Config);
        let changed: [(&str, Change); 12] = [
            ("shards", |config| {
                config.shards = NonZeroUsize::new(2).expect("two")
            }),
            ("log_bytes", |config| config.log_bytes *= 2),
            ("connections_max", |config| config.connections_max += 1),
            ("message_bytes_max", |config| config.message_bytes_max += 1),
            ("head_bytes_max", |config| config.head_bytes_max += 1),
            ("descriptors_max", |config| config.descriptors_max += 1),
            ("session_buffers_max", |config| {
                config.session_buffers_max += 1
            }),
            ("web_connections_max", |config| {
                config.web_connections_max += 1
            }),
            ("history_bytes_max", |config| config.history_bytes_max += 1),
            ("positions_max", |config| config.positions_max += 1),
            ("reply_bytes_max", |config| config.reply_bytes_max += 1),
            ("user_connection_limit", |config| {
                config.chat.client.user_connection_limit = Some(NonZeroUsize::MIN);
            }),
        ];
        for (name, change) in changed {
            let mut config = base.clone();
            change(&mut config);
            assert!(
                Budget::of(&config).total_bytes() > total,
                "{name} left the budget as it was"
            );
        }
    }

    /// Goal: the largest limits do not wrap around to a small total.
    #[test]
    fn the_sum_saturates() {
        let config = Config {
            connections_max: usize::MAX,
            log_bytes: usize::MAX,
            ..Config::default()
        };
        assert_eq!(Budget::of(&config).total_bytes(), u64::MAX);
    }

    /// Goal: sizes are told in the unit that reads best.
    #[test]
    fn bytes_read_well() {
        let cases = [
            (96, "96 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (64 << 20, "64 MiB"),
            (1_395_864_371, "1.2 GiB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
    }
}
