//! Rooms and connections without number, one after the other.

use std::time::Instant;

use crate::siege::{ATTACKERS_MAX, Siege};
use crate::support::client::Client;
use crate::support::http::Wire;
use crate::swarm::{Swarm, narrow, opening, raise_descriptor_limit, reset};
use crate::{alone, attack_time};

/// A room's name of the greatest length, another one for each `number`.
fn long_name(number: usize) -> String {
    format!("{number:0>128}")
}

/// Goal: every session has a room of its own with the longest name, and leaves it for another.
#[test]
fn a_room_for_each_session() {
    let _alone = alone();
    let siege = Siege::small();
    let (address, begun) = (siege.address(), Instant::now());
    let mut round = 0;
    while begun.elapsed() < attack_time() || round == 0 {
        let swarm = Swarm::sessions(address, ATTACKERS_MAX, |number| {
            format!("/ws/{}", long_name(round * ATTACKERS_MAX + number))
        });
        swarm.reset();
        // The slots of those who left must be free for those who come.
        siege
            .server
            .await_figure("sessions", |sessions| sessions <= 2);
        round += 1;
    }
    siege.end("a room for each session");
}

/// Goal: connections that are opened, upgraded and reset as fast as can be, some of them in the middle
/// of a message.
#[test]
fn sessions_come_and_go() {
    let _alone = alone();
    raise_descriptor_limit();
    let siege = Siege::small();
    let (address, begun) = (siege.address(), Instant::now());
    let mut count = 0;
    while begun.elapsed() < attack_time() {
        let target = format!("/ws/{}", long_name(count % 1_000));
        if count.is_multiple_of(3) {
            let mut client =
                Client::upgrade(Wire::over(narrow(address, 4 << 10)), address, &target);
            client
                .wire
                .offer(&[0x82, 0xfe, 0x3f, 0xff, 0, 0, 0, 0, 1, 2, 3]);
            client.reset();
        } else {
            // Not even the answer is awaited.
            let mut wire = Wire::over(narrow(address, 4 << 10));
            wire.offer(&opening(address, &target));
            reset(&wire.stream);
        }
        count += 1;
    }
    siege.end("sessions come and go");
}
