//! A session: one connection, from its first byte to the moment its slot is free again.
//!
//! The struct is kept small, since idle sessions are most of them: whatever only a busy one needs
//! (a request head, a partial message, private replies) is in a box that an idle one does not have.

pub mod holdings;
pub mod outbox;
mod private;
mod slab;
pub mod timers;

use std::os::fd::OwnedFd;

use uuid::Uuid;

pub use self::private::Private;
pub use self::slab::Sessions;
use self::timers::Tick;
use crate::id::{RoomId, StreamPosition};
use crate::room::index::{Index, OwnMessages};
use crate::room::{Rendition, Rooms};
use crate::wire::message::Reader;

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Its request head is arriving.
    Head,
    /// Its room's home shard has yet to confirm the join; the handshake is answered after that.
    Joining,
    /// Messages flow.
    Open,
    /// The last bytes are on their way out; input matters only if a Close frame is awaited.
    Closing,
    /// All was sent and the write side shut down; waiting for the peer to do the same.
    Lingering,
    /// Shut down; waiting for the kernel's answers to operations in flight.
    Dead,
}

/// Where a session's messages go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Nowhere yet, or no longer.
    None,
    /// Back to itself (`/echo`).
    Echo,
    /// To a room, read in a rendition; `number` is its place among that audience's members.
    Room {
        /// Which room.
        room: RoomId,
        /// What it reads.
        rendition: Rendition,
        /// Its place in [`crate::room::Audience::members`].
        number: u32,
    },
}

/// Small facts about a session, a bit each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags(u16);

impl Flags {
    /// A receive is in flight.
    pub const RECEIVING: Self = Self(1);
    /// The receive in flight is being cancelled.
    pub const CANCELLING: Self = Self(1 << 1);
    /// A send is in flight.
    pub const SENDING: Self = Self(1 << 2);
    /// The socket is full: a poll for writability is in flight.
    pub const BLOCKED: Self = Self(1 << 3);
    /// It stands in the list of sessions with something to flush.
    pub const DIRTY: Self = Self(1 << 4);
    /// It stands in the list of sessions that may be behind.
    pub const WATCHED: Self = Self(1 << 5);
    /// Reading waits until what it caused has drained.
    pub const PAUSED: Self = Self(1 << 6);
    /// A ping awaits any sign of life.
    pub const PINGED: Self = Self(1 << 7);
    /// A Close frame was sent, or stands in the private replies.
    pub const CLOSE_SENT: Self = Self(1 << 8);
    /// The peer's Close frame has arrived.
    pub const CLOSE_RECEIVED: Self = Self(1 << 9);
    /// Gets its own messages too (`?echo=1`).
    pub const ECHO: Self = Self(1 << 10);
    /// Causes and gets join and leave notices.
    pub const VISIBLE: Self = Self(1 << 11);
    /// Was handed over by another thread and is not handed on again.
    pub const PLACED: Self = Self(1 << 12);
    /// Its peer reset the connection or ran out of time: no use in lingering.
    pub const ABORT: Self = Self(1 << 13);
    /// What still arrives is of no interest.
    pub const DISCARDING: Self = Self(1 << 14);
    /// The peer has shut down its write side: nothing more arrives.
    pub const ENDED: Self = Self(1 << 15);

