//! Echoes that are not read.

use crate::siege::{ATTACKERS_MAX, Siege};
use crate::support::frame::Outgoing;
use crate::swarm::Swarm;
use crate::{alone, attack_time};

/// Goal: sessions that have the largest messages echoed as fast as they can and read nothing.
#[test]
fn unread_echoes() {
    let _alone = alone();
    let siege = Siege::small_and(&["--shards", "2", "--echo"]);
    let mut swarm = Swarm::sessions(siege.address(), ATTACKERS_MAX, |_| "/echo".to_owned());
    swarm.press(&Outgoing::binary(vec![5; 16 << 10]).bytes(), attack_time());
    swarm.reset();
    siege.end("unread echoes");
}

/// Goal: the same with large messages, of which one is many times what a session may owe.
#[test]
fn unread_echoes_of_large_messages() {
    let _alone = alone();
    let siege = Siege::with(&[
        "--echo",
        "--log-bytes",
        "4MiB",
        "--message-bytes-max",
        "1MiB",
        "--connections-max",
        "600",
        "--shards",
        "2",
    ]);
    let mut swarm = Swarm::sessions(siege.address(), ATTACKERS_MAX, |_| "/echo".to_owned());
    swarm.press(&Outgoing::binary(vec![5; 1 << 20]).bytes(), attack_time());
    swarm.reset();
    siege.end("unread echoes of large messages");
}
