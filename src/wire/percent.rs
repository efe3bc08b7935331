//! Percent-encoding, undone (RFC 3986 section 2.1).

use std::borrow::Cow;

/// The bytes that `text` stands for; `None` for a `%` without two hexadecimal digits after it.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, [u8]>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text.as_bytes()));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'%' {
            let (&[high, low], after) = after.split_first_chunk()?;
            decoded.push(hex(high)? << 4 | hex(low)?);
            rest = after;
        } else {
            decoded.push(byte);
            rest = after;
        }
    }
    Some(Cow::Owned(decoded))
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::decode;

    /// Goal: digits count in either case, and a `%` that is cut or followed by others is refused.
    #[test]
    fn encoded_bytes_are_decoded() {
        let table: [(&str, Option<&[u8]>); 8] = [
            ("", Some(b"")),
            ("plain+text", Some(b"plain+text")),
            ("%C3%a9%2f", Some("\u{e9}/".as_bytes())),
            ("%2565", Some(b"%65")),
            ("%", None),
            ("a%2", None),
            ("%zz", None),
            ("%+1", None),
        ];
        for (text, expected) in table {
            assert_eq!(decode(text).as_deref(), expected, "{text}");
        }
    }
}
