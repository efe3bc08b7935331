//! The plain protocol as people in a room see it: who gets which message and which notice, and
//! how sessions end.

mod support;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use self::support::client::{Client, Heard};
use self::support::crowd::Crowd;
use self::support::frame::{BINARY, CLOSE, Outgoing, PING, TEXT};
use self::support::http::Wire;
use self::support::server::Server;
use self::support::wait::{Deadline, PATIENCE, eventually};

/// The server with all sessions on one shard, and with every room on both of two.
fn layouts() -> [Server; 2] {
    [
        &["--shards", "1"][..],
        &["--shards", "2", "--spread-members-min", "1"],
    ]
    .map(Server::start)
}

/// The id in a notice of this kind; panics when it is another, or has more or less in it.
#[track_caller]
fn id_in(notice: &Value, event: &str) -> String {
    let id = notice["id"].as_str().unwrap_or_default();
    assert_eq!(*notice, json!({"event": event, "id": id}));
    let shape: String = id
        .chars()
        .map(|c| if c.is_ascii_hexdigit() { 'x' } else { c })
        .collect();
    assert_eq!(
        shape, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
        "an id that is no UUID"
    );
    assert_eq!(&id[14..15], "4", "{id} is not of version 4");
    id.to_owned()
}

/// Members without presence in a room of their own.
fn quiet_members(server: &Server, room: &str, count: usize) -> Vec<Client> {
    let target = format!("/ws/{room}?presence=0");
    (0..count)
        .map(|_| Client::connect(server.address(), &target))
        .collect()
}

