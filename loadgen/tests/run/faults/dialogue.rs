//! Servers that want to be asked, and those that wrap what they deliver.

use super::{damage, run_with};
use crate::server::{Fault, Server};

/// Goal: a server that delivers nothing to who has not joined leaves everything outstanding, and the report
/// says what it may want.
#[test]
fn nobody_joined() {
    let server = Server::start(Fault::Join);
    let run = run_with(&server, &["--drain", "0.2"]);
    let found = (run.code, run.findings());
    assert_eq!(found, damage("outstanding 1400"), "{}", run.text);
    assert!(run.text.contains("--send-on-open"), "{}", run.text);
}

/// Goal: a server that wants a join message and an envelope is driven like any other.
#[test]
fn joins_and_envelopes_are_sent() {
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
    let run = run_with(&server, &dialogue);
    assert_eq!(
        (run.code, run.findings()),
        (0, String::new()),
        "{}",
        run.text
    );
    assert_eq!(run.figure("/counts/delivered"), 70 * 20);
}

/// Goal: of several messages that a server puts into one, each is found, judged and timed.
#[test]
fn several_messages_in_a_frame_are_found() {
    let server = Server::start(Fault::Bundle(5));
    let run = run_with(&server, &["--publish-template", "{payload}"]);
    assert_eq!(
        (run.code, run.findings()),
        (0, String::new()),
        "{}",
        run.text
    );
    assert_eq!(run.figure("/counts/delivered"), 70 * 20);
    assert_eq!(run.figure("/latency/delivery_ns/count"), 50 * 20);
}

/// Goal: what a server says it will not deliver is counted, and told with why; what it may want is not guessed then.
#[test]
fn rejected_messages_are_told() {
    let server = Server::start(Fault::Reject);
    let flags = ["--protocol", "phoenix", "--path", "/ws", "--drain", "0.3"];
    let run = run_with(&server, &flags);
    let found = (run.code, run.findings());
    assert_eq!(
        found,
        damage("outstanding 1400, rejected 70"),
        "{}",
        run.text
    );
    let told = "the server refused a push: {\"reason\":\"full\"}";
    assert!(run.text.contains(told), "{}", run.text);
    assert!(!run.text.contains("--send-on-open"), "{}", run.text);
}
