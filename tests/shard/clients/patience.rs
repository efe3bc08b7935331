//! Clients whose messages wait for a room that came to be held behind them.

use std::sync::Arc;
use std::time::Duration;

use fanring::id::ShardId;
use fanring::talk::{Letter, ToShard};

use super::{begin_with, publish, subscribe};
use crate::bench::{Bench, room_at};

impl Bench {
    /// A shard hears that a room is held, or no longer.
    pub(super) fn hold(&mut self, shard: u16, room: &str, on: bool) {
        let room = Arc::from(room);
        let hold = ToShard::Hold { room, on };
        self.hand_out(Letter::Shard(ShardId::new(shard), hold));
    }

    fn pass_millis(&mut self, millis: u64) {
        for shard in 0..self.shards.len() {
            self.pass_time(shard, Duration::from_millis(millis));
        }
        self.settle();
    }
}

/// Goal: what was taken before its room came to be held is refused after four seconds wherever it waits by then, on the
/// client's own shard or at the home, and reaches nobody; what comes behind it takes the place that it would have had.
#[test]
fn what_is_held_behind_its_publisher_is_refused_in_time() {
    for (home, held) in [(0, 0), (1, 1), (1, 0)] {
        let room = room_at(home, 2);
        let mut bench = Bench::new(2);
        let reader = bench.client_in(1, &[&room]);
        let client = bench.client_in(0, &[]);
        // The shard knows the room, and that it is held, by a member.
        let member = bench.client_in(0, &[&room]);
        bench.pass_millis(1_000);
        bench.command(client, &publish(5, &room, "1"));
        bench.command(client, &publish(6, &room, "2"));
        bench.hold(held, &room, true);
        bench.pass_millis(4_900);
        for one in [client, reader, member] {
            assert_eq!(bench.told(one), [""; 0], "home {home}, held {held}");
        }
        bench.pass_millis(5_200);
        begin_with(
            &bench.told(client),
            &[
                r#"{"id":5,"error":{"code":111,"#,
                r#"{"id":6,"error":{"code":111,"#,
            ],
        );
        bench.hold(held, &room, false);
        bench.settle();
        assert_eq!(bench.told(reader), [""; 0], "it was refused");
        bench.command(client, &publish(7, &room, "3"));
        let told = bench.told(client);
        begin_with(&told, &[r#"{"id":7,"publish":{"#]);
        assert!(told[0].contains(r#""offset":1"#), "{told:?}");
        assert!(bench.told(reader)[0].contains(r#""data":3"#));
        assert!(bench.told(member)[0].contains(r#""data":3"#));
    }
}

/// Goal: what waits behind another command is answered after four seconds too, before that one is, and reaches nobody; what
/// came later has its turn behind it.
#[test]
fn what_waits_behind_another_command_is_refused_in_time() {
    let (slow, room) = (room_at(1, 2), room_at(0, 2));
    let mut bench = Bench::new(2);
    let client = bench.client_in(0, &[&room]);
    bench.pass_millis(1_000);
    bench.hold_mail(1);
    let commands = [subscribe(5, &slow), publish(6, &room, "1")];
    bench.command(client, &commands.join("\n"));
    bench.pass_millis(3_000);
    bench.command(client, &publish(7, &room, "2"));
    bench.pass_millis(4_900);
    assert_eq!(bench.told(client), [""; 0]);
    bench.pass_millis(5_200);
    begin_with(&bench.told(client), &[r#"{"id":6,"error":{"code":111,"#]);
    bench.deliver_mail();
    let mut told = bench.told(client);
    told.sort();
    begin_with(
        &told,
        &[
            r#"{"id":5,"subscribe":{"#,
            r#"{"id":7,"publish":{"#,
            r#"{"push":{"#,
        ],
    );
    assert!(told[2].contains(r#""data":2"#), "{told:?}");
}

/// Goal: one that was refused for its room's sake takes nothing with it: what others say waits on, a room that has nothing
/// else to say may go, and a member that leaves is told of.
#[test]
fn a_refused_message_takes_nothing_with_it() {
    let room = room_at(1, 2);
    let mut bench = Bench::new(2);
    let reader = bench.client_in(1, &[&room]);
    let client = bench.client_in(0, &[&room]);
    let plain = bench.join(0, &format!("/ws/{room}?presence=0"));
    bench.told(reader);
    bench.command(client, &publish(5, &room, "1"));
    bench.say(plain, fanring::wire::frame::OpCode::Text, b"2");
    bench.command(client, &publish(6, &room, "3"));
    bench.hold(0, &room, true);
    bench.pass_millis(4_200);
    assert_eq!(bench.told(client).len(), 2);
    bench.hold(0, &room, false);
    let told = bench.told(reader);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains(r#""data":2"#), "{told:?}");
    bench.heard(client);
    bench.command(client, &publish(7, &room, "4"));
    bench.hold(0, &room, true);
    bench.settle();
    bench.fail(client);
    bench.settle();
    bench.hold(0, &room, false);
    bench.settle();
    let heard = bench.heard(reader).concat();
    assert!(
        heard.contains(r#""data":4"#) && heard.contains(r#""leave":"#),
        "{heard}"
    );
}
