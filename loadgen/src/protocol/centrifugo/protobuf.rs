//! Centrifugo's protocol in Protobuf: each message of a frame has its length before it, and the data of a
//! publication is bytes. Of the schema (client.proto of `centrifugal/protocol`) the fields that matter are here,
//! by their numbers; all others are skipped.

use super::asked::{Offsets, Subscribe};
use super::heard::{Answer, Heard, Reason, Subscribed};
use crate::protocol::seam::{Notice, Position};

/// What answers a ping: an empty command.
pub(super) const PONG: &[u8] = &[0];

/// Fields of commands, replies and pushes.
const ID: u32 = 1;
const ERROR: u32 = 2;
const PUSH: u32 = 4;
const CONNECT_COMMAND: u32 = 4;
const CONNECT_RESULT: u32 = 5;
const SUBSCRIBE_COMMAND: u32 = 5;
const SUBSCRIBE_RESULT: u32 = 6;
const PUBLISH_COMMAND: u32 = 7;
const PUSH_PUBLICATION: u32 = 4;
const PUSH_JOIN: u32 = 5;
const PUSH_LEAVE: u32 = 6;
const PUSH_UNSUBSCRIBE: u32 = 7;
const PUSH_DISCONNECT: u32 = 11;

/// Fields of what is in them.
const TOKEN: u32 = 1;
const NAME: u32 = 4;
const CHANNEL: u32 = 1;
const CHANNEL_TOKEN: u32 = 2;
const RECOVER: u32 = 3;
const EPOCH: u32 = 6;
const OFFSET: u32 = 7;
const POSITIONED: u32 = 9;
const RECOVERABLE: u32 = 10;
const JOIN_LEAVE: u32 = 11;
const IS_RECOVERABLE: u32 = 3;
const RESULT_EPOCH: u32 = 6;
const RESULT_PUBLICATIONS: u32 = 7;
const IS_RECOVERED: u32 = 8;
const RESULT_OFFSET: u32 = 9;
const PUBLISH_DATA: u32 = 2;
const PUBLICATION_DATA: u32 = 4;
const PUBLICATION_OFFSET: u32 = 6;
const ERROR_CODE: u32 = 1;
const ERROR_MESSAGE: u32 = 2;
const UNSUBSCRIBE_CODE: u32 = 2;
const UNSUBSCRIBE_REASON: u32 = 3;
const DISCONNECT_CODE: u32 = 1;
const DISCONNECT_REASON: u32 = 2;
const CONNECT_PONG: u32 = 8;

/// The most bytes of a number.
const VARINT_BYTES_MAX: usize = 10;

/// The command that connects.
pub(super) fn connect(id: u32, token: Option<&[u8]>) -> Vec<u8> {
    let mut request = Vec::new();
    append_bytes(TOKEN, token.unwrap_or_default(), &mut request);
    append_bytes(NAME, b"fanload", &mut request);
    command(id, CONNECT_COMMAND, &request)
}

/// The command that subscribes.
pub(super) fn subscribe(id: u32, request: &Subscribe<'_>) -> Vec<u8> {
    let mut fields = Vec::new();
    append_bytes(CHANNEL, request.channel, &mut fields);
    append_bytes(
        CHANNEL_TOKEN,
        request.token.unwrap_or_default(),
        &mut fields,
    );
    if let Some(since) = request.since {
        append_number(RECOVER, 1, &mut fields);
        append_bytes(EPOCH, &since.epoch, &mut fields);
        append_number(OFFSET, since.offset, &mut fields);
    }
    let is_kept = u64::from(request.offsets == Offsets::Kept);
    append_number(POSITIONED, is_kept, &mut fields);
    append_number(RECOVERABLE, is_kept, &mut fields);
    append_number(JOIN_LEAVE, request.wants_notices.into(), &mut fields);
    command(id, SUBSCRIBE_COMMAND, &fields)
}

fn command(id: u32, field: u32, request: &[u8]) -> Vec<u8> {
    let mut command = Vec::new();
    append_varint(key(ID, 0), &mut command);
    append_varint(id.into(), &mut command);
    // Also when it is empty: that it is there is what it says.
    append_varint(key(field, 2), &mut command);
    append_length(request.len(), &mut command);
    command.extend_from_slice(request);
    let mut out = Vec::new();
    append_length(command.len(), &mut out);
    out.extend_from_slice(&command);
    out
}

