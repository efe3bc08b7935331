//! Somebody with a connection: a client of Centrifugo's protocol or a plain member.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::support::chat::ledger::Ledger;
use crate::support::chat::plain::Plain;
use crate::support::chat::sdk::Sdk;
use crate::support::chat::told::Encoding;
use crate::support::client::{fresh_key, handshake};
use crate::support::frame::{self, BINARY, CLOSE, Outgoing, PING, PONG, TEXT};
use crate::support::server::Server;

/// The largest message that a client sends.
const MESSAGE_BYTES_MAX: usize = 7 << 10;

/// Who has a connection.
pub(crate) enum Who {
    Sdk(Sdk),
    Plain(Plain),
}

/// Somebody and the connection it has.
pub(crate) struct Actor {
    pub(crate) who: Who,
    pub(crate) stream: Option<TcpStream>,
    pub(crate) is_open: bool,
    pub(crate) received: Vec<u8>,
    pub(crate) unsent: Vec<u8>,
    /// It reads nothing before that.
    pub(crate) deaf_until: Instant,
    /// It stays away until then.
    pub(crate) away_until: Instant,
}

impl Actor {
    pub(crate) fn new(who: Who) -> Self {
        let now = Instant::now();
        Self {
            who,
            stream: None,
            is_open: false,
            received: Vec::new(),
            unsent: Vec::new(),
            deaf_until: now,
            away_until: now,
        }
    }

    pub(crate) fn sdk(&self) -> Option<&Sdk> {
        match &self.who {
            Who::Sdk(sdk) => Some(sdk),
            Who::Plain(_) => None,
        }
    }

    pub(crate) fn sdk_mut(&mut self) -> Option<&mut Sdk> {
        match &mut self.who {
            Who::Sdk(sdk) if sdk.name.is_some() => Some(sdk),
            _ => None,
        }
    }

    pub(crate) fn connect(&mut self, server: &Server, ledger: &mut Ledger, rng: &mut Rng) {
        let target = match &mut self.who {
            Who::Sdk(sdk) => {
                sdk.connect(ledger, 1);
                sdk.target(rng.u8(..)).to_owned()
            }
            Who::Plain(plain) => {
                *plain = Plain::new(plain.room, false, plain.has_echo, ledger);
                let name = ledger.rooms[plain.room].name.replace(':', "%3A");
                format!("/ws/{name}?presence=0&echo={}", u8::from(plain.has_echo))
            }
        };
        let stream = TcpStream::connect(server.address()).expect("the server listens");
        // So that one who reads nothing is soon behind.
        let socket = socket2::SockRef::from(&stream);
        socket.set_recv_buffer_size(32 << 10).expect("SO_RCVBUF");
        stream.set_nonblocking(true).expect("O_NONBLOCK");
        self.unsent = handshake(server.address(), &target, &fresh_key(), "").into_bytes();
        self.received.clear();
        self.stream = Some(stream);
        self.is_open = false;
    }

    /// Its connection ends, with a reset if it reads nothing.
    pub(crate) fn disconnect(&mut self, away: Duration, ledger: &Ledger) -> Result<(), String> {
        self.stream = None;
        self.away_until = Instant::now() + away;
        match &mut self.who {
            Who::Sdk(sdk) => sdk.disconnect(ledger),
            Who::Plain(_) => Ok(()),
        }
    }

    /// Writes and reads what it can; false when the connection has ended. The time is that since `start`.
    pub(crate) fn exchange(&mut self, ledger: &mut Ledger, start: Instant) -> Result<bool, String> {
        if let Who::Sdk(sdk) = &mut self.who {
            let opcode = match sdk.encoding {
                Encoding::Json => TEXT,
                Encoding::Protobuf => BINARY,
            };
            while let Some(message) = sdk.message(MESSAGE_BYTES_MAX) {
                self.unsent.extend(Outgoing::new(opcode, message).bytes());
            }
        }
        let Some(stream) = &mut self.stream else {
            return Ok(true);
        };
        while !self.unsent.is_empty() {
            match stream.write(&self.unsent) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return Ok(false),
            }
        }
        if Instant::now() < self.deaf_until {
            return Ok(true);
        }
        let mut buffer = [0; 16 << 10];
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(false),
            Ok(count) => self.received.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return Ok(false),
        }
        // All that has come was decided before now.
        ledger.set_time(start.elapsed());
        self.digest(ledger)
    }

    pub(crate) fn digest(&mut self, ledger: &mut Ledger) -> Result<bool, String> {
        if !self.is_open {
            let end = self.received.windows(4).position(|at| at == b"\r\n\r\n");
            let Some(end) = end else {
                return Ok(true);
            };
            if !self.received.starts_with(b"HTTP/1.1 101 ") {
                return Err(format!("{}", String::from_utf8_lossy(&self.received)));
            }
            self.received.drain(..end + 4);
            self.is_open = true;
            if let Who::Plain(plain) = &mut self.who {
                plain.arrive(ledger);
            }
        }
        let received = std::mem::take(&mut self.received);
        let mut rest = &received[..];
        while let Some((frame, bytes)) = frame::parse(rest)? {
            rest = &rest[bytes..];
            match (frame.opcode, &mut self.who) {
                (TEXT | BINARY, Who::Sdk(sdk)) => sdk.hear(frame.payload, ledger)?,
                (TEXT | BINARY, Who::Plain(plain)) => plain.hear(frame.payload, ledger)?,
                (PING, _) => self
                    .unsent
                    .extend(Outgoing::new(PONG, frame.payload).bytes()),
                (CLOSE, Who::Plain(_)) => return Ok(false),
                (opcode, _) => return Err(format!("{opcode:#x}: {:?}", frame.payload)),
            }
        }
        self.received = rest.to_vec();
        Ok(true)
    }

    pub(crate) fn is_settled(&self) -> bool {
        let is_done = |sdk: &Sdk| sdk.is_answered() && sdk.missed().is_empty();
        self.is_open && self.unsent.is_empty() && self.sdk().is_none_or(is_done)
    }
}
