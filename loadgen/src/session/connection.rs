//! One WebSocket session from the client's side: handshake, frames in, frames out.
//!
//! Owns its socket but does no I/O on it except to connect: bytes are given to it and taken from it.

use std::net::{IpAddr, Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::{io, mem};

use fanring::socket::bind_source;
use fanring::wire::close::CloseCode;
use fanring::wire::frame::OpCode;
use fanring::wire::handshake::{AnswerError, check_answer};
use fanring::wire::message::{Event, Kind, Reader, Role, Rules};
use socket2::{Domain, Protocol, Socket, Type};

use crate::protocol::seam::{Position, Speaker};
use crate::protocol::text::Who;
use crate::protocol::upgrade::Upgrade;
use crate::session::desk::{Desk, Hearing, Nobody};
use crate::session::ending::{Ending, HEAD_BYTES_MAX};
use crate::session::outbox::{Left, Outbox, Taken};
use crate::session::refusal::{self, Refusal};
use crate::session::tls::{Client, Tls};
use crate::session::unanswered::Unanswered;

/// The longest message that is accepted, whatever was asked for: a server may add some of its own.
const MESSAGE_BYTES_MAX: usize = 32 << 20;

const RULES: Rules = Rules {
    role: Role::Client,
    message_bytes_max: MESSAGE_BYTES_MAX,
};

enum Phase {
    Connecting,
    /// Waits for the answer to the key; holds what has come of it.
    Upgrading {
        key: String,
        head: Vec<u8>,
    },
    /// Was answered with something else than an upgrade; holds what has come of that.
    Refused(Vec<u8>),
    Open,
    /// Both sides have said goodbye: waits for the server to end the connection.
    Closing,
    Ended,
}

/// A session, or one that is about to be or has been.
pub(crate) struct Connection {
    /// When its connection was due, in nanoseconds of [`crate::clock`].
    pub(crate) due_ns: u64,
    socket: Option<Socket>,
    phase: Phase,
    reader: Reader,
    speaker: Box<dyn Speaker>,
    /// The speaker waits for nothing more.
    is_ready: bool,
    /// What was published and not answered, where the server answers it.
    unanswered: Unanswered,
    acknowledges: bool,
    /// This side has said goodbye.
    has_closed: bool,
    /// Nothing more comes from the other.
    has_ended: bool,
    outbox: Outbox,
    /// What everything goes through, if that is so.
    tls: Option<Box<Tls>>,
    /// A send, or the wait for the socket to take more, is under way.
    pub(crate) sending: bool,
}

/// How to get to the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way<'a> {
    pub(crate) target: SocketAddr,
    /// The address to come from, if it is not left to the system.
    pub(crate) source: Option<IpAddr>,
    pub(crate) tls: Option<&'a Client>,
    /// Whether all that is published is answered.
    pub(crate) acknowledges: bool,
}

impl Connection {
    /// Starts to connect; the socket becomes writable when that has worked or failed.
    pub(crate) fn start(
        way: &Way<'_>,
        due_ns: u64,
        speaker: Box<dyn Speaker>,
    ) -> Result<Self, Ending> {
        let tls = way.tls.map(Client::connection).transpose();
        let tls = tls.map_err(Ending::Tls)?.map(Box::new);
        let socket = Self::open_socket(way.target, way.source).map_err(Ending::Connect)?;
        Ok(Self {
            due_ns,
            socket: Some(socket),
            phase: Phase::Connecting,
            reader: Reader::default(),
            speaker,
            is_ready: false,
            unanswered: Unanswered::default(),
            acknowledges: way.acknowledges,
            has_closed: false,
            has_ended: false,
            outbox: Outbox::default(),
            tls,
            sending: false,
        })
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

    /// Whether it was answered with something else than an upgrade, of which the rest may come.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self.phase, Phase::Refused(_))
    }

