//! What is begun and never ended: messages and request heads.

use std::time::Duration;

use crate::siege::{ATTACKERS_MAX, Siege};
use crate::support::frame::Outgoing;
use crate::support::wait::PATIENCE;
use crate::swarm::{Swarm, raise_descriptor_limit};
use crate::{alone, attack_time};

/// All of a message but its last byte, in three fragments.
fn half_message(message_bytes_max: usize) -> Vec<u8> {
    let third = message_bytes_max / 3;
    let rest = message_bytes_max - 2 * third - 1;
    [
        Outgoing::binary(vec![1; third]).more(),
        Outgoing::continuation(vec![2; third]).more(),
        Outgoing::continuation(vec![3; rest]).more(),
    ]
    .iter()
    .flat_map(Outgoing::bytes)
    .collect()
}

/// Waits until the server has answered a ping of every peer, or has ended it; not for longer than
/// `allowed`, for one that is held back owes no answer.
fn await_heard(swarm: &mut Swarm, allowed: Duration) {
    swarm.say(&Outgoing::ping("heard?").bytes(), allowed);
    swarm.await_answers(allowed);
}

/// Goal: every session stops one byte before the end of the largest message.
#[test]
fn half_messages() {
    let _alone = alone();
    let siege = Siege::small();
    let mut swarm = Swarm::sessions(siege.address(), ATTACKERS_MAX, |number| {
        format!("/ws/halves-{}?presence=0", number % 7)
    });
    swarm.say(&half_message(16 << 10), attack_time());
    await_heard(&mut swarm, attack_time());
    swarm.reset();
    siege.end("half messages");
}

/// Goal: where messages may be large, halves of them have a bound of their own, far below a whole one
/// for each session.
#[test]
fn half_messages_where_messages_are_large() {
    const SESSIONS: usize = 64;
    const MESSAGE_BYTES_MAX: usize = 16 << 20;
    let _alone = alone();
    let siege = Siege::with(&[
        "--log-bytes",
        "64MiB",
        "--message-bytes-max",
        "16MiB",
        "--connections-max",
        "600",
        "--shards",
        "2",
    ]);
    let every_session = 600 * MESSAGE_BYTES_MAX as u64;
    assert!(
        siege.promise < every_session / 4,
        "{} bytes promised, and each session may hold a message",
        siege.promise
    );
    let mut swarm = Swarm::sessions(siege.address(), SESSIONS, |number| {
        format!("/ws/halves-{}?presence=0", number % 7)
    });
    swarm.say(&half_message(MESSAGE_BYTES_MAX), attack_time() * 2);
    await_heard(&mut swarm, attack_time());
    swarm.reset();
    siege.end("half messages where they are large");
}

/// Goal: connections that never end their request head, fifteen times as many as there may be sessions.
#[test]
fn half_heads() {
    const CONNECTIONS: usize = 9_000;
    let _alone = alone();
    raise_descriptor_limit();
    let siege = Siege::small();
    let mut swarm = Swarm::connections(siege.address(), CONNECTIONS);
    let mut head = format!("GET /ws/heads HTTP/1.1\r\nHost: {}\r\n", siege.address());
    while head.len() < 8_100 {
        head.push_str("X-Padding: 0123456789012345678901234567890123456789\r\n");
    }
    // In two parts: the second makes what was gathered grow.
    let (first, second) = head.as_bytes().split_at(3_000);
    swarm.say(first, PATIENCE);
    swarm.say(second, PATIENCE);
    swarm.reset();
    siege.end("half heads");
}
