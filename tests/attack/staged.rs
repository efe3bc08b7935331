//! Publishes that always find some of the earlier ones still waiting.

use std::time::Instant;

use rustix::event::PollFlags;

use crate::siege::Siege;
use crate::support::frame::Outgoing;
use crate::swarm::Swarm;
use crate::{alone, attack_time};

/// Members whose sends are more than one submission holds, so that a flush takes several turns.
const LISTENERS: usize = 1_100;
/// Publishers in the other room.
const PUBLISHERS: usize = 8;

/// Goal: a room with one message ready at every moment does not keep those it has sent. Another room
/// is so large that its flush is always under way, and little is appended in a turn.
#[test]
fn rooms_that_always_have_more_to_say() {
    let _alone = alone();
    let siege = Siege::with(&[
        "--log-bytes",
        "8MiB",
        "--connections-max",
        "1200",
        "--message-bytes-max",
        "16KiB",
        "--shards",
        "1",
    ]);
    let address = siege.address();
    let crowd = "/ws/crowd?presence=0";
    let mut listeners = Swarm::members(address, LISTENERS, crowd);
    let mut whisperer = Swarm::members(address, 1, crowd);
    let mut publishers = Swarm::members(address, PUBLISHERS, "/ws/loud?presence=0");
    let (tiny, large) = (
        Outgoing::binary([1]).bytes(),
        Outgoing::binary(vec![2; 1_000]).bytes().repeat(16),
    );
    let begun = Instant::now();
    while begun.elapsed() < attack_time() {
        whisperer.press_once(&tiny);
        for _ in 0..8 {
            publishers.press_once(&large);
            publishers.discard(64 << 10);
        }
        listeners.discard(4 << 10);
        publishers.await_any(PollFlags::OUT);
    }
    for swarm in [listeners, whisperer, publishers] {
        swarm.check_open("of those who read");
        swarm.reset();
    }
    siege.end("rooms that always have more to say");
}
