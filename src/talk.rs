//! What threads say to each other over the mesh: one enum for each who is spoken to.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::auth::settings::Section;
use crate::id::{Epoch, MemberId, Offset, SessionKey, ShardId, ThreadId, Ticket};
use crate::message::Run;
use crate::room::congestion::Behind;
use crate::room::history::{Position, Query, Recover, Recovery};
use crate::room::home::Guest;
use crate::room::presence::{Asker, Present, Round};

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
        /// What it wants of what it has missed, if it has been there before.
        recover: Option<Box<Recover>>,
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
    /// At a room's home: a message that has no place yet is to have none, since it has waited for too long.
    Withdraw {
        /// The room's name.
        room: Arc<str>,
        /// Who published it.
        member: MemberId,
        /// Which of its messages.
        ticket: Ticket,
    },
    /// By a room's home: a shard is to say who of the room is there, by all that it was told before.
    Census {
        /// The home.
        from: ShardId,
        /// The room's name.
        room: Arc<str>,
        /// Which time it asks.
        round: Round,
    },
    /// The answer to [`Self::Census`].
    Counted {
        /// By whom.
        from: ShardId,
        /// The room's name.
        room: Arc<str>,
        /// As it was asked with.
        round: Round,
        /// Those who take part in presence.
        members: Vec<Present>,
    },
    /// By a room's home, to those who are to be told: what they published has its place.
    Published {
        /// Of which messages that holds, in their order.
        acks: Vec<Ack>,
    },
    /// At a room's home: a session wants to know something about the room.
    Ask {
        /// Which session, and by which call.
        asker: Asker,
        /// The room's name.
        room: Arc<str>,
        /// What.
        question: Question,
    },
    /// The answer to [`Self::Ask`].
    Answer {
        /// The session that asked.
        asker: SessionKey,
        /// As it was asked with.
        call: u32,
        /// What the home says.
        answer: Box<Answer>,
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
    /// At the shard that counts a user's connections: a session is to be one of them.
    TakeSeat {
        /// Whose.
        user: Arc<str>,
        /// Which session.
        member: MemberId,
    },
    /// The answer to [`Self::TakeSeat`].
    SeatTaken {
        /// Whose.
        user: Arc<str>,
        /// Which session.
        key: SessionKey,
        /// Whether it is one of them.
        seat: Seat,
    },
    /// At that shard: one of them has ended.
    LeaveSeat {
        /// Whose.
        user: Arc<str>,
    },
    /// By a room's home, to a shard with members: clients have come, who can't be sent what is longer than they may say.
    Clients {
        /// The room's name.
        room: Arc<str>,
    },
    /// By the web thread, at a room's home: how many members take part in presence?
    CountMembers {
        /// The room's name.
        room: Arc<str>,
        /// The token of whoever asks.
        token: Option<Box<str>>,
        /// Returned with the answer.
        ticket: u64,
    },
}

/// Whether a session is one of those that its user may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seat {
    /// It is, and counts until it ends.
    Given,
    /// There are as many as there may be.
    Refused,
}

/// What has become of a join.
#[derive(Debug, Clone)]
pub enum JoinAnswer {
    /// The session is in.
    Welcome(Welcome),
    /// The home has too many rooms.
    Full,
    /// The session is not in: the room has not all that it has missed, and it wanted all or nothing.
    Unrecoverable,
}

/// What a session is told that is let into a room.
#[derive(Debug, Clone)]
pub struct Welcome {
    /// Whether whoever publishes to the room waits for now.
    pub(crate) held: bool,
    /// Whether the room has had clients.
    pub(crate) has_clients: bool,
    /// Of the room's history, if it keeps one.
    pub(crate) arrival: Option<Box<Arrival>>,
}

/// Where a room's history stands for a session that is let in.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// What it is sent from now on comes behind this place.
    pub(crate) position: Position,
    /// What there is of what it has missed before.
    pub(crate) recovery: Recovery,
}

/// That a message which somebody published has its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    /// Who published it.
    pub(crate) member: MemberId,
    /// Which of its messages.
    pub(crate) ticket: Ticket,
    /// What has become of it.
    pub(crate) outcome: Published,
}

/// What has become of a message that was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// It has its place in the room's history.
    At(Epoch, Offset),
    /// Who is in the room is sent it, and nobody keeps it.
    Passing,
    /// Nobody is: there are too many rooms.
    Full,
    /// Nobody is: it has waited for too long.
    Withdrawn,
}

/// What a session may ask the home of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Who is in it?
    Presence,
    /// How many are in it?
    Stats,
    /// What was said in it?
    History(Query),
}

/// What the home of a room answers.
#[derive(Debug)]
pub enum Answer {
    /// These are in it.
    Presence(Vec<Present>),
    /// So many are in it.
    Stats {
        /// Sessions.
        clients: u32,
        /// Users that these are of.
        users: u32,
    },
    /// This was said in it.
    History {
        /// What was asked for, each with its offset.
        publications: Run,
        /// Where the history stands.
        position: Position,
    },
    /// It can't say.
    Refused(Refused),
}

/// Why the home of a room can't answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The room does not keep what was asked for, or no longer.
    #[error("the room does not keep that")]
    NotKept,
    /// The place that was named is of another incarnation of the room.
    #[error("that place is of another incarnation of the room")]
    ForeignEpoch,
    /// The question makes no sense.
    #[error("nothing can come before the first message")]
    Senseless,
    /// There are too many rooms, and it is none of them.
    #[error("there are too many rooms")]
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
        /// The count.
        members: Count,
    },
}

/// How many members a room has, for whoever asked.
#[derive(Debug)]
pub enum Count {
    /// So many that take part in presence.
    Members(u32),
    /// There is no such room.
    NoRoom,
    /// It is not for them to know: refuse with this status.
    Refused(u16),
}

/// Something that one thread says, and to whom.
#[derive(Debug)]
pub enum Letter {
    /// To a shard.
    Shard(ShardId, ToShard),
    /// To the web thread.
    Web(ToWeb),
    /// To whoever keeps the keys of a section: it is to look for the one that is called so.
    Keeper(Section, Box<str>),
}
