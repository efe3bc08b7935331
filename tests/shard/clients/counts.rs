//! What is counted of clients' commands.

use super::{CONNECT, publish, subscribe, unsubscribe};
use crate::bench::{Bench, room_at};

/// Goal: each command is counted once by its kind, also one that had to wait, and each refusal by its code.
#[test]
fn commands_are_counted() {
    let room = room_at(1, 2);
    let mut bench = Bench::new(2);
    let client = bench.newcomer(0);
    let commands = [
        CONNECT.to_owned(),
        subscribe(2, &room),
        subscribe(3, &room),
        publish(4, &room, "1"),
        r#"{"id":5,"rpc":{"method":"x"}}"#.to_owned(),
        "{}".to_owned(),
        unsubscribe(6, &room),
        r#"{"id":7,"presence":{"channel":"a b"}}"#.to_owned(),
        r#"{"id":8,"history":{"channel":"a","reverse":true,"since":{"offset":0}}}"#.to_owned(),
        "[]".to_owned(),
    ];
    bench.command(client, &commands.join("\n"));
    bench.settle();
    let figures = bench.metrics[0].figures();
    let counted: Vec<_> = (figures.iter())
        .filter(|(name, count)| name.starts_with("commands_") && *count > 0)
        .map(|&(name, count)| format!("{name} {count}"))
        .collect();
    assert_eq!(
        counted,
        [
            "commands_refused 3",
            "commands_connect 1",
            "commands_subscribe 2",
            "commands_unsubscribe 1",
            "commands_publish 1",
            "commands_presence 1",
            "commands_history 1",
            "commands_rpc 1",
            "commands_pong 1",
            "commands_malformed 1",
            "commands_refused_105 1",
            "commands_refused_107 1",
            "commands_refused_108 1",
        ]
    );
}
