//! Somebody with a connection over the made-up kernel: a client of Centrifugo's protocol or a plain member.

use std::time::Duration;

use fanring::wire::frame::{OpCode, append_masked_frame};
use fastrand::Rng;

use crate::decode::Decoder;
use crate::kernel::Kernel;
use crate::roles::Leave;
use crate::support::chat::ledger::Ledger;
use crate::support::chat::plain::Plain;
use crate::support::chat::sdk::Sdk;
use crate::support::chat::told::Encoding;

/// The largest message that a client sends, with much to spare for its frame.
const MESSAGE_BYTES_MAX: usize = 7 << 10;

/// Who has read nothing for so long may be cut off within a frame.
const STUCK_MIN: Duration = Duration::from_secs(29);

/// Who has it.
#[derive(Debug)]
pub(crate) enum Who {
    Sdk(Sdk),
    Plain(Plain),
}

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// There is none, until then.
    Absent(Duration),
    /// The handshake was sent.
    Head,
    /// It is open.
    Open,
    /// A goodbye was sent; what comes is of no interest.
    Leaving,
    /// It has ended.
    Ended,
}

/// How much somebody reads, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) bytes: usize,
    pub(crate) now: Duration,
}

/// Somebody.
#[derive(Debug)]
pub(crate) struct Actor {
    pub(crate) number: usize,
    pub(crate) who: Who,
    pub(crate) stage: Stage,
    pub(crate) connection: usize,
    /// It is always there, and reads everything at once.
    pub(crate) is_witness: bool,
    pub(crate) is_publisher: bool,
    pub(crate) is_stalled: bool,
    /// When it last read all there was, or something of it, and the longest that it did not.
    reading_at: Duration,
    pub(crate) deaf_max: Duration,
    /// The code of the server's Close frame.
    pub(crate) close_code: Option<u16>,
    /// That of its last connection, once it was noted.
    pub(crate) last_code: Option<u16>,
    pub(crate) unsent: Vec<u8>,
    decoder: Decoder,
}