/// Appends the command that publishes, up to its data, which is all that is missing.
pub(super) fn publish(id: u32, channel: &[u8], data_bytes: usize, out: &mut Vec<u8>) {
    let request_bytes = field_size(channel.len()) + field_size(data_bytes);
    let id_bytes = 1 + varint_size(id.into());
    append_length(id_bytes + field_size(request_bytes), out);
    append_varint(key(ID, 0), out);
    append_varint(id.into(), out);
    append_varint(key(PUBLISH_COMMAND, 2), out);
    append_length(request_bytes, out);
    append_bytes(CHANNEL, channel, out);
    append_varint(key(PUBLISH_DATA, 2), out);
    append_length(data_bytes, out);
}

/// Size of a field that holds so many bytes; its key has one, since its number is below 16.
fn field_size(bytes: usize) -> usize {
    1 + varint_size(bytes as u64) + bytes
}

fn varint_size(value: u64) -> usize {
    let bits = u64::BITS - value.leading_zeros();
    bits.div_ceil(7).max(1) as usize
}

fn key(field: u32, wire_type: u32) -> u64 {
    u64::from(field << 3 | wire_type)
}

fn append_bytes(field: u32, bytes: &[u8], out: &mut Vec<u8>) {
    if !bytes.is_empty() {
        append_varint(key(field, 2), out);
        append_length(bytes.len(), out);
        out.extend_from_slice(bytes);
    }
}

/// Nothing if it is 0, as the encoding has it.
fn append_number(field: u32, value: u64, out: &mut Vec<u8>) {
    if value > 0 {
        append_varint(key(field, 0), out);
        append_varint(value, out);
    }
}

fn append_length(bytes: usize, out: &mut Vec<u8>) {
    append_varint(bytes as u64, out);
}

fn append_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// What is left of some bytes that are read from their start.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for (place, byte) in self.0.iter().take(VARINT_BYTES_MAX).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                self.0 = &self.0[place + 1..];
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// Bytes with their length before them.
    fn piece(&mut self) -> Option<&'a [u8]> {
        let length = self.varint()?;
        self.take(usize::try_from(length).ok()?)
    }

    /// The next field, with its number; a field of a fixed size counts as 0.
    fn field(&mut self) -> Option<(u32, Value<'a>)> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => Value::Number(self.take(8).map(|_| 0)?),
            2 => Value::Bytes(self.piece()?),
            5 => Value::Number(self.take(4).map(|_| 0)?),
            _ => return None,
        };
        Some((u32::try_from(key >> 3).ok()?, value))
    }
}

#[derive(Clone, Copy)]
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Number(_) => None,
        }
    }

    fn number(self) -> Option<u32> {
        self.long().and_then(|number| u32::try_from(number).ok())
    }

    fn long(self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Bytes(_) => None,
        }
    }
}

/// The last value of a field in a message, if it has one. `None` outside if the message can't be read.
fn find(message: &[u8], wanted: u32) -> Option<Option<Value<'_>>> {
    let mut found = None;
    let mut bytes = Bytes(message);
    while !bytes.0.is_empty() {
        let (field, value) = bytes.field()?;
        if field == wanted {
            found = Some(value);
        }
    }
    Some(found)
}

/// A number and a text of a message.
fn reason(message: &[u8], code: u32, text: u32) -> Option<Reason> {
    let code = match find(message, code)? {
        Some(code) => code.number()?,
        None => 0,
    };
    let text = match find(message, text)? {
        Some(text) => text.bytes()?,
        None => &[],
    };
    let text = String::from_utf8_lossy(text).into_owned();
    Some(Reason { code, text })
}

/// Takes a frame apart.
///
/// # Errors
/// What `each` says, or that it can't be read.
pub(super) fn hear<'a>(
    frame: &'a [u8],
    mut each: impl FnMut(Heard<'a>) -> Result<(), String>,
) -> Result<(), String> {
    let mut bytes = Bytes(frame);
    while !bytes.0.is_empty() {
        let heard = bytes.piece().and_then(read);
        let wrong = || "the server sent what is not a reply in Protobuf".to_owned();
        each(heard.ok_or_else(wrong)?)?;
    }
    Ok(())
}

