//! Some of a server's users at the cost of the others.

use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use crate::siege::Siege;
use crate::support::frame::Outgoing;
use crate::support::http::request_bytes;
use crate::support::netns::NetworkNamespace;
use crate::support::wait::{Deadline, PATIENCE};
use crate::swarm::{Swarm, raise_descriptor_limit};
use crate::{alone, attack_time};

/// Half of the messages between bystanders may take this long on a machine that is full of other work;
/// on one that is not, they take a fraction of a millisecond.
const MEDIAN_MAX: Duration = Duration::from_millis(50);

/// How often a member that crawls reads a little.
const CRAWL_INTERVAL: Duration = Duration::from_millis(500);
/// What it reads then, in bytes.
const CRAWL_BYTES: usize = 4 << 10;
/// Bytes that each fast member must get: more than what a member may lag behind.
const FAST_BYTES: u64 = 32 << 20;
/// How long all of it may take: the server holds a room for 10 seconds at most, and at the pace of those
/// who crawl it would be an hour.
const HELD_MAX: Duration = Duration::from_secs(40);

/// Goal: half of a room that keeps reading a little holds the other half up for a few seconds and not
/// for ever.
#[test]
fn half_of_a_room_that_crawls() {
    let _alone = alone();
    // Where the kernel has small buffers for a slow peer, it soon says that a socket has room again.
    match NetworkNamespace::with_mtu("1500") {
        Some(namespace) => namespace.inside(crawl),
        None => crawl(),
    }
}

fn crawl() {
    let siege = Siege::with(&["--shards", "1", "--connections-max", "600"]);
    let address = siege.address();
    let target = "/ws/crawl?presence=0";
    let mut publisher = Swarm::members(address, 1, target);
    let mut fast = Swarm::members(address, 4, target);
    let mut crawling = Swarm::sessions(address, 5, |_| target.to_owned());
    let message = Outgoing::binary(vec![3; 4 << 10]).bytes();
    let (mut read, mut scratch) = ([0_u64; 4], vec![0; 64 << 10]);
    let (mut crawled, mut heard, mut longest) = (Instant::now(), Instant::now(), Duration::ZERO);
    let deadline = Deadline::after(HELD_MAX);
    while read.iter().any(|&bytes| bytes < FAST_BYTES) {
        publisher.press_once(&message);
        let before = read;
        for (peer, read) in fast.peers.iter_mut().zip(&mut read) {
            *read += peer.read(&mut scratch) as u64;
        }
        if crawled.elapsed() >= CRAWL_INTERVAL {
            crawled = Instant::now();
            crawling.discard(CRAWL_BYTES);
        }
        longest = longest.max(heard.elapsed());
        deadline.check(|| format!("the fast half has {read:?} bytes"));
        if before == read {
            fast.await_any(PollFlags::IN);
        } else {
            heard = Instant::now();
        }
        publisher.check_open("publishers");
        fast.check_open("members that keep up");
    }
    eprintln!("half of a room crawls: the longest pause of the others was {longest:?}");
    for swarm in [publisher, fast, crawling] {
        swarm.reset();
    }
    siege.end("half of a room crawls");
}

/// Goal: a flood of plain requests, far more than the web thread can take, leaves the chat as it was.
#[test]
fn requests_without_end() {
    const CONNECTIONS_MAX: usize = 12_000;
    let _alone = alone();
    raise_descriptor_limit();
    let mut siege = Siege::small();
    let address = siege.address();
    let request = request_bytes(address, "GET", "/healthz", &[], "keep-alive").repeat(20);
    let mut swarm = Swarm::default();
    let deadline = Deadline::after(attack_time());
    while !deadline.passed() {
        if swarm.peers.len() < CONNECTIONS_MAX {
            let mut more = Swarm::connections(address, 50);
            more.press_once(&request);
            swarm.peers.append(&mut more.peers);
        } else {
            swarm.await_any(PollFlags::OUT);
            swarm.press_once(&request);
        }
    }
    let served = siege.stop_bystander();
    eprintln!("{served}");
    assert!(served.median() <= MEDIAN_MAX, "{served}");
    swarm.reset();
    siege.end("requests without end");
}

/// Goal: hundreds that were refused and go on sending as fast as they can, which is thrown away, leave the
/// chat as it was, although there are far more of them than receive buffers.
#[test]
fn refused_peers_that_go_on_sending() {
    const PEERS: usize = 500;
    let _alone = alone();
    let mut siege = Siege::small_and(&["--shards", "1"]);
    let deadline = Deadline::after(attack_time());
    let mut swarm = Swarm::default();
    while !deadline.passed() {
        // Nobody may linger for long.
        swarm.peers.retain(|peer| !peer.ended);
        let mut more = Swarm::connections(siege.address(), PEERS - swarm.peers.len());
        more.say(b"GET / HTTP/9.9\r\n\r\n", PATIENCE);
        swarm.peers.append(&mut more.peers);
        swarm.press(&[b'x'; 64 << 10], Duration::from_millis(200));
    }
    let served = siege.stop_bystander();
    eprintln!("{served}");
    assert!(served.median() <= MEDIAN_MAX, "{served}");
    swarm.reset();
    siege.end("refused peers that go on sending");
}

/// Goal: hundreds of members that are skipped, each past thousands of tiny messages, do not keep the
/// shard from its other rooms.
#[test]
fn skipped_members_of_a_room_of_tiny_messages() {
    const STALLED: usize = 400;
    let _alone = alone();
    let mut siege = Siege::small_and(&["--shards", "1", "--slow-consumer", "skip"]);
    let address = siege.address();
    let target = "/ws/skipped?presence=0";
    let stalled = Swarm::sessions(address, STALLED, |_| target.to_owned());
    let mut publishers = Swarm::members(address, 2, target);
    let messages = Outgoing::binary([4; 8]).bytes().repeat(1_000);
    let mut press = |duration: Duration| {
        let begun = Instant::now();
        while begun.elapsed() < duration {
            publishers.await_any(PollFlags::OUT);
            publishers.press_once(&messages);
            publishers.discard(256 << 10);
        }
    };
    // The room is held for a while first, in case that its members are only slow.
    siege.press_until_slow(&mut press);
    press(attack_time());
    let served = siege.stop_bystander();
    eprintln!("{served}");
    assert!(served.median() <= MEDIAN_MAX, "{served}");
    for swarm in [stalled, publishers] {
        swarm.reset();
    }
    let skipped = siege
        .server
        .await_figure("slow_skipped", |skipped| skipped > 0);
    eprintln!("skipped {skipped} times");
    siege.end("skipped members of a room of tiny messages");
}

/// Goal: a connection that was refused because the web thread had enough of them hears so, and does not
/// wait in a queue that has no end.
#[test]
fn whoever_is_too_many_is_told() {
    const CONNECTIONS: usize = 3_000;
    let _alone = alone();
    raise_descriptor_limit();
    let siege = Siege::small();
    let address = siege.address();
    let mut swarm = Swarm::connections(address, CONNECTIONS);
    let request = request_bytes(address, "GET", "/", &[], "keep-alive");
    swarm.say(&request, PATIENCE);
    let silent = swarm.await_answers(PATIENCE);
    assert_eq!(silent, 0, "of {CONNECTIONS} that many were not answered");
    swarm.reset();
    siege.end("whoever is too many");
}
