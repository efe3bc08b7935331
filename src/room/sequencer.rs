//! The home shard's side of a room: where its members are, what its next offset is, and whether
//! joins and leaves are announced one by one or as a count.

use std::time::Duration;

use crate::id::{Offset, ShardId};

/// At most one member count in this time.
const COUNT_INTERVAL: Duration = Duration::from_secs(1);

/// How a join or leave is made known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announcement {
    /// To everybody, with the member's id.
    Member,
    /// As a member count, soon.
    Count,
    /// Not at all: the member asked for no presence.
    None,
}

/// How many members of a room on a shard are behind though they keep reading.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Behind {
    /// All of them.
    pub members: u32,
    /// Whether one of them came far behind and has not caught up since.
    pub far: bool,
}

/// For whom a room is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// For so many that the server or the network has too much to do.
    ForMany,
    /// For a few that had no time for a moment.
    ForFew,
}

/// The state that only a room's home shard has.
#[derive(Debug)]
pub struct Sequencer {
    members_by_shard: Box<[u32]>,
    /// A bit for each shard with members: what a message needs to know, in one cache line with the rest.
    shards_with_members: u64,
    visible: u32,
    next_offset: u64,
    /// Members that are behind though they keep reading, on each shard that has any.
    behind: Vec<(ShardId, Behind)>,
    /// Not held again before this: its members that are behind had their time.
    holdable_at: Duration,
    /// Not held again before this for a few of them.
    briefly_holdable_at: Duration,
    /// Whether the other shards were told that the room spreads over all of them.
    pub spread: bool,
    /// Whether a count is owed.
    pub count_due: bool,
    last_count: Option<Duration>,
}

impl Sequencer {
    /// A room without members, on a machine of `shards`.
    #[must_use]
    pub fn new(shards: u16) -> Self {
        Self {
            members_by_shard: vec![0; usize::from(shards)].into_boxed_slice(),
            shards_with_members: 0,
            visible: 0,
            next_offset: 0,
            behind: Vec::new(),
            holdable_at: Duration::ZERO,
            briefly_holdable_at: Duration::ZERO,
            spread: false,
            count_due: false,
            last_count: None,
        }
    }

    /// Members that take part in presence.
    #[must_use]
    pub fn visible(&self) -> u32 {
        self.visible
    }

    /// All members, on all shards.
    #[must_use]
    pub fn members(&self) -> u32 {
        self.members_by_shard.iter().sum()
    }

    /// Shards with members, other than `except`.
    pub fn shards_except(&self, except: ShardId) -> impl Iterator<Item = ShardId> + use<> {
        let mut left = self.shards_with_members & !bit(except);
        std::iter::from_fn(move || {
            let shard = u16::try_from(left.trailing_zeros()).ok()?;
            left = left.checked_sub(1)? & left;
            Some(ShardId::new(shard))
        })
    }

    /// A member joined on `shard`.
    pub fn join(&mut self, shard: ShardId, visible: bool, announced_max: usize) -> Announcement {
        self.members_by_shard[shard.index()] += 1;
        self.shards_with_members |= bit(shard);
        self.visible += u32::from(visible);
        self.announce(visible, announced_max)
    }

    /// A member left on `shard`.
    pub fn leave(&mut self, shard: ShardId, visible: bool, announced_max: usize) -> Announcement {
        let members = &mut self.members_by_shard[shard.index()];
        // One whose join was refused may not have heard of that before it left.
        let Some(left) = members.checked_sub(1) else {
            return Announcement::None;
        };
        *members = left;
        if left == 0 {
            self.shards_with_members &= !bit(shard);
        }
        let announcement = self.announce(visible, announced_max);
        self.visible = self.visible.saturating_sub(u32::from(visible));
        announcement
    }

    fn announce(&mut self, visible: bool, announced_max: usize) -> Announcement {
        if !visible {
            Announcement::None
        } else if self.visible as usize > announced_max {
            self.count_due = true;
            Announcement::Count
        } else {
            Announcement::Member
        }
    }

    /// When the owed count may go out.
    #[must_use]
    pub fn count_at(&self, now: Duration) -> Duration {
        self.last_count
            .map_or(now, |last| now.max(last + COUNT_INTERVAL))
    }

    /// The count was announced.
    pub fn counted(&mut self, now: Duration) {
        self.count_due = false;
        self.last_count = Some(now);
    }

    /// Assigns offsets to `count` messages; returns the first.
    pub fn assign(&mut self, count: u64) -> Offset {
        let first = Offset::new(self.next_offset);
        self.next_offset += count;
        first
    }

    /// So many members on `shard` are behind now.
    pub fn set_behind(&mut self, shard: ShardId, behind: Behind) {
        self.behind.retain(|&(other, _)| other != shard);
        if behind.members > 0 {
            self.behind.push((shard, behind));
        }
    }

