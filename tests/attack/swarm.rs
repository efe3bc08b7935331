//! Many connections that press bytes on the server, whatever becomes of them.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

use crate::support::client::{Client, fresh_key, handshake};
use crate::support::http::Wire;
use crate::support::wait::{Deadline, PATIENCE};

/// How long to wait for a socket before time is looked at again.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

/// One attacker.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Its connection, which does not block.
    pub(crate) stream: TcpStream,
    /// Bytes sent since it was opened.
    pub(crate) sent: u64,
    /// Whether the server ended the connection.
    pub(crate) ended: bool,
    /// The end of what was last read: a close frame, if that was it.
    tail: Vec<u8>,
}

/// More than a close frame of the server has.
const TAIL_BYTES: usize = 64;

/// Attackers that act alike.
#[derive(Debug, Default)]
pub(crate) struct Swarm {
    /// All of them.
    pub(crate) peers: Vec<Peer>,
}

/// Lets this process open as many descriptors as it may.
pub(crate) fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("up to the hard limit");
}

/// A connection whose receive buffer is small, so that whatever is not read stays with the server.
#[track_caller]
pub(crate) fn narrow(address: SocketAddr, receive_bytes: usize) -> TcpStream {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
    socket
        .set_recv_buffer_size(receive_bytes)
        .expect("SO_RCVBUF");
    // As over an Ethernet: the kernel lends a server send buffers by the size of a segment.
    socket.set_tcp_mss(1_448).expect("TCP_MAXSEG");
    socket
        .connect_timeout(&address.into(), PATIENCE)
        .expect("a connection");
    socket.set_tcp_nodelay(true).expect("TCP_NODELAY");
    socket.into()
}

impl Swarm {
    /// Opens `count` sessions with small receive buffers; the number of each gives its target.
    #[track_caller]
    pub(crate) fn sessions(
        address: SocketAddr,
        count: usize,
        target: impl Fn(usize) -> String,
    ) -> Self {
        Self::sessions_with(address, count, 4 << 10, target)
    }

    /// The same with receive buffers of this size.
    #[track_caller]
    pub(crate) fn sessions_with(
        address: SocketAddr,
        count: usize,
        receive_bytes: usize,
        target: impl Fn(usize) -> String,
    ) -> Self {
        let mut swarm = Self::default();
        for number in 0..count {
            let wire = Wire::over(narrow(address, receive_bytes));
            swarm.add(Client::upgrade(wire, address, &target(number)).wire.stream);
        }
        swarm
    }

    /// Opens `count` sessions with the receive buffers that everybody has.
    #[track_caller]
    pub(crate) fn members(address: SocketAddr, count: usize, target: &str) -> Self {
        let mut swarm = Self::default();
        for _ in 0..count {
            swarm.add(Client::connect(address, target).wire.stream);
        }
        swarm
    }

    /// Opens `count` connections with small receive buffers that say nothing yet.
    #[track_caller]
    pub(crate) fn connections(address: SocketAddr, count: usize) -> Self {
        let mut swarm = Self::default();
        for _ in 0..count {
            swarm.add(narrow(address, 4 << 10));
        }
        swarm
    }

    fn add(&mut self, stream: TcpStream) {
        stream.set_nonblocking(true).expect("O_NONBLOCK");
        self.peers.push(Peer {
            stream,
            sent: 0,
            ended: false,
            tail: Vec::new(),
        });
    }

    /// Writes `pattern` over and over to every peer whose socket takes it, for `duration`.
    pub(crate) fn press(&mut self, pattern: &[u8], duration: Duration) {
        let end = Instant::now() + duration;
        while Instant::now() < end && self.peers.iter().any(|peer| !peer.ended) {
            self.await_any(PollFlags::OUT);
            self.press_once(pattern);
        }
    }

    /// Gives every peer one turn to go on with `pattern`.
    pub(crate) fn press_once(&mut self, pattern: &[u8]) {
        for peer in &mut self.peers {
            peer.write(pattern);
        }
    }

