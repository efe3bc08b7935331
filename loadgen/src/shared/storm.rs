//! A storm as all workers are told of it: that everybody drops, that all have, and that they come back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// See the file.
#[derive(Debug)]
pub(crate) struct Storm {
    /// [`u64::MAX`] as long as there was none.
    drop_ns: AtomicU64,
    are_all_away: AtomicBool,
    /// As above.
    return_ns: AtomicU64,
}

impl Storm {
    pub(super) fn new() -> Self {
        Self {
            drop_ns: AtomicU64::new(u64::MAX),
            are_all_away: AtomicBool::new(false),
            return_ns: AtomicU64::new(u64::MAX),
        }
    }

    /// Everybody is to drop, from this time on.
    pub(crate) fn call(&self, at_ns: u64) {
        self.drop_ns.store(at_ns, Ordering::Release);
    }

    /// When everybody was to drop, if that was called for.
    pub(crate) fn drop_ns(&self) -> Option<u64> {
        told(&self.drop_ns)
    }

    /// All have dropped, of all processes.
    pub(crate) fn note_all_away(&self) {
        self.are_all_away.store(true, Ordering::Release);
    }

    pub(crate) fn are_all_away(&self) -> bool {
        self.are_all_away.load(Ordering::Acquire)
    }

    /// Those that were dropped are to come back, from this time on.
    pub(crate) fn call_back(&self, at_ns: u64) {
        self.return_ns.store(at_ns, Ordering::Release);
    }

    /// When those that were dropped were to come back, if that was called for.
    pub(crate) fn return_ns(&self) -> Option<u64> {
        told(&self.return_ns)
    }

    /// Since when those that were dropped may be back: they come back at once if they are to miss nothing.
    pub(crate) fn back_since_ns(&self) -> Option<u64> {
        self.return_ns().or(self.drop_ns())
    }
}

fn told(at_ns: &AtomicU64) -> Option<u64> {
    let at_ns = at_ns.load(Ordering::Acquire);
    (at_ns != u64::MAX).then_some(at_ns)
}
