//! The rooms of a shard by name: a table of handles. The names stand in the rooms, of which whoever looks one up
//! says whether it is that one.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use crate::id::RoomId;

/// Which room stands there, with a part of its name's hash, so that the table grows without a look at the rooms.
#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: u32,
    room: RoomId,
}

/// Handles of rooms. The hash is keyed anew for each, so that nobody can choose names that meet.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    table: HashTable<Entry>,
    hasher: RandomState,
}

impl Directory {
    /// Memory of a room in it, in bytes: of the places up to an eighth are kept free, and they double when there are no more;
    /// meanwhile the old ones are there, too.
    pub(crate) const ENTRY_BYTES: usize = (2 + 1) * 8 * (size_of::<Entry>() + 1) / 7 + 1;

    fn hash(&self, name: &str) -> u32 {
        let hash = self.hasher.hash_one(name);
        u32::try_from(hash >> 32).expect("half of its bits")
    }

    /// The room called `name`; `is_called` says whether a room of the table has that name.
    pub(super) fn find(&self, name: &str, is_called: impl Fn(RoomId) -> bool) -> Option<RoomId> {
        let hash = self.hash(name);
        // The first with that hash is nearly always the one, and a search that compares numbers alone is the shorter one.
        let first = self
            .table
            .find(spread(hash), |entry| entry.hash == hash)?
            .room;
        if is_called(first) {
            return Some(first);
        }
        self.find_among_several(hash, is_called)
    }

    #[cold]
    fn find_among_several(&self, hash: u32, is_called: impl Fn(RoomId) -> bool) -> Option<RoomId> {
        let is_it = |entry: &Entry| entry.hash == hash && is_called(entry.room);
        Some(self.table.find(spread(hash), is_it)?.room)
    }

    /// Adds a room called `name`, of which there is none yet.
    pub(super) fn insert(&mut self, name: &str, room: RoomId) {
        let hash = self.hash(name);
        let entry = Entry { hash, room };
        self.table
            .insert_unique(spread(hash), entry, |entry| spread(entry.hash));
    }

    /// Takes out the room, which is called `name`.
    pub(super) fn remove(&mut self, name: &str, room: RoomId) {
        let hash = self.hash(name);
        let found = self
            .table
            .find_entry(spread(hash), |entry| entry.room == room);
        found.expect("a room is in the table").remove();
    }
}

/// The table takes a place from the lowest bits and a mark from the highest, of which it compares many at once.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

#[cfg(test)]
mod tests {
    use super::Directory;
    use crate::id::RoomId;

    /// Goal: of many rooms each is found by its name alone, until it is taken out.
    #[test]
    fn rooms_are_found_by_name() {
        let names: Vec<String> = (0..10_000).map(|number| format!("room{number}")).collect();
        let mut directory = Directory::default();
        let find = |directory: &Directory, name: &str| {
            directory.find(name, |room| names[room.index()] == name)
        };
        for (number, name) in names.iter().enumerate() {
            assert_eq!(find(&directory, name), None);
            directory.insert(name, RoomId::at(number));
        }
        for (number, name) in names.iter().enumerate() {
            assert_eq!(find(&directory, name), Some(RoomId::at(number)));
            if number % 2 == 0 {
                directory.remove(name, RoomId::at(number));
            }
        }
        for (number, name) in names.iter().enumerate() {
            let left = (number % 2 == 1).then(|| RoomId::at(number));
            assert_eq!(find(&directory, name), left);
        }
    }
}
