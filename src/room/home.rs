//! The home's part of a room: who is in it and where, in which order things are said, to which shards
//! they go, and what has to be told to whom. It says all of that, and does none of it.

mod counts;

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use self::counts::Counts;
use super::congestion::{Behind, Congestion, HoldFor};
use super::history::{History, Position};
use super::order::Order;
use super::presence::{About, Asker, Census, Names, Presence, Present, Round};
use crate::id::{Epoch, MemberId, Offset, ShardId, Shards};
use crate::message::Info;

/// At most one member count in this time.
const COUNT_INTERVAL: Duration = Duration::from_secs(1);

/// What a room does for its members, and up to how many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Customs {
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
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct News {
    /// To the members.
    pub(crate) announcement: Announcement,
    /// To all shards: whether sessions stay on the shard that accepted them.
    pub(crate) spread: Option<bool>,
    /// To all shards: whether whoever publishes to the room waits.
    pub(crate) hold: Option<bool>,
    /// To these shards: that they are to say who is there.
    pub(crate) census: Census,
    /// To those who asked: that the members are too many to be named.
    pub(crate) in_vain: Vec<Asker>,
    /// To whoever runs the server: that they are, for the first time.
    pub(crate) is_crowded: bool,
}

/// What a room's home knows: what each message needs, and the rest in a box. With thousands of rooms
/// every cache line that a message touches has to be fetched.
#[derive(Debug)]
pub(crate) struct Home {
    order: Order,
    shards_with_members: Shards,
    pub(super) members: Box<Members>,
}

/// What a room's home knows of its members: what nearly every room has.
#[derive(Debug)]
pub(crate) struct Members {
    by_shard: Counts,
    visible: u32,
    /// Whether the other shards were told that the room spreads over all of them.
    is_spread: bool,
    /// Whether the table of rooms has it among those with a deadline.
    pub(super) is_timed: bool,
    /// Whether a client has come since the room came to be.
    serves_clients: bool,
    /// What is kept of what was said, if anything is to be.
    history: Option<Box<History>>,
    /// Begun when something of it is first needed.
    rest: Option<Box<Rest>>,
}

/// What few rooms have.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    /// Whether a count is owed.
    count_due: bool,
    last_count: Option<Duration>,
    congestion: Congestion,
    /// Who is there, if that is to be known.
    presence: Option<Box<Presence>>,
    /// Whether it was told that members are too many to be named.
    crowd_is_told: bool,
}

// With thousands of idle rooms it is what most of them have besides the room itself.
const _: () = assert!(size_of::<Members>() == 40);

impl Rest {
    /// When the owed count may go out.
    fn count_at(&self, now: Duration) -> Duration {
        (self.last_count).map_or(now, |last| now.max(last + COUNT_INTERVAL))
    }
}

impl Members {
    fn presence(&self) -> Option<&Presence> {
        self.rest.as_ref()?.presence.as_deref()
    }

    fn presence_mut(&mut self) -> Option<&mut Presence> {
        self.rest.as_mut()?.presence.as_deref_mut()
    }

    fn congestion(&self) -> Option<&Congestion> {
        self.rest.as_ref().map(|rest| &rest.congestion)
    }
}

