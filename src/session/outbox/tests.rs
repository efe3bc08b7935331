//! The outbox against short sends of every length, with private replies and own messages.

use proptest::prelude::*;

use crate::id::{LogPosition, MemberId, MembershipId, RoomId, ShardId, StreamPosition};
use crate::room::index::Index;
use crate::room::log::Log;
use crate::room::rendition::Rendition;
use crate::session::membership::Streams;
use crate::session::send::{Nothing, PIECES_MAX, Plan, Progress, SEND_BYTES_MAX, total_bytes};
use crate::session::tests::open;
use crate::session::{Flags, Session};
use crate::wire::frame::{OpCode, append_frame, frame_bytes};

const ME: MemberId = MemberId {
    shard: ShardId::new(0),
    slot: 0,
    generation: 0,
};

fn room() -> RoomId {
    RoomId::at(0)
}

/// The stream of the only room there is.
struct OneStream<'a>(&'a Index);

impl Streams for OneStream<'_> {
    fn stream(&self, _: RoomId, _: Rendition) -> &Index {
        self.0
    }
}

/// A session in a room of its own, and all it was sent.
struct Bench {
    session: Session,
    index: Index,
    log: Log,
    wire: Vec<u8>,
    /// What it is to be sent of the room, and privately, each in order.
    room_frames: Vec<Vec<u8>>,
    private_frames: Vec<Vec<u8>>,
}

impl Bench {
    fn new() -> Self {
        let mut session = open();
        let id = session.add_membership(room(), Rendition::PLAIN);
        session.enter(id.expect("it is in no other"), 0, StreamPosition::default());
        Self {
            session,
            index: Index::default(),
            log: Log::new(64 << 10).unwrap(),
            wire: Vec::new(),
            room_frames: Vec::new(),
            private_frames: Vec::new(),
        }
    }

    fn publish(&mut self, payload: &[u8], own: bool) {
        let mut bytes = Vec::new();
        append_frame(&mut bytes, OpCode::Binary, payload);
        let position = self.log.append(&bytes);
        let start = self
            .index
            .push(position, u32::try_from(bytes.len()).unwrap(), None);
        let end = start + bytes.len() as u64;
        if own {
            if self.session.note_own(room(), Rendition::PLAIN, start, end) {
                self.index.push_own(ME, start);
            }
        } else {
            self.room_frames.push(bytes);
        }
    }

    fn reply(&mut self, payload: &[u8]) {
        let mut bytes = Vec::new();
        append_frame(&mut bytes, OpCode::Pong, payload);
        self.session.private_mut().extend_from_slice(&bytes);
        self.private_frames.push(bytes);
    }

    /// One send, of which the kernel takes at most `most` bytes.
    fn send(&mut self, most: usize) -> Result<Progress, Nothing> {
        let mut plan = Plan::default();
        let streams = OneStream(&self.index);
        let undo = (self.session).plan_send(ME, &streams, &self.log, &mut plan)?;
        assert!(plan.pieces.len() <= 2 * PIECES_MAX);
        let (before, after) = plan.pieces.split_at(plan.before);
        let mut bytes = Vec::new();
        for piece in before {
            bytes.extend_from_slice(
                self.log
                    .slice(piece.position, usize::try_from(piece.bytes).unwrap()),
            );
        }
        bytes.extend_from_slice(&self.session.unsent()[..plan.private as usize]);
        for piece in after {
            bytes.extend_from_slice(
                self.log
                    .slice(piece.position, usize::try_from(piece.bytes).unwrap()),
            );
        }
        bytes.truncate(most);
        self.wire.extend_from_slice(&bytes);
        let sent = u32::try_from(bytes.len()).unwrap();
        if let Some(undo) = undo {
            if sent == undo.bytes {
                self.session.replies_sent();
                return Ok(Progress::All);
            }
            self.session.not_sent(undo);
        }
        Ok(self.session.sent(ME, &streams, &self.log, sent))
    }

    fn rescue(&mut self) -> bool {
        let streams = OneStream(&self.index);
        (self.session).rescue_cut_frame(MembershipId::INLINE, ME, &streams, &self.log)
    }

    fn drain(&mut self) {
        while self.send(usize::MAX).is_ok() {}
    }

