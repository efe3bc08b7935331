//! What threads say to each other over the mesh.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use uuid::Uuid;

use crate::id::{MemberId, Offset, ShardId};
use crate::room::homes::Homes;
use crate::room::sequencer::Behind;
use crate::room::staging::Entry;

/// A message between two threads.
#[derive(Debug)]
pub enum Message {
    /// To a shard: a connection to take over, with the bytes read from it so far.
    Adopt {
        /// The socket; no operation on it is in flight.
        socket: OwnedFd,
        /// A whole request head, and perhaps more.
        bytes: Vec<u8>,
        /// Whether it stays where it arrives.
        placed: bool,
    },
    /// To a shard, from the web thread: the server is stopping and the last answers have left.
    Drained,
    /// To the web thread: a connection whose first request is not for a WebSocket.
    Serve {
        /// The socket; no operation on it is in flight.
        socket: OwnedFd,
        /// A whole request head, and perhaps more.
        bytes: Vec<u8>,
    },
    /// To a room's home: a session wants to join.
    Join {
        /// The room's name.
        room: Arc<str>,
        /// The session.
        member: MemberId,
        /// Its public name.
        id: Uuid,
        /// Whether it takes part in presence.
        visible: bool,
    },
    /// From a room's home: the join counts from here on in the order of this ring. Without `ok`
    /// the home has too many rooms.
    Joined {
        /// The session.
        member: MemberId,
        /// Whether it is in.
        ok: bool,
    },
    /// To a room's home: a member left.
    Leave {
        /// The room's name.
        room: Arc<str>,
        /// The session.
        member: MemberId,
        /// Its public name.
        id: Uuid,
        /// Whether it took part in presence.
        visible: bool,
    },
    /// To a room's home: messages that want a place in its order.
    Publish {
        /// The room's name.
        room: Arc<str>,
        /// The frames, one after the other.
        frames: Vec<u8>,
        /// What they are.
        entries: Vec<Entry>,
    },
    /// From a room's home to a shard with members: messages in their order.
    Deliver {
        /// The room's name.
        room: Arc<str>,
        /// Offset of the first message.
        first_offset: Offset,
        /// The frames, one after the other.
        frames: Arc<[u8]>,
        /// What they are.
        entries: Arc<[Entry]>,
    },
    /// From a room's home: whether sessions stay on the shard that accepted them.
    Spread {
        /// The room's name.
        room: Arc<str>,
        /// Whether it is large enough.
        spread: bool,
    },
    /// Between shards: so much of the frames and entries that the receiver has sent is used up.
    Credit {
        /// Of what [`Message::Publish`] costs.
        to_home: usize,
        /// Of what [`Message::Deliver`] costs.
        from_home: usize,
    },
    /// To a room's home: so many of its members here are behind though they keep reading.
    Behind {
        /// The room's name.
        room: Arc<str>,
        /// How many, none when it is over.
        behind: Behind,
    },
    /// From a room's home: whoever publishes to it waits, or may go on.
    Hold {
        /// The room's name.
        room: Arc<str>,
        /// Whether to wait.
        on: bool,
    },
    /// From the web thread to a room's home: how many members take part in presence?
    CountMembers {
        /// The room's name.
        room: Arc<str>,
        /// Returned with the answer.
        ticket: u64,
    },
    /// The answer: `None` when there is no such room.
    MembersCounted {
        /// As it was asked with.
        ticket: u64,
        /// The count.
        members: Option<u32>,
    },
}

impl Message {
    /// The question how many members `room` has, and the shard to ask.
    #[must_use]
    pub fn count_members(room: &str, homes: &Homes, ticket: u64) -> (ShardId, Self) {
        (
            homes.of(room),
            Self::CountMembers {
                room: room.into(),
                ticket,
            },
        )
    }
}