    /// Whether any bit of `other` is set.
    #[must_use]
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Sets the bits of `other`.
    pub fn set(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Clears the bits of `other`.
    pub fn clear(&mut self, other: Self) {
        self.0 &= !other.0;
    }

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// One connection.
///
/// Two cache lines, of which a delivery touches the first alone: with thousands of subscribers the
/// kernel's sends have pushed both out of the caches since the last message.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Session {
    /// Stream position of the next byte to send.
    pub cursor: StreamPosition,
    /// The first frame's end at or after the cursor; private bytes may go out only there.
    pub frame_end: StreamPosition,
    /// Its own messages, which it is not sent.
    pub own: OwnMessages,
    /// Replies to this peer alone.
    pub private: Option<Box<Private>>,
    /// Where its messages go.
    pub place: Place,
    /// Its socket.
    pub socket: OwnedFd,
    /// Small facts.
    pub flags: Flags,
    /// How far it has come.
    pub phase: Phase,
    /// What the send in flight carries.
    pub in_flight: outbox::InFlight,
    /// Frames and messages that are not complete yet.
    pub reader: Reader,
    /// The request head so far, or what came after it while the join is not confirmed.
    pub head: Option<Box<Vec<u8>>>,
    /// When the peer was last heard, see [`Self::hear`].
    pub heard: Tick,
    /// The cursor then, modulo 2^32.
    cursor_heard: u32,
    /// When a phase other than `Open` ends.
    pub deadline: Tick,
    /// The tick of its valid entry in the timer wheel; other entries are stale.
    pub timer: Tick,
    /// Its public name.
    pub id: Uuid,
}

/// The last field of the first cache line ends before the second begins.
const _: () = assert!(std::mem::offset_of!(Session, phase) < 64 && size_of::<Session>() == 128);

impl Session {
    /// A connection of which nothing is known but its socket.
    #[must_use]
    pub fn new(socket: OwnedFd, id: Uuid, now: Tick, deadline: Tick) -> Self {
        Self {
            cursor: StreamPosition::default(),
            frame_end: StreamPosition::default(),
            own: OwnMessages::default(),
            private: None,
            place: Place::None,
            socket,
            flags: Flags::default(),
            phase: Phase::Head,
            in_flight: outbox::InFlight::default(),
            reader: Reader::default(),
            head: None,
            heard: now,
            cursor_heard: 0,
            deadline,
            timer: Tick::default(),
            id,
        }
    }

    /// The peer was heard, or would have been if it had been listened to.
    pub fn hear(&mut self, now: Tick) {
        self.heard = now;
        self.cursor_heard = low_half(self.cursor);
    }

    /// Bytes of its room that were sent since the peer was last heard, modulo 2^32.
    #[must_use]
    pub fn sent_unheard_bytes(&self) -> u32 {
        low_half(self.cursor).wrapping_sub(self.cursor_heard)
    }

    /// Operations that the kernel owes an answer to.
    #[must_use]
    pub fn operations(&self) -> u64 {
        u64::from(self.flags.has(Flags::RECEIVING))
            + u64::from(self.flags.has(Flags::SENDING))
            + u64::from(self.flags.has(Flags::BLOCKED))
    }

    /// Whether it is a member of `room` that reads `rendition`.
    #[must_use]
    pub fn reads(&self, room: RoomId, rendition: Rendition) -> bool {
        matches!(self.place, Place::Room { room: here, rendition: read, number }
            if here == room && read == rendition && number != u32::MAX)
    }

    /// The stream it reads, if it is a member of a room.
    #[must_use]
    pub fn stream<'a>(&self, rooms: &'a Rooms) -> Option<&'a Index> {
        match self.place {
            Place::Room {
                room,
                rendition,
                number,
            } if number != u32::MAX => Some(rooms.index(room, rendition)),
            _ => None,
        }
    }

    /// Private bytes not yet sent.
    #[must_use]
    pub fn private_bytes(&self) -> usize {
        self.private
            .as_ref()
            .map_or(0, |private| private.unsent().len())
    }

    /// Memory that its private replies take, in bytes.
    #[must_use]
    pub fn private_held_bytes(&self) -> usize {
        self.private
            .as_ref()
            .map_or(0, |private| private.held_bytes())
    }

    /// Memory that it holds for its peer: what has come of a head or a message, and replies.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let head = self.head.as_ref().map_or(0, |head| head.capacity());
        head + self.reader.heap_bytes() + self.private_held_bytes()
    }

    /// The buffer that private replies are appended to.
    pub fn private_mut(&mut self) -> &mut Vec<u8> {
        self.private.get_or_insert_default().end()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a difference of two is what counts, modulo 2^32"
)]
fn low_half(position: StreamPosition) -> u32 {
    position.bytes() as u32
}
