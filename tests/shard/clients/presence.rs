//! Clients that ask who is in a room, while some come and go.

use fanring::wire::frame::OpCode;
use serde_json::{Value, json};

use super::limits::{bench, connect, token};
use super::{subscribe, unsubscribe};
use crate::bench::{Bench, names_at, room_at};

fn presence(id: u32, room: &str) -> String {
    format!(r#"{{"id":{id},"presence":{{"channel":"{room}"}}}}"#)
}

/// What is answered to command `id`.
fn reply(told: &[String], id: u32) -> Value {
    let parse = |one: &String| serde_json::from_str::<Value>(one).expect("JSON");
    let mut replies = told.iter().map(parse);
    let reply = replies.find(|one| one["id"] == id);
    reply.unwrap_or_else(|| panic!("no answer to {id} in {told:?}"))
}

/// How many are named in the answer to command `id`.
fn named(told: &[String], id: u32) -> usize {
    let reply = reply(told, id);
    let presence = reply["presence"]["presence"].as_object();
    presence.unwrap_or_else(|| panic!("{reply}")).len()
}

/// Goal: a client that has left a room is not told that it is there, also when it asks in the same message and its
/// leave waits behind what others here have said; what it asks behind that has its turn too.
#[test]
fn one_that_has_left_is_not_there() {
    for home in 0..2 {
        let room = room_at(home, 2);
        let mut bench = Bench::new(2);
        let client = bench.client_in(0, &[&room]);
        let speaker = bench.join(0, &format!("/ws/{room}?presence=0"));
        bench.hold_mail(1);
        // More than shard 1 takes before it has said that it has used up some.
        for _ in 0..20 {
            bench.say(speaker, OpCode::Binary, &[0; 8 << 10]);
            bench.settle();
        }
        let commands = [
            unsubscribe(4, &room),
            presence(5, &room),
            r#"{"id":6,"rpc":{}}"#.to_owned(),
        ];
        bench.heard(client);
        bench.command(client, &commands.join("\n"));
        let mut told = bench.told(client);
        bench.deliver_mail();
        told.extend(bench.told(client));
        assert_eq!(named(&told, 5), 0, "{told:?}");
        assert_eq!(reply(&told, 6)["error"]["code"], 108);
    }
}

/// Goal: of a member whose leave waits behind what others have said the home knows the name until it hears of that, also
/// when it comes to ask for names in between: it counts it until then.
#[test]
fn one_that_is_leaving_is_counted_and_named() {
    let room = room_at(1, 2);
    let mut bench = Bench::new(2);
    let speaker = bench.join(0, &format!("/ws/{room}?presence=0"));
    let leaver = bench.join(0, &format!("/ws/{room}"));
    bench.hold_mail(1);
    // More than shard 1 takes before it has said that it has used up some.
    for _ in 0..20 {
        bench.say(speaker, OpCode::Binary, &[0; 8 << 10]);
        bench.settle();
    }
    bench.fail(leaver);
    bench.settle();
    // The first client: from now on it is to be known who is there.
    let client = bench.client_in(1, &[&room]);
    bench.deliver_mail();
    bench.heard(client);
    let stats = |id: u32| format!(r#"{{"id":{id},"presence_stats":{{"channel":"{room}"}}}}"#);
    for (id, there) in [(5, 2), (7, 1)] {
        bench.command(client, &[presence(id, &room), stats(id + 1)].join("\n"));
        let told = bench.told(client);
        let counted = &reply(&told, id + 1)["presence_stats"]["num_clients"];
        assert_eq!(
            (named(&told, id), counted.as_u64()),
            (there, Some(there as u64))
        );
    }
}

const NAMESPACES: &str = r#"
client.token.hmac_secret_key = "secret"
channel.namespaces = [
    { name = "loud", join_leave = true, force_push_join_leave = true, presence = true },
    { name = "still", presence = true },
]
"#;

/// Comes into a channel by a token that overrides what is said of it.
fn come(bench: &mut Bench, shard: usize, channel: &str, overrides: &Value) -> usize {
    let client = bench.newcomer(shard);
    bench.command(client, &connect(&token(&json!({"sub": "42"}))));
    let pass = token(&json!({"sub": "42", "channel": channel, "override": overrides}));
    let subscribing = json!({"id": 2, "subscribe": {"channel": channel, "token": pass}});
    bench.command(client, &subscribing.to_string());
    let told = bench.told(client);
    assert!(reply(&told, 2).get("subscribe").is_some(), "{told:?}");
    client
}

/// Goal: whether others are told that somebody comes and goes is what its token says of it, wherever the room has its home,
/// and what the namespace says where the token says nothing.
#[test]
fn joins_are_told_as_tokens_say() {
    let cases = [
        ("still:", json!({}), false),
        ("still:", json!({"join_leave": {"value": true}}), true),
        ("loud:", json!({}), true),
        ("loud:", json!({"join_leave": {"value": false}}), false),
    ];
    for (namespace, overrides, is_told) in cases {
        for (home, shard) in [(0, 0), (0, 1), (1, 0)] {
            let mut bench = bench(2, NAMESPACES);
            let mut names = names_at(namespace, home, 2);
            let channel = names.next().expect("names spread over all shards");
            let hears = json!({"force_push_join_leave": {"value": true}});
            let watcher = come(&mut bench, 0, &channel, &hears);
            bench.heard(watcher);
            let client = come(&mut bench, shard, &channel, &overrides);
            bench.command(client, &unsubscribe(3, &channel));
            bench.settle();
            let heard = bench.heard(watcher);
            let told = |what: &str| heard.iter().filter(|one| one.contains(what)).count();
            assert_eq!(
                (told(r#""join":{"#), told(r#""leave":{"#)),
                (usize::from(is_told), usize::from(is_told)),
                "{channel} {overrides}: {heard:?}"
            );
        }
    }
}

/// Goal: a client that leaves and comes back before anybody is told of that is told once that it has come, and never that
/// it has left, while the home of its room is held; others are told of both.
#[test]
fn who_comes_back_does_not_hear_of_its_leave() {
    for home in 0..2 {
        let room = room_at(home, 2);
        let mut bench = Bench::new(2);
        let away = 1 - usize::from(home);
        let clients = [away, 0, 1].map(|shard| bench.client_in(shard, &[&room]));
        bench.settle();
        for client in clients {
            bench.heard(client);
        }
        bench.hold(home, &room, true);
        for id in [5, 7] {
            let commands = [unsubscribe(id, &room), subscribe(id + 1, &room)];
            bench.command(clients[0], &commands.join("\n"));
            assert_eq!(bench.told(clients[0]).len(), 2);
        }
        bench.hold(home, &room, false);
        bench.settle();
        for (client, expected) in clients.into_iter().zip([(1, 0), (2, 2), (2, 2)]) {
            let heard = bench.heard(client);
            let told = |what: &str| heard.iter().filter(|one| one.contains(what)).count();
            let told = (told(r#""join":{"#), told(r#""leave":{"#));
            assert_eq!(told, expected, "home {home}: {heard:?}");
        }
    }
}
