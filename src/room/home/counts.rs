//! How many members of a room there are on each shard.

use crate::id::ShardId;

/// How many members there are on each shard.
#[derive(Debug)]
pub(super) enum Counts {
    /// Of a machine with no more shards than that.
    Few([u32; COUNTS_INLINE]),
    Many(Box<[u32]>),
}

/// As many as take no more than where others would be.
const COUNTS_INLINE: usize = 2;

impl Counts {
    /// None, on a machine of so many.
    pub(super) fn new(shards: u16) -> Self {
        match usize::from(shards) {
            ..=COUNTS_INLINE => Self::Few([0; COUNTS_INLINE]),
            shards => Self::Many(vec![0; shards].into_boxed_slice()),
        }
    }

    /// All of them, and perhaps some of shards that are not there.
    pub(super) fn all(&self) -> &[u32] {
        match self {
            Self::Few(all) => all,
            Self::Many(all) => all,
        }
    }

    /// The one of `shard`.
    pub(super) fn of(&mut self, shard: ShardId) -> &mut u32 {
        match self {
            Self::Few(all) => &mut all[shard.index()],
            Self::Many(all) => &mut all[shard.index()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{COUNTS_INLINE, Counts};
    use crate::id::ShardId;

    /// Goal: each shard has its count, on machines small and large, and those of small ones need no memory elsewhere.
    #[test]
    fn shards_are_counted_apart() {
        for shards in [1, 2, 3, 64] {
            let mut counts = Counts::new(shards);
            for shard in ShardId::all(shards) {
                *counts.of(shard) += 1 + u32::from(shard.number());
            }
            let all = &counts.all()[..usize::from(shards)];
            assert!(all.iter().copied().eq(1..=u32::from(shards)));
            let is_inline = matches!(counts, Counts::Few(_));
            assert_eq!(is_inline, usize::from(shards) <= COUNTS_INLINE);
        }
    }
}
