//! Files that are asked for and not read, and connections that are kept and not used.

use rustix::event::PollFlags;

use crate::siege::Siege;
use crate::support::http::{self, request_bytes};
use crate::support::wait::{Deadline, PATIENCE};
use crate::swarm::{Swarm, raise_descriptor_limit};
use crate::{alone, attack_time};

/// More than any limit of the web thread admits.
const CONNECTIONS: usize = 1_200;

/// Goal: downloads that nobody reads, as many as are let in.
#[test]
fn stalled_downloads() {
    let _alone = alone();
    raise_descriptor_limit();
    let folder = tempfile::tempdir().expect("a folder");
    let file = std::fs::File::create(folder.path().join("big.bin")).expect("a file");
    file.set_len(64 << 20).expect("a long file");
    let path = folder.path().to_str().expect("a path in UTF-8");
    let siege = Siege::small_and(&["--shards", "2", "--static", path]);
    let address = siege.address();
    let mut swarm = Swarm::connections(address, CONNECTIONS);
    let request = request_bytes(address, "GET", "/big.bin", &[], "keep-alive");
    swarm.say(&request, PATIENCE);
    // Each begins to answer; then it is left alone.
    let deadline = Deadline::after(attack_time());
    while !deadline.passed() {
        swarm.discard(1);
        swarm.await_any(PollFlags::empty());
    }
    swarm.reset();
    siege.end("stalled downloads");
}

/// Goal: connections that were used once and are kept neither cost more than promised nor shut out
/// those who come after them.
#[test]
fn idle_kept_connections() {
    let _alone = alone();
    raise_descriptor_limit();
    let siege = Siege::small();
    let address = siege.address();
    let mut swarm = Swarm::connections(address, CONNECTIONS);
    let request = request_bytes(address, "GET", "/healthz", &[], "keep-alive");
    swarm.say(&request, PATIENCE);
    swarm.await_answers(PATIENCE);
    let deadline = Deadline::after(attack_time() / 2);
    while !deadline.passed() {
        swarm.discard(16 << 10);
        let visitor = http::request(address, "GET", "/", &[]);
        assert_eq!(visitor.status, 200, "a visitor among idle connections");
        // Asked without a reserve of its own it would be lost among them.
        siege.server.healthz();
    }
    swarm.reset();
    siege.end("idle kept connections");
}
