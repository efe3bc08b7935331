//! Sessions that are closed, dropped, refused or not answered.

use std::time::{Duration, Instant};

use super::{against, damage, run_with};
use crate::program::{Run, in_one_run, refusal, run};
use crate::server::{Fault, Server};

/// Sessions that are to stay: subscribers and publishers.
const STEADY: usize = 22;

/// Churn of ten sessions a second.
const CHURN: [&str; 4] = ["--workload", "churn", "--churn-rate", "10"];

fn cause(run: &Run) -> &str {
    let cause = run.report.pointer("/sessions/first_cause").unwrap();
    cause.as_str().unwrap()
}

/// One subscriber ends at message 30 of 70, and what is told of it.
fn check_one_ends(fault: Fault, code: u16, told: &str) {
    let (run, _server) = against(fault);
    let found = (run.code, run.findings());
    assert_eq!(found, damage("cut_off 40, ended_early 1"), "{}", run.text);
    assert_eq!(run.figure(&format!("/sessions/closes/{code}")), 1);
    assert!(cause(&run).contains(told), "{}", cause(&run));
    let line = "40 cut off with their sessions; 1 session ended early";
    assert!(run.text.contains(line), "{}", run.text);
}

/// Goal: what a session that is closed does not get any more is cut off and not lost, and the close is
/// named with its code.
#[test]
fn a_closed_session_is_cut_off() {
    check_one_ends(Fault::Close(30, Some(4001)), 4001, "code 4001");
}

/// Goal: the same of a session that is closed without a code.
#[test]
fn a_close_may_have_no_code() {
    check_one_ends(Fault::Close(30, None), 1005, "without a code");
}

/// Goal: the same of a connection that goes without a goodbye.
#[test]
fn a_connection_may_just_go() {
    check_one_ends(Fault::HangUpAt(30), 1006, "without a close frame");
}

/// Goal: the same of a session on which the server breaks the protocol.
#[test]
fn a_broken_protocol_ends_a_session() {
    check_one_ends(Fault::Break(30), 1006, "broke the protocol");
}

/// Goal: a goodbye that comes in one piece with the answer to the handshake is a session that was
/// open and was closed, and the run ends by itself.
#[test]
fn sessions_that_are_closed_at_once_are_told() {
    let (run, _server) = against(Fault::CloseAtOnce);
    assert_eq!((run.code, run.figure("/sessions/opened")), (3, 22));
    assert_eq!(run.figure("/sessions/ended_early"), 22, "{}", run.text);
    assert_eq!(run.figure("/sessions/closes/4001"), 22, "{}", run.text);
}

/// Goal: a publisher that is closed ends the run, since what it was to say can't be sent.
#[test]
fn a_closed_publisher_ends_the_run() {
    let (run, _server) = against(Fault::ClosePublisher(30));
    assert_eq!((run.code, run.figure("/sessions/ended_early")), (3, 1));
    assert_eq!(run.figure("/sessions/closes/4002"), 1);
    let unsent = run.figure("/counts/planned") - run.figure("/counts/sent");
    assert!(unsent >= 1, "{}", run.text);
    assert!(run.text.contains(&format!("FAILED: {unsent} not sent")));
    assert_eq!(run.figure("/counts/skipped"), 0);
}

/// Goal: a server that dies ends the run at once, with a report and a cause, and nothing of that is lost or
/// outstanding: nobody is left to wait for it.
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
        "--workers",
        "2",
    ];
    let run = run(server.address, &flags);
    assert_eq!(run.code, 3, "{}", run.text);
    assert_eq!(run.figure("/sessions/ended_early"), 21);
    assert_eq!(run.figure("/sessions/closes/1006"), 21);
    assert_eq!(run.figure("/counts/skipped"), 0);
    assert_eq!(run.figure("/counts/outstanding"), 0, "{}", run.text);
    assert!(
        cause(&run).contains("the server dropped"),
        "{}",
        cause(&run)
    );
    let last = run.text.trim_end().lines().last().unwrap();
    assert!(
        last.starts_with("FAILED: ") && last.contains("21 sessions ended early"),
        "{last}"
    );
    assert!(started.elapsed() < Duration::from_secs(30));
}

