//! The index against a model that keeps every frame in a list.

use proptest::prelude::*;

use super::{Index, Piece, Reading};
use crate::id::{MemberId, ShardId, StreamPosition};
use crate::room::log::Log;
use crate::room::own::OwnMessages;
use crate::wire::frame::{OpCode, append_frame};

const LOG_BYTES: usize = 16 << 10;

fn member(slot: u32) -> MemberId {
    MemberId {
        shard: ShardId::new(0),
        slot,
        generation: 0,
    }
}

/// What is done to the log and the room.
#[derive(Debug, Clone)]
enum Step {
    /// A frame of so many payload bytes, of member 0, 1 or nobody.
    Publish(usize, u32),
    /// Bytes of another room come in between.
    Elsewhere(usize),
    /// The reader is sent so many bytes of what is planned, with at most so many pieces.
    Send(u64, usize),
    /// The index forgets what the reader no longer needs.
    Prune,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0usize..300, 0u32..3).prop_map(|(bytes, origin)| Step::Publish(bytes, origin)),
        1 => (1usize..50).prop_map(Step::Elsewhere),
        3 => (0u64..2000, 1usize..5).prop_map(|(bytes, pieces)| Step::Send(bytes, pieces)),
        1 => Just(Step::Prune),
    ]
}

/// A frame as the model remembers it.
#[derive(Debug)]
struct Published {
    start: StreamPosition,
    bytes: Vec<u8>,
    origin: u32,
}

/// The model: all frames of the room, and a reader, member 0, who is sent all but its own.
struct Model {
    log: Log,
    index: Index,
    published: Vec<Published>,
    reading: Reading,
    /// Bytes the reader was sent.
    sent: Vec<u8>,
}

impl Model {
    fn new() -> Self {
        Self {
            log: Log::new(LOG_BYTES).unwrap(),
            index: Index::default(),
            published: Vec::new(),
            reading: Reading {
                cursor: StreamPosition::default(),
                member: member(0),
                own: OwnMessages::default(),
            },
            sent: Vec::new(),
        }
    }

    fn publish(&mut self, payload_bytes: usize, origin: u32) {
        let mut bytes = Vec::new();
        let fill = u8::try_from(self.published.len() % 251).unwrap();
        append_frame(&mut bytes, OpCode::Binary, &vec![fill; payload_bytes]);
        let position = self.log.append(&bytes);
        let start = self
            .index
            .push(position, u32::try_from(bytes.len()).unwrap(), None);
        let end = start + bytes.len() as u64;
        if origin < 2 {
            self.index.push_own(member(origin), start);
        }
        if origin == 0 {
            self.reading.own.note(start, end, self.reading.cursor);
        }
        self.published.push(Published {
            start,
            bytes,
            origin,
        });
    }

    fn bytes_of(&self, pieces: &[Piece]) -> Vec<u8> {
        let slices = pieces.iter().map(|piece| {
            self.log
                .slice(piece.position, usize::try_from(piece.bytes).unwrap())
        });
        slices.collect::<Vec<_>>().concat()
    }

    /// All that the reader was ever to be sent.
    fn wanted(&self) -> Vec<u8> {
        let others = self.published.iter().filter(|frame| frame.origin != 0);
        others.flat_map(|frame| frame.bytes.clone()).collect()
    }

    /// Frames not its own that lie at or after the cursor.
    fn ahead(&self) -> u64 {
        let ahead = (self.published.iter())
            .filter(|frame| frame.origin != 0 && frame.start >= self.reading.cursor);
        ahead.count() as u64
    }

    /// The reader's cursor is between two frames, by the model.
    fn is_between_frames(&self) -> bool {
        self.reading.cursor == self.index.head()
            || (self.published.iter()).any(|frame| frame.start == self.reading.cursor)
    }

    /// Nothing that the reader has yet to be sent was overwritten.
    fn is_in_time(&self) -> bool {
        (self.index.position(self.reading.cursor)).is_none_or(|at| at >= self.log.tail())
    }

