//! Packets of MQTT 3.1.1 (OASIS standard, chapter 3), as far as a client of QoS 0 needs them.

use std::str;

/// Types of packets, with the flags that belong to them.
const CONNECT: u8 = 0x10;
const PUBLISH: u8 = 0x30;
const SUBSCRIBE: u8 = 0x82;

/// What shows that the connection is alive (section 3.12).
pub(super) const PING: &[u8] = &[0xc0, 0];

/// The most bytes of a remaining length (section 2.2.3), and the largest one.
const LENGTH_BYTES_MAX: usize = 4;
pub(super) const REMAINING_MAX: usize = (1 << 28) - 1;

/// Flags of a connection (section 3.1.2.3).
const CLEAN_SESSION: u8 = 0x02;
const HAS_PASSWORD: u8 = 0x40;
const HAS_USER: u8 = 0x80;

/// The longest string, in bytes: its length has two (section 1.5.3).
pub(super) const STRING_BYTES_MAX: usize = u16::MAX as usize;

/// Number of the only subscription.
const SUBSCRIPTION: u16 = 1;

/// Who connects.
pub(super) struct Identity<'a> {
    pub(super) client: &'a [u8],
    pub(super) user: Option<&'a [u8]>,
    pub(super) password: Option<&'a [u8]>,
}

/// The packet that connects.
pub(super) fn connect(identity: &Identity<'_>, keep_alive_seconds: u16) -> Vec<u8> {
    let flag = |is_there: bool, flag| if is_there { flag } else { 0 };
    let flags = CLEAN_SESSION
        | flag(identity.user.is_some(), HAS_USER)
        | flag(identity.password.is_some(), HAS_PASSWORD);
    let mut body = Vec::new();
    append_string(b"MQTT", &mut body);
    body.extend_from_slice(&[4, flags]);
    body.extend_from_slice(&keep_alive_seconds.to_be_bytes());
    append_string(identity.client, &mut body);
    for string in [identity.user, identity.password].into_iter().flatten() {
        append_string(string, &mut body);
    }
    packet(CONNECT, &body)
}

/// The packet that subscribes to a topic with QoS 0.
pub(super) fn subscribe(topic: &[u8]) -> Vec<u8> {
    let mut body = SUBSCRIPTION.to_be_bytes().to_vec();
    append_string(topic, &mut body);
    body.push(0);
    packet(SUBSCRIBE, &body)
}

/// Appends the packet that publishes in a topic with QoS 0, up to its payload, which is all that is missing.
pub(super) fn publish(topic: &[u8], payload_bytes: usize, out: &mut Vec<u8>) {
    out.push(PUBLISH);
    let topic = &topic[..topic.len().min(STRING_BYTES_MAX)];
    append_length(2 + topic.len() + payload_bytes, out);
    append_string(topic, out);
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    append_length(body.len(), &mut out);
    out.extend_from_slice(body);
    out
}

/// Longer ones are cut: only a value that is one session's own can be that long.
fn append_string(bytes: &[u8], out: &mut Vec<u8>) {
    let bytes = &bytes[..bytes.len().min(STRING_BYTES_MAX)];
    let length = u16::try_from(bytes.len()).expect("STRING_BYTES_MAX at most");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// # Panics
/// With more than [`REMAINING_MAX`].
fn append_length(mut length: usize, out: &mut Vec<u8>) {
    assert!(length <= REMAINING_MAX, "no packet is that long");
    while length >= 0x80 {
        out.push(length.to_le_bytes()[0] | 0x80);
        length >>= 7;
    }
    out.push(length.to_le_bytes()[0]);
}

/// What a server says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet<'a> {
    /// The connection was accepted, or not: why.
    Connected(Result<(), String>),
    /// As above, for the subscription.
    Subscribed(Result<(), String>),
    Published {
        /// It was there before the subscription.
        is_retained: bool,
        payload: &'a [u8],
    },
    /// Anything else, such as the answer to a ping.
    Other,
}

/// The packet at the start of some bytes, and its size; `None` if it is not whole.
///
/// # Errors
/// That it is none.
pub(super) fn first(bytes: &[u8]) -> Result<Option<(Packet<'_>, usize)>, String> {
    let Some((&head, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    let Some((length, length_bytes)) = remaining(rest)? else {
        return Ok(None);
    };
    let Some(body) = rest[length_bytes..].get(..length) else {
        return Ok(None);
    };
    let packet = read(head, body).ok_or_else(|| {
        format!("the server sent what is no packet of MQTT 3.1.1, and begins with {head:#04x}")
    })?;
    Ok(Some((packet, 1 + length_bytes + length)))
}

/// The length at the start of some bytes, and its own size.
fn remaining(bytes: &[u8]) -> Result<Option<(usize, usize)>, String> {
    let mut length = 0;
    for (place, byte) in bytes.iter().take(LENGTH_BYTES_MAX).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(Some((length, place + 1)));
        }
    }
    match bytes.len() {
        0..LENGTH_BYTES_MAX => Ok(None),
        _ => Err("the server sent a length that MQTT does not have".to_owned()),
    }
}

