//! A made-up kernel: sockets with finite buffers, operations on them, and queues of completions.
//!
//! It takes what is sent at once, all or in part, as a send that must not wait does; everything
//! else is answered later. Answers to operations on different sockets come in any order; those of
//! one socket in the order they happened.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use fanring::id::SessionKey;
use fanring::shard::Measured;
use fastrand::Rng;

/// Size of a receive buffer.
const RECEIVE_BYTES_MAX: usize = 16 << 10;

/// Answers that a multishot receive gives in a step.
const RECEIVES_MAX: usize = 4;

/// Bytes a client's socket takes before the client must wait.
const CLIENT_WINDOW_BYTES: usize = 96 << 10;

/// How unkind this kernel is; each is a chance between 0 and 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Odds {
    /// A receive gets its answer in a step.
    pub(crate) receive: f64,
    /// It is a lack of buffers.
    pub(crate) no_buffers: f64,
    /// A multishot receive ends with the answer it gives.
    pub(crate) end_of_multishot: f64,
    /// A socket that has room is reported writable in a step.
    pub(crate) writable: f64,
    /// A send is taken only in part though there is room.
    pub(crate) short: f64,
    /// Only some of the completions are reaped.
    pub(crate) partial_reap: f64,
}

/// What a receive got.
#[derive(Debug)]
pub(crate) enum Got {
    Data(Vec<u8>),
    End,
    NoBuffers,
    Cancelled,
    Failed,
}

/// An answer to an operation.
#[derive(Debug)]
pub(crate) enum Answer {
    Received { got: Got, more: bool },
    Writable,
}

/// A completion queue entry.
#[derive(Debug)]
pub(crate) struct Completion {
    pub(crate) connection: usize,
    pub(crate) key: SessionKey,
    pub(crate) answer: Answer,
}

#[derive(Debug, Clone, Copy)]
struct Receive {
    shard: usize,
    key: SessionKey,
    multishot: bool,
    cancelled: bool,
}

/// Bytes on their way in one direction.
#[derive(Debug, Default)]
struct Pipe {
    bytes: Vec<u8>,
    taken: usize,
}

impl Pipe {
    fn len(&self) -> usize {
        self.bytes.len() - self.taken
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let end = self.taken + count.min(self.len());
        let bytes = self.bytes[self.taken..end].to_vec();
        self.taken = end;
        if self.len() == 0 {
            self.bytes.clear();
            self.taken = 0;
        } else if self.taken > 64 << 10 {
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
        bytes
    }
}

/// Both ends of a connection.
#[derive(Debug)]
struct Connection {
    fd: RawFd,
    to_server: Pipe,
    to_client: Pipe,
    /// Bytes that `to_client` holds at most.
    window: usize,
    /// The client shut down its write side.
    client_fin: bool,
    /// The client is gone, or reset the connection.
    client_gone: bool,
    /// The server shut down its write side.
    server_fin: bool,
    /// The server shut down both sides.
    server_shut: bool,
    /// The server closed its descriptor.
    closed: bool,
    /// What the client had not read is lost.
    server_reset: bool,
    /// Bytes that the client has read.
    read: u64,
    /// The socket was full, or a send was cut, at least once.
    was_full: bool,
    /// Which session it was when something was done to it last.
    session: Option<(usize, SessionKey)>,
    receive: Option<Receive>,
    poll: Option<(usize, SessionKey)>,
    /// Completions not reaped yet.
    unreaped: usize,
}

/// The kernel: all connections and one completion queue for each shard.
#[derive(Debug)]
pub(crate) struct Kernel {
    connections: Vec<Connection>,
    by_fd: HashMap<RawFd, usize>,
    queues: Vec<VecDeque<Completion>>,
    null: File,
    odds: Odds,
}

impl Kernel {
    pub(crate) fn new(shards: usize, odds: Odds) -> Self {
        Self {
            connections: Vec::new(),
            by_fd: HashMap::new(),
            queues: (0..shards).map(|_| VecDeque::new()).collect(),
            null: File::open("/dev/null").expect("/dev/null is there"),
            odds,
        }
    }

