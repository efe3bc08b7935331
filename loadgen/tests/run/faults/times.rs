//! Messages that come late: how late each was, and what is said of those that had not come.

use std::time::Duration;

use super::{damage, run_with};
use crate::program::{Run, in_one_run, run};
use crate::server::{Fault, Server};

const MS: u64 = 1_000_000;

/// A thousand messages a second from one publisher to ten, all of them measured.
const FAST: [&str; 12] = [
    "--subscribers",
    "10",
    "--publishers",
    "1",
    "--rate",
    "1000",
    "--duration",
    "0.7",
    "--warmup",
    "0",
    "--drain",
    "3",
];

/// How many deliveries took at least so long.
fn count_from(run: &Run, ms: u64) -> u64 {
    let times = run.distribution("/latency/delivery_ns");
    times.count_between(ms * MS, u64::MAX / 2)
}

fn check_late(span: Duration) {
    in_one_run(|| {
        let server = Server::start(Fault::Delay(span));
        let run = run(server.address, &FAST);
        // One in 1,000 of 7,000 deliveries.
        assert_eq!(server.faults(), 7);
        assert_eq!(
            (run.code, run.findings()),
            damage("reordered 7"),
            "{}",
            run.text
        );
        assert_eq!(run.figure("/latency/delivery_ns/count"), 7_000);
        let late_ms = u64::try_from(span.as_millis()).unwrap();
        assert_eq!(count_from(&run, late_ms - 1), 7, "{}", run.text);
        assert_eq!(count_from(&run, late_ms / 2), 7, "{}", run.text);
    });
}

/// Goal: deliveries that are overtaken by hundreds of others are late, each by as much as it was, and none
/// of them is lost.
#[test]
fn half_a_second_late_is_late() {
    check_late(Duration::from_millis(500));
}

/// Goal: the same of those that come when all others have long been there.
#[test]
fn a_second_and_a_half_late_is_late() {
    check_late(Duration::from_millis(1_500));
}

/// Goal: a delivery that is overtaken by more than can be kept of its publisher is said to be too late to tell, what it
/// left is skipped, and its time counts.
#[test]
fn beyond_the_window_is_too_late_to_tell() {
    let server = Server::start(Fault::Overtaken(100, 66_000));
    let flags = "--subscribers 1 --publishers 1 --rate 25000 --duration 2.8 --warmup 0 --drain 20 --size 36";
    let run = run(server.address, &flags.split(' ').collect::<Vec<_>>());
    let found = (run.code, run.findings());
    assert_eq!(found, damage("skipped 1, too_late 1"), "{}", run.text);
    assert_eq!(run.figure("/generator/reorder_window"), 65_536);
    assert_eq!(run.figure("/counts/delivered"), 70_000 - 1);
    assert_eq!(run.figure("/latency/delivery_ns/count"), 70_000);
    let line = "window     1 came over 65,536 messages late";
    assert!(run.text.contains(line), "{}", run.text);
}

/// Goal: a subscriber that is always later than the others shows in its deliveries, all of them and no
/// others, and in the completion of every message; nothing of it is damage.
#[test]
fn one_late_subscriber_is_seen() {
    in_one_run(|| {
        let server = Server::start(Fault::Late(0, Duration::from_millis(250)));
        let run = run_with(&server, &[]);
        assert_eq!(
            (run.code, run.findings()),
            (0, String::new()),
            "{}",
            run.text
        );
        assert_eq!(count_from(&run, 249), 50, "{}", run.text);
        let completion = run.distribution("/latency/completion_ns");
        assert_eq!(completion.count_between(249 * MS, u64::MAX / 2), 50);
    });
}

/// Goal: a stall makes late what was due in it, and nothing else, and costs nothing if there is time to wait.
#[test]
fn a_stall_is_waited_out() {
    in_one_run(|| {
        let server = Server::start(Fault::Stall(40, Duration::from_millis(500)));
        let run = run_with(&server, &["--publishers", "1"]);
        assert_eq!(
            (run.code, run.findings()),
            (0, String::new()),
            "{}",
            run.text
        );
        // Due 0.4 s after the start, to the end at 0.7 s: all 30 that are left wait at least 0.2 s.
        assert_eq!(count_from(&run, 199), 30 * 20, "{}", run.text);
    });
}

/// Goal: what a server still has when the drain ends is outstanding and not lost; it is said for how long
/// the oldest had been due; and a longer drain finds that all of it comes.
#[test]
fn a_backlog_is_outstanding() {
    let fault = Fault::Stall(60, Duration::from_secs(3));
    in_one_run(|| {
        let server = Server::start(fault);
        let impatient = run_with(&server, &["--publishers", "1", "--drain", "0.5"]);
        let found = (impatient.code, impatient.findings());
        assert_eq!(found, damage("outstanding 200"), "{}", impatient.text);
        // Due at 0.6 s of 0.7, and then half a second.
        let age_ms = impatient.figure("/counts/outstanding_age_ns") / MS;
        assert!((590..1_500).contains(&age_ms), "{age_ms}");
        let line = "200 outstanding when the drain ended, the oldest for ";
        for place in ["\nbacklog    ", "\nFAILED: "] {
            let told = impatient.text.contains(&format!("{place}{line}"));
            assert!(told, "{}", impatient.text);
        }
    });
    let server = Server::start(fault);
    let patient = run_with(&server, &["--publishers", "1", "--drain", "20"]);
    let found = (patient.code, patient.findings());
    assert_eq!(found, (0, String::new()), "{}", patient.text);
    assert_eq!(patient.figure("/counts/outstanding_age_ns"), 0);
}

/// Goal: what comes during the goodbyes, when the books are closed, is in no count and no latency: not in
/// the report and not in its pieces.
#[test]
fn what_comes_after_the_end_counts_nowhere() {
    let server = Server::start(Fault::AtGoodbye(69));
    let run = run_with(&server, &["--drain", "0.3"]);
    assert_eq!(
        (run.code, run.findings()),
        damage("outstanding 1"),
        "{}",
        run.text
    );
    assert_eq!(run.figure("/counts/delivered"), 70 * 20 - 1);
    assert_eq!(run.figure("/latency/delivery_ns/count"), 50 * 20 - 1);
    assert_eq!(run.figure("/latency/completion_ns/count"), 49);
    let intervals = run.report["intervals"].as_array().unwrap();
    let delivered = intervals
        .iter()
        .map(|each| each["delivered"].as_u64().unwrap());
    assert_eq!(delivered.sum::<u64>(), 70 * 20 - 1);
    let last = intervals.last().unwrap();
    assert_eq!(
        (&last["outstanding"], &last["skipped"]),
        (&1.into(), &0.into())
    );
}
