//! Who the sessions of a run are, and which room each is in.
//!
//! Sessions are numbered: subscribers first, the slow ones at their end; then publishers of their
//! own, unless everybody publishes; then those that come and go. Rooms are dealt out in turns.

/// What a session does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Receives, and is checked; publishes too if everybody does.
    Subscriber,
    /// Receives until it is told to stop reading.
    Slow,
    /// Publishes; what it receives is read and not checked.
    Publisher,
    /// Joins and leaves in the run; checked for gaps between its first message and its last.
    Churner,
}

/// The sessions of a run, by number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) subscribers: u32,
    /// How many of the subscribers stop reading.
    pub(crate) slow: u32,
    pub(crate) publishers: u32,
    pub(crate) churners: u32,
    pub(crate) rooms: u32,
    /// Whether the subscribers themselves publish: publisher `p` is session `p`.
    pub(crate) everybody_publishes: bool,
    /// Whether a publisher gets its own messages.
    pub(crate) self_delivery: bool,
}

impl Layout {
    /// All sessions that are ever open at once.
    pub(crate) fn sessions(&self) -> u32 {
        self.steady() + self.churners
    }

    /// Sessions that are opened at the start and are to stay.
    pub(crate) fn steady(&self) -> u32 {
        let own = if self.everybody_publishes {
            0
        } else {
            self.publishers
        };
        self.subscribers + own
    }

    pub(crate) fn role(&self, session: u32) -> Role {
        if session < self.subscribers - self.slow {
            Role::Subscriber
        } else if session < self.subscribers {
            Role::Slow
        } else if session < self.steady() {
            Role::Publisher
        } else {
            Role::Churner
        }
    }

    pub(crate) fn room(&self, session: u32) -> u32 {
        let number = match self.role(session) {
            Role::Subscriber | Role::Slow => session,
            Role::Publisher => session - self.subscribers,
            Role::Churner => session - self.steady(),
        };
        number % self.rooms
    }

    /// The session a publisher publishes on.
    pub(crate) fn session_of(&self, publisher: u32) -> u32 {
        if self.everybody_publishes {
            publisher
        } else {
            self.subscribers + publisher
        }
    }

    /// The publisher that a session is.
    pub(crate) fn publisher_of(&self, session: u32) -> Option<u32> {
        let first = self.session_of(0);
        (first..first + self.publishers)
            .contains(&session)
            .then(|| session - first)
    }

    pub(crate) fn room_of(&self, publisher: u32) -> u32 {
        publisher % self.rooms
    }

    /// How many publishers a room has.
    pub(crate) fn publishers_in(&self, room: u32) -> u32 {
        (self.publishers + self.rooms - 1 - room) / self.rooms
    }

    /// A publisher's share of so many messages in its room.
    pub(crate) fn share_of(&self, publisher: u32, in_room: u32) -> u64 {
        let publishers = self.publishers_in(self.room_of(publisher));
        let place = publisher / self.rooms;
        u64::from(in_room / publishers + u32::from(place < in_room % publishers))
    }

    /// Pairs of a session that is checked and a publisher it hears.
    pub(crate) fn pairs(&self) -> u64 {
        let rooms = u64::from(self.rooms);
        let listeners = u64::from(self.subscribers + self.churners);
        listeners.div_ceil(rooms) * u64::from(self.publishers).div_ceil(rooms) * rooms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: every session has one role and one room, and publishers are found both ways.
    #[test]
    fn sessions_and_publishers_agree() {
        for everybody_publishes in [false, true] {
            let layout = Layout {
                subscribers: 10,
                slow: 2,
                publishers: if everybody_publishes { 10 } else { 4 },
                churners: 3,
                rooms: 3,
                everybody_publishes,
                self_delivery: false,
            };
            for publisher in 0..layout.publishers {
                let session = layout.session_of(publisher);
                assert_eq!(layout.publisher_of(session), Some(publisher));
                assert_eq!(layout.room(session), layout.room_of(publisher));
            }
            let count = |role| {
                (0..layout.sessions())
                    .filter(|&i| layout.role(i) == role)
                    .count()
            };
            assert_eq!(count(Role::Slow), 2);
            assert_eq!(count(Role::Churner), 3);
            assert_eq!(
                count(Role::Publisher),
                if everybody_publishes { 0 } else { 4 }
            );
            let in_rooms: u32 = (0..3).map(|room| layout.publishers_in(room)).sum();
            assert_eq!(in_rooms, layout.publishers);
            let shares = (0..layout.publishers).map(|each| layout.share_of(each, 7));
            assert_eq!(shares.sum::<u64>(), 7 * 3, "in three rooms");
        }
    }
}
