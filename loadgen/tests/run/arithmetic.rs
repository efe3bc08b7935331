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
