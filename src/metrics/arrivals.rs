//! How many have come in a second, for those who count what has come to several.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bits of the count; those above are the second's.
const COUNT_BITS: u32 = 32;

/// A count that belongs to a second, and has one writer.
#[derive(Debug, Default)]
pub(crate) struct Arrivals(AtomicU64);

impl Arrivals {
    /// How many have come in that second, of the Unix epoch.
    #[must_use]
    pub(crate) fn in_second(&self, second: u64) -> u64 {
        // Relaxed: the count alone is shared, and one that is just being added may be missed.
        let packed = self.0.load(Ordering::Relaxed);
        match packed ^ (second << COUNT_BITS) {
            count if count >> COUNT_BITS == 0 => count,
            _ => 0,
        }
    }

    /// Another has come in that second.
    pub(crate) fn add(&self, second: u64) {
        let count = self.in_second(second) + 1;
        assert!(count >> COUNT_BITS == 0, "so many don't come in a second");
        self.0
            .store((second << COUNT_BITS) | count, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::Arrivals;

    /// Goal: what has come in a second counts there and in no other, also when the clock is set back, and is forgotten
    /// with the first that comes in another.
    #[test]
    fn what_comes_belongs_to_its_second() {
        let arrivals = Arrivals::default();
        let second = 1_800_000_000;
        assert_eq!(arrivals.in_second(second), 0);
        arrivals.add(second);
        arrivals.add(second);
        assert_eq!(arrivals.in_second(second), 2);
        assert_eq!(
            [second - 1, second + 1, 0].map(|other| arrivals.in_second(other)),
            [0; 3]
        );
        arrivals.add(second - 1);
        assert_eq!(
            (arrivals.in_second(second), arrivals.in_second(second - 1)),
            (0, 1)
        );
        arrivals.add(0);
        assert_eq!(arrivals.in_second(0), 1);
    }
}
