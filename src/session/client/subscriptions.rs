//! What a client's memberships are to it besides places to read at: who subscribed it, what is told of it there,
//! and until when.

use std::sync::Arc;

use crate::id::MembershipId;
use crate::room::home::Visible;
use crate::room::presence::About;
use crate::session::tick::{Moment, Tick};

/// Who has subscribed a client to a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// It asked for it, and comes again by itself when it is put out.
    Client,
    /// The server did, when it connected.
    Server,
}

/// A subscription as it begins.
#[derive(Debug)]
pub(crate) struct Subscription {
    by: By,
    /// Whether others are told of it.
    visible: Visible,
    /// The tick at which it ends unless it is prolonged.
    ends: Option<Tick>,
    /// What others in the room are told of the client.
    about: Arc<About>,
}

/// A subscription as it is kept. There may be many: it is as small as can be.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Of which membership.
    membership: MembershipId,
    by: By,
    visible: Visible,
    ends: Moment,
}

const _: () = assert!(size_of::<Kept>() == 8);

/// What others are told of a client in the room of a membership, if it is not what they are told of it elsewhere.
type Apart = (MembershipId, Arc<About>);

/// Memory of a subscription, in bytes.
pub(crate) const SUBSCRIPTION_BYTES: usize = size_of::<Kept>() + size_of::<Apart>();

impl Subscription {
    /// One that ends at some time, or never.
    #[must_use]
    pub(crate) fn new(by: By, about: Arc<About>, visible: Visible, ends: Option<Tick>) -> Self {
        Self {
            by,
            visible,
            ends,
            about,
        }
    }
}

impl Kept {
    /// Who has subscribed it.
    #[must_use]
    pub(crate) fn by(&self) -> By {
        self.by
    }

    /// Whether others are told of it.
    #[must_use]
    pub(crate) fn visible(&self) -> Visible {
        self.visible
    }

    /// It ends at some time, or never.
    pub(crate) fn prolong(&mut self, ends: Option<Tick>) {
        self.ends = ends.into();
    }
}

/// The subscriptions of a client, by its memberships.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    all: Vec<Kept>,
    #[expect(
        clippy::box_collection,
        reason = "nearly always there is none, and that costs a pointer"
    )]
    apart: Option<Box<Vec<Apart>>>,
}

impl Subscriptions {
    /// How many there are.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Adds that of a membership of a client of which others are told `common`.
    pub(crate) fn add(
        &mut self,
        id: MembershipId,
        subscription: Subscription,
        common: Option<&Arc<About>>,
    ) {
        assert!(self.get(id).is_none(), "a membership has one");
        if self.all.is_empty() {
            // Most clients are in one room.
            self.all.reserve_exact(1);
        }
        self.all.push(Kept {
            membership: id,
            by: subscription.by,
            visible: subscription.visible,
            ends: subscription.ends.into(),
        });
        if !common.is_some_and(|common| Arc::ptr_eq(common, &subscription.about)) {
            let apart = self.apart.get_or_insert_default();
            apart.push((id, subscription.about));
        }
    }

    /// That of a membership.
    #[must_use]
    pub(crate) fn get(&self, id: MembershipId) -> Option<&Kept> {
        self.all.iter().find(|one| one.membership == id)
    }

    /// Like [`Self::get`].
    pub(crate) fn get_mut(&mut self, id: MembershipId) -> Option<&mut Kept> {
        self.all.iter_mut().find(|one| one.membership == id)
    }

    /// What others are told of the client in the room of a membership, if that is not what they are told elsewhere.
    #[must_use]
    pub(crate) fn apart(&self, id: MembershipId) -> Option<&Arc<About>> {
        let mut apart = self.apart.as_ref()?.iter();
        apart.find(|(of, _)| *of == id).map(|(_, about)| about)
    }

