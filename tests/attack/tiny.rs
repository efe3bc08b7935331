//! The smallest messages, of which the books are larger than the bytes.

use std::time::Instant;

use rustix::event::PollFlags;

use crate::siege::Siege;
use crate::support::frame::Outgoing;
use crate::swarm::Swarm;
use crate::{alone, attack_time};

/// Publishers of one room.
const PUBLISHERS: usize = 4;
/// Rooms, among which the log's bytes alternate.
const ROOMS: usize = 4;

/// Goal: messages of one byte, no two in a row from the same publisher or in the same room, while in
/// every room somebody in either rendition does not read.
#[test]
fn many_tiny_messages() {
    let _alone = alone();
    let siege = Siege::small();
    let address = siege.address();
    let room = |number: usize| format!("/ws/tiny-{}", number % ROOMS);
    let mut publishers = Swarm::sessions(address, ROOMS * PUBLISHERS, |number| {
        format!("{}?presence=0", room(number))
    });
    let quiet = Swarm::sessions(address, ROOMS, |number| {
        format!("{}?presence=0", room(number))
    });
    let full = Swarm::sessions(address, ROOMS, room);
    let message = Outgoing::binary([7]).bytes();
    let begun = Instant::now();
    while begun.elapsed() < attack_time() {
        for _ in 0..64 {
            for peer in &mut publishers.peers {
                let at = usize::try_from(peer.sent % message.len() as u64).expect("small");
                peer.write_once(&message[at..]);
            }
        }
        publishers.discard(64 << 10);
        publishers.await_any(PollFlags::OUT);
    }
    for swarm in [publishers, quiet, full] {
        swarm.reset();
    }
    siege.end("many tiny messages");
}
