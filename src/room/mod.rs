//! Rooms: who is in them, what has been said, and in which order.
//!
//! A [`Room`] on a shard is what that shard's members need: an [`index::Index`] into the shard's
//! [`log::Log`] for each rendition in use, and the members of each. On the room's home shard it
//! also carries the [`sequencer::Sequencer`], which alone decides the order. Rooms know neither
//! sockets nor clocks.

pub mod homes;
pub mod index;
pub mod log;
mod mapping;
pub mod sequencer;
pub mod staging;

use std::collections::HashMap;
use std::sync::Arc;

use slab::Slab;
use uuid::Uuid;

use self::homes::Homes;
use self::index::Index;
use self::log::Log;
use self::sequencer::Sequencer;
use self::staging::{Aside, Entry, Group};
use crate::id::{LogPosition, MemberId, RoomId, ShardId, StreamPosition};

/// A form in which a room's messages are sent; every member reads one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rendition {
    /// Messages and join and leave notices.
    Full,
    /// Messages alone.
    Quiet,
}

impl Rendition {
    /// All of them, in the order of [`Room::audiences`].
    pub const ALL: [Self; 2] = [Self::Full, Self::Quiet];
}

/// Members of one rendition, where its stream lies in the log, and how far a flush has come.
#[derive(Debug, Default)]
pub struct Audience {
    /// The stream.
    pub index: Index,
    /// Slots of the members, in no order.
    pub members: Vec<u32>,
    /// The member that the flush under way, or the next one, serves next.
    flush_next: usize,
    /// Members that the flush under way has yet to serve.
    flush_left: usize,
}

/// A flush begins this many members after where the last one began, so that nobody is always last.
const FLUSH_ROTATION: usize = 97;

impl Audience {
    /// Every member has something new to send; true when no flush was under way.
    pub fn start_flush(&mut self) -> bool {
        let idle = self.flush_left == 0;
        if idle && !self.members.is_empty() {
            self.flush_next = (self.flush_next + FLUSH_ROTATION) % self.members.len();
        }
        self.flush_left = self.members.len();
        idle && self.flush_left > 0
    }

    /// The slot to serve next; `None` when the flush is complete.
    pub fn next_to_flush(&mut self) -> Option<u32> {
        self.flush_left = self.flush_left.checked_sub(1)?;
        if self.flush_next >= self.members.len() {
            self.flush_next = 0;
        }
        let slot = *self.members.get(self.flush_next)?;
        self.flush_next += 1;
        Some(slot)
    }

    /// Adds a member; returns where it stands in `members`. A flush under way may come by it, and
    /// then has one more to serve.
    pub fn add(&mut self, slot: u32) -> usize {
        self.members.push(slot);
        self.flush_left += usize::from(self.is_flushing());
        self.members.len() - 1
    }

    /// Takes out the member at `number`; returns the one that moved into its place, which the
    /// flush under way may now pass by.
    pub fn remove(&mut self, number: usize) -> Option<u32> {
        self.members.swap_remove(number);
        if self.members.is_empty() {
            self.index.prune(self.index.head(), LogPosition::default());
        }
        self.flush_left = self.flush_left.min(self.members.len());
        self.members.get(number).copied()
    }

    /// Whether a flush is under way.
    #[must_use]
    pub fn is_flushing(&self) -> bool {
        self.flush_left > 0
    }
}

/// A member that has left.
#[derive(Debug, Clone, Copy)]
pub struct Departure {
    /// Which session it was.
    pub member: MemberId,
    /// Its public name.
    pub id: Uuid,
    /// Whether it took part in presence.
    pub visible: bool,
}

