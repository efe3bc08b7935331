//! Credit for payloads between shards: how much of what one shard has sent to another may be
//! waiting there, and how much of what came from others has been used up here.
//!
//! The mesh bounds how many letters are under way, not their size. A shard passes messages on to another only
//! while what the other has not used up is below a limit, so that a shard that falls behind slows
//! down whoever publishes to it instead of gathering what they said. It knows bytes, not rooms.
//!
//! What is on its way to a home and what comes from one have accounts of their own: a home takes
//! more only when it could pass on what it has, and that must not wait for a home that does the
//! same the other way round.

use crate::id::ShardId;
use crate::talk::Lane;

/// What a run takes beside what its messages say and what describes them: its slot, three allocations
/// and their sizes, a count of the room's name.
const RUN_BYTES: usize = 224;

/// A credit is given back in parts of this size, so that it costs few messages.
const RETURN_PARTS: usize = 4;

/// What messages of `weight` cost on their way to another shard.
pub(crate) fn cost(weight: usize) -> usize {
    weight + RUN_BYTES
}

/// One of a shard's accounts with all the others.
#[derive(Debug)]
pub(crate) struct Credits {
    limit: usize,
    /// Sent to each shard and not used up there.
    outstanding: Box<[usize]>,
    /// Used up here, and each sender yet to be told.
    used: Box<[usize]>,
    /// Taken over from each sender, to count as used when the shard has room again.
    held: Box<[usize]>,
}

/// Both of a shard's accounts with all the others.
#[derive(Debug)]
pub(crate) struct Lanes {
    /// For what is on its way to a room's home.
    to_home: Credits,
    /// For what comes from there.
    from_home: Credits,
}

impl Lanes {
    /// Accounts with `shards` shards, each with the same limit.
    pub(crate) fn new(shards: u16, limit: usize) -> Self {
        Self {
            to_home: Credits::new(shards, limit),
            from_home: Credits::new(shards, limit),
        }
    }

    /// The account for what goes on `lane`.
    pub(crate) fn of(&mut self, lane: Lane) -> &mut Credits {
        match lane {
            Lane::ToHome => &mut self.to_home,
            Lane::FromHome => &mut self.from_home,
        }
    }

    /// What was sent to `shard` on `lane` and has not come back, and what has come from there and was not
    /// sent back.
    pub(crate) fn figures(&self, lane: Lane, shard: ShardId) -> (usize, usize) {
        let credits = match lane {
            Lane::ToHome => &self.to_home,
            Lane::FromHome => &self.from_home,
        };
        let at = shard.index();
        let unreturned = credits.used[at] + credits.held[at];
        (credits.outstanding[at], unreturned)
    }

    /// The next shard to be told how much of what it sent, and on which lane, is used up.
    pub(crate) fn poll_return(&mut self) -> Option<(Lane, ShardId, usize)> {
        [Lane::ToHome, Lane::FromHome].into_iter().find_map(|lane| {
            let (shard, bytes) = self.of(lane).poll_return()?;
            Some((lane, shard, bytes))
        })
    }
}

impl Credits {
    /// Accounts with `shards` shards, each with the same limit.
    fn new(shards: u16, limit: usize) -> Self {
        let none = || vec![0; usize::from(shards)].into_boxed_slice();
        Self {
            limit,
            outstanding: none(),
            used: none(),
            held: none(),
        }
    }

    /// What may still be sent to `shard`. One message may exceed it, the next then waits.
    pub(crate) fn left(&self, shard: ShardId) -> usize {
        self.limit.saturating_sub(self.outstanding[shard.index()])
    }

    /// Something is sent to `shard`.
    pub(crate) fn spend(&mut self, shard: ShardId, bytes: usize) {
        self.outstanding[shard.index()] += bytes;
    }

    /// `shard` has used so much up.
    pub(crate) fn give_back(&mut self, shard: ShardId, bytes: usize) {
        self.outstanding[shard.index()] -= bytes;
    }

    /// Something from `shard` is used up.
    pub(crate) fn use_up(&mut self, shard: ShardId, bytes: usize) {
        self.used[shard.index()] += bytes;
    }

    /// Something from `shard` was taken over and waits for [`Self::release`].
    pub(crate) fn hold(&mut self, shard: ShardId, bytes: usize) {
        self.held[shard.index()] += bytes;
    }

    /// There is room again: all that is held counts as used up.
    pub(crate) fn release(&mut self) {
        for (used, held) in self.used.iter_mut().zip(&mut self.held) {
            *used += std::mem::take(held);
        }
    }

    /// The next shard to be told how much of what it sent is used up.
    fn poll_return(&mut self) -> Option<(ShardId, usize)> {
        let part = self.limit / RETURN_PARTS;
        let (shard, used) = ShardId::all(u16::MAX)
            .zip(&mut self.used)
            .find(|(_, used)| **used > part)?;
        Some((shard, std::mem::take(used)))
    }
}

#[cfg(test)]
mod tests {
    use super::Credits;
    use crate::id::ShardId;

    const ONE: ShardId = ShardId::new(1);
    const TWO: ShardId = ShardId::new(2);
    const ZERO: ShardId = ShardId::new(0);

    /// Goal: a sender that has spent its credit gets it back, whatever the sizes were, and what is held
    /// comes back only after its release.
    #[test]
    fn whoever_waits_gets_credit_back() {
        for bytes in [1, 24, 25, 99, 100, 101, 1000] {
            let (mut sender, mut receiver) = (Credits::new(3, 100), Credits::new(3, 100));
            for round in 0..50 {
                let mut sent = 0;
                while sender.left(TWO) > 0 {
                    sender.spend(TWO, bytes);
                    sent += bytes;
                }
                assert!(sent < 100 + bytes && sender.left(ONE) == 100);
                if round % 2 == 0 {
                    receiver.hold(ZERO, sent);
                    assert_eq!(receiver.poll_return(), None);
                    receiver.release();
                } else {
                    receiver.use_up(ZERO, sent);
                }
                let (shard, used) = receiver.poll_return().expect("all of it is used up");
                assert_eq!((shard, receiver.poll_return()), (ZERO, None));
                sender.give_back(TWO, used);
                assert!(sender.left(TWO) > 0);
            }
        }
    }
}
