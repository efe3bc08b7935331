//! Clients that say by commands which rooms they are in: whole sequences of commands and what is answered.

mod bounds;
mod counts;
mod expiry;
mod limits;
mod long;
mod patience;
mod presence;
mod pulse;
mod reading;
mod recovery;
mod slow;

use std::time::Duration;

use fanring::wire::frame::OpCode;

use crate::bench::{Bench, room_at};

/// Where they connect.
const TARGET: &str = "/connection/websocket";

impl Bench {
    /// A client connects and has said nothing yet.
    fn newcomer(&mut self, shard: usize) -> usize {
        self.join(shard, TARGET)
    }

    /// A client connects, says who it is, and comes into these rooms, by the command numbers 1, 2, ...
    fn client_in(&mut self, shard: usize, rooms: &[&str]) -> usize {
        let client = self.newcomer(shard);
        let connect = r#"{"id":1,"connect":{}}"#.to_owned();
        let subscribes = (2..).zip(rooms).map(|(id, room)| subscribe(id, room));
        let commands: Vec<String> = [connect].into_iter().chain(subscribes).collect();
        self.command(client, &commands.join("\n"));
        let told = self.told(client);
        assert_eq!(told.len(), 1 + rooms.len(), "{told:?}");
        client
    }

    /// What the client says reaches its shard, which does not act on anything else yet.
    fn command(&mut self, client: usize, commands: &str) {
        self.say(client, OpCode::Text, commands.as_bytes());
    }

    /// What the client is told by the time that nobody has anything left to do, but for who comes and goes.
    fn told(&mut self, client: usize) -> Vec<String> {
        self.settle();
        let mut told = self.heard(client);
        told.retain(|one| !one.contains(r#""join":{"#) && !one.contains(r#""leave":{"#));
        told
    }

    /// What the client is told, who answers each ping, until there is no more, but for who comes and goes.
    fn read(&mut self, client: usize) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            let mut told = self.told(client);
            let before = told.len();
            told.retain(|one| one != "{}");
            for _ in told.len()..before {
                self.command(client, "{}");
            }
            all.append(&mut told);
            if before == 0 {
                return all;
            }
        }
    }
}

