//! Simulated clients: what they do is random, what they are sent they check at once.

use std::collections::VecDeque;
use std::time::Duration;

use fanring::wire::frame::{OpCode, append_masked_frame};
use fastrand::Rng;
use uuid::Uuid;

use crate::decode::{Decoder, Entry, compose, read};
use crate::kernel::Kernel;
use crate::roles::{Leave, Manners, Role, Stage};
use crate::stay::Stay;

/// What was heard, and where it stood in what was sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard {
    pub(crate) entry: Entry,
    /// Bytes that came before it.
    pub(crate) at: u64,
}

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) number: u32,
    pub(crate) room: usize,
    pub(crate) echo: bool,
    pub(crate) presence: bool,
    pub(crate) role: Role,
    pub(crate) stage: Stage,
    pub(crate) connection: usize,
    /// Its public name, once its session has one.
    pub(crate) id: Option<Uuid>,
    /// Whether it goes to further rooms.
    pub(crate) roams: bool,
    /// Where it was, or asked to be, besides its own room.
    pub(crate) stays: Vec<Stay>,
    /// When its handshake was answered, by the world's clock.
    pub(crate) welcomed_at: Option<u64>,
    /// When each of its messages was written.
    pub(crate) published_at: Vec<u64>,
    pub(crate) received: Vec<Heard>,
    /// The code of the server's Close frame.
    pub(crate) close_code: Option<u16>,
    /// The status of the server's answer when it was not 101.
    pub(crate) refused: Option<u16>,
    /// It left, or gave the server a reason to close.
    pub(crate) parted: bool,
    pub(crate) stalled: bool,
    /// The server's deadlines are so short that one who stalls may meet them.
    pub(crate) hasty: bool,
    /// It left with something it said.
    pub(crate) last_words: bool,
    /// It was stalled at least once.
    pub(crate) was_stalled: bool,
    /// The time, without that in which the server stood still.
    pub(crate) now: Duration,
    /// When it last wrote or read something, and the longest it did neither.
    lively_at: Duration,
    pub(crate) mute_max: Duration,
    /// When it last read all there was, or something of it, and the longest it did not.
    reading_at: Duration,
    pub(crate) deaf_max: Duration,
    unsent: Vec<u8>,
    decoder: Decoder,
    keep_alives: u32,
    pings: VecDeque<Vec<u8>>,
    closing: bool,
    /// It shut down its write side without a Close frame: the server may stop anywhere.
    finished: bool,
}

