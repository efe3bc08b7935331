//! UTF-8 validation of text that arrives in pieces (RFC 6455 section 8.1, RFC 3629).
//!
//! Fails at the first byte that no valid text could have at its place, even if that is the last
//! byte of a piece. It keeps at most three bytes: the start of a code point that was cut.

use thiserror::Error;

/// The text is not UTF-8, or ends within a code point.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the text is not valid UTF-8")]
pub struct InvalidUtf8;

/// Checks a text that is whole.
///
/// # Errors
/// [`InvalidUtf8`] when it is not UTF-8.
pub fn check(text: &[u8]) -> Result<(), InvalidUtf8> {
    simdutf8::basic::from_utf8(text)
        .map(|_| ())
        .map_err(|_| InvalidUtf8)
}

/// The state of a text whose pieces are checked one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Utf8 {
    /// The start of a code point that the last piece cut: the first `cut_bytes` of these.
    cut: [u8; 4],
    cut_bytes: u8,
}

impl Utf8 {
    /// Checks the next piece; linear in its length whatever the pieces are.
    ///
    /// # Errors
    /// [`InvalidUtf8`] when no continuation could make the text up to here valid. The state is
    /// of no use afterwards.
    pub(crate) fn push(&mut self, mut piece: &[u8]) -> Result<(), InvalidUtf8> {
        while self.cut_bytes > 0 {
            let Some((&byte, rest)) = piece.split_first() else {
                return Ok(());
            };
            piece = rest;
            self.extend_cut(byte)?;
        }
        let (whole, tail) = piece.split_at(piece.len() - unfinished_bytes(piece));
        check(whole)?;
        for &byte in tail {
            self.extend_cut(byte)?;
        }
        Ok(())
    }

    /// Ends the text.
    ///
    /// # Errors
    /// [`InvalidUtf8`] when the text stops within a code point.
    pub(crate) fn finish(self) -> Result<(), InvalidUtf8> {
        if self.cut_bytes == 0 {
            Ok(())
        } else {
            Err(InvalidUtf8)
        }
    }

    /// Adds a byte to the code point that is not complete; forgets it when it became complete.
    fn extend_cut(&mut self, byte: u8) -> Result<(), InvalidUtf8> {
        let bytes = usize::from(self.cut_bytes);
        self.cut[bytes] = byte;
        self.cut_bytes = match std::str::from_utf8(&self.cut[..=bytes]) {
            Ok(_) => 0,
            // No error length means "valid so far, more is needed", which four bytes never give.
            Err(error) if error.error_len().is_none() => self.cut_bytes + 1,
            Err(_) => return Err(InvalidUtf8),
        };
        Ok(())
    }
}