impl Home {
    /// A room without members, on a machine of `shards`.
    #[must_use]
    pub(crate) fn new(shards: u16, order: Order) -> Self {
        Self {
            order,
            shards_with_members: Shards::NONE,
            members: Box::new(Members {
                by_shard: Counts::new(shards),
                visible: 0,
                is_spread: false,
                is_timed: false,
                serves_clients: false,
                history: None,
                rest: None,
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
        self.members.by_shard.all().iter().sum()
    }

    /// Members on one shard.
    #[must_use]
    pub(crate) fn members_on(&self, shard: ShardId) -> u32 {
        self.members.by_shard.all()[shard.index()]
    }

    /// Whether nobody is in the room, and nothing of what was said there is kept.
    #[must_use]
    pub(crate) fn is_idle(&self) -> bool {
        self.shards_with_members.is_empty() && self.history().is_none_or(History::is_empty)
    }

    /// Whether whoever publishes to it waits.
    #[must_use]
    pub(crate) fn is_held(&self) -> bool {
        (self.members.congestion()).is_some_and(Congestion::is_held)
    }

    /// Whether that lasts for longer than it may while what the room has staged keeps others from
    /// sending.
    #[must_use]
    pub(crate) fn is_held_for_long(&self, now: Duration) -> bool {
        (self.members.congestion()).is_some_and(|congestion| congestion.is_held_for_long(now))
    }

    /// Whether any other shard than `here` has members.
    #[must_use]
    pub(crate) fn is_elsewhere(&self, here: ShardId) -> bool {
        !self.shards_with_members.except(here).is_empty()
    }

    /// Shards with members, other than `except`: what is said is forwarded to them.
    pub(crate) fn shards_except(&self, except: ShardId) -> impl Iterator<Item = ShardId> + use<> {
        self.shards_with_members.except(except).iter()
    }

    /// Which incarnation of the room it is.
    #[must_use]
    pub(crate) fn epoch(&self) -> Epoch {
        self.order.epoch()
    }

    /// Whether a client has come since the room came to be.
    #[must_use]
    pub(crate) fn serves_clients(&self) -> bool {
        self.members.serves_clients
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

    /// A client has come.
    pub(crate) fn serve_clients(&mut self) {
        self.members.serves_clients = true;
    }

    /// What is said from now on is kept.
    pub(super) fn begin_history(&mut self, history: History) {
        assert!(self.members.history.is_none(), "a room has one history");
        self.members.history = Some(Box::new(history));
    }

    /// The offset of the next message.
    pub(crate) fn next_offset(&mut self) -> Offset {
        self.order.next()
    }

    /// From now on it is known who is there. Of those who are there already it is known once the shards have
    /// answered that are returned.
    #[must_use]
    pub(crate) fn begin_presence(&mut self) -> Census {
        if self.members.presence().is_some() {
            return Census::NONE;
        }
        let presence = Presence::new(self.members.visible, self.shards_with_members);
        let census = presence.census();
        self.members.rest.get_or_insert_default().presence = Some(Box::new(presence));
        census
    }

    /// These are on a shard that was asked. Returns who waited for that, if it was the last one.
    #[must_use]
    pub(crate) fn told(
        &mut self,
        shard: ShardId,
        round: Round,
        members: Vec<Present>,
    ) -> Vec<Asker> {
        let presence = self.members.presence_mut();
        presence.map_or(Vec::new(), |presence| presence.told(shard, round, members))
    }

    /// Who is there, for `asker`; `None` when that is not to be known.
    #[must_use]
    pub(crate) fn names(&mut self, asker: Asker, customs: &Customs) -> Option<Names> {
        let (visible, most) = (self.members.visible, customs.announced_members_max);
        let presence = self.members.presence_mut()?;
        Some(presence.names(asker, visible, most))
    }

    /// How many are there, and of how many users; `None` when that is not to be known.
    #[must_use]
    pub(crate) fn stats(&self) -> Option<(u32, u32)> {
        let presence = self.members.presence()?;
        Some((self.members.visible, presence.users()))
    }

    /// A member joined.
    pub(crate) fn join(&mut self, guest: &Guest, customs: &Customs) -> News {
        let shard = guest.member.shard;
        *self.members.by_shard.of(shard) += 1;
        self.shards_with_members.insert(shard);
        let mut in_vain = Vec::new();
        if guest.visible != Visible::No {
            self.members.visible += 1;
            let (visible, most) = (self.members.visible, customs.announced_members_max);
            if let Some(presence) = self.members.presence_mut() {
                in_vain = presence.come(guest.present(), visible, most);
            }
        }
        News {
            announcement: self.announce(guest, customs),
            spread: self.reconsider_spread(customs),
            hold: None,
            census: Census::NONE,
            in_vain,
            is_crowded: self.becomes_crowded(customs),
        }
    }

    /// A member left.
    pub(crate) fn leave(&mut self, guest: &Guest, customs: &Customs, now: Duration) -> News {
        let shard = guest.member.shard;
        let members = self.members.by_shard.of(shard);
        assert!(*members > 0, "only those leave who were let in");
        *members -= 1;
        let is_last = *members == 0;
        let announcement = self.announce(guest, customs);
        let mut hold = None;
        if is_last {
            self.shards_with_members.remove(shard);
            // Nobody there is behind any more.
            hold = self.set_behind(shard, Behind::default(), now);
        }
        let mut census = Census::NONE;
        if guest.visible != Visible::No {
            self.members.visible -= 1;
            let (visible, most) = (self.members.visible, customs.announced_members_max);
            let on = self.shards_with_members;
            if let Some(presence) = self.members.presence_mut() {
                census = presence.go(&guest.present(), visible, most, on);
            }
        }
        News {
            announcement,
            spread: self.reconsider_spread(customs),
            hold,
            census,
            in_vain: Vec::new(),
            is_crowded: false,
        }
    }

    /// Whether members have come to be too many to be named, for the first time.
    fn becomes_crowded(&mut self, customs: &Customs) -> bool {
        let is_crowd = self.members.visible as usize > customs.announced_members_max;
        match &mut self.members.rest {
            Some(rest) if rest.presence.is_some() && is_crowd => {
                !std::mem::replace(&mut rest.crowd_is_told, true)
            }
            _ => false,
        }
    }

    fn announce(&mut self, guest: &Guest, customs: &Customs) -> Announcement {
        if guest.visible != Visible::Yes {
            Announcement::None
        } else if self.members.visible as usize > customs.announced_members_max {
            self.members.rest.get_or_insert_default().count_due = true;
            Announcement::Count
        } else {
            Announcement::Member
        }
    }

    /// Whether the room has become large, or small again. Between the two bounds lies room for members
    /// to come and go without a message each time.
    fn reconsider_spread(&mut self, customs: &Customs) -> Option<bool> {
        let (members, least) = (self.members() as usize, customs.spread_members_min);
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
        if members == 0 && self.members.rest.is_none() {
            // Nobody ever was.
            return None;
        }
        let Members { by_shard, rest, .. } = &mut *self.members;
        let congestion = &mut rest.get_or_insert_default().congestion;
        congestion.set_behind(shard, Behind { members, ..behind });
        congestion.reconsider(by_shard.all(), now)
    }

    /// Lets go of a held room that has too much staged, and does not hold it again for a while.
    pub(crate) fn let_go(&mut self, now: Duration) -> Option<bool> {
        let Members { by_shard, rest, .. } = &mut *self.members;
        let rest = rest.as_mut().expect("a held room has one");
        (rest.congestion).let_go(HoldFor::Anybody, by_shard.all(), now)
    }

    /// When [`Self::handle_time`] has something to do, if ever.
    #[must_use]
    pub(crate) fn deadline(&self, now: Duration) -> Option<Duration> {
        let rest = self.members.rest.as_ref()?;
        let count = rest.count_due.then(|| rest.count_at(now));
        [count, rest.congestion.deadline(now)]
            .into_iter()
            .flatten()
            .min()
    }

    /// What is due at `now`: a member count, and whether the room is held, if that changes.
    pub(crate) fn handle_time(&mut self, now: Duration) -> (Option<u32>, Option<bool>) {
        let Members {
            by_shard,
            visible,
            rest,
            ..
        } = &mut *self.members;
        let Some(rest) = rest else {
            return (None, None);
        };
        let is_due = rest.count_due && rest.count_at(now) <= now;
        let count = is_due.then(|| {
            rest.count_due = false;
            rest.last_count = Some(now);
            *visible
        });
        (count, rest.congestion.handle_time(by_shard.all(), now))
    }

    /// Compares what is counted with what is known.
    ///
    /// # Errors
    /// The first that does not agree.
    pub(crate) fn check_invariants(&self) -> Result<(), String> {
        for (shard, &members) in ShardId::all(u16::MAX).zip(self.members.by_shard.all()) {
            if (members > 0) != self.shards_with_members.contains(shard) {
                return Err(format!(
                    "{members} members on shard {shard} have the wrong bit"
                ));
            }
        }
        let (visible, members) = (self.members.visible, self.members());
        if visible > members {
            return Err(format!("{visible} of {members} members are visible"));
        }
        if let Some(presence) = self.members.presence() {
            presence.check(visible)?;
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

    /// The same as one of those who are in the room.
    #[must_use]
    pub(crate) fn present(&self) -> Present {
        Present {
            client: self.id,
            about: self.about.clone(),
        }
    }
}

/// Whether a member takes part in presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Visible {
    /// Others hear of its join and leave, and that it is there.
    Yes,
    /// They only hear that it is there, if they ask.
    Quietly,
    /// Nobody hears of it.
    No,
}

#[cfg(test)]
mod tests;