/// Goal: a message reaches every other member, byte for byte and as the kind it was, and not
/// its sender.
#[test]
fn messages_reach_all_others_as_they_are() {
    for server in layouts() {
        let mut members = quiet_members(&server, "all", 5);
        let long = "long ".repeat(5_000);
        let messages = [
            (TEXT, "hello".as_bytes()),
            (TEXT, "grüße 🙂".as_bytes()),
            (BINARY, b"\x00\xff\xfe"),
            (TEXT, br#"{"event":"connect","id":"not a notice"}"#),
            (TEXT, b" "),
            (TEXT, long.as_bytes()),
            (BINARY, b""),
        ];
        for (opcode, payload) in messages {
            for sender in 0..members.len() {
                members[sender].send(&Outgoing::new(opcode, payload));
                for (index, member) in members.iter_mut().enumerate() {
                    if index != sender {
                        member.expect(opcode, payload);
                    }
                }
                members[sender].expect_quiet();
            }
        }
    }
}

/// Goal: with `?echo=1` a sender gets its own messages too, in the room's order; the others
/// are not concerned.
#[test]
fn echo_gives_a_sender_its_own_messages() {
    for server in layouts() {
        let mut echoing = Client::connect(server.address(), "/ws/echoing?echo=1&presence=0");
        let mut plain = Client::connect(server.address(), "/ws/echoing?presence=0");
        echoing.text("one");
        echoing.expect(TEXT, "one");
        plain.expect(TEXT, "one");
        plain.text("two");
        echoing.expect(TEXT, "two");
        plain.expect_quiet();
        let many: Vec<u8> = (0..100)
            .flat_map(|n| Outgoing::text(format!("{n}")).bytes())
            .collect();
        echoing.wire.send(&many);
        for n in 0..100 {
            echoing.expect(TEXT, format!("{n}"));
            plain.expect(TEXT, format!("{n}"));
        }
    }
}

/// Goal: rooms know nothing of each other, and `/ws` is a room of its own.
#[test]
fn rooms_are_separate() {
    for server in layouts() {
        let targets = ["/ws", "/ws/a", "/ws/b", "/ws/A", "/ws/a%20b"];
        let mut pairs: Vec<(Client, Client)> = targets
            .iter()
            .map(|target| {
                let mut first = Client::connect(server.address(), target);
                let second = Client::connect(server.address(), target);
                id_in(&first.next_notice(), "connect");
                (first, second)
            })
            .collect();
        for (target, (first, _)) in targets.iter().zip(&mut pairs) {
            first.text(target);
        }
        for (target, (first, second)) in targets.iter().zip(&mut pairs) {
            second.expect(TEXT, target);
            second.expect_quiet();
            first.expect_quiet();
        }
    }
}

/// Goal: one member's messages come in the order it sent them, between a notice of its coming
/// and one of its going.
#[test]
fn messages_come_between_join_and_leave() {
    for server in layouts() {
        let mut stayer = Client::connect(server.address(), "/ws/between");
        for _ in 0..10 {
            let mut guest = Client::connect(server.address(), "/ws/between");
            let talk: Vec<u8> = (0..50)
                .flat_map(|n| Outgoing::text(format!("{n}")).bytes())
                .collect();
            guest.wire.send(&talk);
            guest.leave(1000);
            let id = id_in(&stayer.next_notice(), "connect");
            for n in 0..50 {
                stayer.expect(TEXT, format!("{n}"));
            }
            assert_eq!(id_in(&stayer.next_notice(), "disconnect"), id);
        }
        stayer.expect_quiet();
    }
}

/// Goal: the others hear of each join and leave, with one id for both and different ids for
/// different sessions; nobody hears of its own.
#[test]
fn others_hear_of_joins_and_leaves() {
    for server in layouts() {
        let mut first = Client::connect(server.address(), "/ws/presence");
        first.expect_quiet();
        let mut second = Client::connect(server.address(), "/ws/presence");
        let second_id = id_in(&first.next_notice(), "connect");
        second.expect_quiet();
        let mut third = Client::connect(server.address(), "/ws/presence");
        let third_id = id_in(&first.next_notice(), "connect");
        assert_eq!(id_in(&second.next_notice(), "connect"), third_id);
        assert_ne!(second_id, third_id);

        second.leave(1000);
        assert_eq!(id_in(&first.next_notice(), "disconnect"), second_id);
        assert_eq!(id_in(&third.next_notice(), "disconnect"), second_id);
        // One that fails leaves as well.
        third.send(&Outgoing::text("no mask").unmasked());
        assert_eq!(id_in(&first.next_notice(), "disconnect"), third_id);
        first.expect_quiet();

        let mut ids = HashSet::from([second_id, third_id]);
        for _ in 0..20 {
            let mut guest = Client::connect(server.address(), "/ws/presence");
            let id = id_in(&first.next_notice(), "connect");
            guest.leave(1001);
            assert_eq!(id_in(&first.next_notice(), "disconnect"), id);
            assert!(ids.insert(id), "an id came twice");
        }
    }
}

/// Goal: `?presence=0` neither causes notices nor gets them, and takes part otherwise.
#[test]
fn sessions_without_presence_are_unseen() {
    for server in layouts() {
        let mut visible = Client::connect(server.address(), "/ws/unseen");
        let mut unseen = Client::connect(server.address(), "/ws/unseen?presence=0");
        visible.expect_quiet();
        let mut another = Client::connect(server.address(), "/ws/unseen");
        id_in(&visible.next_notice(), "connect");
        another.text("hello");
        unseen.expect(TEXT, "hello");
        visible.expect(TEXT, "hello");
        unseen.text("from nowhere");
        visible.expect(TEXT, "from nowhere");
        another.expect(TEXT, "from nowhere");
        another.leave(1000);
        id_in(&visible.next_notice(), "disconnect");
        unseen.leave(1000);
        visible.expect_quiet();
    }
}

/// Goal: an empty text is answered by an empty text to its sender and reaches nobody, also in
/// fragments and with `?echo=1`; an empty binary message is a message.
#[test]
fn empty_texts_are_keep_alives() {
    for server in layouts() {
        let mut listener = Client::connect(server.address(), "/ws/empty?presence=0");
        for target in ["/ws/empty?presence=0", "/ws/empty?presence=0&echo=1"] {
            let mut sender = Client::connect(server.address(), target);
            sender.text("");
            sender.expect(TEXT, "");
            sender.send(&Outgoing::text("").more());
            sender.send(&Outgoing::continuation(""));
            sender.expect(TEXT, "");
            sender.expect_quiet();
            listener.expect_quiet();
            sender.send(&Outgoing::binary(""));
            listener.expect(BINARY, "");
            if target.ends_with("echo=1") {
                sender.expect(BINARY, "");
            }
            sender.leave(1000);
        }
    }
}

/// Goal: above `--presence-members-max` members only the number is announced, at most once a
/// second, and the last number announced is the right one.
#[test]
fn large_rooms_announce_only_their_size() {
    let server = Server::start(&["--presence-members-max", "3"]);
    let mut first = Client::connect(server.address(), "/ws/large");
    let mut others: Vec<Client> = Vec::new();
    for _ in 0..2 {
        others.push(Client::connect(server.address(), "/ws/large"));
        id_in(&first.next_notice(), "connect");
    }
    let mut announced: Vec<(Instant, u64)> = Vec::new();
    let begun = Instant::now();
    let mut await_count = |first: &mut Client, wanted: u64| {
        let deadline = Deadline::after(PATIENCE);
        loop {
            let notice = first.next_notice();
            let count = notice["count"].as_u64().expect("a count");
            assert_eq!(notice, json!({"event": "members", "count": count}));
            announced.push((Instant::now(), count));
            if count == wanted {
                return;
            }
            deadline.check(|| format!("{wanted} members announced, but {announced:?}"));
        }
    };
    // Rounds, so that some joins fall into the second after an announcement.
    for round in 1..=3 {
        others.extend((0..10).map(|_| Client::connect(server.address(), "/ws/large")));
        await_count(&mut first, 3 + 10 * round);
    }
    for mut leaver in others.drain(23..) {
        leaver.send(&Outgoing::close(1000, ""));
    }
    await_count(&mut first, 24);
    // Counted from before the first: a single one may be delayed on its way, so that the next seems
    // to follow sooner, but none is here before its second.
    for (seconds, (at, _)) in (0..).zip(&announced) {
        let since = *at - begun;
        assert!(
            since > Duration::from_secs(seconds).mul_f64(0.95),
            "the one after {seconds} others came after {since:?}: {announced:?}"
        );
    }
}

/// Goal: a session that is silent gets pings; one that answers them stays for as long as it
/// likes, one that does not is closed after `--idle-timeout`.
#[test]
fn silent_sessions_are_pinged_and_dead_ones_closed() {
    let server = Server::start(&["--ping-interval", "1s", "--idle-timeout", "6s"]);
    let started = Instant::now();
    let mut talker = Client::connect(server.address(), "/ws/idle?presence=0");
    let mut dead = Client::connect(server.address(), "/ws/idle?presence=0");
    let mut crowd = Crowd::new();
    let alive = crowd.connect(server.address(), "/ws/idle?presence=0");

    // Nobody writes for the dead one; its pings come, then the end.
    let mut pings = 0;
    let closed_after = loop {
        crowd.turn(Duration::from_millis(1), &mut |_, view| panic!("{view:?}"));
        talker.text("");
        talker.expect(TEXT, "");
        dead.wire
            .stream
            .set_read_timeout(Some(Duration::from_millis(20)))
            .expect("a timeout");
        match dead.wire.fill() {
            Ok(0) => break started.elapsed(),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
        while let Some((view, size)) = support::frame::parse(dead.wire.bytes()).expect("frames") {
            assert!([PING, CLOSE].contains(&view.opcode), "{view:?}");
            pings += u32::from(view.opcode == PING);
            dead.wire.take(size);
        }
        assert!(
            started.elapsed() < PATIENCE,
            "a dead session was not closed"
        );
    };
    assert!(pings >= 1, "no ping before the idle timeout");
    assert!(
        closed_after >= Duration::from_millis(5_900),
        "closed after {closed_after:?}"
    );
    assert_eq!(server.figure("idle_closed"), 1);

    // By now the one that only answers pings was silent for longer than the timeout.
    talker.text("still here?");
    let mut heard = Vec::new();
    let deadline = Deadline::after(PATIENCE);
    while heard.is_empty() {
        crowd.turn(Duration::from_millis(50), &mut |_, view| {
            heard.push(view.keep())
        });
        deadline.check(|| {
            format!(
                "a message to one that answers pings: {:?}",
                crowd.seat(alive)
            )
        });
    }
    assert_eq!(heard[0].payload, b"still here?");
}

/// Goal: a session that is reset is announced as gone, like any other.
#[test]
fn a_reset_session_is_announced_as_gone() {
    for server in layouts() {
        let mut stayer = Client::connect(server.address(), "/ws/reset");
        for _ in 0..10 {
            let mut victim = Client::connect(server.address(), "/ws/reset");
            let id = id_in(&stayer.next_notice(), "connect");
            victim.send(&Outgoing::text("half a mess").more());
            victim.reset();
            assert_eq!(id_in(&stayer.next_notice(), "disconnect"), id);
        }
        server.await_figure("sessions", |sessions| sessions == 1);
    }
}

/// Goal: on SIGTERM every session is closed with 1001, nobody new gets in, and the process
/// exits with 0 within five seconds, even though one session never reads.
#[test]
fn termination_closes_everyone_in_time() {
    let mut server = Server::start(&["--shards", "2"]);
    let address = server.address();
    let mut members = quiet_members(&server, "term", 20);
    let mut stalled = Client::connect(address, "/ws/stalled?presence=0");
    let mut flooder = Client::connect(address, "/ws/stalled?presence=0");
    let flood = Outgoing::binary(vec![0; 60_000]).bytes();
    (0..200).for_each(|_| flooder.wire.send(&flood));
    flooder.expect_quiet();
    let half_head = Wire::open(address);

    server.terminate();
    for member in &mut members {
        assert_eq!(member.close_frame().map(|(code, _)| code), Some(1001));
        member.offer(&Outgoing::close(1001, ""));
    }
    if let Ok(stream) = std::net::TcpStream::connect(address) {
        let mut late = Wire::over(stream);
        late.offer(support::client::handshake(address, "/ws", "x", "").as_bytes());
        // A refusal would be as good as a closed connection.
        while late.fill().is_ok_and(|count| count > 0) {}
        assert!(
            !late.bytes().starts_with(b"HTTP/1.1 101"),
            "a session after SIGTERM"
        );
    }
    // Counted from the last close frame, since a busy machine may take its time up to there.
    let status = server.await_exit(Duration::from_secs(5));
    assert_eq!(status.code(), Some(0), "{status:?}: {}", server.log());
    for member in &mut members {
        assert!(matches!(member.hear(), Heard::End | Heard::Reset));
    }
    drop((half_head, stalled.wire.fill()));
}

/// Goal: a room whose last member left is forgotten, and a new one of that name begins anew.
#[test]
fn empty_rooms_are_forgotten() {
    let server = Server::start(&["--shards", "2"]);
    for round in 0..3 {
        let mut members: Vec<Client> = (0..50)
            .map(|room| Client::connect(server.address(), &format!("/ws/{round}-{room}")))
            .collect();
        members.iter_mut().for_each(|member| member.leave(1000));
        eventually("no sessions", PATIENCE, || {
            (server.figure("sessions") == 0).then_some(())
        });
    }
    let mut first = Client::connect(server.address(), "/ws/0-0");
    let mut second = Client::connect(server.address(), "/ws/0-0");
    id_in(&first.next_notice(), "connect");
    second.text("anew");
    first.expect(TEXT, "anew");
    // A shard counts a room it has members of, and one it is home to.
    server.await_figure("rooms", |rooms| (1..=2).contains(&rooms));
}
