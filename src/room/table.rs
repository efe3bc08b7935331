//! The rooms of one shard, by name and by handle.

mod keeping;
mod reruns;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use slab::Slab;

use super::Room;
use super::audience::Member;
use super::directory::Directory;
use super::histories::Histories;
use super::home::Home;
use super::homes::Homes;
use super::log::Log;
use super::order::Order;
use super::rendition::Rendition;
use super::rerun::Upkeep;
use crate::id::{Epoch, RoomId, ShardId};

#[cfg(test)]
impl Bounds {
    /// Of tests that are not about them.
    pub(crate) const SMALL: Self = Self {
        rooms_max: 10,
        reserved_rooms: 10,
        index_bytes_max: 1 << 20,
        history_bytes_max: 1 << 20,
        positions_max: 10,
    };
}

/// All rooms that exist on a shard, because they have members here, or anywhere and their home here.
#[derive(Debug)]
pub(crate) struct Rooms {
    by_name: Directory,
    rooms: Slab<Room>,
    shard: ShardId,
    homes: Homes,
    bounds: Bounds,
    /// Memory of all indexes, but for the few entries that every room may have.
    index_bytes: usize,
    /// Rooms whose homes have something to do in time. A handle may be another room's by now.
    timed: Vec<RoomId>,
    /// What rooms keep that have their homes here.
    histories: Histories,
    /// What members are sent that have missed something.
    upkeep: Upkeep,
    /// Rooms with reruns that nobody reads any more, the first of them first, and some without.
    rerun: VecDeque<RoomId>,
}

/// Rooms of which reruns are kept for whoever else may have missed the same.
const RERUN_ROOMS_MAX: usize = 1024;

/// What the rooms of a shard may come to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// How many rooms there may be.
    pub(crate) rooms_max: usize,
    /// For how many addresses are taken at once: for all, or none.
    pub(crate) reserved_rooms: usize,
    /// Memory of their indexes, but for the few entries that every room may have.
    pub(crate) index_bytes_max: usize,
    /// And of their histories.
    pub(crate) history_bytes_max: usize,
    /// Rooms that are gone and of whose histories it is remembered where they stood.
    pub(crate) positions_max: usize,
}

impl Rooms {
    /// An empty table for shard `shard`.
    #[must_use]
    pub(crate) fn new(shard: ShardId, homes: Homes, bounds: Bounds) -> Self {
        Self {
            by_name: Directory::default(),
            rooms: reserved(bounds.reserved_rooms),
            shard,
            homes,
            bounds,
            index_bytes: 0,
            timed: Vec::new(),
            histories: Histories::new(bounds.history_bytes_max, bounds.positions_max),
            upkeep: Upkeep::default(),
            rerun: VecDeque::new(),
        }
    }

