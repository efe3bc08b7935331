//! Clients in time: pings, and the end of those that don't answer or say nothing.

use std::time::Duration;

use crate::bench::Bench;

/// Goal: a client is pinged at its interval, the first time within the interval's second half, and closed when it
/// does not answer in time; one that does is not.
#[test]
fn clients_are_pinged() {
    let second = Duration::from_secs(1);
    for answers in [true, false] {
        let mut bench = Bench::new(1);
        let client = bench.client_in(0, &[]);
        let mut pings = Vec::new();
        let mut closed = None;
        for now in 1..100 {
            bench.pass_time(0, second * now);
            for told in bench.told(client) {
                match &*told {
                    "{}" => pings.push(now),
                    "close 3012" => closed = Some(now),
                    other => panic!("{other}"),
                }
                if answers && told == "{}" {
                    bench.command(client, "{}");
                }
            }
        }
        assert!((12..=26).contains(&pings[0]), "{pings:?}");
        match closed {
            None => {
                assert!(answers && pings.len() >= 3, "{pings:?}");
                assert!(
                    pings
                        .windows(2)
                        .all(|two| (24..=26).contains(&(two[1] - two[0])))
                );
            }
            Some(at) => {
                assert!(!answers && pings.len() == 1);
                assert!((8..=10).contains(&(at - pings[0])), "{at} for {pings:?}");
            }
        }
    }
}

/// Goal: a client has all the time for its answer that it may have, also when its shard had so much to send that the ping
/// waited for seconds.
#[test]
fn a_ping_counts_once_it_is_sent() {
    let second = Duration::from_secs(1);
    let newcomer = || {
        let mut bench = Bench::new(1);
        let client = bench.client_in(0, &[]);
        (bench, client)
    };
    // Chance is the same in both.
    let (mut bench, client) = newcomer();
    let is_pinged = |now: &u32| {
        bench.pass_time(0, second * *now);
        !bench.told(client).is_empty()
    };
    let due = (1..30).find(is_pinged).expect("it is pinged");
    let (mut bench, client) = newcomer();
    let sent = due + 5;
    for now in 1..=sent {
        // Nothing is sent meanwhile.
        bench.pass_time(0, second * now);
    }
    assert_eq!(bench.told(client), ["{}"]);
    for now in sent + 1..sent + 8 {
        bench.pass_time(0, second * now);
        assert_eq!(bench.told(client), [""; 0], "{now} s, sent at {sent} s");
    }
    for now in sent + 8..sent + 11 {
        bench.pass_time(0, second * now);
    }
    assert!(bench.told(client).contains(&"close 3012".to_owned()));
}

/// Goal: a client that does not say who it is has to go.
#[test]
fn a_client_that_says_nothing_has_to_go() {
    let mut bench = Bench::new(1);
    let client = bench.newcomer(0);
    bench.pass_time(0, Duration::from_secs(9));
    assert_eq!(bench.told(client), [""; 0]);
    bench.pass_time(0, Duration::from_secs(11));
    assert_eq!(bench.told(client), ["close 3502"]);
}
