//! The outbox of a session in several rooms, against short sends, comings and goings.

mod bench;

use proptest::prelude::*;

use self::bench::{Bench, ME, payload};
use crate::session::membership::MEMBERSHIPS_MAX;
use crate::session::send::{Nothing, PIECES_MAX, Plan, Progress, SEND_BYTES_MAX};

#[derive(Debug, Clone)]
enum Step {
    Join(usize),
    Leave(usize),
    PassBy(usize),
    Publish(usize, usize, bool),
    Reply(usize),
    Send(usize),
    Drain,
}

fn step(rooms: usize) -> impl Strategy<Value = Step> {
    let room = 0..rooms;
    prop_oneof![
        2 => room.clone().prop_map(Step::Join),
        1 => room.clone().prop_map(Step::Leave),
        1 => room.clone().prop_map(Step::PassBy),
        12 => (room, 0usize..200, any::<bool>()).prop_map(|(room, filling, own)| {
            Step::Publish(room, filling, own && filling % 3 == 0)
        }),
        2 => (0usize..125).prop_map(Step::Reply),
        6 => (0usize..600).prop_map(Step::Send),
        1 => Just(Step::Drain),
    ]
}

fn run(rooms: usize, steps: Vec<Step>) {
    let mut bench = Bench::new(rooms, 256 << 10);
    for step in steps {
        match step {
            Step::Join(room) => bench.join(room),
            Step::Leave(room) => bench.leave(room),
            Step::PassBy(room) => bench.pass_by(room),
            Step::Publish(room, filling, own) => bench.publish(room, filling, own),
            Step::Reply(bytes) => bench.reply(bytes),
            Step::Send(most) => {
                let _ = bench.send(most);
            }
            Step::Drain => {
                bench.drain();
            }
        }
        bench.check();
    }
    bench.drain();
    bench.check_complete();
    (0..rooms).for_each(|room| bench.leave(room));
    bench.check();
    bench.check_complete();
    assert!(bench.session.side.is_none() && bench.session.membership.is_none());
}

proptest! {
    /// Goal: whatever is said where, cut where, joined and left, the wire holds whole frames: each
    /// room's in order and once, from the join on and until it is left, replies between them.
    #[test]
    fn every_order_of_things_gives_whole_frames(
        steps in prop::collection::vec(step(5), 1..200),
    ) {
        run(5, steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, ..ProptestConfig::default() })]

    /// Goal: the same with as many rooms as there are due bits.
    #[test]
    fn as_many_rooms_as_there_are_due_bits(
        mut steps in prop::collection::vec(step(MEMBERSHIPS_MAX), 1..400),
    ) {
        let everywhere = (0..MEMBERSHIPS_MAX).map(Step::Join);
        steps.splice(0..0, everywhere);
        run(MEMBERSHIPS_MAX, steps);
    }
}

/// Goal: a send over two rooms may be cut at any byte, also within private replies between them.
#[test]
fn a_send_may_be_cut_at_any_byte() {
    for cut in 0..80 {
        let mut bench = Bench::in_all(3, 64 << 10);
        bench.publish(0, 10, false);
        bench.publish(1, 10, false);
        let _ = bench.send(3);
        bench.reply(4);
        bench.publish(0, 10, false);
        bench.publish(2, 10, true);
        bench.publish(2, 10, false);
        let _ = bench.send(cut);
        bench.reply(4);
        bench.drain();
        bench.check_complete();
    }
}

/// Goal: a delivery of one room, whole and up to its head, need not be answered; one of two rooms
/// need be, and one that leaves another room waiting.
#[test]
fn only_a_send_of_one_room_is_assumed_to_be_taken() {
    let mut bench = Bench::in_all(20, 64 << 10);
    let mut plan = Plan::default();
    bench.drain();
    bench.publish(3, 10, false);
    let planned = (bench.session).plan_send(ME, &bench.rooms, &bench.log, &mut plan);
    let undo = planned.unwrap().expect("it is assumed to be taken");
    assert!(!bench.session.has_output(&bench.rooms));
    bench.session.not_sent(undo);
    bench.check();
    let progress = bench.session.sent(ME, &bench.rooms, &bench.log, 0);
    assert_eq!(progress, Progress::Blocked);
    bench.publish(4, 10, false);
    let planned = (bench.session).plan_send(ME, &bench.rooms, &bench.log, &mut plan);
    assert!(planned.unwrap().is_none() && bench.session.is_sending());
    let bytes = plan.pieces.iter().map(|piece| piece.bytes).sum::<u64>();
    let bytes = u32::try_from(bytes).unwrap();
    let progress = bench.session.sent(ME, &bench.rooms, &bench.log, bytes);
    assert_eq!(progress, Progress::All);
    assert!(!bench.session.has_output(&bench.rooms));
}

