//! What a client makes of the bytes it is sent: its own small decoder, which shares no code with
//! the server's, and the messages that the simulation's clients write.

use std::sync::LazyLock;

use uuid::Uuid;

/// The longest frame a server may send in a simulation.
const FRAME_BYTES_MAX: u64 = 1 << 20;

/// What a message is filled up with: the bytes from `seq % 199` on.
static FILLING: LazyLock<Vec<u8>> =
    LazyLock::new(|| (0..600_000u32).map(|at| b'a' + (at % 23) as u8).collect());

/// A message or a notice, as a member of a room reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Entry {
    /// The `seq`-th message of a client.
    Message { author: u32, seq: u32 },
    /// Somebody joined.
    Connect(Uuid),
    /// Somebody left.
    Disconnect(Uuid),
    /// How many members there are.
    Count(u64),
    /// So many frames were skipped here.
    Gap(u64),
}

/// A whole frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// How many bytes came before it on its connection.
    pub(crate) at: u64,
    pub(crate) opcode: u8,
    pub(crate) payload: &'a [u8],
}

/// How long a frame is, as its header says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Length {
    pub(crate) header: usize,
    pub(crate) payload: usize,
}

/// Gathers bytes and gives out whole frames.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    bytes: Vec<u8>,
    taken: usize,
    /// Bytes that came before those.
    before: u64,
}

impl Decoder {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.taken > 0 {
            self.bytes.drain(..self.taken);
            self.before += self.taken as u64;
            self.taken = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Bytes that are no whole frame yet.
    pub(crate) fn rest(&self) -> usize {
        self.bytes.len() - self.taken
    }

    /// The bytes up to and including the blank line of a response head, once they are there.
    pub(crate) fn head(&mut self) -> Option<Vec<u8>> {
        let end = self.bytes.windows(4).position(|at| at == b"\r\n\r\n")? + 4;
        self.taken = end;
        Some(self.bytes[..end].to_vec())
    }

    /// The next whole frame; an error when the bytes break RFC 6455 section 5 or are none that
    /// this server sends.
    pub(crate) fn frame(&mut self) -> Result<Option<Frame<'_>>, String> {
        let bytes = &self.bytes[self.taken..];
        let Some(Length { header, payload }) = frame_length(bytes)? else {
            return Ok(None);
        };
        let end = header + payload;
        let Some(payload) = bytes.get(header..end) else {
            return Ok(None);
        };
        let at = self.before + self.taken as u64;
        self.taken += end;
        Ok(Some(Frame {
            at,
            opcode: bytes[0] & 0xf,
            payload,
        }))
    }
}

/// How long the frame is that begins with `bytes`, if its header is whole; an error when the server
/// sends none that begins so.
pub(crate) fn frame_length(bytes: &[u8]) -> Result<Option<Length>, String> {
    let [first, second, ..] = *bytes else {
        return Ok(None);
    };
    if !matches!(first, 0x81 | 0x82 | 0x88 | 0x89 | 0x8a) || second & 0x80 != 0 {
        return Err(format!("a frame begins with {first:#04x} {second:#04x}"));
    }
    let (header, length) = match second {
        126 => match bytes.get(2..4) {
            Some(long) => (4, u64::from(u16::from_be_bytes([long[0], long[1]]))),
            None => return Ok(None),
        },
        127 => match bytes.get(2..10) {
            Some(long) => (10, u64::from_be_bytes(long.try_into().expect("8 bytes"))),
            None => return Ok(None),
        },
        short => (2, u64::from(short)),
    };
    if length > FRAME_BYTES_MAX || (first >= 0x88 && length > 125) {
        return Err(format!("a frame {first:#04x} of {length} bytes"));
    }
    let payload = usize::try_from(length).expect("it is within the limit");
    Ok(Some(Length { header, payload }))
}

/// The payload of the `seq`-th message of `author`, of at least `bytes`.
pub(crate) fn compose(author: u32, seq: u32, bytes: usize) -> Vec<u8> {
    let mut payload = format!("{author}:{seq}:{bytes}:").into_bytes();
    let from = seq as usize % 199;
    payload.extend_from_slice(&FILLING[from..from + bytes]);
    payload
}

/// Who wrote the message that begins with `payload`; `None` when it is a notice or nothing.
pub(crate) fn author(payload: &[u8]) -> Option<u32> {
    let digits = payload.split(|&byte| byte == b':').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// What a text or binary payload says; an error when it is not, byte for byte, something that
/// somebody meant to say.
pub(crate) fn read(payload: &[u8]) -> Result<Entry, String> {
    if payload.first() == Some(&b'{') {
        return read_notice(payload);
    }
    let shown = || String::from_utf8_lossy(&payload[..payload.len().min(60)]).into_owned();
    let mut parts = payload.splitn(4, |&byte| byte == b':');
    let mut number = || {
        let digits = std::str::from_utf8(parts.next()?).ok()?;
        digits.parse::<u32>().ok()
    };
    let (Some(author), Some(seq), Some(bytes)) = (number(), number(), number()) else {
        return Err(format!("nobody wrote {:?}", shown()));
    };
    if payload != compose(author, seq, bytes as usize) {
        return Err(format!("message {:?} is damaged", shown()));
    }
    Ok(Entry::Message { author, seq })
}

fn read_notice(payload: &[u8]) -> Result<Entry, String> {
    let text = std::str::from_utf8(payload).map_err(|error| error.to_string())?;
    let between = |before: &str, after: &str| {
        let rest = text.strip_prefix(before)?;
        rest.strip_suffix(after)
    };
    let count = |digits: &str| digits.parse::<u64>().ok();
    let entry = between(r#"{"event":"connect","id":""#, r#""}"#)
        .and_then(|id| Uuid::parse_str(id).ok().map(Entry::Connect))
        .or_else(|| {
            between(r#"{"event":"disconnect","id":""#, r#""}"#)
                .and_then(|id| Uuid::parse_str(id).ok().map(Entry::Disconnect))
        })
        .or_else(|| {
            between(r#"{"event":"members","count":"#, "}")
                .and_then(count)
                .map(Entry::Count)
        })
        .or_else(|| {
            between(r#"{"event":"gap","missed":"#, "}")
                .and_then(count)
                .map(Entry::Gap)
        });
    entry.ok_or_else(|| format!("an unknown notice: {text}"))
}
