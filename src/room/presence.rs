//! Who is in a room, as members of it are told: their names for as long as they are few, and how many users they
//! are of. It says what has to be asked of whom, and asks nobody.
//!
//! Plain members come without their names being kept until somebody wants to know; then each shard is asked
//! who is there. Whoever comes and goes meanwhile is counted in the order in which the home hears of it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use uuid::Uuid;

use crate::id::{MemberId, ShardId, Shards};
use crate::message::Info;

/// What the application says of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct About {
    user: String,
    connection: Vec<u8>,
    channel: Vec<u8>,
}

impl About {
    /// Of `user`, and what is told of the connection and of its place in the room: JSON or bytes,
    /// empty when it is nothing. `None` when it is more than a message may carry.
    #[must_use]
    pub(crate) fn new(user: &str, connection: &[u8], channel: &[u8]) -> Option<Self> {
        let packed = Info::packed_bytes(user.len(), connection.len(), channel.len());
        (packed <= Info::PACKED_BYTES_MAX).then(|| Self {
            user: user.to_owned(),
            connection: connection.to_vec(),
            channel: channel.to_vec(),
        })
    }

    /// The same as a message carries it, of the session called `client`.
    #[must_use]
    pub(crate) fn info(&self, client: Uuid) -> Info<'_> {
        Info {
            client,
            user: &self.user,
            connection: &self.connection,
            channel: &self.channel,
        }
    }
}

/// Somebody who is in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// The session's public name.
    pub(crate) client: Uuid,
    /// What is known of it besides.
    pub(crate) about: Option<Arc<About>>,
}

/// Somebody who wants to know who is in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// Which session.
    pub(crate) member: MemberId,
    /// Returned with the answer.
    pub(crate) call: u32,
}

/// What is known of who is in a room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// It is these.
    All(Vec<Present>),
    /// Not all shards have answered yet; whoever asked is told then.
    Gathering,
    /// They are too many to be named.
    Crowded,
}

/// Which time that the shards are asked who is in a room: what they say to an earlier question is of no use. No two
/// rooms of a name begin with the same, or nearly never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round(u64);

/// That shards are to be asked who is in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Census {
    /// Those.
    pub(crate) on: Shards,
    /// Which time it is.
    pub(crate) round: Round,
}

impl Census {
    /// None are to be asked.
    pub(crate) const NONE: Self = Self {
        on: Shards::NONE,
        round: Round(0),
    };
}

type Roll = HashMap<Uuid, Option<Arc<About>>>;

/// How much is known.
#[derive(Debug)]
enum Known {
    /// All names.
    All(Roll),
    /// Those that have come since the shards were asked, and those on shards that have answered.
    Some {
        roll: Roll,
        /// The shards that have not.
        awaited: Shards,
        askers: Vec<Asker>,
    },
    /// None.
    Nothing,
}

/// Who is in a room.
#[derive(Debug)]
pub(crate) struct Presence {
    known: Known,
    /// Which time the shards were asked last.
    round: Round,
    /// How many sessions there are of each user, by a keyed hash of its name: of 2^32 users two may be taken for
    /// one.
    users: HashMap<u64, u32>,
    hasher: RandomState,
}

/// Names are kept for so much more members than may be told them, as a part of those: or all would be asked again
/// each time that one comes and goes.
const MARGIN_PART: usize = 8;

impl Presence {
    /// That of a room in which so many are who have no user, on these shards: each of them is to be asked for
    /// their names.
    #[must_use]
    pub(super) fn new(members: u32, on: Shards) -> Self {
        let hasher = RandomState::new();
        let mut presence = Self {
            known: Known::All(Roll::new()),
            round: Round(hasher.hash_one("round")),
            users: HashMap::new(),
            hasher,
        };
        if members > 0 {
            presence.users.insert(presence.hash(None), members);
            presence.gather(on);
        }
        presence
    }

    fn gather(&mut self, on: Shards) {
        self.round = Round(self.round.0.wrapping_add(1));
        self.known = Known::Some {
            roll: Roll::new(),
            awaited: on,
            askers: Vec::new(),
        };
    }

    fn hash(&self, about: Option<&About>) -> u64 {
        let user = about.map_or("", |about| &about.user);
        self.hasher.hash_one(user)
    }

    /// Users whose sessions are in the room.
    #[must_use]
    pub(super) fn users(&self) -> u32 {
        u32::try_from(self.users.len()).expect("no more than there are sessions")
    }

