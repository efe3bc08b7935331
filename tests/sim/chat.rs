//! Clients of Centrifugo's protocol and plain members in the same rooms, over the same made-up kernel and mesh: they
//! come, go, die and come back with the places they know, and read as slowly as they like, while some of them
//! number what they say.
//!
//! What each is told is checked at once against everything that anybody was told, and against the test's own model of
//! what a room can still have; see `tests/support/chat.rs`.

mod actor;
mod acts;
mod checks;
mod course;
mod names;
mod settings;
mod tally;
mod world;

use crate::seeds::{Seeds, hold};

/// Seeds of an ordinary run of the tests.
const SEEDS: u64 = 20;

/// Goal: whoever stays in a room, or is told that it has recovered, has every message once and in the one order of the
/// room; what is told to be lost is gone; what is acknowledged is where members saw it, and nobody saw what is
/// refused; who is told to be there is there.
#[test]
fn every_seed_holds() {
    hold(&Seeds {
        prefix: "CHAT",
        test: "chat::every_seed_holds",
        count: SEEDS,
        run: course::run,
        lacking: tally::Tally::lacking,
    });
}

/// Goal: the same seed is the same run, to the last byte that is sent.
#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..4 {
        let digests = [course::digest(seed), course::digest(seed)];
        assert_eq!(digests[0], digests[1], "seed {seed}");
    }
}
