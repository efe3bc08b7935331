//! One WebSocket session from the client's side: handshake, frames in, frames out.
//!
//! Owns its socket but does no I/O on it except to connect: bytes are given to it and taken from it.

use std::net::{IpAddr, Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::{fmt, io, mem};

use fanring::socket::bind_source;
use fanring::wire::close::CloseCode;
use fanring::wire::frame::{OpCode, append_masked_frame};
use fanring::wire::handshake::{AnswerError, check_answer};
use fanring::wire::message::{Event, Kind, Reader, Role, Rules, WireError};
use socket2::{Domain, Protocol, Socket, Type};

use crate::protocol::seam::{Found, Listener, Place, Speaker};
use crate::protocol::text::Who;
use crate::protocol::upgrade::Upgrade;

/// The longest response head that is read, in bytes.
const HEAD_BYTES_MAX: usize = 8192;

/// The longest message that is accepted, whatever was asked for: a server may add some of its own.
const MESSAGE_BYTES_MAX: usize = 32 << 20;

const RULES: Rules = Rules {
    role: Role::Client,
    message_bytes_max: MESSAGE_BYTES_MAX,
};

/// Why a session ended or never began.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The connection was never made.
    Connect(io::Error),
    /// The response to the upgrade is not the one asked for.
    Refused(AnswerError),
    /// The response to the upgrade does not end.
    LongHead,
    /// The connection ended before the response did.
    NoAnswer,
    /// The server said goodbye.
    Closed(Option<CloseCode>),
    /// The connection ended without a goodbye.
    Dropped,
    /// The connection failed.
    Failed(io::Error),
    /// The server broke the protocol.
    Protocol(WireError),
    /// The server refuses what is spoken on the session.
    Unwanted(String),
    /// The server does not read what is published.
    Stalled,
}

impl Ending {
    /// The close code it counts as; 1005 for a goodbye without one and 1006 for none (RFC 6455
    /// section 7.1.5).
    pub(crate) fn code(&self) -> u16 {
        match self {
            Self::Closed(Some(code)) => code.get(),
            Self::Closed(None) => 1005,
            _ => 1006,
        }
    }

    /// The HTTP status that refused the handshake, if one did.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(AnswerError::Status(status)) => Some(*status),
            _ => None,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                write!(f, "nobody listens there (connection refused)")
            }
            Self::Connect(error) => write!(f, "can't connect: {error}"),
            Self::Refused(error) => write!(f, "{error}"),
            Self::LongHead => write!(
                f,
                "the head of the server's answer is over {HEAD_BYTES_MAX} bytes"
            ),
            Self::NoAnswer => write!(f, "the server ended the connection instead of an answer"),
            Self::Closed(Some(code)) => write!(f, "the server closed a session with code {code}"),
            Self::Closed(None) => write!(f, "the server closed a session without a code"),
            Self::Dropped => write!(f, "the server dropped a connection without a close frame"),
            Self::Failed(error) => write!(f, "a connection failed: {error}"),
            Self::Protocol(error) => write!(f, "the server broke the protocol: {error}"),
            Self::Unwanted(why) => write!(f, "{why}"),
            Self::Stalled => write!(f, "the server stopped reading from a publisher"),
        }
    }
}

enum Phase {
    Connecting,
    /// Waits for the answer to the key; holds what has come of it.
    Upgrading {
        key: String,
        head: Vec<u8>,
    },
    Open,
    Ended,
}

/// A session, or one that is about to be or has been.
pub(crate) struct Connection {
    /// When its connection was started, in nanoseconds of [`crate::clock`].
    pub(crate) started_ns: u64,
    socket: Option<Socket>,
    phase: Phase,
    reader: Reader,
    speaker: Box<dyn Speaker>,
    /// The speaker waits for nothing more.
    is_ready: bool,
    out: Vec<u8>,
    out_at: usize,
    /// A send, or the wait for the socket to take more, is under way.
    pub(crate) sending: bool,
}

