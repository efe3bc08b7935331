//! The index of a room: which ranges of the log belong to it, as one unbroken stream.
//!
//! Members of a room stand in its *stream*: its bytes numbered from 0 without gaps, whatever else
//! the log holds in between. A cursor is a stream position, so lag is a subtraction and a short
//! send an addition. The index maps a stream position to the log. It holds no bytes itself and
//! forgets what no member needs any more.

use std::collections::VecDeque;

use super::log::Log;
use crate::id::{LogPosition, MemberId, StreamPosition};
use crate::wire::frame;

/// A contiguous run of frames of one room.
#[derive(Debug, Clone, Copy)]
struct Batch {
    /// Where its first byte stands in the stream.
    start: StreamPosition,
    /// And in the log.
    position: LogPosition,
    bytes: u64,
    /// Frames in the stream before it.
    first_frame: u64,
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

/// A contiguous piece of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Where its first byte stands.
    pub position: LogPosition,
    /// Its length in bytes.
    pub bytes: u64,
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

    fn last_start(self) -> StreamPosition {
        StreamPosition::new(self.last_start_and_several >> 1)
    }

    fn are_several(self) -> bool {
        self.last_start_and_several & 1 != 0
    }

    fn is_ahead_of(&self, cursor: StreamPosition) -> bool {
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

/// Adjacent batches grow into one up to this size, so that the index stays short while the oldest
/// bytes can still be forgotten piecemeal.
const MERGED_BATCH_BYTES_MAX: u64 = 256 << 10;
/// And up to so many frames, which bounds what depends on a whole batch: counting its frames, and the
/// own ranges that are forgotten with it.
const MERGED_BATCH_FRAMES_MAX: u64 = 1024;

/// Batches gathered before a look for those that nobody needs is worth it, at least and at most. The
/// look costs a glance at every member's cursor, so in between it waits for a batch a member: thousands
/// of small rooms then keep their indexes in a few cache lines each.
const PRUNE_BATCHES_MIN: usize = 4;
const PRUNE_BATCHES_MAX: usize = 64;
/// Entries of a kind that any index may have room for, however many indexes there are.
pub const KEPT_ENTRIES_MAX: usize = 8;
/// Entries that a busy room gathers again and again: their memory is not given back each time.
const KEPT_WHILE_BUSY: usize = 4 * PRUNE_BATCHES_MAX;

/// A position that no stream reaches.
const NEVER: StreamPosition = StreamPosition::new(u64::MAX);

/// Maps the stream of one rendition of a room to the log.
#[derive(Debug)]
pub struct Index {
    batches: VecDeque<Batch>,
    own: VecDeque<OwnRange>,
    head: StreamPosition,
    frames: u64,
    prune_at: usize,
}

impl Default for Index {
    fn default() -> Self {
        Self {
            batches: VecDeque::new(),
            own: VecDeque::new(),
            head: StreamPosition::default(),
            frames: 0,
            prune_at: PRUNE_BATCHES_MIN,
        }
    }
}

impl Index {
    /// Stream position after the newest byte.
    #[must_use]
    pub fn head(&self) -> StreamPosition {
        self.head
    }

    /// Adds `bytes` that hold `frames` whole frames and stand at `position` of the log; returns
    /// their stream position.
    pub fn push(&mut self, position: LogPosition, bytes: u64, frames: u64) -> StreamPosition {
        let start = self.head;
        match self.batches.back_mut() {
            Some(last)
                if last.position + last.bytes == position
                    && last.bytes + bytes <= MERGED_BATCH_BYTES_MAX
                    && self.frames - last.first_frame < MERGED_BATCH_FRAMES_MAX =>
            {
                last.bytes += bytes;
            }
            _ => {
                self.batches.push_back(Batch {
                    start,
                    position,
                    bytes,
                    first_frame: self.frames,
                });
            }
        }
        self.head += bytes;
        self.frames += frames;
        start
    }

    /// Records that the newest frame, `start..end` of the stream, came from `origin`.
    pub fn push_own(&mut self, origin: MemberId, start: StreamPosition, end: StreamPosition) {
        match self.own.back_mut() {
            Some(last) if last.origin == origin && last.end == start => {
                last.end = end;
                last.frames += 1;
                last.end_frame = self.frames;
            }
            _ => self.own.push_back(OwnRange {
                origin,
                start,
                end,
                frames: 1,
                end_frame: self.frames,
            }),
        }
    }

    /// Whether enough has gathered that forgetting is worth a look at the cursors of all `members`.
    #[must_use]
    pub fn wants_pruning(&self, members: usize) -> bool {
        let gathered = self.batches.len().max(self.own.len());
        gathered >= self.prune_at.max(members.min(PRUNE_BATCHES_MAX))
    }

    /// Forgets what lies before `oldest_cursor` or has left the log.
    pub fn prune(&mut self, oldest_cursor: StreamPosition, log_tail: LogPosition) {
        while self.batches.front().is_some_and(|batch| {
            batch.start + batch.bytes <= oldest_cursor || batch.position + batch.bytes <= log_tail
        }) {
            self.batches.pop_front();
        }
        let kept = self.batches.front().map_or(self.head, |batch| batch.start);
        while self
            .own
            .front()
            .is_some_and(|range| range.end <= kept.max(oldest_cursor))
        {
            self.own.pop_front();
        }
        self.prune_at = PRUNE_BATCHES_MIN.max(2 * self.batches.len().max(self.own.len()));
        self.give_back_memory(KEPT_WHILE_BUSY);
    }

    /// Forgets what has a log position before `log_tail`, as if the log did not reach further back,
    /// and gives the memory back.
    pub fn forget(&mut self, log_tail: LogPosition) {
        self.prune(StreamPosition::default(), log_tail);
        self.give_back_memory(KEPT_ENTRIES_MAX);
    }

    /// Queues that were long do not keep their memory when they are short.
    fn give_back_memory(&mut self, kept_entries: usize) {
        fn give_back<T>(queue: &mut VecDeque<T>, kept_entries: usize) {
            if queue.capacity() > kept_entries && queue.len() < queue.capacity() / 4 {
                queue.shrink_to(2 * queue.len());
            }
        }
        give_back(&mut self.batches, kept_entries);
        give_back(&mut self.own, kept_entries);
    }

    /// Memory of an entry of each kind, in bytes.
    pub const ENTRY_BYTES: usize = size_of::<Batch>() + size_of::<OwnRange>();

    /// Memory it holds beyond [`KEPT_ENTRIES_MAX`] entries of a kind, in bytes.
    #[must_use]
    pub fn held_bytes_beyond_few(&self) -> usize {
        let batches = self.batches.capacity().saturating_sub(KEPT_ENTRIES_MAX);
        let own = self.own.capacity().saturating_sub(KEPT_ENTRIES_MAX);
        batches * size_of::<Batch>() + own * size_of::<OwnRange>()
    }

    /// Log position of the stream position `at`, or `None` when it has left the index or is the
    /// head.
    #[must_use]
    pub fn position(&self, at: StreamPosition) -> Option<LogPosition> {
        let batch = self.batches.get(self.find(at)?)?;
        Some(batch.position + (at - batch.start))
    }

    /// Appends to `pieces` what `reading` has yet to be sent, at most up to `end` and at most
    /// `pieces_max` of them; returns the stream position after the last one. Every piece ends at a
    /// frame's end, and own messages are left out. It stops once it has gone `bytes_max` of the
    /// stream: beyond that lies at most a merged batch, or one larger frame. `None` when the
    /// cursor's bytes are gone.
    #[must_use]
    pub fn plan(
        &self,
        reading: &Reading,
        end: StreamPosition,
        pieces_max: usize,
        bytes_max: u64,
        pieces: &mut Vec<Piece>,
    ) -> Option<StreamPosition> {
        let mut at = self.skip_own(reading, reading.cursor);
        let first = pieces.len();
        if at >= end {
            return Some(at);
        }
        let goal = end.min(at.onward(bytes_max));
        let mut number = self.find(at)?;
        while at < goal {
            let batch = self.batches[number];
            let batch_end = batch.start + batch.bytes;
            let stop = end.min(batch_end).min(self.next_own(reading, at));
            let piece = Piece {
                position: batch.position + (at - batch.start),
                bytes: stop - at,
            };
            let count = pieces.len() - first;
            match pieces[first..].last_mut() {
                Some(last) if last.position + last.bytes == piece.position => {
                    last.bytes += piece.bytes;
                }
                _ if count == pieces_max => break,
                _ => pieces.push(piece),
            }
            at = self.skip_own(reading, stop);
            while number < self.batches.len() && {
                let batch = &self.batches[number];
                batch.start + batch.bytes <= at
            } {
                number += 1;
            }
        }
        Some(at)
    }

    /// Where the cursor stands after `sent` bytes of what [`Self::plan`] gave out.
    #[must_use]
    pub fn advance(&self, reading: &Reading, sent: u64) -> StreamPosition {
        let mut at = self.skip_own(reading, reading.cursor);
        let mut left = sent;
        while left > 0 {
            let step = left.min(self.next_own(reading, at) - at);
            at = self.skip_own(reading, at + step);
            left -= step;
        }
        at
    }

    /// The end of the frame that `at` lies inside of, or `at` itself when a frame begins there.
    /// `boundary` is a stream position at or before `at` where a frame begins. `None` when those
    /// bytes are gone.
    #[must_use]
    pub fn frame_end(
        &self,
        log: &Log,
        boundary: StreamPosition,
        at: StreamPosition,
    ) -> Option<StreamPosition> {
        if at == self.head {
            return Some(at);
        }
        // A frame begins where a batch does, too.
        let batch = self.batches[self.find(at)?];
        let mut start = boundary.max(batch.start);
        while start < at {
            start += frame_bytes(log, &batch, start)?;
        }
        Some(start)
    }

    /// How many frames `reading` has not been sent, its own left out; its cursor is at a frame's
    /// beginning. `None` when those bytes are gone.
    #[must_use]
    pub fn frames_ahead(&self, log: &Log, reading: &Reading) -> Option<u64> {
        if reading.cursor == self.head {
            return Some(0);
        }
        // Counted from the batch's end: its beginning may have left the log.
        let number = self.find(reading.cursor)?;
        let batch = self.batches[number];
        let next = self.batches.get(number + 1);
        let mut before = next.map_or(self.frames, |next| next.first_frame);
        let mut at = reading.cursor;
        while at < batch.start + batch.bytes {
            at += frame_bytes(log, &batch, at)?;
            before -= 1;
        }
        let own: u64 = self
            .own_ahead(reading.cursor)
            .filter(|range| range.origin == reading.member)
            // Of a range that the cursor stands in, only what lies ahead of it.
            .map(|range| range.frames.min(range.end_frame - before))
            .sum();
        Some(self.frames - before - own)
    }

    /// Which batch holds the stream position `at`.
    fn find(&self, at: StreamPosition) -> Option<usize> {
        // Almost always the newest one: everybody else has caught up.
        let last = self.batches.back()?;
        if at >= self.head {
            return None;
        }
        if at >= last.start {
            return Some(self.batches.len() - 1);
        }
        self.batches
            .partition_point(|batch| batch.start <= at)
            .checked_sub(1)
    }

    fn own_ahead(&self, at: StreamPosition) -> impl Iterator<Item = &OwnRange> {
        let first = self.own.partition_point(|range| range.end <= at);
        self.own.range(first..)
    }

    /// Where `reading`'s next own range at or after `at` begins.
    fn next_own(&self, reading: &Reading, at: StreamPosition) -> StreamPosition {
        if !reading.own.is_ahead_of(at) {
            NEVER
        } else if reading.own.are_several() {
            self.own_ahead(at)
                .find(|range| range.origin == reading.member)
                .map_or(NEVER, |range| range.start)
        } else {
            reading.own.last_start()
        }
    }

    /// `at`, or the end of the own ranges that begin there.
    fn skip_own(&self, reading: &Reading, mut at: StreamPosition) -> StreamPosition {
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
        for range in self
            .own_ahead(at)
            .filter(|range| range.origin == reading.member)
        {
            if range.start > at {
                break;
            }
            at = range.end;
        }
        at
    }
}

/// Length of the frame that begins at the stream position `at` of `batch`; `None` when it has left
/// the log.
fn frame_bytes(log: &Log, batch: &Batch, at: StreamPosition) -> Option<u64> {
    let position = batch.position + (at - batch.start);
    if position < log.tail() {
        return None;
    }
    let left = usize::try_from(batch.bytes - (at - batch.start)).ok()?;
    let header = log.slice(position, left.min(frame::HEADER_BYTES_MAX));
    frame::frame_bytes(header).map(|bytes| bytes as u64)
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
