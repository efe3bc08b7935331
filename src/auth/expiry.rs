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

/// In how many seconds a client is to refresh what ends at `expires_at`: at least 1, and up to a tenth
/// earlier than it ends, by `draw`, which is any random number.
pub fn ttl_seconds(expires_at: u64, now: u64, draw: u64) -> u32 {
    let left = left(expires_at, now);
    let ttl = left - draw % (left / SPREAD_PART + 1);
    u32::try_from(ttl).expect("TTL_SECONDS_MAX at most")
}

/// In what time it ends.
pub fn time_left(expires_at: u64, now: u64) -> Duration {
    Duration::from_secs(left(expires_at, now))
}

fn left(expires_at: u64, now: u64) -> u64 {
    expires_at.saturating_sub(now).clamp(1, TTL_SECONDS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    /// Goal: a ttl is never 0, which clients take for none, never after the end, and bounded.
    #[test]
    fn a_ttl_is_within_its_bounds() {
        for left in [1, 2, 9, 10, 11, 60, 3600, 86_400, TTL_SECONDS_MAX] {
            let earliest = left - left / 10;
            let told = (0..5_000).map(|draw| u64::from(ttl_seconds(NOW + left, NOW, draw)));
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
            assert_eq!(u64::from(ttl_seconds(expires_at, NOW, 0)), expected);
            assert_eq!(time_left(expires_at, NOW), Duration::from_secs(expected));
            assert!(ttl_seconds(expires_at, NOW, u64::MAX) >= 1);
        }
    }

    /// Goal: of a thousand clients whose tokens end in the same second no more than a few refresh in one.
    #[test]
    fn equal_ends_do_not_come_back_together() {
        let mut random = fastrand::Rng::with_seed(1);
        for (left, most) in [(3600, 14), (600, 40), (86_400, 5)] {
            let mut seconds = std::collections::HashMap::new();
            for _ in 0..1_000 {
                let ttl = ttl_seconds(NOW + left, NOW, random.u64(..));
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
