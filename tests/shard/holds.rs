//! Rooms that are held until their members have caught up, with members on another shard.

use std::time::Duration;

use fanring::wire::frame::OpCode;

use crate::bench::{Bench, room_at};

/// A room at home on shard 0 with a publisher and readers there, and what it takes to hold it.
struct Held {
    bench: Bench,
    room: String,
    publisher: usize,
    readers: Vec<usize>,
    now: Duration,
}

impl Held {
    fn new() -> Self {
        let mut bench = Bench::new(2);
        let room = format!("/ws/{}?presence=0", room_at(0, 2));
        let publisher = bench.join(0, &room);
        let readers = (0..3).map(|_| bench.join(0, &room)).collect();
        Self {
            bench,
            room,
            publisher,
            readers,
            now: Duration::ZERO,
        }
    }

    /// The readers stop taking bytes, until the publisher waits for them.
    fn begin(&mut self) {
        for &reader in &self.readers {
            self.bench.block(reader);
        }
        while self.bench.is_read(self.publisher) {
            assert!(self.now < Duration::from_secs(1), "it is never held");
            self.bench
                .say(self.publisher, OpCode::Binary, &[0; 32 << 10]);
            self.pass(Duration::from_millis(10));
        }
    }

    /// They take bytes again, until the publisher need no longer wait.
    fn end(&mut self) {
        for &reader in &self.readers {
            self.bench.unblock(reader);
        }
        while !self.bench.is_read(self.publisher) {
            assert!(self.now < Duration::from_secs(2), "it is held for ever");
            self.pass(Duration::from_millis(10));
        }
        for &reader in &self.readers {
            self.bench.heard(reader);
        }
    }

    fn pass(&mut self, time: Duration) {
        self.bench.settle();
        self.now += time;
        for shard in 0..2 {
            self.bench.pass_time(shard, self.now);
        }
        self.bench.settle();
    }

    /// What a member of shard 1 says is read and arrives.
    fn check_free(&mut self, member: usize) {
        self.pass(Duration::from_millis(10));
        assert!(self.bench.is_read(member));
        self.bench.say(member, OpCode::Text, b"free");
        self.pass(Duration::from_millis(10));
        assert!(self.bench.is_read(member));
        for &reader in &self.readers {
            let heard = self.bench.heard(reader);
            assert_eq!(heard.last().map(String::as_str), Some("free"));
        }
    }
}

/// Goal: whoever joins a held room waits like the others, also as the first one on its shard, and
/// goes on with them.
#[test]
fn a_newcomer_waits_for_the_room_and_goes_on_with_it() {
    let mut held = Held::new();
    held.begin();
    let newcomer = held.bench.join(1, &held.room);
    held.bench.say(newcomer, OpCode::Text, b"hasty");
    held.pass(Duration::from_millis(10));
    assert!(!held.bench.is_read(newcomer), "nobody told its shard");
    held.end();
    held.check_free(newcomer);
}

/// Goal: a shard that hears of the beginning while its only join is under way is not left waiting
/// when all is over before the join arrives.
#[test]
fn a_join_under_way_is_not_left_waiting() {
    let mut held = Held::new();
    held.bench.hold_mail(1);
    let newcomer = held.bench.ask(1, &held.room);
    held.begin();
    held.end();
    held.bench.deliver_mail();
    held.bench.settle();
    held.check_free(newcomer);
}

/// Goal: a room that is held holds up no other on its shard, however much was said in it at once;
/// when that is too much to keep, it is let go.
#[test]
fn a_held_room_holds_up_no_other() {
    let mut bench = Bench::new(1);
    let held = "/ws/held?presence=0";
    let publisher = bench.join(0, held);
    let reader = bench.join(0, held);
    let stalled = [bench.join(0, held), bench.join(0, held)];
    let bystander = bench.join(0, "/ws/other?presence=0&echo=1");
    for client in stalled {
        bench.block(client);
    }
    for _ in 0..4 {
        bench.say(publisher, OpCode::Binary, &[0; 32 << 10]);
        bench.settle();
        bench.pass_time(0, Duration::from_millis(1));
    }
    bench.settle();
    let before = bench.heard(reader).len();
    assert!(!bench.is_read(publisher) && before <= 4);
    for said in 0..8 {
        bench.say(publisher, OpCode::Binary, &[0; 32 << 10]);
        bench.settle();
        bench.say(bystander, OpCode::Text, b"on");
        bench.settle();
        assert_eq!(bench.heard(bystander), ["on"], "after {said}");
        assert!(bench.is_read(bystander), "after {said}");
    }
    assert!(bench.heard(reader).is_empty(), "it is held");
    for _ in 8..200 {
        bench.say(publisher, OpCode::Binary, &[0; 32 << 10]);
        bench.settle();
    }
    let after = bench.heard(reader).len();
    assert_eq!(before + after, 204, "it was let go");
}

