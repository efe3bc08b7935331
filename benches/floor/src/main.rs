//! The floor of a fan-out: one thread and one ring that does nothing but the sends.
//!
//! What a publisher says is framed once and sent to everybody else, in the chunks that Fanring's event
//! loop uses. There is no receive on the ring, no room, no log, no cursor, no deadline and no limit: what this
//! costs a delivery, every server on this kernel pays at least, and others are measured against it.
//! Connections and publishers are waited for with epoll, which costs a subscriber nothing.

mod peer;

use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::ExitCode;

use fanring::ring::{Completion, Op, Outgoing, Ring, RingConfig, Token};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use crate::peer::Peer;

/// Sends between two reaps, as in Fanring's event loop.
const SENDS_MAX: usize = 1024;

/// What epoll says of the listener; peers go by their place.
const LISTENER: u64 = u64::MAX;

fn main() -> ExitCode {
    bench_common::run(env!("CARGO_PKG_NAME"), &["--listen ADDR"], |flags| {
        let listener = bench_common::listen(flags.listen(9005)?)?;
        Floor::new(listener.into())?.run()
    })
}

struct Floor {
    ring: Ring,
    epoll: OwnedFd,
    listener: TcpListener,
    peers: Vec<Option<Peer>>,
    /// Frames of this turn, as they go out.
    frames: Vec<u8>,
    completions: Vec<Completion>,
}

impl Floor {
    fn new(listener: TcpListener) -> anyhow::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(
            &epoll,
            &listener,
            EventData::new_u64(LISTENER),
            EventFlags::IN,
        )?;
        Ok(Self {
            ring: Ring::new(&RingConfig::default())?,
            epoll,
            listener,
            peers: Vec::new(),
            frames: Vec::new(),
            completions: Vec::new(),
        })
    }

    fn run(mut self) -> anyhow::Result<()> {
        let mut events = Vec::with_capacity(1024);
        loop {
            events.clear();
            epoll::wait(
                &self.epoll,
                rustix::buffer::spare_capacity(&mut events),
                None,
            )?;
            for event in &events {
                match event.data.u64() {
                    LISTENER => self.accept(),
                    place => self.ready(usize::try_from(place)?, event.flags),
                }
            }
        }
    }

    fn accept(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            let place = self.peers.len();
            let data = EventData::new_u64(place as u64);
            let peer = Peer::new(stream).filter(|peer| {
                epoll::add(&self.epoll, peer.stream(), data, EventFlags::IN).is_ok()
            });
            self.peers.push(peer);
        }
    }

    fn ready(&mut self, place: usize, flags: EventFlags) {
        let Some(peer) = &mut self.peers[place] else {
            return;
        };
        let data = EventData::new_u64(place as u64);
        if flags.contains(EventFlags::OUT) && peer.send_rest() {
            let _ = epoll::modify(&self.epoll, peer.stream(), data, EventFlags::IN);
        }
        self.frames.clear();
        let alive = peer.receive(&mut self.frames);
        self.fan_out(place);
        if !alive {
            self.peers[place] = None;
        }
    }

    /// Sends the frames of this turn to everybody but their publisher.
    fn fan_out(&mut self, publisher: usize) {
        if self.frames.is_empty() {
            return;
        }
        let (mut next, end) = (0, self.peers.len());
        while next < end {
            let last = end.min(next + SENDS_MAX);
            let peers = &mut self.peers[next..last];
            let frames = self.frames.as_slice();
            let sends = (next..).zip(peers).filter_map(|(place, peer)| {
                let peer = peer.as_mut().filter(|_| place != publisher)?;
                let slot = u32::try_from(place).ok()?;
                peer.is_clear(frames).then(|| Outgoing {
                    fd: peer.stream().as_raw_fd(),
                    token: Token::new(Op::QuietSend, slot, 0),
                    slices: [frames],
                })
            });
            self.ring.send_batch(sends);
            self.ring.reap(&mut self.completions);
            self.settle();
            next = last;
        }
    }

    /// Keeps what a full socket did not take, and forgets peers that are gone.
    fn settle(&mut self) {
        for completion in self.completions.drain(..) {
            let place = completion.token.slot as usize;
            let taken = match completion.result {
                Ok(taken) if taken as usize == self.frames.len() => continue,
                Ok(taken) => taken as usize,
                Err(rustix::io::Errno::AGAIN) => 0,
                Err(_) => {
                    self.peers[place] = None;
                    continue;
                }
            };
            if let Some(peer) = &mut self.peers[place] {
                peer.keep(&self.frames[taken..]);
                let data = EventData::new_u64(place as u64);
                let both = EventFlags::IN | EventFlags::OUT;
                let _ = epoll::modify(&self.epoll, peer.stream(), data, both);
            }
        }
    }
}
