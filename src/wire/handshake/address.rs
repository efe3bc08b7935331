//! The addresses WebSockets are served at: paths, room names, and the flags of a query.

use std::borrow::Cow;

use super::{Endpoint, Policy, ROOM_BYTES_MAX, Refusal};

/// What a path stands for.
pub(super) enum Address {
    Endpoint(Endpoint),
    /// Below `/ws/`, but no room can have this name; the sentence says why.
    BadRoom(&'static str),
    Other,
}

impl Address {
    /// What a session at this address talks to, or why there is none.
    pub(super) fn endpoint(self) -> Result<Endpoint, Refusal> {
        match self {
            Self::Endpoint(endpoint) => Ok(endpoint),
            Self::BadRoom(sentence) => Err(Refusal::new(400, sentence)),
            Self::Other => Err(Refusal::new(
                404,
                "No WebSocket is served at this address: connect to /ws or /ws/<room>.",
            )),
        }
    }
}

/// Reads the path of a request, which has no query any more.
pub(super) fn parse(path: &str, policy: &Policy<'_>) -> Address {
    if path == "/echo" && policy.echo {
        return Address::Endpoint(Endpoint::Echo);
    }
    let Some(below) = path.strip_prefix("/ws") else {
        return Address::Other;
    };
    if below.is_empty() {
        return Address::Endpoint(Endpoint::Room(String::new()));
    }
    let Some(encoded) = below.strip_prefix('/') else {
        return Address::Other;
    };
    let Some(bytes) = percent_decode(encoded) else {
        return Address::BadRoom(
            "The room's name has a % without two hexadecimal digits after it.",
        );
    };
    let Ok(name) = String::from_utf8(bytes.into_owned()) else {
        return Address::BadRoom("The room's name must be UTF-8, percent-encoded.");
    };
    if name.is_empty() || name.len() > ROOM_BYTES_MAX {
        return Address::BadRoom("The room's name must have 1 to 128 bytes.");
    }
    if name.contains(|character: char| character == '/' || character.is_control()) {
        return Address::BadRoom("The room's name must have no / and no control characters.");
    }
    Address::Endpoint(Endpoint::Room(name))
}

/// Undoes percent-encoding (RFC 3986 section 2.1); `None` for a `%` without two digits.
fn percent_decode(text: &str) -> Option<Cow<'_, [u8]>> {
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

/// The last `name=0` or `name=1` of a query; other values say nothing.
pub(super) fn flag(query: &str, name: &str) -> Option<bool> {
    query
        .split('&')
        .rev()
        .find_map(|pair| match pair.split_once('=') {
            Some((found, "0")) if found == name => Some(false),
            Some((found, "1")) if found == name => Some(true),
            _ => None,
        })
}
