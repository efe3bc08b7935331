//! The home's part of a room: who is in it and where, in which order things are said, to which shards
//! they go, and what has to be told to whom. It says all of that, and does none of it.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::congestion::{Behind, Congestion, HoldFor};
use super::history::{History, Position};
use super::order::Order;
use super::presence::About;
use crate::id::{Epoch, MemberId, Offset, ShardId};
use crate::message::Info;

/// At most one member count in this time.
const COUNT_INTERVAL: Duration = Duration::from_secs(1);

/// Sizes at which a room changes its manners.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// Members up to which each join and leave is announced; above it, only the count.
    pub(crate) announced_members_max: usize,
    /// Members from which a room spreads over the shards that accepted its sessions.
    pub(crate) spread_members_min: usize,
}

/// How a join or leave is made known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Announcement {
    /// To everybody, with the member's id.
    Member,
    /// As a member count, soon.
    Count,
    /// Not at all: the member asked for no presence.
    None,
}

/// What is to be told after a join, a leave, or some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct News {
    /// To the members.
    pub(crate) announcement: Announcement,
    /// To all shards: whether sessions stay on the shard that accepted them.
    pub(crate) spread: Option<bool>,
    /// To all shards: whether whoever publishes to the room waits.
    pub(crate) hold: Option<bool>,
}

/// What a room's home knows: what each message needs, and the rest in a box. With thousands of rooms
/// every cache line that a message touches has to be fetched.
#[derive(Debug)]
pub(crate) struct Home {
    order: Order,
    /// A bit for each shard with members.
    shards_with_members: u64,
    pub(super) members: Box<Members>,
}

/// What a room's home knows of its members.
#[derive(Debug)]
pub(crate) struct Members {
    by_shard: Box<[u32]>,
    visible: u32,
    /// Whether the other shards were told that the room spreads over all of them.
    is_spread: bool,
    /// Whether a count is owed.
    count_due: bool,
    /// Whether the table of rooms has it among those with a deadline.
    pub(super) is_timed: bool,
    last_count: Option<Duration>,
    congestion: Congestion,
    /// What is kept of what was said, if anything is to be.
    history: Option<Box<History>>,
}

impl Home {
    /// A room without members, on a machine of `shards`.
    #[must_use]
    pub(crate) fn new(shards: u16, order: Order) -> Self {
        Self {
            order,
            shards_with_members: 0,
            members: Box::new(Members {
                by_shard: vec![0; usize::from(shards)].into_boxed_slice(),
                visible: 0,
                is_spread: false,
                count_due: false,
                is_timed: false,
                last_count: None,
                congestion: Congestion::default(),
                history: None,
            }),
        }
    }

    // What is so.

    /// Members that take part in presence.
    #[must_use]
    pub(crate) fn visible(&self) -> u32 {
        self.members.visible
    }

    /// All members, on all shards.
    #[must_use]
    pub(crate) fn members(&self) -> u32 {
        self.members.by_shard.iter().sum()
    }

    /// Members on one shard.
    #[must_use]
    pub(crate) fn members_on(&self, shard: ShardId) -> u32 {
        self.members.by_shard[shard.index()]
    }

    /// Whether nobody is in the room, and nothing of what was said there is kept.
    #[must_use]
    pub(crate) fn is_idle(&self) -> bool {
        self.shards_with_members == 0 && self.history().is_none_or(History::is_empty)
    }

    /// Whether whoever publishes to it waits.
    #[must_use]
    pub(crate) fn is_held(&self) -> bool {
        self.members.congestion.is_held()
    }

    /// Whether that lasts for longer than it may while what the room has staged keeps others from
    /// sending.
    #[must_use]
    pub(crate) fn is_held_for_long(&self, now: Duration) -> bool {
        self.members.congestion.is_held_for_long(now)
    }

    /// Whether any other shard than `here` has members.
    #[must_use]
    pub(crate) fn is_elsewhere(&self, here: ShardId) -> bool {
        self.shards_with_members & !bit(here) != 0
    }

    /// Shards with members, other than `except`: what is said is forwarded to them.
    pub(crate) fn shards_except(&self, except: ShardId) -> impl Iterator<Item = ShardId> + use<> {
        let mut left = self.shards_with_members & !bit(except);
        std::iter::from_fn(move || {
            let shard = u16::try_from(left.trailing_zeros()).expect("64 at most");
            left = left.checked_sub(1)? & left;
            Some(ShardId::new(shard))
        })
    }

    /// Which incarnation of the room it is.
    #[must_use]
    pub(crate) fn epoch(&self) -> Epoch {
        self.order.epoch()
    }

    /// How far its order has come.
    #[must_use]
    pub(crate) fn position(&self) -> Position {
        self.order.position()
    }

    /// What is kept of what was said, if anything is to be.
    #[must_use]
    pub(super) fn history(&self) -> Option<&History> {
        self.members.history.as_deref()
    }

    /// Like [`Self::history`].
    pub(super) fn history_mut(&mut self) -> Option<&mut History> {
        self.members.history.as_deref_mut()
    }