    /// A kernel that has become kind, so that everything comes to rest.
    pub(crate) fn calm_down(&mut self) {
        for here in &mut self.connections {
            here.window = here.window.max(1 << 20);
        }
        self.odds = Odds {
            receive: 1.0,
            no_buffers: 0.0,
            end_of_multishot: 0.0,
            writable: 1.0,
            short: 0.0,
            partial_reap: 0.0,
        };
    }

    // The client's side.

    /// A new connection whose socket takes `window` bytes that the client has not read; its number
    /// and the descriptor for the server.
    pub(crate) fn connect(&mut self, window: usize) -> (usize, OwnedFd) {
        let socket: OwnedFd = self.null.try_clone().expect("a descriptor is free").into();
        let fd = socket.as_raw_fd();
        let number = self.connections.len();
        // A number that is in use again was closed without an action: the shard refused it.
        if let Some(former) = self.by_fd.insert(fd, number) {
            self.dropped(former);
        }
        self.connections.push(Connection {
            fd,
            to_server: Pipe::default(),
            to_client: Pipe::default(),
            window,
            client_fin: false,
            client_gone: false,
            server_fin: false,
            server_shut: false,
            closed: false,
            server_reset: false,
            read: 0,
            was_full: false,
            session: None,
            receive: None,
            poll: None,
            unreaped: 0,
        });
        (number, socket)
    }

    /// Takes what fits of `bytes` from the client.
    pub(crate) fn write(&mut self, connection: usize, bytes: &mut Vec<u8>) {
        let here = &mut self.connections[connection];
        let count = bytes.len().min(CLIENT_WINDOW_BYTES - here.to_server.len());
        here.to_server.push(&bytes[..count]);
        bytes.drain(..count);
    }

    /// Bytes for the client that it has not read.
    pub(crate) fn unread(&self, connection: usize) -> usize {
        self.connections[connection].to_client.len()
    }

    /// Bytes of the client that the server has not received.
    pub(crate) fn unreceived(&self, connection: usize) -> usize {
        self.connections[connection].to_server.len()
    }

    /// Gives the client at most `count` bytes.
    pub(crate) fn read(&mut self, connection: usize, count: usize) -> Vec<u8> {
        let here = &mut self.connections[connection];
        if here.server_reset {
            return Vec::new();
        }
        let bytes = here.to_client.take(count);
        here.read += bytes.len() as u64;
        bytes
    }

    /// Whether the client finds the end of the stream, or that the connection is broken.
    pub(crate) fn is_ended(&self, connection: usize) -> bool {
        let here = &self.connections[connection];
        here.server_reset
            || (here.to_client.len() == 0 && (here.server_fin || here.server_shut || here.closed))
    }

    pub(crate) fn is_reset(&self, connection: usize) -> bool {
        self.connections[connection].server_reset
    }

    /// Bytes that the client has read.
    pub(crate) fn read_bytes(&self, connection: usize) -> u64 {
        self.connections[connection].read
    }

    pub(crate) fn was_full(&self, connection: usize) -> bool {
        self.connections[connection].was_full
    }

    /// The client will send no more.
    pub(crate) fn finish(&mut self, connection: usize) {
        self.connections[connection].client_fin = true;
    }

    /// The client is gone with all it has not read; what it sent is lost too when it resets.
    pub(crate) fn vanish(&mut self, connection: usize) {
        let here = &mut self.connections[connection];
        here.client_gone = true;
        here.to_client = Pipe::default();
    }

    /// Whether the server waits for the client to read something.
    pub(crate) fn is_full(&self, connection: usize) -> bool {
        self.connections[connection].poll.is_some()
    }

    // The server's side.