/// Goal: with more due rooms than a send has pieces all are served in turn, also when some always have
/// more to say than one send can take, and when the socket takes a frame or two at a time.
#[test]
fn nobody_waits_long_for_its_turn() {
    const ROOMS: usize = 30;
    const ROUNDS: usize = 200;
    for (busy, most) in [
        (0, usize::MAX),
        (2, usize::MAX),
        (2, 900),
        (15, 60),
        (2, 30),
    ] {
        let mut bench = Bench::in_all(ROOMS, 16 << 20);
        let (mut served_in, mut read) = ([0; ROOMS], 0);
        for round in 1..=ROUNDS {
            for room in (0..ROOMS).chain((0..busy).cycle().take(busy * PIECES_MAX)) {
                bench.publish(room, 20, false);
            }
            let _ = bench.send(most);
            for frame in bench.frames_from(read) {
                read += frame.len();
                served_in[usize::from(payload(frame)[0])] = round;
            }
            // Each send serves one room at least, which may take all of it.
            let longest = round - served_in.iter().min().unwrap();
            assert!(longest <= ROOMS, "{longest} sends with {busy} busy rooms");
        }
        bench.drain();
        bench.check_complete();
    }
}

/// Goal: so many rooms with one frame each take as many sends as their pieces fill, and no more.
#[test]
fn a_send_is_filled() {
    let mut bench = Bench::in_all(MEMBERSHIPS_MAX, 1 << 20);
    bench.drain();
    // Each between two frames of somebody else's, or neighbours would be one piece.
    for room in 0..MEMBERSHIPS_MAX {
        bench.publish(room, 50, false);
        bench.log.append(&[0; 9]);
    }
    assert_eq!(bench.drain(), MEMBERSHIPS_MAX.div_ceil(PIECES_MAX));
    bench.check_complete();
}

/// Goal: what one send carries is bounded over all rooms, too.
#[test]
fn a_send_is_bounded() {
    let max = usize::try_from(SEND_BYTES_MAX).unwrap();
    let mut bench = Bench::in_all(3, 32 << 20);
    for room in [0, 1, 2, 0, 1, 2] {
        for _ in 0..10 {
            bench.publish(room, 250_000, false);
        }
    }
    let mut sends = 0;
    loop {
        let before = bench.wire.len();
        if bench.send(usize::MAX).is_err() {
            break;
        }
        sends += 1;
        let bytes = bench.wire.len() - before;
        assert!(bytes < max + (256 << 10) + 10, "a send of {bytes} bytes");
    }
    assert_eq!(sends, (bench.wire.len()).div_ceil(max));
    bench.check_complete();
}

/// Goal: a room whose next bytes were overwritten is named, nothing else is lost by it, and once it is
/// left the others go on.
#[test]
fn a_lost_room_costs_the_others_nothing() {
    let mut bench = Bench::in_all(4, 64 << 10);
    bench.drain();
    bench.publish(2, 100, false);
    for _ in 0..30 {
        bench.publish(1, 4000, false);
        let one = bench.membership(1).unwrap();
        // Somebody else keeps it from being sent for so long.
        bench.pass_by(1);
        assert!(!bench.is_cut(one));
    }
    bench.publish(3, 100, false);
    bench.publish(0, 100, false);
    let lost = bench.membership(2).unwrap();
    assert_eq!(bench.send(usize::MAX), Err(Nothing::Left(lost)));
    assert!(!bench.session.is_sending());
    bench.check();
    bench.leave(2);
    bench.drain();
    bench.check_complete();
}