    // What happens.

    /// What is said from now on is kept.
    pub(super) fn begin_history(&mut self, history: History) {
        assert!(self.members.history.is_none(), "a room has one history");
        self.members.history = Some(Box::new(history));
    }

    /// The offset of the next message.
    pub(crate) fn next_offset(&mut self) -> Offset {
        self.order.next()
    }

    /// A member joined on `shard`.
    pub(crate) fn join(&mut self, shard: ShardId, visible: Visible, sizes: &Sizes) -> News {
        self.members.by_shard[shard.index()] += 1;
        self.shards_with_members |= bit(shard);
        self.members.visible += u32::from(visible == Visible::Yes);
        News {
            announcement: self.announce(visible, sizes),
            spread: self.reconsider_spread(sizes),
            hold: None,
        }
    }

    /// A member left on `shard`.
    pub(crate) fn leave(
        &mut self,
        shard: ShardId,
        visible: Visible,
        sizes: &Sizes,
        now: Duration,
    ) -> News {
        let members = &mut self.members.by_shard[shard.index()];
        assert!(*members > 0, "only those leave who were let in");
        *members -= 1;
        let is_last = *members == 0;
        let announcement = self.announce(visible, sizes);
        self.members.visible -= u32::from(visible == Visible::Yes);
        let mut hold = None;
        if is_last {
            self.shards_with_members &= !bit(shard);
            // Nobody there is behind any more.
            self.members.congestion.set_behind(shard, Behind::default());
            hold = self
                .members
                .congestion
                .reconsider(&self.members.by_shard, now);
        }
        News {
            announcement,
            spread: self.reconsider_spread(sizes),
            hold,
        }
    }

    fn announce(&mut self, visible: Visible, sizes: &Sizes) -> Announcement {
        if visible == Visible::No {
            Announcement::None
        } else if self.members.visible as usize > sizes.announced_members_max {
            self.members.count_due = true;
            Announcement::Count
        } else {
            Announcement::Member
        }
    }

    /// Whether the room has become large, or small again. Between the two bounds lies room for members
    /// to come and go without a message each time.
    fn reconsider_spread(&mut self, sizes: &Sizes) -> Option<bool> {
        let (members, least) = (self.members() as usize, sizes.spread_members_min);
        let is_large = members >= least || (self.members.is_spread && members > least / 2);
        // Or the names of rooms that are gone would be kept, where none is too small.
        let spread = is_large && members > 0;
        (spread != std::mem::replace(&mut self.members.is_spread, spread)).then_some(spread)
    }

    /// So many members on `shard` are behind now; says whether the room is held, if that has changed.
    pub(crate) fn set_behind(
        &mut self,
        shard: ShardId,
        behind: Behind,
        now: Duration,
    ) -> Option<bool> {
        // Those who were behind may all have left on the way here.
        let members = behind.members.min(self.members_on(shard));
        self.members
            .congestion
            .set_behind(shard, Behind { members, ..behind });
        self.members
            .congestion
            .reconsider(&self.members.by_shard, now)
    }

    /// Lets go of a held room that has too much staged, and does not hold it again for a while.
    pub(crate) fn let_go(&mut self, now: Duration) -> Option<bool> {
        (self.members.congestion).let_go(HoldFor::Anybody, &self.members.by_shard, now)
    }

    /// When [`Self::handle_time`] has something to do, if ever.
    #[must_use]
    pub(crate) fn deadline(&self, now: Duration) -> Option<Duration> {
        let count = self.members.count_due.then(|| self.count_at(now));
        [count, self.members.congestion.deadline(now)]
            .into_iter()
            .flatten()
            .min()
    }

    /// When the owed count may go out.
    fn count_at(&self, now: Duration) -> Duration {
        (self.members.last_count).map_or(now, |last| now.max(last + COUNT_INTERVAL))
    }

    /// What is due at `now`: a member count, and whether the room is held, if that changes.
    pub(crate) fn handle_time(&mut self, now: Duration) -> (Option<u32>, Option<bool>) {
        let is_due = self.members.count_due && self.count_at(now) <= now;
        let count = is_due.then(|| {
            self.members.count_due = false;
            self.members.last_count = Some(now);
            self.members.visible
        });
        let hold = self
            .members
            .congestion
            .handle_time(&self.members.by_shard, now);
        (count, hold)
    }

    /// Compares what is counted with what is known.
    ///
    /// # Errors
    /// The first that does not agree.
    pub(crate) fn check_invariants(&self) -> Result<(), String> {
        for (shard, &members) in ShardId::all(u16::MAX).zip(&self.members.by_shard) {
            if (members > 0) != (self.shards_with_members & bit(shard) != 0) {
                return Err(format!(
                    "{members} members on shard {shard} have the wrong bit"
                ));
            }
        }
        let (visible, members) = (self.members.visible, self.members());
        if visible > members {
            return Err(format!("{visible} of {members} members are visible"));
        }
        match self.history() {
            Some(history) => history.check(self.position().top),
            None => Ok(()),
        }
    }
}

