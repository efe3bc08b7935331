//! What threads say to each other over the mesh: one enum for each who is spoken to.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::id::{Epoch, ShardId, ThreadId};
use crate::message::Run;
use crate::room::congestion::Behind;
use crate::room::home::Guest;

/// A connection that changes hands.
#[derive(Debug)]
pub struct Handover {
    /// The socket; no operation on it is in flight.
    pub socket: OwnedFd,
    /// A whole request head, and perhaps more.
    pub bytes: Vec<u8>,
}

/// What a shard is told.
#[derive(Debug)]
pub enum ToShard {
    /// To take a connection over.
    Adopt {
        /// By whom.
        from: ThreadId,
        /// Which.
        connection: Handover,
        /// Whether it stays where it arrives.
        placed: bool,
    },
    /// By the web thread: the server is stopping and the last answers have left.
    Drained,
    /// At a room's home: a session wants to join.
    Join {
        /// The room's name.
        room: Arc<str>,
        /// The session.
        guest: Guest,
    },
    /// By a room's home: the join counts from here on in the order of what it says.
    Joined {
        /// The room's name.
        room: Arc<str>,
        /// The session.
        guest: Guest,
        /// What has become of it.
        answer: JoinAnswer,
    },
    /// At a room's home: a member that was let in has left.
    Leave {
        /// The room's name.
        room: Arc<str>,
        /// The session.
        guest: Guest,
    },
    /// At a room's home: messages that want a place in its order.
    Publish {
        /// By whom.
        from: ShardId,
        /// The room's name.
        room: Arc<str>,
        /// The messages.
        messages: Run,
    },
    /// By a room's home, to a shard with members: messages in their order.
    Deliver {
        /// The home.
        from: ShardId,
        /// The room's name.
        room: Arc<str>,
        /// The incarnation that their offsets are of.
        epoch: Epoch,
        /// The messages.
        messages: Arc<Run>,
    },
    /// By a room's home: whether sessions stay on the shard that accepted them.
    Spread {
        /// The room's name.
        room: Arc<str>,
        /// Whether it is large enough.
        spread: bool,
    },
    /// So much of what this shard has sent on a lane is used up.
    Credit {
        /// By whom.
        from: ShardId,
        /// On which lane it was sent.
        lane: Lane,
        /// What it cost.
        bytes: usize,
    },
    /// At a room's home: so many of its members on a shard are behind though they keep reading.
    Behind {
        /// On which.
        from: ShardId,
        /// The room's name.
        room: Arc<str>,
        /// How many, none when it is over.
        behind: Behind,
    },
    /// By a room's home: whoever publishes to it waits, or may go on.
    Hold {
        /// The room's name.
        room: Arc<str>,
        /// Whether to wait.
        on: bool,
    },
    /// By the web thread, at a room's home: how many members take part in presence?
    CountMembers {
        /// The room's name.
        room: Arc<str>,
        /// Returned with the answer.
        ticket: u64,
    },
}

/// What has become of a join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinAnswer {
    /// The session is in.
    Welcome {
        /// Whether whoever publishes to the room waits for now.
        held: bool,
    },
    /// The home has too many rooms.
    Full,
}

/// The ways on which payloads go between two shards; each has a limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// To the home of a room.
    ToHome,
    /// From there.
    FromHome,
}

/// What the web thread is told.
#[derive(Debug)]
pub enum ToWeb {
    /// To serve a connection whose first request is not for a WebSocket.
    Serve(Handover),
    /// The answer to [`ToShard::CountMembers`].
    MembersCounted {
        /// As it was asked with.
        ticket: u64,
        /// The count; `None` when there is no such room.
        members: Option<u32>,
    },
}

/// Something that one thread says, and to whom.
#[derive(Debug)]
pub enum Letter {
    /// To a shard.
    Shard(ShardId, ToShard),
    /// To the web thread.
    Web(ToWeb),
}