    /// The wire as whole frames: those of the room and the private ones.
    fn frames(&self) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let (mut room, mut private) = (Vec::new(), Vec::new());
        let mut rest = &self.wire[..];
        while !rest.is_empty() {
            let bytes = frame_bytes(rest).expect("a frame of the server's making");
            let (frame, after) = rest.split_at(bytes);
            if frame[0] == 0x8a {
                private.push(frame.to_vec());
            } else {
                room.push(frame.to_vec());
            }
            rest = after;
        }
        (room, private)
    }

    fn check(&self) {
        let (room, private) = self.frames();
        assert_eq!(room, self.room_frames);
        assert_eq!(private, self.private_frames);
    }
}

/// Goal: a room's frames with own ones between, cut by a send at any byte, with a reply after the
/// cut: all arrives whole, the reply between two frames.
#[test]
fn a_send_may_be_cut_at_any_byte() {
    for own in [
        [false; 4],
        [false, true, false, true],
        [true, true, false, false],
    ] {
        for cut in 0..60 {
            let mut bench = Bench::new();
            bench.reply(b"before");
            for (number, own) in (0u8..).zip(own) {
                bench.publish(&[number; 10], own);
            }
            let _ = bench.send(cut);
            bench.reply(b"after");
            bench.publish(b"last", false);
            bench.drain();
            bench.check();
            assert_eq!(bench.session.cursor(), bench.index.head());
            assert!(bench.session.private.is_none());
        }
    }
}

/// Goal: a session that leaves its room, or is moved to its head, with a frame cut at any byte: the
/// rest of the frame comes first, then the replies, and nothing else of the room.
#[test]
fn a_cut_frame_is_rescued_whole() {
    for own_behind in [false, true] {
        for cut in 1..24 {
            let mut bench = Bench::new();
            bench.publish(&[1; 10], false);
            bench.publish(&[2; 10], false);
            bench.publish(&[3; 10], own_behind);
            let _ = bench.send(cut);
            bench.reply(b"goodbye");
            assert!(bench.rescue());
            (bench.session).skip_to(MembershipId::INLINE, bench.index.head());
            bench.drain();
            bench.room_frames.truncate(cut.div_ceil(12));
            bench.check();
        }
    }
}

/// Goal: a frame that was overwritten before it could be rescued is not made up.
#[test]
fn an_overwritten_frame_is_lost() {
    let mut bench = Bench::new();
    bench.publish(&[1; 100], false);
    assert_eq!(bench.send(50), Ok(Progress::Blocked));
    for _ in 0..20 {
        bench.publish(&[2; 4000], false);
    }
    assert!(!bench.rescue());
    let left = Nothing::Left(MembershipId::INLINE);
    assert_eq!(bench.send(usize::MAX), Err(left));
    assert!(!bench.session.flags.any(Flags::SENDING));
}

#[derive(Debug, Clone)]
enum Step {
    Publish(usize, bool),
    Reply(usize),
    Send(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0usize..200, any::<bool>()).prop_map(|(bytes, own)| Step::Publish(bytes, own)),
        (0usize..125).prop_map(Step::Reply),
        (0usize..500).prop_map(Step::Send),
    ]
}

proptest! {
    /// Goal: whatever order things come in, the wire holds whole frames, all of them, in both
    /// orders.
    #[test]
    fn every_order_of_things_gives_whole_frames(steps in prop::collection::vec(step(), 1..80)) {
        let mut bench = Bench::new();
        for (number, step) in (0u8..).zip(steps) {
            match step {
                Step::Publish(bytes, own) => bench.publish(&vec![number; bytes], own),
                Step::Reply(bytes) => bench.reply(&vec![number; bytes]),
                Step::Send(most) => {
                    let _ = bench.send(most);
                }
            }
        }
        bench.drain();
        bench.check();
    }
}

/// Goal: what one send carries is bounded, however far the session is behind and however large its
/// replies are; all of it arrives, replies between frames.
#[test]
fn a_send_is_bounded() {
    let mut bench = Bench::new();
    bench.log = Log::new(32 << 20).unwrap();
    let max = usize::try_from(SEND_BYTES_MAX).unwrap();
    let frame = vec![7; 100_000];
    for _ in 0..50 {
        bench.publish(&frame, false);
    }
    bench.publish(&vec![8; 6 << 20], false);
    bench.publish(&vec![9; 1000], false);
    let _ = bench.send(50_000);
    for _ in 0..5 << 13 {
        bench.reply(&[1; 125]);
    }
    let mut sends = 0;
    loop {
        let before = bench.wire.len();
        match bench.send(usize::MAX) {
            Ok(_) => sends += 1,
            Err(nothing) => break assert_eq!(nothing, Nothing::ToSend),
        }
        let bytes = bench.wire.len() - before;
        assert!(bytes <= max + (6 << 20) + 10, "a send of {bytes} bytes");
    }
    assert!(sends >= 4, "{sends} sends");
    bench.check();
}

