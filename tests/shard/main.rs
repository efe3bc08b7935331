//! The pure shard, step by step: what the simulation meets too rarely to be relied on for.

mod bench;
mod clients;
mod figures;
mod heads;
mod holdings;
mod holds;
mod joins;
mod limits;
mod memberships;
mod replies;
mod silence;
mod standstill;
mod starved;

use std::time::Duration;

use fanring::config::LOG_BYTES_MIN;
use fanring::message::Run;
use fanring::talk::{Letter, ToShard};
use fanring::wire::frame::OpCode;

use self::bench::{Bench, room_at};

/// Goal: a flush is under way, a member that had its send leaves, and the one that moves into its
/// place might be passed by: whoever leaves, after however many sends, all others get the message.
/// With `presence=0` no notice follows that would carry it along.
#[test]
fn a_flush_reaches_everybody_when_one_leaves() {
    const MEMBERS: usize = 5;
    for sends in 1..MEMBERS {
        for leaver in 0..sends {
            let mut bench = Bench::new(1);
            let members: Vec<usize> = (0..MEMBERS)
                .map(|_| bench.join(0, "/ws/room?presence=0&echo=1"))
                .collect();
            bench.say(members[0], OpCode::Text, b"hello");
            bench.shards[0].handle_turn();
            let served = bench.flush(0, sends);
            assert_eq!(served.len(), sends);
            bench.fail(served[leaver]);
            bench.act(0);
            while !bench.shards[0].is_flushed() {
                bench.flush(0, 1);
            }
            for member in members {
                let heard = bench.heard(member);
                assert_eq!(
                    heard,
                    ["hello"],
                    "{sends} sends, then {} left",
                    served[leaver]
                );
            }
        }
    }
}

/// Fills the log by so many KiB from a room that the slow one is not in.
fn fill(bench: &mut Bench, busy: usize, kibibytes: usize) {
    for _ in 0..kibibytes / 32 {
        bench.say(busy, OpCode::Binary, &[0; 32 << 10]);
        bench.shards[0].handle_turn();
    }
}

/// Goal: a session that the log is about to overtake is closed as too slow also when its socket has
/// just got room and its send is still to come; one that is in time gets what it missed.
#[test]
fn one_with_room_again_is_watched_until_it_has_caught_up() {
    for (before_kib, overtaken) in [(480, true), (256, false)] {
        let mut bench = Bench::new(1);
        let busy = bench.join(0, "/ws/busy?echo=1");
        let slow = bench.join(0, "/ws/slow?presence=0&echo=1");
        bench.block(slow);
        bench.say(slow, OpCode::Text, b"late");
        bench.settle();
        for _ in 0..before_kib / 32 {
            fill(&mut bench, busy, 32);
            bench.settle();
        }
        assert_eq!(bench.metrics[0].slow_closed.get(), 0);
        bench.unblock(slow);
        // As much as one flush may append, while the session waits for its send.
        fill(&mut bench, busy, 32);
        bench.settle();
        let heard = bench.heard(slow);
        if overtaken {
            assert_eq!(heard, ["close 4001"]);
        } else {
            assert_eq!(heard, ["late"]);
        }
        assert_eq!(bench.metrics[0].slow_closed.get(), u64::from(overtaken));
    }
}

/// Goal: when half of a room stops taking bytes at once, its publishers wait for some seconds
/// instead of running away from all of them; when it stays so, they go on. A smaller part holds
/// nobody up.
#[test]
fn publishers_wait_for_a_room_that_stalls_as_a_whole() {
    for (stalled, resumes_after) in [(3, Some(3)), (3, None), (1, None)] {
        let mut bench = Bench::new(1);
        let room = "/ws?presence=0";
        let publisher = bench.join(0, room);
        let readers: Vec<usize> = (0..3).map(|_| bench.join(0, room)).collect();
        for &reader in &readers[..stalled] {
            bench.block(reader);
        }
        // Behind, and by far not as much as gets a session closed.
        for _ in 0..4 {
            bench.say(publisher, OpCode::Binary, &[0; 32 << 10]);
            bench.settle();
            bench.pass_time(0, Duration::from_millis(1));
        }
        bench.settle();
        let held = 2 * stalled >= 4;
        assert_eq!(bench.is_read(publisher), !held, "{stalled} stalled");
        let mut now = Duration::ZERO;
        let mut waited = 0;
        while !bench.is_read(publisher) {
            now += Duration::from_secs(1);
            waited += 1;
            assert!(waited < 10, "it waits for ever");
            if resumes_after == Some(waited) {
                readers[..stalled]
                    .iter()
                    .for_each(|&reader| bench.unblock(reader));
                bench.settle();
            }
            bench.pass_time(0, now);
            bench.settle();
        }
        match resumes_after {
            Some(seconds) => assert_eq!(waited, seconds),
            None if held => assert!((5..8).contains(&waited), "{waited} s"),
            None => assert_eq!(waited, 0),
        }
        assert_eq!(bench.metrics[0].slow_closed.get(), 0);
        for &reader in &readers[if resumes_after.is_some() { 0 } else { stalled }..] {
            assert_eq!(bench.heard(reader).len(), 4);
        }
    }
}

