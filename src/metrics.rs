//! Figures of each thread, written by that thread alone and summed by whoever reads them.
//!
//! No locks and, but for the log's one, no read-modify-write instructions: one writer, relaxed loads
//! and stores, each thread's figures on cache lines of their own. A type for each kind of figure says
//! what may be done to it.

mod arrivals;
mod shard;
mod tally;
mod web;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub use self::shard::{Closes, CommandKind, CommandRefusals, Commands, Refusals, ShardMetrics};
pub use self::web::WebRefusals;

/// How often something has happened, or how much of it there was; with a single writer.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `count`; only the owning thread may call this.
    pub(crate) fn add(&self, count: u64) {
        self.0
            .store(self.0.load(Relaxed).wrapping_add(count), Relaxed);
    }

    /// The figure as last written.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// How many there are now. It is told from what is counted anyway and never kept by adding and
/// subtracting, so it can't drift; with a single writer.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Replaces the figure; only the owning thread may call this.
    pub(crate) fn set(&self, figure: u64) {
        self.0.store(figure, Relaxed);
    }

    /// The figure as last written.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A counter that somebody else keeps, such as the kernel: what was read there last; with a single
/// writer.
#[derive(Debug, Default)]
pub struct ForeignCounter(AtomicU64);

impl ForeignCounter {
    /// Takes over what the counter is at; only the owning thread may call this.
    pub(crate) fn set(&self, total: u64) {
        self.0.store(total, Relaxed);
    }

    /// The figure as last read.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A counter that every thread may add to, for what is rare.
#[derive(Debug, Default)]
pub(crate) struct SharedCounter(AtomicU64);

impl SharedCounter {
    /// Adds `count`.
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    /// The figure.
    #[must_use]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Lines for the log that were not written, because stderr took none. A process has one stderr.
pub(crate) static LOG_LINES_LOST: SharedCounter = SharedCounter(AtomicU64::new(0));

#[cfg(test)]
mod tests {
    use super::{Closes, CommandKind, Counter, ForeignCounter, Gauge, ShardMetrics};

    /// Goal: a counter goes up, and a figure that is told is what was told last.
    #[test]
    fn figures_are_what_their_kind_says() {
        let (counter, gauge, foreign) = (
            Counter::default(),
            Gauge::default(),
            ForeignCounter::default(),
        );
        for figure in [5, 2] {
            counter.add(figure);
            gauge.set(figure);
            foreign.set(figure);
        }
        assert_eq!((counter.get(), gauge.get(), foreign.get()), (7, 2, 2));
    }

    /// Goal: a number that was expected has a name of its own, and no other one is lost.
    #[test]
    fn numbers_are_counted_by_name() {
        let closes = Closes::default();
        for code in [1009, 1009, 4001, 1000, 7] {
            closes.count(code);
        }
        let counted: Vec<_> = closes.figures().filter(|(_, count)| *count > 0).collect();
        let expected = [("closed_1009", 2), ("closed_4001", 1), ("closed_other", 2)];
        assert_eq!(counted, expected);
    }

    /// Goal: operators find out of every figure about commands of clients what it counts, and of none that there is not.
    #[test]
    fn figures_of_commands_are_told_of() {
        let told = include_str!("../docs/DEPLOY.md").split("`");
        let told: Vec<&str> = told.filter(|word| word.starts_with("commands_")).collect();
        let figures = ShardMetrics::default().figures();
        let counted = figures.iter().map(|&(name, _)| name);
        let counted: Vec<&str> = counted
            .filter(|name| name.starts_with("commands_"))
            .collect();
        assert!(counted.len() > 20);
        for name in &counted {
            assert!(told.contains(name), "{name} is not told of");
        }
        for name in told {
            assert!(counted.contains(&name), "{name} is not counted");
        }
    }

    /// Goal: no figure of a shard is kept from those who ask for all of them, and each has a name of
    /// its own.
    #[test]
    fn all_figures_of_a_shard_are_told() {
        let metrics = ShardMetrics::default();
        metrics.rooms.set(3);
        metrics.refusals.count(503);
        metrics.closes.count(1001);
        metrics.commands.count(CommandKind::SubRefresh);
        metrics.command_refusals.count(111);
        let figures = metrics.figures();
        for expected in [
            ("rooms", 3),
            ("refused_503", 1),
            ("closed_1001", 1),
            ("commands_sub_refresh", 1),
            ("commands_refused_111", 1),
        ] {
            assert!(figures.contains(&expected), "{expected:?}");
        }
        let mut names: Vec<_> = figures.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), figures.len());
    }
}