    fn send(&mut self, most: u64, pieces_max: usize) -> Result<(), TestCaseError> {
        let mut pieces = Vec::new();
        let head = self.index.head();
        let end = self
            .index
            .plan(&self.reading, head, pieces_max, u64::MAX, &mut pieces);
        let end = end.expect("nothing was overwritten");
        prop_assert!(pieces.len() <= pieces_max);
        let planned = self.bytes_of(&pieces);
        if pieces.len() < pieces_max {
            prop_assert_eq!(end, head, "a plan with room for more goes up to the head");
        }
        let count = usize::try_from(most).unwrap().min(planned.len());
        let cursor = self.index.advance(&self.reading, count as u64);
        if count == planned.len() {
            prop_assert_eq!(cursor, end, "all of a plan leads where the plan says");
        }
        let boundary = self.boundary();
        let frame_end = self.index.frame_end(&self.log, boundary, cursor);
        self.sent.extend_from_slice(&planned[..count]);
        self.reading.cursor = cursor;
        let expected = (self.published.iter())
            .map(|frame| frame.start)
            .chain([self.index.head()])
            .find(|&start| start >= cursor);
        // Unknown only when the search would have to begin in what was overwritten.
        prop_assert!(frame_end.is_none() || frame_end == expected);
        Ok(())
    }

    /// The last beginning of a frame at or before the cursor.
    fn boundary(&self) -> StreamPosition {
        let starts = self.published.iter().map(|frame| frame.start);
        starts
            .chain([self.index.head()])
            .filter(|&start| start <= self.reading.cursor)
            .max()
            .unwrap_or_default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Goal: however it is sent, the reader gets every frame but its own, once, in order; and the count
    /// of what lies ahead is that of the model.
    #[test]
    fn a_reader_gets_all_but_its_own(steps in prop::collection::vec(step(), 1..120)) {
        let mut model = Model::new();
        for step in steps {
            match step {
                Step::Publish(bytes, origin) => model.publish(bytes, origin),
                Step::Elsewhere(bytes) => {
                    model.log.append(&vec![0xee; bytes]);
                }
                Step::Send(bytes, pieces) => model.send(bytes, pieces)?,
                Step::Prune => {
                    let tail = model.log.tail();
                    model.index.prune(model.reading.cursor, tail);
                }
            }
            if !model.is_in_time() {
                return Ok(());
            }
            if model.is_between_frames() {
                let ahead = model.index.frames_ahead(&model.log, &model.reading);
                prop_assert_eq!(ahead, Some(model.ahead()));
            }
        }
        model.send(u64::MAX, usize::MAX)?;
        prop_assert_eq!(model.reading.cursor, model.index.head());
        prop_assert_eq!(&model.sent, &model.wanted());
    }

    /// Goal: one that is moved to the head, as slow ones are, goes on from there, and the count of what
    /// lies ahead stays right though it may stand within a run of its own messages.
    #[test]
    fn a_skip_may_end_within_own_messages(
        before in prop::collection::vec(0u32..3, 1..20),
        after in prop::collection::vec(0u32..3, 1..20),
    ) {
        let mut model = Model::new();
        for &origin in &before {
            model.publish(10, origin);
        }
        model.reading.cursor = model.index.head();
        let seen = model.published.len();
        for &origin in &after {
            model.publish(10, origin);
        }
        let ahead = model.index.frames_ahead(&model.log, &model.reading);
        prop_assert_eq!(ahead, Some(model.ahead()));
        model.send(u64::MAX, usize::MAX)?;
        let wanted: Vec<u8> = (model.published[seen..].iter())
            .filter(|frame| frame.origin != 0)
            .flat_map(|frame| frame.bytes.clone())
            .collect();
        prop_assert_eq!(&model.sent, &wanted);
    }
}

/// Goal: however small the frames of a room are, counting those ahead of a cursor, and finding where a cut
/// frame ends, looks at few of them.
#[test]
fn counting_is_bounded() {
    let (mut log, mut index) = (Log::new(1 << 20).unwrap(), Index::default());
    let mut frame = Vec::new();
    append_frame(&mut frame, OpCode::Text, b"x");
    for _ in 0..100_000 {
        let position = log.append(&frame);
        index.push(position, 3, None);
    }
    let ends = index.batches.iter().skip(1).map(|batch| batch.first_frame);
    let ends = ends.chain([index.frames]);
    for (batch, end) in index.batches.iter().zip(ends) {
        assert!(end - batch.first_frame <= super::MERGED_BATCH_FRAMES_MAX);
    }
    for cursor in (0..index.head().bytes()).step_by(3 * 997) {
        let at = StreamPosition::new(cursor);
        let reading = Reading {
            cursor: at,
            member: member(0),
            own: OwnMessages::default(),
        };
        let ahead = index.frames_ahead(&log, &reading);
        assert_eq!(ahead, Some(100_000 - cursor / 3));
        assert_eq!(
            index.frame_end(&log, StreamPosition::default(), at + 1),
            Some(at + 3)
        );
        assert_eq!(index.frame_end(&log, at, at), Some(at));
    }
    assert_eq!(
        index.frame_end(&log, StreamPosition::default(), index.head()),
        Some(index.head())
    );
}