    /// Whether it is no session any more, and only waits for the server to end the connection.
    pub(crate) fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Closing)
    }

    /// Nothing more comes. Returns whether nothing is left to be sent either.
    pub(crate) fn note_end(&mut self) -> bool {
        self.has_ended = true;
        self.prepare();
        self.is_over()
    }

    /// Whether both sides have said all they had to.
    pub(crate) fn is_over(&self) -> bool {
        self.has_ended && self.is_closing() && self.unsent().is_empty()
    }

    /// What has to come before it is open, if its handshake is complete.
    pub(crate) fn waits_for(&self) -> Option<String> {
        let is_waiting = self.is_upgraded() && !self.is_ready;
        is_waiting.then(|| self.speaker.waits_for()).flatten()
    }

    /// When the protocol has something to say that nobody asked for.
    pub(crate) fn beat_ns(&self) -> Option<u64> {
        self.is_upgraded().then(|| self.speaker.due_ns()).flatten()
    }

    /// Says it.
    pub(crate) fn beat(&mut self, now_ns: u64) {
        let mut desk = Desk {
            outbox: &mut self.outbox,
            unanswered: &mut self.unanswered,
            kind: Kind::Text,
            hearing: &mut Nobody,
        };
        self.speaker.due(now_ns, &mut desk);
    }

    /// The socket is connected or has failed to: puts the upgrade request on its way.
    pub(crate) fn connected(
        &mut self,
        upgrade: &Upgrade,
        host: &str,
        who: &Who<'_>,
    ) -> Result<(), Ending> {
        let Some(socket) = &self.socket else {
            return Ok(());
        };
        match socket.take_error() {
            Ok(None) => {}
            Ok(Some(error)) | Err(error) => return Err(Ending::Connect(error)),
        }
        let key = random_key();
        upgrade.append(who, (host, &key), self.outbox.raw());
        self.phase = Phase::Upgrading {
            key,
            head: Vec::new(),
        };
        Ok(())
    }

    /// Takes received bytes, in order, and hands on what is heard in them. The session may be open
    /// afterwards even when this fails: a goodbye can come with the answer to the handshake.
    pub(crate) fn receive(
        &mut self,
        bytes: &mut [u8],
        now_ns: u64,
        subprotocols: &[String],
        hearing: &mut impl Hearing,
    ) -> Result<(), Ending> {
        let Some(tls) = &mut self.tls else {
            return self.hear(bytes, now_ns, subprotocols, hearing);
        };
        let mut opened = tls.open(bytes).map_err(Ending::Tls)?;
        let outcome = self.hear(&mut opened, now_ns, subprotocols, hearing);
        if let Some(tls) = &mut self.tls {
            tls.reuse(opened);
        }
        outcome
    }

    /// Takes what was received, in the clear.
    fn hear(
        &mut self,
        bytes: &mut [u8],
        now_ns: u64,
        subprotocols: &[String],
        hearing: &mut impl Hearing,
    ) -> Result<(), Ending> {
        let mut desk = Desk {
            outbox: &mut self.outbox,
            unanswered: &mut self.unanswered,
            kind: Kind::Text,
            hearing,
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
                    Err(AnswerError::Status(_)) => {
                        self.phase = Phase::Refused(mem::take(head));
                        return self.judge_refusal();
                    }
                    // The first byte of an alert (RFC 8446 section 5.1).
                    Err(_) if head.first() == Some(&0x15) => return Err(Ending::WantsTls),
                    Err(error) => return Err(Ending::BadAnswer(error)),
                    Ok(head_bytes) => head_bytes,
                };
                rest = head.split_off(head_bytes);
                bytes = &mut rest;
                self.phase = Phase::Open;
                self.speaker.opened(now_ns, &mut desk);
                self.is_ready = self.speaker.waits_for().is_none();
            }
            Phase::Refused(answer) => {
                answer.extend_from_slice(bytes);
                return self.judge_refusal();
            }
            Phase::Connecting | Phase::Closing | Phase::Ended => return Ok(()),
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
                Event::Ping(payload) => desk.outbox.frame(OpCode::Pong, payload),
                Event::Pong(_) => {}
                Event::Close(code, reason) => {
                    let reason = String::from_utf8_lossy(reason).into_owned();
                    return Err(Ending::Closed(code, reason));
                }
            }
        }
        Ok(())
    }

    /// Ends what was refused once enough is known of why.
    fn judge_refusal(&self) -> Result<(), Ending> {
        match &self.phase {
            Phase::Refused(answer) if refusal::is_whole(answer) => {
                Err(Ending::Refused(Refusal::read(answer)))
            }
            _ => Ok(()),
        }
    }

    /// Queues the message that publishes a payload; `message` is room to put it together in. Returns its size
    /// in bytes.
    pub(crate) fn publish(
        &mut self,
        payload: &[u8],
        message: &mut Vec<u8>,
        (planned_ns, now_ns): (u64, u64),
    ) -> u64 {
        message.clear();
        let kind = self.speaker.wrap(payload, message);
        if self.acknowledges {
            self.unanswered.publish(planned_ns);
        }
        self.outbox
            .publish(kind.opcode(), message, planned_ns, now_ns)
    }

    /// Where the session stands, if another one can come back to that.
    pub(crate) fn position(&self) -> Option<Position> {
        self.speaker.position()
    }

    /// Messages that the kernel has taken and the server has not answered, if it answers any.
    pub(crate) fn unanswered(&self) -> u64 {
        let unsent = self.outbox.left().messages;
        self.unanswered.count().saturating_sub(unsent)
    }

    /// Forgets those: they are written down.
    pub(crate) fn forget_unanswered(&mut self) {
        self.unanswered = Unanswered::default();
    }

    /// Says goodbye with code 1000.
    pub(crate) fn say_goodbye(&mut self) {
        self.close(Some(CloseCode::NORMAL));
    }

    /// The server has said goodbye: answers with the same code, unless it is itself an answer, and waits for the
    /// end of the connection (RFC 6455 sections 5.5.1 and 7.1.1).
    pub(crate) fn answer_goodbye(&mut self, code: Option<CloseCode>) {
        self.close(code);
        if let Some(tls) = &mut self.tls {
            tls.finish();
        }
        self.phase = Phase::Closing;
    }

    fn close(&mut self, code: Option<CloseCode>) {
        if !mem::replace(&mut self.has_closed, true) {
            let code = code.map(|code| code.get().to_be_bytes());
            let code = code.as_ref().map_or(&[][..], |code| &code[..]);
            self.outbox.frame(OpCode::Close, code);
        }
    }

    /// Gets what is to be sent ready for [`unsent`](Self::unsent).
    pub(crate) fn prepare(&mut self) {
        if let Some(tls) = &mut self.tls
            && !matches!(self.phase, Phase::Connecting | Phase::Ended)
        {
            tls.seal(&mut self.outbox);
        }
    }

    /// Bytes that have not been handed to the kernel.
    pub(crate) fn unsent(&self) -> &[u8] {
        match &self.tls {
            Some(tls) => tls.unsent(),
            None => self.outbox.unsent(),
        }
    }

    /// Whether all that was published was taken.
    pub(crate) fn is_clear(&self) -> bool {
        self.outbox.is_clear()
    }

    /// What was published and not taken.
    pub(crate) fn left(&self) -> Left {
        self.outbox.left()
    }

    /// The kernel took this many of [`unsent`](Self::unsent): hands out the messages that end with them. Returns
    /// whether that is all it was offered.
    pub(crate) fn took(&mut self, bytes: usize, now_ns: u64, each: impl FnMut(Taken)) -> bool {
        let is_all = bytes == self.unsent().len();
        let place = match &mut self.tls {
            Some(tls) => tls.took(bytes),
            None => self.outbox.pass(bytes),
        };
        self.outbox.settle(place, each);
        match is_all {
            true => self.outbox.release(),
            false => self.outbox.hold(now_ns),
        }
        is_all
    }

    /// Ends the connection. Returns what was published and not taken.
    pub(crate) fn end(&mut self) -> Left {
        if let Some(socket) = self.socket.take() {
            // Operations in flight would keep the connection alive past the close. That it is not
            // connected any more (ENOTCONN) is as good.
            let _ = socket.shutdown(Shutdown::Both);
        }
        self.phase = Phase::Ended;
        self.outbox.abandon()
    }

    /// What it means that nothing more comes now.
    pub(crate) fn end_of_stream(&self) -> Ending {
        match &self.phase {
            Phase::Refused(answer) => Ending::Refused(Refusal::read(answer)),
            Phase::Open => Ending::Dropped,
            _ => Ending::NoAnswer,
        }
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
