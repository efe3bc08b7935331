//! Which shard is a room's home: every thread of a process computes the same one.
//!
//! Knows no rooms. The hash is keyed anew at each start, so that nobody can choose names that all
//! meet on one shard.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use crate::id::ShardId;

/// The homes of all rooms, on a machine of so many shards.
#[derive(Debug, Clone, Copy)]
pub struct Homes {
    shards: u16,
    key: u128,
}

impl Homes {
    /// Homes on `shards` shards, drawn by `key`, which is to be random and the same for all threads.
    #[must_use]
    pub fn new(shards: u16, key: u128) -> Self {
        assert!(shards > 0);
        Self { shards, key }
    }

    /// How many shards there are.
    #[must_use]
    pub(crate) fn shards(&self) -> u16 {
        self.shards
    }

    /// The home shard of the room called `name`.
    #[must_use]
    pub fn of(&self, name: &str) -> ShardId {
        let mut hasher = SipHasher13::new_with_key(&self.key.to_ne_bytes());
        hasher.write(name.as_bytes());
        let number = hasher.finish() % u64::from(self.shards);
        ShardId::new(u16::try_from(number).expect("below the number of shards"))
    }
}

#[cfg(test)]
mod tests {
    use super::Homes;
    use crate::id::ShardId;

    fn names() -> impl Iterator<Item = String> {
        (0..4000).map(|number| format!("room{number}"))
    }

    /// Goal: names spread evenly, and each has the same home for everybody who has the key.
    #[test]
    fn names_spread_over_all_shards() {
        let homes = Homes::new(4, 7);
        let mut counts = [0u32; 4];
        for name in names() {
            counts[homes.of(&name).index()] += 1;
            assert_eq!(homes.of(&name), Homes::new(4, 7).of(&name));
        }
        assert!(
            counts.iter().all(|count| (850..1150).contains(count)),
            "{counts:?}"
        );
    }

    /// Goal: names aimed at one shard of a process spread over all of them after its next start.
    #[test]
    fn names_that_met_under_one_key_part_under_another() {
        let (before, after) = (Homes::new(4, 1), Homes::new(4, 2));
        let aimed: Vec<String> = names()
            .filter(|name| before.of(name) == ShardId::new(0))
            .collect();
        let still = aimed
            .iter()
            .filter(|name| after.of(name) == ShardId::new(0))
            .count();
        assert!(
            still * 3 < aimed.len(),
            "{still} of {} still meet",
            aimed.len()
        );
    }
}