impl Client {
    pub(crate) fn new(number: u32, room: usize, role: Role, rng: &mut Rng) -> Self {
        let witness = role == Role::Witness;
        Self {
            number,
            room,
            echo: witness || rng.u8(..4) == 0,
            presence: witness || rng.u8(..4) > 0,
            role,
            stage: Stage::Absent,
            connection: usize::MAX,
            id: None,
            roams: false,
            stays: Vec::new(),
            welcomed_at: None,
            published_at: Vec::new(),
            received: Vec::new(),
            close_code: None,
            refused: None,
            parted: matches!(role, Role::Rude | Role::Stranger | Role::Browser),
            stalled: false,
            hasty: false,
            last_words: false,
            was_stalled: false,
            now: Duration::ZERO,
            lively_at: Duration::ZERO,
            mute_max: Duration::ZERO,
            reading_at: Duration::ZERO,
            deaf_max: Duration::ZERO,
            unsent: Vec::new(),
            decoder: Decoder::default(),
            keep_alives: 0,
            pings: VecDeque::new(),
            closing: false,
            finished: false,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    /// Whether everything it wrote was taken, and what it asked for was answered.
    pub(crate) fn is_settled(&self, kernel: &Kernel) -> bool {
        match self.stage {
            Stage::Absent | Stage::Ended => true,
            Stage::Open => {
                self.unsent.is_empty()
                    && kernel.unreceived(self.connection) == 0
                    && self.keep_alives == 0
                    && self.pings.is_empty()
                    && self.decoder.rest() == 0
            }
            Stage::Head => self.role != Role::Member && self.role != Role::Witness,
            Stage::Leaving => false,
        }
    }

    /// Begins its connection; at times it says more than the server has asked for yet.
    pub(crate) fn connect(&mut self, connection: usize, clock: u64, rng: &mut Rng) {
        self.connection = connection;
        self.stage = Stage::Head;
        (self.lively_at, self.reading_at) = (self.now, self.now);
        let (echo, presence) = (u8::from(self.echo), u8::from(self.presence));
        let room = self.room;
        let request = match self.role {
            Role::Browser => "GET / HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
            Role::Stranger => match rng.u8(..4) {
                0 => "GET /ws/r0 HTTP/1.1\r\nHost: h\r\nUpgr".to_owned(),
                1 => "GET /ws HTTP/1.0\r\n\r\n".to_owned(),
                2 => format!("GET /{} HTTP/1.1\r\n", "x".repeat(9000)),
                _ => "\u{16}\u{3}\u{1}\r\n\r\n".to_owned(),
            },
            _ => format!(
                "GET /ws/r{room}?echo={echo}&presence={presence} HTTP/1.1\r\nHost: h\r\n\
                 Upgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            ),
        };
        self.unsent.extend_from_slice(request.as_bytes());
        if self.role == Role::Member && rng.u8(..4) == 0 {
            self.publish(20, clock, rng);
        }
    }

    /// Says goodbye in some way in the packet of its request, which it has just written.
    pub(crate) fn leave_at_once(&mut self, how: Leave, kernel: &mut Kernel) {
        self.parted = true;
        if how == Leave::Close {
            self.close();
        }
        kernel.write(self.connection, &mut self.unsent);
        match how {
            Leave::Close => {}
            Leave::Finish => {
                self.finished = true;
                kernel.finish(self.connection);
            }
            Leave::Vanish => {
                self.stage = Stage::Ended;
                kernel.vanish(self.connection);
            }
        }
    }

    /// Whether everything that it has written was heard by its shard, and it is not there any more: the
    /// server has answered its goodbye.
    pub(crate) fn has_said_all(&self) -> bool {
        self.close_code == Some(1000)
    }

    /// Which of its stays in a room goes on, if one does.
    pub(crate) fn stay_in(&self, room: usize) -> Option<usize> {
        let lasting = |stay: &Stay| stay.room == room && stay.lasts();
        self.stays.iter().position(lasting)
    }

    /// Whether it is told of those who come and go, in its room or in another.
    pub(crate) fn hears_of_others(&self) -> bool {
        let mut stays = self.stays.iter();
        self.presence || stays.any(|stay| stay.lasts() && stay.has_notices())
    }

    /// Writes and reads what it can.
    pub(crate) fn exchange(
        &mut self,
        kernel: &mut Kernel,
        read_bytes: usize,
        clock: u64,
    ) -> Result<(), String> {
        if matches!(self.stage, Stage::Absent | Stage::Ended) {
            return Ok(());
        }
        let unsent = self.unsent.len();
        kernel.write(self.connection, &mut self.unsent);
        let mut lively = self.unsent.len() < unsent || self.stage == Stage::Head;
        let mut reads = kernel.unread(self.connection) == 0;
        if !self.stalled && read_bytes > 0 {
            let bytes = kernel.read(self.connection, read_bytes);
            reads |= !bytes.is_empty();
            lively |= !bytes.is_empty();
            self.decoder.push(&bytes);
            self.digest(clock)?;
        }
        self.mute_max = self.mute_max.max(self.now - self.lively_at);
        if lively {
            self.lively_at = self.now;
        }
        self.deaf_max = self.deaf_max.max(self.now - self.reading_at);
        if reads {
            self.reading_at = self.now;
        }
        if kernel.is_ended(self.connection) && !self.stalled {
            // Of one who reads slowly, the goodbye's deadline may cut the rest of a frame.
            let slow = (self.hasty && self.was_stalled)
                || (self.closing && kernel.was_full(self.connection));
            let cut = self.finished || (slow && self.close_code.is_none());
            let whole = self.decoder.rest() == 0 || self.refused.is_some() || cut;
            if !kernel.is_reset(self.connection) && !whole {
                return Err("the stream ends within a frame".to_owned());
            }
            self.stage = Stage::Ended;
            kernel.vanish(self.connection);
        }
        Ok(())
    }

    fn digest(&mut self, clock: u64) -> Result<(), String> {
        if self.welcomed_at.is_none() && self.refused.is_none() {
            let Some(head) = self.decoder.head() else {
                return Ok(());
            };
            if head.starts_with(b"HTTP/1.1 101 ") {
                let leaves = self.closing || self.finished;
                self.stage = if leaves { Stage::Leaving } else { Stage::Open };
                self.welcomed_at = Some(clock);
            } else {
                let digits = head.get(9..12).and_then(|at| std::str::from_utf8(at).ok());
                self.refused = digits.and_then(|at| at.parse().ok());
                self.refused.ok_or("an answer without a status")?;
            }
        }
        if self.refused.is_some() {
            return Ok(());
        }
        while let Some(frame) = self.decoder.frame()? {
            if self.close_code.is_some() {
                return Err("a frame after the Close frame".to_owned());
            }
            match frame.opcode {
                1 if frame.payload.is_empty() => {
                    self.keep_alives = (self.keep_alives.checked_sub(1))
                        .ok_or("an answer to somebody else's keep-alive")?;
                }
                1 | 2 => {
                    let entry = read(frame.payload)?;
                    self.received.push(Heard {
                        entry,
                        at: frame.at,
                    });
                }
                9 => {
                    let payload = frame.payload.to_vec();
                    append_masked_frame(&mut self.unsent, OpCode::Pong, true, &payload, [0; 4]);
                }
                10 => {
                    if self.pings.pop_front().as_deref() != Some(frame.payload) {
                        return Err("a pong that answers no ping".to_owned());
                    }
                }
                _ => {
                    let code = frame.payload.first_chunk().copied();
                    self.close_code = Some(code.map_or(1005, u16::from_be_bytes));
                }
            }
        }
        if self.close_code.is_some() && !self.closing {
            self.close();
        }
        Ok(())
    }

    fn close(&mut self) {
        self.closing = true;
        let code = 1000u16.to_be_bytes();
        append_masked_frame(&mut self.unsent, OpCode::Close, true, &code, [9, 9, 9, 9]);
    }

    /// Does something, by chance.
    pub(crate) fn act(
        &mut self,
        kernel: &mut Kernel,
        manners: &Manners,
        clock: u64,
        rng: &mut Rng,
    ) {
        if self.stalled && rng.u32(..1000) < manners.wake {
            self.stalled = false;
        }
        if self.stage != Stage::Open || self.closing || self.role == Role::Witness {
            return;
        }
        if self.role == Role::Rude && rng.u8(..20) == 0 {
            return self.offend(rng);
        }
        let chance = rng.u32(..1000);
        if chance < manners.publish && self.unsent.len() < 256 << 10 {
            for _ in 0..rng.usize(1..4) {
                let bytes = match rng.u8(..8) {
                    0 => rng.usize(..=manners.payload_bytes_max),
                    1..=3 => rng.usize(..=manners.payload_bytes_max.min(4000)),
                    _ => rng.usize(..=manners.payload_bytes_max.min(200)),
                };
                self.publish(bytes, clock, rng);
            }
        } else if chance < manners.publish + 30 {
            self.keep_alives += 1;
            append_masked_frame(&mut self.unsent, OpCode::Text, true, b"", [1, 2, 3, 4]);
        } else if chance < manners.publish + 60 {
            self.ping(rng);
        } else if chance < manners.publish + 60 + manners.stall {
            self.stalled = true;
            self.was_stalled = true;
        } else if chance < manners.publish + 60 + manners.stall + manners.leave {
            let how = Leave::ALL[rng.usize(..3)];
            if rng.bool() {
                self.publish(rng.usize(..200), clock, rng);
                self.leave_with_a_word(how, kernel);
            } else {
                self.leave(how, kernel);
            }
        }
    }

    /// Writes its next message, whole or in fragments with pings in between.
    fn publish(&mut self, bytes: usize, clock: u64, rng: &mut Rng) {
        let seq = u32::try_from(self.published_at.len()).expect("a few messages");
        self.published_at.push(clock);
        let payload = compose(self.number, seq, bytes);
        // A key of zeros costs this test nothing to apply, and the server as much as any other.
        let key = if bytes < 200 { rng.u32(..) } else { 0 }.to_ne_bytes();
        let mut opcode = if bytes < 4000 && rng.bool() {
            OpCode::Text
        } else {
            OpCode::Binary
        };
        let mut rest = &payload[..];
        while rng.u8(..4) == 0 && !rest.is_empty() {
            let (fragment, after) = rest.split_at(rng.usize(..=rest.len()));
            append_masked_frame(&mut self.unsent, opcode, false, fragment, key);
            opcode = OpCode::Continuation;
            rest = after;
            if rng.bool() {
                self.ping(rng);
            }
        }
        append_masked_frame(&mut self.unsent, opcode, true, rest, key);
    }

    fn ping(&mut self, rng: &mut Rng) {
        let payload = vec![rng.u8(..); rng.usize(..=125)];
        append_masked_frame(&mut self.unsent, OpCode::Ping, true, &payload, [7, 0, 7, 0]);
        self.pings.push_back(payload);
    }

    fn offend(&mut self, rng: &mut Rng) {
        self.closing = true;
        let offence: &[u8] = match rng.u8(..5) {
            0 => &[0x81, 0x05, b'c', b'l', b'e', b'a', b'r'],
            1 => &[0xf1, 0x80, 0, 0, 0, 0, 1, 2, 3],
            2 => &[0x80, 0x81, 0, 0, 0, 0, b'x'],
            3 => &[0x82, 0xff, 0, 0, 0, 0, 0x7f, 0, 0, 0, 0, 0, 0, 0],
            _ => &[0x81, 0x82, 0, 0, 0, 0, 0xff, 0xff],
        };
        self.unsent.extend_from_slice(offence);
    }

    /// Leaves in the packet that has what it said last.
    fn leave_with_a_word(&mut self, how: Leave, kernel: &mut Kernel) {
        self.last_words = true;
        if how == Leave::Vanish {
            kernel.write(self.connection, &mut self.unsent);
        }
        self.leave(how, kernel);
        if how == Leave::Close {
            kernel.write(self.connection, &mut self.unsent);
        }
    }

    /// Leaves; without a witness nobody may know why.
    pub(crate) fn leave(&mut self, how: Leave, kernel: &mut Kernel) {
        if matches!(self.stage, Stage::Absent | Stage::Ended) {
            return;
        }
        self.parted = true;
        self.stalled = false;
        match how {
            Leave::Close if self.stage == Stage::Open => {
                if !self.closing {
                    self.close();
                }
                self.stage = Stage::Leaving;
            }
            Leave::Close | Leave::Finish => {
                kernel.write(self.connection, &mut self.unsent);
                self.unsent.clear();
                self.finished = true;
                self.stage = Stage::Leaving;
                kernel.finish(self.connection);
            }
            Leave::Vanish => {
                self.stage = Stage::Ended;
                kernel.vanish(self.connection);
            }
        }
    }
}
