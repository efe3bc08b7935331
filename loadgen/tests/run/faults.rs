//! Every fault of a server is counted exactly, and as what it is.

use std::time::{Duration, Instant};

use crate::program::{LOAD, Run, output, run};
use crate::server::{Fault, Server};

fn against(fault: Fault) -> (Run, Server) {
    let server = Server::start(fault);
    (run(server.address, &LOAD), server)
}

fn run_with(server: &Server, flags: &[&str]) -> Run {
    run(server.address, &[&LOAD[..], flags].concat())
}

/// The exit code, and what was damaged how often.
fn verdict(fault: Fault) -> (i32, [u64; 5]) {
    let (run, _) = against(fault);
    eprintln!("{fault:?}: {}", run.text);
    (run.code, run.damage())
}

/// Goal: a good run is clean, complete and says so in every form.
#[test]
fn a_good_run_is_clean() {
    let (run, _server) = against(Fault::None);
    assert_eq!((run.code, run.damage()), (0, [0; 5]), "{}", run.text);
    assert_eq!(run.figure("/counts/sent"), 70);
    assert_eq!(run.figure("/window/sent"), 50);
    assert_eq!(run.figure("/window/completed"), 50);
    assert_eq!(run.figure("/counts/delivered"), 70 * 20);
    assert_eq!(run.figure("/latency/delivery_ns/count"), 50 * 20);
    assert_eq!(run.figure("/latency/upgrade_ns/count"), 22);
    for series in ["first_ns", "median_ns", "completion_ns", "spread_ns"] {
        assert_eq!(
            run.figure(&format!("/latency/{series}/count")),
            50,
            "{series}"
        );
    }
    let p50 = |series: &str| run.figure(&format!("/latency/{series}/p50"));
    assert!(0 < p50("first_ns") && p50("first_ns") <= p50("median_ns"));
    assert!(p50("median_ns") <= p50("completion_ns"));
    let max = |series: &str| run.figure(&format!("/latency/{series}/max"));
    assert_eq!(
        max("completion_ns"),
        max("delivery_ns"),
        "the last is the slowest"
    );
}

/// Goal: each single fault is counted exactly and as what it is, and makes the exit code 3.
#[test]
fn single_faults_are_counted() {
    assert_eq!(verdict(Fault::Drop(30)), (3, [1, 0, 0, 0, 0]));
    assert_eq!(
        verdict(Fault::Drop(69)),
        (3, [1, 0, 0, 0, 0]),
        "the very last"
    );
    assert_eq!(verdict(Fault::Repeat(30)), (3, [0, 1, 0, 0, 0]));
    assert_eq!(verdict(Fault::Damage(30)), (3, [1, 0, 0, 1, 0]));
}

/// Goal: a text message that comes as a binary one is damage, though it is there; unless it is said that it
/// does not matter.
#[test]
fn other_types_are_damage() {
    let (run, _server) = against(Fault::OtherType(30));
    assert_eq!((run.code, run.damage()), (3, [0; 5]), "{}", run.text);
    assert_eq!(run.figure("/counts/wrong_type"), 1);
    assert!(run.text.contains("1 of the wrong type"), "{}", run.text);
    let server = Server::start(Fault::OtherType(30));
    let asked = run_with(&server, &["--any-type"]);
    assert_eq!((asked.code, asked.figure("/counts/wrong_type")), (0, 0));
}

/// Goal: faults that happen all the time are counted to the last one, over several workers, and a
/// message that was not delivered to all is not called complete.
#[test]
fn frequent_faults_are_counted() {
    let server = Server::start(Fault::DropHundredth);
    let flags = [
        &LOAD[..],
        &["--rate", "1000", "--workers", "3", "--drain", "0.5"],
    ]
    .concat();
    let dropping = run(server.address, &flags);
    let dropped = server.faults();
    // Publishers miss some too, which nobody looks at.
    let lost = dropping.damage()[0];
    assert!(0 < lost && lost <= dropped, "{lost} of {dropped}");
    assert_eq!(dropping.damage()[1..], [0; 4]);
    assert_eq!(
        lost,
        700 * 20 / 100,
        "one in 100 of 700 messages for 20 subscribers"
    );
    assert_eq!(
        dropping.figure("/window/completed"),
        400,
        "20 in 100 messages miss one"
    );

    let server = Server::start(Fault::RepeatTenth);
    let repeating = run(server.address, &flags);
    assert_eq!(repeating.damage(), [0, 700 * 20 / 10, 0, 0, 0]);
    assert_eq!(repeating.figure("/window/completed"), 500);
    assert_eq!(repeating.figure("/latency/delivery_ns/count"), 500 * 20);
}

/// Goal: a message overtaken by a later one of the same publisher is reordered, not lost.
#[test]
fn overtaking_is_counted_once() {
    let server = Server::start(Fault::Swap(30));
    let flags = [&LOAD[..], &["--publishers", "1", "--subscribers", "3"]].concat();
    let run = run(server.address, &flags);
    assert_eq!(
        (run.code, run.damage()),
        (3, [0, 0, 1, 0, 0]),
        "{}",
        run.text
    );
}

/// Goal: fragments, interleaved pings and single bytes are taken as they come, and pings answered.
#[test]
fn any_split_of_the_frames_is_read() {
    let (run, server) = against(Fault::Dribble(30));
    assert_eq!((run.code, run.damage()), (0, [0; 5]), "{}", run.text);
    assert_eq!(server.pongs(), 21, "20 subscribers and the other publisher");
}

