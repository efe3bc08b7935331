//! Reads the fields of messages, borrowed and one level at a time, so that no message can go deeper than
//! the code that asks for it.

use std::borrow::Cow;

/// The bytes are no message, or a field is of another kind than it is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// A number.
    Number(u64),
    /// A text, bytes or a message.
    Bytes(&'a [u8]),
    /// A number of 32 or 64 bits as no field of this protocol has it.
    Fixed,
}

impl<'a> Value<'a> {
    /// The number that it is.
    pub(super) const fn number(self) -> Result<u64, Malformed> {
        match self {
            Self::Number(number) => Ok(number),
            Self::Bytes(_) | Self::Fixed => Err(Malformed),
        }
    }

    /// The same where only 32 bits of it count.
    pub(super) fn number_32(self) -> Result<u32, Malformed> {
        let low = self.number()? & u64::from(u32::MAX);
        Ok(u32::try_from(low).expect("masked to as many bits"))
    }

    /// Whether it is so.
    pub(super) fn truth(self) -> Result<bool, Malformed> {
        Ok(self.number()? != 0)
    }

    /// The bytes that it has.
    pub(super) const fn bytes(self) -> Result<&'a [u8], Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Number(_) | Self::Fixed => Err(Malformed),
        }
    }

    /// The text that it is.
    pub(super) fn text(self) -> Result<Cow<'a, str>, Malformed> {
        let text = simdutf8::basic::from_utf8(self.bytes()?).map_err(|_| Malformed)?;
        Ok(Cow::Borrowed(text))
    }
}

/// The fields of a message, in its order; the first that is malformed is the last.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Those of the message that `bytes` are.
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = std::mem::take(&mut self.0);
        if bytes.is_empty() {
            return None;
        }
        Some(field(bytes).ok_or(Malformed).map(|(number, value, rest)| {
            self.0 = rest;
            (number, value)
        }))
    }
}

/// The first field: its number, what it holds, and what follows.
fn field(bytes: &[u8]) -> Option<(u32, Value<'_>, &[u8])> {
    let (tag, bytes) = varint(bytes)?;
    let tag = u32::try_from(tag).ok()?;
    let number = tag >> 3;
    let (value, rest) = match tag & 7 {
        0 => {
            let (number, rest) = varint(bytes)?;
            (Value::Number(number), rest)
        }
        1 => (Value::Fixed, bytes.get(8..)?),
        2 => {
            let (inner, rest) = prefixed(bytes)?;
            (Value::Bytes(inner), rest)
        }
        5 => (Value::Fixed, bytes.get(4..)?),
        // Groups are long gone, and the other kinds never were.
        _ => return None,
    };
    (number != 0).then_some((number, value, rest))
}

/// The bytes behind the length that stands in front of them, and what follows those.
pub(crate) fn prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = varint(bytes)?;
    rest.split_at_checked(usize::try_from(length).ok()?)
}

/// The number that `bytes` begin with, seven bits in each byte, the lowest first; and what follows.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (at, &byte) in bytes.iter().enumerate().take(10) {
        // Of the tenth byte only one bit is left for.
        if at == 9 && byte > 1 {
            return None;
        }
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            return Some((number, &bytes[at + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: numbers of every length are read, and those that are cut or too long are none.
    #[test]
    fn varints_are_read() {
        for (bytes, number) in [
            (&b"\0"[..], 0),
            (b"\x7f", 127),
            (b"\x80\x01", 128),
            (b"\x80\0", 0),
            (b"\xff\xff\xff\xff\x0f", u64::from(u32::MAX)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", u64::MAX),
        ] {
            let with_rest = [bytes, b"rest"].concat();
            assert_eq!(varint(&with_rest), Some((number, &b"rest"[..])));
            assert_eq!(varint(&bytes[..bytes.len() - 1]), None);
        }
        assert_eq!(varint(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), None);
        assert_eq!(varint(&[0x80; 11]), None);
    }

    /// Goal: fields of all kinds are read or passed over, and what is no field ends the message.
    #[test]
    fn fields_are_read() {
        let bytes = b"\x08\x07\x12\x02hi\x1d\0\0\0\0\x21\0\0\0\0\0\0\0\0\xfa\x7f\0";
        let fields: Result<Vec<_>, _> = Fields::new(bytes).collect();
        let expected = vec![
            (1, Value::Number(7)),
            (2, Value::Bytes(b"hi")),
            (3, Value::Fixed),
            (4, Value::Fixed),
            (2047, Value::Bytes(b"")),
        ];
        assert_eq!(fields, Ok(expected));
        for malformed in [
            &b"\x08"[..],
            b"\x12\x03hi",
            b"\x1d\0\0\0",
            b"\x21\0\0\0\0\0\0\0",
            b"\0\0",
            b"\x0b\x0c",
            b"\x0e",
            b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\xf8\xff\xff\xff\xff\x01\0",
        ] {
            let last = Fields::new(malformed).last();
            assert_eq!(last, Some(Err(Malformed)), "{malformed:x?}");
        }
    }

    /// Goal: a field of another kind than it is to be is refused, and a text that is none.
    #[test]
    fn kinds_are_held_to() {
        assert_eq!(Value::Number(1).bytes(), Err(Malformed));
        assert_eq!(Value::Bytes(b"").number(), Err(Malformed));
        assert_eq!(Value::Fixed.truth(), Err(Malformed));
        assert_eq!(Value::Bytes(b"\xff").text(), Err(Malformed));
        assert_eq!(Value::Number(u64::MAX).number_32(), Ok(u32::MAX));
    }
}
