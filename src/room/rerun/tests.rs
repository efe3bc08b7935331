//! Who shares what was missed, and how much of it is appended at a time.

use std::sync::Arc;

use super::{Member, Missed, Protocol, Replay, Reruns, Start};
use crate::id::{Epoch, MembershipId, Offset, RerunId, StreamPosition};
use crate::message::{Event, Form, Message, Origin, Run};
use crate::room::log::Log;
use crate::room::rendition::{Encode, Said};
use crate::wire::frame::{OpCode, append_frame};

const EPOCH: Epoch = Epoch::new(3);
/// Bytes of a frame.
const FRAME_BYTES: u64 = 102;

/// Writes a message of a hundred bytes as a frame.
struct Frames;

impl Encode for Frames {
    fn encoded_bytes_max(&self, _: Protocol, said: &Said<'_>) -> usize {
        assert!(said.has_history && said.room == "room" && said.epoch == EPOCH);
        200
    }

    fn encode(&self, _: Protocol, said: &Said<'_>, out: &mut [u8]) -> usize {
        let Event::Published { data, .. } = said.message.event else {
            panic!("{said:?}");
        };
        let mut frame = Vec::new();
        append_frame(&mut frame, OpCode::Text, data);
        out[..frame.len()].copy_from_slice(&frame);
        frame.len()
    }
}

/// The messages with these offsets, in pieces of three, of which somebody has those behind `after`.
fn missed(after: u64, first: u64, last: u64) -> Missed {
    let offsets: Vec<u64> = (first..=last).collect();
    let piece = |offsets: &[u64]| {
        let mut messages = Run::default();
        for &number in offsets {
            let data = vec![u8::try_from(number).unwrap(); 100];
            let event = Event::said(Form::Text, &data);
            messages.push(&Message {
                offset: Offset::new(number),
                ..Message::new(event, Origin::Nobody)
            });
        }
        let epoch = EPOCH;
        Arc::new(Replay { epoch, messages })
    };
    let replays = offsets.chunks(3).map(piece).collect();
    Missed { after, replays }
}

struct Bench {
    reruns: Reruns,
    log: Log,
    members: u32,
}

impl Bench {
    fn new() -> Self {
        Self {
            reruns: Reruns::default(),
            log: Log::new(64 << 10).unwrap(),
            members: 0,
        }
    }

    fn begin(&mut self, protocol: Protocol, missed: &Missed) -> (Member, Start) {
        let member = Member::new(self.members, MembershipId::INLINE);
        self.members += 1;
        let start = self.reruns.begin(protocol, missed, member, &self.log);
        (member, start.expect("there is room"))
    }

    /// Appends up to so many frames, and returns how many that were.
    fn append(&mut self, id: RerunId, frames: u64) -> u64 {
        let most = frames * FRAME_BYTES;
        let (bytes, _) = (self.reruns).append(id, &mut self.log, "room", &Frames, most);
        bytes / FRAME_BYTES
    }

    fn fill(&mut self, bytes: usize) {
        for _ in 0..bytes / 1_000 {
            self.log.append(&[0; 1_000]);
        }
    }

    /// The offsets that a member is to be sent.
    fn reads(&self, start: &Start) -> Vec<u8> {
        let run = self.reruns.get(start.rerun).unwrap();
        let end = run.end_of(start.last).expect("all of it is appended");
        let mut at = start.position;
        std::iter::from_fn(|| {
            let position = run.index().position(at).filter(|_| at < end)?;
            at += FRAME_BYTES;
            Some(self.log.slice(position, 3)[2])
        })
        .collect()
    }
}