/// Goal: a session that is closed in the run costs its deliveries and is named with its code.
#[test]
fn closed_sessions_are_told() {
    let (run, _server) = against(Fault::Close(30));
    assert_eq!(run.code, 3);
    assert_eq!(
        run.damage(),
        [40, 0, 0, 0, 1],
        "messages 30 to 69 for one subscriber"
    );
    assert_eq!(run.figure("/sessions/closes/4001"), 1);
    let cause = run.report.pointer("/sessions/first_cause").unwrap();
    assert!(cause.as_str().unwrap().contains("4001"), "{cause}");
}

/// Goal: a goodbye that comes in one piece with the answer to the handshake is a session that was
/// open and was closed, and the run ends by itself.
#[test]
fn sessions_that_are_closed_at_once_are_told() {
    let (run, _server) = against(Fault::CloseAtOnce);
    assert_eq!(run.code, 3, "{}", run.text);
    assert_eq!(run.figure("/sessions/opened"), 22, "{}", run.text);
    assert_eq!(run.figure("/sessions/ended_early"), 22, "{}", run.text);
    assert_eq!(run.figure("/sessions/closes/4001"), 22, "{}", run.text);
}

/// Goal: a server that dies ends the run at once, with a report and a cause.
#[test]
fn a_dying_server_ends_the_run() {
    let server = Server::start(Fault::Die(30));
    let started = Instant::now();
    let flags = [
        "--subscribers",
        "20",
        "--rate",
        "100",
        "--duration",
        "60",
        "--warmup",
        "0",
    ];
    let workers = [&flags[..], &["--workers", "2"]].concat();
    let run = run(server.address, &workers);
    assert_eq!(run.code, 3, "{}", run.text);
    assert_eq!(run.figure("/sessions/ended_early"), 21);
    assert_eq!(run.figure("/sessions/closes/1006"), 21);
    let cause = run.report.pointer("/sessions/first_cause").unwrap();
    assert!(
        cause.as_str().unwrap().contains("the server dropped"),
        "{cause}"
    );
    let last = run.text.trim_end().lines().last().unwrap();
    assert!(
        last.starts_with("FAILED: ") && last.contains("21 sessions ended early"),
        "{last}"
    );
    assert!(started.elapsed() < Duration::from_secs(30));
}

/// Goal: what a publisher gets of its own is expected if it was said, and not counted otherwise.
#[test]
fn own_messages_are_expected_if_asked() {
    let flags = [&LOAD[..4], &LOAD[4..], &["--workload", "chat"]].concat();
    let server = Server::start(Fault::Echo);
    let asked = run(server.address, &[&flags[..], &["--self-delivery"]].concat());
    assert_eq!((asked.code, asked.damage()), (0, [0; 5]), "{}", asked.text);
    assert_eq!(asked.figure("/counts/delivered"), 70 * 20);
    let server = Server::start(Fault::Echo);
    let unasked = run(server.address, &flags);
    assert_eq!(
        (unasked.code, unasked.damage()),
        (0, [0; 5]),
        "{}",
        unasked.text
    );
    assert_eq!(unasked.figure("/counts/delivered"), 70 * 19);
    assert_eq!(unasked.figure("/counts/foreign"), 70);
}

/// Goal: a server that wants a join message and an envelope is driven like any other.
#[test]
fn joins_and_envelopes_are_sent() {
    let server = Server::start(Fault::Join);
    let without = run(server.address, &[&LOAD[..], &["--drain", "0.2"]].concat());
    assert_eq!(without.damage()[0], 70 * 20, "nobody joined");
    assert!(without.text.contains("--send-on-open"), "{}", without.text);
    let dialogue = [
        "--send-on-open",
        "join {room}",
        "--publish-template",
        "{\"room\":\"{room}\",\"from\":{i},\"data\":\"{payload}\"}",
        "--header",
        "X-Number: {i}",
        "--settle",
        "0.3",
    ];
    let server = Server::start(Fault::Join);
    let with = run(server.address, &[&LOAD[..], &dialogue].concat());
    assert_eq!((with.code, with.damage()), (0, [0; 5]), "{}", with.text);
    assert_eq!(with.figure("/counts/delivered"), 70 * 20);
}

/// Goal: with the server's process known, what it uses is told; here the server is this test.
#[test]
fn the_servers_use_is_told() {
    let server = Server::start(Fault::None);
    let pid = std::process::id().to_string();
    let run = run(
        server.address,
        &[&LOAD[..], &["--server-pid", &pid]].concat(),
    );
    assert_eq!(run.code, 0, "{}", run.text);
    assert!(run.figure("/server/cpu_ns") > 0, "{}", run.text);
    assert!(run.figure("/server/rss_bytes_after") > 500_000);
    let idle = [
        "--idle",
        "30",
        "--hold",
        "0.2",
        "--server-pid",
        &pid,
        "--connect-rate",
        "200",
    ];
    let idle = output(server.address, &idle);
    let text = String::from_utf8(idle.stdout).unwrap();
    assert_eq!(idle.status.code(), Some(0), "{text}");
    assert!(text.contains("30 sessions"), "{text}");
}