impl Actor {
    pub(crate) fn new(number: usize, who: Who) -> Self {
        Self {
            number,
            who,
            stage: Stage::Absent(Duration::ZERO),
            connection: usize::MAX,
            is_witness: false,
            is_publisher: false,
            is_stalled: false,
            reading_at: Duration::ZERO,
            deaf_max: Duration::ZERO,
            close_code: None,
            last_code: None,
            unsent: Vec::new(),
            decoder: Decoder::default(),
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    pub(crate) fn sdk(&self) -> Option<&Sdk> {
        match &self.who {
            Who::Sdk(sdk) => Some(sdk),
            Who::Plain(_) => None,
        }
    }

    pub(crate) fn sdk_mut(&mut self) -> Option<&mut Sdk> {
        match &mut self.who {
            Who::Sdk(sdk) => Some(sdk),
            Who::Plain(_) => None,
        }
    }

    pub(crate) fn plain(&self) -> Option<&Plain> {
        match &self.who {
            Who::Sdk(_) => None,
            Who::Plain(plain) => Some(plain),
        }
    }

    pub(crate) fn author(&self) -> u32 {
        match &self.who {
            Who::Sdk(sdk) => sdk.author,
            Who::Plain(plain) => plain.author,
        }
    }

    /// Begins a connection.
    pub(crate) fn connect(
        &mut self,
        connection: usize,
        now: Duration,
        ledger: &mut Ledger,
        rng: &mut Rng,
    ) {
        self.connection = connection;
        self.stage = Stage::Head;
        self.reading_at = now;
        self.is_stalled = false;
        self.deaf_max = Duration::ZERO;
        self.close_code = None;
        self.last_code = None;
        self.unsent.clear();
        self.decoder = Decoder::default();
        let target = match &mut self.who {
            Who::Sdk(sdk) => {
                // Some count from 2^31.
                let first = if rng.bool() { 1 } else { 1 << 31 };
                sdk.connect(ledger, first);
                sdk.target(rng.u8(..)).to_owned()
            }
            Who::Plain(plain) => {
                let (room, echo) = (plain.room, plain.has_echo);
                *plain = Plain::new(room, plain.is_visible, echo, ledger);
                let (echo, presence) = (u8::from(echo), u8::from(plain.is_visible));
                let name = ledger.rooms[room].name.replace(':', "%3A");
                format!("/ws/{name}?echo={echo}&presence={presence}")
            }
        };
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        self.unsent.extend_from_slice(request.as_bytes());
    }

    /// Puts what a client has to say into messages.
    pub(crate) fn speak(&mut self, rng: &mut Rng) {
        let Who::Sdk(sdk) = &mut self.who else {
            return;
        };
        let opcode = match sdk.encoding {
            Encoding::Json => OpCode::Text,
            Encoding::Protobuf => OpCode::Binary,
        };
        while let Some(message) = sdk.message(MESSAGE_BYTES_MAX) {
            let key = rng.u32(..).to_ne_bytes();
            append_masked_frame(&mut self.unsent, opcode, true, &message, key);
        }
    }

    /// A plain member publishes.
    pub(crate) fn say(&mut self, opcode: OpCode, message: &[u8], rng: &mut Rng) {
        let key = rng.u32(..).to_ne_bytes();
        append_masked_frame(&mut self.unsent, opcode, true, message, key);
    }

    /// Writes and reads what it can.
    pub(crate) fn exchange(
        &mut self,
        kernel: &mut Kernel,
        Reading { bytes, now }: Reading,
        ledger: &mut Ledger,
        rng: &mut Rng,
    ) -> Result<(), String> {
        if matches!(self.stage, Stage::Absent(_) | Stage::Ended) {
            return Ok(());
        }
        if self.stage != Stage::Leaving {
            self.speak(rng);
        }
        kernel.write(self.connection, &mut self.unsent);
        self.deaf_max = self.deaf_max.max(now.saturating_sub(self.reading_at));
        let mut reads = kernel.unread(self.connection) == 0;
        if !self.is_stalled && bytes > 0 {
            let bytes = kernel.read(self.connection, bytes);
            reads |= !bytes.is_empty();
            if self.stage != Stage::Leaving {
                self.decoder.push(&bytes);
                self.digest(ledger)?;
            }
        }
        if reads {
            self.reading_at = now;
        }
        if kernel.is_ended(self.connection) && !self.is_stalled {
            let is_whole = self.decoder.rest() == 0 || self.stage == Stage::Leaving;
            let was_cut = kernel.is_reset(self.connection) || self.deaf_max >= STUCK_MIN;
            if !was_cut && !is_whole {
                return Err("the stream ends within a frame".to_owned());
            }
            self.end(kernel, ledger)?;
        }
        Ok(())
    }

    /// Its connection is gone.
    pub(crate) fn end(&mut self, kernel: &mut Kernel, ledger: &Ledger) -> Result<(), String> {
        self.stage = Stage::Ended;
        kernel.vanish(self.connection);
        match &mut self.who {
            Who::Sdk(sdk) => sdk.disconnect(ledger),
            Who::Plain(_) => Ok(()),
        }
    }

    fn digest(&mut self, ledger: &mut Ledger) -> Result<(), String> {
        if self.stage == Stage::Head {
            let Some(head) = self.decoder.head() else {
                return Ok(());
            };
            if !head.starts_with(b"HTTP/1.1 101 ") {
                return Err(format!("refused: {}", String::from_utf8_lossy(&head)));
            }
            self.stage = Stage::Open;
            if let Who::Plain(plain) = &mut self.who {
                plain.arrive(ledger);
            }
        }
        while let Some(frame) = self.decoder.frame()? {
            if self.close_code.is_some() {
                return Err("a frame after the Close frame".to_owned());
            }
            match (frame.opcode, &mut self.who) {
                (1, Who::Sdk(sdk)) if sdk.encoding == Encoding::Json => {
                    sdk.hear(frame.payload, ledger)?;
                }
                (2, Who::Sdk(sdk)) if sdk.encoding == Encoding::Protobuf => {
                    sdk.hear(frame.payload, ledger)?;
                }
                (1 | 2, Who::Plain(plain)) => plain.hear(frame.payload, ledger)?,
                (8, _) => {
                    let code = frame.payload.first_chunk().copied();
                    self.close_code = Some(code.map_or(1005, u16::from_be_bytes));
                }
                (9, _) => {
                    let payload = frame.payload.to_vec();
                    append_masked_frame(&mut self.unsent, OpCode::Pong, true, &payload, [0; 4]);
                }
                (opcode, _) => return Err(format!("a frame {opcode:#x}")),
            }
        }
        if self.close_code.is_some() && self.stage == Stage::Open {
            self.say_goodbye(ledger)?;
        }
        Ok(())
    }

    fn say_goodbye(&mut self, ledger: &Ledger) -> Result<(), String> {
        let code = 1000u16.to_be_bytes();
        append_masked_frame(&mut self.unsent, OpCode::Close, true, &code, [9; 4]);
        self.stage = Stage::Leaving;
        match &mut self.who {
            Who::Sdk(sdk) => sdk.disconnect(ledger),
            Who::Plain(_) => Ok(()),
        }
    }

    /// Ends its connection in some way.
    pub(crate) fn leave(
        &mut self,
        how: Leave,
        kernel: &mut Kernel,
        ledger: &Ledger,
    ) -> Result<(), String> {
        if !matches!(self.stage, Stage::Head | Stage::Open) {
            return Ok(());
        }
        self.is_stalled = false;
        match how {
            Leave::Vanish => self.end(kernel, ledger),
            Leave::Close if self.is_open() => self.say_goodbye(ledger),
            Leave::Close | Leave::Finish => {
                kernel.write(self.connection, &mut self.unsent);
                self.unsent.clear();
                kernel.finish(self.connection);
                self.stage = Stage::Leaving;
                match &mut self.who {
                    Who::Sdk(sdk) => sdk.disconnect(ledger),
                    Who::Plain(_) => Ok(()),
                }
            }
        }
    }

    /// Whether everything it wrote was taken, and what it asked for was answered.
    pub(crate) fn is_settled(&self, kernel: &Kernel) -> bool {
        match self.stage {
            Stage::Absent(_) | Stage::Ended => true,
            Stage::Head | Stage::Leaving => false,
            Stage::Open => {
                self.unsent.is_empty()
                    && kernel.unreceived(self.connection) == 0
                    && kernel.unread(self.connection) == 0
                    && self.decoder.rest() == 0
                    && self.sdk().is_none_or(Sdk::is_answered)
            }
        }
    }
}
