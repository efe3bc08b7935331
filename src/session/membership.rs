//! A session's place in one room: which messages it reads there, and how far it has come.
//!
//! It knows nothing of the session's other rooms, nor of what else shares its socket.

use super::send::Shared;
use crate::id::{MemberId, RoomId, StreamPosition};
use crate::room::Rooms;
use crate::room::index::Index;
use crate::room::log::Log;
use crate::room::own::{OwnMessages, Reading};
use crate::room::rendition::Rendition;

/// Rooms that a session can be in at a time: as many as there are due bits.
pub(crate) const MEMBERSHIPS_MAX: usize = u128::BITS as usize;

/// The number of a member whose join is not confirmed.
const PENDING: u32 = u32::MAX;

/// The streams that members read.
pub trait Streams {
    /// The stream of a room's messages in a rendition.
    fn stream(&self, room: RoomId, rendition: Rendition) -> &Index;
}

impl Streams for Rooms {
    fn stream(&self, room: RoomId, rendition: Rendition) -> &Index {
        let index = self.get(room).index(rendition);
        index.expect("a member has its audience")
    }
}

/// A session's place in one room, and how far it has read.
#[derive(Debug, Clone, Copy)]
pub struct Membership {
    /// Stream position of the next byte to send.
    cursor: StreamPosition,
    /// Its own messages, which it is not sent.
    own: OwnMessages,
    /// What is left of the frame that the cursor stands in: none when it stands between frames, the
    /// only places where other bytes may be sent.
    cut_bytes: u32,
    room: RoomId,
    /// Its place in [`crate::room::audience::Audience::members`], or [`PENDING`].
    number: u32,
    rendition: Rendition,
    /// Whether it is to be left as soon as the join is confirmed.
    given_up: bool,
}

impl Membership {
    /// One that has yet to be confirmed.
    pub(super) fn new(room: RoomId, rendition: Rendition) -> Self {
        Self {
            cursor: StreamPosition::default(),
            own: OwnMessages::default(),
            cut_bytes: 0,
            room,
            number: PENDING,
            rendition,
            given_up: false,
        }
    }

    /// Which room.
    #[must_use]
    pub(crate) fn room(&self) -> RoomId {
        self.room
    }

    /// In which form it reads it.
    #[must_use]
    pub(crate) fn rendition(&self) -> Rendition {
        self.rendition
    }

    /// Its place in [`crate::room::audience::Audience::members`], once the join is confirmed.
    #[must_use]
    pub(crate) fn number(&self) -> Option<u32> {
        (self.number != PENDING).then_some(self.number)
    }

