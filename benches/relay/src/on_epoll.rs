//! The relay on epoll(7): a recv(2) for each socket that has something, and the sends by system calls, or by a
//! ring.

use std::os::fd::{AsFd, OwnedFd};

use fanring::ring::{Completion, Op, Outgoing, Ring, RingConfig, Token};
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send};

use crate::on_ring::taken;
use crate::relay::{Relay, Wish};

/// Bytes received at once.
const RECEIVE_BYTES: usize = 64 << 10;

/// Events of one wait.
const EVENTS_MAX: usize = 1024;

/// What epoll says of the listener; a peer's is its slot and generation.
const LISTENER: u64 = u64::MAX;

/// How messages are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    /// With send(2), each as soon as it has been received.
    Call,
    /// With a ring, all that came out of one wait together.
    Ring,
}

struct Driver {
    epoll: OwnedFd,
    relay: Relay,
    listener: OwnedFd,
    /// With [`Sending::Ring`].
    ring: Option<Ring>,
    completions: Vec<Completion>,
    /// Sends that were not taken whole: to whom, and what was taken.
    cut: Vec<(u32, Option<usize>)>,
}

/// Relays until the process ends.
pub(crate) fn run(listener: OwnedFd, sending: Sending) -> anyhow::Result<()> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let data = EventData::new_u64(LISTENER);
    epoll::add(&epoll, &listener, data, EventFlags::IN)?;
    let ring = match sending {
        Sending::Call => None,
        Sending::Ring => Some(Ring::new(&RingConfig::default())?),
    };
    let mut driver = Driver {
        epoll,
        relay: Relay::default(),
        listener,
        ring,
        completions: Vec::new(),
        cut: Vec::new(),
    };
    let mut buffer = vec![0; RECEIVE_BYTES];
    let mut events = Vec::with_capacity(EVENTS_MAX);
    loop {
        driver.wait(&mut events)?;
        for event in events.drain(..) {
            driver.handle(event, &mut buffer);
            if sending == Sending::Call {
                driver.flush();
            }
        }
        driver.flush();
    }
}

impl Driver {
    fn wait(&self, events: &mut Vec<Event>) -> anyhow::Result<()> {
        let at_once = Timespec::default();
        let timeout = self.relay.has_work().then_some(&at_once);
        let spare = rustix::buffer::spare_capacity(events);
        match epoll::wait(&self.epoll, spare, timeout) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn handle(&mut self, event: Event, buffer: &mut [u8]) {
        let data = event.data.u64();
        if data == LISTENER {
            return self.accept();
        }
        let [slot, generation] = [data >> 32, data & u64::from(u32::MAX)]
            .map(|half| u32::try_from(half).expect("half of it"));
        let Some(peer) = self.relay.peer_mut(slot, generation) else {
            return;
        };
        let flags = event.flags;
        if flags.contains(EventFlags::OUT) {
            let data = EventData::new_u64(data);
            let _ = epoll::modify(&self.epoll, peer.socket(), data, EventFlags::IN);
            self.relay.writable(slot);
        }
        if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            self.receive(slot, buffer);
        }
    }

    fn accept(&mut self) {
        while let Ok(socket) = accept_with(&self.listener, SocketFlags::CLOEXEC) {
            let slot = self.relay.open(socket);
            self.watch(slot, |epoll, socket, data| {
                epoll::add(epoll, socket, data, EventFlags::IN)
            });
        }
    }

    /// Tells epoll something of a peer's socket.
    fn watch(
        &self,
        slot: u32,
        tell: impl FnOnce(&OwnedFd, &OwnedFd, EventData) -> Result<(), Errno>,
    ) {
        if let Some(peer) = self.relay.peer(slot) {
            let data = u64::from(slot) << 32 | u64::from(peer.generation());
            let _ = tell(&self.epoll, peer.socket(), EventData::new_u64(data));
        }
    }

    fn receive(&mut self, slot: u32, buffer: &mut [u8]) {
        let Some(peer) = self.relay.peer(slot) else {
            return;
        };
        match recv(peer.socket(), &mut *buffer, RecvFlags::DONTWAIT) {
            Ok((count @ 1.., _)) => self.relay.receive(slot, &mut buffer[..count]),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Ok((0, _)) | Err(_) => self.relay.close(slot),
        }
    }

    /// Sends what there is to be sent, and does what peers need after that.
    fn flush(&mut self) {
        if self.relay.has_work() {
            match &mut self.ring {
                None => send_by_calls(&self.relay, &mut self.cut),
                Some(ring) => {
                    send_by_ring(&self.relay, ring, &mut self.completions, &mut self.cut);
                }
            }
            for (slot, taken) in self.cut.drain(..) {
                self.relay.cut(slot, taken);
            }
            self.relay.end_turn();
        }
        while let Some(wish) = self.relay.take_wish() {
            match wish {
                Wish::AwaitSpace(slot) => self.watch(slot, |epoll, socket, data| {
                    epoll::modify(epoll, socket, data, EventFlags::IN | EventFlags::OUT)
                }),
                Wish::ShutDown(slot) => self.relay.close(slot),
            }
        }
    }
}

fn send_by_calls(relay: &Relay, cut: &mut Vec<(u32, Option<usize>)>) {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    for (slot, peer, bytes) in relay.sends() {
        let sent = send(peer.socket().as_fd(), bytes, flags);
        let taken =
            taken(sent.map(|count| u32::try_from(count).expect("a turn has less than 4 GiB")));
        if taken != Some(bytes.len()) {
            cut.push((slot, taken));
        }
    }
}

fn send_by_ring(
    relay: &Relay,
    ring: &mut Ring,
    completions: &mut Vec<Completion>,
    cut: &mut Vec<(u32, Option<usize>)>,
) {
    ring.send_batch(relay.sends().map(|(slot, peer, bytes)| Outgoing {
        fd: peer.fd(),
        token: Token::new(Op::QuietSend, slot, 0),
        slices: [bytes],
    }));
    ring.reap(completions);
    for completion in completions.drain(..) {
        cut.push((completion.token.slot, taken(completion.result)));
    }
}
