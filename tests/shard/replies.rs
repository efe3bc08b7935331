//! Private replies to a peer that does not read them all.

use fanring::wire::frame::OpCode;

use crate::bench::Bench;

/// Goal: a peer that pings and always leaves some pongs unread gets every pong, in order; what the
/// server holds for it stays within its bound.
#[test]
fn pongs_that_were_read_are_not_held() {
    let mut bench = Bench::new(1);
    let pinger = bench.join(0, "/ws?presence=0");
    let payload = |number: u32| [number.to_ne_bytes(); 31].concat();
    let (mut said, mut pauses) = (0, 0);
    for round in 0..4000 {
        if bench.is_read(pinger) {
            for _ in 0..20 {
                bench.say(pinger, OpCode::Ping, &payload(said));
                said += 1;
            }
        } else {
            pauses += 1;
        }
        // It reads as fast as it pings, after it has let some gather.
        bench.crawl(pinger, if round < 15 { 1 } else { 20 * 126 });
        bench.wake(pinger);
        bench.settle();
        bench.shards[0].check_invariants().unwrap();
    }
    assert!(said > 40_000, "it was hardly read from: {said} pings");
    assert!(pauses > 0, "it was never paused");
    bench.unblock(pinger);
    bench.settle();
    let wire = bench.wire(pinger);
    let pongs: Vec<&[u8]> = wire.chunks(126).map(|frame| &frame[2..]).collect();
    assert_eq!(pongs.len(), said as usize);
    for (number, pong) in (0..).zip(pongs) {
        assert_eq!(pong, payload(number));
    }
}

/// Goal: a session that closes, or breaks the protocol, gets nothing more of its room, not even its
/// own echo; everybody else gets what it said.
#[test]
fn who_closes_gets_nothing_more_of_its_room() {
    for (opcode, payload, code) in [
        (OpCode::Close, &[3, 232][..], "close 1000"),
        (OpCode::Continuation, b"of nothing", "close 1002"),
    ] {
        let mut bench = Bench::new(1);
        let other = bench.join(0, "/ws?presence=0");
        let leaver = bench.join(0, "/ws?presence=0&echo=1");
        bench.say(other, OpCode::Text, b"too late for it");
        bench.say(leaver, OpCode::Ping, b"answered");
        bench.say(leaver, OpCode::Text, b"last words");
        bench.say(leaver, opcode, payload);
        bench.settle();
        assert_eq!(bench.heard(leaver), ["answered", code]);
        assert_eq!(bench.heard(other), ["last words"]);
    }
}

/// Goal: a peer that was not read from, since it reads no replies, is read from once it is told to go: it may
/// read nothing before all it has to say was taken.
#[test]
fn who_was_paused_is_read_when_it_is_told_to_go() {
    let mut bench = Bench::new(1);
    let pinger = bench.join(0, "/ws?presence=0");
    bench.block(pinger);
    while bench.is_read(pinger) {
        bench.say(pinger, OpCode::Ping, &[7; 125]);
        bench.settle();
    }
    bench.shards[0].handle_stop();
    bench.settle();
    assert!(bench.is_read(pinger), "it has yet to get its replies");
    bench.say(pinger, OpCode::Close, &[3, 233]);
    bench.unblock(pinger);
    bench.settle();
    assert_eq!(bench.heard(pinger).last().unwrap(), "close 1001");
}
