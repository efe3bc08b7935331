//! Sessions that join further rooms and leave them again, in orders that chance seldom brings.

use std::num::NonZeroUsize;
use std::sync::Arc;

use fanring::config::{Config, LOG_BYTES_MIN};
use fanring::room::rendition::Rendition;
use fanring::shard::join::SubscribeError;
use fanring::talk::Letter;
use fanring::wire::frame::OpCode;

use crate::bench::{Bench, room_at, rooms_at};

impl Bench {
    fn subscribe(&mut self, client: usize, room: &str) -> Result<(), SubscribeError> {
        let (shard, key) = (self.shard(client), self.key(client));
        self.shards[shard].subscribe(key, &Arc::from(room), Rendition::PLAIN)
    }

    fn unsubscribe(&mut self, client: usize, room: &str) -> Result<(), SubscribeError> {
        let (shard, key) = (self.shard(client), self.key(client));
        self.shards[shard].unsubscribe(key, room)
    }

    /// Whether the room's home has let the client in, as far as its shard has heard.
    fn reads(&self, client: usize, room: &str) -> bool {
        self.shards[self.shard(client)]
            .reads(self.key(client), room)
            .is_some()
    }

    /// A turn without a flush; returns what the shard has to say to others.
    fn turn(&mut self, shard: usize) -> Vec<Letter> {
        self.shards[shard].handle_turn();
        std::iter::from_fn(|| self.shards[shard].poll_letter()).collect()
    }

    fn hand_out_all(&mut self, letters: Vec<Letter>) {
        for letter in letters {
            self.hand_out(letter);
        }
    }
}

/// Goal: whoever gives up a join that is under way, and wants it after all, has missed nothing of what was
/// said since it was let in.
#[test]
fn a_join_that_was_given_up_and_wanted_again_counts_once() {
    let mut bench = Bench::new(2);
    let (here, there) = (room_at(0, 2), room_at(1, 2));
    let roamer = bench.join(0, &format!("/ws/{here}?presence=0"));
    let speaker = bench.join(1, &format!("/ws/{there}?presence=0"));
    assert_eq!(bench.subscribe(roamer, &there), Ok(()));
    let mut asked = bench.turn(0);
    assert_eq!(bench.unsubscribe(roamer, &there), Ok(()));
    asked.extend(bench.turn(0));
    assert_eq!(bench.subscribe(roamer, &there), Ok(()));
    asked.extend(bench.turn(0));
    // One after the other, with something said after each.
    let mut asked = asked.into_iter();
    let mut said = Vec::new();
    for number in 0..4 {
        asked
            .next()
            .into_iter()
            .for_each(|letter| bench.hand_out(letter));
        let answers = bench.turn(1);
        bench.hand_out_all(answers);
        bench.shards[0].handle_turn();
        if bench.reads(roamer, &there) {
            said.push(number.to_string());
        }
        bench.say(speaker, OpCode::Text, number.to_string().as_bytes());
        let news = bench.turn(1);
        bench.hand_out_all(news);
    }
    bench.settle();
    assert!(!said.is_empty());
    assert_eq!(bench.heard(roamer), said);
}

/// Goal: one that was not let in, and left before it heard of that, takes nobody else's place with it.
#[test]
fn one_that_was_refused_takes_nobody_with_it() {
    let mut bench = Bench::with(Config {
        shards: NonZeroUsize::new(2).unwrap(),
        rooms_max: 2,
        log_bytes: LOG_BYTES_MIN,
        lag_bytes_max: LOG_BYTES_MIN / 2,
        descriptors_max: 64,
        ..Config::default()
    });
    let (here, there) = (room_at(0, 2), rooms_at(1, 2).take(3).collect::<Vec<_>>());
    let roamer = bench.join(0, &format!("/ws/{here}"));
    let others = [0, 1].map(|number| bench.join(1, &format!("/ws/{}", there[number])));
    assert_eq!(bench.subscribe(roamer, &there[2]), Ok(()));
    let asked = bench.turn(0);
    bench.hand_out_all(asked);
    let refusal = bench.turn(1);
    bench.fail(others[0]);
    bench.turn(1);
    // From here on the room may be made, and the refusal has not arrived.
    let member = bench.ask(0, &format!("/ws/{}?presence=0", there[2]));
    assert_eq!(bench.unsubscribe(roamer, &there[2]), Ok(()));
    let asked = bench.turn(0);
    bench.hand_out_all(asked);
    bench.hand_out_all(refusal);
    bench.settle();
    let speaker = bench.join(1, &format!("/ws/{}?presence=0", there[2]));
    bench.say(speaker, OpCode::Text, b"hello");
    bench.settle();
    assert!(bench.wire(member).ends_with(b"hello"));
}

