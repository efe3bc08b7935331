//! The relay on a ring, as Fanring's event loop is: one system call a turn.

use std::os::fd::{AsRawFd, OwnedFd};

use fanring::ring::{Completion, Op, Outgoing, Ring, RingConfig, TaskRun, Token};
use fanring::socket;
use rustix::io::Errno;

use crate::relay::{Relay, Wish};

struct Driver {
    ring: Ring,
    relay: Relay,
    listener: OwnedFd,
}

/// Relays until the process ends.
pub(crate) fn run(listener: OwnedFd, task_run: TaskRun) -> anyhow::Result<()> {
    let config = RingConfig {
        task_run,
        ..RingConfig::default()
    };
    let mut driver = Driver {
        ring: Ring::new(&config)?,
        relay: Relay::default(),
        listener,
    };
    driver.accept();
    let mut completions = Vec::new();
    loop {
        driver.send_and_wait()?;
        driver.ring.reap(&mut completions);
        for completion in &completions {
            if completion.token.op == Op::QuietSend {
                let taken = taken(completion.result);
                driver.relay.cut(completion.token.slot, taken);
            }
        }
        driver.relay.end_turn();
        for completion in completions.drain(..) {
            driver.dispatch(completion);
        }
        driver.grant();
    }
}

impl Driver {
    fn send_and_wait(&mut self) -> std::io::Result<()> {
        let want = u32::from(!self.relay.has_more());
        let sends = self.relay.sends().map(|(slot, peer, bytes)| Outgoing {
            fd: peer.fd(),
            token: Token::new(Op::QuietSend, slot, 0),
            slices: [bytes],
        });
        self.ring.send_batch_and_wait(sends, want)
    }

    fn accept(&mut self) {
        let listener = self.listener.as_raw_fd();
        (self.ring).accept_multishot(listener, Token::new(Op::Accept, 0, 0));
    }

    fn dispatch(&mut self, completion: Completion) {
        let Token {
            op,
            slot,
            generation,
        } = completion.token;
        match op {
            Op::Accept => {
                if let Some(socket) = completion.socket {
                    let slot = self.relay.open(socket);
                    self.receive(slot);
                }
                if !completion.more {
                    self.accept();
                }
            }
            Op::Recv => self.received(completion),
            Op::Writable => {
                if let Some(peer) = self.relay.peer_mut(slot, generation) {
                    peer.operations -= 1;
                    self.relay.writable(slot);
                    self.close_if_over(slot);
                }
            }
            _ => {}
        }
    }

    /// Arms a peer's receive.
    fn receive(&mut self, slot: u32) {
        let Some(generation) = self.relay.peer(slot).map(|peer| peer.generation()) else {
            return;
        };
        if let Some(peer) = self.relay.peer_mut(slot, generation) {
            peer.operations += 1;
            let token = Token::new(Op::Recv, slot, generation);
            self.ring.recv_multishot(peer.fd(), token);
        }
    }

    fn received(&mut self, completion: Completion) {
        let slot = completion.token.slot;
        if let Some(mut buffer) = completion.buffer {
            self.relay.receive(slot, self.ring.bytes(&mut buffer));
            self.ring.recycle(buffer);
        }
        if completion.more {
            return;
        }
        let Some(peer) = self.relay.peer_mut(slot, completion.token.generation) else {
            return;
        };
        peer.operations -= 1;
        match completion.result {
            Ok(1..) | Err(Errno::NOBUFS | Errno::INTR | Errno::AGAIN) => self.receive(slot),
            Ok(0) | Err(_) => {
                // A poll that is still waiting ends by this.
                let _ = socket::shutdown_both(peer.socket());
                peer.ending = true;
                self.close_if_over(slot);
            }
        }
    }

    fn close_if_over(&mut self, slot: u32) {
        if (self.relay.peer(slot)).is_some_and(|peer| peer.ending && peer.operations == 0) {
            self.relay.close(slot);
        }
    }

    /// Does what peers need after the sends.
    fn grant(&mut self) {
        while let Some(wish) = self.relay.take_wish() {
            let (Wish::AwaitSpace(slot) | Wish::ShutDown(slot)) = wish;
            let Some(generation) = self.relay.peer(slot).map(|peer| peer.generation()) else {
                continue;
            };
            let Some(peer) = self.relay.peer_mut(slot, generation) else {
                continue;
            };
            match wish {
                Wish::AwaitSpace(_) => {
                    peer.operations += 1;
                    let token = Token::new(Op::Writable, slot, generation);
                    self.ring.poll_writable(peer.fd(), token);
                }
                // Its receive ends by this.
                Wish::ShutDown(_) => _ = socket::shutdown_both(peer.socket()),
            }
        }
    }
}

/// The bytes a socket took; `None` when the connection has failed.
pub(crate) fn taken(result: Result<u32, Errno>) -> Option<usize> {
    match result {
        Ok(taken) => Some(taken as usize),
        Err(Errno::AGAIN | Errno::NOBUFS | Errno::INTR) => Some(0),
        Err(_) => None,
    }
}