/// A session as the home of a room knows it.
#[derive(Debug, Clone)]
pub struct Guest {
    /// Which session.
    pub(crate) member: MemberId,
    /// Its public name.
    pub(crate) id: Uuid,
    /// Whether it takes part in presence.
    pub(crate) visible: Visible,
    /// What the application says of it; nothing of plain members.
    pub(crate) about: Option<Arc<About>>,
}

impl Guest {
    /// The same as members of the room are told it.
    #[must_use]
    pub(crate) fn info(&self) -> Info<'_> {
        (self.about.as_ref()).map_or(Info::anonymous(self.id), |about| about.info(self.id))
    }
}

/// Whether a member takes part in presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Visible {
    /// Others hear of its join and leave.
    Yes,
    /// Nobody does.
    No,
}

/// The bit of a shard; there are at most 64.
fn bit(shard: ShardId) -> u64 {
    1 << shard.number()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ZERO: ShardId = ShardId::new(0);
    const ONE: ShardId = ShardId::new(1);
    const NOW: Duration = Duration::from_secs(5);
    const SIZES: Sizes = Sizes {
        announced_members_max: 2,
        spread_members_min: 4,
    };

    fn home() -> Home {
        Home::new(2, Order::new(Epoch::new(1)))
    }

    /// Goal: joins and leaves are announced one by one up to the limit and as a count above it, by the
    /// members there are with the one that joins or leaves.
    #[test]
    fn large_rooms_announce_counts() {
        let mut room = home();
        let mut join = |shard, visible| room.join(shard, visible, &SIZES).announcement;
        assert_eq!(join(ZERO, Visible::Yes), Announcement::Member);
        assert_eq!(join(ONE, Visible::No), Announcement::None);
        assert_eq!(join(ONE, Visible::Yes), Announcement::Member);
        assert_eq!(join(ZERO, Visible::Yes), Announcement::Count);
        assert_eq!((room.members(), room.visible()), (4, 3));
        let mut leave = |shard, visible| room.leave(shard, visible, &SIZES, NOW).announcement;
        assert_eq!(leave(ZERO, Visible::Yes), Announcement::Count);
        assert_eq!(leave(ONE, Visible::No), Announcement::None);
        assert_eq!(leave(ONE, Visible::Yes), Announcement::Member);
        assert!(room.shards_except(ZERO).next().is_none());
        assert_eq!(room.shards_except(ONE).collect::<Vec<_>>(), [ZERO]);
        let said = room.leave(ZERO, Visible::Yes, &SIZES, NOW);
        assert_eq!(said.announcement, Announcement::Member);
        assert!(room.is_idle());
        room.check_invariants().unwrap();
    }

    /// Goal: nobody leaves who was not let in.
    #[test]
    #[should_panic(expected = "only those leave who were let in")]
    fn only_members_leave() {
        let mut room = home();
        room.join(ZERO, Visible::Yes, &SIZES);
        room.leave(ONE, Visible::Yes, &SIZES, NOW);
    }

    /// Goal: shards are told that a room has become large, and that it is small again once it has half of
    /// that.
    #[test]
    fn rooms_spread_and_shrink() {
        let mut room = home();
        let spread = (0..5).map(|_| room.join(ZERO, Visible::No, &SIZES).spread);
        assert_eq!(
            spread.collect::<Vec<_>>(),
            [None, None, None, Some(true), None]
        );
        let spread = (0..5).map(|_| room.leave(ZERO, Visible::No, &SIZES, NOW).spread);
        assert_eq!(
            spread.collect::<Vec<_>>(),
            [None, None, Some(false), None, None]
        );
    }

    /// Goal: a count goes out at once, and the next one a second later.
    #[test]
    fn counts_keep_their_distance() {
        let mut room = home();
        let at = Duration::from_millis;
        for _ in 0..3 {
            room.join(ZERO, Visible::Yes, &SIZES);
        }
        assert_eq!(room.deadline(at(70)), Some(at(70)));
        assert_eq!(room.handle_time(at(70)), (Some(3), None));
        assert_eq!(room.deadline(at(70)), None);
        room.join(ZERO, Visible::Yes, &SIZES);
        assert_eq!(room.deadline(at(80)), Some(at(1070)));
        assert_eq!(room.handle_time(at(1069)), (None, None));
        assert_eq!(room.handle_time(at(1070)), (Some(4), None));
    }

    /// Goal: with the last member of a shard goes what was known of those behind there.
    #[test]
    fn nobody_waits_for_members_that_left() {
        let mut room = home();
        room.join(ZERO, Visible::No, &SIZES);
        room.join(ONE, Visible::No, &SIZES);
        let behind = Behind {
            members: 1,
            far: false,
        };
        assert_eq!(room.set_behind(ONE, behind, NOW), Some(true));
        let said = room.leave(ONE, Visible::No, &SIZES, NOW);
        assert_eq!((said.hold, room.is_held()), (Some(false), false));
        assert_eq!(room.set_behind(ONE, behind, NOW), None, "they are gone");
    }
}
