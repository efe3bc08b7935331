//! Whether those who publish to a room have to wait for its members, as its home decides it.
//!
//! A room is held while half of its members are behind although they keep reading, or a few have come
//! far behind, but only for so long; then it is spared for a while. Who is behind is found out on each
//! shard, and nobody is paused here.

use std::time::Duration;

use crate::id::ShardId;

/// The longest a room is held at a stretch, and how long it is spared after that. Whoever is still
/// behind then had nothing new to read in all that time.
const HOLD_MAX: Duration = Duration::from_secs(10);
/// The same for a few members: enough for one whose machine was busy with others, on a link that is
/// not slower than what is published.
const HOLD_FOR_FEW_MAX: Duration = Duration::from_millis(500);
/// The longest that it is held while what it has staged keeps other shards from sending.
const HEAVY_HOLD_MAX: Duration = Duration::from_secs(1);
const SPARED_FOR: Duration = Duration::from_secs(30);

/// How many members of a room on a shard are behind though they keep reading.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Behind {
    /// All of them.
    pub(crate) members: u32,
    /// Whether one of them came far behind and has not caught up since.
    pub(crate) far: bool,
}

/// For whom a room is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    /// For so many that the server or the network has too much to do.
    ForMany,
    /// For a few that had no time for a moment.
    ForFew,
}

impl Hold {
    /// How long it may last at a stretch.
    fn time_max(self) -> Duration {
        match self {
            Self::ForMany => HOLD_MAX,
            Self::ForFew => HOLD_FOR_FEW_MAX,
        }
    }
}

/// That a room is held.
#[derive(Debug, Clone, Copy)]
struct Held {
    hold: Hold,
    /// When that began, for whomever it was first.
    since: Duration,
}

impl Held {
    /// When it ends.
    fn until(&self) -> Duration {
        self.since + self.hold.time_max()
    }
}

/// Whether a room is held or spared, and for whom.
#[derive(Debug, Default)]
pub(super) struct Congestion {
    /// Members that are behind though they keep reading, on each shard that has any.
    behind: Vec<(ShardId, Behind)>,
    held: Option<Held>,
    /// Not held again before this: its members that are behind had their time.
    holdable_at: Duration,
    /// Not held again before this for a few of them.
    briefly_holdable_at: Duration,
    /// When it has been spared for long enough, and is looked at again.
    spared_until: Option<Duration>,
}

impl Congestion {
    pub(super) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// So many members on `shard` are behind now.
    pub(super) fn set_behind(&mut self, shard: ShardId, behind: Behind) {
        self.behind.retain(|&(other, _)| other != shard);
        if behind.members > 0 {
            self.behind.push((shard, behind));
        }
    }

    /// Holds the room or lets it go, by how many of the members on each shard are behind; `Some` when that
    /// has changed.
    pub(super) fn reconsider(&mut self, members: &[u32], now: Duration) -> Option<bool> {
        let was_held = self.is_held();
        self.held = self.wants_hold(members, now).map(|hold| Held {
            hold,
            // For few and then for many, or the other way round, is at a stretch.
            since: self.held.map_or(now, |held| held.since),
        });
        (self.is_held() != was_held).then_some(!was_held)
    }

    /// Whether whoever publishes is to wait: for half of the members, or for half of those on one
    /// shard, which then has less time than the others, if they are an eighth of all; else for one
    /// that is far behind.
    fn wants_hold(&self, members: &[u32], now: Duration) -> Option<Hold> {
        let all: u32 = members.iter().sum();
        let (mut behind, mut shard_behind, mut far) = (0, false, false);
        for &(shard, there) in &self.behind {
            behind += there.members;
            let here = members[shard.index()];
            shard_behind |= there.members * 2 >= here && there.members * 8 >= all;
            far |= there.far;
        }
        let half_behind = behind > 0 && behind * 2 >= all;
        if (half_behind || shard_behind) && now >= self.holdable_at {
            Some(Hold::ForMany)
        } else if far && now >= self.briefly_holdable_at {
            Some(Hold::ForFew)
        } else {
            None
        }
    }

    /// Lets a held room go, and does not hold it again for as many members, or fewer, for a while.
    pub(super) fn let_go(
        &mut self,
        hold_for: HoldFor,
        members: &[u32],
        now: Duration,
    ) -> Option<bool> {
        let held = self.held.expect("only a held room is let go");
        let spared_until = now + SPARED_FOR;
        self.briefly_holdable_at = spared_until;
        if hold_for == HoldFor::Anybody || held.hold == Hold::ForMany {
            self.holdable_at = spared_until;
        }
        let change = self.reconsider(members, now);
        if change.is_some() {
            self.spared_until = Some(spared_until);
        }
        change
    }

    /// Whether it is held for longer than it may be while what it has staged keeps others from sending.
    pub(super) fn is_held_for_long(&self, now: Duration) -> bool {
        (self.held).is_some_and(|held| now - held.since >= HEAVY_HOLD_MAX)
    }

