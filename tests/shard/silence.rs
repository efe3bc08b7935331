//! Who is closed for silence, by what is heard and by what the kernel says of a socket.

use std::time::Duration;

use fanring::config::{Config, LOG_BYTES_MIN};
use fanring::shard::Measured;
use fanring::wire::frame::OpCode;

use crate::bench::Bench;

const SECOND: Duration = Duration::from_secs(1);

/// Lets a second after the other pass until the member is closed, or `most` have gone; before each,
/// `measured` says what the kernel will say of its socket. Returns when it was closed.
fn closed_after(
    bench: &mut Bench,
    member: usize,
    most: u32,
    mut measured: impl FnMut(u32) -> Measured,
) -> Option<u32> {
    let from = bench.shards[0].now();
    (1..=most).find(|&second| {
        bench.measure(member, measured(second));
        bench.pass_time(0, from + SECOND * second);
        bench.settle();
        let heard = bench.heard(member);
        assert!(
            heard
                .iter()
                .all(|frame| frame.is_empty() || frame == "close 1001")
        );
        heard.last().is_some_and(|last| last == "close 1001")
    })
}

/// Goal: a peer of which nothing is known is pinged, and closed after the idle timeout of 60 s.
#[test]
fn a_dead_peer_is_closed_in_time() {
    let cases = [
        (
            "all is acknowledged, as by a process that stands still",
            0,
            0,
        ),
        ("nothing goes out any more", 3000, 3000),
        ("the last ones are never acknowledged", 3000, 0),
    ];
    for (case, outstanding, unsent) in cases {
        let mut bench = Bench::new(1);
        let member = bench.join(0, "/ws");
        let closed = closed_after(&mut bench, member, 200, |_| Measured {
            acknowledged: 100_000,
            outstanding,
            unsent,
            unread: 0,
        });
        assert!((60..63).contains(&closed.unwrap()), "{case}: {closed:?}");
    }
}

/// Goal: who has taken all that it was sent of a goodbye is not cut off before it was sent the rest.
#[test]
fn a_goodbye_is_not_cut_off_when_its_peer_has_room() {
    let mut bench = Bench::new(1);
    let member = bench.join(0, "/ws?presence=0");
    bench.crawl(member, 10);
    bench.say(member, OpCode::Continuation, b"of nothing");
    bench.settle();
    bench.measure(
        member,
        Measured {
            acknowledged: 10,
            ..Measured::default()
        },
    );
    bench.pass_time(0, SECOND * 6);
    bench.settle();
    bench.unblock(member);
    bench.settle();
    assert_eq!(bench.heard(member), ["close 1002"]);
    for second in 7..13 {
        bench.pass_time(0, SECOND * second);
        bench.settle();
    }
    assert!(bench.shards[0].is_empty(), "it has had its time");
}

/// Goal: what a kernel acknowledges for a process that stands still does not count for it, as long
/// as there is no backlog; it does when the peer's window has held bytes back.
#[test]
fn only_a_backlog_shows_that_somebody_reads() {
    for (unsent, expected) in [(0, Some(60..63)), (50_000, None)] {
        let mut bench = Bench::new(1);
        let member = bench.join(0, "/ws");
        let mut acknowledged = 0;
        let closed = closed_after(&mut bench, member, 400, |_| {
            acknowledged += 4000;
            Measured {
                acknowledged,
                outstanding: 60_000,
                unsent,
                unread: 0,
            }
        });
        match expected {
            Some(expected) => assert!(expected.contains(&closed.unwrap()), "{closed:?}"),
            None => assert_eq!(closed, None),
        }
        if closed.is_none() {
            // It stops reading, and counts from then on, or from the look after that, five seconds later.
            let closed = closed_after(&mut bench, member, 400, |_| Measured {
                acknowledged,
                outstanding: 60_000,
                unsent,
                unread: 0,
            });
            assert!((54..67).contains(&closed.unwrap()), "{closed:?}");
        }
    }
}