/// Goal: what was missed is appended once for all who have missed it or a part of it, up to the newest that anybody has
/// missed, and each reads its own part.
#[test]
fn those_who_have_missed_the_same_share_it() {
    let mut bench = Bench::new();
    let (_, first) = bench.begin(Protocol::Json, &missed(4, 3, 10));
    assert!(first.waits);
    assert_eq!(bench.append(first.rerun, 100), 6);
    let (_, same) = bench.begin(Protocol::Json, &missed(4, 3, 10));
    let (_, fewer) = bench.begin(Protocol::Json, &missed(8, 7, 10));
    let (_, newer) = bench.begin(Protocol::Json, &missed(8, 6, 13));
    let (_, newest) = bench.begin(Protocol::Json, &missed(13, 13, 14));
    assert!(!same.waits && !fewer.waits && newer.waits);
    assert!(
        [same, fewer, newer]
            .iter()
            .all(|one| one.rerun == first.rerun)
    );
    // Where the last one begins is not known before the one before it has appended its part.
    assert_ne!(newest.rerun, first.rerun);
    assert_eq!(bench.append(first.rerun, 100), 3);
    assert_eq!(bench.append(newest.rerun, 100), 1);
    assert_eq!(bench.reads(&first), [5, 6, 7, 8, 9, 10]);
    assert_eq!(bench.reads(&same), [5, 6, 7, 8, 9, 10]);
    assert_eq!(bench.reads(&fewer), [9, 10]);
    assert_eq!(bench.reads(&newer), [9, 10, 11, 12, 13]);
    assert_eq!(bench.reads(&newest), [14]);
    let (_, at_the_end) = bench.begin(Protocol::Json, &missed(13, 12, 15));
    assert_eq!(at_the_end.rerun, first.rerun);
    assert_eq!(bench.append(first.rerun, 100), 2);
    assert_eq!(bench.reads(&at_the_end), [14, 15]);
    // Others have other bytes, or have missed more.
    let (_, other) = bench.begin(Protocol::Protobuf, &missed(4, 3, 10));
    let (_, more) = bench.begin(Protocol::Json, &missed(3, 3, 10));
    assert!(other.rerun != first.rerun && more.rerun != first.rerun && other != more);
}

/// Goal: no more is appended at a time than may be, but for the frame that exceeds it, and all of it in the end.
#[test]
fn much_is_appended_piece_by_piece() {
    let mut bench = Bench::new();
    let (_, start) = bench.begin(Protocol::Json, &missed(0, 1, 20));
    let run = |bench: &Bench| bench.reruns.get(start.rerun).unwrap().end_of(20);
    let mut counts = Vec::new();
    while bench.reruns.waits(start.rerun) {
        assert_eq!(run(&bench), None);
        counts.push(bench.append(start.rerun, 6));
    }
    assert_eq!(counts, [6, 6, 6, 2]);
    let end = StreamPosition::new(20 * FRAME_BYTES);
    assert_eq!(run(&bench), Some(end));
    assert_eq!(bench.reads(&start), (1..=20).collect::<Vec<_>>());
}

/// Goal: what stands in the older half of the log is appended anew for whoever comes then, and what nobody reads is
/// forgotten once it does; what somebody reads stays.
#[test]
fn what_was_appended_long_ago_is_appended_anew() {
    let mut bench = Bench::new();
    let (reader, first) = bench.begin(Protocol::Json, &missed(0, 1, 6));
    bench.append(first.rerun, 100);
    bench.fill(40 << 10);
    let (second_reader, second) = bench.begin(Protocol::Json, &missed(0, 1, 6));
    assert_ne!(second.rerun, first.rerun);
    assert!(!bench.reruns.end(first.rerun, reader));
    let (_, third) = bench.begin(Protocol::Protobuf, &missed(0, 1, 6));
    assert_eq!(third.rerun, first.rerun, "its name is free");
    let all: Vec<_> = bench.reruns.readers().map(|(id, _)| id).collect();
    assert_eq!(all.len(), 2);
    bench.reruns.end(second.rerun, second_reader);
    assert!(!bench.reruns.waits(second.rerun), "nobody waits for it");
    let held = bench.reruns.held_bytes();
    bench.fill(64 << 10);
    bench.reruns.forget_idle(bench.log.tail());
    assert!(bench.reruns.held_bytes() < held && !bench.reruns.is_empty());
}

/// Goal: there are as many reruns at a time as there are names, and no more.
#[test]
fn reruns_are_bounded() {
    let mut bench = Bench::new();
    let mut count = 0;
    for round in 0..300_u64 {
        let after = 300 - round;
        let mut missed = missed(0, 1, 1);
        missed.after = after;
        let member = Member::new(0, MembershipId::INLINE);
        count += usize::from(
            (bench
                .reruns
                .begin(Protocol::Json, &missed, member, &bench.log))
            .is_some(),
        );
    }
    assert!((250..300).contains(&count), "{count}");
}