/// Goal: one member of many that comes far behind has half a second to catch up, and its room is
/// not held again for it soon after if it does not.
#[test]
fn one_that_had_no_time_may_catch_up() {
    for catches_up in [true, false] {
        let mut bench = Bench::new(1);
        let room = "/ws?presence=0";
        let publisher = bench.join(0, room);
        let slow = bench.join(0, room);
        let readers: Vec<usize> = (0..8).map(|_| bench.join(0, room)).collect();
        bench.block(slow);
        let (mut now, mut said) = (Duration::ZERO, 0);
        let mut say = |bench: &mut Bench, now: &mut Duration| {
            bench.say(publisher, OpCode::Binary, &[0; 32 << 10]);
            bench.settle();
            *now += Duration::from_millis(1);
            bench.pass_time(0, *now);
            bench.settle();
            said += 1;
        };
        for _ in 0..12 {
            if bench.is_read(publisher) {
                say(&mut bench, &mut now);
            }
        }
        assert!(!bench.is_read(publisher), "it is held");
        if catches_up {
            bench.unblock(slow);
            bench.settle();
        }
        let held_at = now;
        while !bench.is_read(publisher) {
            now += Duration::from_millis(10);
            bench.pass_time(0, now);
            bench.settle();
        }
        let held = now - held_at;
        let expected = if catches_up { 0..100 } else { 400..600 };
        assert!(expected.contains(&held.as_millis()), "{held:?}");
        for _ in 0..4 {
            say(&mut bench, &mut now);
            assert!(bench.is_read(publisher), "it is not held again so soon");
        }
        assert!(
            readers
                .iter()
                .all(|&reader| bench.heard(reader).len() == said)
        );
        assert_eq!(bench.metrics[0].slow_closed.get(), 0);
    }
}

/// Goal: a room that is gone while it is held leaves nothing behind for the next one of its name.
#[test]
fn a_room_that_is_gone_while_it_is_held_is_forgotten() {
    let mut bench = Bench::new(1);
    let room = "/ws?presence=0";
    let publisher = bench.join(0, room);
    let readers = [bench.join(0, room), bench.join(0, room)];
    for reader in readers {
        bench.block(reader);
    }
    let mut now = Duration::ZERO;
    for _ in 0..2 {
        bench.say(publisher, OpCode::Binary, &[0; 32 << 10]);
        bench.settle();
        now += Duration::from_millis(1);
        bench.pass_time(0, now);
    }
    for client in [publisher, readers[0], readers[1]] {
        bench.fail(client);
    }
    bench.settle();
    let [publisher, reader] = [bench.join(0, room), bench.join(0, room)];
    for _ in 0..50 {
        now += Duration::from_secs(1);
        bench.pass_time(0, now);
        bench.settle();
    }
    bench.say(publisher, OpCode::Text, b"on");
    bench.settle();
    assert!(bench.is_read(publisher));
    assert_eq!(bench.heard(reader).last().unwrap(), "on");
}

/// Goal: whoever leaves in the same breath as it joins takes an empty room with it, and nothing
/// else.
#[test]
fn one_may_leave_in_the_same_breath() {
    for goodbye in [&[0x88, 0x80, 0, 0, 0, 0][..], &[0xff, 0xff]] {
        let mut bench = Bench::new(1);
        let mut head = b"GET /ws/fresh?presence=0 HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Version: 13\r\n\r\n"
            .to_vec();
        head.extend_from_slice(goodbye);
        let client = bench.connect(0);
        bench.request(client, &head);
        bench.settle();
        bench.shards[0].check_invariants().unwrap();
        bench.shards[0].publish_gauges();
        assert_eq!(bench.metrics[0].rooms.get(), 0);
    }
}