    /// The shard and the session that a connection has, or had last.
    pub(crate) fn session(&self, connection: usize) -> Option<(usize, SessionKey)> {
        self.connections[connection].session
    }

    /// Which connection a descriptor of the server's is.
    pub(crate) fn connection(&self, fd: RawFd) -> usize {
        self.by_fd[&fd]
    }

    pub(crate) fn receive(&mut self, shard: usize, key: SessionKey, fd: RawFd, multishot: bool) {
        let here = &mut self.connections[self.by_fd[&fd]];
        assert!(here.receive.is_none() && !here.closed);
        here.session = Some((shard, key));
        here.receive = Some(Receive {
            shard,
            key,
            multishot,
            cancelled: false,
        });
    }

    pub(crate) fn cancel_receive(&mut self, fd: RawFd) {
        let here = &mut self.connections[self.by_fd[&fd]];
        // It may have ended by itself, its completion not yet reaped.
        if let Some(receive) = &mut here.receive {
            receive.cancelled = true;
        }
    }

    pub(crate) fn poll_writable(&mut self, shard: usize, key: SessionKey, fd: RawFd) {
        let here = &mut self.connections[self.by_fd[&fd]];
        assert!(here.poll.is_none() && !here.closed);
        here.poll = Some((shard, key));
    }

    /// What is known of a socket. Here the client's own buffer is none, and what is not read waits
    /// with the server.
    pub(crate) fn measure(&self, fd: RawFd) -> Measured {
        let connection = self.by_fd[&fd];
        let here = &self.connections[connection];
        let waiting = here.to_client.len() as u64;
        let reaped_later = (self.queues.iter().flatten())
            .filter(|completion| completion.connection == connection)
            .map(|completion| match &completion.answer {
                Answer::Received {
                    got: Got::Data(data),
                    ..
                } => data.len(),
                _ => 0,
            });
        Measured {
            acknowledged: here.read,
            outstanding: waiting,
            unsent: waiting,
            unread: (here.to_server.len() + reaped_later.sum::<usize>()) as u64,
        }
    }

    /// Takes what fits of `bytes` of a session of a shard, and says how many that were; `None` on a broken
    /// connection.
    pub(crate) fn send(
        &mut self,
        session: (usize, SessionKey),
        fd: RawFd,
        bytes: &[u8],
        rng: &mut Rng,
    ) -> Option<u32> {
        let here = &mut self.connections[self.by_fd[&fd]];
        here.session = Some(session);
        assert!(!here.closed && !bytes.is_empty());
        if here.client_gone || here.server_fin || here.server_shut {
            return None;
        }
        let mut count = bytes
            .len()
            .min(here.window.saturating_sub(here.to_client.len()));
        if here.window < usize::MAX && rng.f64() < self.odds.short {
            count = rng.usize(..=count);
        }
        here.was_full |= count < bytes.len();
        here.to_client.push(&bytes[..count]);
        Some(u32::try_from(count).expect("a send is below 4 GiB"))
    }

    pub(crate) fn shutdown_write(&mut self, fd: RawFd) {
        self.connections[self.by_fd[&fd]].server_fin = true;
    }

    pub(crate) fn shutdown(&mut self, fd: RawFd) {
        self.connections[self.by_fd[&fd]].server_shut = true;
    }

    /// The server closes the descriptor: no operation may be in flight on it, nor any answer
    /// unread. Closing with bytes unread resets the connection (RFC 1122 section 4.2.2.13).
    pub(crate) fn close(&mut self, socket: OwnedFd, reset: bool) {
        let fd = socket.as_raw_fd();
        let connection = self.by_fd.remove(&fd).expect("an open connection");
        let here = &mut self.connections[connection];
        assert!(here.fd == fd && !here.closed);
        assert!(
            here.receive.is_none() && here.poll.is_none() && here.unreaped == 0,
            "connection {connection} is closed with operations in flight"
        );
        here.closed = true;
        here.server_reset = reset || here.to_server.len() > 0;
    }

