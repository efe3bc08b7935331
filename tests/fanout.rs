//! A thousand sessions on two shards: each message reaches every other session exactly once, in
//! one order that is the same for all of them, and never its sender.

mod support;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use self::support::client::Client;
use self::support::crowd::Crowd;
use self::support::frame::{CLOSE, Outgoing};
use self::support::room::Numbered;
use self::support::server::Server;
use self::support::wait::{Deadline, PATIENCE};

/// Sessions, publishers among them.
const SESSIONS: usize = 1_000;
/// The first sessions publish.
const PUBLISHERS: usize = 4;
/// Messages of each publisher.
const MESSAGES: u32 = 150;
/// Bytes of a message.
const MESSAGE_BYTES: usize = 64;

/// These tests need both processors: one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What each session got, in its order.
type Heard = Vec<Vec<Numbered>>;

/// Lets the publishers send everything, in bursts of changing size and never more than
/// `released` says, and waits until nobody misses anything.
#[track_caller]
fn publish_all(crowd: &mut Crowd, heard: &mut Heard, released: impl Fn() -> u32) {
    let mut deadline = Deadline::after(PATIENCE);
    let total = PUBLISHERS * MESSAGES as usize;
    let own = |session: usize| {
        if session < PUBLISHERS {
            MESSAGES as usize
        } else {
            0
        }
    };
    let mut sent = [0_u32; PUBLISHERS];
    loop {
        let released = released().min(MESSAGES);
        for (publisher, sequence) in sent.iter_mut().enumerate() {
            let burst = fastrand::u32(0..4).min(released - *sequence);
            let mut bytes = Vec::new();
            for _ in 0..burst {
                let message = Numbered {
                    publisher: u32::try_from(publisher).expect("a few publishers"),
                    sequence: *sequence,
                };
                bytes.extend(message.frame(MESSAGE_BYTES));
                *sequence += 1;
            }
            crowd.send(publisher, &bytes);
        }
        crowd.turn(Duration::from_millis(5), &mut |session, view| {
            heard[session].push(Numbered::read(&view));
        });
        let missing = heard
            .iter()
            .enumerate()
            .find(|(session, messages)| messages.len() + own(*session) < total);
        let Some((session, messages)) = missing else {
            return;
        };
        deadline.renew(heard.iter().map(Vec::len).sum::<usize>());
        deadline.check(|| {
            let seat = crowd.seat(session);
            format!(
                "session {session} has {} of {total}: {seat:?}",
                messages.len()
            )
        });
    }
}

/// Checks that all orders are one, the publishers' with their own messages taken out.
#[track_caller]
fn check_orders(heard: &Heard) {
    let order = &heard[PUBLISHERS];
    let mut next = [0; PUBLISHERS];
    for message in order {
        let expected = &mut next[message.publisher as usize];
        assert_eq!(
            message.sequence, *expected,
            "publisher {} out of order",
            message.publisher
        );
        *expected += 1;
    }
    assert_eq!(next, [MESSAGES; PUBLISHERS]);
    for (session, messages) in heard.iter().enumerate() {
        let without_own = order
            .iter()
            .filter(|message| message.publisher as usize != session);
        let differs = messages
            .iter()
            .zip(without_own.clone())
            .position(|(a, b)| a != b);
        assert_eq!(
            differs, None,
            "session {session} differs from the others there"
        );
        assert_eq!(messages.len(), without_own.count(), "session {session}");
    }
}

/// Insists that nothing more was under way to anyone: every session gets a pong and only that.
#[track_caller]
fn check_quiet(crowd: &mut Crowd) {
    let mut pongs = vec![0_usize; SESSIONS];
    for session in 0..SESSIONS {
        crowd.send(session, &Outgoing::ping("all?").bytes());
    }
    let mut deadline = Deadline::after(PATIENCE);
    while pongs.contains(&0) {
        crowd.turn(Duration::from_millis(50), &mut |session, view| {
            assert_eq!(
                view.payload, b"all?",
                "session {session} got more than it should"
            );
            pongs[session] += 1;
        });
        deadline.renew(pongs.iter().sum::<usize>());
        deadline.check(|| "a pong for everyone".to_owned());
    }
}

/// The crowd, all in one room and none with presence.
fn gather(address: SocketAddr) -> Crowd {
    let mut crowd = Crowd::new();
    for _ in 0..SESSIONS {
        crowd.connect(address, "/ws/fanout?presence=0");
    }
    crowd
}

