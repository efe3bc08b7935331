//! Members that stop reading.

use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use crate::alone;
use crate::flow::{Flow, MESSAGE_BYTES, gap_in, narrow_client};
use crate::support::crowd::Crowd;
use crate::support::frame::{BINARY, Outgoing, TEXT};
use crate::support::room::Numbered;
use crate::support::server::Server;
use crate::support::wait::{Deadline, PATIENCE};

/// Messages that are more than a log of 4 MiB and a socket's buffers hold together.
const MESSAGES_TO_FALL_BEHIND: u32 = 24 * (1 << 20) / MESSAGE_BYTES;
/// Messages of a hundred megabytes.
const MESSAGES: u32 = 100 * (1 << 20) / MESSAGE_BYTES;
/// Rounds of which the median is compared.
const ROUNDS: usize = 7;
/// Messages of a round.
const MESSAGES_MEASURED: u32 = 80;
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
    let (calm_server, server) = (start("close"), start("close"));
    let mut calm = Flow::open(&calm_server, 200, 0);
    let mut flow = Flow::open(&server, 180, 20);
    // In turns, so that whatever else the machine does slows down both.
    let (mut calm_p99s, mut p99s) = ([Duration::ZERO; ROUNDS], [Duration::ZERO; ROUNDS]);
    for (calm_p99, p99) in calm_p99s.iter_mut().zip(&mut p99s) {
        calm.publish(MESSAGES_MEASURED);
        *calm_p99 = calm.take_p99();
        flow.publish(MESSAGES_MEASURED);
        *p99 = flow.take_p99();
    }
    calm.check_readers();
    drop((calm, calm_server));
    calm_p99s.sort_unstable();
    p99s.sort_unstable();
    let (calm_p99, p99) = (calm_p99s[ROUNDS / 2], p99s[ROUNDS / 2]);
    let allowed = calm_p99 * 3 + Duration::from_millis(20);
    assert!(
        p99 < allowed,
        "p99 {p99s:?}, and {calm_p99s:?} when all read"
    );

    // By now the log went round: what it takes, it has.
    let already = MESSAGES_MEASURED * u32::try_from(ROUNDS).expect("a few");
    flow.publish(MESSAGES_TO_FALL_BEHIND.saturating_sub(already));
    let resident = server.rss_bytes();
    flow.wake_to_be_closed(10);
    flow.publish(MESSAGES - already.max(MESSAGES_TO_FALL_BEHIND));
    flow.check_readers();
    let grown = server.rss_bytes().saturating_sub(resident);
    assert!(grown < SLACK_BYTES, "resident memory grew by {grown} bytes");
    server.await_figure("slow_closed", |closed| closed == 20);
    assert!(server.figure("send_blocked") >= 20, "{}", server.healthz());
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

/// Goal: stalled sessions that never read again hold their connections no longer than the idle
/// timeout; those who do stay.
#[test]
fn deaf_sessions_are_dropped_after_the_idle_timeout() {
    let _alone = alone();
    let timeouts = [
        "--ping-interval",
        "2s",
        "--idle-timeout",
        "10s",
        "--log-bytes",
        "4MiB",
    ];
    let server = Server::start(&timeouts);
    let mut flow = Flow::open(&server, 3, 2);
    flow.publish(MESSAGES_TO_FALL_BEHIND);
    let deadline = Deadline::after(PATIENCE);
    while server.figure("connections") != 4 {
        flow.turn();
        deadline.check(|| format!("three readers and a publisher: {}", server.healthz()));
    }
    flow.publish(10);
    flow.check_readers();
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

/// Goal: what a stalled session published itself is not among what it missed, for it would not
/// have got that anyway.
#[test]
fn own_messages_are_never_missed() {
    let _alone = alone();
    let server = start("skip");
    let target = "/ws/own?presence=0";
    let mut crowd = Crowd::new();
    let talker = crowd.connect(server.address(), target);
    let reader = crowd.connect(server.address(), target);
    let stalled = crowd.sit(narrow_client(server.address(), target));
    crowd.pause(stalled);
    let mut deadline = Deadline::after(PATIENCE);
    let (mut heard, mut own) = (0, 0);
    for sequence in 0..MESSAGES_TO_FALL_BEHIND {
        let message = Numbered {
            publisher: 0,
            sequence,
        };
        crowd.send(talker, &message.frame(MESSAGE_BYTES as usize));
        if sequence % 3 == 0 {
            crowd.send(
                stalled,
                &Numbered {
                    publisher: 1,
                    sequence: own,
                }
                .frame(100),
            );
            own += 1;
        }
        // The talker hears the stalled one, too; only the reader is waited for.
        while heard < sequence + 1 + own {
            crowd.turn(PATIENCE, &mut |session, _| {
                heard += u32::from(session == reader)
            });
            deadline.renew(heard);
            deadline.check(|| format!("message {sequence} at the reader"));
        }
    }
    crowd.resume(stalled);
    let last = Numbered {
        publisher: 0,
        sequence: MESSAGES_TO_FALL_BEHIND,
    };
    crowd.send(talker, &last.frame(MESSAGE_BYTES as usize));
    let (mut next, mut gaps) = (0, 0);
    while next <= MESSAGES_TO_FALL_BEHIND {
        crowd.turn(PATIENCE, &mut |session, view| {
            if session != stalled {
                return;
            }
            if let Some(missed) = gap_in(&view) {
                next += missed;
                gaps += 1;
            } else {
                assert_eq!(
                    Numbered::read(&view),
                    Numbered {
                        publisher: 0,
                        sequence: next
                    }
                );
                next += 1;
            }
        });
        deadline.renew(next);
        deadline.check(|| format!("{next} messages received or missed, {gaps} gaps"));
    }
    assert!(gaps > 0, "it never fell behind");
}

/// Goal: whoever takes a big echo slowly, but takes it, is not closed as idle in the middle of it.
#[test]
fn a_slow_reader_of_its_own_echo_is_not_idle() {
    let _alone = alone();
    let server = Server::start(&[
        "--echo",
        "--message-bytes-max",
        "16MiB",
        "--ping-interval",
        "1s",
        "--idle-timeout",
        "3s",
    ]);
    let stream = Outgoing::new(BINARY, vec![7; 16 << 20]).bytes();
    let total = stream.len() - 4; // What comes back is not masked.
    let mut client = narrow_client(server.address(), "/echo");
    let mut reader = client.wire.stream.try_clone().expect("a second descriptor");
    let mut writer = client.wire.stream.try_clone().expect("a second descriptor");
    let writing = thread::spawn(move || writer.write_all(&stream));
    let mut piece = vec![0; 64 << 10];
    let (started, mut taken) = (Instant::now(), 0);
    while taken < total {
        let bytes = reader.read(&mut piece).expect("the session stays");
        assert!(bytes > 0, "closed after {taken} of {total} bytes");
        taken += bytes;
        // The pace is what is tested: the whole echo lasts several idle timeouts.
        let due = Duration::from_secs(9).mul_f64(taken as f64 / total as f64);
        thread::sleep(due.saturating_sub(started.elapsed()));
    }
    writing
        .join()
        .expect("the writer ends")
        .expect("all is taken");
    client.text("still here");
    client.expect(TEXT, "still here");
}
