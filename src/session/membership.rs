//! A session's place in one room: which messages it reads there, and how far it has come.
//!
//! It knows nothing of the session's other rooms, nor of what else shares its socket.

use super::send::Shared;
use crate::id::{MemberId, RerunId, RoomId, StreamPosition};
use crate::room::Rooms;
use crate::room::index::Index;
use crate::room::log::Log;
use crate::room::own::{OwnMessages, Reading};
use crate::room::rendition::Rendition;
use crate::room::rerun::Rerun;

/// Rooms that a session can be in at a time: as many as there are due bits.
pub(crate) const MEMBERSHIPS_MAX: usize = u128::BITS as usize;

/// The number of a member whose join is not confirmed.
const PENDING: u32 = u32::MAX;

/// The streams that members read.
pub trait Streams {
    /// The stream of a room's messages in a rendition.
    fn stream(&self, room: RoomId, rendition: Rendition) -> &Index;

    /// What somebody has missed who has come back to a room: the rerun of that name.
    fn rerun(&self, room: RoomId, id: RerunId) -> &Rerun {
        unreachable!("nobody has come back to {room:?} for {id:?}")
    }
}

impl Streams for Rooms {
    fn rerun(&self, room: RoomId, id: RerunId) -> &Rerun {
        let rerun = self.get(room).rerun(id);
        rerun.expect("a rerun stays as long as it is read")
    }

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
    course: Course,
    /// Whether what it reads says that it has come: it may have yet to read that.
    has_met_itself: bool,
}

/// What a membership is about to do, in a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Course(u8);

impl Course {
    /// To read what is said.
    const READ: Self = Self(0);
    /// To be left as soon as the join is confirmed.
    const LEAVE: Self = Self(u8::MAX);
    /// To come abreast of what was said while it was sent what it had missed.
    const CATCH_UP: Self = Self(u8::MAX - 1);

    /// To read what it has missed.
    const fn recover(rerun: RerunId) -> Self {
        Self(rerun.number())
    }

    /// What it reads of what it has missed.
    #[inline]
    fn rerun(self) -> Option<RerunId> {
        RerunId::numbered(self.0)
    }
}

