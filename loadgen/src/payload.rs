//! What a published message says: who, which and when, then padding that shows damage.
//!
//! Layout, little-endian: magic (4 bytes), publisher (4), sequence (8), planned time in nanoseconds
//! of `CLOCK_MONOTONIC` (8), then padding up to the size of the run.

/// Bytes before the padding, and so the smallest size of a message.
pub(crate) const HEADER_BYTES: usize = 24;

const MAGIC: [u8; 4] = *b"FNLD";

/// The byte at each place of the padding: never constant, so that a shifted payload is noticed.
const PADDING: [u8; 64] = {
    let mut bytes = [0; 64];
    let mut index = 0u8;
    while index < 64 {
        bytes[index as usize] = index.wrapping_mul(29) ^ 0x5a;
        index += 1;
    }
    bytes
};

/// The header of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// Begins like ours, but its length or padding is wrong.
    Corrupt,
    /// Something the server or somebody else in the room said.
    Foreign,
}

/// Writes a message of `out.len()` bytes, at least [`HEADER_BYTES`].
pub(crate) fn encode(payload: Payload, out: &mut [u8]) {
    let (header, padding) = out.split_at_mut(HEADER_BYTES);
    header[..4].copy_from_slice(&MAGIC);
    header[4..8].copy_from_slice(&payload.publisher.to_le_bytes());
    header[8..16].copy_from_slice(&payload.sequence.to_le_bytes());
    header[16..24].copy_from_slice(&payload.planned_ns.to_le_bytes());
    for chunk in padding.chunks_mut(PADDING.len()) {
        chunk.copy_from_slice(&PADDING[..chunk.len()]);
    }
}

/// Reads a message that should have `size` bytes.
#[inline]
pub(crate) fn decode(bytes: &[u8], size: usize) -> Decoded {
    let Some((magic, rest)) = bytes.split_first_chunk::<4>() else {
        return Decoded::Foreign;
    };
    if *magic != MAGIC {
        return Decoded::Foreign;
    }
    let fields = rest.split_first_chunk::<4>().and_then(|(publisher, rest)| {
        let (sequence, rest) = rest.split_first_chunk::<8>()?;
        let (planned_ns, padding) = rest.split_first_chunk::<8>()?;
        let payload = Payload {
            publisher: u32::from_le_bytes(*publisher),
            sequence: u64::from_le_bytes(*sequence),
            planned_ns: u64::from_le_bytes(*planned_ns),
        };
        Some((payload, padding))
    });
    match fields {
        Some((payload, padding)) if bytes.len() == size && is_padding(padding) => {
            Decoded::Ours(payload)
        }
        _ => Decoded::Corrupt,
    }
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

    // Goal: what goes out comes back the same, at every size around a padding block.
    #[test]
    fn messages_survive_the_trip() {
        for size in [24, 25, 64, 87, 88, 89, 1_000, 16_384] {
            let mut bytes = vec![0; size];
            encode(PAYLOAD, &mut bytes);
            assert_eq!(decode(&bytes, size), Decoded::Ours(PAYLOAD));
        }
    }

    // Goal: a damaged, cut or lengthened message is never taken for a whole one.
    #[test]
    fn damage_is_noticed() {
        let mut bytes = vec![0; 200];
        encode(PAYLOAD, &mut bytes);
        for cut in [4, 12, 23, 24, 199] {
            assert_eq!(decode(&bytes[..cut], 200), Decoded::Corrupt, "{cut} bytes");
        }
        for damaged in 24..200 {
            let mut copy = bytes.clone();
            copy[damaged] ^= 1;
            assert_eq!(decode(&copy, 200), Decoded::Corrupt, "byte {damaged}");
        }
    }

    // Goal: notices of the server are told apart from ours.
    #[test]
    fn other_messages_are_foreign() {
        assert_eq!(decode(b"{\"event\":\"connect\"}", 64), Decoded::Foreign);
        assert_eq!(decode(b"", 64), Decoded::Foreign);
    }
}
