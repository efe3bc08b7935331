//! Members that stop reading.

use std::time::Duration;

use crate::alone;
use crate::flow::{Flow, MESSAGE_BYTES};
use crate::support::server::Server;

/// Messages that are more than a log of 4 MiB and a socket's buffers hold together.
const MESSAGES_TO_FALL_BEHIND: u32 = 24 * (1 << 20) / MESSAGE_BYTES;
/// Messages of a hundred megabytes.
const MESSAGES: u32 = 100 * (1 << 20) / MESSAGE_BYTES;
/// Messages behind each percentile that is compared.
const MESSAGES_MEASURED: u32 = 400;
/// What the server's resident memory may vary by.
const SLACK_BYTES: u64 = 16 << 20;

fn start(policy: &str) -> Server {
    Server::start(&[
        "--shards",
        "2",
        "--log-bytes",
        "4MiB",
        "--slow-consumer",
        policy,
    ])
}

/// Goal: while a tenth of 200 sessions does not read a hundred megabytes, the others lose
/// nothing and are not slower beyond noise, memory does not grow, and a stalled session that
/// reads again gets whole frames and then close code 4001.
#[test]
fn stalled_sessions_cost_the_others_nothing() {
    let _alone = alone();
    let calm = {
        let server = start("close");
        let mut flow = Flow::open(&server, 180, 0);
        flow.publish(MESSAGES_MEASURED / 4);
        flow.take_p99();
        flow.publish(MESSAGES_MEASURED);
        flow.check_readers();
        flow.take_p99()
    };

    let server = start("close");
    let mut flow = Flow::open(&server, 180, 20);
    flow.publish(MESSAGES_MEASURED / 4);
    flow.take_p99();
    flow.publish(MESSAGES_MEASURED);
    let with_stalled = flow.take_p99();
    let allowed = calm * 3 + Duration::from_millis(20);
    assert!(
        with_stalled < allowed,
        "p99 {with_stalled:?}, and {calm:?} when all read"
    );

    // By now the log went round: what it takes, it has.
    let already = MESSAGES_MEASURED / 4 + MESSAGES_MEASURED;
    flow.publish(MESSAGES_TO_FALL_BEHIND.saturating_sub(already));
    let resident = server.rss_bytes();
    flow.wake_to_be_closed(10);
    flow.publish(MESSAGES - already.max(MESSAGES_TO_FALL_BEHIND));
    flow.check_readers();
    let grown = server.rss_bytes().saturating_sub(resident);
    assert!(grown < SLACK_BYTES, "resident memory grew by {grown} bytes");
    assert!(server.figure("slow_closed") >= 10, "{}", server.healthz());
    drop(flow);
    server.await_figure("connections", |connections| connections == 0);
    server.await_figure("operations", |operations| operations == 0);
}

/// Goal: with `--slow-consumer skip` a stalled session that reads again is told exactly how
/// many messages it missed, gets everything else in order, and goes on; and again.
#[test]
fn skipped_sessions_are_told_exactly_what_they_missed() {
    let _alone = alone();
    let server = start("skip");
    let mut flow = Flow::open(&server, 72, 8);
    flow.publish(MESSAGES_TO_FALL_BEHIND);
    flow.wake_to_catch_up();
    let resident = server.rss_bytes();
    flow.publish(MESSAGES_TO_FALL_BEHIND);
    flow.wake_to_catch_up();
    flow.check_readers();
    let grown = server.rss_bytes().saturating_sub(resident);
    assert!(grown < SLACK_BYTES, "resident memory grew by {grown} bytes");
    assert!(server.figure("slow_skipped") >= 8, "{}", server.healthz());
    assert_eq!(server.figure("slow_closed"), 0);
    assert_eq!(server.figure("sessions"), 81);
}

/// Goal: a room small enough to live on one shard keeps the same rules.
#[test]
fn small_rooms_close_their_stalled_members_too() {
    let _alone = alone();
    let server = start("close");
    let mut flow = Flow::open(&server, 3, 2);
    flow.publish(MESSAGES_TO_FALL_BEHIND);
    flow.wake_to_be_closed(0);
    flow.check_readers();
    server.await_figure("sessions", |sessions| sessions == 4);
}
