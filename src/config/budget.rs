//! The memory budget: what the limits of a [`Config`] add up to, line by line.
//!
//! It knows sizes, not allocations: a line is what its part of the server may come to hold, so the
//! total is a ceiling, and most of it is never touched on a quiet server.

use std::fmt;

use super::{
    COMPLETION_ENTRIES, Config, HEAD_BYTES_MAX, MESH_RING_SLOTS, RECEIVE_BUFFER_BYTES,
    RECEIVE_BUFFERS, SUBMISSION_ENTRIES, WEB_CONNECTIONS_MAX,
};

/// One session's slot: state, cursor, parser, deadlines, id, with its place in timers and room.
const SESSION_BYTES: u64 = 320;
/// A submission queue entry (`io_uring_sqe`, include/uapi/linux/io_uring.h).
const SUBMISSION_ENTRY_BYTES: u64 = 64;
/// A completion queue entry (`io_uring_cqe`).
const COMPLETION_ENTRY_BYTES: u64 = 16;
/// A message in a mesh ring; its payload is shared and counted with the log's writers.
const MESH_SLOT_BYTES: u64 = 64;

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
        let shards = wide(config.shards.get());
        let sessions = wide(config.connections_max);
        // Each ordered pair of threads has a ring, and the web thread is one of the threads.
        let pairs = shards * (shards + 1);
        let ring_bytes = u64::from(SUBMISSION_ENTRIES) * SUBMISSION_ENTRY_BYTES
            + u64::from(COMPLETION_ENTRIES) * COMPLETION_ENTRY_BYTES;
        let receive_bytes = u64::from(RECEIVE_BUFFERS) * u64::from(RECEIVE_BUFFER_BYTES);
        let lines = vec![
            line("logs", "shards x log_bytes", shards, wide(config.log_bytes)),
            line("rings", "shards x queue entries", shards, ring_bytes),
            line(
                "receive buffers",
                "shards x buffers lent to the kernel",
                shards,
                receive_bytes,
            ),
            line(
                "mesh rings",
                "ordered pairs of threads x slots",
                pairs,
                wide(MESH_RING_SLOTS).saturating_mul(MESH_SLOT_BYTES),
            ),
            line(
                "sessions",
                "connections_max x session",
                sessions,
                SESSION_BYTES,
            ),
            line(
                "web connections",
                "connections x request head, twice for the answer",
                wide(WEB_CONNECTIONS_MAX),
                2 * wide(HEAD_BYTES_MAX),
            ),
            line(
                "partial messages",
                "connections_max x message_bytes_max, if every session stops midway",
                sessions,
                wide(config.message_bytes_max),
            ),
        ];
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

/// `usize` is at most 64 bits on Linux, so nothing is lost.
fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroUsize;

    // The budget must move with each limit it claims to come from.
    #[test]
    fn every_limit_moves_the_total() {
        let base = Config::default();
        let total = base.budget().total_bytes();
        type Change = fn(&mut Config);
        let changed: [(&str, Change); 4] = [
            ("shards", |config| {
                config.shards = NonZeroUsize::new(2).expect("two")
            }),
            ("log_bytes", |config| config.log_bytes *= 2),
            ("connections_max", |config| config.connections_max += 1),
            ("message_bytes_max", |config| config.message_bytes_max += 1),
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

    // The largest limits must not wrap around to a small total.
    #[test]
    fn the_sum_saturates() {
        let config = Config {
            connections_max: usize::MAX,
            message_bytes_max: usize::MAX,
            log_bytes: usize::MAX,
            ..Config::default()
        };
        assert_eq!(config.budget().total_bytes(), u64::MAX);
    }

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