fn read(head: u8, body: &[u8]) -> Option<Packet<'_>> {
    Some(match head >> 4 {
        2 => Packet::Connected(connect_result(*body.get(1)?)),
        3 => {
            let topic_bytes = usize::from(u16::from_be_bytes(*body.first_chunk()?));
            // With QoS 1 and 2 a number stands before the payload.
            let number_bytes = if head & 0x06 == 0 { 0 } else { 2 };
            let topic = body.get(2..2 + topic_bytes)?;
            str::from_utf8(topic).ok()?;
            Packet::Published {
                is_retained: head & 1 == 1,
                payload: body.get(2 + topic_bytes + number_bytes..)?,
            }
        }
        9 => Packet::Subscribed(match *body.get(2)? {
            0..=2 => Ok(()),
            code => Err(format!("code {code:#04x}")),
        }),
        // What only clients say, and what nobody does.
        0 | 1 | 8 | 10 | 12 | 14 | 15 => return None,
        _ => Packet::Other,
    })
}

/// What the code of an answer to a connection means (section 3.2.2.3).
fn connect_result(code: u8) -> Result<(), String> {
    let why = match code {
        0 => return Ok(()),
        1 => "it does not speak MQTT 3.1.1",
        2 => "the client identifier is not allowed",
        3 => "the service is not available",
        4 => "user or password is wrong",
        5 => "not authorized",
        _ => "for a reason of its own",
    };
    Err(format!("code {code}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: packets are the bytes that the standard says.
    #[test]
    fn packets_are_as_the_standard_says() {
        let mut identity = Identity {
            client: b"me",
            user: None,
            password: None,
        };
        assert_eq!(
            connect(&identity, 60),
            b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02me"
        );
        (identity.user, identity.password) = (Some(&b"u"[..]), Some(&b"pw"[..]));
        assert_eq!(
            connect(&identity, 0),
            b"\x10\x15\x00\x04MQTT\x04\xc2\x00\x00\x00\x02me\x00\x01u\x00\x02pw"
        );
        assert_eq!(subscribe(b"a/b"), b"\x82\x08\x00\x01\x00\x03a/b\x00");
        let mut out = Vec::new();
        publish(b"a/b", 200, &mut out);
        assert_eq!(out, b"\x30\xcd\x01\x00\x03a/b");
    }

    /// Goal: what comes is what it is, at every length of the length, and no sooner than it is whole.
    #[test]
    fn packets_are_read() {
        for payload_bytes in [0, 1, 120, 200, 16_384, 2_100_000] {
            let mut sent = Vec::new();
            publish(b"topic", payload_bytes, &mut sent);
            let payload = vec![b'x'; payload_bytes];
            sent.extend_from_slice(&payload);
            let published = Packet::Published {
                is_retained: false,
                payload: &payload,
            };
            assert_eq!(first(&sent), Ok(Some((published, sent.len()))));
            for cut in [0, 1, 2, sent.len() - 1] {
                assert_eq!(first(&sent[..cut.min(sent.len() - 1)]), Ok(None));
            }
        }
        let cases: [(&[u8], Packet<'_>); 5] = [
            (b"\x20\x02\x00\x00", Packet::Connected(Ok(()))),
            (b"\x90\x03\x00\x01\x00", Packet::Subscribed(Ok(()))),
            (b"\xd0\x00", Packet::Other),
            (
                b"\x31\x05\x00\x01aFN",
                Packet::Published {
                    is_retained: true,
                    payload: b"FN",
                },
            ),
            (
                b"\x3a\x07\x00\x01a\x00\x09FN",
                Packet::Published {
                    is_retained: false,
                    payload: b"FN",
                },
            ),
        ];
        for (bytes, packet) in cases {
            assert_eq!(first(bytes), Ok(Some((packet, bytes.len()))));
        }
    }

    /// Goal: refusals say why, and what is no packet is refused.
    #[test]
    fn refusals_say_why() {
        let Ok(Some((Packet::Connected(Err(why)), 4))) = first(b"\x20\x02\x00\x05") else {
            panic!("a refusal");
        };
        assert!(why.contains("5: not authorized"), "{why}");
        let Ok(Some((Packet::Subscribed(Err(why)), 5))) = first(b"\x90\x03\x00\x01\x80") else {
            panic!("a refusal");
        };
        assert!(why.contains("0x80"), "{why}");
        for wrong in [
            &b"\x00\x00"[..],
            b"\x10\x00",
            b"\x20\x00",
            b"\x30\x01\x00",
            b"\x30\x02\x00\x05",
            b"\x30\xff\xff\xff\xff",
        ] {
            assert!(first(wrong).is_err(), "{wrong:?}");
        }
    }
}
