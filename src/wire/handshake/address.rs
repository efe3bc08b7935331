//! The addresses WebSockets are served at: paths, room names, and the flags of a query.

use super::policy::Policy;
use crate::wire::http::Refusal;
use crate::wire::percent;

/// The longest room name, in bytes after percent-decoding: the same as of a channel.
pub const ROOM_BYTES_MAX: usize = 255;

/// Where clients that are in many rooms connect.
const CLIENT_PATH: &str = "/connection/websocket";

/// What a WebSocket address stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `/ws/<room>`, or `/ws` for the room with the empty name.
    Room(String),
    /// `/echo`: messages go back to their sender and nowhere else.
    Echo,
    /// `/connection/websocket`: the session says by commands which rooms it is in.
    Client,
}

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
                "No WebSocket is served at this address: connect to /ws, /ws/<room> or \
                 /connection/websocket.",
            )),
        }
    }
}

/// Reads the path of a request, which has no query any more.
pub(super) fn parse(path: &str, policy: &Policy<'_>) -> Address {
    if path == "/echo" && policy.echo {
        return Address::Endpoint(Endpoint::Echo);
    }
    if path == CLIENT_PATH {
        return Address::Endpoint(Endpoint::Client);
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
    let Some(bytes) = percent::decode(encoded) else {
        return Address::BadRoom(
            "The room's name has a % without two hexadecimal digits after it.",
        );
    };
    let Ok(name) = String::from_utf8(bytes.into_owned()) else {
        return Address::BadRoom("The room's name must be UTF-8, percent-encoded.");
    };
    if name.is_empty() || name.len() > ROOM_BYTES_MAX {
        return Address::BadRoom("The room's name must have 1 to 255 bytes.");
    }
    if name.contains(|character: char| character == '/' || character.is_control()) {
        return Address::BadRoom("The room's name must have no / and no control characters.");
    }
    Address::Endpoint(Endpoint::Room(name))
}

/// Whether a query says `name=value` anywhere.
pub(super) fn says(query: &str, name: &str, value: &str) -> bool {
    (query.split('&')).any(|pair| pair.split_once('=') == Some((name, value)))
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