    /// The web thread serves the connection, which here means that it ends.
    pub(crate) fn serve(&mut self, socket: OwnedFd) {
        self.close(socket, false);
    }

    /// The descriptor changes its owner.
    pub(crate) fn hand_over(&self, fd: RawFd) {
        let here = &self.connections[self.by_fd[&fd]];
        assert!(here.receive.is_none() && here.poll.is_none() && here.unreaped == 0);
    }

    /// The server dropped the descriptor without a word.
    pub(crate) fn dropped(&mut self, connection: usize) {
        let here = &mut self.connections[connection];
        assert!(here.receive.is_none() && here.poll.is_none() && here.unreaped == 0);
        here.closed = true;
        here.server_reset = true;
    }

    /// Connections whose descriptors the server still has, as far as it has said.
    pub(crate) fn open_connections(&self) -> Vec<usize> {
        (0..self.connections.len())
            .filter(|&number| !self.connections[number].closed)
            .collect()
    }

    /// Answers some of the operations whose time has come.
    pub(crate) fn progress(&mut self, rng: &mut Rng) {
        let count = self.connections.len();
        let start = rng.usize(..count.max(1));
        for step in 0..count {
            let connection = (start + step) % count;
            for _ in 0..RECEIVES_MAX {
                self.progress_receive(connection, rng);
            }
            let here = &mut self.connections[connection];
            let ready = here.client_gone
                || here.server_shut
                || here.to_client.len() < here.window.div_ceil(2);
            if let Some((shard, key)) = here.poll
                && ready
                && rng.f64() < self.odds.writable
            {
                here.poll = None;
                self.queue(shard, connection, key, Answer::Writable);
            }
        }
    }

    fn progress_receive(&mut self, connection: usize, rng: &mut Rng) {
        let odds = self.odds;
        let here = &mut self.connections[connection];
        let Some(receive) = here.receive else { return };
        if rng.f64() >= odds.receive {
            return;
        }
        let waiting = here.to_server.len();
        let got = if receive.cancelled && (waiting == 0 || rng.bool()) {
            Got::Cancelled
        } else if here.server_shut {
            Got::End
        } else if here.client_gone && (waiting == 0 || rng.bool()) {
            if rng.bool() { Got::Failed } else { Got::End }
        } else if waiting > 0 && rng.f64() < odds.no_buffers {
            Got::NoBuffers
        } else if waiting > 0 {
            let most = RECEIVE_BYTES_MAX.min(waiting);
            let count = if rng.u8(..) < 200 {
                most
            } else {
                rng.usize(1..=most)
            };
            Got::Data(here.to_server.take(count))
        } else if here.client_fin {
            Got::End
        } else {
            return;
        };
        let more =
            receive.multishot && matches!(got, Got::Data(_)) && rng.f64() >= odds.end_of_multishot;
        if !more {
            here.receive = None;
        }
        self.queue(
            receive.shard,
            connection,
            receive.key,
            Answer::Received { got, more },
        );
    }

    fn queue(&mut self, shard: usize, connection: usize, key: SessionKey, answer: Answer) {
        self.connections[connection].unreaped += 1;
        self.queues[shard].push_back(Completion {
            connection,
            key,
            answer,
        });
    }

    /// Takes the completions of a shard, or at times only the first of them.
    pub(crate) fn reap(&mut self, shard: usize, rng: &mut Rng) -> Vec<Completion> {
        let queue = &mut self.queues[shard];
        let count = if rng.f64() < self.odds.partial_reap {
            rng.usize(..=queue.len())
        } else {
            queue.len()
        };
        let reaped: Vec<Completion> = queue.drain(..count).collect();
        for completion in &reaped {
            self.connections[completion.connection].unreaped -= 1;
        }
        reaped
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.queues.iter().all(VecDeque::is_empty)
    }
}
