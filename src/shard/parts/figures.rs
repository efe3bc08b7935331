//! What a shard tells of its accounts and its rooms, for others to compare with what they know.

use super::credit;
use crate::talk::{Lane, ToShard};

/// What stands on one of a shard's accounts with another, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// What was sent there and has not come back.
    pub outstanding: usize,
    /// What has come from there and was not sent back.
    pub unreturned: usize,
}

/// A room as one shard sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomFigures {
    /// Members here, as far as the shard has heard that the home has let them in.
    pub members: u32,
    /// Those of them that take part in presence.
    pub visible: u32,
    /// Whether whoever publishes to it here waits for its members.
    pub held: bool,
    /// What its home knows, if that is here.
    pub home: Option<HomeFigures>,
}

/// A room as its home sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomeFigures {
    /// Members on each shard.
    pub members: Vec<u32>,
    /// Those of all members that take part in presence.
    pub visible: u32,
    /// Whether whoever publishes to it is to wait.
    pub held: bool,
    /// Where its history stands, if it keeps one.
    pub place: Option<PlaceFigures>,
}

/// How far the order of a room has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceFigures {
    /// The incarnation of the room, as clients are told it.
    pub epoch: String,
    /// The offset of the newest message, 0 when there was none.
    pub top: u64,
}

/// What a message costs its sender until it is used up, in bytes, and on which lane.
#[must_use]
pub fn cost_of(message: &ToShard) -> Option<(Lane, usize)> {
    let (lane, weight) = match message {
        ToShard::Adopt { connection, .. } => (Lane::ToHome, connection.bytes.len()),
        ToShard::Publish { messages, .. } => (Lane::ToHome, messages.weight()),
        ToShard::Deliver { messages, .. } => (Lane::FromHome, messages.weight()),
        _ => return None,
    };
    Some((lane, credit::cost(weight)))
}