    /// Takes out that of a membership.
    pub(crate) fn remove(&mut self, id: MembershipId) -> Option<Kept> {
        let at = self.all.iter().position(|one| one.membership == id)?;
        let removed = self.all.swap_remove(at);
        if self.all.is_empty() {
            self.all = Vec::new();
        }
        if let Some(apart) = &mut self.apart {
            apart.retain(|(of, _)| *of != id);
        }
        self.apart.take_if(|apart| apart.is_empty());
        Some(removed)
    }

    /// When the first of them ends.
    #[must_use]
    pub(crate) fn next_end(&self) -> Option<Tick> {
        self.all.iter().filter_map(|one| one.ends.get()).min()
    }

    /// One that has ended by `now`.
    #[must_use]
    pub(crate) fn ended(&self, now: Tick) -> Option<MembershipId> {
        let has_ended = |one: &&Kept| one.ends.get().is_some_and(|ends| ends <= now);
        self.all.iter().find(has_ended).map(|one| one.membership)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{About, By, Kept, MembershipId, Subscription, Subscriptions, Tick, Visible};

    fn subscription(by: By, ends: Option<u32>) -> Subscription {
        let about = About::new("", b"", b"").expect("it is short");
        Subscription::new(by, Arc::new(about), Visible::Yes, ends.map(Tick))
    }

    /// Goal: subscriptions are found by their memberships, take little memory while there is one, and none when
    /// there is none.
    #[test]
    fn subscriptions_are_found_by_their_memberships() {
        let mut all = Subscriptions::default();
        let [one, two, three] = [0, 7, 127].map(MembershipId::new);
        all.add(one, subscription(By::Server, None), None);
        assert_eq!(all.all.capacity(), 1);
        all.add(two, subscription(By::Client, None), None);
        assert_eq!(all.get(one).map(Kept::by), Some(By::Server));
        assert_eq!(all.get(two).map(Kept::by), Some(By::Client));
        assert!(all.get(three).is_none() && all.remove(three).is_none());
        assert_eq!(all.len(), 2);
        assert!(all.remove(one).is_some() && all.remove(two).is_some());
        assert_eq!((all.len(), all.all.capacity()), (0, 0));
        assert!(all.apart.is_none());
    }

    /// Goal: what is told of a client in all its rooms takes no memory for each, and what is told in one goes with it.
    #[test]
    fn what_is_told_everywhere_is_kept_once() {
        let mut all = Subscriptions::default();
        let [one, two] = [0, 7].map(MembershipId::new);
        let common = subscription(By::Client, None);
        let about = Arc::clone(&common.about);
        all.add(one, common, Some(&about));
        assert!(all.apart.is_none() && all.apart(one).is_none());
        let own = subscription(By::Client, None);
        all.add(two, own, Some(&about));
        assert!(all.apart(one).is_none() && all.apart(two).is_some());
        all.remove(two);
        assert!(all.apart.is_none());
    }

    /// Goal: whichever ends first is known, ends at its time, and later if it was prolonged.
    #[test]
    fn subscriptions_end() {
        let mut all = Subscriptions::default();
        let ids = [0, 1, 2].map(MembershipId::new);
        for (id, ends) in ids.into_iter().zip([Some(30), None, Some(20)]) {
            all.add(id, subscription(By::Client, ends), None);
        }
        assert_eq!(all.next_end(), Some(Tick(20)));
        assert_eq!(all.ended(Tick(19)), None);
        assert_eq!(all.ended(Tick(20)), Some(ids[2]));
        (all.get_mut(ids[2]).expect("it is there")).prolong(Some(Tick(50)));
        assert_eq!(all.next_end(), Some(Tick(30)));
        all.remove(ids[0]);
        assert_eq!(all.ended(Tick(49)), None);
        assert_eq!(all.ended(Tick(50)), Some(ids[2]));
    }

    /// Goal: a membership is subscribed once.
    #[test]
    #[should_panic(expected = "a membership has one")]
    fn a_membership_has_one_subscription() {
        let mut all = Subscriptions::default();
        for _ in 0..2 {
            all.add(MembershipId::INLINE, subscription(By::Client, None), None);
        }
    }
}
