//! Time as deadlines see it: in steps of 100 ms.

use std::num::NonZeroU32;
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
        self.plus(ticks).plus(1)
    }

    /// So many ticks later.
    #[must_use]
    pub(crate) fn plus(self, ticks: u32) -> Self {
        // Saturates: time stands still after 13 years.
        Self(self.0.saturating_add(ticks))
    }
}

/// A point in time that there may be, in as little as the point itself takes. The first tick of all counts as the
/// second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Moment(Option<NonZeroU32>);

impl Moment {
    /// There is none.
    pub(crate) const NONE: Self = Self(None);

    /// The point, if there is one.
    #[must_use]
    pub(crate) fn get(self) -> Option<Tick> {
        self.0.map(|ticks| Tick(ticks.get()))
    }
}

impl From<Option<Tick>> for Moment {
    fn from(tick: Option<Tick>) -> Self {
        Self(tick.map(|tick| NonZeroU32::new(tick.0).unwrap_or(NonZeroU32::MIN)))
    }
}

impl From<Tick> for Moment {
    fn from(tick: Tick) -> Self {
        Some(tick).into()
    }
}
#[cfg(test)]
mod tests {
    use super::{Moment, Tick};

    /// Goal: every point in time comes back as it was, but for the first of all, and takes no more than itself.
    #[test]
    fn moments_are_points_in_time() {
        assert_eq!(size_of::<Moment>(), size_of::<Tick>());
        for (ticks, wanted) in [(0, 1), (1, 1), (7, 7), (u32::MAX, u32::MAX)] {
            assert_eq!(Moment::from(Tick(ticks)).get(), Some(Tick(wanted)));
        }
        assert_eq!(Moment::from(None).get(), None);
        assert_eq!(Moment::NONE, Moment::default());
    }
}