/// Goal: a reader that is many gigabytes behind: what is planned for it fits a send, and its own
/// messages are passed by whatever their size.
#[test]
fn a_log_may_be_larger_than_four_gibibytes() {
    const GIB: u64 = 1 << 30;
    let mut bench = Bench::new();
    let mut position = 0;
    for number in 0..20 {
        let start = bench.index.push(LogPosition::new(position), 1 << 30, None);
        if (4..12).contains(&number) {
            bench.index.push_own(ME, start);
            (bench.session).note_own(room(), Rendition::PLAIN, start, start + GIB);
        }
        position += GIB + 1;
    }
    let mut plan = Plan::default();
    let (mut sent, mut sends) = (0, 0);
    loop {
        let streams = OneStream(&bench.index);
        match (bench.session).plan_send(ME, &streams, &bench.log, &mut plan) {
            Ok(Some(undo)) => bench.session.not_sent(undo),
            Ok(None) => {}
            Err(nothing) => break assert_eq!(nothing, Nothing::ToSend),
        }
        let bytes = total_bytes(&plan.pieces);
        assert!(bytes < 2 * GIB, "a send of {bytes} bytes");
        let bytes = u32::try_from(bytes).unwrap();
        let _ = bench.session.sent(ME, &streams, &bench.log, bytes);
        (sent, sends) = (sent + u64::from(bytes), sends + 1);
    }
    assert_eq!((sent, sends), (12 * GIB, 12));
    assert_eq!(bench.session.cursor(), StreamPosition::new(20 * GIB));
}

/// Goal: a send is shared by those alone to whom it is the same, and is taken back like any other.
#[test]
fn a_send_is_shared_by_those_to_whom_it_is_the_same() {
    type Change = fn(&mut Bench);
    let changes: [(&str, Change, bool); 6] = [
        ("stands there", |_| {}, true),
        ("has a reply", |bench| bench.reply(b"pong"), false),
        (
            "said some of it",
            |bench| {
                bench.publish(b"hello", false);
                bench.publish(b"own", true);
            },
            false,
        ),
        (
            "is in the middle of a frame",
            |bench| {
                bench.publish(b"more", false);
                bench.send(1).unwrap();
            },
            false,
        ),
        (
            "stands elsewhere",
            |bench| {
                bench.publish(b"more", false);
                bench.send(usize::MAX).unwrap();
            },
            false,
        ),
        (
            "is in the middle of a send",
            |bench| {
                bench.reply(b"pong");
                let mut plan = Plan::default();
                let streams = OneStream(&bench.index);
                let undo = (bench.session).plan_send(ME, &streams, &bench.log, &mut plan);
                bench.session.not_sent(undo.unwrap().expect("a quiet send"));
            },
            false,
        ),
    ];
    let mut first = Bench::new();
    first.publish(b"hello", false);
    let mut plan = Plan::default();
    let streams = OneStream(&first.index);
    let undo = (first.session).plan_send(ME, &streams, &first.log, &mut plan);
    let undo = undo.unwrap().expect("a quiet send");
    let shared = first.session.share(&undo).expect("nothing was left out");
    for (what, change, takes) in changes {
        let mut bench = Bench::new();
        change(&mut bench);
        let before = bench.session.cursor();
        let taken = bench.session.take_share(&shared);
        assert_eq!(taken.is_some(), takes, "one that {what}");
        if let Some(taken) = taken {
            assert_eq!(bench.session.cursor(), first.session.cursor());
            bench.session.not_sent(taken);
        }
        assert_eq!(bench.session.cursor(), before, "one that {what}");
    }
    first.publish(b"to all", false);
    first.publish(b"own", true);
    let streams = OneStream(&first.index);
    let undo = (first.session).plan_send(ME, &streams, &first.log, &mut plan);
    let undo = undo.unwrap().expect("a quiet send");
    assert!(first.session.share(&undo).is_none(), "its own was left out");
}

/// Goal: replies that a session is paused for have an answer, which wakes whoever waits for them to leave.
#[test]
fn replies_that_are_waited_for_are_answered() {
    let mut bench = Bench::new();
    bench.reply(b"pong");
    bench.session.mark(Flags::PAUSED);
    let (mut plan, streams) = (Plan::default(), OneStream(&bench.index));
    let undo = (bench.session).plan_send(ME, &streams, &bench.log, &mut plan);
    assert!(matches!(undo, Ok(None)), "{undo:?}");
}
