//! Time as deadlines see it: in steps of 100 ms.

use std::time::Duration;

/// Resolution of every deadline.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// How many there are in a second.
pub(crate) const TICKS_PER_SECOND: u32 = 1_000_000_000 / TICK.subsec_nanos();

/// A point in time in ticks since the shard began; 13 years fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Tick(pub u32);

impl Tick {
    /// The tick that `time`, counted from the shard's beginning, falls into.
    #[must_use]
    pub(crate) fn at(time: Duration) -> Self {
        let part = time.subsec_nanos() / TICK.subsec_nanos();
        let ticks =
            (time.as_secs().saturating_mul(TICKS_PER_SECOND.into())).saturating_add(part.into());
        // Saturates: time stands still after 13 years.
        Self(u32::try_from(ticks).unwrap_or(u32::MAX))
    }

    /// When it begins, counted from the shard's beginning.
    #[must_use]
    pub(crate) fn begins(self) -> Duration {
        TICK * self.0
    }

    /// The tick by which `wait` has surely passed.
    #[must_use]
    pub(crate) fn after(self, wait: Duration) -> Self {
        let ticks = wait.as_millis().div_ceil(TICK.as_millis());
        // Saturates: what is more than 13 years away never comes.
        let ticks = u32::try_from(ticks).unwrap_or(u32::MAX);
        Self(self.0.saturating_add(ticks).saturating_add(1))
    }
}
