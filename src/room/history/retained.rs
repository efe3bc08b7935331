//! The messages that a room keeps: the newest in a run that grows, all others in pieces that are
//! handed out as they are to whoever has missed them.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::id::{Epoch, Offset};
use crate::message::{Message, Run, Slice};

/// Messages of a room, one after the other and each with its offset: what somebody has missed, shared by
/// all who have missed the same.
#[derive(Debug)]
pub(crate) struct Replay {
    /// The incarnation of the room that their offsets are of.
    pub(crate) epoch: Epoch,
    /// The messages; at least one.
    pub(crate) messages: Run,
}

/// A run that grows is closed at this weight, so that what it has is kept in one piece.
const PIECE_BYTES_MAX: usize = 64 << 10;
/// Or when it has this part of the messages that a room keeps: so much more may be in memory.
const PIECE_PART: usize = 8;

/// What a piece takes besides its messages: itself and two counts, a place in the list, and what an
/// allocator may round up.
const PIECE_BYTES: usize = 128;

/// The messages that a room keeps.
#[derive(Debug, Default)]
pub(super) struct Retained {
    pieces: VecDeque<Arc<Replay>>,
    /// Messages at the front of the first piece that are kept no longer.
    skipped: usize,
    /// The newest messages.
    open: Run,
    /// How many are kept.
    count: usize,
    /// Memory of all pieces.
    pieces_bytes: usize,
}

impl Replay {
    /// The offset of the newest message.
    #[must_use]
    pub(crate) fn last(&self) -> Offset {
        let last = self.messages.last_offset();
        last.expect("a piece has messages, and all of them have offsets")
    }

    /// Its messages behind the place `after`.
    #[must_use]
    pub(crate) fn behind(&self, after: u64) -> Slice<'_> {
        self.messages.from(self.messages.count_up_to(after))
    }

    /// Memory that it takes, in bytes.
    #[must_use]
    pub(crate) fn bytes(&self) -> usize {
        PIECE_BYTES + self.messages.held_bytes()
    }

    /// What those of `replays` weigh that lie between two places, and some beside them.
    #[must_use]
    pub(crate) fn weight_between(replays: &[Arc<Self>], first: u64, last: u64) -> usize {
        (replays.iter())
            .map(|replay| (replay.last().number(), replay.messages.weight()))
            .skip_while(|&(end, _)| end <= first)
            .take_while(|&(end, _)| end <= last)
            .map(|(_, weight)| weight)
            .sum()
    }
}