const _: () = assert!(size_of::<Option<Membership>>() == 40);

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
            course: Course::READ,
            has_met_itself: false,
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
        self.course == Course::LEAVE
    }

    /// What it is sent first, of what it has missed.
    #[must_use]
    pub(crate) fn rerun(&self) -> Option<RerunId> {
        self.course.rerun()
    }

    /// Whether it has missed something, and has not come abreast of its room since.
    #[must_use]
    pub(crate) fn is_catching_up(&self) -> bool {
        self.course == Course::CATCH_UP || self.rerun().is_some()
    }

    /// Stream position of the next byte to send.
    #[must_use]
    pub fn cursor(&self) -> StreamPosition {
        self.cursor
    }

    /// The join is confirmed: it is member `number` of the audience, and reads from `head` on.
    pub(super) fn enter(&mut self, number: u32, head: StreamPosition) {
        assert_eq!(self.number, PENDING, "a join is confirmed once");
        assert_ne!(self.course, Course::LEAVE, "nobody wants to be there");
        assert_ne!(number, PENDING);
        self.number = number;
        self.cursor = head;
    }

    /// It is first sent what it has missed, from `start` of a rerun on.
    pub(super) fn begin_rerun(&mut self, rerun: RerunId, start: StreamPosition) {
        assert_ne!(self.number, PENDING, "it is a member");
        assert!(!self.is_mid_frame());
        self.course = Course::recover(rerun);
        self.cursor = start;
    }

    /// It has got all of that, and goes on at `live` of what is said.
    pub(super) fn end_rerun(&mut self, live: StreamPosition) {
        assert!(!self.is_mid_frame() && self.rerun().is_some());
        self.course = Course::CATCH_UP;
        self.cursor = live;
    }

    /// It has come abreast of its room.
    pub(super) fn come_abreast(&mut self) {
        assert_eq!(self.course, Course::CATCH_UP);
        self.course = Course::READ;
    }

    /// It is to be left once the join is confirmed.
    pub(super) fn give_up(&mut self) {
        assert_eq!(self.number, PENDING, "a member leaves at once");
        self.course = Course::LEAVE;
    }

    /// It is wanted after all, to read `rendition`.
    pub(super) fn want_again(&mut self, rendition: Rendition) {
        assert_eq!(self.course, Course::LEAVE, "it was wanted all the time");
        self.course = Course::READ;
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

    /// What it reads says that it has come; returns whether it has said so before.
    pub(super) fn meets_itself_again(&mut self) -> bool {
        std::mem::replace(&mut self.has_met_itself, true)
    }

    /// Whether it was said that it has come, in what it reads now or once it has got what it had missed.
    pub(super) fn has_met_itself(&self) -> bool {
        self.has_met_itself
    }

    /// It has published `start..end` of the stream it reads, which lies ahead of its cursor.
    pub(super) fn note_own(&mut self, start: StreamPosition, end: StreamPosition) {
        match self.rerun() {
            None => self.own.note(start, end, self.cursor),
            // It stands in another stream now.
            Some(_) => self.own.note_aside(start, end),
        }
    }

    /// Passes by what it has published itself, `start..end`, if it has been sent all that comes before.
    pub(super) fn pass_by_own(&mut self, start: StreamPosition, end: StreamPosition) -> bool {
        let passes = self.cursor == start && self.rerun().is_none();
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

    /// The stream it reads, once the join is confirmed: what it has missed, as long as it has not got all of it.
    #[inline]
    pub(super) fn stream<'a>(&self, streams: &'a impl Streams) -> Option<&'a Index> {
        if self.number == PENDING {
            return None;
        }
        Some(match self.rerun() {
            None => streams.stream(self.room, self.rendition),
            Some(rerun) => self.missed(rerun, streams),
        })
    }

    #[cold]
    fn missed<'a>(&self, rerun: RerunId, streams: &'a impl Streams) -> &'a Index {
        streams.rerun(self.room, rerun).index()
    }

    /// How far it reads that stream for now: of what it has missed, up to the message with the offset `last`.
    pub(super) fn limit(&self, last: u64, streams: &impl Streams) -> Option<StreamPosition> {
        let rerun = streams.rerun(self.room, self.rerun()?);
        Some(rerun.end_of(last).unwrap_or(rerun.index().head()))
    }

    /// Where what lies behind the place `after` begins of what it has missed, once that is known.
    pub(super) fn start_behind(
        &self,
        after: u64,
        streams: &impl Streams,
    ) -> Option<StreamPosition> {
        streams.rerun(self.room, self.rerun()?).start_behind(after)
    }

    /// The place up to which it has got what it has missed; between two frames.
    pub(super) fn place(&self, streams: &impl Streams) -> Option<u64> {
        assert!(!self.is_mid_frame());
        let rerun = streams.rerun(self.room, self.rerun()?);
        Some(rerun.place_before(self.cursor))
    }

    /// Whether it has been sent all there is yet of what it has missed.
    pub(super) fn has_read_on(&self, streams: &impl Streams) -> bool {
        let rerun = self.rerun().map(|id| streams.rerun(self.room, id));
        rerun.is_some_and(|rerun| rerun.index().head() == self.cursor)
    }

    /// Whether it has got all that it has missed, up to that message.
    pub(super) fn has_all(&self, last: u64, streams: &impl Streams) -> bool {
        let rerun = self.rerun().map(|id| streams.rerun(self.room, id));
        let end = rerun.and_then(|rerun| rerun.end_of(last));
        !self.is_mid_frame() && end == Some(self.cursor)
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
        if self.number != PENDING && self.is_given_up() {
            return Err(format!("{self:?} is where it has not wanted to be"));
        }
        if self.number == PENDING && (self.cursor > StreamPosition::default() || self.cut_bytes > 0)
        {
            return Err(format!("{self:?} has read before it was let in"));
        }
        Ok(())
    }
}
