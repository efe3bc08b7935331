//! Clients that ask who is in a room, while some come and go.

use fanring::wire::frame::OpCode;
use serde_json::Value;

use super::unsubscribe;
use crate::bench::{Bench, room_at};

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
