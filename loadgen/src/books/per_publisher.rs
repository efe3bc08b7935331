//! A number for each publisher that all workers see: how many messages it has sent, and such.

use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers that only grow, each written by few and read by many.
#[derive(Debug)]
pub(crate) struct PerPublisher(Vec<AtomicU64>);

impl PerPublisher {
    /// A zero for each of them.
    pub(crate) fn new(publishers: u32) -> Self {
        Self((0..publishers).map(|_| AtomicU64::new(0)).collect())
    }

    /// The number of a publisher, if there is one with that number.
    #[inline]
    pub(crate) fn get(&self, publisher: u32) -> Option<u64> {
        let number = self.0.get(publisher as usize)?;
        Some(number.load(Ordering::Acquire))
    }

    /// The number of a publisher; 0 if there is no such publisher.
    pub(crate) fn of(&self, publisher: u32) -> u64 {
        self.get(publisher).unwrap_or(0)
    }

    /// Sets the number of a publisher: whoever sees it sees all that was done before.
    pub(crate) fn set(&self, publisher: u32, number: u64) {
        self.0[publisher as usize].store(number, Ordering::Release);
    }

    /// Raises the number of a publisher to this one, unless it is higher.
    pub(crate) fn raise(&self, publisher: u32, number: u64) {
        self.0[publisher as usize].fetch_max(number, Ordering::AcqRel);
    }

    /// Adds one to the number of a publisher.
    pub(crate) fn count(&self, publisher: u32) {
        self.add(publisher, 1);
    }

    /// Adds so many to the number of a publisher.
    pub(crate) fn add(&self, publisher: u32, more: u64) {
        self.0[publisher as usize].fetch_add(more, Ordering::AcqRel);
    }

    /// All of them added up.
    pub(crate) fn sum(&self) -> u64 {
        let numbers = self.0.iter().map(|number| number.load(Ordering::Acquire));
        numbers.sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: each publisher has its own number, and one that is not there has none.
    #[test]
    fn numbers_are_kept_apart() {
        let numbers = PerPublisher::new(3);
        numbers.set(2, 7);
        numbers.count(0);
        numbers.count(2);
        numbers.raise(2, 3);
        numbers.raise(0, 1);
        assert_eq!([0, 1, 2].map(|publisher| numbers.of(publisher)), [1, 0, 8]);
        assert_eq!((numbers.get(3), numbers.of(3), numbers.sum()), (None, 0, 9));
    }
}
