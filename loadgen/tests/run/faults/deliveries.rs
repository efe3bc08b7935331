//! Messages that do not come, come twice, out of order or damaged.

use super::{against, damage, run_with, verdict};
use crate::program::{LOAD, run};
use crate::server::{Fault, Server};

/// Goal: a message that one subscriber does not get, and later ones do come, is skipped.
#[test]
fn a_dropped_message_is_skipped() {
    assert_eq!(verdict(Fault::Drop(30)), damage("skipped 1"));
}

/// Goal: of the last message nobody can say whether it would still have come.
#[test]
fn the_last_message_is_outstanding() {
    assert_eq!(verdict(Fault::Drop(69)), damage("outstanding 1"));
}

/// Goal: what is dropped all the time is counted to the last one, over several workers, and a message that
/// was not delivered to all is not called complete.
#[test]
fn a_hundredth_is_dropped() {
    let server = Server::start(Fault::DropHundredth);
    let flags = ["--rate", "1000", "--workers", "3", "--drain", "0.5"];
    let run = run_with(&server, &flags);
    // One in 100 of 700 messages for 20 subscribers; publishers may miss some of each other's, which nobody
    // looks at.
    assert_eq!(run.findings(), "skipped 140", "{}", run.text);
    assert!(server.faults() >= 140);
    assert_eq!(run.figure("/window/completed"), 400, "20 in 100 miss one");
    let delivered = run.figure("/counts/delivered");
    assert_eq!(run.figure("/counts/expected"), delivered + 140);
}

/// Goal: a message that comes twice is one delivery and one repetition.
#[test]
fn a_repeated_message_is_duplicated() {
    assert_eq!(verdict(Fault::Repeat(30)), damage("duplicated 1"));
}

/// Goal: what comes twice all the time is counted to the last one, over several workers, and has one time.
#[test]
fn a_tenth_is_repeated() {
    let server = Server::start(Fault::RepeatTenth);
    let run = run_with(&server, &["--rate", "1000", "--workers", "3"]);
    assert_eq!(run.findings(), "duplicated 1400", "{}", run.text);
    assert_eq!(run.figure("/window/completed"), 500);
    assert_eq!(run.figure("/latency/delivery_ns/count"), 500 * 20);
}

/// Goal: a message overtaken by a later one of the same publisher is reordered, not lost.
#[test]
fn a_swapped_message_is_reordered() {
    let server = Server::start(Fault::Swap(30));
    let flags = [&LOAD[..], &["--publishers", "1", "--subscribers", "3"]].concat();
    let run = run(server.address, &flags);
    assert_eq!(
        (run.code, run.findings()),
        damage("reordered 1"),
        "{}",
        run.text
    );
    assert_eq!(run.figure("/latency/delivery_ns/count"), 50 * 3);
}

/// Goal: a message with a byte changed is damaged, and so the one it was is missing.
#[test]
fn a_changed_byte_is_corruption() {
    assert_eq!(verdict(Fault::Damage(30)), damage("corrupted 1, skipped 1"));
}

/// Goal: the same of a message that is cut.
#[test]
fn a_truncated_message_is_corrupted() {
    assert_eq!(
        verdict(Fault::Truncate(30)),
        damage("corrupted 1, skipped 1")
    );
}

/// Goal: the same of a message that is longer than it was.
#[test]
fn a_lengthened_message_is_corrupted() {
    assert_eq!(
        verdict(Fault::Lengthen(30)),
        damage("corrupted 1, skipped 1")
    );
}

/// Goal: a text message that comes as a binary one is damage, though it is there; unless it is said that it
/// does not matter.
#[test]
fn another_type_is_damage() {
    let (run, _server) = against(Fault::OtherType(30));
    assert_eq!(
        (run.code, run.findings()),
        damage("wrong_type 1"),
        "{}",
        run.text
    );
    assert!(run.text.contains("1 of the wrong type"), "{}", run.text);
    let server = Server::start(Fault::OtherType(30));
    let asked = run_with(&server, &["--any-type"]);
    assert_eq!((asked.code, asked.findings()), (0, String::new()));
}

/// Goal: a message of another room is damage to whoever gets it, even if it gets its own as well.
#[test]
fn another_rooms_messages_are_corrupted() {
    let server = Server::start(Fault::None);
    let run = run_with(&server, &["--rooms", "2"]);
    let findings = damage("corrupted 700");
    assert_eq!((run.code, run.findings()), findings, "{}", run.text);
    assert_eq!(run.figure("/counts/delivered"), 70 * 10);
}

/// Goal: fragments, interleaved pings and single bytes are taken as they come, and pings answered.
#[test]
fn any_split_of_the_frames_is_read() {
    let (run, server) = against(Fault::Dribble(30));
    assert_eq!(
        (run.code, run.findings()),
        (0, String::new()),
        "{}",
        run.text
    );
    assert_eq!(server.pongs(), 21, "20 subscribers and the other publisher");
}
