//! What a published message says: who, which and when, then padding that shows damage.
//!
//! All of it is printable ASCII that needs no escape in JSON, so that the same payload travels as
//! text, as binary and inside an envelope. Numbers are written six bits to a character, most
//! significant first. Layout: magic (4 characters), publisher (4), sequence (11), planned time in
//! nanoseconds of `CLOCK_MONOTONIC` (11), bytes of the whole payload (4), check of all that (2),
//! then padding.

/// Bytes before the padding, and so the smallest size of a message.
pub(crate) const HEADER_BYTES: usize = 36;

/// The largest message, in bytes: what the length in the header can say.
pub(crate) const SIZE_MAX: usize = (16 << 20) - 1;

/// The most publishers the header can tell apart.
pub(crate) const PUBLISHERS_MAX: u32 = 1 << 24;

const MAGIC: [u8; 4] = *b"FNLD";
const CHECKED_BYTES: usize = HEADER_BYTES - 2;

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The value of each digit; 64 for what is none.
const VALUES: [u8; 256] = {
    let mut values = [64; 256];
    let mut index = 0u8;
    while index < 64 {
        values[DIGITS[index as usize] as usize] = index;
        index += 1;
    }
    values
};

/// The byte at each place of the padding: never constant, so that a shifted payload is noticed.
const PADDING: [u8; 64] = {
    let mut bytes = [0; 64];
    let mut index = 0;
    while index < 64 {
        bytes[index] = DIGITS[(index * 29 + 11) % 64];
        index += 1;
    }
    bytes
};

/// Decoded messages that are remembered, since every subscriber gets the same bytes: one for each
/// value of the last digit of the sequence, because a burst comes to one session as a whole before
/// it comes to the next.
const MEMOS: usize = DIGITS.len();

/// The longest message that is remembered, in bytes: beyond it the padding is what takes time.
const MEMO_BYTES_MAX: usize = 4096;

/// The header of one message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Payload {
    pub(crate) publisher: u32,
    pub(crate) sequence: u64,
    pub(crate) planned_ns: u64,
}

/// What a received message turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// One of ours, whole.
    Ours(Payload),
    /// Begins like ours, but its header, length or padding is wrong.
    Corrupt,
    /// Something the server or somebody else in the room said.
    Foreign,
}

/// Writes a message of `out.len()` bytes, at least [`HEADER_BYTES`].
pub(crate) fn encode(payload: Payload, out: &mut [u8]) {
    let size = out.len() as u64;
    let (header, padding) = out.split_at_mut(HEADER_BYTES);
    header[..4].copy_from_slice(&MAGIC);
    put(u64::from(payload.publisher), &mut header[4..8]);
    put(payload.sequence, &mut header[8..19]);
    put(payload.planned_ns, &mut header[19..30]);
    put(size, &mut header[30..34]);
    let check = check(&header[..CHECKED_BYTES]);
    put(check, &mut header[CHECKED_BYTES..]);
    for chunk in padding.chunks_mut(PADDING.len()) {
        chunk.copy_from_slice(&PADDING[..chunk.len()]);
    }
}

/// Reads messages; keeps the last few, because a fan-out delivers each of them many times.
#[derive(Debug)]
pub(crate) struct Decoder {
    memos: [(Vec<u8>, Payload); MEMOS],
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            memos: std::array::from_fn(|_| (Vec::new(), Payload::default())),
        }
    }
}

impl Decoder {
    /// Reads a message. With an envelope the payload may begin and end anywhere in it.
    #[inline]
    pub(crate) fn decode(&mut self, message: &[u8], enveloped: bool) -> Decoded {
        let start = if enveloped { find(message) } else { 0 };
        let bytes = message.get(start..).unwrap_or_default();
        if bytes.len() < HEADER_BYTES || bytes[..4] != MAGIC {
            return if bytes.starts_with(&MAGIC) {
                Decoded::Corrupt
            } else {
                Decoded::Foreign
            };
        }
        let memo = &mut self.memos[usize::from(VALUES[usize::from(bytes[18])]) % MEMOS];
        if bytes == memo.0.as_slice() {
            return Decoded::Ours(memo.1);
        }
        let Some((payload, size)) = parse(bytes) else {
            return Decoded::Corrupt;
        };
        let is_whole = if enveloped {
            bytes.len() >= size
        } else {
            bytes.len() == size
        };
        if !is_whole || size < HEADER_BYTES || !is_padding(&bytes[HEADER_BYTES..size]) {
            return Decoded::Corrupt;
        }
        if bytes.len() <= MEMO_BYTES_MAX {
            memo.0.clear();
            memo.0.extend_from_slice(bytes);
            memo.1 = payload;
        }
        Decoded::Ours(payload)
    }
}

/// Where the payload begins in an envelope; the end of the message when it holds none.
fn find(message: &[u8]) -> usize {
    message
        .windows(MAGIC.len())
        .position(|window| window == MAGIC)
        .unwrap_or(message.len())
}