/// Goal: half of a room that takes a little every two seconds does not silence it: its publishers
/// wait for some seconds at most, and then what they say goes on.
#[test]
fn a_crawling_half_does_not_silence_its_room() {
    const MESSAGES: usize = 60;
    let mut bench = Bench::new(1);
    let room = "/ws?presence=0";
    let publisher = bench.join(0, room);
    let fast = bench.join(0, room);
    let crawlers = [bench.join(0, room), bench.join(0, room)];
    for crawler in crawlers {
        bench.crawl(crawler, 500);
    }
    let (mut said, mut longest, mut waited) = (0, 0, 0);
    let mut now = Duration::ZERO;
    while said < MESSAGES {
        if bench.is_read(publisher) {
            bench.say(publisher, OpCode::Binary, &[0; 32 << 10]);
            said += 1;
            waited = 0;
        } else {
            now += Duration::from_secs(2);
            waited += 2;
            longest = longest.max(waited);
            for crawler in crawlers {
                bench.wake(crawler);
            }
        }
        assert!(waited <= 12, "the room is silent after {said} messages");
        bench.settle();
        now += Duration::from_millis(1);
        bench.pass_time(0, now);
        bench.settle();
    }
    assert!(longest >= 4, "it never waited for half of its members");
    assert!(
        now < Duration::from_secs(60),
        "{now:?} for {MESSAGES} messages"
    );
    assert_eq!(bench.heard(fast).len(), MESSAGES);
}

/// Goal: what a shard has sent to another that uses nothing up is bounded in bytes, whatever the
/// messages' size; whoever publishes waits meanwhile, and all of it arrives in the end.
#[test]
fn a_shard_that_uses_nothing_up_is_not_sent_more() {
    let limit = (LOG_BYTES_MIN / 32 / 2).max(64 << 10);
    for (bytes, home) in [(60 << 10, 1), (1000, 1), (1, 1), (60 << 10, 0), (1000, 0)] {
        let mut bench = Bench::new(2);
        let room = format!("/ws/{}?presence=0", room_at(home, 2));
        let publisher = bench.join(0, &room);
        let reader = bench.join(1, &room);
        bench.settle();
        let (mut under_way, mut said) = (Vec::new(), 0);
        while bench.is_read(publisher) {
            assert!(
                said * bytes < 8 * LOG_BYTES_MIN,
                "{bytes} bytes: it never waits"
            );
            bench.say(publisher, OpCode::Binary, &vec![0; bytes]);
            said += 1;
            bench.shards[0].handle_turn();
            bench.flush(0, 256);
            bench.act(0);
            while let Some(letter) = bench.shards[0].poll_letter() {
                under_way.push(letter);
            }
        }
        let carried: usize = under_way.iter().map(carried_bytes).sum();
        assert!(carried < limit + bytes + 14, "{carried} of {bytes} each");
        for letter in under_way {
            bench.hand_out(letter);
        }
        bench.settle();
        assert_eq!(bench.heard(reader).len(), said, "{bytes} bytes");
        assert!(bench.is_read(publisher), "it goes on");
    }
}

