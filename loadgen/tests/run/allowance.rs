//! How many sessions a server holds: some may fail to open, and the run goes on with the others.

use crate::program::{Run, refusal, run};
use crate::server::{Fault, Server};

fn assert_good(run: &Run) {
    let found = (run.code, run.findings());
    assert_eq!(found, (0, String::new()), "{}", run.text);
}

/// Goal: those that are refused are counted by status, and the others are held.
#[test]
fn refused_sessions_are_counted() {
    let server = Server::start(Fault::Full(20));
    let flags = ["--idle", "30", "--hold", "0.2", "--allow-failures", "40"];
    let held = run(server.address, &flags);
    assert_good(&held);
    assert_eq!(held.figure("/sessions/opened"), 20);
    assert_eq!(held.figure("/sessions/unopened"), 10);
    assert_eq!(held.figure("/sessions/refusals/503"), 10);
    let told = "10 could not be, as allowed";
    assert!(held.text.contains(told), "{}", held.text);
}

/// Goal: a load goes on with those that are open: publishers are opened first, and nothing is expected of those who
/// are not there, however many workers there are.
#[test]
fn loads_go_on_with_the_others() {
    for workers in ["1", "3"] {
        let server = Server::start(Fault::Full(20));
        let flags = "--subscribers 25 --publishers 2 --rate 100 --duration 0.5 --warmup 0 \
                     --allow-failures 30 --connect-rate 500 --workers";
        let flags: Vec<_> = flags.split_whitespace().chain([workers]).collect();
        let load = run(server.address, &flags);
        assert_good(&load);
        assert_eq!(load.figure("/sessions/opened"), 20);
        assert_eq!(load.figure("/counts/sent"), 50);
        assert_eq!(load.figure("/counts/delivered"), 50 * 18, "{}", load.text);
        assert_eq!(load.figure("/window/completed"), 50);
    }
}

/// Goal: where everybody publishes, those who are not there were not to say anything, open loop and closed.
#[test]
fn absent_publishers_say_nothing() {
    let flags = "--workload chat --subscribers 10 --rate 100 --duration 0.5 --warmup 0 \
                 --allow-failures 20";
    let flags: Vec<_> = flags.split_whitespace().collect();
    let server = Server::start(Fault::Full(8));
    let chat = run(server.address, &flags);
    assert_good(&chat);
    assert_eq!(chat.figure("/counts/sent"), 40, "8 of 10 of 50");
    assert_eq!(chat.figure("/counts/delivered"), 40 * 7);
    let server = Server::start(Fault::Full(8));
    let closed = run(server.address, &[&flags[..], &["--closed", "20"]].concat());
    assert_good(&closed);
    let sent = closed.figure("/counts/sent");
    assert_eq!(closed.figure("/counts/delivered"), sent * 7);
}

/// Goal: more failures than are allowed are the end of the run, with what was said and how many may fail; the same of
/// those that are not answered in time.
#[test]
fn too_many_failures_are_told() {
    let server = Server::start(Fault::Full(20));
    let text = refusal(server.address, &["--idle", "30", "--allow-failures", "20"]);
    assert!(text.contains("503 Service Unavailable: we sleep"), "{text}");
    assert!(text.contains("over 6 sessions failed"), "{text}");
    let flags = "--idle 30 --connect-timeout 0.5 --hold 0.1 --allow-failures";
    let flags: Vec<_> = flags.split_whitespace().collect();
    let silent = Server::start(Fault::SilenceFrom(20));
    let text = refusal(silent.address, &[&flags[..], &["20"]].concat());
    assert!(text.contains("only 20 of 30 sessions"), "{text}");
    let silent = Server::start(Fault::SilenceFrom(20));
    let held = run(silent.address, &[&flags[..], &["40"]].concat());
    assert_good(&held);
    assert_eq!(held.figure("/sessions/unopened"), 10);
}
