//! What a shard tells of itself, so that what several shards know of each other can be compared.

use uuid::Uuid;

use super::{Account, HomeFigures, PlaceFigures, RoomFigures, Shard};
use crate::id::{SessionKey, ShardId};
use crate::room::history::Position;
use crate::session::{Flags, Session};
use crate::talk::Lane;

impl Shard {
    /// The public name of a session, if it is still there.
    #[must_use]
    pub fn public_id(&self, key: SessionKey) -> Option<Uuid> {
        self.sessions.find(key).map(Session::id)
    }

    /// What stands on its account with another shard for what goes on `lane`.
    #[must_use]
    pub fn account(&self, lane: Lane, other: ShardId) -> Account {
        let (outstanding, taken_over) = self.lanes.figures(lane, other);
        let waiting = match lane {
            Lane::ToHome => 0,
            Lane::FromHome => self.queues.delivered_cost(other),
        };
        Account {
            outstanding,
            unreturned: taken_over + waiting,
        }
    }

    /// How many connections of users are counted here, and how many sessions here are counted somewhere.
    #[must_use]
    pub fn seats(&self) -> (usize, usize) {
        let is_seated = |slot: &u32| self.sessions.at(*slot).flags().any(Flags::SEATED);
        let seated = self.sessions.slots().filter(is_seated).count();
        (self.seats.all_taken(), seated)
    }

    /// What it knows of a room; `None` when there is none here.
    #[must_use]
    pub fn room_figures(&self, name: &str) -> Option<RoomFigures> {
        let room = self.rooms.get(self.rooms.find(name)?);
        let members = (room.audiences())
            .flat_map(|audience| audience.members())
            .map(|member| self.sessions.at(member.slot()));
        let visible = members.filter(|session| session.flags().any(Flags::VISIBLE));
        let narrow = |count: usize| u32::try_from(count).expect("slots are below 2^24");
        Some(RoomFigures {
            members: narrow(room.members_here()),
            visible: narrow(visible.count()),
            held: room.facts.is_held(),
            home: room.home.as_ref().map(|home| HomeFigures {
                members: (ShardId::all(self.shards()))
                    .map(|shard| home.members_on(shard))
                    .collect(),
                visible: home.visible(),
                held: home.is_held(),
                place: room.facts.has_history().then(|| {
                    let Position { epoch, top } = home.position();
                    PlaceFigures {
                        epoch: String::from_utf8_lossy(&epoch.text()).into_owned(),
                        top,
                    }
                }),
            }),
        })
    }
}