    /// Somebody has come, and there are so many now, of whom so many may be named. Returns who waits for names that
    /// are not to be had any more.
    #[must_use]
    pub(super) fn come(&mut self, one: Present, members: u32, members_max: usize) -> Vec<Asker> {
        *self
            .users
            .entry(self.hash(one.about.as_deref()))
            .or_default() += 1;
        let (Known::All(roll) | Known::Some { roll, .. }) = &mut self.known else {
            return Vec::new();
        };
        if members as usize <= members_max + members_max / MARGIN_PART {
            roll.insert(one.client, one.about);
            return Vec::new();
        }
        match std::mem::replace(&mut self.known, Known::Nothing) {
            Known::Some { askers, .. } => askers,
            Known::All(_) | Known::Nothing => Vec::new(),
        }
    }

    /// Somebody has gone, and so many are left, on these shards. Returns the shards that are to be asked for
    /// names again, if there are few enough now.
    #[must_use]
    pub(super) fn go(
        &mut self,
        one: &Present,
        members: u32,
        members_max: usize,
        on: Shards,
    ) -> Census {
        let hash = self.hash(one.about.as_deref());
        if let Entry::Occupied(mut sessions) = self.users.entry(hash) {
            *sessions.get_mut() -= 1;
            if *sessions.get() == 0 {
                sessions.remove();
            }
        }
        if self.users.is_empty() {
            // Its history may keep a room for long in which nobody is any more.
            self.users = HashMap::new();
        }
        match &mut self.known {
            Known::All(roll) | Known::Some { roll, .. } => {
                roll.remove(&one.client);
                if roll.is_empty() {
                    *roll = Roll::new();
                }
                Census::NONE
            }
            Known::Nothing if members as usize > members_max => Census::NONE,
            Known::Nothing if on.is_empty() => {
                self.known = Known::All(Roll::new());
                Census::NONE
            }
            Known::Nothing => {
                self.gather(on);
                self.census()
            }
        }
    }

    /// The shards that have yet to say who of the room is there.
    #[must_use]
    pub(super) fn census(&self) -> Census {
        match &self.known {
            Known::Some { awaited, .. } => Census {
                on: *awaited,
                round: self.round,
            },
            Known::All(_) | Known::Nothing => Census::NONE,
        }
    }

    /// These are on `shard`, but for those who have come since it was asked for that time. Returns who waited for
    /// that, if it was the last one.
    pub(super) fn told(
        &mut self,
        shard: ShardId,
        round: Round,
        members: Vec<Present>,
    ) -> Vec<Asker> {
        let Known::Some {
            roll,
            awaited,
            askers,
        } = &mut self.known
        else {
            return Vec::new();
        };
        if round != self.round || !awaited.remove(shard) {
            return Vec::new();
        }
        for one in members {
            roll.entry(one.client).or_insert(one.about);
        }
        if !awaited.is_empty() {
            return Vec::new();
        }
        let (roll, askers) = (std::mem::take(roll), std::mem::take(askers));
        self.known = Known::All(roll);
        askers
    }

    /// Who is in the room, for `asker`, where so many are of whom so many may be named.
    #[must_use]
    pub(super) fn names(&mut self, asker: Asker, members: u32, members_max: usize) -> Names {
        match &mut self.known {
            _ if members as usize > members_max => Names::Crowded,
            Known::All(roll) => Names::All(
                (roll.iter())
                    .map(|(&client, about)| Present {
                        client,
                        about: about.clone(),
                    })
                    .collect(),
            ),
            Known::Some { askers, .. } => {
                askers.push(asker);
                Names::Gathering
            }
            Known::Nothing => Names::Crowded,
        }
    }

    /// Compares what is counted with what is there, of so many members.
    ///
    /// # Errors
    /// A sentence about what does not agree.
    pub(super) fn check(&self, members: u32) -> Result<(), String> {
        let sessions: u32 = self.users.values().sum();
        let named = match &self.known {
            Known::All(roll) => roll.len(),
            Known::Some { roll, awaited, .. } if !awaited.is_empty() => {
                roll.len().max(members as usize)
            }
            Known::Some { .. } => return Err("nobody is awaited, and not all are known".into()),
            Known::Nothing => members as usize,
        };
        if (sessions, named) != (members, members as usize) {
            return Err(format!(
                "{members} members are {sessions} sessions of users and {named} by name"
            ));
        }
        Ok(())
    }
}
