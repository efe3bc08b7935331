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
        self.reruns.line_up(id);
        let (bytes, _) = (self.reruns).append(id, &mut self.log, "room", &Frames, most);
        bytes / FRAME_BYTES
    }

    fn waits(&self, id: RerunId) -> bool {
        self.reruns.get(id).unwrap().waits()
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
        let mut at = run
            .start_behind(start.after)
            .expect("and that where it begins");
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
    assert!(first.position.is_none() && bench.waits(first.rerun));
    assert_eq!(bench.append(first.rerun, 100), 6);
    let (_, same) = bench.begin(Protocol::Json, &missed(4, 3, 10));
    let (_, fewer) = bench.begin(Protocol::Json, &missed(8, 7, 10));
    assert!(!bench.waits(first.rerun));
    let (_, newer) = bench.begin(Protocol::Json, &missed(8, 6, 13));
    let (_, newest) = bench.begin(Protocol::Json, &missed(13, 13, 14));
    assert!(bench.waits(first.rerun));
    assert!(same.position.is_some() && newer.position.is_some() && newest.position.is_none());
    assert!(
        [same, fewer, newer, newest]
            .iter()
            .all(|one| one.rerun == first.rerun)
    );
    assert_eq!(bench.append(first.rerun, 100), 4);
    assert_eq!(bench.reads(&first), [5, 6, 7, 8, 9, 10]);
    assert_eq!(bench.reads(&same), [5, 6, 7, 8, 9, 10]);
    assert_eq!(bench.reads(&fewer), [9, 10]);
    assert_eq!(bench.reads(&newer), [9, 10, 11, 12, 13]);
    assert_eq!(bench.reads(&newest), [14]);
    // Others have other bytes, or have missed more.
    let (_, other) = bench.begin(Protocol::Protobuf, &missed(4, 3, 10));
    let (_, more) = bench.begin(Protocol::Json, &missed(3, 3, 10));
    assert!(other.rerun != first.rerun && more.rerun != first.rerun && other != more);
}

/// Goal: as long as nothing is appended, those who come share it whoever has missed more, each reads its own part, and
/// what they know is not appended without end before somebody's place.
#[test]
fn those_who_come_together_share_it() {
    let mut bench = Bench::new();
    let starts = [8, 5, 9, 4, 6].map(|after| {
        let (_, start) = bench.begin(Protocol::Json, &missed(after, 1, 10));
        (after, start)
    });
    let rerun = starts[0].1.rerun;
    assert!(starts.iter().all(|(_, start)| start.rerun == rerun));
    assert_eq!(bench.append(rerun, 100), 6);
    for (after, start) in starts {
        assert_eq!(
            bench.reads(&start),
            (u8::try_from(after).unwrap() + 1..=10).collect::<Vec<_>>()
        );
    }
    let mut bench = Bench::new();
    let (_, little) = bench.begin(Protocol::Json, &missed(198, 1, 200));
    let (_, much) = bench.begin(Protocol::Json, &missed(0, 1, 200));
    assert_ne!(little.rerun, much.rerun);
    assert_eq!(bench.append(little.rerun, 1_000), 2);
}

/// Goal: who has come to where another rerun goes on that has more reads on there, and costs the log nothing.
#[test]
fn one_goes_over_to_what_is_there() {
    let mut bench = Bench::new();
    let (_, others) = bench.begin(Protocol::Json, &missed(6, 4, 12));
    assert_eq!(bench.append(others.rerun, 100), 6);
    let (member, start) = bench.begin(Protocol::Json, &missed(2, 1, 12));
    assert_ne!(start.rerun, others.rerun);
    let over = |bench: &mut Bench| bench.reruns.go_over(start.rerun, member, &bench.log);
    assert_eq!(bench.append(start.rerun, 2), 2);
    assert_eq!(over(&mut bench), None, "the others begin behind that");
    assert_eq!(bench.append(start.rerun, 2), 2);
    let on = over(&mut bench).expect("they have more");
    assert_eq!((on.rerun, on.after), (others.rerun, 6));
    assert_eq!(bench.reads(&on), (7..=12).collect::<Vec<_>>());
    assert_eq!(
        bench.append(start.rerun, 100),
        0,
        "nobody reads it any more"
    );
}

/// Goal: who has fallen behind reads the rest once more, with others who have; what all of them keep in memory is counted
/// once.
#[test]
fn one_that_falls_behind_reads_it_once_more() {
    let mut bench = Bench::new();
    let all = missed(0, 1, 12);
    let (first_member, first) = bench.begin(Protocol::Json, &all);
    let (member, _) = bench.begin(Protocol::Json, &all);
    let kept = bench.reruns.upkeep();
    assert!(kept.bytes > 1_200 && kept.waiting == 1);
    assert_eq!(bench.append(first.rerun, 5), 5);
    bench.fill(40 << 10);
    let again = (bench.reruns).begin_again(first.rerun, 3, member, &bench.log);
    let again = again.expect("there is room");
    assert_ne!(again.rerun, first.rerun);
    let upkeep = bench.reruns.upkeep();
    assert_eq!((upkeep.bytes, upkeep.waiting), (kept.bytes, 2));
    let second = (bench.reruns).begin_again(first.rerun, 4, first_member, &bench.log);
    assert_eq!(second.map(|second| second.rerun), Some(again.rerun));
    assert_eq!(bench.append(again.rerun, 100), 9);
    assert_eq!(bench.reads(&again), (4..=12).collect::<Vec<_>>());
    for member in [member, first_member] {
        bench.reruns.end(again.rerun, member);
    }
    assert_eq!(bench.reruns.upkeep(), Default::default());
}