/// Goal: a session that leaves a room and comes again while something said there is on its way is there
/// afterwards, for everybody who hears of it.
#[test]
fn one_that_comes_again_comes_after_it_left() {
    let mut bench = Bench::new(2);
    let (here, there) = (room_at(0, 2), room_at(1, 2));
    let observer = bench.join(1, &format!("/ws/{there}"));
    let speaker = bench.join(0, &format!("/ws/{there}?presence=0"));
    let roamer = bench.join(0, &format!("/ws/{here}"));
    assert_eq!(bench.subscribe(roamer, &there), Ok(()));
    bench.settle();
    let joined = bench.heard(observer);
    assert!(joined.len() == 1 && joined[0].contains("connect"));
    bench.say(speaker, OpCode::Text, b"said");
    assert_eq!(bench.unsubscribe(roamer, &there), Ok(()));
    assert_eq!(bench.subscribe(roamer, &there), Ok(()));
    bench.settle();
    let heard = bench.heard(observer);
    assert_eq!((heard.len(), heard[0].as_str()), (3, "said"));
    assert!(
        heard[1].starts_with(r#"{"event":"disconnect""#),
        "{heard:?}"
    );
    assert_eq!(heard[2], joined[0]);
    bench.say(speaker, OpCode::Text, b"more");
    bench.settle();
    assert_eq!(bench.heard(roamer).last().unwrap(), "more");
}

/// Goal: whoever is told that somebody has joined, and says hello, is heard by them: at the room's home too,
/// while its log has no room for what other homes have sent.
#[test]
fn one_that_is_seen_to_join_hears_what_is_said_then() {
    let mut bench = Bench::new(2);
    let (here, there) = (room_at(0, 2), room_at(1, 2));
    let neighbours = [0, 1].map(|shard| bench.join(shard, &format!("/ws/{there}?presence=0")));
    let greeter = bench.join(1, &format!("/ws/{here}"));
    // More than other homes may have of a flush, and less than all.
    bench.say(
        neighbours[1],
        OpCode::Binary,
        &[0; LOG_BYTES_MIN / 32 / 8 * 7],
    );
    let news = bench.turn(1);
    bench.hand_out_all(news);
    let guest = bench.ask(0, &format!("/ws/{here}?presence=1"));
    let news = bench.turn(0);
    bench.hand_out_all(news);
    bench.turn(1);
    bench.flush(1, 10);
    assert!(bench.heard(greeter)[0].contains("connect"));
    bench.say(greeter, OpCode::Text, b"hello");
    let news = bench.turn(1);
    bench.hand_out_all(news);
    bench.settle();
    assert!(bench.wire(guest).ends_with(b"hello"));
}

/// Goal: a session stays in the room of its request, one that echoes in none, and both are told so.
#[test]
fn some_rooms_are_not_left_or_joined() {
    let mut bench = Bench::with(Config {
        shards: NonZeroUsize::new(1).unwrap(),
        echo: true,
        descriptors_max: 64,
        ..Config::default()
    });
    let member = bench.join(0, "/ws/room?echo=1");
    assert_eq!(
        bench.subscribe(member, "room"),
        Err(SubscribeError::Already)
    );
    assert_eq!(
        bench.unsubscribe(member, "room"),
        Err(SubscribeError::OfItsRequest)
    );
    assert_eq!(
        bench.unsubscribe(member, "other"),
        Err(SubscribeError::NotThere)
    );
    let echo = bench.join(0, "/echo");
    assert_eq!(bench.subscribe(echo, "room"), Err(SubscribeError::Echoes));
    assert_eq!(
        bench.unsubscribe(echo, "room"),
        Err(SubscribeError::NotThere)
    );
    for client in [member, echo] {
        bench.say(client, OpCode::Text, b"on");
        bench.settle();
        assert_eq!(bench.heard(client), ["on"]);
    }
}

/// Goal: a session in several rooms has one send in a flush, whatever of its rooms was due before it and
/// becomes due in it: a second one would go into the middle of the first.
#[test]
fn a_session_in_several_rooms_has_one_send_in_a_flush() {
    let mut bench = Bench::new(1);
    let [first, second] =
        ["one", "two"].map(|room| bench.join(0, &format!("/ws/{room}?presence=0")));
    let roamer = bench.join(0, "/ws/one?presence=0");
    assert_eq!(bench.subscribe(roamer, "two"), Ok(()));
    bench.settle();
    bench.block(roamer);
    bench.say(first, OpCode::Text, b"something long in the one");
    bench.settle();
    bench.crawl(roamer, 10);
    bench.wake(roamer);
    bench.say(second, OpCode::Text, b"something long in the other");
    bench.turn(0);
    let served = bench.flush(0, 256);
    assert_eq!(served.iter().filter(|&&client| client == roamer).count(), 1);
    bench.act(0);
    bench.unblock(roamer);
    bench.settle();
    let mut heard = bench.heard(roamer);
    heard.sort_unstable();
    assert_eq!(
        heard,
        ["something long in the one", "something long in the other"]
    );
}

/// Goal: a session in several rooms is served in a flush that takes many chunks, although more is said in the
/// meantime to all that are still to be served.
#[test]
fn a_session_in_several_rooms_has_its_turn_in_a_busy_flush() {
    let mut bench = Bench::new(1);
    let busy: Vec<usize> = (0..6)
        .map(|_| bench.join(0, "/ws/busy?presence=0&echo=1"))
        .collect();
    let speaker = bench.join(0, "/ws/one?presence=0");
    let roamer = bench.join(0, "/ws/one?presence=0");
    assert_eq!(bench.subscribe(roamer, "two"), Ok(()));
    bench.settle();
    for round in 0.. {
        assert!(round < 20, "it is never served");
        bench.say(busy[0], OpCode::Text, b"on and on");
        if round == 1 {
            bench.say(speaker, OpCode::Text, b"said");
            bench.say(roamer, OpCode::Ping, b"ping");
        }
        bench.turn(0);
        let served = bench.flush(0, 2);
        assert!(!served.is_empty());
        if served.contains(&roamer) {
            break;
        }
    }
    let mut heard = bench.heard(roamer);
    heard.sort_unstable();
    assert_eq!(heard, ["ping", "said"]);
    bench.settle();
}
