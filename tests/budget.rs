//! The memory budget counts with the sizes the code has.
//!
//! `config` may import nothing, so it cannot take them from where they are defined; here both
//! sides are in sight.

use std::mem::size_of;

use fanring::config::Sizes;
use fanring::ring::RingConfig;
use fanring::session::Session;
use fanring::shard::message::Message;

#[test]
fn the_ring_is_as_large_as_the_budget_says() {
    let ring = RingConfig::default();
    let sizes = Sizes::BUILT_IN;
    assert_eq!(sizes.submission_entries, ring.sq_entries);
    assert_eq!(sizes.completion_entries, ring.cq_entries);
    assert_eq!(sizes.receive_buffers, ring.buffers);
    assert_eq!(sizes.receive_buffer_bytes, ring.buffer_bytes);
}

// These two may be smaller than budgeted; larger would make the promise at start a lie.
#[test]
fn a_session_and_a_mesh_message_fit_their_budget() {
    let session = size_of::<Session>();
    let message = size_of::<Message>();
    assert!(
        session as u64 <= Sizes::BUILT_IN.session_bytes_max,
        "{session} bytes"
    );
    assert!(
        message as u64 <= Sizes::BUILT_IN.mesh_slot_bytes_max,
        "{message} bytes"
    );
}