/// Goal: joins that are refused during the run are damage, each of them, with the status and what was said.
#[test]
fn refused_joins_are_damage() {
    let server = Server::start(Fault::RefuseSome(STEADY, usize::MAX / 2));
    let run = run_with(&server, &CHURN);
    let refused = server.faults();
    assert!(refused >= 5, "{refused}");
    let found = (run.code, run.findings());
    assert_eq!(found, damage(&format!("failed {refused}")), "{}", run.text);
    assert_eq!(run.figure("/sessions/refusals/503"), refused);
    assert_eq!(run.figure("/churn/joined"), 0);
    assert!(
        cause(&run).contains("503 Service Unavailable: we sleep"),
        "{}",
        cause(&run)
    );
    let last = format!("FAILED: {refused} joins failed; the server answered 503");
    assert!(run.text.contains(&last), "{}", run.text);
}

/// Goal: joins that are never answered are damage too, also the last of them.
#[test]
fn unanswered_joins_are_damage() {
    let server = Server::start(Fault::SilenceFrom(STEADY));
    let run = run_with(&server, &[&CHURN[..], &["--drain", "0.5"]].concat());
    let unanswered = server.faults();
    assert!(unanswered >= 5, "{unanswered}");
    let found = (run.code, run.findings());
    assert_eq!(
        found,
        damage(&format!("failed {unanswered}")),
        "{}",
        run.text
    );
    assert!(cause(&run).contains("the answer to its handshake"));
}

/// Goal: subscribers that come by stages and are not answered are damage, unless they leave again before a
/// server need have answered.
#[test]
fn unanswered_guests_are_damage() {
    for (stages, expected) in [
        ("0s:5,1500ms:5,0s:0", damage("failed 5")),
        ("0s:5,200ms:5,0s:0", (0, String::new())),
    ] {
        in_one_run(|| {
            let server = Server::start(Fault::SilenceFrom(STEADY));
            let flags = [
                "--rate",
                "20",
                "--duration",
                "2",
                "--session-stages",
                stages,
            ];
            let run = run_with(&server, &flags);
            assert_eq!((run.code, run.findings()), expected, "{}", run.text);
            assert_eq!(server.faults(), 5);
        });
    }
}

/// Goal: subscribers that join during the run and get nothing at all are damage, each of them, though nobody can say
/// which message should have been their first; those that are gone before others had something are not.
#[test]
fn joiners_that_hear_nothing_are_damage() {
    for (stages, expected) in [
        ("0s:5,1500ms:5,0s:0", damage("heard_nothing 5")),
        ("0s:5,80ms:5,0s:0", (0, String::new())),
    ] {
        in_one_run(|| {
            let server = Server::start(Fault::Mute(STEADY));
            let flags = ["--duration", "2", "--session-stages", stages];
            let run = run_with(&server, &flags);
            assert_eq!((run.code, run.findings()), expected, "{}", run.text);
            assert_eq!(run.figure("/churn/joined"), 5);
        });
    }
    let server = Server::start(Fault::Mute(STEADY));
    let run = run_with(&server, &CHURN);
    assert_eq!(run.code, 3, "{}", run.text);
    assert!(
        run.text.contains(" joined and heard nothing"),
        "{}",
        run.text
    );
    let silent = run.figure("/sessions/heard_nothing");
    let joined = run.figure("/churn/joined");
    assert!((3..=joined).contains(&silent), "{silent} of {joined}");
}

/// Goal: a storm in which some are refused and come back later is told of as such, and is damage.
#[test]
fn refusals_in_a_storm_are_damage() {
    let server = Server::start(Fault::RefuseSome(STEADY, 15));
    let run = run_with(&server, &["--workload", "storm"]);
    let found = (run.code, run.findings());
    assert_eq!(found, damage("failed 15"), "{}", run.text);
    assert_eq!(run.figure("/sessions/refusals/503"), 15);
    assert_eq!(run.figure("/storm/returned"), 22);
}

/// Goal: a storm from which nobody comes back is no run, and it is said why.
#[test]
fn a_storm_that_is_refused_is_no_run() {
    let server = Server::start(Fault::RefuseSome(STEADY, usize::MAX / 2));
    let flags = [
        "--workload",
        "storm",
        "--subscribers",
        "20",
        "--publishers",
        "2",
        "--connect-timeout",
        "0.5",
    ];
    let text = refusal(server.address, &flags);
    assert!(
        text.contains("only 0 of 22 sessions had come back"),
        "{text}"
    );
    assert!(text.contains("the server answered 503"), "{text}");
}
