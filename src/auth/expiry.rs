//! How long a connection or a subscription lasts, as its client is told.
//!
//! The clock of the wall says once how long that is; from then on a monotonic timer counts, so that a
//! clock that is set neither ends sessions nor lets them stay.

use std::time::Duration;

/// The longest time that is told, and waited for.
pub const TTL_SECONDS_MAX: u64 = 365 * 86_400;

/// A part of the time by which clients are called back earlier, by chance: who got a token together does
/// not come back together.
const SPREAD_PART: u64 = 10;

/// The shortest time that is told: 0 would stand for no end at all.
const TTL_MIN: Duration = Duration::from_secs(1);

/// In how many whole seconds a client is to refresh what ends at `expires_at`, in seconds of the Unix epoch, when it
/// is `now` since its beginning: at least 1, never later than it ends, and up to a tenth earlier, by `draw`, which is
/// any random number.
pub fn ttl_seconds(expires_at: u64, now: Duration, draw: u64) -> u32 {
    // Only whole seconds are told; rounded up they would be over after the end.
    let left = time_left(expires_at, now).as_secs();
    let ttl = left - draw % (left / SPREAD_PART + 1);
    u32::try_from(ttl).expect("TTL_SECONDS_MAX at most")
}

/// In what time it ends.
pub fn time_left(expires_at: u64, now: Duration) -> Duration {
    let left = Duration::from_secs(expires_at).saturating_sub(now);
    left.clamp(TTL_MIN, Duration::from_secs(TTL_SECONDS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    /// Goal: a ttl is never 0, which clients take for none, never after the end, and bounded.
    #[test]
    fn a_ttl_is_within_its_bounds() {
        let now = Duration::from_secs(NOW);
        for left in [1, 2, 9, 10, 11, 60, 3600, 86_400, TTL_SECONDS_MAX] {
            let earliest = left - left / 10;
            let told = (0..5_000).map(|draw| u64::from(ttl_seconds(NOW + left, now, draw)));
            let told: Vec<u64> = told.collect();
            assert!(
                told.iter()
                    .all(|ttl| (earliest.max(1)..=left).contains(ttl)),
                "{left}"
            );
            assert_eq!(told[0], left);
        }
        for (expires_at, expected) in [
            (0, 1),
            (NOW - 1, 1),
            (NOW, 1),
            (NOW + TTL_SECONDS_MAX + 1, TTL_SECONDS_MAX),
            (u64::MAX, TTL_SECONDS_MAX),
        ] {
            assert_eq!(u64::from(ttl_seconds(expires_at, now, 0)), expected);
            assert_eq!(time_left(expires_at, now), Duration::from_secs(expected));
            assert!(ttl_seconds(expires_at, now, u64::MAX) >= 1);
        }
    }

    /// Goal: wherever within its second the clock is, no client is told a time that ends after its token; a clock that
    /// was read just before the second in which a token was made tells no more than the token says.
    #[test]
    fn a_ttl_is_never_rounded_up() {
        for part_ms in [0, 1, 499, 500, 999] {
            let now = Duration::from_secs(NOW) + Duration::from_millis(part_ms);
            for left in [2, 60, 3600] {
                let ttl = ttl_seconds(NOW + left, now, 0);
                let ends = now + Duration::from_secs(ttl.into());
                assert!(ends <= Duration::from_secs(NOW + left), "{part_ms} {left}");
                assert!(Duration::from_secs(NOW + left) - ends < Duration::from_secs(1));
                let exact = Duration::from_secs(left) - Duration::from_millis(part_ms);
                assert_eq!(time_left(NOW + left, now), exact);
            }
        }
        let just_before = Duration::from_secs(NOW) - Duration::from_millis(1);
        assert_eq!(ttl_seconds(NOW + 60, just_before, 0), 60);
    }

    /// Goal: of a thousand clients whose tokens end in the same second no more than a few refresh in one.
    #[test]
    fn equal_ends_do_not_come_back_together() {
        let mut random = fastrand::Rng::with_seed(1);
        for (left, most) in [(3600, 14), (600, 40), (86_400, 5)] {
            let mut seconds = std::collections::HashMap::new();
            for _ in 0..1_000 {
                let now = Duration::from_secs(NOW);
                let ttl = ttl_seconds(NOW + left, now, random.u64(..));
                *seconds.entry(ttl).or_insert(0) += 1;
            }
            let busiest = seconds.values().max().copied().unwrap_or_default();
            assert!(
                busiest <= most,
                "{busiest} of 1,000 in one second of {left}"
            );
        }
    }
}
