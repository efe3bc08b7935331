//! Who is served in a flush, and what the indexes of all rooms may take.

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::homes::Homes;
use super::log::Log;
use super::staging::Entry;
use super::{Audience, Rendition, Rooms};
use crate::id::{MemberId, RoomId, ShardId, StreamPosition};

/// Two members take turns to say so many messages of one byte in `room`, where one member is
/// never sent anything.
fn chatter(rooms: &mut Rooms, log: &mut Log, room: RoomId, messages: u32) {
    for number in 0..messages {
        let origin = MemberId {
            shard: ShardId::new(0),
            slot: number % 2,
            generation: 0,
        };
        let entry = Entry {
            bytes: 3,
            notice: false,
            origin: Some(origin),
        };
        rooms.change(room, |here| {
            here.append(log, &[0x82, 1, 7], &[entry], |_, _, _, _| true);
        });
        rooms.bound_indexes(log);
    }
}

/// However many tiny messages are kept for members that are not sent any, the indexes keep to
/// their memory; what is forgotten is the oldest of the longest ones.
#[test]
fn indexes_keep_to_their_memory() {
    const INDEX_BYTES_MAX: usize = 256 << 10;
    let mut log = Log::new(1 << 20).unwrap();
    let mut rooms = Rooms::new(ShardId::new(0), Homes::new(1, 0), 10, INDEX_BYTES_MAX);
    let ids = ["a", "b", "quiet"].map(|name| {
        let id = rooms.find_or_create(&Arc::from(name)).unwrap();
        rooms.change(id, |room| room.audience(Rendition::Full).add(0));
        id
    });
    chatter(&mut rooms, &mut log, ids[2], 40);
    for _ in 0..20 {
        for &room in &ids[..2] {
            chatter(&mut rooms, &mut log, room, 5000);
            // One queue may double before it is looked at.
            assert!(rooms.index_bytes() <= 2 * INDEX_BYTES_MAX);
        }
    }
    let gone = |room| {
        rooms
            .index(room, Rendition::Full)
            .position(StreamPosition::default())
            .is_none()
    };
    assert_eq!(ids.map(gone), [true, true, false]);
    let index = rooms.index(ids[1], Rendition::Full);
    assert!(
        index.position(index.head().back(3000)).is_some(),
        "the newest stay"
    );
    for room in ids {
        rooms.change(room, |room| room.audience(Rendition::Full).remove(0));
        rooms.release(room);
    }
    assert_eq!((rooms.len(), rooms.index_bytes()), (0, 0));
}

proptest! {
    /// Every member is served once in a flush, also when others come or leave in the middle; but
    /// for one that moves into a leaver's place, which `remove` names.
    #[test]
    fn a_flush_serves_everybody(
        count in 1u32..40,
        rounds in prop::collection::vec(
            prop::collection::vec((0usize..100, 0u8..3), 0..6),
            1..6,
        ),
    ) {
        let mut audience = Audience::default();
        for slot in 0..count {
            audience.add(slot);
        }
        let mut next = count;
        for events in rounds {
            let mut served: HashMap<u32, u32> = HashMap::new();
            // Whoever moved into a leaver's place, and who has just come and has heard all.
            let mut excused = Vec::new();
            let started = audience.start_flush();
            prop_assert_eq!(started, !audience.members.is_empty());
            let (mut events, mut changed) = (events.into_iter(), false);
            while let Some(slot) = audience.next_to_flush() {
                *served.entry(slot).or_default() += 1;
                let Some((number, kind)) = events.next() else {
                    continue;
                };
                if kind == 0 {
                    audience.add(next);
                    excused.push(next);
                    next += 1;
                    changed = true;
                } else if !audience.members.is_empty() {
                    let number = number % audience.members.len();
                    excused.extend(audience.remove(number));
                    changed = true;
                }
            }
            prop_assert!(!audience.is_flushing());
            for slot in &audience.members {
                let times = served.get(slot).copied().unwrap_or(0);
                // With changes, whoever was first may come up again; it has nothing to send.
                let right = times == 1 || (changed && (times > 1 || excused.contains(slot)));
                prop_assert!(right, "{slot} was served {times} times");
            }
        }
    }
}
