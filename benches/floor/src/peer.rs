//! One connection: its handshake, the frames it publishes, and what its socket did not take yet.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use fanring::wire::frame::{OpCode, Role, append_frame, decode_header};
use fanring::wire::handshake::{Policy, Route, accept_response, route};
use fanring::wire::http::{head_end, parse_head};
use fanring::wire::mask;

/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;

pub(crate) struct Peer {
    stream: TcpStream,
    open: bool,
    /// What was received and is not complete.
    received: Vec<u8>,
    unsent: Vec<u8>,
}

impl Peer {
    pub(crate) fn new(stream: TcpStream) -> Option<Self> {
        stream.set_nonblocking(true).ok()?;
        Some(Self {
            stream,
            open: false,
            received: Vec::new(),
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
        match self.stream.read(&mut bytes) {
            Ok(0) => return false,
            Ok(count) => self.received.extend_from_slice(&bytes[..count]),
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
        if !self.open {
            return self.shake_hands();
        }
        let mut at = 0;
        while let Ok(Some(header)) = decode_header(&self.received[at..], Role::Server) {
            let start = at + header.bytes;
            let end = start + usize::try_from(header.payload_bytes).expect("64-bit machines");
            if end > self.received.len() {
                break;
            }
            let payload = &mut self.received[start..end];
            mask::apply(payload, header.key, 0);
            match header.opcode {
                OpCode::Close => {
                    let mut goodbye = Vec::new();
                    append_frame(&mut goodbye, OpCode::Close, payload);
                    let _ = self.stream.write_all(&goodbye);
                    return false;
                }
                OpCode::Text | OpCode::Binary => append_frame(frames, header.opcode, payload),
                _ => {}
            }
            at = end;
        }
        self.received.drain(..at);
        true
    }

    fn shake_hands(&mut self) -> bool {
        let Some(end) = head_end(&self.received, 0) else {
            return true;
        };
        let policy = Policy {
            allow_origin: &[],
            echo: false,
            ..Policy::default()
        };
        let Ok(head) = parse_head(&self.received[..end]) else {
            return false;
        };
        let Route::WebSocket(upgrade) = route(&head, &policy) else {
            return false;
        };
        let mut answer = Vec::new();
        accept_response(&upgrade, &mut answer);
        self.received.drain(..end);
        self.open = true;
        self.stream.write_all(&answer).is_ok()
    }

    /// Whether the socket can be sent to: otherwise the frames are kept for later.
    pub(crate) fn is_clear(&mut self, frames: &[u8]) -> bool {
        if !self.open {
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