/// Goal: no more is appended at a time than may be, but for the frame that exceeds it, and all of it in the end.
#[test]
fn much_is_appended_piece_by_piece() {
    let mut bench = Bench::new();
    let (_, start) = bench.begin(Protocol::Json, &missed(0, 1, 20));
    let run = |bench: &Bench| bench.reruns.get(start.rerun).unwrap().end_of(20);
    let mut counts = Vec::new();
    while bench.waits(start.rerun) {
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
    assert!(!bench.waits(second.rerun), "nobody waits for it");
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

/// Goal: what others have read before is kept again for whoever reads it now, with all that it has missed besides: it may
/// fall behind in there, however it has come to it.
#[test]
fn what_nobody_read_any_more_is_kept_again() {
    for goes_over in [false, true] {
        let mut bench = Bench::new();
        let (reader, others) = bench.begin(Protocol::Json, &missed(6, 4, 12));
        assert_eq!(bench.append(others.rerun, 100), 6);
        assert!(!bench.reruns.end(others.rerun, reader));
        assert_eq!(bench.reruns.upkeep(), Default::default());
        let after = if goes_over { 2 } else { 6 };
        let (member, start) = bench.begin(Protocol::Json, &missed(after, 1, 15));
        if goes_over {
            assert_eq!(bench.append(start.rerun, 4), 4);
            let over = (bench.reruns).go_over(start.rerun, member, &bench.log);
            assert_eq!(over.map(|over| over.rerun), Some(others.rerun));
        } else {
            assert_eq!(start.rerun, others.rerun);
        }
        let (_, other) = bench.begin(Protocol::Json, &missed(9, 10, 15));
        assert_eq!(other.rerun, others.rerun);
        assert_eq!(bench.append(others.rerun, 1), 1);
        bench.fill(40 << 10);
        let again = (bench.reruns).begin_again(others.rerun, 7, member, &bench.log);
        let again = again.expect("there is room");
        assert_ne!(again.rerun, others.rerun);
        assert_eq!(bench.append(again.rerun, 100), 8);
        assert_eq!(bench.reads(&again), (8..=15).collect::<Vec<_>>());
    }
}

/// Goal: nobody reads with others what has a gap to what those have yet to read.
#[test]
fn what_is_kept_has_no_gaps() {
    let mut bench = Bench::new();
    let (reader, first) = bench.begin(Protocol::Json, &missed(0, 1, 12));
    assert_eq!(bench.append(first.rerun, 100), 12);
    bench.reruns.end(first.rerun, reader);
    // It is kept from 10 on.
    let (_, second) = bench.begin(Protocol::Json, &missed(10, 11, 14));
    assert_eq!(second.rerun, first.rerun);
    let (_, fewer) = bench.begin(Protocol::Json, &missed(2, 1, 6));
    assert_ne!(fewer.rerun, first.rerun);
    let (member, all) = bench.begin(Protocol::Json, &missed(2, 1, 14));
    assert_eq!(all.rerun, first.rerun);
    assert_eq!(bench.append(first.rerun, 100), 2);
    bench.fill(40 << 10);
    let again = (bench.reruns).begin_again(first.rerun, 2, member, &bench.log);
    let again = again.expect("there is room");
    bench.append(again.rerun, 100);
    assert_eq!(bench.reads(&again), (3..=14).collect::<Vec<_>>());
}

/// Goal: what somebody knows is appended for others as far as its place, and then something behind it, wherever that falls:
/// it has read nothing that could ask for more.
#[test]
fn something_is_appended_behind_every_place() {
    for frames in 1..=9 {
        let mut bench = Bench::new();
        let (_, first) = bench.begin(Protocol::Json, &missed(0, 1, 12));
        let (_, second) = bench.begin(Protocol::Json, &missed(8, 7, 12));
        assert_eq!(first.rerun, second.rerun);
        bench.reruns.line_up(first.rerun);
        let mut goes_on = true;
        while goes_on {
            let most = frames * FRAME_BYTES;
            (_, goes_on) =
                (bench.reruns).append(first.rerun, &mut bench.log, "room", &Frames, most);
        }
        let run = bench.reruns.get(first.rerun).unwrap();
        let start = run.start_behind(8).expect("its place is appended");
        assert!(start < run.index().head(), "{frames} at a time");
    }
}
