//! Strings and numbers of JSON.

use uuid::Uuid;

use crate::protocol::centrifugo::sink::Sink;

/// Whether a byte of a string may not stand for itself.
const fn is_escaped(byte: u8) -> bool {
    // Without a branch, so that several are looked at in one step.
    (byte < b' ') | (byte == b'"') | (byte == b'\\')
}

/// What is written for one of those.
fn escape(byte: u8) -> &'static [u8] {
    static CONTROLS: [[u8; 6]; 32] = {
        let digits = b"0123456789abcdef";
        let mut escapes = [*b"\\u00xx"; 32];
        let mut byte = 0;
        while byte < 32 {
            escapes[byte][4] = digits[byte >> 4];
            escapes[byte][5] = digits[byte & 15];
            byte += 1;
        }
        escapes
    };
    match byte {
        b'"' => b"\\\"",
        b'\\' => b"\\\\",
        b'\n' => b"\\n",
        b'\r' => b"\\r",
        b'\t' => b"\\t",
        _ => &CONTROLS[usize::from(byte)],
    }
}

/// How many bytes from the beginning on stand for themselves.
pub(super) fn plain_bytes(bytes: &[u8]) -> usize {
    let is_plain = |chunk: &&[u8; 16]| {
        let escaped = chunk.map(|byte| u8::from(is_escaped(byte)));
        escaped.into_iter().fold(0, |any, escaped| any | escaped) == 0
    };
    let (chunks, _) = bytes.as_chunks();
    let plain = 16 * chunks.iter().take_while(is_plain).count();
    let rest = &bytes[plain..];
    let more = rest.iter().position(|&byte| is_escaped(byte));
    plain + more.unwrap_or(rest.len())
}

/// Writes a string, quotes and all.
pub(crate) fn string(sink: &mut impl Sink, text: &str) {
    sink.put(b"\"");
    let mut rest = text.as_bytes();
    loop {
        let (plain, escaped) = rest.split_at(plain_bytes(rest));
        sink.put(plain);
        let Some((&byte, behind)) = escaped.split_first() else {
            break;
        };
        sink.put(escape(byte));
        rest = behind;
    }
    sink.put(b"\"");
}

/// Writes a string of letters.
pub(crate) fn letters(sink: &mut impl Sink, letters: &[u8]) {
    debug_assert!(letters.iter().all(u8::is_ascii_alphabetic));
    sink.put(b"\"");
    sink.put(letters);
    sink.put(b"\"");
}

/// As many bytes as [`string`] writes of so many, or more.
pub(crate) const fn string_bytes_max(text_bytes: usize) -> usize {
    2 + 6 * text_bytes
}

/// Bytes of a session's name with the quotes around it.
pub(crate) const UUID_BYTES: usize = 1 + uuid::fmt::Hyphenated::LENGTH + 1;

/// A session's name as a string.
pub(crate) fn uuid(uuid: Uuid) -> [u8; UUID_BYTES] {
    let mut text = [b'"'; UUID_BYTES];
    uuid.hyphenated().encode_lower(&mut text[1..]);
    text
}

/// As many bytes as a number has, or more.
pub(crate) const NUMBER_BYTES_MAX: usize = 20;

/// Writes a number.
pub(crate) fn number(sink: &mut impl Sink, number: u64) {
    let mut digits = [0; NUMBER_BYTES_MAX];
    let (mut start, mut rest) = (digits.len(), number);
    loop {
        start -= 1;
        digits[start] = b'0' + u8::try_from(rest % 10).expect("a digit");
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    sink.put(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{number, string, string_bytes_max};

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        string(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    /// Goal: what would end a string or a line is escaped, and nothing else.
    #[test]
    fn strings_are_escaped() {
        assert_eq!(written(""), "\"\"");
        assert_eq!(written("news:é</>&\u{7f}"), "\"news:é</>&\u{7f}\"");
        assert_eq!(written("a\"b\\c"), r#""a\"b\\c""#);
        assert_eq!(
            written("\n\r\t\0\u{8}\u{1f}"),
            r#""\n\r\t\u0000\u0008\u001f""#
        );
    }

    /// Goal: numbers are written as they are everywhere.
    #[test]
    fn numbers_are_decimal() {
        for value in [0, 1, 9, 10, 4_294_967_296, u64::MAX] {
            let mut out = Vec::new();
            number(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), value.to_string());
        }
    }

    proptest! {
        /// Goal: any text reads as it was, and takes no more than was said.
        #[test]
        fn strings_read_as_they_were(text in any::<String>()) {
            let json = written(&text);
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), &*text);
            prop_assert!(json.len() <= string_bytes_max(text.len()));
            prop_assert!(json.bytes().all(|byte| byte >= b' '));
        }
    }
}
