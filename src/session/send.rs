//! A send of a session: as it is planned, while it is in flight, and what became of it.
//!
//! Which bytes those are is decided in `session/outbox`.

use crate::id::{MembershipId, RoomId, StreamPosition};
use crate::room::index::Piece;
use crate::room::rendition::Rendition;

/// Pieces one send may gather.
pub(crate) const PIECES_MAX: usize = 14;

/// Bytes after which a send takes up nothing more: as much as a socket's buffer holds (the largest
/// `tcp_wmem`, tcp(7)), since the rest would be cut. What it holds then, a frame of the longest
/// message above this, is below the 2 GiB that kernels refuse.
pub(crate) const SEND_BYTES_MAX: u64 = 4 << 20;

/// What a send in flight carries, in its order.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct InFlight {
    /// Private bytes in it.
    pub(super) private: u32,
    /// All its bytes.
    pub(super) bytes: u32,
    /// The cursor when all of them are sent.
    pub(super) end: StreamPosition,
}

/// A send as planned: pieces of the log before and after the private bytes.
#[derive(Debug, Default)]
pub struct Plan {
    /// Pieces of the log: `before` of them go out ahead of the private bytes.
    pub pieces: Vec<Piece>,
    /// How many pieces finish a cut frame.
    pub before: usize,
    /// How many of the session's private bytes go out, from the first unsent one on.
    pub private: u32,
}

/// How to take back that a send was assumed to be taken.
#[derive(Debug, Clone, Copy)]
pub struct Undo {
    /// Where the cursor stood.
    pub(super) cursor: StreamPosition,
    /// All bytes of the send.
    pub(crate) bytes: u32,
    /// Those of them that are private replies.
    pub(crate) private: u32,
    /// Whose cursor.
    pub(super) membership: MembershipId,
}

/// A quiet send that is the same for all members of an audience who stand at the same place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shared {
    pub(super) room: RoomId,
    pub(super) rendition: Rendition,
    /// Where they stand.
    pub(super) cursor: StreamPosition,
    /// And where when it is sent.
    pub(super) end: StreamPosition,
    pub(super) bytes: u32,
}

/// Why nothing was planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nothing {
    /// All was sent.
    ToSend,
    /// The log no longer has what comes next of this membership.
    Left(MembershipId),
}

/// Where a session is after a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The kernel took everything.
    All,
    /// The socket is full.
    Blocked,
    /// The log no longer has the frame that was cut.
    Lost,
}

impl Plan {
    /// Empties it, for the next send.
    pub(super) fn clear(&mut self) {
        self.pieces.clear();
        self.before = 0;
        self.private = 0;
    }
}

/// Bytes of all of them.
pub(super) fn total_bytes(pieces: &[Piece]) -> u64 {
    pieces.iter().map(|piece| piece.bytes).sum()
}

/// Bytes of a send, which has fewer than [`SEND_BYTES_MAX`] and a frame.
pub(super) fn narrow(bytes: u64) -> u32 {
    u32::try_from(bytes).expect("a send is below 2 GiB")
}