impl Retained {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Memory that they take, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.pieces_bytes + self.open.held_bytes()
    }

    /// The offset of the newest.
    pub(super) fn newest(&self) -> Option<Offset> {
        if self.is_empty() {
            return None;
        }
        let sealed = || self.pieces.back().map(|piece| piece.last());
        self.open.last_offset().or_else(sealed)
    }

    /// Keeps those of `said`, which belongs to `epoch`, that have offsets, and of all messages the
    /// newest `messages_max`. Returns the offset of the newest that is kept no longer, if there is one.
    pub(super) fn keep(
        &mut self,
        epoch: Epoch,
        said: Slice<'_>,
        messages_max: usize,
    ) -> Option<Offset> {
        let (before, said) = said.newest_with_offset(messages_max);
        let mut lost = None;
        if before.is_some() {
            self.clear();
            lost = before;
        }
        let open = self.open.len();
        self.open.keep(said);
        self.count += self.open.len() - open;
        while self.count > messages_max {
            lost = Some(self.drop_oldest(epoch));
        }
        let is_long = self.open.len() > messages_max / PIECE_PART;
        if is_long || self.open.weight() > PIECE_BYTES_MAX {
            self.close_piece(epoch, messages_max);
        }
        lost
    }

    /// Keeps the oldest no longer; returns its offset.
    fn drop_oldest(&mut self, epoch: Epoch) -> Offset {
        if self.pieces.is_empty() {
            self.close_piece(epoch, 0);
        }
        let first = self.pieces.front().expect("a message is there");
        let offset = first.messages.offset_at(self.skipped);
        self.count -= 1;
        self.skipped += 1;
        if self.skipped == first.messages.len() {
            self.drop_piece();
        }
        offset
    }

    /// Keeps the oldest piece no longer, whose messages are not counted any more.
    fn drop_piece(&mut self) {
        let gone = self.pieces.pop_front();
        self.pieces_bytes -= gone.map_or(0, |piece| piece.bytes());
        self.skipped = 0;
    }

    /// Keeps the oldest messages no longer, until so many bytes less are taken or none is left; returns
    /// the offset of the newest of them.
    pub(super) fn give_way(&mut self, epoch: Epoch, bytes: usize) -> Option<Offset> {
        let kept_max = self.bytes().saturating_sub(bytes);
        // With the memory that the newest have spare.
        self.close_piece(epoch, 0);
        self.open = Run::default();
        let mut lost = None;
        while self.bytes() > kept_max && !self.is_empty() {
            let first = self.pieces.front().expect("a message is there");
            lost = Some(first.last());
            self.count -= first.messages.len() - self.skipped;
            self.drop_piece();
        }
        lost
    }

    /// Keeps none of them any longer.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Puts the newest messages into a piece, with those before them while all together are few.
    fn close_piece(&mut self, epoch: Epoch, messages_max: usize) {
        let mut run = self.open.take_tight();
        if run.is_empty() {
            return;
        }
        let fits = |last: &&mut Arc<Replay>| {
            let weight = last.messages.weight() + run.weight();
            let messages = last.messages.len() + run.len();
            weight <= PIECE_BYTES_MAX && messages <= messages_max / PIECE_PART
        };
        let Some(last) = self.pieces.back_mut().filter(fits) else {
            let messages = run;
            let piece = Arc::new(Replay { epoch, messages });
            self.pieces_bytes += piece.bytes();
            return self.pieces.push_back(piece);
        };
        self.pieces_bytes -= last.bytes();
        match Arc::get_mut(last) {
            Some(last) => last.messages.append(&mut run),
            None => {
                // Somebody is being sent it as it is.
                let mut messages = last.messages.clone();
                messages.append(&mut run);
                *last = Arc::new(Replay { epoch, messages });
            }
        }
        self.pieces_bytes += last.bytes();
    }

    /// How many there are behind the place `after`.
    pub(super) fn count_behind(&self, after: u64) -> usize {
        self.slices(after).map(|slice| slice.len()).sum()
    }

    /// Those behind the place `after`, in pieces that may have some before it, too; `None` when there are none.
    pub(super) fn share(
        &mut self,
        epoch: Epoch,
        after: u64,
        messages_max: usize,
    ) -> Option<Vec<Arc<Replay>>> {
        self.close_piece(epoch, messages_max);
        let from = (self.pieces).partition_point(|piece| piece.last().number() <= after);
        let replays: Vec<Arc<Replay>> = self.pieces.range(from..).map(Arc::clone).collect();
        (!replays.is_empty()).then_some(replays)
    }

    /// What is kept of it behind the place `after`, from the oldest on.
    fn slices(&self, after: u64) -> impl Iterator<Item = Slice<'_>> {
        let first = (self.pieces).partition_point(|piece| piece.last().number() <= after);
        let pieces = (self.pieces.iter().enumerate().skip(first)).map(move |(place, piece)| {
            let skipped = if place == 0 { self.skipped } else { 0 };
            let known = piece.messages.count_up_to(after);
            piece.messages.from(known.max(skipped))
        });
        let open = self.open.from(self.open.count_up_to(after));
        pieces.chain(std::iter::once(open))
    }

    /// Those behind the place `after`, the oldest first.
    pub(super) fn forward(&self, after: u64) -> impl Iterator<Item = Message<'_>> {
        self.slices(after).flat_map(|slice| slice.messages())
    }

    /// Those before the place `before`, the newest first.
    pub(super) fn reverse(&self, before: u64) -> impl Iterator<Item = Message<'_>> {
        // Few pieces, and each is looked at only when its turn comes.
        let slices: Vec<Slice<'_>> = self.slices(0).collect();
        (slices.into_iter().rev())
            .flat_map(|slice| slice.messages().collect::<Vec<_>>().into_iter().rev())
            .filter(move |message| message.offset.is_some_and(|at| at.number() < before))
    }

    /// Compares what is counted with what is there.
    ///
    /// # Errors
    /// A sentence about what does not agree.
    pub(super) fn check(&self) -> Result<(), String> {
        let count: usize = self.slices(0).map(|slice| slice.len()).sum();
        let bytes: usize = self.pieces.iter().map(|piece| piece.bytes()).sum();
        if (count, bytes) != (self.count, self.pieces_bytes) {
            return Err(format!(
                "{count} messages are kept in {bytes} bytes, and {} in {} are counted",
                self.count, self.pieces_bytes
            ));
        }
        let offsets: Vec<_> = self.forward(0).map(|message| message.offset).collect();
        if !offsets.is_sorted_by(|one, next| one.is_some() && one < next) {
            return Err(format!("offsets are kept out of order: {offsets:?}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Epoch, Offset, Retained, Run};
    use crate::message::{Event, Form, Message, Origin};

    const EPOCH: Epoch = Epoch::new(1);

    /// A run of what was published, each with the next offset, and a notice behind each.
    fn said(next: &mut Offset, sizes: &[usize]) -> Run {
        let mut run = Run::default();
        for &size in sizes {
            let data = vec![7; size];
            run.push(&Message::new(
                Event::said(Form::Binary, &data),
                Origin::Nobody,
            ));
            run.push(&Message::new(Event::Members(9), Origin::Nobody));
        }
        let count = run.len();
        run.put_in_order(0, count, |_| {
            let offset = *next;
            *next = offset.following();
            offset
        });
        run
    }

    fn numbers<'a>(messages: impl Iterator<Item = Message<'a>>) -> Vec<u64> {
        messages.map(|one| one.offset.unwrap().number()).collect()
    }

    proptest! {
        /// Goal: whatever is said, shared and given up, the newest messages are there, whole and in order, in
        /// no more memory than a few times theirs; and what is shared does not change any more.
        #[test]
        fn the_newest_are_kept(
            messages_max in 1usize..30,
            runs in prop::collection::vec(
                (prop::collection::vec(0usize..3_000, 0..40), 0u8..6),
                1..30,
            ),
        ) {
            let mut retained = Retained::default();
            let (mut next, mut oldest) = (Offset::FIRST, 1);
            let mut shared = Vec::new();
            for (sizes, then) in runs {
                let run = said(&mut next, &sizes);
                let lost = retained.keep(EPOCH, run.as_slice(), messages_max);
                oldest = lost.map_or(oldest, |lost| lost.number() + 1);
                let top = next.number() - 1;
                let expected: Vec<u64> = (oldest..=top).collect();
                prop_assert!(expected.len() <= messages_max);
                prop_assert!(expected.len() == messages_max || oldest == 1 || then > 4 || lost.is_none());
                match then {
                    0 => {
                        let after = top.saturating_sub(messages_max as u64 / 2);
                        let found = retained.share(EPOCH, after, messages_max);
                        let mut found_behind = Vec::new();
                        for piece in found.into_iter().flatten() {
                            let all = numbers(piece.messages.as_slice().messages());
                            let behind = numbers(piece.behind(after).messages());
                            let after: Vec<u64> =
                                all.iter().copied().filter(|&at| at > after).collect();
                            prop_assert_eq!(&behind, &after);
                            found_behind.extend(behind);
                            shared.push((all, piece));
                        }
                        let newer: Vec<u64> =
                            expected.iter().copied().filter(|&at| at > after).collect();
                        prop_assert_eq!(found_behind, newer);
                    }
                    1 => {
                        if let Some(lost) = retained.give_way(EPOCH, 1) {
                            oldest = lost.number() + 1;
                        }
                    }
                    2 => {
                        retained.clear();
                        oldest = top + 1;
                    }
                    _ => {}
                }
                retained.check().unwrap();
                let expected: Vec<u64> = (oldest..=top).collect();
                prop_assert_eq!(numbers(retained.forward(0)), expected.clone());
                let middle = oldest + expected.len() as u64 / 2;
                let newer: Vec<u64> = expected.iter().copied().filter(|&at| at > middle).collect();
                prop_assert_eq!(retained.count_behind(middle), newer.len());
                prop_assert_eq!(numbers(retained.forward(middle)), newer);
                let mut older: Vec<u64> =
                    expected.iter().copied().filter(|&at| at < middle).collect();
                older.reverse();
                prop_assert_eq!(numbers(retained.reverse(middle)), older);
                prop_assert_eq!(retained.newest().map(Offset::number), expected.last().copied());
            }
            for (numbers_then, piece) in shared {
                prop_assert_eq!(numbers(piece.messages.as_slice().messages()), numbers_then);
            }
        }
    }

    /// Goal: messages take little more than they weigh, and one that is shared at each message does not
    /// leave a piece for each.
    #[test]
    fn what_is_kept_is_packed() {
        let mut retained = Retained::default();
        let mut next = Offset::FIRST;
        let mut weight = 0;
        for _ in 0..1_000 {
            let run = said(&mut next, &[100]);
            weight = run.weight() - Run::ENTRY_BYTES - 4;
            retained.keep(EPOCH, run.as_slice(), 200);
            retained.share(EPOCH, next.number() - 2, 200);
        }
        assert_eq!(retained.len(), 200);
        assert!(retained.pieces.len() <= 20, "{}", retained.pieces.len());
        let bytes = retained.bytes();
        assert!(bytes < 200 * weight * 3 / 2, "{bytes} for {}", 200 * weight);
    }
}