/// How many bytes at the end of `piece` belong to a code point that continues after it: 0 to 3.
fn unfinished_bytes(piece: &[u8]) -> usize {
    for (index, &byte) in piece.iter().rev().take(3).enumerate() {
        let code_point_bytes = match byte {
            0x80..=0xbf => continue,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xff => 4,
            0x00..=0x7f => 1,
        };
        let present = index + 1;
        return if present < code_point_bytes {
            present
        } else {
            0
        };
    }
    0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{InvalidUtf8, Utf8, check};

    /// The first byte at which no continuation can be valid, found one byte at a time.
    fn first_bad_byte(text: &[u8]) -> Option<usize> {
        (0..text.len()).find(|&index| {
            std::str::from_utf8(&text[..=index])
                .is_err_and(|error| error.error_len().is_some() || error.valid_up_to() + 4 <= index)
        })
    }

    /// Pushes `text` in pieces that end at `cuts`; gives the end of the piece that failed.
    fn failing_piece(text: &[u8], cuts: &[usize]) -> Result<Utf8, usize> {
        let mut utf8 = Utf8::default();
        let mut start = 0;
        for end in cuts.iter().copied().chain([text.len()]) {
            utf8.push(&text[start..end]).map_err(|InvalidUtf8| end)?;
            start = end;
        }
        Ok(utf8)
    }

    /// Goal: what RFC 3629 forbids fails at the byte named, whether that byte comes alone, ends its
    /// piece or stands amid others.
    #[test]
    fn fails_at_the_first_bad_byte() {
        let cases: &[(&[u8], usize)] = &[
            (b"\x80", 0),
            (b"\xbf", 0),
            (b"\xc0\x80", 0),
            (b"\xc1\xbf", 0),
            (b"\xc2\x41", 1),
            (b"\xe0\x80\x80", 1),
            (b"\xe0\x9f\xbf", 1),
            (b"\xe1\x80\x41", 2),
            (b"\xed\xa0\x80", 1),
            (b"\xed\xbf\xbf", 1),
            (b"\xf0\x80\x80\x80", 1),
            (b"\xf0\x8f\xbf\xbf", 1),
            (b"\xf0\x90\x80\x41", 3),
            (b"\xf4\x90\x80\x80", 1),
            (b"\xf5\x80\x80\x80", 0),
            (b"\xf8\x88\x80\x80\x80", 0),
            (b"\xfe", 0),
            (b"\xff", 0),
        ];
        for prefix in [
            "",
            "a",
            "κόσμε",
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdefé",
        ] {
            for &(bad, index) in cases {
                let text = [prefix.as_bytes(), bad, b"tail"].concat();
                let at = prefix.len() + index;
                assert_eq!(first_bad_byte(&text), Some(at), "the reference on {bad:x?}");
                for cut in 0..=at {
                    let mut utf8 = Utf8::default();
                    assert_eq!(utf8.push(&text[..cut]), Ok(()), "{bad:x?} up to {cut}");
                    let rest = utf8.push(&text[cut..=at]);
                    assert_eq!(rest, Err(InvalidUtf8), "{bad:x?} cut at {cut}");
                }
                assert_eq!(check(&text), Err(InvalidUtf8));
            }
        }
    }

    /// Goal: each first and last code point of a length passes byte by byte, and none may be cut at
    /// the end.
    #[test]
    fn takes_the_bounds_of_each_length() {
        for code_point in [
            0x0, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xfffd, 0xffff, 0x1_0000, 0x10_ffff,
        ] {
            let text = char::from_u32(code_point)
                .expect("a code point")
                .to_string();
            let mut utf8 = Utf8::default();
            for (index, byte) in text.bytes().enumerate() {
                assert_eq!(utf8.finish().is_ok(), index == 0, "{code_point:x}");
                assert_eq!(utf8.push(&[byte]), Ok(()), "{code_point:x}");
            }
            assert_eq!(utf8.finish(), Ok(()), "{code_point:x}");
        }
    }

    /// Text with a few bytes replaced: often valid, often nearly so.
    fn nearly_text() -> impl Strategy<Value = Vec<u8>> {
        let flips = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
        (any::<String>(), flips).prop_map(|(text, flips)| {
            let mut bytes = text.into_bytes();
            for (index, byte) in flips {
                if !bytes.is_empty() {
                    let at = index.index(bytes.len());
                    bytes[at] = byte;
                }
            }
            bytes
        })
    }

    proptest! {
        /// Goal: any split gives the verdict of the standard library, in the piece that has the
        /// first bad byte.
        #[test]
        fn equals_the_standard_library(
            text in prop_oneof![nearly_text(), prop::collection::vec(any::<u8>(), 0..40)],
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.sort_unstable();
            match (failing_piece(&text, &cuts), first_bad_byte(&text)) {
                (Ok(utf8), None) => {
                    prop_assert_eq!(utf8.finish().is_ok(), std::str::from_utf8(&text).is_ok());
                }
                (Err(end), Some(bad)) => {
                    let expected = cuts.iter().copied().find(|&cut| cut > bad).unwrap_or(text.len());
                    prop_assert_eq!(end, expected);
                }
                (verdict, bad) => prop_assert!(false, "{:?} but first bad {:?}", verdict, bad),
            }
        }
    }
}