    /// How many rooms exist here.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.rooms.len()
    }

    /// Every room with its handle.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (RoomId, &Room)> {
        (self.rooms.iter()).map(|(index, room)| (RoomId::at(index), room))
    }

    /// The room called `name`, if it exists here.
    #[must_use]
    pub(crate) fn find(&self, name: &str) -> Option<RoomId> {
        let rooms = &self.rooms;
        (self.by_name).find(name, |id| *rooms[id.index()].name == *name)
    }

    /// The room called `name`, made at `now` when it does not exist; `None` when there are too many. `epoch`
    /// draws one for a room that has its home here, and is not remembered there.
    pub(crate) fn find_or_create(
        &mut self,
        name: &Arc<str>,
        now: Duration,
        epoch: impl FnOnce() -> Epoch,
    ) -> Option<RoomId> {
        if let Some(id) = self.find(name) {
            return Some(id);
        }
        if self.rooms.len() >= self.bounds.rooms_max {
            return None;
        }
        let home_shard = self.homes.of(name);
        let is_home = home_shard == self.shard;
        let home = is_home.then(|| {
            let remembered = self.histories.positions.take(name, now);
            let order = remembered.map_or_else(|| Order::new(epoch()), Order::resume);
            Home::new(self.homes.shards(), order)
        });
        let index = (self.rooms).insert(Room::new(Arc::clone(name), home_shard, home));
        let id = RoomId::at(index);
        self.by_name.insert(name, id);
        Some(id)
    }

    /// The room of a handle that is held by a member, a staged message or a flush.
    #[must_use]
    pub(crate) fn get(&self, id: RoomId) -> &Room {
        &self.rooms[id.index()]
    }

    /// Like [`Self::get`].
    pub(crate) fn get_mut(&mut self, id: RoomId) -> &mut Room {
        &mut self.rooms[id.index()]
    }

    /// The room of a handle that may be gone, or another room's by now.
    pub(crate) fn lookup(&mut self, id: RoomId) -> Option<&mut Room> {
        self.rooms.get_mut(id.index())
    }

    /// The home's part of a room that has its home here.
    pub(crate) fn home_mut(&mut self, id: RoomId) -> &mut Home {
        let home = self.get_mut(id).home.as_mut();
        home.expect("this is the room's home")
    }

    /// The member of an audience that the flush under way serves next; `None` when it is complete
    /// or the room is gone.
    pub(crate) fn next_to_flush(&mut self, id: RoomId, rendition: Rendition) -> Option<Member> {
        self.rooms.get_mut(id.index())?.next_to_flush(rendition)
    }

    /// Does something to a room that changes its indexes.
    pub(crate) fn change<R>(&mut self, id: RoomId, change: impl FnOnce(&mut Room) -> R) -> R {
        let room = &mut self.rooms[id.index()];
        let before = room.index_bytes();
        let result = change(room);
        self.index_bytes += room.index_bytes();
        self.index_bytes -= before;
        result
    }

    /// Memory of all indexes beyond the few entries that every room may have.
    #[must_use]
    pub(crate) fn index_bytes(&self) -> usize {
        self.index_bytes
    }

    /// The same, counted anew.
    #[must_use]
    pub(crate) fn count_index_bytes(&self) -> usize {
        self.rooms.iter().map(|(_, room)| room.index_bytes()).sum()
    }

    /// Keeps the indexes within their memory: the oldest entries are forgotten as if they had left
    /// the log, those of the longest indexes first. It looks at all rooms, but not before as much
    /// as it has freed is used again.
    pub(crate) fn bound_indexes(&mut self, log: &Log) {
        if self.index_bytes <= self.bounds.index_bytes_max {
            return;
        }
        for share in [8, 64, usize::MAX] {
            let long = self.bounds.index_bytes_max / share;
            let mut kept = log.capacity_bytes() as u64 / 2;
            while kept > 0 && self.index_bytes > self.bounds.index_bytes_max / 2 {
                let tail = log.head().back(kept);
                for (_, room) in &mut self.rooms {
                    let before = room.index_bytes();
                    if before > long {
                        room.forget(tail);
                        self.index_bytes -= before - room.index_bytes();
                    }
                }
                kept /= 2;
            }
        }
    }

    /// Something has happened to the home's part of a room: it may have something to do in time.
    pub(crate) fn note_deadline(&mut self, id: RoomId, now: Duration) {
        let room = self.rooms.get_mut(id.index());
        if let Some(home) = room.and_then(|room| room.home.as_mut())
            && home.deadline(now).is_some()
            && !std::mem::replace(&mut home.members.is_timed, true)
        {
            self.timed.push(id);
        }
    }

    /// When the first home has something to do.
    #[must_use]
    pub(crate) fn next_deadline(&self, now: Duration) -> Option<Duration> {
        (self.timed.iter())
            .filter_map(|id| self.rooms.get(id.index())?.home.as_ref()?.deadline(now))
            .min()
    }

    /// The rooms whose homes have something to do at `now`. Those that will have something later stay
    /// noted.
    pub(crate) fn take_due(&mut self, now: Duration) -> Vec<RoomId> {
        if self.timed.is_empty() {
            return Vec::new();
        }
        let (rooms, mut due) = (&mut self.rooms, Vec::new());
        self.timed.retain(|&id| {
            let room = rooms.get_mut(id.index());
            let Some(home) = room.and_then(|room| room.home.as_mut()) else {
                return false;
            };
            let later = home.members.is_timed && home.deadline(now).is_some_and(|at| at > now);
            if home.members.is_timed && !later {
                home.members.is_timed = false;
                due.push(id);
            }
            later
        });
        due
    }

    /// Forgets the room if nobody needs it any more.
    pub(crate) fn release(&mut self, id: RoomId) {
        let unused = self.rooms.get(id.index()).is_some_and(Room::is_unused);
        if unused {
            let room = self.rooms.remove(id.index());
            self.index_bytes -= room.index_bytes();
            self.by_name.remove(&room.name, id);
            self.remember(&room);
        }
    }
}

/// A table that does not move so many rooms: it takes addresses for all, and memory as they come. A table that
/// doubles leaves the halves behind, which the allocator keeps for long. Where so many addresses can't be had it grows.
fn reserved(rooms: usize) -> Slab<Room> {
    let mut places = Vec::<Room>::new();
    let are_there = places.try_reserve_exact(rooms).is_ok();
    // Or the compiler would see that nothing is done with them, and not ask for any.
    drop(std::hint::black_box(places));
    Slab::with_capacity(if are_there { rooms } else { 0 })
}
