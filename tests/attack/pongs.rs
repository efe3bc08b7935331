//! Pings whose pongs are not read, or never quite all of them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use crate::siege::{ATTACKERS_MAX, Siege};
use crate::support::frame::Outgoing;
use crate::support::netns::NetworkNamespace;
use crate::swarm::Swarm;
use crate::{alone, attack_time};

/// The largest payload of a control frame (RFC 6455 section 5.5).
const PING_PAYLOAD_BYTES: usize = 125;
/// A masked ping with that payload, and its pong.
const PING_BYTES: usize = 2 + 4 + PING_PAYLOAD_BYTES;
const PONG_BYTES: u64 = 2 + PING_PAYLOAD_BYTES as u64;
/// Pings that are written at once.
const PINGS: usize = 64;

fn pings() -> Vec<u8> {
    Outgoing::ping([0x2e; PING_PAYLOAD_BYTES])
        .bytes()
        .repeat(PINGS)
}

/// Goal: sessions that ping as fast as they can and read nothing cost no more than was promised.
#[test]
fn unread_pongs() {
    let _alone = alone();
    let siege = Siege::small();
    let mut swarm = Swarm::sessions(siege.address(), ATTACKERS_MAX, |number| {
        format!("/ws/pongs-{}?presence=0", number % 7)
    });
    swarm.press(&pings(), attack_time());
    swarm.reset();
    siege.end("unread pongs");
}

/// Sessions that keep an unread rest of their pongs on the way, each another amount: what the kernel
/// holds of it differs, and the server holds what is beyond that.
struct Teasers {
    swarm: Swarm,
    read: Vec<u64>,
}

const TEASERS: usize = 6;
/// What the first one leaves unread, and how much more each one does than the one before. With sockets
/// as small as theirs, the kernel holds a few dozen KiB.
const REST_BYTES: u64 = 58 << 10;
const REST_STEP_BYTES: u64 = 2 << 10;

impl Teasers {
    fn open(address: SocketAddr) -> Self {
        let target = |_| "/ws/teasers?presence=0".to_owned();
        Self {
            swarm: Swarm::sessions(address, TEASERS, target),
            read: vec![0; TEASERS],
        }
    }

    fn tease(&mut self, duration: Duration) {
        let (pings, end) = (pings(), Instant::now() + duration);
        let mut scratch = vec![0; 16 << 10];
        while Instant::now() < end {
            self.swarm.await_any(PollFlags::IN);
            let mut rest = REST_BYTES;
            for (peer, read) in self.swarm.peers.iter_mut().zip(&mut self.read) {
                rest += REST_STEP_BYTES;
                *read += peer.read(&mut scratch) as u64;
                let owed = |sent: u64| sent / PING_BYTES as u64 * PONG_BYTES;
                while !peer.ended && owed(peer.sent) < *read + rest {
                    let wanted = (*read + rest - owed(peer.sent)).div_ceil(PONG_BYTES);
                    let bytes = usize::try_from(wanted).map_or(pings.len(), |count| {
                        count
                            .saturating_mul(PING_BYTES)
                            .min(pings.len() - PING_BYTES)
                    });
                    let at = usize::try_from(peer.sent % PING_BYTES as u64).expect("small");
                    if peer.write_once(&pings[at..][..bytes]) == 0 {
                        break;
                    }
                }
            }
        }
    }
}

/// Goal: sessions that read their pongs but always leave some unread cost no more than promised.
#[test]
fn pongs_of_which_a_rest_is_never_read() {
    let _alone = alone();
    let siege = Siege::small();
    let mut teasers = Teasers::open(siege.address());
    teasers.tease(attack_time());
    teasers.swarm.reset();
    siege.end("pongs of which a rest is never read");
}

/// Goal: the same over a link with the segments of an Ethernet and the usual congestion control, where
/// the kernel holds less for the server.
#[test]
fn pongs_of_which_a_rest_is_never_read_over_ethernet() {
    let _alone = alone();
    let Some(namespace) = NetworkNamespace::with_mtu("1500") else {
        return;
    };
    namespace.inside(|| {
        let siege = Siege::small();
        let mut teasers = Teasers::open(siege.address());
        teasers.tease(attack_time() * 2);
        teasers.swarm.reset();
        siege.end("pongs of which a rest is never read, over Ethernet");
    });
}