/// Goal: a home whose members' shard uses nothing up takes no more from others either: whoever
/// publishes from a third shard waits.
#[test]
fn a_home_that_can_pass_nothing_on_takes_no_more() {
    for bytes in [60 << 10, 1000, 1] {
        let mut bench = Bench::new(3);
        let room = format!("/ws/{}?presence=0", room_at(1, 3));
        let publisher = bench.join(0, &room);
        let reader = bench.join(2, &room);
        bench.settle();
        let (mut under_way, mut said) = (Vec::new(), 0);
        while bench.is_read(publisher) {
            assert!(
                said * (bytes + 24) < LOG_BYTES_MIN,
                "{bytes} bytes: it never waits"
            );
            bench.say(publisher, OpCode::Binary, &vec![0; bytes]);
            said += 1;
            for shard in [0, 1] {
                bench.shards[shard].handle_turn();
                bench.flush(shard, 256);
                bench.act(shard);
                while let Some(letter) = bench.shards[shard].poll_letter() {
                    match letter {
                        Letter::Shard(to, _) if to.number() == 2 => under_way.push(letter),
                        _ => bench.hand_out(letter),
                    }
                }
            }
        }
        for letter in under_way {
            bench.hand_out(letter);
        }
        bench.settle();
        assert_eq!(bench.heard(reader).len(), said, "{bytes} bytes");
        assert!(bench.is_read(publisher), "it goes on");
    }
}

/// What a letter carries of messages, in bytes of what they say.
fn carried_bytes(letter: &Letter) -> usize {
    match letter {
        Letter::Shard(_, ToShard::Publish { messages, .. }) => payload_bytes(messages),
        Letter::Shard(_, ToShard::Deliver { messages, .. }) => payload_bytes(messages),
        _ => 0,
    }
}

fn payload_bytes(messages: &Run) -> usize {
    messages.weight() - messages.len() * Run::ENTRY_BYTES
}

/// Goal: a session whose receive missed the end of the stream still gives its slot back: the
/// receive is cancelled, though not before the shutdown had time to end it.
#[test]
fn a_receive_that_a_shutdown_does_not_end_is_cancelled() {
    let mut bench = Bench::new(1);
    let stuck = bench.join(0, "/ws");
    bench.stick(stuck);
    // Both Close frames are through, so the server ends the connection.
    bench.say(stuck, OpCode::Close, &[3, 232]);
    bench.settle();
    assert_eq!(bench.heard(stuck), ["close 1000"]);
    let mut now = Duration::ZERO;
    let freed = std::iter::from_fn(|| {
        now += Duration::from_millis(100);
        bench.pass_time(0, now);
        bench.settle();
        Some(bench.shards[0].is_empty())
    });
    let ticks = freed.take(10).take_while(|&freed| !freed).count();
    assert!((1..5).contains(&ticks), "freed after {ticks} ticks");
}

/// How a member goes.
#[derive(Debug, Clone, Copy)]
enum Exit {
    Close,
    End,
    Fail,
}

/// Goal: what a member said last comes before the notice that it is gone, for its own shard and for
/// the room's home, whether or not anybody else of the room is on its shard, and also when what it
/// said takes several turns to be passed on.
#[test]
fn last_words_come_before_the_notice_of_leaving() {
    let room = format!("/ws/{}", room_at(1, 2));
    let large = "x".repeat(60 << 10);
    for exit in [Exit::Close, Exit::End, Exit::Fail] {
        for (company, last_words) in [(false, "bye"), (true, "bye"), (false, &*large)] {
            let mut bench = Bench::new(2);
            let at_home = bench.join(1, &room);
            let neighbour = company.then(|| bench.join(0, &room));
            let leaver = bench.join(0, &room);
            for client in neighbour.into_iter().chain([at_home]) {
                bench.heard(client);
            }
            for number in 0..6 {
                bench.say(
                    leaver,
                    OpCode::Text,
                    format!("{number}{last_words}").as_bytes(),
                );
            }
            match exit {
                Exit::Close => bench.say(leaver, OpCode::Close, &[3, 232]),
                Exit::End => bench.end(leaver),
                Exit::Fail => bench.fail(leaver),
            }
            bench.settle();
            for client in neighbour.into_iter().chain([at_home]) {
                let heard = bench.heard(client);
                assert_eq!(
                    heard.len(),
                    7,
                    "{exit:?}, {company}: {} frames",
                    heard.len()
                );
                for (number, words) in heard[..6].iter().enumerate() {
                    assert_eq!(*words, format!("{number}{last_words}"));
                }
                assert!(heard[6].starts_with(r#"{"event":"disconnect""#));
            }
        }
    }
}
