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
pub struct Utf8 {
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
    pub fn push(&mut self, mut piece: &[u8]) -> Result<(), InvalidUtf8> {
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
    pub fn finish(self) -> Result<(), InvalidUtf8> {
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