/// Goal: who reads all at once, as much as its socket holds, is alive, although nothing waits in the socket when it
/// is looked at: the rest waits here.
#[test]
fn a_socket_that_was_full_shows_that_somebody_reads() {
    let mut bench = Bench::new(1);
    let member = bench.join(0, "/ws");
    let speaker = bench.join(0, "/ws?presence=0");
    bench.block(member);
    bench.say(speaker, OpCode::Text, b"said");
    bench.settle();
    bench.fail(speaker);
    let read = |second| Measured {
        acknowledged: 4000 * u64::from(second),
        ..Measured::default()
    };
    closed_after(&mut bench, member, 200, read);
    assert_eq!(bench.metrics[0].idle_closed.get(), 0);
    closed_after(&mut bench, member, 67, |_| read(200));
    assert_eq!(bench.metrics[0].idle_closed.get(), 1, "it reads no more");
}

/// Goal: nobody is closed for silence whose words wait to be received.
#[test]
fn what_waits_to_be_received_is_no_silence() {
    let mut bench = Bench::new(1);
    let member = bench.join(0, "/ws");
    let waiting = Measured {
        unread: 6,
        ..Measured::default()
    };
    assert_eq!(closed_after(&mut bench, member, 300, |_| waiting), None);
    bench.say(member, OpCode::Pong, b"");
    let nothing = Measured::default();
    let closed = closed_after(&mut bench, member, 300, |_| nothing);
    assert!((60..63).contains(&closed.unwrap()), "{closed:?}");
}

/// Goal: a session that is closed and takes what it is owed gets all of it, however slowly; one
/// that takes nothing, or has all and does not answer, is dropped after the close timeout of 5 s.
#[test]
fn goodbyes_last_as_long_as_they_are_read() {
    for (step, outstanding, expected) in [(0, 3000, 5..8), (10, 0, 5..8), (10, 3000, 301..310)] {
        let mut bench = Bench::new(1);
        let member = bench.join(0, "/ws");
        let measured = |second: u32| Measured {
            acknowledged: u64::from(second.min(300)) * step,
            outstanding,
            unsent: 0,
            unread: 0,
        };
        bench.measure(member, measured(0));
        // It breaks the protocol and never closes its side.
        bench.say(member, OpCode::Continuation, b"of nothing");
        bench.settle();
        let dropped = (1..400).find(|&second| {
            bench.measure(member, measured(second));
            bench.pass_time(0, SECOND * second);
            bench.settle();
            bench.shards[0].is_empty()
        });
        assert!(expected.contains(&dropped.unwrap()), "{dropped:?}");
        assert_eq!(bench.heard(member), ["close 1002"]);
    }
}

/// Goal: a peer whose machine, or proxy, has taken megabytes in one go is given the time to read
/// them before its pong: at 16 KiB a second, and no longer.
#[test]
fn what_was_swallowed_takes_time_to_read() {
    let mut bench = Bench::new(1);
    let member = bench.join(0, "/ws?presence=0");
    let publisher = bench.join(0, "/ws?presence=0");
    for _ in 0..60 {
        bench.say(publisher, OpCode::Binary, &[7; 32 << 10]);
        bench.settle();
    }
    assert_eq!(bench.wire(member).len(), 60 * ((32 << 10) + 4));
    let closed = closed_after(&mut bench, member, 400, |_| Measured::default());
    assert!((178..186).contains(&closed.unwrap()), "{closed:?}");
}

/// Goal: intervals that are longer than the timer wheel is large are kept like others: a ping after
/// about the one, the end after the other.
#[test]
fn long_intervals_are_kept() {
    let mut bench = Bench::with(Config {
        ping_interval: 200 * SECOND,
        idle_timeout: 500 * SECOND,
        log_bytes: LOG_BYTES_MIN,
        lag_bytes_max: LOG_BYTES_MIN / 2,
        descriptors_max: 200,
        ..Config::default()
    });
    let member = bench.join(0, "/ws?presence=0");
    let (mut pinged, mut closed) = (None, None);
    for second in 1..=600 {
        bench.pass_time(0, SECOND * second);
        bench.settle();
        for frame in bench.heard(member) {
            match frame.as_str() {
                "" => pinged = pinged.or(Some(second)),
                "close 1001" => closed = closed.or(Some(second)),
                other => panic!("{other:?} after {second} s"),
            }
        }
    }
    assert!((180..=221).contains(&pinged.expect("a ping")), "{pinged:?}");
    assert!((500..=503).contains(&closed.expect("an end")), "{closed:?}");
}
