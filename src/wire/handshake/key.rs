//! The key of a handshake, and the proof that the server understood it (RFC 6455 section 1.3).

use base64::alphabet;
use base64::engine::{DecodePaddingMode, Engine as _, GeneralPurpose, GeneralPurposeConfig};

/// What the server appends to the key (RFC 6455 section 1.3).
const KEY_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Canonical when encoding. When decoding it passes over the unused bits of the last character, which
/// the example key in RFC 6455 section 4.1 has set.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// Whether `key` is base64 of exactly 16 bytes, padding included.
pub(super) fn is_key(key: &[u8]) -> bool {
    let mut decoded = [0; 18];
    key.len() == 24 && BASE64.decode_slice(key, &mut decoded) == Ok(16)
}

/// The proof that the server understood `key` (RFC 6455 section 4.2.2, step 5.4).
pub(super) fn accept_key(key: &[u8]) -> [u8; 28] {
    let mut hash = sha1_smol::Sha1::new();
    hash.update(key);
    hash.update(KEY_SUFFIX);
    let mut accept = [b'='; 28];
    // 20 bytes always encode to 28; a mistake here would fail the first handshake of any test.
    let written = BASE64.encode_slice(hash.digest().bytes(), &mut accept);
    debug_assert_eq!(written, Ok(accept.len()));
    accept
}