fn parse(bytes: &[u8]) -> Option<(Payload, usize)> {
    if get(&bytes[CHECKED_BYTES..HEADER_BYTES])? != check(&bytes[..CHECKED_BYTES]) {
        return None;
    }
    let payload = Payload {
        publisher: u32::try_from(get(&bytes[4..8])?).ok()?,
        sequence: get(&bytes[8..19])?,
        planned_ns: get(&bytes[19..30])?,
    };
    Some((payload, usize::try_from(get(&bytes[30..34])?).ok()?))
}

fn put(mut value: u64, out: &mut [u8]) {
    for digit in out.iter_mut().rev() {
        *digit = DIGITS[(value % 64) as usize];
        value /= 64;
    }
}

fn get(digits: &[u8]) -> Option<u64> {
    let mut bad = 0;
    let mut value = 0u64;
    for &digit in digits {
        let digit = VALUES[usize::from(digit)];
        bad |= digit & 64;
        value = value << 6 | u64::from(digit & 63);
    }
    (bad == 0).then_some(value)
}

/// Twelve bits that depend on every digit. Eight bytes at a time, since in a burst each message of each
/// subscriber is checked: the high bits of a product depend on all bits of its factors.
#[inline]
fn check(header: &[u8]) -> u64 {
    let mut sum = 0u64;
    for chunk in header.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        sum = (sum ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        sum ^= sum >> 32;
    }
    sum >> 52
}

#[inline]
fn is_padding(bytes: &[u8]) -> bool {
    bytes
        .chunks(PADDING.len())
        .all(|chunk| *chunk == PADDING[..chunk.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYLOAD: Payload = Payload {
        publisher: 3,
        sequence: 1 << 40,
        planned_ns: 987_654_321,
    };

    fn decode(bytes: &[u8]) -> Decoded {
        Decoder::default().decode(bytes, false)
    }

    /// Goal: what goes out comes back the same, at every size around a padding block, and is text.
    #[test]
    fn messages_survive_the_trip() {
        for size in [36, 37, 64, 99, 100, 101, 1_000, 16_384, 100_000] {
            let mut bytes = vec![0; size];
            encode(PAYLOAD, &mut bytes);
            assert_eq!(decode(&bytes), Decoded::Ours(PAYLOAD));
            assert!(
                bytes
                    .iter()
                    .all(|byte| byte.is_ascii_graphic() && *byte != b'"')
            );
        }
        let extreme = Payload {
            publisher: PUBLISHERS_MAX - 1,
            sequence: u64::MAX,
            planned_ns: u64::MAX,
        };
        let mut bytes = vec![0; 36];
        encode(extreme, &mut bytes);
        assert_eq!(decode(&bytes), Decoded::Ours(extreme));
    }

    /// Goal: a damaged, cut or lengthened message is never taken for a whole one, whatever was
    /// decoded before it.
    #[test]
    fn damage_is_noticed() {
        let mut bytes = vec![0; 200];
        encode(PAYLOAD, &mut bytes);
        let mut decoder = Decoder::default();
        assert_eq!(decoder.decode(&bytes, false), Decoded::Ours(PAYLOAD));
        for cut in [4, 12, 35, 36, 199] {
            assert_eq!(
                decoder.decode(&bytes[..cut], false),
                Decoded::Corrupt,
                "{cut}"
            );
        }
        let longer = [&bytes[..], b"A"].concat();
        assert_eq!(decoder.decode(&longer, false), Decoded::Corrupt);
        for damaged in 4..200 {
            let mut copy = bytes.clone();
            copy[damaged] ^= 1;
            assert_eq!(
                decoder.decode(&copy, false),
                Decoded::Corrupt,
                "byte {damaged}"
            );
        }
        assert_eq!(decoder.decode(&bytes, false), Decoded::Ours(PAYLOAD));
    }

    /// Goal: an envelope around a payload does not matter, and a cut one does.
    #[test]
    fn envelopes_are_opened() {
        let mut bytes = vec![0; 100];
        encode(PAYLOAD, &mut bytes);
        let sent = [b"{\"room\":\"F\",\"data\":\"", &bytes[..], b"\"}"].concat();
        let mut decoder = Decoder::default();
        for _ in 0..2 {
            assert_eq!(decoder.decode(&sent, true), Decoded::Ours(PAYLOAD));
        }
        let cut = [b"{\"data\":\"", &bytes[..90], b"\"}"].concat();
        assert_eq!(decoder.decode(&cut, true), Decoded::Corrupt);
        assert_eq!(decoder.decode(b"{\"joined\":1}", true), Decoded::Foreign);
    }

    /// Goal: notices of the server are told apart from ours.
    #[test]
    fn other_messages_are_foreign() {
        assert_eq!(decode(b"{\"event\":\"connect\"}"), Decoded::Foreign);
        assert_eq!(decode(b""), Decoded::Foreign);
    }
}
