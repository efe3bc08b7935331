//! The memory budget counts with the sizes the code has.
//!
//! `config` may import nothing, so it cannot take them from where they are defined; here both
//! sides are in sight.

use std::mem::size_of;

use fanring::config::{SHARDS_MAX, Sizes};
use fanring::mesh::RING_MESSAGES_MAX;
use fanring::ring::RingConfig;
use fanring::room::Room;
use fanring::room::index::{Index, KEPT_ENTRIES_MAX};
use fanring::room::sequencer::Sequencer;
use fanring::room::staging::Entry;
use fanring::session::Session;
use fanring::session::holdings::SMALL_BYTES;
use fanring::shard::message::Message;
use fanring::wire::handshake::ROOM_BYTES_MAX;

/// Goal: the budget counts the ring that is made.
#[test]
fn the_ring_is_as_large_as_the_budget_says() {
    let ring = RingConfig::default();
    let sizes = Sizes::BUILT_IN;
    assert_eq!(sizes.submission_entries, ring.sq_entries);
    assert_eq!(sizes.completion_entries, ring.cq_entries);
    assert_eq!(sizes.receive_buffers, ring.buffers);
    assert_eq!(sizes.receive_buffer_bytes, ring.buffer_bytes);
}

/// Goal: what a room may take without the limit on indexes counting it, and its place in the
/// tables, are in the budget.
#[test]
fn a_room_and_an_entry_fit_their_budget() {
    let room = size_of::<Room>();
    let few = 2 * KEPT_ENTRIES_MAX * Index::ENTRY_BYTES;
    // A slab and a hash table double as they grow; a name has two counts before it.
    let table = room + 2 * 2 * size_of::<(usize, usize, u32)>();
    let name = ROOM_BYTES_MAX + 16;
    let members = 2 * 4 * size_of::<u32>();
    let home = size_of::<Sequencer>() + SHARDS_MAX * size_of::<u32>();
    let all = room + table + few + name + members + home;
    let sizes = Sizes::BUILT_IN;
    assert!(all as u64 <= sizes.room_bytes_max, "{all} bytes");
    assert_eq!(size_of::<Entry>() as u64, sizes.entry_bytes);
    assert_eq!(SMALL_BYTES as u64, sizes.small_holding_bytes);
}

/// Goal: these two may be smaller than budgeted; larger would make the promise at start a lie.
#[test]
fn a_session_and_a_mesh_message_fit_their_budget() {
    let session = size_of::<Session>();
    let message = size_of::<Message>();
    assert_eq!(RING_MESSAGES_MAX as u64, Sizes::BUILT_IN.mesh_ring_slots);
    assert!(
        session as u64 <= Sizes::BUILT_IN.session_bytes_max,
        "{session} bytes"
    );
    assert!(
        message as u64 <= Sizes::BUILT_IN.mesh_slot_bytes_max,
        "{message} bytes"
    );
}