impl Connection {
    /// Starts to connect; the socket becomes writable when that has worked or failed.
    pub(crate) fn start(
        target: SocketAddr,
        source: Option<IpAddr>,
        started_ns: u64,
        speaker: Box<dyn Speaker>,
    ) -> Result<Self, Ending> {
        Self::open_socket(target, source)
            .map(|socket| Self {
                started_ns,
                socket: Some(socket),
                phase: Phase::Connecting,
                reader: Reader::default(),
                speaker,
                is_ready: false,
                out: Vec::new(),
                out_at: 0,
                sending: false,
            })
            .map_err(Ending::Connect)
    }

    fn open_socket(target: SocketAddr, source: Option<IpAddr>) -> io::Result<Socket> {
        let socket = Socket::new(
            Domain::for_address(target),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_tcp_nodelay(true)?;
        socket.set_nonblocking(true)?;
        if let Some(source) = source {
            bind_source(&socket, source)?;
        }
        match socket.connect(&target.into()) {
            Err(error) if error.raw_os_error() != Some(EINPROGRESS) => Err(error),
            _ => Ok(socket),
        }
    }

    pub(crate) fn fd(&self) -> Option<RawFd> {
        self.socket.as_ref().map(AsRawFd::as_raw_fd)
    }

    pub(crate) fn is_connecting(&self) -> bool {
        matches!(self.phase, Phase::Connecting)
    }

    /// Whether the handshake is complete.
    pub(crate) fn is_upgraded(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    /// Whether it is a session: the handshake is complete, and the protocol has all it waits for.
    pub(crate) fn is_open(&self) -> bool {
        self.is_upgraded() && self.is_ready
    }

    /// What has to come before it is open, if its handshake is complete.
    pub(crate) fn waits_for(&self) -> Option<String> {
        let is_waiting = self.is_upgraded() && !self.is_ready;
        is_waiting.then(|| self.speaker.waits_for()).flatten()
    }

    /// When the protocol has something to say that nobody asked for.
    pub(crate) fn due_ns(&self) -> Option<u64> {
        self.is_upgraded().then(|| self.speaker.due_ns()).flatten()
    }

    /// Says it.
    pub(crate) fn say_due(&mut self, now_ns: u64) {
        let mut desk = Desk {
            out: &mut self.out,
            kind: Kind::Text,
            on_payload: |_: Found<'_>| {},
        };
        self.speaker.due(now_ns, &mut desk);
    }

    /// The socket is connected or has failed to: puts the upgrade request on its way.
    pub(crate) fn connected(&mut self, upgrade: &Upgrade, who: &Who<'_>) -> Result<(), Ending> {
        let Some(socket) = &self.socket else {
            return Ok(());
        };
        match socket.take_error() {
            Ok(None) => {}
            Ok(Some(error)) | Err(error) => return Err(Ending::Connect(error)),
        }
        let key = random_key();
        upgrade.append(who, &key, &mut self.out);
        self.phase = Phase::Upgrading {
            key,
            head: Vec::new(),
        };
        Ok(())
    }

    /// Takes received bytes, in order, and hands out each payload in them. The session may be open
    /// afterwards even when this fails: a goodbye can come with the answer to the handshake.
    pub(crate) fn receive(
        &mut self,
        bytes: &mut [u8],
        now_ns: u64,
        subprotocols: &[String],
        on_payload: impl FnMut(Found<'_>),
    ) -> Result<(), Ending> {
        let mut desk = Desk {
            out: &mut self.out,
            kind: Kind::Text,
            on_payload,
        };
        let mut rest;
        let mut bytes = bytes;
        match &mut self.phase {
            Phase::Open => {}
            Phase::Upgrading { key, head } => {
                head.extend_from_slice(bytes);
                let head_bytes = match check_answer(head, key, subprotocols) {
                    Err(AnswerError::Incomplete) if head.len() < HEAD_BYTES_MAX => return Ok(()),
                    Err(AnswerError::Incomplete) => return Err(Ending::LongHead),
                    Err(error) => return Err(Ending::Refused(error)),
                    Ok(head_bytes) => head_bytes,
                };
                rest = head.split_off(head_bytes);
                bytes = &mut rest;
                self.phase = Phase::Open;
                self.speaker.opened(now_ns, &mut desk);
                self.is_ready = self.speaker.waits_for().is_none();
            }
            Phase::Connecting | Phase::Ended => return Ok(()),
        }
        while let Some(event) = self
            .reader
            .next(&mut bytes, &RULES)
            .map_err(Ending::Protocol)?
        {
            match event {
                Event::Message { kind, payload } => {
                    desk.kind = kind;
                    let heard = self.speaker.received(now_ns, kind, payload, &mut desk);
                    heard.map_err(Ending::Unwanted)?;
                    if !self.is_ready {
                        self.is_ready = self.speaker.waits_for().is_none();
                    }
                }
                Event::Ping(payload) => {
                    append_masked_frame(desk.out, OpCode::Pong, true, payload, random_mask());
                }
                Event::Pong(_) => {}
                Event::Close(code, _) => return Err(Ending::Closed(code)),
            }
        }
        Ok(())
    }

    /// Queues the message that publishes a payload; `message` is room to put it together in.
    pub(crate) fn publish(&mut self, payload: &[u8], message: &mut Vec<u8>) {
        message.clear();
        let kind = self.speaker.wrap(payload, message);
        append_masked_frame(&mut self.out, kind.opcode(), true, message, random_mask());
    }

    /// Queues a close frame with code 1000.
    pub(crate) fn queue_close(&mut self) {
        let code = CloseCode::NORMAL.get().to_be_bytes();
        append_masked_frame(&mut self.out, OpCode::Close, true, &code, random_mask());
    }

    /// Bytes that have not been handed to the kernel.
    pub(crate) fn unsent(&self) -> &[u8] {
        &self.out[self.out_at..]
    }

    /// The kernel took this many of [`unsent`](Self::unsent).
    pub(crate) fn took(&mut self, bytes: usize) {
        self.out_at += bytes;
        if self.out_at == self.out.len() {
            self.out.clear();
            self.out_at = 0;
        } else if self.out_at > self.out.len() / 2 {
            self.out.drain(..self.out_at);
            self.out_at = 0;
        }
    }

    /// Ends the connection. Returns whether the session was open until now.
    pub(crate) fn end(&mut self) -> bool {
        if let Some(socket) = self.socket.take() {
            // Operations in flight would keep the connection alive past the close. That it is not
            // connected any more (ENOTCONN) is as good.
            let _ = socket.shutdown(Shutdown::Both);
        }
        self.out = Vec::new();
        self.out_at = 0;
        matches!(mem::replace(&mut self.phase, Phase::Ended), Phase::Open)
    }

    /// What it means that the stream has ended now.
    pub(crate) fn end_of_stream(&self) -> Ending {
        if self.is_open() {
            Ending::Dropped
        } else {
            Ending::NoAnswer
        }
    }
}

/// Where a session's speaker hands on what it found, and what it says.
struct Desk<'a, F> {
    out: &'a mut Vec<u8>,
    /// Of the message it was told of.
    kind: Kind,
    on_payload: F,
}

impl<F: FnMut(Found<'_>)> Listener for Desk<'_, F> {
    #[inline]
    fn payload(&mut self, bytes: &[u8], place: Place) {
        let kind = self.kind;
        (self.on_payload)(Found { bytes, place, kind });
    }

    fn say(&mut self, kind: Kind, message: &[u8]) {
        append_masked_frame(self.out, kind.opcode(), true, message, random_mask());
    }
}

/// `connect(2)` on a socket that does not block.
const EINPROGRESS: i32 = 115;

/// Base64 of 16 random bytes: 21 free characters, one with the last two bits, and the padding.
fn random_key() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut key: String = (0..21)
        .map(|_| char::from(ALPHABET[fastrand::usize(..64)]))
        .collect();
    key.push(char::from(b"AQgw"[fastrand::usize(..4)]));
    key.push_str("==");
    key
}

fn random_mask() -> [u8; 4] {
    fastrand::u32(..).to_ne_bytes()
}
