//! Every door, every kind of name, with a token or without.

use super::Door::{Client, Events, Plain, Rooms};
use super::Entry::{Reader, Refused, Writer};
use super::*;
use crate::config::chat::channel::Channels;
use crate::config::chat::options::{Options, Permission};

/// What users may, and the anonymous may not.
const USERS: Permission = Permission {
    client: true,
    subscriber: false,
    anonymous: false,
};

fn options() -> Options {
    Options {
        presence: true,
        subscribe: USERS,
        publish: USERS,
        read_presence: USERS,
        ..Options::default()
    }
}

/// A server with a namespace for each kind of door: `shut` has the defaults but for what users may,
/// `open` opens all doors to users, `free` to everybody, `read` to everybody who does not publish, and
/// `own` is for those that a name names.
fn server() -> Chat {
    let open = Options {
        allow_plain: true,
        ..options()
    };
    let free = Options {
        subscribe: Permission::ALL,
        publish: Permission::ALL,
        read_presence: Permission::ALL,
        ..open.clone()
    };
    let read = Options {
        publish: Permission::default(),
        ..free.clone()
    };
    let own = Options {
        allow_user_limited_channels: true,
        ..open.clone()
    };
    let namespaces = [
        ("shut", options()),
        ("open", open),
        ("free", free),
        ("read", read),
        ("own", own),
    ];
    let owned = namespaces.map(|(name, options)| (name.to_owned(), options));
    Chat {
        channel: Channels {
            namespaces: owned.into_iter().collect(),
            ..Channels::default()
        },
        ..Chat::settled()
    }
}

/// What there is to show: nothing, the anonymous user's token, that of user 42, one to subscribe to
/// the room, one to subscribe to another.
fn passes(room: &str) -> [Pass<'_>; 5] {
    [
        Pass::Nothing,
        Pass::Connection(""),
        Pass::Connection("42"),
        Pass::Subscription {
            user: "42",
            channel: room,
        },
        Pass::Subscription {
            user: "42",
            channel: "free:other",
        },
    ]
}

