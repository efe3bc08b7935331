//! Who is received from first where more have something to say than there are buffers.

use std::time::Duration;

use fanring::wire::frame::OpCode;

use crate::bench::{Bench, Reads};

/// What it takes to pass all that has happened on to the sockets.
fn turn(bench: &mut Bench) -> Vec<(usize, Reads)> {
    bench.begun();
    bench.shards[0].handle_turn();
    bench.act(0);
    bench.begun()
}

/// Goal: one that has had buffers stands behind those for whom none was left, however early it is told.
#[test]
fn whoever_found_no_buffer_comes_first() {
    let mut bench = Bench::new(1);
    let greedy = bench.join(0, "/ws/room?presence=0");
    let modest = bench.join(0, "/ws/room?presence=0");
    bench.send_once(greedy, &mut []);
    bench.starve(modest);
    let begun = turn(&mut bench);
    assert_eq!(begun, [(modest, Reads::Once), (greedy, Reads::On)]);
    // It is as before, once there was a buffer.
    bench.send_once(modest, &mut []);
    assert_eq!(turn(&mut bench), [(modest, Reads::On)]);
}

/// Goal: those for whom no buffer was left have their turn one after the other, and no more of them at a
/// time than there are buffers.
#[test]
fn whoever_waited_longest_comes_first() {
    const BUFFERS: usize = 64;
    let mut bench = Bench::new(1);
    let clients: Vec<usize> = (0..3 * BUFFERS)
        .map(|_| bench.join(0, "/ws/room?presence=0"))
        .collect();
    clients.iter().for_each(|&client| bench.starve(client));
    for turn_of in clients.chunks(BUFFERS) {
        let begun = turn(&mut bench);
        let expected: Vec<(usize, Reads)> = turn_of
            .iter()
            .map(|&client| (client, Reads::Once))
            .collect();
        assert_eq!(begun, expected);
        // They have more to say than that, and find no buffer for it.
        turn_of.iter().for_each(|&client| bench.starve(client));
    }
    assert!(bench.shards[0].has_work(), "they are in line again");
    assert_eq!(turn(&mut bench)[0], (clients[0], Reads::Once));
}

/// Goal: one that is gone, or may not say more for now, leaves its turn to the next.
#[test]
fn nothing_is_received_from_those_who_are_gone() {
    let mut bench = Bench::new(1);
    let gone = bench.connect(0);
    bench.starve(gone);
    bench.pass_time(0, Duration::from_secs(30));
    bench.act(0);
    assert_eq!(turn(&mut bench), []);

    let paused = bench.join(0, "/ws/room?presence=0");
    let other = bench.join(0, "/ws/room?presence=0");
    bench.block(paused);
    while bench.is_read(paused) {
        bench.say(paused, OpCode::Ping, &[7; 125]);
        bench.flush(0, 1);
        bench.act(0);
    }
    bench.starve(other);
    assert_eq!(turn(&mut bench), [(other, Reads::Once)]);
    assert_eq!(turn(&mut bench), []);
}