fn subscribe(id: u32, room: &str) -> String {
    format!(r#"{{"id":{id},"subscribe":{{"channel":"{room}"}}}}"#)
}

fn unsubscribe(id: u32, room: &str) -> String {
    format!(r#"{{"id":{id},"unsubscribe":{{"channel":"{room}"}}}}"#)
}

fn publish(id: u32, room: &str, data: &str) -> String {
    format!(r#"{{"id":{id},"publish":{{"channel":"{room}","data":{data}}}}}"#)
}

/// What each begins with, without what depends on chance.
fn begin_with(told: &[String], beginnings: &[&str]) {
    let fits = told.len() == beginnings.len()
        && (told.iter().zip(beginnings)).all(|(one, beginning)| one.starts_with(beginning));
    assert!(fits, "{told:#?} for {beginnings:#?}");
}

/// Goal: what an SDK says in its first message is answered in order, whether the rooms are at home here or
/// elsewhere, and each member gets what is said, with word of who said it.
#[test]
fn the_first_message_of_an_sdk_is_answered_in_order() {
    let (here, there) = (room_at(0, 2), room_at(1, 2));
    let mut bench = Bench::new(2);
    let client = bench.newcomer(0);
    let commands = [
        r#"{"connect":{"name":"js"},"id":1}"#.to_owned(),
        subscribe(2, &there),
        subscribe(3, &here),
        publish(4, &there, r#"{"n":1}"#),
    ];
    bench.command(client, &commands.join("\n"));
    let mut told = bench.told(client);
    let (push, reply) = (told.pop().unwrap(), told.pop().unwrap());
    begin_with(
        &told,
        &[
            r#"{"id":1,"connect":{"client":""#,
            r#"{"id":2,"subscribe":{"#,
            r#"{"id":3,"subscribe":{"#,
        ],
    );
    assert!(told[0].contains(r#""version":"fanring "#), "{}", told[0]);
    assert!(
        told[0].ends_with(r#""ping":25,"pong":true}}"#),
        "{}",
        told[0]
    );
    let pushed = format!(r#"{{"push":{{"channel":"{there}","pub":{{"data":{{"n":1}},"info":{{"#);
    // The own message and word of it come in either order.
    let mut last = [push, reply];
    last.sort();
    begin_with(&last, &[r#"{"id":4,"publish":{"#, &pushed]);
    let other = bench.client_in(1, &[&here]);
    bench.command(client, &publish(5, &here, "[1,2]"));
    let pushed = format!(r#"{{"push":{{"channel":"{here}","pub":{{"data":[1,2],"info":"#);
    begin_with(&bench.told(other), &[&pushed]);
    assert_eq!(bench.told(client).len(), 2);
}

/// Goal: plain members and clients of both encodings share a room: each gets what the others say, in its own
/// form, and clients get what they say themselves.
#[test]
fn plain_members_and_clients_share_a_room() {
    let mut bench = Bench::new(1);
    let json = bench.client_in(0, &["room"]);
    let plain = bench.join(0, "/ws/room?presence=0");
    let protobuf = bench.join(0, &format!("{TARGET}?format=protobuf"));
    // id 1, connect {}; id 2, subscribe { channel: "room" }.
    let commands = b"\x04\x08\x01\x22\x00\x0a\x08\x02\x2a\x06\x0a\x04room";
    bench.say(protobuf, OpCode::Binary, commands);
    bench.settle();
    // With word of its own coming, behind the reply.
    assert_eq!(bench.told(protobuf).len(), 3);
    bench.told(json);
    bench.say(plain, OpCode::Text, br#"{"n":1}"#);
    bench.settle();
    assert_eq!(bench.told(plain), [""; 0]);
    begin_with(
        &bench.told(json),
        &[r#"{"push":{"channel":"room","pub":{"data":{"n":1}"#],
    );
    let pushed = bench.told(protobuf).remove(0);
    assert!(
        pushed.contains("room") && pushed.contains(r#"{"n":1}"#),
        "{pushed:?}"
    );
    bench.command(json, &publish(9, "room", r#""said""#));
    bench.settle();
    assert_eq!(bench.told(plain), [r#""said""#]);
    assert_eq!(bench.told(json).len(), 2);
    assert!(bench.told(protobuf)[0].contains(r#""said""#));
}

/// A client that says who it is where nobody asks for more.
const CONNECT: &str = r#"{"id":1,"connect":{}}"#;

/// Commands, and what the client is told.
const TIMED: &[(&[&str], &[&str])] = &[
    (
        &[r#"{"id":1,"publish":{"channel":"a","data":1}}"#],
        &["close 3501"],
    ),
    (&["{}"], &["close 3501"]),
    (&["[]"], &["close 3501"]),
    (&[""], &["close 3501"]),
    (&[CONNECT, CONNECT], &[r#"{"id":1,"#, "close 3501"]),
    (
        &[CONNECT, r#"{"id":2,"ping":{}}"#],
        &[r#"{"id":1,"#, "close 3501"],
    ),
    (
        &[CONNECT, r#"{"send":{"data":1}}"#],
        &[r#"{"id":1,"#, "close 3508"],
    ),
    (
        &[CONNECT, r#"{"id":4294967295,"rpc":{"method":"x"}}"#],
        &[r#"{"id":1,"#, r#"{"id":4294967295,"error":{"code":108,"#],
    ),
    (
        &[
            CONNECT,
            r#"{"id":2,"unsubscribe":{"channel":"never"}}"#,
            "{}",
        ],
        &[r#"{"id":1,"#, r#"{"id":2,"unsubscribe":{}}"#],
    ),
    (
        &[
            CONNECT,
            r#"{"id":2,"subscribe":{"channel":"a"}}"#,
            r#"{"id":3,"subscribe":{"channel":"a"}}"#,
        ],
        &[
            r#"{"id":1,"#,
            r#"{"id":2,"subscribe":"#,
            r#"{"id":3,"error":{"code":105,"#,
        ],
    ),
    (
        &[CONNECT, r#"{"id":2,"subscribe":{"channel":"a","type":1}}"#],
        &[r#"{"id":1,"#, r#"{"id":2,"error":{"code":108,"#],
    ),
    (
        &[CONNECT, r#"{"id":2,"subscribe":{"channel":"a","tf":{}}}"#],
        &[r#"{"id":1,"#, r#"{"id":2,"error":{"code":107,"#],
    ),
    (
        &[
            CONNECT,
            r#"{"id":2,"subscribe":{"channel":"a","delta":"other"}}"#,
        ],
        &[r#"{"id":1,"#, "close 3501"],
    ),
    (
        &[CONNECT, r#"{"id":2,"publish":{"channel":"a"}}"#],
        &[r#"{"id":1,"#, r#"{"id":2,"error":{"code":107,"#],
    ),
    (
        &[CONNECT, r#"{"id":2,"publish":{"data":1}}"#],
        &[r#"{"id":1,"#, "close 3501"],
    ),
    (
        &[
            r#"{"id":1,"connect":{"token":"none that lets in"}}"#,
            CONNECT,
        ],
        &["close 3500"],
    ),
];

/// Goal: commands before and after their time, and what is none, end the connection with the code that clients
/// know, and a refused one is answered with its number.
#[test]
fn commands_have_their_time() {
    for (commands, expected) in TIMED {
        // All in one message, and each in its own.
        for apart in [false, true] {
            let mut bench = Bench::new(1);
            let client = bench.newcomer(0);
            match apart {
                true => commands
                    .iter()
                    .for_each(|command| bench.command(client, command)),
                false => bench.command(client, &commands.join("\n")),
            }
            let told = bench.told(client);
            begin_with(&told, expected);
        }
    }
}

/// Goal: a room that is left and joined again in one message is there afterwards; what was said in between is not
/// told.
#[test]
fn leaving_and_coming_again_keeps_its_order() {
    for shards in [1, 2] {
        let room = room_at(shards - 1, shards);
        let mut bench = Bench::new(shards);
        let client = bench.client_in(0, &[&room]);
        let commands = [
            unsubscribe(7, &room),
            subscribe(8, &room),
            unsubscribe(9, &room),
        ];
        bench.command(client, &commands.join("\n"));
        begin_with(
            &bench.told(client),
            &[
                r#"{"id":7,"unsubscribe":{}}"#,
                r#"{"id":8,"subscribe":{"#,
                r#"{"id":9,"unsubscribe":{}}"#,
            ],
        );
        let other = bench.client_in(0, &[&room]);
        bench.command(other, &publish(5, &room, "1"));
        bench.settle();
        assert_eq!(bench.told(client), [""; 0]);
        bench.command(client, &subscribe(10, &room));
        bench.settle();
        bench.command(other, &publish(6, &room, "2"));
        assert_eq!(bench.told(client).len(), 2);
    }
}

/// Goal: what is behind a join waits for its answer, but for answers to pings; once much waits the client is not
/// read from, and goes on when the answer is there.
#[test]
fn commands_behind_a_join_wait() {
    let room = room_at(1, 2);
    let mut bench = Bench::new(2);
    let client = bench.client_in(0, &[]);
    bench.hold_mail(1);
    bench.command(client, &subscribe(2, &room));
    let large = "x".repeat(4 << 10);
    let mut said = 2;
    while bench.is_read(client) {
        said += 1;
        bench.command(client, &publish(said, &room, &format!(r#""{large}""#)));
        bench.settle();
        assert!(said < 40, "it is read from for ever");
    }
    assert!(said > 10);
    assert_eq!(bench.told(client), [""; 0]);
    bench.deliver_mail();
    let told = bench.told(client);
    assert!(
        told[0].starts_with(r#"{"id":2,"subscribe":{"#),
        "{}",
        told[0]
    );
    let replies = told.iter().filter(|one| one.starts_with(r#"{"id":"#));
    assert_eq!(replies.count(), said as usize - 1);
    assert!(bench.is_read(client));
}

/// Goal: a client that reads some of its replies has some of the commands answered that wait behind them, each once
/// and in order, and its shard knows what it holds for it all the time.
#[test]
fn commands_wait_for_replies_to_be_read() {
    const LAST: u32 = 3000;
    let mut bench = Bench::new(1);
    let client = bench.client_in(0, &[]);
    bench.block(client);
    let rpc = |id: u32| format!(r#"{{"id":{id},"rpc":{{}}}}"#);
    let commands: Vec<String> = (2..=LAST).map(rpc).collect();
    for message in commands.chunks(300) {
        bench.command(client, &message.join("\n"));
    }
    bench.settle();
    assert!(!bench.is_read(client), "it has many replies");
    bench.crawl(client, 1000);
    let mut reads = 0;
    while !bench.is_read(client) {
        bench.wake(client);
        bench.settle();
        reads += 1;
        assert!(reads < 1000, "it is never read from again");
    }
    bench.unblock(client);
    let told = bench.told(client);
    let expected: Vec<String> = (2..=LAST)
        .map(|id| format!(r#"{{"id":{id},"error""#))
        .collect();
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    begin_with(&told, &expected);
}

/// A room whose other half takes nothing, so that whoever publishes waits.
fn held_room(bench: &mut Bench) -> usize {
    let publisher = bench.join(0, "/ws/room?presence=0");
    let reader = bench.join(0, "/ws/room?presence=0");
    let second = bench.join(0, "/ws/room?presence=0");
    for stalled in [reader, second] {
        bench.block(stalled);
    }
    for _ in 0..4 {
        bench.say(publisher, OpCode::Binary, &[0; 32 << 10]);
        bench.settle();
        bench.pass_time(0, Duration::from_millis(1));
    }
    bench.settle();
    assert!(!bench.is_read(publisher), "the room is held");
    publisher
}

/// Goal: in a room that takes nothing for now one message of a client waits and is refused before the client gives
/// up, further ones at once; the client is read from all the time, and what waits goes out when there is room.
#[test]
fn one_message_waits_for_a_room() {
    let mut bench = Bench::new(1);
    held_room(&mut bench);
    let client = bench.client_in(0, &[]);
    bench.command(client, &publish(2, "room", "1"));
    bench.command(client, &publish(3, "room", "2"));
    begin_with(&bench.told(client), &[r#"{"id":3,"error":{"code":111,"#]);
    assert!(bench.is_read(client));
    bench.pass_time(0, Duration::from_millis(3900));
    assert_eq!(bench.told(client), [""; 0]);
    bench.pass_time(0, Duration::from_millis(4300));
    begin_with(&bench.told(client), &[r#"{"id":2,"error":{"code":111,"#]);
    bench.command(client, &publish(4, "room", "3"));
    assert_eq!(bench.told(client), [""; 0]);
    let mut now = Duration::from_millis(4300);
    let told = std::iter::from_fn(|| {
        now += Duration::from_millis(500);
        bench.pass_time(0, now);
        Some(bench.told(client))
    });
    let answers: Vec<String> = told.take(8).flatten().collect();
    begin_with(&answers, &[r#"{"id":4,"publish":{"#]);
}

/// Goal: when the server stops a client gets what was said before, and is told to come back; what it says then does
/// not count.
#[test]
fn clients_are_told_of_the_end() {
    let mut bench = Bench::new(1);
    let reader = bench.client_in(0, &["room"]);
    let other = bench.client_in(0, &["room"]);
    bench.crawl(reader, 10);
    bench.command(other, &publish(9, "room", r#""last words""#));
    bench.settle();
    bench.shards[0].handle_stop();
    bench.command(other, &publish(10, "room", r#""too late""#));
    bench.settle();
    assert_eq!(
        bench.told(other).last().map(String::as_str),
        Some("close 3001")
    );
    bench.unblock(reader);
    bench.settle();
    let told = bench.told(reader);
    assert!(told[0].contains("last words"), "{told:?}");
    assert_eq!(told[1], "close 3001");
}
