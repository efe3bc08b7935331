//! How many connections users have, where that is limited, and who has yet to be told whether it may be another.
//!
//! All connections of a user count on one shard, whichever they are on, and a session is told by that one. It has its
//! seat from then on until it ends.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use super::lease::Put;
use crate::id::SessionKey;
use crate::room::presence::About;
use crate::talk::Seat;

/// A client that has said who it is, before it is let in.
#[derive(Debug)]
pub(crate) struct Newcomer {
    /// The number of the command that said so.
    pub(crate) id: u32,
    /// What others are told of it.
    pub(crate) about: Arc<About>,
    /// Stands for the rooms that its token gives it.
    pub(crate) grants: u64,
    /// When its token ends, in seconds of the Unix epoch.
    pub(crate) expires_at: Option<u64>,
    /// The rooms that it is put into.
    pub(crate) puts: Vec<Put>,
}

/// The seats that are counted here, and those that are asked for.
#[derive(Debug, Default)]
pub(crate) struct Seats {
    /// By user; nobody is kept who has none.
    taken: HashMap<Arc<str>, usize>,
    /// Sessions of this shard that were not answered yet, gone or not.
    asking: HashMap<SessionKey, Newcomer>,
}

impl Seats {
    /// One of a user's sessions wants a seat, of which there are so many.
    pub(crate) fn take(&mut self, user: &Arc<str>, most: NonZeroUsize) -> Seat {
        let taken = self.taken(user);
        if taken >= most.get() {
            return Seat::Refused;
        }
        self.taken.insert(Arc::clone(user), taken + 1);
        Seat::Given
    }

    /// One of them is free again.
    pub(crate) fn give_back(&mut self, user: &str) {
        let taken = self.taken.get_mut(user).expect("it was taken");
        *taken -= 1;
        if *taken == 0 {
            self.taken.remove(user);
        }
    }

    /// How many a user has.
    #[must_use]
    pub(crate) fn taken(&self, user: &str) -> usize {
        self.taken.get(user).copied().unwrap_or(0)
    }

    /// How many all users have that are counted here.
    #[must_use]
    pub(crate) fn all_taken(&self) -> usize {
        self.taken.values().sum()
    }

    /// The most that a user has who is counted here.
    #[must_use]
    pub(crate) fn most_taken(&self) -> usize {
        self.taken.values().copied().max().unwrap_or(0)
    }

    /// A session of this shard waits for an answer.
    pub(crate) fn ask(&mut self, key: SessionKey, newcomer: Newcomer) {
        let before = self.asking.insert(key, newcomer);
        assert!(before.is_none(), "a session asks once");
    }

    /// Whether that is so.
    #[must_use]
    pub(crate) fn is_asking(&self, key: SessionKey) -> bool {
        self.asking.contains_key(&key)
    }

    /// The answer has come.
    pub(crate) fn answered(&mut self, key: SessionKey) -> Newcomer {
        self.asking.remove(&key).expect("it has asked")
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::sync::Arc;

    use super::{Seat, Seats};

    /// Goal: a user gets as many seats as there are, another one's don't count, one that is given back can be taken
    /// again, and of users without any nothing is kept.
    #[test]
    fn seats_are_counted_by_user() {
        let mut seats = Seats::default();
        let [one, other]: [Arc<str>; 2] = ["42".into(), "43".into()];
        let most = NonZeroUsize::new(2).expect("not 0");
        let takes = |seats: &mut Seats, user| seats.take(user, most) == Seat::Given;
        assert!(takes(&mut seats, &one) && takes(&mut seats, &one) && !takes(&mut seats, &one));
        assert!(takes(&mut seats, &other));
        assert_eq!((seats.taken(&one), seats.taken(&other)), (2, 1));
        assert_eq!((seats.all_taken(), seats.most_taken()), (3, 2));
        seats.give_back(&one);
        assert!(takes(&mut seats, &one) && !takes(&mut seats, &one));
        for user in [&one, &other, &one] {
            seats.give_back(user);
        }
        assert!(seats.taken.is_empty());
    }

    /// Goal: a seat that nobody has can't be given back.
    #[test]
    #[should_panic(expected = "it was taken")]
    fn what_was_not_taken_is_not_given_back() {
        Seats::default().give_back("42");
    }
}
