//! Writes the fields of messages. What is 0, empty or not so is left out: readers take it for granted.

use crate::protocol::centrifugo::sink::{Sink, Write};

/// As many bytes as a number has, or more.
pub(crate) const VARINT_BYTES_MAX: usize = 10;
/// As many bytes as stand before what a field holds, or more: its number is below 2^25.
pub(crate) const NESTED_BYTES_MAX: usize = 4 + VARINT_BYTES_MAX;

/// What a field is written as.
const NUMBER: u32 = 0;
const BYTES: u32 = 2;

/// Writes a number, seven bits in each byte, the lowest first.
pub(super) fn varint(sink: &mut impl Sink, number: u64) {
    let mut bytes = [0; VARINT_BYTES_MAX];
    let (mut count, mut rest) = (0, number);
    loop {
        let low = u8::try_from(rest & 0x7f).expect("masked to seven bits");
        rest >>= 7;
        bytes[count] = low | if rest == 0 { 0 } else { 0x80 };
        count += 1;
        if rest == 0 {
            break;
        }
    }
    sink.put(&bytes[..count]);
}

fn tag(sink: &mut impl Sink, field: u32, kind: u32) {
    varint(sink, (field << 3 | kind).into());
}

/// Writes a number, unless it is 0.
pub(super) fn number(sink: &mut impl Sink, field: u32, number: u64) {
    if number != 0 {
        tag(sink, field, NUMBER);
        varint(sink, number);
    }
}

/// Says that something is so.
pub(super) fn truth(sink: &mut impl Sink, field: u32, is_so: bool) {
    number(sink, field, is_so.into());
}

/// Writes a text or other bytes, unless there are none.
pub(super) fn bytes(sink: &mut impl Sink, field: u32, bytes: &[u8]) {
    if !bytes.is_empty() {
        nested(sink, field, bytes.len());
        sink.put(bytes);
    }
}

/// Writes what stands before a field of so many bytes, which are to follow.
pub(super) fn nested(sink: &mut impl Sink, field: u32, bytes: usize) {
    tag(sink, field, BYTES);
    varint(sink, bytes as u64);
}

/// Writes a message that knows how long it is.
pub(super) fn message(sink: &mut impl Sink, field: u32, message: &impl Write) {
    nested(sink, field, message.bytes());
    message.write(sink);
}

/// Writes a message of which that is not known before it is written.
pub(super) fn message_of(out: &mut Vec<u8>, field: u32, write: impl FnOnce(&mut Vec<u8>)) {
    tag(out, field, BYTES);
    prefixed(out, write);
}

/// Writes what `write` does, behind its length.
pub(crate) fn prefixed(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    // What most have; it grows for those that have more.
    const LENGTH_BYTES: usize = 1;
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH_BYTES]);
    write(out);
    let mut length = Vec::new();
    varint(&mut length, (out.len() - start - LENGTH_BYTES) as u64);
    out.splice(start..start + LENGTH_BYTES, length);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = b"before".to_vec();
        write(&mut out);
        out.split_off(6)
    }

    /// Goal: fields are written as the encoding has them, and those that say nothing are not.
    #[test]
    fn fields_are_written() {
        assert_eq!(written(|out| number(out, 1, 0)), b"");
        assert_eq!(written(|out| number(out, 1, 300)), b"\x08\xac\x02");
        let most = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        assert_eq!(written(|out| number(out, 1, u64::MAX)), most);
        assert_eq!(written(|out| truth(out, 20, true)), b"\xa0\x01\x01");
        assert_eq!(written(|out| truth(out, 20, false)), b"");
        assert_eq!(written(|out| bytes(out, 2, b"")), b"");
        assert_eq!(written(|out| bytes(out, 2, b"hi")), b"\x12\x02hi");
    }

    /// Goal: the length of a message stands before it, however long it is, and whatever is before that.
    #[test]
    fn lengths_stand_before_messages() {
        for (bytes, length) in [
            (0, &b"\0"[..]),
            (127, b"\x7f"),
            (128, b"\x80\x01"),
            (70_000, b"\xf0\xa2\x04"),
        ] {
            let body = vec![7; bytes];
            let out = written(|out| prefixed(out, |out| out.extend_from_slice(&body)));
            assert_eq!(out, [length, &body].concat());
            let out = written(|out| message_of(out, 3, |out| out.extend_from_slice(&body)));
            assert_eq!(out, [b"\x1a", length, &body].concat());
        }
    }
}
