//! The index of a room: which ranges of the log belong to it, as one unbroken stream.
//!
//! Members of a room stand in its *stream*: its bytes numbered from 0 without gaps, whatever else
//! the log holds in between. A cursor is a stream position, so lag is a subtraction and a short
//! send an addition. The index maps a stream position to the log. It holds no bytes itself and
//! forgets what no member needs any more.

use std::collections::VecDeque;

use super::log::Log;
use super::own::{OwnRanges, Reading};
use super::rendition::Rendition;
use super::spare::give_back;
use crate::id::{LogPosition, MemberId, Offset, StreamPosition};
use crate::wire::frame;

/// A contiguous run of frames of one room.
#[derive(Debug, Clone, Copy)]
struct Batch {
    /// Where its first byte stands in the stream.
    start: StreamPosition,
    /// And in the log.
    position: LogPosition,
    /// Frames in the stream before it.
    first_frame: u64,
    /// The offset of the first of its messages that has one.
    first: Option<Offset>,
    /// And that of the last one. In between, some may be left out.
    last: Option<Offset>,
    /// How many of its messages have one.
    offset_count: u16,
    /// Whether it is the first of an incarnation of the room.
    begins_epoch: bool,
    bytes: u32,
}

/// A contiguous piece of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Where its first byte stands.
    pub position: LogPosition,
    /// Its length in bytes.
    pub bytes: u64,
}

/// Adjacent batches grow into one up to this size, so that the index stays short while the oldest
/// bytes can still be forgotten piecemeal.
const MERGED_BATCH_BYTES_MAX: u32 = 256 << 10;
/// And up to so many frames, which bounds what depends on a whole batch: counting its frames, and the
/// own ranges that are forgotten with it.
const MERGED_BATCH_FRAMES_MAX: u64 = 1024;

/// Batches gathered before a look for those that nobody needs is worth it, at least and at most. The
/// look costs a glance at every member's cursor, so in between it waits for a batch a member: thousands
/// of small rooms then keep their indexes in a few cache lines each.
const PRUNE_BATCHES_MIN: u32 = 4;
const PRUNE_BATCHES_MAX: usize = 64;
/// Entries of a kind that any index may have room for, however many indexes there are.
pub(crate) const KEPT_ENTRIES_MAX: usize = 8;
/// Entries that a busy room gathers again and again: their memory is not given back each time.
const KEPT_WHILE_BUSY: usize = 4 * PRUNE_BATCHES_MAX;

/// Maps the stream of one rendition of a room to the log. What each message changes stands first.
#[derive(Debug)]
#[repr(C)]
pub struct Index {
    batches: VecDeque<Batch>,
    head: StreamPosition,
    frames: u64,
    /// The offset of the newest message that has one.
    top: Option<Offset>,
    /// Where the newest batch ends in the log: whether the next one follows on it is known without a look
    /// at it, which is in no cache when thousands of rooms have had a message since.
    newest_end: LogPosition,
    own: OwnRanges,
    prune_at: u32,
    /// Whether the next frame is the first of another incarnation of the room.
    begins_epoch: bool,
    /// Of which form of the messages it is.
    rendition: Rendition,
}

const _: () = assert!(size_of::<Index>() == 80 && size_of::<Batch>() == 48);
// So many are counted in a batch at most.
const _: () = assert!(MERGED_BATCH_FRAMES_MAX <= u16::MAX as u64);

impl Default for Index {
    fn default() -> Self {
        Self::new(Rendition::PLAIN)
    }
}

impl Index {
    /// One of a stream in which there is nothing yet.
    pub(crate) fn new(rendition: Rendition) -> Self {
        Self {
            batches: VecDeque::new(),
            own: OwnRanges::default(),
            head: StreamPosition::default(),
            frames: 0,
            top: None,
            begins_epoch: false,
            rendition,
            prune_at: PRUNE_BATCHES_MIN,
            newest_end: LogPosition::default(),
        }
    }
}

impl Batch {
    fn end(&self) -> StreamPosition {
        self.start + u64::from(self.bytes)
    }

    /// Where it ends in the log.
    fn position_end(&self) -> LogPosition {
        self.position + u64::from(self.bytes)
    }
}

impl Index {
    /// The form of the messages whose stream it is.
    #[must_use]
    #[inline]
    pub(crate) fn rendition(&self) -> Rendition {
        self.rendition
    }

    /// Stream position after the newest byte.
    #[must_use]
    pub fn head(&self) -> StreamPosition {
        self.head
    }

    /// Where its newest frame ends in the log.
    #[must_use]
    pub(crate) fn end(&self) -> LogPosition {
        self.newest_end
    }