    /// Whether it waits for its join to be confirmed only to leave again.
    #[must_use]
    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up
    }

    /// Stream position of the next byte to send.
    #[must_use]
    pub fn cursor(&self) -> StreamPosition {
        self.cursor
    }

    /// The join is confirmed: it is member `number` of the audience, and reads from `head` on.
    pub(super) fn enter(&mut self, number: u32, head: StreamPosition) {
        assert_eq!(self.number, PENDING, "a join is confirmed once");
        assert!(!self.given_up, "nobody wants to be there");
        assert_ne!(number, PENDING);
        self.number = number;
        self.cursor = head;
    }

    /// It is to be left once the join is confirmed.
    pub(super) fn give_up(&mut self) {
        assert_eq!(self.number, PENDING, "a member leaves at once");
        self.given_up = true;
    }

    /// It is wanted after all, to read `rendition`.
    pub(super) fn want_again(&mut self, rendition: Rendition) {
        assert!(self.given_up, "it was wanted all the time");
        self.given_up = false;
        self.rendition = rendition;
    }

    /// Another member has left: it is number `number` of its audience now.
    pub(super) fn renumber(&mut self, number: u32) {
        assert_ne!(self.number, PENDING, "it has had a number");
        assert_ne!(number, PENDING);
        self.number = number;
    }

    /// Whether it reads `room` in `rendition`, as a member.
    pub(super) fn reads(&self, room: RoomId, rendition: Rendition) -> bool {
        self.room == room && self.rendition == rendition && self.number != PENDING
    }

    /// Whether it is to be sent exactly what `shared` has.
    #[inline]
    pub(super) fn shares(&self, shared: &Shared) -> bool {
        self.cursor == shared.cursor
            && self.cut_bytes == 0
            && self.reads(shared.room, shared.rendition)
            && !self.own.is_ahead_of(self.cursor)
    }

    /// What others are to be sent who stood where it stood, at `cursor`, before a send of `bytes`; `None`
    /// when messages of its own were left out.
    #[inline]
    pub(super) fn shared(&self, cursor: StreamPosition, bytes: u32) -> Option<Shared> {
        (!self.own.is_ahead_of(cursor)).then_some(Shared {
            room: self.room,
            rendition: self.rendition,
            cursor,
            end: self.cursor,
            bytes,
        })
    }

    /// It has published `start..end` of the stream it reads, which lies ahead of its cursor.
    pub(super) fn note_own(&mut self, start: StreamPosition, end: StreamPosition) {
        self.own.note(start, end, self.cursor);
    }

    /// Passes by what it has published itself, `start..end`, if it has been sent all that comes before.
    pub(super) fn pass_by_own(&mut self, start: StreamPosition, end: StreamPosition) -> bool {
        let passes = self.cursor == start;
        if passes {
            self.cursor = end;
        }
        passes
    }

    /// It passes by everything before `head`. A frame that was cut is to be rescued first.
    pub(super) fn skip_to(&mut self, head: StreamPosition) {
        assert!(!self.is_mid_frame() && head >= self.cursor);
        self.cursor = head;
    }

    /// Its cursor and what else decides which bytes it is sent.
    #[must_use]
    pub fn reading(&self, member: MemberId) -> Reading {
        Reading {
            cursor: self.cursor,
            member,
            own: self.own,
        }
    }

    /// The stream it reads, once the join is confirmed.
    pub(super) fn stream<'a>(&self, streams: &'a impl Streams) -> Option<&'a Index> {
        (self.number != PENDING).then(|| streams.stream(self.room, self.rendition))
    }

    /// Whether the cursor stands inside a frame.
    pub(super) fn is_mid_frame(&self) -> bool {
        self.cut_bytes > 0
    }

    /// Where the frame ends that the cursor stands in, or the cursor.
    pub(super) fn frame_end(&self) -> StreamPosition {
        self.cursor + u64::from(self.cut_bytes)
    }

    /// Everything before `position`, where a frame ends, was sent.
    pub(super) fn stand_at(&mut self, position: StreamPosition) {
        self.cursor = position;
        self.cut_bytes = 0;
    }

    /// Up to `bytes` were sent of the frame that the cursor stands in; returns how many were not.
    pub(super) fn finish_cut(&mut self, bytes: u32) -> u32 {
        let step = bytes.min(self.cut_bytes);
        self.cursor += u64::from(step);
        self.cut_bytes -= step;
        bytes - step
    }

    /// From between two frames, `bytes` were sent of what was planned for it, and may end within
    /// another. False when the log no longer has that frame.
    pub(super) fn cut(
        &mut self,
        member: MemberId,
        streams: &impl Streams,
        log: &Log,
        bytes: u32,
    ) -> bool {
        let Some(index) = self.stream(streams) else {
            return false;
        };
        let boundary = self.cursor;
        self.cursor = index.advance(&self.reading(member), u64::from(bytes));
        let Some(frame_end) = index.frame_end(log, boundary, self.cursor) else {
            return false;
        };
        let rest = frame_end - self.cursor;
        self.cut_bytes = u32::try_from(rest).expect("a frame is below 4 GiB");
        true
    }

    /// What holds of every membership.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.number != PENDING && self.given_up {
            return Err(format!("{self:?} is where it has not wanted to be"));
        }
        if self.number == PENDING && (self.cursor > StreamPosition::default() || self.cut_bytes > 0)
        {
            return Err(format!("{self:?} has read before it was let in"));
        }
        Ok(())
    }
}