    /// Writes `bytes` once to every peer, or as much of them as the server takes within `allowed`.
    pub(crate) fn say(&mut self, bytes: &[u8], allowed: Duration) {
        let deadline = Deadline::after(allowed);
        let goals: Vec<u64> = (self.peers.iter())
            .map(|peer| peer.sent + bytes.len() as u64)
            .collect();
        loop {
            let mut left = 0;
            for (peer, goal) in self.peers.iter_mut().zip(&goals) {
                while peer.sent < *goal && !peer.ended {
                    let at = bytes.len() - usize::try_from(goal - peer.sent).expect("a part");
                    if peer.write_once(&bytes[at..]) == 0 {
                        break;
                    }
                }
                left += usize::from(peer.sent < *goal && !peer.ended);
            }
            if left == 0 || deadline.passed() {
                return;
            }
            self.await_any(PollFlags::OUT);
        }
    }

    /// Waits a moment for any peer's socket to become readable or writable.
    pub(crate) fn await_any(&self, what: PollFlags) {
        let mut waited: Vec<PollFd<'_>> = (self.peers.iter())
            .filter(|peer| !peer.ended)
            .map(|peer| PollFd::new(&peer.stream, what))
            .collect();
        // Interrupted or not, the caller looks at its peers next.
        let _ = poll(&mut waited, Some(&LOOK));
    }

    /// Reads and throws away whatever has come, at most `bytes_max` for each peer.
    pub(crate) fn discard(&mut self, bytes_max: usize) {
        let mut scratch = vec![0; bytes_max];
        for peer in &mut self.peers {
            peer.read(&mut scratch);
        }
    }

    /// Waits until every peer has read something or was ended, for at most `allowed`; returns how
    /// many have heard nothing.
    pub(crate) fn await_answers(&mut self, allowed: Duration) -> usize {
        let deadline = Deadline::after(allowed);
        let mut silent: Vec<usize> = (0..self.peers.len()).collect();
        let mut scratch = [0; 512];
        loop {
            silent.retain(|&number| {
                let peer = &mut self.peers[number];
                peer.read(&mut scratch) == 0 && !peer.ended
            });
            if silent.is_empty() || deadline.passed() {
                return silent.len();
            }
            self.await_any(PollFlags::IN);
        }
    }

    /// Insists that the server has ended none of them, as far as reads and writes have told.
    #[track_caller]
    pub(crate) fn check_open(&self, who: &str) {
        let mut ended = self.peers.iter().filter(|peer| peer.ended).peekable();
        let Some(first) = ended.peek() else { return };
        let last_words = String::from_utf8_lossy(&first.tail).into_owned();
        panic!(
            "{} {who} were ended; the last words to one: {last_words:?}",
            ended.count()
        );
    }

    /// Resets every connection.
    pub(crate) fn reset(self) {
        for peer in self.peers {
            reset(&peer.stream);
        }
    }
}

impl Peer {
    /// Writes the rest of `pattern` where the last write ended, and what more the socket takes.
    fn write(&mut self, pattern: &[u8]) {
        // No peer may keep the others from their turn.
        for _ in 0..4 {
            let at = usize::try_from(self.sent % pattern.len() as u64).expect("below a length");
            if self.ended || self.write_once(&pattern[at..]) == 0 {
                break;
            }
        }
    }

    /// Writes once; 0 when the socket is full or the connection has ended.
    pub(crate) fn write_once(&mut self, bytes: &[u8]) -> usize {
        match self.stream.write(bytes) {
            Ok(count) => {
                self.sent += count as u64;
                count
            }
            Err(error) => {
                self.ended |= !is_passing(error.kind());
                0
            }
        }
    }

    /// Reads once; 0 when nothing has come or the connection has ended.
    pub(crate) fn read(&mut self, into: &mut [u8]) -> usize {
        if self.ended {
            return 0;
        }
        match self.stream.read(into) {
            Ok(0) => {
                self.ended = true;
                0
            }
            Ok(count) => {
                self.tail = into[count.saturating_sub(TAIL_BYTES)..count].to_vec();
                count
            }
            Err(error) => {
                self.ended |= !is_passing(error.kind());
                0
            }
        }
    }
}

fn is_passing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Has the connection reset when it is dropped.
pub(crate) fn reset(stream: &TcpStream) {
    // A socket that the server has reset already refuses, and needs none.
    let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// The opening handshake of a session at `target`.
pub(crate) fn opening(address: SocketAddr, target: &str) -> Vec<u8> {
    handshake(address, target, &fresh_key(), "").into_bytes()
}