    /// Adds a frame of `bytes` at `position` of the log, which is of the message with `offset`, if it
    /// has one; returns its stream position. Always inlined: each message does it, and rooms do it in several places.
    #[inline(always)]
    pub fn push(
        &mut self,
        position: LogPosition,
        bytes: u32,
        offset: Option<Offset>,
    ) -> StreamPosition {
        let start = self.head;
        if offset.is_some() {
            assert!(self.top < offset, "offsets of a room increase");
            self.top = offset;
        }
        let follows = self.newest_end == position;
        self.newest_end = position + u64::from(bytes);
        match self.batches.back_mut() {
            Some(last)
                if follows
                    && last.bytes.saturating_add(bytes) <= MERGED_BATCH_BYTES_MAX
                    && self.frames < last.first_frame + MERGED_BATCH_FRAMES_MAX
                    && !self.begins_epoch =>
            {
                last.bytes += bytes;
                last.first = last.first.or(offset);
                last.last = offset.or(last.last);
                last.offset_count += u16::from(offset.is_some());
            }
            _ => self.begin_batch(position, bytes, offset),
        }
        self.head += u64::from(bytes);
        self.frames += 1;
        start
    }

    fn begin_batch(&mut self, position: LogPosition, bytes: u32, offset: Option<Offset>) {
        self.batches.push_back(Batch {
            start: self.head,
            position,
            first_frame: self.frames,
            first: offset,
            last: offset,
            offset_count: u16::from(offset.is_some()),
            begins_epoch: std::mem::take(&mut self.begins_epoch),
            bytes,
        });
    }

    /// Records that the newest frame, from `start` of the stream on, came from `origin`.
    #[inline]
    pub fn push_own(&mut self, origin: MemberId, start: StreamPosition) {
        self.own.push(origin, start, self.head, self.frames);
    }

    /// What is pushed from now on belongs to another incarnation of the room, whose offsets begin anew.
    pub(crate) fn begin_epoch(&mut self) {
        self.top = None;
        self.begins_epoch = true;
    }

    /// Whether enough has gathered that forgetting is worth a look at the cursors of all `members`.
    #[must_use]
    pub fn wants_pruning(&self, members: impl FnOnce() -> usize) -> bool {
        let gathered = self.batches.len().max(self.own.len());
        gathered >= self.prune_at as usize && gathered >= members().min(PRUNE_BATCHES_MAX)
    }

    /// Forgets what lies before `oldest_cursor` or has left the log.
    pub fn prune(&mut self, oldest_cursor: StreamPosition, log_tail: LogPosition) {
        while self
            .batches
            .front()
            .is_some_and(|batch| batch.end() <= oldest_cursor || batch.position_end() <= log_tail)
        {
            self.batches.pop_front();
        }
        let kept = self.batches.front().map_or(self.head, |batch| batch.start);
        self.own.forget_before(kept.max(oldest_cursor));
        let gathered = 2 * self.batches.len().max(self.own.len());
        // Saturates: then it is not looked again before there are as many.
        self.prune_at = u32::try_from(gathered)
            .unwrap_or(u32::MAX)
            .max(PRUNE_BATCHES_MIN);
        self.give_back_memory(KEPT_WHILE_BUSY);
    }

    /// Forgets what has a log position before `log_tail`, as if the log did not reach further back,
    /// and gives the memory back.
    pub(crate) fn forget(&mut self, log_tail: LogPosition) {
        self.prune(StreamPosition::default(), log_tail);
        self.give_back_memory(KEPT_ENTRIES_MAX);
    }

    /// Queues that were long do not keep their memory when they are short.
    fn give_back_memory(&mut self, kept_entries: usize) {
        give_back(&mut self.batches, kept_entries);
        self.own.give_back_memory(kept_entries);
    }

    /// Memory of an entry of each kind, in bytes.
    pub(crate) const ENTRY_BYTES: usize = size_of::<Batch>() + OwnRanges::ENTRY_BYTES;

    /// Memory it holds beyond [`KEPT_ENTRIES_MAX`] entries of a kind, in bytes.
    #[must_use]
    pub(crate) fn held_bytes_beyond_few(&self) -> usize {
        let batches = self.batches.capacity().saturating_sub(KEPT_ENTRIES_MAX);
        let own = self.own.capacity().saturating_sub(KEPT_ENTRIES_MAX);
        batches * size_of::<Batch>() + own * OwnRanges::ENTRY_BYTES
    }

    /// Log position of the stream position `at`, or `None` when it has left the index or is the
    /// head.
    #[must_use]
    pub(crate) fn position(&self, at: StreamPosition) -> Option<LogPosition> {
        let batch = self.batches.get(self.find(at)?)?;
        Some(batch.position + (at - batch.start))
    }

