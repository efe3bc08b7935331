//! Clients whose sockets take all at once, or whose proxies do, and who read it as they can.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use fanring::config::Config;
use fanring::wire::frame::{Role, decode_header};
use fastrand::Rng;

use super::{begin_with, publish, subscribe};
use crate::bench::Bench;

/// What may lie before a reply that a client waits for, which nobody knows anything of.
const AHEAD_BYTES: usize = 40 << 10;
const MESSAGES: usize = 200;

/// The numbers of the publications among what was told, and how many pings there were.
fn numbers(told: &[String]) -> (Vec<usize>, usize) {
    let number = |one: &String| {
        let digits = one.split_once(r#""data":[""#)?.1.split_once('"')?.0;
        Some(digits.parse().expect("it begins with its number"))
    };
    let pings = told.iter().filter(|one| *one == "{}").count();
    (told.iter().filter_map(number).collect(), pings)
}

/// Goal: a client is sent little beyond what it is known to have read, by its answers to pings, so that nothing it
/// waits for lies behind much, whatever takes the bytes for it; it gets all, in one room and in several; and the
/// one that reads quickly is sent more and more.
#[test]
fn little_is_sent_beyond_what_was_read() {
    for (shards, rooms) in [
        (1, &["room"][..]),
        (1, &["other", "room"]),
        (2, &["room"]),
        (2, &["other", "room"]),
    ] {
        let mut bench = Bench::new(shards);
        let client = bench.client_in(usize::from(shards) - 1, rooms);
        let speaker = bench.client_in(0, &[]);
        let text = "x".repeat(1000);
        for number in 0..MESSAGES {
            let data = format!(r#"["{number}","{text}"]"#);
            bench.command(speaker, &publish(10, "room", &data));
            bench.settle();
        }
        let (mut heard, mut steps) = (Vec::new(), Vec::new());
        while heard.len() < MESSAGES {
            bench.settle();
            let told = bench.heard(client);
            let (numbers, pings) = numbers(&told);
            assert!(
                !numbers.is_empty(),
                "{} of {MESSAGES}: {told:?}",
                heard.len()
            );
            steps.push(told.iter().map(String::len).sum::<usize>());
            heard.extend(numbers);
            for _ in 0..pings {
                bench.command(client, "{}");
            }
        }
        assert!(heard.iter().copied().eq(0..MESSAGES), "{heard:?}");
        assert!(steps[0] < AHEAD_BYTES, "{steps:?}");
        assert!(steps.len() < 6, "{steps:?}");
    }
}

/// Goal: whoever is put out of a room while it is sent nothing may come back, also when its answer to a ping arrives in
/// the very turn in which it is put out.
#[test]
fn whoever_is_put_out_while_nothing_is_sent_may_come_back() {
    let noise = format!(r#""{}""#, "x".repeat(8_000));
    let mut put_out = 0;
    for before in 50..80 {
        let mut bench = Bench::new(1);
        let client = bench.client_in(0, &["room"]);
        let speaker = bench.client_in(0, &["noise"]);
        bench.answer(speaker);
        let text = format!(r#""{}""#, "x".repeat(1_000));
        for _ in 0..40 {
            bench.command(speaker, &publish(10, "room", &text));
            bench.settle();
        }
        for _ in 0..before {
            bench.command(speaker, &publish(10, "noise", &noise));
            bench.settle();
        }
        let is_out = |told: &[String]| told.iter().any(|one| one.contains("2500"));
        let was_out = is_out(&bench.heard(client));
        bench.answer(client);
        bench.command(client, "{}");
        bench.command(speaker, &publish(10, "noise", &noise));
        bench.settle();
        if was_out || !is_out(&bench.heard(client)) {
            continue;
        }
        put_out += 1;
        bench.pass_time(0, Duration::from_secs(1));
        bench.heard(client);
        bench.command(client, &subscribe(50, "room"));
        begin_with(&bench.told(client), &[r#"{"id":50,"subscribe":"#]);
    }
    assert_eq!(put_out, 1);
}

/// Somebody behind a proxy that takes all there is at once.
struct Behind {
    client: usize,
    unread: Vec<u8>,
    /// What it may read by now, of what it has yet to read; what it has read; and how often there was too little.
    allowance: usize,
    read: usize,
    idle_ticks: usize,
    pings: usize,
    /// When it called, by the number of the call, and what it waited for the answers.
    calls: HashMap<u32, Duration>,
    waits: Vec<Duration>,
}

impl Behind {
    fn new(client: usize) -> Self {
        Self {
            client,
            unread: Vec::new(),
            allowance: 0,
            read: 0,
            idle_ticks: 0,
            pings: 0,
            calls: HashMap::new(),
            waits: Vec::new(),
        }
    }

    fn call(&mut self, bench: &mut Bench, number: u32, now: Duration) {
        self.calls.insert(number, now);
        bench.command(self.client, &publish(number, "own", "1"));
    }

    /// Reads whole frames, of `bytes` more, and answers pings.
    fn read(&mut self, bench: &mut Bench, bytes: usize, now: Duration) {
        self.unread.extend(bench.wire(self.client));
        self.allowance += bytes;
        let mut read = 0;
        while let Ok(Some(header)) = decode_header(&self.unread[read..], Role::Client) {
            let end = read + header.bytes + usize::try_from(header.payload_bytes).unwrap();
            if end > self.allowance {
                break;
            }
            let frame = String::from_utf8_lossy(&self.unread[read + header.bytes..end]);
            if frame == "{}" {
                self.pings += 1;
                bench.command(self.client, "{}");
            }
            assert!(
                !frame.contains(r#""unsubscribe""#),
                "it is put out: {frame}"
            );
            if let Some(rest) = frame.strip_prefix(r#"{"id":"#) {
                let number = rest.split(',').next().unwrap().parse().unwrap();
                if let Some(called) = self.calls.remove(&number) {
                    self.waits.push(now - called);
                }
            }
            read = end;
        }
        self.unread.drain(..read);
        self.allowance -= read;
        self.read += read;
        // It could have read on.
        self.idle_ticks += usize::from(self.unread.is_empty());
        if self.unread.is_empty() {
            self.allowance = 0;
        }
    }
}

/// Goal: whatever its pace, one that has much to read behind a proxy that takes it all at once has its calls answered in
/// the time that SDKs wait, hears pings, stays, and never waits for something to read for long.
#[test]
fn readers_of_every_pace_are_answered_in_time() {
    const STEPS: u32 = 900;
    /// How many of those it may have nothing to read.
    const IDLE_MAX: usize = 90;
    for (seed, bytes_per_s) in (0..).zip([8_000, 20_000, 40_000, 100_000, 1_000_000]) {
        let mut rng = Rng::with_seed(seed);
        let shards = rng.usize(1..=2);
        let mut bench = Bench::with(Config {
            shards: NonZeroUsize::new(shards).unwrap(),
            log_bytes: 16 << 20,
            lag_bytes_max: 8 << 20,
            descriptors_max: 200,
            ..Config::default()
        });
        let [client, speaker] = [shards - 1, 0].map(|shard| bench.client_in(shard, &[]));
        for (number, room) in [(2, "own"), (3, "room")] {
            bench.command(client, &subscribe(number, room));
        }
        bench.settle();
        bench.wire(client);
        bench.answer(speaker);
        let mut one = Behind::new(client);
        let mut owed = 900_000_usize;
        for step in 1..=STEPS {
            let now = Duration::from_millis(100) * step;
            for shard in 0..shards {
                bench.pass_time(shard, now);
            }
            owed += bytes_per_s / 10;
            while owed > 0 {
                let bytes = rng.usize(1..3_000);
                let data = format!(r#""{}""#, "x".repeat(bytes));
                bench.command(speaker, &publish(9, "room", &data));
                owed = owed.saturating_sub(bytes + 100);
            }
            if step % 20 == 0 {
                one.call(&mut bench, step, now);
            }
            bench.settle();
            bench.wire(speaker);
            one.read(&mut bench, bytes_per_s / 10, now);
        }
        let what = format!("{bytes_per_s} B/s over {shards} shards");
        let slowest = one.waits.iter().max().expect("some were answered");
        assert!(
            *slowest < Duration::from_millis(3_500),
            "{what}: {slowest:?}"
        );
        assert!(
            one.calls.len() < 3,
            "{what}: {:?} have no answer",
            one.calls
        );
        assert!(
            one.idle_ticks < IDLE_MAX,
            "{what}: {} times it had nothing to read",
            one.idle_ticks
        );
        assert!(one.pings > 2, "{what}");
    }
}