    /// Whether whoever publishes is to wait: for half of the members, or for half of those on one
    /// shard, which then has less time than the others, if they are an eighth of all; else for one
    /// that is far behind.
    #[must_use]
    pub fn wants_hold(&self, now: Duration) -> Option<Hold> {
        let (mut behind, members) = (0, self.members());
        let (mut shard_behind, mut far) = (false, false);
        for &(shard, there) in &self.behind {
            behind += there.members;
            let all = self.members_by_shard[shard.index()];
            shard_behind |= there.members * 2 >= all && there.members * 8 >= members;
            far |= there.far;
        }
        let half_behind = behind > 0 && behind * 2 >= members;
        if (half_behind || shard_behind) && now >= self.holdable_at {
            Some(Hold::ForMany)
        } else if far && now >= self.briefly_holdable_at {
            Some(Hold::ForFew)
        } else {
            None
        }
    }

    /// The room was held long enough: it is not held again before `at` for as many, or fewer.
    pub fn spare_until(&mut self, hold: Hold, at: Duration) {
        self.briefly_holdable_at = at;
        if hold == Hold::ForMany {
            self.holdable_at = at;
        }
    }

    /// Whether nobody is in the room.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.shards_with_members == 0
    }
}

/// The bit of a shard; there are at most 64.
fn bit(shard: ShardId) -> u64 {
    1 << shard.number()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Announcement, Behind, Hold, Sequencer};
    use crate::id::{Offset, ShardId};

    const ZERO: ShardId = ShardId::new(0);
    const ONE: ShardId = ShardId::new(1);

    /// Joins and leaves are announced one by one up to the limit and as a count above it, by the
    /// members there are with the one that joins or leaves.
    #[test]
    fn large_rooms_announce_counts() {
        let mut room = Sequencer::new(2);
        assert_eq!(room.join(ZERO, true, 2), Announcement::Member);
        assert_eq!(room.join(ONE, false, 2), Announcement::None);
        assert_eq!(room.join(ONE, true, 2), Announcement::Member);
        assert_eq!(room.join(ZERO, true, 2), Announcement::Count);
        assert_eq!((room.members(), room.visible()), (4, 3));
        assert_eq!(room.leave(ZERO, true, 2), Announcement::Count);
        assert_eq!(room.leave(ONE, false, 2), Announcement::None);
        assert_eq!(room.leave(ONE, true, 2), Announcement::Member);
        assert!(room.shards_except(ZERO).next().is_none());
        assert_eq!(room.shards_except(ONE).collect::<Vec<_>>(), [ZERO]);
        assert_eq!(room.leave(ZERO, true, 2), Announcement::Member);
        assert!(room.is_idle());
    }

    /// A count goes out at once, and the next one a second later.
    #[test]
    fn counts_keep_their_distance() {
        let mut room = Sequencer::new(1);
        let at = Duration::from_millis;
        assert_eq!(room.count_at(at(70)), at(70));
        room.counted(at(70));
        assert_eq!(room.count_at(at(80)), at(1070));
        assert_eq!(room.count_at(at(5000)), at(5000));
    }

    /// Offsets have no gaps.
    #[test]
    fn offsets_add_up() {
        let mut room = Sequencer::new(3);
        assert_eq!(
            [3, 0, 1, 1].map(|count| room.assign(count)),
            [0, 3, 3, 4].map(Offset::new)
        );
    }

    /// A room is held while half of its members are behind, on whichever shards they are, or while
    /// one is far behind, and not while it is spared.
    #[test]
    fn a_room_is_held_for_many_or_for_one_far_behind() {
        let at = Duration::from_secs;
        let behind = |members, far| Behind { members, far };
        let mut room = Sequencer::new(2);
        for shard in [0, 1, 1, 1, 1, 1, 1, 1, 1].map(ShardId::new) {
            room.join(shard, true, 20);
        }
        assert_eq!(room.wants_hold(at(0)), None);
        room.set_behind(ONE, behind(3, false));
        assert_eq!(room.wants_hold(at(0)), None, "three of nine");
        room.set_behind(ZERO, behind(1, false));
        assert_eq!(room.wants_hold(at(0)), None, "one is all on its shard");
        room.set_behind(ONE, behind(4, false));
        assert_eq!(room.wants_hold(at(0)), Some(Hold::ForMany), "five of nine");
        room.set_behind(ZERO, Behind::default());
        assert_eq!(
            room.wants_hold(at(0)),
            Some(Hold::ForMany),
            "half of a shard"
        );
        room.spare_until(Hold::ForMany, at(9));
        assert_eq!(room.wants_hold(at(8)), None);
        assert_eq!(room.wants_hold(at(9)), Some(Hold::ForMany));
        room.set_behind(ONE, behind(1, true));
        assert_eq!(room.wants_hold(at(9)), Some(Hold::ForFew));
        room.spare_until(Hold::ForFew, at(20));
        assert_eq!(room.wants_hold(at(19)), None);
        room.set_behind(ONE, behind(4, true));
        assert_eq!(room.wants_hold(at(19)), Some(Hold::ForMany));
        room.set_behind(ONE, Behind::default());
        assert_eq!(room.wants_hold(at(20)), None);
    }
}
