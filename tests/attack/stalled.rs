//! Members that do not read while their rooms are flooded.

use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use crate::siege::Siege;
use crate::support::frame::Outgoing;
use crate::swarm::Swarm;
use crate::{alone, attack_time};

/// Members that do not read.
const STALLED: usize = 400;
/// Members that read and throw away.
const READING: usize = 8;
/// Members that publish.
const PUBLISHERS: usize = 4;

/// Floods a room of which most members do not read with messages of `message_bytes`.
#[track_caller]
fn flood_the_stalled(siege: Siege, message_bytes: usize, attack: &str) {
    let address = siege.address();
    let target = "/ws/stalled?presence=0";
    let stalled = Swarm::sessions(address, STALLED, |_| target.to_owned());
    let mut readers = Swarm::members(address, READING, target);
    let mut publishers = Swarm::members(address, PUBLISHERS, target);
    let message = Outgoing::binary(vec![9; message_bytes]).bytes();
    let mut press = |duration: Duration| {
        let begun = Instant::now();
        while begun.elapsed() < duration {
            publishers.await_any(PollFlags::OUT);
            publishers.press_once(&message);
            publishers.discard(256 << 10);
            readers.discard(256 << 10);
        }
    };
    // The room is held for a while first, in case that its members are only slow.
    siege.press_until_slow(&mut press);
    press(attack_time() / 2);
    publishers.check_open("publishers, who read,");
    readers.check_open("members who read");
    for swarm in [stalled, readers, publishers] {
        swarm.reset();
    }
    siege.end(attack);
}

/// Goal: hundreds of members that are skipped again and again.
#[test]
fn skipped_members() {
    let _alone = alone();
    let siege = Siege::small_and(&["--shards", "2", "--slow-consumer", "skip"]);
    flood_the_stalled(siege, 100, "skipped members");
}

/// Goal: the same with the largest messages, each member stopped in the middle of one.
#[test]
fn skipped_members_amid_large_messages() {
    let _alone = alone();
    let siege = Siege::small_and(&["--shards", "2", "--slow-consumer", "skip"]);
    flood_the_stalled(siege, 16 << 10, "skipped members amid large messages");
}

/// Goal: members that are closed as too slow in the middle of a large message.
#[test]
fn closed_members_amid_large_messages() {
    let _alone = alone();
    let siege = Siege::with(&[
        "--log-bytes",
        "16MiB",
        "--message-bytes-max",
        "256KiB",
        "--connections-max",
        "600",
        "--shards",
        "2",
    ]);
    flood_the_stalled(siege, 256 << 10, "closed members amid large messages");
}
