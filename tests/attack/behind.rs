//! A reader that is further behind than 32 bits count.

use std::time::{Duration, Instant};

use crate::alone;
use crate::flood::{Template, numbers};
use crate::support::crowd::Crowd;
use crate::support::server::Server;

/// Payload of each message.
const PAYLOAD_BYTES: usize = 60_000;
/// Messages of 4.2 GiB.
const MESSAGES: u32 = 75_000;
/// Bytes that the publisher has ready for its socket.
const READY_BYTES: usize = 512 << 10;
/// How long nothing may arrive before the run counts as stuck.
const STUCK_AFTER: Duration = Duration::from_secs(30);

/// Goal: with a log of 16 GiB and a lag of 8, a reader over 4 GiB behind gets all of it, whole and in
/// order. It takes 5 GiB of memory and a minute, so it is run where `ATTACK_FAR_BEHIND` is set.
#[test]
fn a_reader_four_gibibytes_behind_gets_it_all() {
    if std::env::var_os("ATTACK_FAR_BEHIND").is_none() {
        eprintln!("SKIPPED: set ATTACK_FAR_BEHIND to run it; it takes 5 GiB of memory");
        return;
    }
    let _alone = alone();
    let server = Server::start(&[
        "--shards",
        "1",
        "--log-bytes",
        "16GiB",
        "--lag-bytes-max",
        "8GiB",
        "--connections-max",
        "10",
    ]);
    let (address, target) = (server.address(), "/ws/behind?presence=0");
    let mut crowd = Crowd::new();
    let publisher = crowd.connect(address, target);
    // With three who read, the one who does not is less than half of the room.
    let readers: Vec<usize> = (0..3).map(|_| crowd.connect(address, target)).collect();
    let stalled = crowd.connect(address, target);
    crowd.pause(stalled);
    let mut template = Template::new(0, PAYLOAD_BYTES);
    let (mut next, mut published) = ([0; 5], 0);
    let (mut last, mut bytes) = (Instant::now(), Vec::new());
    let mut is_awake = false;
    while next[stalled] < MESSAGES {
        bytes.clear();
        while published < MESSAGES
            && crowd.seat(publisher).pending_bytes() + bytes.len() < READY_BYTES
        {
            bytes.extend_from_slice(template.numbered(published));
            published += 1;
        }
        crowd.send(publisher, &bytes);
        crowd.turn(Duration::from_millis(20), &mut |member, view| {
            let numbers = numbers(&view, PAYLOAD_BYTES);
            assert_eq!(numbers, (0, next[member]), "at member {member}");
            next[member] += 1;
            last = Instant::now();
        });
        if !is_awake && readers.iter().all(|&reader| next[reader] == MESSAGES) {
            is_awake = true;
            crowd.resume(stalled);
        }
        let close = &crowd.seat(stalled).close;
        assert!(close.is_none(), "{close:?} after {next:?}");
        assert!(last.elapsed() < STUCK_AFTER, "stuck at {next:?}");
    }
    assert_eq!(server.figure("slow_closed"), 0);
}