/// What each of [`passes`] is good for at a door, in a room.
type Row = (Door, &'static str, [Entry; 5]);

const SHUT: [Entry; 5] = [Refused; 5];
const USERS_WRITE: [Entry; 5] = [Refused, Refused, Writer, Writer, Refused];
const USERS_READ: [Entry; 5] = [Refused, Refused, Reader, Reader, Refused];
const ALL_WRITE: [Entry; 5] = [Writer, Writer, Writer, Writer, Refused];
const ALL_READ: [Entry; 5] = [Reader, Reader, Reader, Reader, Refused];
const TOKEN_WRITES: [Entry; 5] = [Refused, Refused, Refused, Writer, Refused];
const TOKEN_READS: [Entry; 5] = [Refused, Refused, Refused, Reader, Refused];

const TABLE: &[Row] = &[
    // A namespace that opens nothing: only Centrifugo's protocol comes in.
    (Client, "shut:a", USERS_WRITE),
    (Plain, "shut:a", SHUT),
    (Events, "shut:a", SHUT),
    (Rooms, "shut:a", SHUT),
    // One that opens its doors to users.
    (Client, "open:a", USERS_WRITE),
    (Plain, "open:a", USERS_WRITE),
    (Events, "open:a", USERS_READ),
    (Rooms, "open:a", USERS_READ),
    // To everybody.
    (Client, "free:a", ALL_WRITE),
    (Plain, "free:a", ALL_WRITE),
    (Events, "free:a", ALL_READ),
    (Rooms, "free:a", ALL_READ),
    // To everybody who listens.
    (Client, "read:a", ALL_READ),
    (Plain, "read:a", ALL_READ),
    (Events, "read:a", ALL_READ),
    (Rooms, "read:a", ALL_READ),
    // Private: a token for the channel, by whatever door.
    (Client, "$free:a", TOKEN_WRITES),
    (Plain, "$free:a", TOKEN_WRITES),
    (Events, "$free:a", TOKEN_READS),
    (Rooms, "$free:a", TOKEN_READS),
    (Client, "$shut:a", TOKEN_WRITES),
    (Plain, "$shut:a", SHUT),
    (Events, "$shut:a", SHUT),
    (Rooms, "$shut:a", SHUT),
    // A name with users: never without a token where there is no handshake of its own.
    (
        Plain,
        "free:a#42",
        [Refused, Writer, Writer, Writer, Refused],
    ),
    (
        Events,
        "free:a#42",
        [Refused, Reader, Reader, Reader, Refused],
    ),
    (
        Rooms,
        "free:a#42",
        [Refused, Reader, Reader, Reader, Refused],
    ),
    (Client, "free:a#42", ALL_WRITE),
    (Client, "own:a#42", USERS_WRITE),
    (Plain, "own:a#42", USERS_WRITE),
    (Events, "own:a#42", USERS_READ),
    (Client, "own:a#43", TOKEN_WRITES),
    (Plain, "own:a#43", TOKEN_WRITES),
    (Events, "own:a#43", TOKEN_READS),
    // No namespace, of which nothing is written.
    (Client, "a", [Refused, Refused, Refused, Reader, Refused]),
    (Plain, "a", SHUT),
    (Events, "a", SHUT),
    (Rooms, "a", SHUT),
    // The room without a name, which is no channel.
    (Client, "", SHUT),
    (Plain, "", SHUT),
    // No namespace of that name, and no name.
    (Client, "gone:a", SHUT),
    (Plain, "gone:a", SHUT),
    (Client, "free:\u{e9}", SHUT),
    (Plain, "free:\u{e9}", SHUT),
    (Rooms, "free:\u{e9}", SHUT),
];

/// Goal: once a section is there, each door lets in whom the rules for it and for the channel let in.
#[test]
fn every_door_with_every_name_and_token() {
    let server = server();
    for &(door, room, expected) in TABLE {
        for (pass, expected) in passes(room).into_iter().zip(expected) {
            let entry = server.entry(door, room, pass);
            assert_eq!(entry, expected, "{door:?} {room} {pass:?}");
        }
    }
    assert!(!server.lists_rooms());
}

/// Goal: a file that says nothing of plain members leaves them outside, whatever the name.
#[test]
fn a_copied_file_opens_no_other_door() {
    let server = Chat::settled();
    for room in ["", "a", "$a", "#42", "a#42", "news:a", "$news:a"] {
        for door in [Plain, Events, Rooms] {
            for pass in passes(room) {
                assert_eq!(
                    server.entry(door, room, pass),
                    Refused,
                    "{door:?} {room} {pass:?}"
                );
            }
        }
    }
}

/// Goal: insecure mode forgives what the rules forbid, and no more: other doors stay shut, and names
/// that promise to be somebody's ask for a token.
#[test]
fn insecure_mode_opens_no_door() {
    let mut server = server();
    server.client.insecure = true;
    for (door, room, expected) in [
        (Client, "a", Writer),
        (Client, "shut:a", Writer),
        (Client, "$free:a", Refused),
        (Client, "own:a#43", Writer),
        (Plain, "shut:a", Refused),
        (Plain, "open:a", Writer),
        (Plain, "$free:a", Refused),
        (Plain, "free:a#42", Refused),
        (Events, "open:a", Reader),
        (Rooms, "open:a", Reader),
        (Rooms, "$free:a", Refused),
    ] {
        let entry = server.entry(door, room, Pass::Nothing);
        assert_eq!(entry, expected, "{door:?} {room}");
    }
}

/// Goal: in a playground all doors are open to all names, but to those that are none.
#[test]
fn a_playground_is_open() {
    let server = Chat::default();
    for room in ["a", "$a", "#42", "a:b", "\u{e9}"] {
        for (door, expected) in [
            (Client, Writer),
            (Plain, Writer),
            (Events, Reader),
            (Rooms, Reader),
        ] {
            let entry = server.entry(door, room, Pass::Nothing);
            assert_eq!(entry, expected, "{door:?} {room}");
        }
    }
    assert_eq!(server.entry(Plain, "", Pass::Nothing), Writer);
    assert_eq!(server.entry(Client, "", Pass::Nothing), Refused);
    let long = "x".repeat(256);
    assert_eq!(server.entry(Plain, &long, Pass::Nothing), Refused);
    assert!(server.lists_rooms());
}
