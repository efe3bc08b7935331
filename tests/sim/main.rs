//! The pure shards under a simulated kernel, mesh and clients, all drawn from a seed: whatever
//! happens, every member of a room hears the same messages in the same order exactly once, and
//! afterwards nothing is left. Some clients join further rooms and leave them all the time.
//!
//! Besides, clients of Centrifugo's protocol in many rooms: `tests/sim/chat.rs`.
//!
//! `SIM_SEED=N cargo test --test sim` replays one seed with a trace on standard error;
//! `SIM_SEEDS=N` runs so many of them, from `SIM_FIRST` on. `CHAT_SEED`, `CHAT_SEEDS` and `CHAT_FIRST`
//! do the same for those clients.

#[path = "../support/mod.rs"]
mod support;

mod align;
mod books;
mod chat;
mod client;
mod counts;
mod decode;
mod desert;
mod driver;
mod hearing;
mod kernel;
mod links;
mod order;
mod roam;
mod roamers;
mod roles;
mod run;
mod seeds;
mod settings;
mod stay;
mod tape;
mod world;

use self::counts::Counts;
use self::run::run;
use self::seeds::{Seeds, hold};

/// Seeds of an ordinary run of the tests.
const SEEDS: u64 = 1000;

/// Goal: no seed breaks an invariant.
#[test]
fn every_seed_holds() {
    hold(&Seeds {
        prefix: "SIM",
        test: "every_seed_holds",
        count: SEEDS,
        run,
        lacking: Counts::lacking,
    });
}
