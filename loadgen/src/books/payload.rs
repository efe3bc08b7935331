//! What a published message says: whose, who, which and when, then padding that shows damage.
//!
//! All of it is printable ASCII that needs no escape in JSON, so that the same payload travels as
//! text, as binary and inside an envelope. Numbers are written six bits to a character, most
//! significant first. Layout: magic (4 characters), run (4), publisher (4), sequence (8), planned
//! time in nanoseconds of `CLOCK_MONOTONIC` (10, which last for 36 years), bytes of the whole
//! payload (4), check of all that (2), then padding.

use std::ops::Range;

/// Bytes before the padding, and so the smallest size of a message.
pub(crate) const HEADER_BYTES: usize = 36;

/// The largest message, in bytes: what the length in the header can say.
pub(crate) const SIZE_MAX: usize = (16 << 20) - 1;

/// The most publishers the header can tell apart.
pub(crate) const PUBLISHERS_MAX: u32 = 1 << 24;

/// Bits of the number of a run.
pub(crate) const RUN_BITS: u32 = 24;

const MAGIC: [u8; 4] = *b"FNLD";
const RUN: Range<usize> = 4..8;
const PUBLISHER: Range<usize> = 8..12;
const SEQUENCE: Range<usize> = 12..20;
const PLANNED: Range<usize> = 20..30;
const SIZE: Range<usize> = 30..34;
const CHECK: Range<usize> = 34..HEADER_BYTES;

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
    /// One of this run, whole.
    Ours(Payload),
    /// Begins like ours, but its header, length or padding is wrong.
    Corrupt,
    /// Something the server or somebody else in the room said, another run of this program included.
    Foreign,
}

/// Writes a message of `out.len()` bytes, at least [`HEADER_BYTES`].
pub(crate) fn encode(run: u32, payload: Payload, out: &mut [u8]) {
    let size = out.len() as u64;
    let (header, padding) = out.split_at_mut(HEADER_BYTES);
    header[..MAGIC.len()].copy_from_slice(&MAGIC);
    put(u64::from(run), &mut header[RUN]);
    put(u64::from(payload.publisher), &mut header[PUBLISHER]);
    put(payload.sequence, &mut header[SEQUENCE]);
    put(payload.planned_ns, &mut header[PLANNED]);
    put(size, &mut header[SIZE]);
    let check = check(&header[..CHECK.start]);
    put(check, &mut header[CHECK]);
    for chunk in padding.chunks_mut(PADDING.len()) {
        chunk.copy_from_slice(&PADDING[..chunk.len()]);
    }
}

/// Reads the messages of one run; keeps the last few, because a fan-out delivers each of them many
/// times.
#[derive(Debug)]
pub(crate) struct Decoder {
    run: u32,
    memos: [(Vec<u8>, Payload); MEMOS],
}

impl Decoder {
    pub(crate) fn new(run: u32) -> Self {
        Self {
            run,
            memos: std::array::from_fn(|_| (Vec::new(), Payload::default())),
        }
    }

    /// Reads a message that is one payload and nothing else.
    #[inline]
    pub(crate) fn decode(&mut self, message: &[u8]) -> Decoded {
        if message.len() < HEADER_BYTES || !message.starts_with(&MAGIC) {
            return if message.starts_with(&MAGIC) {
                Decoded::Corrupt
            } else {
                Decoded::Foreign
            };
        }
        let memo = &mut self.memos[memo_of(message)];
        if message == memo.0.as_slice() {
            return Decoded::Ours(memo.1);
        }
        match read(message, self.run) {
            Ok((payload, size)) if size == message.len() => {
                remember(memo, message, payload);
                Decoded::Ours(payload)
            }
            Ok(_) => Decoded::Corrupt,
            Err(decoded) => decoded,
        }
    }

    /// Reads the next payload of a message that may hold several, with anything around them; also
    /// gives where it ends. None if there is none.
    #[inline]
    pub(crate) fn find(&mut self, message: &[u8]) -> Option<(Decoded, usize)> {
        let start = find(message)?;
        let bytes = &message[start..];
        // Behind what is damaged, the next one may begin anywhere.
        let behind_magic = start + MAGIC.len();
        if bytes.len() < HEADER_BYTES {
            return Some((Decoded::Corrupt, behind_magic));
        }
        let memo = &mut self.memos[memo_of(bytes)];
        if !memo.0.is_empty() && bytes.starts_with(&memo.0) {
            return Some((Decoded::Ours(memo.1), start + memo.0.len()));
        }
        match read(bytes, self.run) {
            Ok((payload, size)) => {
                remember(memo, &bytes[..size], payload);
                Some((Decoded::Ours(payload), start + size))
            }
            Err(decoded) => Some((decoded, behind_magic)),
        }
    }
}

