//! What the rooms of a shard keep of what was said, where they have their homes.

use std::sync::Arc;
use std::time::Duration;

use super::Rooms;
use crate::id::RoomId;
use crate::message::{Run, Slice};
use crate::room::Room;
use crate::room::directory::Directory;
use crate::room::histories::Due;
use crate::room::history::{History, Position, Query, Recovery, Retention, Since, Unreadable};
use crate::room::home::{Members, Rest};
use crate::room::presence::Presence;

/// Histories that are looked at in a turn because their time has come.
const EXPIRED_MAX: usize = 4096;

/// What a room takes for which nothing is there but its history, in bytes, but for its name and for what is counted by
/// shard: itself, what clients have begun at its home, and its places in tables, which double as they grow.
const ROOM_BYTES: usize = 2 * size_of::<Room>()
    + Directory::ENTRY_BYTES
    + size_of::<Members>()
    + size_of::<Rest>()
    + size_of::<Presence>()
    + size_of::<History>()
    + 2 * size_of::<Due>()
    + 6 * ALLOCATION_BYTES;

/// What an allocator adds to each of them, or a name has before it.
const ALLOCATION_BYTES: usize = 16;

impl Rooms {
    /// From now on the room keeps what is said.
    pub(crate) fn begin_history(&mut self, id: RoomId, retention: Retention, now: Duration) {
        let room = &mut self.rooms[id.index()];
        let home = room.home.as_mut().expect("this is the room's home");
        let top = home.position().top;
        let by_shard = size_of::<u32>() * usize::from(self.homes.shards());
        let room_bytes = ROOM_BYTES + room.name.len() + by_shard;
        let history = (self.histories.begin(retention, top, now)).of_room(room_bytes);
        home.begin_history(history);
        room.facts.begin_history();
    }

    /// Somebody came by.
    pub(crate) fn visit(&mut self, id: RoomId, now: Duration) {
        if let Some(history) = self.home_mut(id).history_mut() {
            history.visit(now);
        }
    }

    /// Does something to the history of a room, if it keeps one; `None` if it does not.
    fn change_history<R>(
        &mut self,
        id: RoomId,
        change: impl FnOnce(&mut History, &Position) -> R,
    ) -> Option<R> {
        let home = self.rooms[id.index()].home.as_mut()?;
        let position = home.position();
        let history = home.history_mut()?;
        let change = |history: &mut History| change(history, &position);
        Some(self.histories.change(id, history, change))
    }

    /// Keeps what was said in a room, in its order, if it keeps anything.
    pub(crate) fn keep(&mut self, id: RoomId, said: Slice<'_>, now: Duration) {
        self.change_history(id, |history, position| {
            history.keep(position.epoch, said, now);
        });
    }

    /// Where the history of a room stands, and what there is of it for somebody who knows `since`, if
    /// anybody asks; `None` when it keeps none.
    pub(crate) fn arrive(
        &mut self,
        id: RoomId,
        since: Option<&Since>,
        now: Duration,
    ) -> Option<(Position, Recovery)> {
        self.change_history(id, |history, position| {
            history.visit(now);
            let recovery = match since {
                Some(since) => history.recover(since, position, now),
                None => Recovery::NotAsked,
            };
            (*position, recovery)
        })
    }

    /// What `query` asks for, in at most so many bytes of messages, and where the room's history stands;
    /// `None` when it keeps none.
    ///
    /// # Errors
    /// When it asks for what no history has.
    pub(crate) fn read_history(
        &mut self,
        id: RoomId,
        query: &Query,
        bytes_max: usize,
        now: Duration,
    ) -> Option<Result<(Run, Position), Unreadable>> {
        self.change_history(id, |history, position| {
            history.visit(now);
            let run = history.read(query, position, bytes_max, now)?;
            Ok((run, *position))
        })
    }

    /// The room keeps none of what was said any longer; where its history stands is as before.
    pub(crate) fn remove_history(&mut self, id: RoomId) {
        self.change_history(id, |history, _| history.clear());
    }

    /// When the first history is to be looked at.
    #[must_use]
    pub(crate) fn next_expiry(&self) -> Option<Duration> {
        self.histories.next_due()
    }

    /// What is too old is kept no longer, nor are the rooms whose last trace it was: so many at a time, the rest is
    /// still due.
    pub(crate) fn expire(&mut self, now: Duration) {
        for _ in 0..EXPIRED_MAX {
            let Some(due) = self.histories.take_due(now) else {
                return;
            };
            let room = self.rooms.get_mut(due.room.index());
            let home = room.and_then(|room| room.home.as_mut());
            let history = home.and_then(|home| home.history_mut());
            let Some(history) = history.filter(|history| history.serial == due.serial) else {
                continue;
            };
            history.is_noted = false;
            self.histories
                .change(due.room, history, |history| history.expire(now));
            self.release(due.room);
        }
    }

    /// Keeps the histories within their memory, once a turn: those whose newest messages are oldest give way
    /// first. It looks at all rooms, but not before as much as it has freed is used again.
    pub(crate) fn bound_histories(&mut self) {
        let Some(mut excess) = self.histories.excess() else {
            return;
        };
        let mut ages: Vec<(Duration, RoomId)> = (self.iter())
            .filter_map(|(id, room)| Some((id, room.home.as_ref()?.history()?)))
            .filter(|(_, history)| history.bytes() > 0)
            .map(|(id, history)| (history.newest_at(), id))
            .collect();
        ages.sort_unstable();
        for (_, id) in ages {
            let before = self.histories.bytes();
            self.change_history(id, |history, position| {
                history.give_way(position.epoch, excess);
            });
            self.release(id);
            excess = excess.saturating_sub(before - self.histories.bytes());
            if excess == 0 {
                return;
            }
        }
    }

    /// Memory of what all rooms keep, and of those rooms, in bytes.
    #[must_use]
    pub(crate) fn history_bytes(&self) -> usize {
        self.histories.bytes()
    }

    /// The same, counted anew.
    #[must_use]
    pub(crate) fn count_history_bytes(&self) -> usize {
        (self.iter())
            .filter_map(|(_, room)| room.home.as_ref()?.history())
            .map(|history| history.bytes())
            .sum()
    }

    /// Whether it is remembered where the history of a room stood that is gone.
    #[must_use]
    pub(crate) fn remembers(&self, name: &str) -> bool {
        self.histories.positions.has(name)
    }

    /// How many rooms are gone whose histories' places are remembered.
    #[must_use]
    pub(crate) fn positions(&self) -> usize {
        self.histories.positions.len()
    }

    /// Remembers where the history of a room stands that is gone.
    pub(super) fn remember(&mut self, room: &Room) {
        if let Some(home) = &room.home
            && let Some(history) = home.history()
        {
            self.histories.end(history);
            let until = history.remembered_until();
            let name = Arc::clone(&room.name);
            (self.histories.positions).put(name, home.position(), until);
        }
    }
}

#[cfg(test)]
mod tests;