/// A room as one shard sees it: a cache line of its own state, and two for each audience.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Room {
    /// What this turn has gathered for it, if it is anything.
    pub staged: Option<Box<Group>>,
    /// Present on the home shard.
    pub sequencer: Option<Box<Sequencer>>,
    /// Members that left after what is staged was said: their homes hear of it in that order.
    pub departures: Vec<Departure>,
    /// Sessions here whose join the home shard has yet to confirm.
    pub joining: u32,
    /// The shard that sequences it.
    pub home: ShardId,
    /// Whether it is held: half of its members are behind because their sockets are full.
    pub held: bool,
    /// Whether what is staged was set aside until something outside happens.
    pub aside: Aside,
    /// Its name; empty for the default room.
    pub name: Arc<str>,
    /// One for each [`Rendition`].
    pub audiences: [Audience; 2],
}

const _: () = assert!(std::mem::offset_of!(Room, audiences) == 64 && size_of::<Audience>() == 128);

impl Room {
    fn new(name: Arc<str>, home: ShardId, sequencer: Option<Box<Sequencer>>) -> Self {
        Self {
            staged: None,
            sequencer,
            departures: Vec::new(),
            joining: 0,
            home,
            held: false,
            aside: Aside::No,
            name,
            audiences: <[Audience; 2]>::default(),
        }
    }

    /// The members that read `rendition`.
    pub fn audience(&mut self, rendition: Rendition) -> &mut Audience {
        &mut self.audiences[rendition as usize]
    }

    /// Members on this shard.
    #[must_use]
    pub fn members_here(&self) -> usize {
        self.audiences
            .iter()
            .map(|audience| audience.members.len())
            .sum()
    }

    /// Appends `frames`, which `entries` describe one by one, to `log` and to the stream of every
    /// rendition. `published` is told of every own message: whose, in which rendition, and its
    /// range of the stream; it says whether that one reads it here.
    pub fn append(
        &mut self,
        log: &mut Log,
        frames: &[u8],
        entries: &[Entry],
        mut published: impl FnMut(MemberId, Rendition, StreamPosition, StreamPosition) -> bool,
    ) {
        let position = log.append(frames);
        for rendition in Rendition::ALL {
            let audience = self.audience(rendition);
            if audience.members.is_empty() {
                continue;
            }
            let mut at = position;
            for entry in entries {
                let bytes = u64::from(entry.bytes);
                if entry.is_in(rendition) {
                    let start = audience.index.push(at, bytes, 1);
                    if let Some(origin) = entry.origin
                        && published(origin, rendition, start, start + bytes)
                    {
                        audience.index.push_own(origin, start, start + bytes);
                    }
                }
                at += bytes;
            }
        }
    }

    /// Memory of its indexes beyond what every room may have.
    fn index_bytes(&self) -> usize {
        let beyond = |audience: &Audience| audience.index.held_bytes_beyond_few();
        self.audiences.iter().map(beyond).sum()
    }

    fn is_unused(&self) -> bool {
        self.members_here() == 0
            && self.joining == 0
            && self.staged.is_none()
            && self.departures.is_empty()
            && self
                .sequencer
                .as_ref()
                .is_none_or(|sequencer| sequencer.is_idle())
    }
}

/// The rooms of one shard, by name and by handle.
#[derive(Debug)]
pub struct Rooms {
    by_name: HashMap<Arc<str>, RoomId>,
    rooms: Slab<Room>,
    shard: ShardId,
    homes: Homes,
    rooms_max: usize,
    /// Memory of all indexes, but for the few entries that every room may have.
    index_bytes: usize,
    index_bytes_max: usize,
}

impl Rooms {
    /// An empty table for shard `shard`.
    #[must_use]
    pub fn new(shard: ShardId, homes: Homes, rooms_max: usize, index_bytes_max: usize) -> Self {
        Self {
            by_name: HashMap::new(),
            rooms: Slab::new(),
            shard,
            homes,
            rooms_max,
            index_bytes: 0,
            index_bytes_max,
        }
    }

    /// How many rooms exist here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rooms.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }

