//! One connection: the frames it publishes, and what its socket did not take yet.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use bench_common::connection::Connection;

/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;

pub(crate) struct Peer {
    stream: TcpStream,
    connection: Connection,
    unsent: Vec<u8>,
}

impl Peer {
    pub(crate) fn new(stream: TcpStream) -> Option<Self> {
        stream.set_nonblocking(true).ok()?;
        Some(Self {
            stream,
            connection: Connection::default(),
            unsent: Vec::new(),
        })
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Reads once. What was published is added to `frames`, as a server frames it. False when the
    /// connection is over.
    pub(crate) fn receive(&mut self, frames: &mut Vec<u8>) -> bool {
        let mut bytes = [0; READ_BYTES];
        let count = match self.stream.read(&mut bytes) {
            Ok(0) => return false,
            Ok(count) => count,
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        };
        let mut answers = Vec::new();
        let received = (self.connection).receive(&mut bytes[..count], frames, &mut answers);
        self.stream.write_all(&answers).is_ok() && received.is_ok()
    }

    /// Whether the socket can be sent to: otherwise the frames are kept for later.
    pub(crate) fn is_clear(&mut self, frames: &[u8]) -> bool {
        if !self.connection.is_open() {
            return false;
        }
        if !self.unsent.is_empty() {
            self.keep(frames);
            return false;
        }
        true
    }

    /// Keeps what the socket did not take.
    pub(crate) fn keep(&mut self, rest: &[u8]) {
        self.unsent.extend_from_slice(rest);
    }

    /// The socket takes bytes again. True when nothing is left.
    pub(crate) fn send_rest(&mut self) -> bool {
        if let Ok(taken) = self.stream.write(&self.unsent) {
            self.unsent.drain(..taken);
        }
        self.unsent.is_empty()
    }
}
