//! Own messages: which bytes of a room's stream their own publishers are not sent.
//!
//! The room's index keeps the ranges of all members here, each member what it needs of its own to
//! pass them by without a search.

use std::collections::VecDeque;

use super::rendition::{Protocol, Rendition};
use super::spare::give_back;
use crate::id::{MemberId, StreamPosition};
use crate::message::Event;

/// A position that no stream reaches.
const NEVER: StreamPosition = StreamPosition::new(u64::MAX);

/// What a member may not be sent, since it is about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Own {
    /// In the plain protocol, what it has said, and that it has come or gone.
    Message,
    /// In other protocols, that it has come. It is told so once in a stay: it may have been there before.
    Join,
    /// In other protocols, that it has gone. It may have come back before anybody was told.
    Leave,
}

impl Own {
    /// What it is of those in `protocol`, if it is about one that is not to get it.
    #[inline]
    pub(super) fn of(protocol: Protocol, event: &Event<'_>) -> Option<Self> {
        match (protocol, event) {
            (Protocol::Plain, _) => Some(Self::Message),
            (_, Event::Joined(_)) => Some(Self::Join),
            (_, Event::Left(_)) => Some(Self::Leave),
            // In other protocols everybody is sent what they said themselves.
            (_, Event::Published { .. } | Event::Members(_)) => None,
        }
    }
}

/// An own message of a member, as it was appended to the stream of an audience.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnMessage {
    /// What it is.
    pub(crate) what: Own,
    /// Whose it is.
    pub(crate) origin: MemberId,
    /// Which stream it is in.
    pub(crate) rendition: Rendition,
    /// Where its frame begins there.
    pub(crate) start: StreamPosition,
    /// Where it ends.
    pub(crate) end: StreamPosition,
}

/// Bytes that their own publisher is not sent.
#[derive(Debug, Clone, Copy)]
struct OwnRange {
    origin: MemberId,
    start: StreamPosition,
    end: StreamPosition,
    frames: u64,
    /// Frames in the stream before its end.
    end_frame: u64,
}

/// What a member remembers of its own messages, to skip them without a search.
///
/// Usually at most one own range lies ahead of the cursor, and `last` is all there is to know.
#[derive(Debug, Clone, Copy, Default)]
pub struct OwnMessages {
    last_end: StreamPosition,
    /// Where that range begins, times two, plus one if older ranges may lie ahead of the cursor
    /// too: the first cache line of a session has no byte for a flag, and no stream has 2^63.
    last_start_and_several: u64,
}

impl OwnMessages {
    /// Notes that `start..end` of the stream was published by this member, whose cursor is given.
    pub fn note(&mut self, start: StreamPosition, end: StreamPosition, cursor: StreamPosition) {
        let all_behind = cursor >= self.last_end;
        let grows = !all_behind && start == self.last_end;
        let first = if grows { self.last_start() } else { start };
        let several = !all_behind && (self.are_several() || !grows);
        *self = Self {
            last_end: end,
            last_start_and_several: first.bytes() << 1 | u64::from(several),
        };
    }

    /// The same of one whose cursor stands in another stream for now, in which nothing is its own.
    pub(crate) fn note_aside(&mut self, start: StreamPosition, end: StreamPosition) {
        *self = Self {
            last_end: end,
            last_start_and_several: start.bytes() << 1 | 1,
        };
    }

    fn last_start(self) -> StreamPosition {
        StreamPosition::new(self.last_start_and_several >> 1)
    }

    fn are_several(self) -> bool {
        self.last_start_and_several & 1 != 0
    }

    /// Whether some of it lies ahead of `cursor`.
    #[inline]
    pub(crate) fn is_ahead_of(&self, cursor: StreamPosition) -> bool {
        self.last_end > cursor
    }
}

/// A cursor with the identity that own ranges are matched against.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// Stream position of the next byte to send.
    pub cursor: StreamPosition,
    /// Whose cursor it is.
    pub member: MemberId,
    /// Its own messages.
    pub own: OwnMessages,
}

/// The own messages of all members that somebody may have yet to pass by, in the order of the stream.
///
/// Nearly every publisher passes by its own message at once, and then there are none.
#[derive(Debug, Default)]
#[expect(
    clippy::box_collection,
    reason = "nearly every room has none, and pays a pointer"
)]
pub(super) struct OwnRanges(Option<Box<VecDeque<OwnRange>>>);

impl OwnRanges {
    /// Memory of one of them, in bytes.
    pub(super) const ENTRY_BYTES: usize = size_of::<OwnRange>();

    /// The newest frame, `start..end` of the stream and the last of `frames`, came from `origin`.
    #[inline]
    pub(super) fn push(
        &mut self,
        origin: MemberId,
        start: StreamPosition,
        end: StreamPosition,
        frames: u64,
    ) {
        let ranges = self.0.get_or_insert_default();
        match ranges.back_mut() {
            Some(last) if last.origin == origin && last.end == start => {
                last.end = end;
                last.frames += 1;
                last.end_frame = frames;
            }
            _ => ranges.push_back(OwnRange {
                origin,
                start,
                end,
                frames: 1,
                end_frame: frames,
            }),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |ranges| ranges.len())
    }

    pub(super) fn capacity(&self) -> usize {
        self.0.as_ref().map_or(0, |ranges| ranges.capacity())
    }

    pub(super) fn give_back_memory(&mut self, kept_entries: usize) {
        if let Some(ranges) = &mut self.0 {
            give_back(ranges, kept_entries);
        }
    }

    /// Nobody's cursor is before `kept` any more.
    pub(super) fn forget_before(&mut self, kept: StreamPosition) {
        let Some(ranges) = &mut self.0 else {
            return;
        };
        while ranges.front().is_some_and(|range| range.end <= kept) {
            ranges.pop_front();
        }
    }

    fn ahead(&self, at: StreamPosition) -> impl Iterator<Item = &OwnRange> {
        self.0.iter().flat_map(move |ranges| {
            let first = ranges.partition_point(|range| range.end <= at);
            ranges.range(first..)
        })
    }

    /// How many of `reading`'s own frames lie ahead of its cursor, before which the stream has so many
    /// `frames_before`.
    pub(super) fn frames_ahead(&self, reading: &Reading, frames_before: u64) -> u64 {
        self.ahead(reading.cursor)
            .filter(|range| range.origin == reading.member)
            // Of a range that the cursor stands in, only what lies ahead of it.
            .map(|range| range.frames.min(range.end_frame - frames_before))
            .sum()
    }

    /// Where `reading`'s next own range at or after `at` begins.
    pub(super) fn next(&self, reading: &Reading, at: StreamPosition) -> StreamPosition {
        if !reading.own.is_ahead_of(at) {
            NEVER
        } else if reading.own.are_several() {
            self.ahead(at)
                .find(|range| range.origin == reading.member)
                .map_or(NEVER, |range| range.start)
        } else {
            reading.own.last_start()
        }
    }

    /// `at`, or the end of the own ranges that begin there.
    pub(super) fn skip(&self, reading: &Reading, mut at: StreamPosition) -> StreamPosition {
        if !reading.own.is_ahead_of(at) {
            return at;
        }
        if !reading.own.are_several() {
            return if at >= reading.own.last_start() {
                reading.own.last_end
            } else {
                at
            };
        }
        let mine = (self.ahead(at)).filter(|range| range.origin == reading.member);
        for range in mine {
            if range.start > at {
                break;
            }
            at = range.end;
        }
        at
    }
}