fn read(message: &[u8]) -> Option<Heard<'_>> {
    let (mut id, mut answer) = (0, Answer::Done);
    let mut bytes = Bytes(message);
    while !bytes.0.is_empty() {
        match bytes.field()? {
            (ID, value) => id = value.number()?,
            (ERROR, value) => {
                answer = Answer::Refused(reason(value.bytes()?, ERROR_CODE, ERROR_MESSAGE)?);
            }
            (PUSH, value) => return read_push(value.bytes()?),
            (CONNECT_RESULT, value) => {
                let pong = find(value.bytes()?, CONNECT_PONG)?;
                let wants_pong = pong.and_then(Value::number).is_some_and(|pong| pong != 0);
                answer = Answer::Connected { wants_pong };
            }
            (SUBSCRIBE_RESULT, value) => answer = Answer::Subscribed(subscribed(value.bytes()?)?),
            _ => {}
        }
    }
    Some(match id {
        0 => Heard::Ping,
        id => Heard::Answer { id, answer },
    })
}

fn subscribed(result: &[u8]) -> Option<Subscribed<'_>> {
    let mut subscribed = Subscribed::default();
    let (mut is_recoverable, mut position) = (false, Position::default());
    let mut bytes = Bytes(result);
    while !bytes.0.is_empty() {
        match bytes.field()? {
            (IS_RECOVERABLE, value) => is_recoverable = value.long()? != 0,
            (RESULT_EPOCH, value) => position.epoch = value.bytes()?.to_vec(),
            (RESULT_OFFSET, value) => position.offset = value.long()?,
            (IS_RECOVERED, value) => subscribed.is_recovered = value.long()? != 0,
            (RESULT_PUBLICATIONS, value) => {
                let (data, offset) = publication(value.bytes()?)?;
                subscribed.missed.push(data);
                subscribed.last_offset = offset;
            }
            _ => {}
        }
    }
    subscribed.position = is_recoverable.then_some(position);
    Some(subscribed)
}

/// The data of a publication, and its offset if it has one.
fn publication(message: &[u8]) -> Option<(&[u8], Option<u64>)> {
    let (mut data, mut offset) = (&[][..], None);
    let mut bytes = Bytes(message);
    while !bytes.0.is_empty() {
        match bytes.field()? {
            (PUBLICATION_DATA, value) => data = value.bytes()?,
            (PUBLICATION_OFFSET, value) => offset = Some(value.long()?),
            _ => {}
        }
    }
    Some((data, offset))
}