    /// When there is something to be decided, whatever happens until then.
    pub(super) fn deadline(&self, now: Duration) -> Option<Duration> {
        // A room that has much staged is let go earlier; that is seen once it is looked for.
        let early = self.held.map(|held| held.since + HEAVY_HOLD_MAX);
        let until = self.held.map(|held| held.until());
        [early.filter(|&at| at > now), until, self.spared_until]
            .into_iter()
            .flatten()
            .min()
    }

    /// Lets go of a room that was held for long enough, or looks again at one that was spared.
    pub(super) fn handle_time(&mut self, members: &[u32], now: Duration) -> Option<bool> {
        if self.held.is_some_and(|held| held.until() <= now) {
            return self.let_go(HoldFor::Same, members, now);
        }
        self.spared_until.take_if(|until| *until <= now)?;
        self.reconsider(members, now)
    }
}

/// For whom a room that is let go is not held again soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HoldFor {
    /// For as many as it was held for, or fewer.
    Same,
    /// For nobody.
    Anybody,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        Behind, Congestion, HEAVY_HOLD_MAX, HOLD_FOR_FEW_MAX, HOLD_MAX, HoldFor, SPARED_FOR,
    };
    use crate::id::ShardId;

    const ZERO: ShardId = ShardId::new(0);
    const ONE: ShardId = ShardId::new(1);
    /// One member on the first shard, eight on the second.
    const MEMBERS: [u32; 2] = [1, 8];

    fn behind(members: u32, far: bool) -> Behind {
        Behind { members, far }
    }

    /// Goal: a room is held while half of its members are behind, on whichever shards they are.
    #[test]
    fn a_room_is_held_for_half_of_its_members() {
        let at = Duration::from_secs(1);
        for (there, held) in [
            (vec![], false),
            (vec![(ONE, behind(3, false))], false),
            // One that is all on its shard, and no eighth of the room.
            (
                vec![(ZERO, behind(1, false)), (ONE, behind(3, false))],
                false,
            ),
            (
                vec![(ZERO, behind(1, false)), (ONE, behind(4, false))],
                true,
            ),
            // Half of a shard.
            (vec![(ONE, behind(4, false))], true),
            (vec![(ONE, behind(1, true))], true),
        ] {
            let mut room = Congestion::default();
            for &(shard, behind) in &there {
                room.set_behind(shard, behind);
            }
            let change = room.reconsider(&MEMBERS, at);
            assert_eq!(
                (change, room.is_held()),
                (held.then_some(true), held),
                "{there:?}"
            );
            for (shard, _) in there {
                room.set_behind(shard, Behind::default());
            }
            assert_eq!(room.reconsider(&MEMBERS, at), held.then_some(false));
        }
    }

    /// Goal: each hold ends in its time, and the room is spared of as many members, or fewer, for a while;
    /// for few and then for many is one stretch.
    #[test]
    fn holds_end_and_rooms_are_spared() {
        let start = Duration::from_secs(100);
        let mut room = Congestion::default();
        room.set_behind(ONE, behind(1, true));
        assert_eq!(room.reconsider(&MEMBERS, start), Some(true));
        assert_eq!(room.deadline(start), Some(start + HOLD_FOR_FEW_MAX));
        room.set_behind(ONE, behind(4, true));
        let later = start + HOLD_FOR_FEW_MAX / 2;
        assert_eq!(room.reconsider(&MEMBERS, later), None);
        assert_eq!(room.deadline(later), Some(start + HEAVY_HOLD_MAX));
        let heavy = start + HEAVY_HOLD_MAX;
        assert!(room.is_held_for_long(heavy) && !room.is_held_for_long(later));
        assert_eq!(room.deadline(heavy), Some(start + HOLD_MAX));
        let end = start + HOLD_MAX;
        assert_eq!(room.handle_time(&MEMBERS, end), Some(false));
        assert_eq!(room.deadline(end), Some(end + SPARED_FOR));
        assert_eq!(room.reconsider(&MEMBERS, end), None);
        assert_eq!(room.handle_time(&MEMBERS, end + SPARED_FOR), Some(true));
    }

    /// Goal: one that was held for a few is held for many right after, unless it is spared of everybody.
    #[test]
    fn many_count_when_few_had_their_time() {
        for (hold_for, held) in [(HoldFor::Same, true), (HoldFor::Anybody, false)] {
            let now = Duration::from_secs(100);
            let mut room = Congestion::default();
            room.set_behind(ONE, behind(1, true));
            room.reconsider(&MEMBERS, now);
            assert_eq!(room.let_go(hold_for, &MEMBERS, now), Some(false));
            room.set_behind(ONE, behind(4, true));
            assert_eq!(room.reconsider(&MEMBERS, now), held.then_some(true));
        }
    }
}