/// Goal: exactly once, one order, never the sender, with everybody there from the start.
#[test]
fn each_message_reaches_every_other_session_once_in_one_order() {
    let _alone = alone();
    let server = Server::start(&["--shards", "2"]);
    let mut crowd = gather(server.address());
    let mut heard = vec![Vec::new(); SESSIONS];
    publish_all(&mut crowd, &mut heard, || MESSAGES);
    check_orders(&heard);
    check_quiet(&mut crowd);
    assert_eq!(server.figure("sessions"), SESSIONS as u64);
}

/// Joins and leaves in groups of `group`, by every way to leave, until told to stop; counts
/// the sessions it was.
fn churn(address: SocketAddr, group: usize, stop: &AtomicBool, joined: &AtomicUsize) {
    while !stop.load(Ordering::Relaxed) {
        let members: Vec<Client> = (0..group)
            .map(|_| Client::connect(address, "/ws/fanout"))
            .collect();
        joined.fetch_add(group, Ordering::Relaxed);
        for (index, mut member) in members.into_iter().enumerate() {
            match index % 3 {
                0 => member.reset(),
                1 => drop(member),
                _ => {
                    member.send(&Outgoing::close(1000, ""));
                    // Whatever the room says until then is intact.
                    while member.frame().opcode != CLOSE {}
                }
            }
        }
    }
}

/// Goal: the same while fifty sessions at a time join, hear, and leave in every way there is:
/// those who stay miss nothing and get nothing twice.
#[test]
fn joins_and_leaves_disturb_nobody_who_stays() {
    let _alone = alone();
    let server = Server::start(&["--shards", "2"]);
    let address = server.address();
    let mut crowd = gather(address);
    let mut heard = vec![Vec::new(); SESSIONS];
    let stop = AtomicBool::new(false);
    let joined = AtomicUsize::new(0);
    thread::scope(|scope| {
        let churners = scope.spawn(|| churn(address, 50, &stop, &joined));
        let published = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            // Each two sessions that join release one message of each publisher, so that the
            // coming and going lasts as long as the publishing.
            publish_all(&mut crowd, &mut heard, || {
                u32::try_from(joined.load(Ordering::Relaxed) / 2).expect("not that many")
            });
        }));
        stop.store(true, Ordering::Relaxed);
        let churned = churners.join();
        published.expect("nobody who stayed missed anything");
        churned.expect("joining and leaving works");
    });
    check_orders(&heard);
    check_quiet(&mut crowd);
    server.await_figure("sessions", |sessions| sessions == SESSIONS as u64);
}

/// Goal: who joins amid the traffic gets everything from some message on and nothing twice, also
/// while the room grows out of one shard and over both.
#[test]
fn late_joiners_miss_nothing_after_their_join() {
    let _alone = alone();
    let server = Server::start(&["--shards", "2"]);
    let target = "/ws/growing?presence=0";
    let mut crowd = Crowd::new();
    let publisher = crowd.connect(server.address(), target);
    let first = crowd.connect(server.address(), target);
    let mut heard: Vec<Vec<u32>> = vec![Vec::new(); 2];
    let mut sequence = 0;
    let mut deadline = Deadline::after(PATIENCE);
    let mut publish = |crowd: &mut Crowd, count: u32| {
        for _ in 0..count {
            crowd.send(
                publisher,
                &Numbered {
                    publisher: 0,
                    sequence,
                }
                .frame(MESSAGE_BYTES),
            );
            sequence += 1;
        }
        sequence
    };
    for _ in 0..200 {
        // Under way while the next one joins.
        publish(&mut crowd, 5);
        crowd.connect(server.address(), target);
        heard.push(Vec::new());
        publish(&mut crowd, 5);
        crowd.turn(Duration::from_millis(1), &mut |session, view| {
            heard[session].push(Numbered::read(&view).sequence);
        });
    }
    let sent = publish(&mut crowd, 1);
    while heard
        .iter()
        .skip(1)
        .any(|got| got.last() != Some(&(sent - 1)))
    {
        crowd.turn(Duration::from_millis(50), &mut |session, view| {
            heard[session].push(Numbered::read(&view).sequence);
        });
        deadline.renew(heard.iter().map(Vec::len).sum::<usize>());
        deadline.check(|| "the last message at everyone".to_owned());
    }
    assert!(
        heard[first].iter().copied().eq(0..sent),
        "the first member missed something"
    );
    for (session, got) in heard.iter().enumerate().skip(first) {
        // What was published after the handshake was answered must be there.
        let joined = u32::try_from(session.saturating_sub(2)).expect("a few") * 10 + 5;
        let begin = got[0];
        assert!(
            begin <= joined,
            "session {session} begins at {begin}, not {joined} or before"
        );
        assert!(
            got.iter().copied().eq(begin..sent),
            "session {session} is not contiguous"
        );
    }
}