fn read_push(push: &[u8]) -> Option<Heard<'_>> {
    let mut bytes = Bytes(push);
    while !bytes.0.is_empty() {
        let (field, value) = bytes.field()?;
        match field {
            PUSH_PUBLICATION => {
                let (bytes, offset) = publication(value.bytes()?)?;
                return Some(Heard::Publication { bytes, offset });
            }
            PUSH_JOIN => return Some(Heard::Noticed(Notice::Joined)),
            PUSH_LEAVE => return Some(Heard::Noticed(Notice::Left)),
            PUSH_UNSUBSCRIBE => {
                let why = reason(value.bytes()?, UNSUBSCRIBE_CODE, UNSUBSCRIBE_REASON)?;
                return Some(Heard::Unsubscribed(why));
            }
            PUSH_DISCONNECT => {
                let why = reason(value.bytes()?, DISCONNECT_CODE, DISCONNECT_REASON)?;
                return Some(Heard::Unsubscribed(why));
            }
            _ => {}
        }
    }
    Some(Heard::Other(push))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(frame: &[u8]) -> Result<Vec<String>, String> {
        let mut all = Vec::new();
        hear(frame, |heard| {
            all.push(format!("{heard:?}"));
            Ok(())
        })?;
        Ok(all)
    }

    fn message(fields: &[&[u8]]) -> Vec<u8> {
        let body = fields.concat();
        let mut out = Vec::new();
        append_length(body.len(), &mut out);
        [out, body].concat()
    }

    fn bytes(field: u32, value: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        append_varint(key(field, 2), &mut out);
        append_length(value.len(), &mut out);
        out.extend_from_slice(value);
        out
    }

    /// Goal: commands are the bytes that the schema says.
    #[test]
    fn commands_are_as_the_schema_says() {
        assert_eq!(
            connect(1, Some(b"tok")),
            b"\x12\x08\x01\x22\x0e\x0a\x03tok\x22\x07fanload"
        );
        let plain = Subscribe::to(b"room");
        assert_eq!(subscribe(2, &plain), b"\x0a\x08\x02\x2a\x06\x0a\x04room");
        let full = Subscribe {
            token: Some(b"tok"),
            wants_notices: true,
            ..plain
        };
        assert_eq!(
            subscribe(2, &full),
            b"\x11\x08\x02\x2a\x0d\x0a\x04room\x12\x03tok\x58\x01"
        );
        let mut out = Vec::new();
        publish(300, b"room", 5, &mut out);
        out.extend_from_slice(b"hello");
        assert_eq!(out, b"\x12\x08\xac\x02\x3a\x0d\x0a\x04room\x12\x05hello");
        let (mut long, data) = (Vec::new(), vec![b'x'; 70_000]);
        publish(u32::MAX, b"room", data.len(), &mut long);
        long.extend_from_slice(&data);
        let mut read = Bytes(&long);
        assert_eq!(read.piece().map(<[u8]>::len), Some(70_000 + 20));
        assert!(read.0.is_empty(), "lengths fit");
    }

    /// Goal: every message of a frame is read, fields that nobody knows are skipped, and each is what it is.
    #[test]
    fn frames_are_read() {
        let published = bytes(PUBLICATION_DATA, b"\"FNLD\"");
        let published = [&b"\x30\x07\x6d\0\0\0\0"[..], &published].concat();
        let push = [bytes(2, b"room"), bytes(PUSH_PUBLICATION, &published)].concat();
        let frame = [
            message(&[]),
            message(&[&bytes(PUSH, &push)]),
            message(&[b"\x08\x01", &bytes(CONNECT_RESULT, b"\x38\x19\x40\x01")]),
            message(&[b"\x08\x03", &bytes(ERROR, b"\x08\x6f\x12\x04slow\x18\x01")]),
            message(&[&bytes(
                PUSH,
                &bytes(PUSH_UNSUBSCRIBE, b"\x10\xc4\x13\x1a\x02no"),
            )]),
            message(&[&bytes(PUSH, &bytes(PUSH_JOIN, b""))]),
            message(&[&bytes(PUSH, &bytes(PUSH_LEAVE, b"\x0a\x00"))]),
            message(&[&bytes(PUSH, &bytes(8, b""))]),
        ];
        let all = heard(&frame.concat()).unwrap();
        assert_eq!(all[0], "Ping");
        let data = format!(
            "Publication {{ bytes: {:?}, offset: Some(7) }}",
            b"\"FNLD\""
        );
        assert_eq!(all[1], data);
        assert_eq!(
            all[2],
            "Answer { id: 1, answer: Connected { wants_pong: true } }"
        );
        assert_eq!(
            all[3],
            "Answer { id: 3, answer: Refused(Reason { code: 111, text: \"slow\" }) }"
        );
        assert_eq!(all[4], "Unsubscribed(Reason { code: 2500, text: \"no\" })");
        assert_eq!(all[5..7], ["Noticed(Joined)", "Noticed(Left)"]);
        assert!(all[7].starts_with("Other"));
    }

    /// Goal: no cut and no nonsense is taken for a message, nor stops the program.
    #[test]
    fn nonsense_is_refused() {
        let whole = message(&[b"\x08\x03", &bytes(ERROR, b"\x08\x6f\x12\x04slow")]);
        for cut in 1..whole.len() {
            assert!(heard(&whole[..cut]).is_err(), "cut at {cut}");
        }
        for wrong in [
            &b"\x01\x0b"[..],
            &[0xff; 12],
            b"\x02\x22\x7f",
            b"\x02\x0a\x00",
        ] {
            assert!(heard(wrong).is_err(), "{wrong:?}");
        }
    }
}
