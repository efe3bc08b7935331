//! Strings and numbers of JSON.

use uuid::Uuid;

use crate::protocol::centrifugo::sink::Sink;

/// What is written for a byte of a string where that is not the byte itself.
fn escape(byte: u8) -> Option<&'static [u8]> {
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
        b'"' => Some(b"\\\""),
        b'\\' => Some(b"\\\\"),
        b'\n' => Some(b"\\n"),
        b'\r' => Some(b"\\r"),
        b'\t' => Some(b"\\t"),
        _ => CONTROLS.get(usize::from(byte)).map(<[u8; 6]>::as_slice),
    }
}

/// Writes a string, quotes and all.
pub(crate) fn string(sink: &mut impl Sink, text: &str) {
    sink.put(b"\"");
    let bytes = text.as_bytes();
    let mut start = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if let Some(escaped) = escape(byte) {
            sink.put(&bytes[start..at]);
            sink.put(escaped);
            start = at + 1;
        }
    }
    sink.put(&bytes[start..]);
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

/// Writes a session's name.
pub(crate) fn uuid(sink: &mut impl Sink, uuid: Uuid) {
    let mut buffer = Uuid::encode_buffer();
    let text = uuid.hyphenated().encode_lower(&mut buffer);
    sink.put(b"\"");
    sink.put(text.as_bytes());
    sink.put(b"\"");
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
