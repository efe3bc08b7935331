//! Rooms that are kept for what was said in them alone.

use crate::alone;
use crate::promise::{mebibytes, peak_bytes};
use crate::siege::Siege;
use crate::support::client::Client;
use crate::swarm::Swarm;

/// Rooms that a client says something in.
const ROOMS: usize = 32_000;
/// Commands in a message.
const COMMANDS: usize = 100;

/// Goal: one client says a few bytes in each of tens of thousands of rooms that nobody is in: of those so many stay as the
/// memory for histories has room for, with all that a room takes, and the promise holds.
#[test]
fn a_short_message_in_each_of_many_rooms() {
    let _alone = alone();
    let mut siege = Siege::small_and(&["--shards", "2", "--history-bytes-max", "4MiB"]);
    // Where there are many sessions, a debug build does not look at every room after each turn.
    let others = Swarm::sessions(siege.address(), 300, |_| "/ws/others?presence=0".to_owned());
    let mut client = Client::connect(siege.address(), "/connection/websocket");
    client.text(r#"{"id":1,"connect":{}}"#);
    assert!(client.next_text().contains(r#""connect":{"#));
    for first in (0..ROOMS).step_by(COMMANDS) {
        let publish = |number: usize| {
            let (id, room) = (number + 2, format!("{number:0>40}"));
            format!(r#"{{"id":{id},"publish":{{"channel":"{room}","data":1}}}}"#)
        };
        let commands: Vec<String> = (first..first + COMMANDS).map(publish).collect();
        client.text(&commands.join("\n"));
        let mut answered = 0;
        while answered < COMMANDS {
            let text = client.next_text();
            assert!(!text.contains("error"), "{text}");
            answered += text.matches(r#""publish":{"#).count();
        }
    }
    let rooms = siege.server.healthz()["rooms"].as_u64().expect("a figure");
    let peak = peak_bytes(&siege.server);
    let attack = "a short message in each of many rooms";
    eprintln!(
        "{attack}: {rooms} rooms, {:.1} MiB at the peak of {:.1} MiB promised",
        mebibytes(peak),
        mebibytes(siege.promise)
    );
    assert!((1_000..(8 << 20) / 800).contains(&rooms), "{rooms}");
    assert!(peak <= siege.promise);
    siege.stop_bystander().check(attack);
    others.reset();
}