    /// The room called `name`, if it exists here.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<RoomId> {
        self.by_name.get(name).copied()
    }

    /// The room called `name`, made when it does not exist; `None` when there are too many.
    pub fn find_or_create(&mut self, name: &Arc<str>) -> Option<RoomId> {
        if let Some(id) = self.find(name) {
            return Some(id);
        }
        if self.rooms.len() >= self.rooms_max {
            return None;
        }
        let home = self.homes.of(name);
        let sequencer = (home == self.shard).then(|| Box::new(Sequencer::new(self.homes.shards())));
        let key = self
            .rooms
            .insert(Room::new(Arc::clone(name), home, sequencer));
        let id = RoomId::at(key);
        self.by_name.insert(Arc::clone(name), id);
        Some(id)
    }

    /// The room of a handle that is held by a member, a staged message or a flush.
    #[must_use]
    pub fn get(&self, id: RoomId) -> &Room {
        &self.rooms[id.index()]
    }

    /// Like [`Self::get`].
    pub fn get_mut(&mut self, id: RoomId) -> &mut Room {
        &mut self.rooms[id.index()]
    }

    /// The sequencer of a room that may be gone or have its home elsewhere.
    #[must_use]
    pub fn sequencer(&self, id: RoomId) -> Option<&Sequencer> {
        self.rooms.get(id.index())?.sequencer.as_deref()
    }

    /// Like [`Self::sequencer`].
    pub fn sequencer_mut(&mut self, id: RoomId) -> Option<&mut Sequencer> {
        self.rooms.get_mut(id.index())?.sequencer.as_deref_mut()
    }

    /// The member of an audience that the flush under way serves next; `None` when it is complete
    /// or the room is gone.
    pub fn next_to_flush(&mut self, id: RoomId, rendition: Rendition) -> Option<u32> {
        self.rooms
            .get_mut(id.index())?
            .audience(rendition)
            .next_to_flush()
    }

    /// The stream that a session in `place` reads, if it is in a room.
    #[must_use]
    pub fn index(&self, id: RoomId, rendition: Rendition) -> &Index {
        &self.get(id).audiences[rendition as usize].index
    }

    /// Does something to a room that changes its indexes.
    pub fn change<R>(&mut self, id: RoomId, change: impl FnOnce(&mut Room) -> R) -> R {
        let room = &mut self.rooms[id.index()];
        let before = room.index_bytes();
        let result = change(room);
        self.index_bytes += room.index_bytes();
        self.index_bytes -= before;
        result
    }

    /// Memory of all indexes beyond the few entries that every room may have.
    #[must_use]
    pub fn index_bytes(&self) -> usize {
        self.index_bytes
    }

    /// The same, counted anew.
    #[must_use]
    pub fn count_index_bytes(&self) -> usize {
        self.rooms.iter().map(|(_, room)| room.index_bytes()).sum()
    }

    /// Keeps the indexes within their memory: the oldest entries are forgotten as if they had left
    /// the log, those of the longest indexes first. It looks at all rooms, but not before as much
    /// as it has freed is used again.
    pub fn bound_indexes(&mut self, log: &Log) {
        if self.index_bytes <= self.index_bytes_max {
            return;
        }
        for share in [8, 64, usize::MAX] {
            let long = self.index_bytes_max / share;
            let mut kept = log.capacity_bytes() as u64 / 2;
            while kept > 0 && self.index_bytes > self.index_bytes_max / 2 {
                let tail = log.head().back(kept);
                for (_, room) in &mut self.rooms {
                    let before = room.index_bytes();
                    if before > long {
                        (room.audiences.iter_mut())
                            .for_each(|audience| audience.index.forget(tail));
                        self.index_bytes -= before - room.index_bytes();
                    }
                }
                kept /= 2;
            }
        }
    }

    /// Forgets the room if nobody needs it any more.
    pub fn release(&mut self, id: RoomId) {
        let unused = self.rooms.get(id.index()).is_some_and(Room::is_unused);
        if unused {
            let room = self.rooms.remove(id.index());
            self.index_bytes -= room.index_bytes();
            self.by_name.remove(&room.name);
        }
    }
}

#[cfg(test)]
mod tests;
