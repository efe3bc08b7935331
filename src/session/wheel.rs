//! A timer wheel: deadlines of sessions, one bucket a tick.
//!
//! Entries are hints. A session that heard from its peer does not touch the wheel; when its entry
//! comes up the shard looks at the session's real deadline and, if that is later, enters it again.

use super::tick::Tick;
use crate::id::SessionKey;

const BUCKETS: u32 = 1024;
const WORDS: u32 = BUCKETS / u64::BITS;

/// The wheel. Deadlines further away than it is large wait in its last bucket and go round again.
#[derive(Debug)]
pub(crate) struct Wheel {
    buckets: Vec<Vec<SessionKey>>,
    occupied: [u64; WORDS as usize],
    /// The tick whose bucket is looked at next.
    next: Tick,
    /// The next tick at which something comes up: asked for in every turn, changed in few.
    first: Option<Tick>,
}

impl Default for Wheel {
    fn default() -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| Vec::new()).collect(),
            occupied: [0; WORDS as usize],
            next: Tick(0),
            first: None,
        }
    }
}

impl Wheel {
    /// Brings `key` up at `deadline` or, if that is too far away, some time before it; returns when.
    pub(crate) fn insert(&mut self, key: SessionKey, deadline: Tick) -> Tick {
        let furthest = self.next.0.saturating_add(BUCKETS - 1);
        let at = deadline.0.clamp(self.next.0, furthest);
        let bucket = at % BUCKETS;
        self.buckets[bucket as usize].push(key);
        self.occupied[(bucket / 64) as usize] |= 1 << (bucket % 64);
        let at = Tick(at);
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        at
    }

    /// Moves everything that has come up by `now` to `due`.
    pub(crate) fn expire(&mut self, now: Tick, due: &mut Vec<SessionKey>) {
        if now < self.next {
            return;
        }
        let steps = now
            .0
            .saturating_add(1)
            .saturating_sub(self.next.0)
            .min(BUCKETS);
        for step in 0..steps {
            let bucket = self.next.0.wrapping_add(step) % BUCKETS;
            let word = &mut self.occupied[(bucket / 64) as usize];
            if *word & (1 << (bucket % 64)) != 0 {
                *word &= !(1 << (bucket % 64));
                // Taken whole: after a storm of connects no bucket keeps a storm's capacity.
                due.append(&mut std::mem::take(&mut self.buckets[bucket as usize]));
            }
        }
        self.next = now.plus(1);
        self.first = self.find_first();
    }

    /// The next tick at which something comes up.
    #[must_use]
    pub(crate) fn next_due(&self) -> Option<Tick> {
        self.first
    }

    fn find_first(&self) -> Option<Tick> {
        let start = self.next.0 % BUCKETS;
        (0..=WORDS).find_map(|step| {
            let word_number = (start / 64 + step) % WORDS;
            let mut word = self.occupied[word_number as usize];
            if step == 0 {
                word &= u64::MAX << (start % 64);
            } else if step == WORDS {
                word &= !(u64::MAX << (start % 64));
            }
            if word == 0 {
                return None;
            }
            let bucket = word_number * 64 + word.trailing_zeros();
            let away = (bucket + BUCKETS - start) % BUCKETS;
            Some(self.next.plus(away))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{BUCKETS, SessionKey, Tick, Wheel};

    fn key(slot: u32) -> SessionKey {
        SessionKey {
            slot,
            generation: 0,
        }
    }

    /// Goal: every entry comes up at its tick, neither before nor after, and `next_due` names it.
    #[test]
    fn entries_come_up_at_their_tick() {
        for start in [0u32, 1, 63, 64, 1000, 1023, 5000] {
            for away in [0u32, 1, 63, 64, 65, 500, 1022] {
                let mut wheel = Wheel::default();
                let mut due = Vec::new();
                if start > 0 {
                    wheel.expire(Tick(start - 1), &mut due);
                }
                assert_eq!(wheel.next_due(), None);
                assert_eq!(wheel.insert(key(7), Tick(start + away)), Tick(start + away));
                assert_eq!(wheel.next_due(), Some(Tick(start + away)), "{start} {away}");
                if start + away > 0 {
                    wheel.expire(Tick(start + away - 1), &mut due);
                }
                assert!(due.is_empty());
                wheel.expire(Tick(start + away), &mut due);
                assert_eq!(due, [key(7)]);
                assert_eq!(wheel.next_due(), None);
            }
        }
    }

    /// Goal: a deadline in the past comes up at once; one beyond the wheel comes up early, never
    /// late.
    #[test]
    fn deadlines_outside_the_wheel_are_clamped() {
        let (mut wheel, mut due) = (Wheel::default(), Vec::new());
        wheel.expire(Tick(100), &mut due);
        assert_eq!(wheel.insert(key(1), Tick(3)), Tick(101));
        let far = Tick(100 + 10 * BUCKETS);
        assert_eq!(wheel.insert(key(2), far), Tick(100 + BUCKETS));
        wheel.expire(Tick(101), &mut due);
        assert_eq!(due, [key(1)]);
        due.clear();
        wheel.expire(Tick(101 + BUCKETS), &mut due);
        assert_eq!(due, [key(2)]);
    }

    /// Goal: a jump over the whole wheel loses nothing.
    #[test]
    fn a_long_sleep_brings_everything_up() {
        let (mut wheel, mut due) = (Wheel::default(), Vec::new());
        for slot in 0..500 {
            wheel.insert(key(slot), Tick(slot * 2));
        }
        wheel.expire(Tick(1_000_000), &mut due);
        due.sort();
        assert_eq!(due.len(), 500);
        assert_eq!(wheel.next_due(), None);
    }
}