    /// Whether what stands at the stream position `at`, if it is anything, is no longer in the newer half of the log.
    #[must_use]
    pub(crate) fn is_about_to_leave(&self, at: StreamPosition, log: &Log) -> bool {
        let half = log.capacity_bytes() as u64 / 2;
        let is_old = |position| log.head() - position > half;
        at < self.head && self.position(at).is_none_or(is_old)
    }

    /// The offset of the newest message that has one, 0 when none has.
    #[must_use]
    pub(crate) fn top(&self) -> u64 {
        self.top.map_or(0, Offset::number)
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
        let mut at = self.own.skip(reading, reading.cursor);
        let first = pieces.len();
        if at >= end {
            return Some(at);
        }
        let goal = end.min(at.onward(bytes_max));
        let mut number = self.find(at)?;
        while at < goal {
            let batch = &self.batches[number];
            let batch_end = batch.end();
            let stop = end.min(batch_end).min(self.own.next(reading, at));
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
            at = self.own.skip(reading, stop);
            if at >= goal {
                break;
            }
            while (self.batches.get(number)).is_some_and(|batch| batch.end() <= at) {
                number += 1;
            }
        }
        Some(at)
    }

    /// Where the first frame ends that is at least `bytes_max` beyond `boundary`, where one begins, or the head
    /// if that is nearer. `None` when those bytes are gone.
    #[must_use]
    pub(crate) fn goal(
        &self,
        log: &Log,
        boundary: StreamPosition,
        bytes_max: u64,
    ) -> Option<StreamPosition> {
        if self.head - boundary <= bytes_max {
            return Some(self.head);
        }
        // It may map to bytes that were overwritten since.
        if self.position(boundary)? < log.tail() {
            return None;
        }
        self.frame_end(log, boundary, boundary.onward(bytes_max))
    }

    /// Where the cursor stands after `sent` bytes of what [`Self::plan`] gave out.
    #[must_use]
    pub(crate) fn advance(&self, reading: &Reading, sent: u64) -> StreamPosition {
        let mut at = self.own.skip(reading, reading.cursor);
        let mut left = sent;
        while left > 0 {
            let step = left.min(self.own.next(reading, at) - at);
            at = self.own.skip(reading, at + step);
            left -= step;
        }
        at
    }

    /// The end of the frame that `at` lies inside of, or `at` itself when a frame begins there.
    /// `boundary` is a stream position at or before `at` where a frame begins. `None` when those
    /// bytes are gone.
    #[must_use]
    pub(crate) fn frame_end(
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
        while at < batch.end() {
            at += frame_bytes(log, &batch, at)?;
            before -= 1;
        }
        let own = self.own.frames_ahead(reading, before);
        Some(self.frames - before - own)
    }

    /// Compares its batches with one another.
    ///
    /// # Errors
    /// A sentence about the first that does not follow the one before.
    pub(crate) fn check_invariants(&self) -> Result<(), String> {
        let mut end = self.batches.front().map_or(self.head, |batch| batch.start);
        let mut position = LogPosition::default();
        let mut top = None;
        for batch in &self.batches {
            if batch.begins_epoch {
                top = None;
            }
            let follows = batch.start == end && batch.position >= position && batch.bytes > 0;
            let ordered = batch.first.zip(batch.last).is_none_or(|(first, last)| {
                let (count, span) = (
                    u64::from(batch.offset_count),
                    last.number() - first.number(),
                );
                (top.is_none() || top < Some(first)) && (1..=span + 1).contains(&count)
            });
            top = batch.last.or(top);
            if !follows || !ordered {
                return Err(format!("{batch:?} does not follow {end:?}, {top:?}"));
            }
            (end, position) = (batch.end(), batch.position_end());
        }
        let newest = self.batches.back().map(Batch::position_end);
        if newest.is_some_and(|newest| newest != self.newest_end) {
            return Err(format!("{newest:?} is not {:?}", self.newest_end));
        }
        if end != self.head {
            return Err(format!(
                "the stream ends at {end:?} and not at {:?}",
                self.head
            ));
        }
        Ok(())
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
}

/// Length of the frame that begins at the stream position `at` of `batch`; `None` when it has left
/// the log.
fn frame_bytes(log: &Log, batch: &Batch, at: StreamPosition) -> Option<u64> {
    let position = batch.position + (at - batch.start);
    if position < log.tail() {
        return None;
    }
    let left = usize::try_from(batch.end() - at).ok()?;
    let header = log.slice(position, left.min(frame::HEADER_BYTES_MAX));
    frame::frame_bytes(header).map(|bytes| bytes as u64)
}

#[cfg(test)]
mod tests;
