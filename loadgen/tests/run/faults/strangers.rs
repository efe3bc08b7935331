//! Messages that are not this run's, or not meant for the session that gets them.

use std::thread;

use super::{against, run_with};
use crate::program::{LOAD, in_one_run, run};
use crate::server::{Fault, Server};

/// Goal: a word of the server's own is nobody's damage.
#[test]
fn a_notice_is_foreign() {
    let (run, _server) = against(Fault::Notice(30));
    assert_eq!((run.code, run.findings()), (0, "foreign 1".to_owned()));
}

/// Goal: two loads in one room do not take each other's messages for their own, and both are judged right.
#[test]
fn another_load_in_the_room_is_foreign() {
    in_one_run(|| {
        let server = Server::start(Fault::None);
        let address = server.address;
        let long = [&LOAD[..], &["--duration", "4", "--rate", "25"]].concat();
        let other = thread::spawn(move || run(address, &long));
        server.wait_for(22, 2);
        let short = run_with(&server, &[]);
        let is_within = !other.is_finished();
        let long = other.join().unwrap();
        assert!(is_within, "the one ended before the other");
        assert_eq!(
            (long.code, long.findings()),
            (0, format!("foreign {}", 70 * 20))
        );
        assert_eq!(short.code, 0, "{}", short.text);
        let foreign = short.figure("/counts/foreign");
        assert_eq!(short.findings(), format!("foreign {foreign}"));
        assert!(foreign > 0, "the other published all the while");
    });
}

/// Goal: idle sessions in a room where others talk are undisturbed.
#[test]
fn idle_sessions_in_a_live_room_are_undisturbed() {
    in_one_run(|| {
        let server = Server::start(Fault::None);
        let address = server.address;
        let idle = thread::spawn(move || run(address, &["--idle", "30", "--hold", "4"]));
        server.wait_for(30, 0);
        let load = run_with(&server, &[]);
        let is_within = !idle.is_finished();
        let idle = idle.join().unwrap();
        assert!(is_within, "the one ended before the other");
        assert_eq!(
            (load.code, load.findings()),
            (0, String::new()),
            "{}",
            load.text
        );
        assert_eq!(
            (idle.code, idle.findings()),
            (0, format!("foreign {}", 70 * 30))
        );
    });
}

/// Goal: history that a server sends to sessions that join during the run is told from what they get live.
#[test]
fn replayed_history_is_no_damage() {
    in_one_run(|| {
        let server = Server::start(Fault::History);
        let flags = [
            "--workload",
            "churn",
            "--churn-rate",
            "10",
            "--duration",
            "2.5",
        ];
        let run = run_with(&server, &flags);
        let replayed = server.faults();
        assert!(replayed >= 100, "{replayed}: ten for each that joined late");
        let findings = format!("replayed {replayed}");
        assert_eq!((run.code, run.findings()), (0, findings), "{}", run.text);
    });
}

/// Goal: history of an earlier run is that run's.
#[test]
fn an_earlier_runs_history_is_foreign() {
    let server = Server::start(Fault::History);
    let first = run_with(&server, &[]);
    assert_eq!((first.code, first.findings()), (0, String::new()));
    let second = run_with(&server, &[]);
    let findings = (0, format!("foreign {}", 10 * 20));
    assert_eq!(
        (second.code, second.findings()),
        findings,
        "{}",
        second.text
    );
}

/// Goal: what a publisher gets of its own is expected if it was said, and not counted otherwise.
#[test]
fn own_messages_are_expected_if_asked() {
    let server = Server::start(Fault::Echo);
    let asked = run_with(&server, &["--workload", "chat", "--self-delivery"]);
    assert_eq!(
        (asked.code, asked.findings()),
        (0, String::new()),
        "{}",
        asked.text
    );
    assert_eq!(asked.figure("/counts/delivered"), 70 * 20);
    let server = Server::start(Fault::Echo);
    let unasked = run_with(&server, &["--workload", "chat"]);
    let found = (unasked.code, unasked.findings());
    assert_eq!(found, (0, "foreign 70".to_owned()), "{}", unasked.text);
    assert_eq!(unasked.figure("/counts/delivered"), 70 * 19);
}
