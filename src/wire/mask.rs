//! XOR masking of payloads (RFC 6455 section 5.3), a word at a time and in place.

/// Masks or unmasks `payload` in place with `key`; the two are the same operation.
///
/// `phase` is how many payload bytes of the same frame came before this piece, so that a payload
/// cut anywhere continues with the right byte of the key. Only its lowest two bits count.
#[inline]
pub fn apply(payload: &mut [u8], key: [u8; 4], phase: usize) {
    let turned = u32::from_le_bytes(key).rotate_right([0, 8, 16, 24][phase & 3]);
    let word = (u64::from(turned) << 32) | u64::from(turned);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for chunk in words {
        *chunk = (u64::from_le_bytes(*chunk) ^ word).to_le_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(word.to_le_bytes()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::apply;

    /// RFC 6455 section 5.3 word for word: octet i is XORed with key octet i mod 4.
    fn naive(payload: &mut [u8], key: [u8; 4], phase: usize) {
        for (index, byte) in payload.iter_mut().enumerate() {
            *byte ^= key[(index + phase) % 4];
        }
    }

    /// Goal: every phase, length and alignment up to a few words equals the definition.
    #[test]
    fn equals_the_definition() {
        let source: Vec<u8> = (0..=255u8).map(|byte| byte.wrapping_mul(37)).collect();
        let key = [0x37, 0xfa, 0x21, 0x3d];
        for start in 0..9 {
            for bytes in 0..72 {
                for phase in 0..8 {
                    let mut fast = source.clone();
                    let mut slow = source.clone();
                    apply(&mut fast[start..start + bytes], key, phase);
                    naive(&mut slow[start..start + bytes], key, phase);
                    assert_eq!(fast, slow, "start {start} bytes {bytes} phase {phase}");
                }
            }
        }
    }

    /// Goal: the masked "Hello" of RFC 6455 section 5.7 is unmasked.
    #[test]
    fn unmasks_the_example_of_the_rfc() {
        let mut payload = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
        apply(&mut payload, [0x37, 0xfa, 0x21, 0x3d], 0);
        assert_eq!(&payload, b"Hello");
    }

    /// Goal: cutting a payload in two at any place changes nothing.
    #[test]
    fn continues_over_a_cut() {
        let whole: Vec<u8> = (0..100).collect();
        let key = [1, 2, 4, 8];
        let mut expected = whole.clone();
        apply(&mut expected, key, 0);
        for cut in 0..=whole.len() {
            let mut pieces = whole.clone();
            let (left, right) = pieces.split_at_mut(cut);
            apply(left, key, 0);
            apply(right, key, cut);
            assert_eq!(pieces, expected, "cut at {cut}");
        }
    }
}
