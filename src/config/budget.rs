//! The memory budget: what the limits of a [`Config`] add up to, line by line.
//!
//! It knows sizes, not allocations: a line is what its part of the server may come to hold, so the
//! total is a ceiling, and most of it is never touched on a quiet server.

use std::fmt;

use super::{Config, FRAME_HEADER_BYTES_MAX};

/// A submission queue entry (`io_uring_sqe`, include/uapi/linux/io_uring.h).
const SUBMISSION_ENTRY_BYTES: u64 = 64;
/// A completion queue entry (`io_uring_cqe`).
const COMPLETION_ENTRY_BYTES: u64 = 16;
/// Sizes that are fixed in the code. They belong to modules that this one may not know, so they
/// stand here again, and `tests/budget.rs` compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Submission queue entries of a shard's ring.
    pub submission_entries: u32,
    /// Completion queue entries of a shard's ring.
    pub completion_entries: u32,
    /// Receive buffers a shard lends to the kernel.
    pub receive_buffers: u16,
    /// Size of one receive buffer.
    pub receive_buffer_bytes: u32,
    /// Messages one mesh ring holds.
    pub mesh_ring_slots: u64,
    /// A message in a mesh ring, without its payload.
    pub mesh_slot_bytes_max: u64,
    /// A session in the slab, with its deadlines, its place in the room and in a shard's lists.
    pub session_bytes_max: u64,
    /// What a session may hold of heads, messages and replies before its shard's limit counts it.
    pub small_holding_bytes: u64,
    /// A room on a shard with its name and the index entries that any room may have.
    pub room_bytes_max: u64,
    /// What describes a staged message.
    pub entry_bytes: u64,
    /// A thread with its stack, what its libraries hold, and the memory that the allocator keeps
    /// for it; once more for the program itself. `tests/attack` measures it.
    pub thread_bytes_max: u64,
    /// A connection of the web thread besides its request heads: its state, a chunk of a file
    /// that is read, and one that waits to be taken. `tests/http.rs` measures it.
    pub web_connection_bytes_max: u64,
}

impl Sizes {
    /// The sizes as they are built in.
    pub const BUILT_IN: Self = Self {
        submission_entries: 1024,
        completion_entries: 4096,
        receive_buffers: 64,
        receive_buffer_bytes: 2048,
        mesh_ring_slots: 1024,
        mesh_slot_bytes_max: 64,
        session_bytes_max: 400,
        small_holding_bytes: 512,
        room_bytes_max: 2560,
        entry_bytes: 24,
        thread_bytes_max: 8 << 20,
        web_connection_bytes_max: 48 << 10,
    };
}

/// One line of a [`Budget`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetLine {
    /// What holds the memory.
    pub what: &'static str,
    /// The product it comes from, for a reader who wants to change it.
    pub from: String,
    /// Bytes at most.
    pub bytes: u64,
}

/// Everything the server may hold in memory, by purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// The lines, the ones that exist from the start first.
    pub lines: Vec<BudgetLine>,
}

impl Budget {
    /// Adds up the limits of `config`.
    pub(super) fn of(config: &Config) -> Self {
        let mut lines = shard_lines(config);
        lines.extend(peer_lines(config));
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
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
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
    let sizes = Sizes::BUILT_IN;
    let shards = wide(config.shards.get());
    let ring_bytes = u64::from(sizes.submission_entries) * SUBMISSION_ENTRY_BYTES
        + u64::from(sizes.completion_entries) * COMPLETION_ENTRY_BYTES;
    let receive_bytes = u64::from(sizes.receive_buffers) * u64::from(sizes.receive_buffer_bytes);
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
            sizes.mesh_ring_slots * sizes.mesh_slot_bytes_max,
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
    ]
}

/// What is there for those who connect, and the process itself.
fn peer_lines(config: &Config) -> Vec<BudgetLine> {
    let sizes = Sizes::BUILT_IN;
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
            sizes.room_bytes_max,
        ),
        line(
            "sessions",
            "descriptors x session and a few replies",
            wide(config.descriptors_max),
            sizes.session_bytes_max + sizes.small_holding_bytes,
        ),
        line(
            "session buffers",
            "shards x session_buffers_max and a message that grows",
            shards,
            wide(config.session_buffers_max).saturating_add(2 * wide(config.message_bytes_max)),
        ),
        line(
            "web connections",
            "http_connections_max and the reserve x two request heads and chunks of an answer",
            web_connections,
            2 * wide(config.head_bytes_max) + sizes.web_connection_bytes_max,
        ),
        line(
            "waiting for the web thread",
            "shards x connections x request head",
            shards * wide(config.web_waiting_max()),
            wide(config.head_bytes_max) + u64::from(sizes.receive_buffer_bytes),
        ),
        line(
            "process",
            "program, stacks and the allocator's own: one and shards x",
            1 + shards,
            sizes.thread_bytes_max,
        ),
    ]
}

/// What a shard may have staged, for rooms at home here and elsewhere: three times what a flush may
/// append, what is held for slow members, and what arrives in a turn after that; at home also what
/// other shards had credit for. Buffers double as they grow, and two runs are taken out to be
/// passed on.
fn staging_bytes(config: &Config, receive_bytes: u64, frame_bytes_max: u64) -> u64 {
    let append = wide(config.append_bytes_max());
    // The shortest frame that can be published has 6 bytes on the wire.
    let entries = receive_bytes / 6 * Sizes::BUILT_IN.entry_bytes;
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
        let total = base.budget().total_bytes();
        type Change = fn(&mut Config);
        let changed: [(&str, Change); 8] = [
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
        ];
        for (name, change) in changed {
            let mut config = base.clone();
            change(&mut config);
            assert!(
                config.budget().total_bytes() > total,
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
        assert_eq!(config.budget().total_bytes(), u64::MAX);
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