/// Where what is remembered of such a message stands.
#[inline]
fn memo_of(header: &[u8]) -> usize {
    usize::from(VALUES[usize::from(header[SEQUENCE.end - 1])]) % MEMOS
}

fn remember(memo: &mut (Vec<u8>, Payload), bytes: &[u8], payload: Payload) {
    if bytes.len() <= MEMO_BYTES_MAX {
        memo.0.clear();
        memo.0.extend_from_slice(bytes);
        memo.1 = payload;
    }
}

/// Where the next payload begins.
fn find(message: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let rest = &message[from..];
        let at = from + rest.iter().position(|&byte| byte == MAGIC[0])?;
        if message[at..].starts_with(&MAGIC) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// Reads a payload that begins with the magic and may be followed by something else: what it says, and its size.
fn read(bytes: &[u8], run: u32) -> Result<(Payload, usize), Decoded> {
    let (own, payload, size) = parse(bytes).ok_or(Decoded::Corrupt)?;
    if own != u64::from(run) {
        return Err(Decoded::Foreign);
    }
    let padding = bytes.get(HEADER_BYTES..size).ok_or(Decoded::Corrupt)?;
    if !is_padding(padding) {
        return Err(Decoded::Corrupt);
    }
    Ok((payload, size))
}

/// The run, the header and the size.
fn parse(bytes: &[u8]) -> Option<(u64, Payload, usize)> {
    if get(&bytes[CHECK])? != check(&bytes[..CHECK.start]) {
        return None;
    }
    let payload = Payload {
        publisher: u32::try_from(get(&bytes[PUBLISHER])?).ok()?,
        sequence: get(&bytes[SEQUENCE])?,
        planned_ns: get(&bytes[PLANNED])?,
    };
    let size = usize::try_from(get(&bytes[SIZE])?).ok()?;
    Some((get(&bytes[RUN])?, payload, size))
}

fn put(mut value: u64, out: &mut [u8]) {
    for digit in out.iter_mut().rev() {
        *digit = DIGITS[(value % 64) as usize];
        value /= 64;
    }
    debug_assert_eq!(value, 0, "it has more digits than there is room for");
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

    const RUN: u32 = 0xabc_def;
    const PAYLOAD: Payload = Payload {
        publisher: 3,
        sequence: 1 << 40,
        planned_ns: 987_654_321,
    };

    fn message(payload: Payload, size: usize) -> Vec<u8> {
        let mut bytes = vec![0; size];
        encode(RUN, payload, &mut bytes);
        bytes
    }

    fn decode(bytes: &[u8]) -> Decoded {
        Decoder::new(RUN).decode(bytes)
    }

    /// Everything that is found in a message.
    fn all(decoder: &mut Decoder, mut message: &[u8]) -> Vec<Decoded> {
        let mut found = Vec::new();
        while let Some((decoded, end)) = decoder.find(message) {
            found.push(decoded);
            message = &message[end..];
        }
        found
    }

    /// Goal: what goes out comes back the same, at every size around a padding block, and is text.
    #[test]
    fn messages_survive_the_trip() {
        for size in [36, 37, 64, 99, 100, 101, 1_000, 16_384, 100_000] {
            let bytes = message(PAYLOAD, size);
            assert_eq!(decode(&bytes), Decoded::Ours(PAYLOAD));
            assert!(
                bytes
                    .iter()
                    .all(|byte| byte.is_ascii_graphic() && *byte != b'"')
            );
        }
        let extreme = Payload {
            publisher: PUBLISHERS_MAX - 1,
            sequence: (1 << 48) - 1,
            planned_ns: (1 << 60) - 1,
        };
        let most = (1 << RUN_BITS) - 1;
        let mut bytes = vec![0; HEADER_BYTES];
        encode(most, extreme, &mut bytes);
        assert_eq!(Decoder::new(most).decode(&bytes), Decoded::Ours(extreme));
    }

    /// Goal: a damaged, cut or lengthened message is never taken for a whole one, whatever was
    /// decoded before it.
    #[test]
    fn damage_is_noticed() {
        let bytes = message(PAYLOAD, 200);
        let mut decoder = Decoder::new(RUN);
        assert_eq!(decoder.decode(&bytes), Decoded::Ours(PAYLOAD));
        for cut in [4, 12, 35, 36, 199] {
            assert_eq!(decoder.decode(&bytes[..cut]), Decoded::Corrupt, "{cut}");
        }
        let longer = [&bytes[..], b"A"].concat();
        assert_eq!(decoder.decode(&longer), Decoded::Corrupt);
        for damaged in 4..200 {
            let mut copy = bytes.clone();
            copy[damaged] ^= 1;
            assert_eq!(decoder.decode(&copy), Decoded::Corrupt, "byte {damaged}");
        }
        assert_eq!(decoder.decode(&bytes), Decoded::Ours(PAYLOAD));
    }

    /// Goal: an envelope around a payload does not matter, and a cut one does.
    #[test]
    fn envelopes_are_opened() {
        let bytes = message(PAYLOAD, 100);
        let sent = [b"{\"room\":\"F\",\"data\":\"", &bytes[..], b"\"}"].concat();
        let mut decoder = Decoder::new(RUN);
        for _ in 0..2 {
            assert_eq!(all(&mut decoder, &sent), [Decoded::Ours(PAYLOAD)]);
        }
        let cut = [b"{\"data\":\"", &bytes[..90], b"\"}"].concat();
        assert_eq!(all(&mut decoder, &cut), [Decoded::Corrupt]);
        assert_eq!(all(&mut decoder, &sent[..40]), [Decoded::Corrupt]);
        assert_eq!(all(&mut decoder, b"{\"joined\":1,\"F\":\"FNL\"}"), []);
    }

    /// Goal: of several payloads in one message each is found, of any size, in any order and behind a
    /// damaged one too.
    #[test]
    fn every_payload_of_a_message_is_found() {
        let of = |sequence| Payload {
            sequence,
            ..PAYLOAD
        };
        let [first, second, third] = [(1, 36), (65, 36), (2, 150)].map(|(sequence, size)| {
            let bytes = message(of(sequence), size);
            (Decoded::Ours(of(sequence)), bytes)
        });
        let frame =
            |parts: [&[u8]; 3]| [b"[\"", parts[0], b"\",\"", parts[1], parts[2], b"\"]"].concat();
        let mut decoder = Decoder::new(RUN);
        let whole = frame([&first.1, &second.1, &third.1]);
        for _ in 0..2 {
            assert_eq!(all(&mut decoder, &whole), [first.0, second.0, third.0]);
        }
        let other = frame([&third.1, &first.1, &second.1]);
        assert_eq!(all(&mut decoder, &other), [third.0, first.0, second.0]);
        let mut damaged = third.1.clone();
        damaged[100] ^= 1;
        let spoilt = frame([&damaged, &first.1[..20], &second.1]);
        let expected = [Decoded::Corrupt, Decoded::Corrupt, second.0];
        assert_eq!(all(&mut decoder, &spoilt), expected);
    }

    /// Goal: notices of the server are told apart from ours, and so is another run, whatever it says.
    #[test]
    fn other_messages_are_foreign() {
        assert_eq!(decode(b"{\"event\":\"connect\"}"), Decoded::Foreign);
        assert_eq!(decode(b""), Decoded::Foreign);
        let (other, bytes) = (RUN + 1, message(PAYLOAD, 100));
        let mut decoder = Decoder::new(other);
        assert_eq!(decoder.decode(&bytes), Decoded::Foreign);
        assert_eq!(
            all(&mut decoder, &[&bytes[..], b"}"].concat()),
            [Decoded::Foreign]
        );
        let mut own = bytes.clone();
        encode(other, PAYLOAD, &mut own);
        assert_eq!(decoder.decode(&own), Decoded::Ours(PAYLOAD));
        assert_eq!(decoder.decode(&bytes), Decoded::Foreign);
    }

    /// Goal: padding never looks like the beginning of a payload.
    #[test]
    fn padding_holds_no_magic() {
        let bytes = message(PAYLOAD, 1_000);
        assert_eq!(find(&bytes[HEADER_BYTES..]), None);
    }
}
