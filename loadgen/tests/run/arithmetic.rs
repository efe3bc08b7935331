//! Times agree with what can be computed by hand, not only with themselves.

use std::time::Duration;

use crate::program::{in_one_run, run};
use crate::server::{Fault, Server};

const MS: u64 = 1_000_000;

/// Goal: a stall of one second is seen by all messages that were due in it, each with all of its
/// wait. At 100 messages a second over 4 seconds, a message due `t` into the stall waits for 1 s -
/// t: a quarter of all messages, evenly between nothing and a second. So the quantile 0.75 + 0.25 q
/// of the latencies is q seconds. A client that waits for the stall would see one slow message.
#[test]
fn a_stall_counts_for_all_it_holds_up() {
    in_one_run(|| {
        let server = Server::start(Fault::Stall(100, Duration::from_secs(1)));
        let flags = [
            "--subscribers",
            "10",
            "--rate",
            "100",
            "--duration",
            "4",
            "--warmup",
            "0",
            "--drain",
            "3",
        ];
        let run = run(server.address, &flags);
        assert_eq!((run.code, run.damage()), (0, [0; 5]), "{}", run.text);
        for series in ["delivery_ns", "completion_ns", "first_ns"] {
            let times = run.distribution(&format!("/latency/{series}"));
            for q in [0.2, 0.4, 0.6, 0.8, 0.96, 1.0] {
                let waited = times.value_at_quantile(0.75 + 0.25 * q) as f64 / 1e9;
                assert!(
                    (waited - q).abs() < 0.1,
                    "{series} at {q}: {waited} s\n{}",
                    run.text
                );
            }
            assert!(
                times.value_at_quantile(0.7) < 100 * MS,
                "{series}: {}",
                run.text
            );
        }
    });
}

/// Goal: deliveries that come 50 ms late are found one by one, and each makes its whole message
/// late, by as much as it says in completion and spread.
#[test]
fn late_deliveries_are_late_completions() {
    in_one_run(|| {
        let late = Duration::from_millis(50);
        let server = Server::start(Fault::Delay(late));
        // So slow that no delivery is overtaken by the next: 3,000 deliveries, of which 3 are late.
        let flags = [
            "--subscribers",
            "99",
            "--rate",
            "6",
            "--duration",
            "5",
            "--warmup",
            "0",
        ];
        let run = run(server.address, &flags);
        assert_eq!((run.code, run.damage()), (0, [0; 5]), "{}", run.text);
        assert_eq!(server.faults(), 3, "of 30 messages for 99");
        for series in ["delivery_ns", "completion_ns", "spread_ns"] {
            let times = run.distribution(&format!("/latency/{series}"));
            let late = times.count_between(49 * MS, 10_000 * MS);
            assert_eq!(late, 3, "{series}: {}", run.text);
        }
        assert_eq!(run.figure("/latency/completion_ns/count"), 30);
    });
}

/// Goal: a connection is timed from when it was due, also when it had to wait for others. Each is due 50 ms after
/// the one before, and one at a time takes 100 ms: the one with number k takes 100 + 50 k ms. Timed from when it was
/// begun, each would take 100 ms.
#[test]
fn late_connections_count_from_when_they_were_due() {
    in_one_run(|| {
        let server = Server::start(Fault::SlowUpgrade(Duration::from_millis(100)));
        let flags = [
            "--idle",
            "21",
            "--hold",
            "0.1",
            "--connect-rate",
            "20",
            "--connect-in-flight",
            "1",
        ];
        let run = run(server.address, &flags);
        assert_eq!(run.code, 0, "{}", run.text);
        let times = run.distribution("/latency/upgrade_ns");
        for (quantile, number) in [(0.25, 5), (0.5, 10), (0.75, 15), (1.0, 20)] {
            let took = times.value_at_quantile(quantile);
            let expected = (100 + 50 * number) * MS;
            assert!(
                took.abs_diff(expected) < 80 * MS,
                "{quantile}: {took} ns, not {expected}\n{}",
                run.text
            );
        }
    });
}

/// Goal: what a server does not read is not sent, and that it was not is the server's doing: for the two seconds in
/// which it does not, messages of 1 MB wait in the generator as soon as the sockets are full, and the run is
/// valid. Taken when it was queued, the lag would be some milliseconds.
#[test]
fn back_pressure_is_the_servers() {
    in_one_run(|| {
        let server = Server::start(Fault::Deaf(10, Duration::from_secs(2)));
        let flags = [
            "--subscribers",
            "1",
            "--rate",
            "20",
            "--size",
            "1000000",
            "--duration",
            "3",
            "--warmup",
            "0",
            "--drain",
            "20",
            "--lag-max",
            "300",
        ];
        let run = run(server.address, &flags);
        assert_eq!((run.code, run.damage()), (0, [0; 5]), "{}", run.text);
        let lag = run.distribution("/generator/publish_lag_ns").max();
        assert!(
            lag > 1_000 * MS && lag < 3_000 * MS,
            "{lag} ns\n{}",
            run.text
        );
        let longest = run.figure("/held_back/longest_ns");
        assert!(
            longest <= lag + 10 * MS && longest > 1_000 * MS,
            "{}",
            run.text
        );
        // 20 a second, less what fits into the sockets; a small socket cuts others too, for moments.
        let held = run.figure("/held_back/messages");
        assert!((10..=60).contains(&held), "{held}\n{}", run.text);
        assert_eq!(run.figure("/held_back/left_messages"), 0);
    });
}

/// Goal: what is queued for a server that never reads is bounded over all publishers, and what could not be sent is
/// told as that.
#[test]
fn what_is_held_back_is_bounded() {
    let server = Server::start(Fault::Deaf(0, Duration::from_secs(8)));
    let flags = [
        "--subscribers",
        "1",
        "--publishers",
        "4",
        "--rate",
        "150",
        "--size",
        "1000000",
        "--duration",
        "2",
        "--warmup",
        "0",
        "--drain",
        "0.2",
    ];
    let run = run(server.address, &flags);
    assert_eq!(run.code, 3, "{}", run.text);
    let sent = run.figure("/counts/sent");
    assert!(sent < 150, "{}", run.text);
    assert_eq!(run.figure("/held_back/left_messages"), 300 - sent);
    let bytes = run.figure("/held_back/left_bytes");
    assert!((40 << 20..=72 << 20).contains(&bytes), "{}", run.text);
    let grown = run.figure("/generator/rss_bytes_end");
    assert!(grown < 200 << 20, "{grown} for 64 MiB\n{}", run.text);
    assert!(run.text.contains("not sent in the end"), "{}", run.text);
}
