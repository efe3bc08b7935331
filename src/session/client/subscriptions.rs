//! What a client's memberships are to it besides places to read at: who subscribed it, what is told of it there,
//! and until when.

use std::num::NonZeroU32;
use std::sync::Arc;

use crate::id::MembershipId;
use crate::room::home::Visible;
use crate::room::presence::About;
use crate::session::tick::Tick;

/// Who has subscribed a client to a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// It asked for it, and comes again by itself when it is put out.
    Client,
    /// The server did, when it connected.
    Server,
}

/// One subscription. There may be many: it is as small as can be.
#[derive(Debug)]
pub(crate) struct Subscription {
    /// Of which membership.
    membership: MembershipId,
    by: By,
    /// Whether others are told of it.
    visible: Visible,
    /// The tick at which it ends unless it is prolonged.
    ends: Option<NonZeroU32>,
    /// What others in the room are told of the client.
    about: Arc<About>,
}

const _: () = assert!(size_of::<Subscription>() == 16);

/// A tick that is not the first of all: nothing ends there.
fn packed(ends: Option<Tick>) -> Option<NonZeroU32> {
    ends.map(|ends| NonZeroU32::new(ends.0).unwrap_or(NonZeroU32::MIN))
}

impl Subscription {
    /// One that ends at some time, or never.
    #[must_use]
    pub(crate) fn new(by: By, about: Arc<About>, visible: Visible, ends: Option<Tick>) -> Self {
        Self {
            membership: MembershipId::INLINE,
            by,
            visible,
            ends: packed(ends),
            about,
        }
    }

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

    /// What others are told of it.
    #[must_use]
    pub(crate) fn about(&self) -> &Arc<About> {
        &self.about
    }

    /// It ends at some time, or never.
    pub(crate) fn prolong(&mut self, ends: Option<Tick>) {
        self.ends = packed(ends);
    }
}

/// The subscriptions of a client, by its memberships.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    all: Vec<Subscription>,
}

impl Subscriptions {
    /// How many there are.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Adds that of a membership.
    pub(crate) fn add(&mut self, id: MembershipId, subscription: Subscription) {
        assert!(self.get(id).is_none(), "a membership has one");
        if self.all.is_empty() {
            // Most clients are in one room.
            self.all.reserve_exact(1);
        }
        self.all.push(Subscription {
            membership: id,
            ..subscription
        });
    }

    /// That of a membership.
    #[must_use]
    pub(crate) fn get(&self, id: MembershipId) -> Option<&Subscription> {
        self.all.iter().find(|one| one.membership == id)
    }

    /// Like [`Self::get`].
    pub(crate) fn get_mut(&mut self, id: MembershipId) -> Option<&mut Subscription> {
        self.all.iter_mut().find(|one| one.membership == id)
    }

    /// Where others were told `before` they are told `about` from now on.
    pub(crate) fn call(&mut self, before: &Arc<About>, about: &Arc<About>) {
        for subscription in &mut self.all {
            if Arc::ptr_eq(&subscription.about, before) {
                subscription.about = Arc::clone(about);
            }
        }
    }

    /// Takes out that of a membership.
    pub(crate) fn remove(&mut self, id: MembershipId) -> Option<Subscription> {
        let at = self.all.iter().position(|one| one.membership == id)?;
        let removed = self.all.swap_remove(at);
        if self.all.is_empty() {
            self.all = Vec::new();
        }
        Some(removed)
    }

    /// When the first of them ends.
    #[must_use]
    pub(crate) fn next_end(&self) -> Option<Tick> {
        let ends = self.all.iter().filter_map(|one| one.ends);
        ends.min().map(|ends| Tick(ends.get()))
    }

    /// One that has ended by `now`.
    #[must_use]
    pub(crate) fn ended(&self, now: Tick) -> Option<MembershipId> {
        let has_ended = |one: &&Subscription| one.ends.is_some_and(|ends| ends.get() <= now.0);
        self.all.iter().find(has_ended).map(|one| one.membership)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{About, By, MembershipId, Subscription, Subscriptions, Tick, Visible};

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
        all.add(one, subscription(By::Server, None));
        assert_eq!(all.all.capacity(), 1);
        all.add(two, subscription(By::Client, None));
        assert_eq!(all.get(one).map(Subscription::by), Some(By::Server));
        assert_eq!(all.get(two).map(Subscription::by), Some(By::Client));
        assert!(all.get(three).is_none() && all.remove(three).is_none());
        assert_eq!(all.len(), 2);
        assert!(all.remove(one).is_some() && all.remove(two).is_some());
        assert_eq!((all.len(), all.all.capacity()), (0, 0));
    }

    /// Goal: whichever ends first is known, ends at its time, and later if it was prolonged.
    #[test]
    fn subscriptions_end() {
        let mut all = Subscriptions::default();
        let ids = [0, 1, 2].map(MembershipId::new);
        for (id, ends) in ids.into_iter().zip([Some(30), None, Some(20)]) {
            all.add(id, subscription(By::Client, ends));
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
            all.add(MembershipId::INLINE, subscription(By::Client, None));
        }
    }
}
