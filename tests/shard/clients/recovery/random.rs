//! Clients that come and go at random, with sockets of every kind, and check all that they are told.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use fanring::config::{Config, LOG_BYTES_MIN};
use fanring::wire::frame::{OpCode, Role, decode_header};
use serde_json::Value;

use super::{parsed, recover};
use crate::bench::{Bench, rooms_at};
use crate::clients::{TARGET, publish, subscribe, unsubscribe};

const SHARDS: u16 = 2;
const CLIENTS: usize = 8;
/// Messages that a room keeps.
const KEPT: u64 = 100;

/// Where a client stands with a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Out,
    /// It has asked to come by that command, with its place if it had one.
    Asked(u32, Option<u64>),
    In,
    /// It has asked to leave by that command.
    Leaving(u32),
}

#[derive(Debug, Clone)]
struct Sub {
    stage: Stage,
    offset: u64,
    epoch: String,
}

/// A client as its SDK sees itself.
#[derive(Debug, Default)]
struct Sdk {
    client: Option<usize>,
    /// What has come of a frame that is not whole.
    rest: Vec<u8>,
    next_id: u32,
    subs: BTreeMap<usize, Sub>,
}

/// All of them, and what was said.
struct World {
    bench: Bench,
    random: fastrand::Rng,
    rooms: Vec<String>,
    sdks: Vec<Sdk>,
    /// What each message of a room says, in the order that whoever heard it first was told.
    truth: Vec<BTreeMap<u64, u64>>,
    said: u64,
    now: Duration,
    is_held: bool,
    recovered: usize,
    lost: usize,
    /// Connections that ended without a word.
    ended: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        let rooms: Vec<String> = (rooms_at(0, SHARDS).take(2))
            .chain(rooms_at(1, SHARDS).take(2))
            .collect();
        Self {
            bench: Bench::with(Config {
                shards: NonZeroUsize::new(SHARDS.into()).unwrap(),
                log_bytes: LOG_BYTES_MIN,
                lag_bytes_max: LOG_BYTES_MIN / 12,
                descriptors_max: 2_000,
                ..Config::default()
            }),
            random: fastrand::Rng::with_seed(seed),
            truth: vec![BTreeMap::new(); rooms.len()],
            rooms,
            sdks: (0..CLIENTS).map(|_| Sdk::default()).collect(),
            said: 0,
            now: Duration::ZERO,
            is_held: false,
            recovered: 0,
            lost: 0,
            ended: 0,
        }
    }

    fn command(&mut self, sdk: usize, command: impl FnOnce(u32) -> String) -> u32 {
        let one = &mut self.sdks[sdk];
        one.next_id += 1;
        let (id, client) = (one.next_id, one.client.expect("it is connected"));
        self.bench.command(client, &command(id));
        id
    }

    fn connect(&mut self, sdk: usize) {
        let shard = self.random.usize(..usize::from(SHARDS));
        let client = self.bench.join(shard, TARGET);
        let one = &mut self.sdks[sdk];
        one.client = Some(client);
        one.rest.clear();
        for sub in one.subs.values_mut() {
            sub.stage = Stage::Out;
        }
        self.command(sdk, |id| format!(r#"{{"id":{id},"connect":{{}}}}"#));
    }

    /// Asks to come into a room, back to its place if it has been there.
    fn come(&mut self, sdk: usize, room: usize) {
        let name = self.rooms[room].clone();
        let sub = self.sdks[sdk].subs.get(&room).cloned();
        let known = sub.as_ref().map(|sub| sub.offset);
        let id = self.command(sdk, |id| match &sub {
            Some(sub) => recover(id, &name, sub.offset, &sub.epoch),
            None => subscribe(id, &name),
        });
        let sub = sub.unwrap_or(Sub {
            stage: Stage::Out,
            offset: 0,
            epoch: String::new(),
        });
        let stage = Stage::Asked(id, known);
        self.sdks[sdk].subs.insert(room, Sub { stage, ..sub });
    }

    /// Something happens.
    fn step(&mut self) {
        let sdk = self.random.usize(..CLIENTS);
        let room = self.random.usize(..self.rooms.len());
        let Some(client) = self.sdks[sdk].client else {
            return self.connect(sdk);
        };
        if !self.bench.is_read(client) {
            // Nothing that it says is heard for now.
            return self.bench.wake(client);
        }
        let stage = self.sdks[sdk].subs.get(&room).map(|sub| sub.stage);
        match self.random.u32(..100) {
            0..40 => self.publish(sdk, room),
            40..60 => match stage {
                None | Some(Stage::Out) => self.come(sdk, room),
                Some(Stage::In) if self.random.bool() => {
                    let name = self.rooms[room].clone();
                    let id = self.command(sdk, |id| unsubscribe(id, &name));
                    let sub = self.sdks[sdk].subs.get_mut(&room);
                    sub.expect("it is there").stage = Stage::Leaving(id);
                }
                Some(_) => {}
            },
            60..62 => {
                self.bench.fail(client);
                self.bench.settle();
                self.sdks[sdk].client = None;
            }
            62..65 => self.bench.block(client),
            65..72 => {
                // The first one hardly ever reads.
                let bytes_max = if sdk == 0 { 40 } else { 4_000 };
                let bytes = self.random.usize(1..bytes_max);
                self.bench.crawl(client, bytes);
            }
            72..80 if sdk > 0 || self.random.u32(..8) == 0 => self.bench.unblock(client),
            80..90 => self.bench.wake(client),
            90..93 if !self.is_held => {
                self.is_held = true;
                let shard = self.random.usize(..usize::from(SHARDS));
                self.bench.hold_mail(shard);
            }
            90..96 => self.deliver_mail(),
            _ => {
                let time = self.random.u64(1..300);
                self.pass_time(Duration::from_millis(time));
            }
        }
        if self.random.bool() {
            self.bench.settle();
        }
    }

    fn deliver_mail(&mut self) {
        if std::mem::take(&mut self.is_held) {
            self.bench.deliver_mail();
        }
    }

    fn pass_time(&mut self, time: Duration) {
        self.now += time;
        for shard in 0..usize::from(SHARDS) {
            self.bench.pass_time(shard, self.now);
        }
    }

    fn publish(&mut self, sdk: usize, room: usize) {
        self.said += 1;
        let size = match self.random.u32(..10) {
            0 => self.random.usize(..8_000),
            _ => self.random.usize(..200),
        };
        let data = format!(r#"{{"n":{},"x":"{}"}}"#, self.said, "x".repeat(size));
        let name = self.rooms[room].clone();
        self.command(sdk, |id| publish(id, &name, &data));
    }

    /// What a client has been told.
    fn hear(&mut self, sdk: usize) {
        let Some(client) = self.sdks[sdk].client else {
            return;
        };
        let wire = self.bench.wire(client);
        self.sdks[sdk].rest.extend(wire);
        loop {
            let one = &mut self.sdks[sdk];
            let Ok(Some(header)) = decode_header(&one.rest, Role::Client) else {
                return;
            };
            let end = header.bytes + usize::try_from(header.payload_bytes).unwrap();
            if one.rest.len() < end {
                return;
            }
            let frame: Vec<u8> = one.rest.drain(..end).collect();
            if header.opcode == OpCode::Close {
                one.client = None;
                return;
            }
            let text = String::from_utf8(frame[header.bytes..].to_vec()).unwrap();
            self.told(sdk, &parsed(&[text])[0]);
        }
    }

    fn told(&mut self, sdk: usize, one: &Value) {
        if let Some(push) = one.get("push") {
            let name = push["channel"].as_str().unwrap();
            let room = self.rooms.iter().position(|room| room == name).unwrap();
            self.pushed(sdk, room, push);
            return;
        }
        let Some(id) = one.get("id").and_then(Value::as_u64) else {
            // A ping.
            if let Some(client) = self.sdks[sdk].client {
                self.bench.command(client, "{}");
            }
            return;
        };
        let id = u32::try_from(id).unwrap();
        let mut subs = self.sdks[sdk].subs.values_mut();
        let waits = |sub: &&mut Sub| match sub.stage {
            Stage::Asked(asked, _) | Stage::Leaving(asked) => asked == id,
            Stage::Out | Stage::In => false,
        };
        let Some(sub) = subs.find(waits) else {
            return;
        };
        let Stage::Asked(_, known) = sub.stage else {
            sub.stage = Stage::Out;
            return;
        };
        let Some(reply) = one.get("subscribe") else {
            assert_eq!(one["error"]["code"], 111, "{one}");
            sub.stage = Stage::Out;
            return;
        };
        sub.stage = Stage::In;
        reply["epoch"].as_str().unwrap().clone_into(&mut sub.epoch);
        let offset = reply
            .get("offset")
            .map_or(0, |offset| offset.as_u64().unwrap());
        match known {
            Some(known) if reply.get("recovered").is_some() => {
                assert_eq!(offset, known, "{reply}");
                self.recovered += 1;
            }
            Some(known) => {
                assert!(offset > known + KEPT, "{known} is not lost: {reply}");
                sub.offset = offset;
                self.lost += 1;
            }
            None => sub.offset = offset,
        }
    }

    fn pushed(&mut self, sdk: usize, room: usize, push: &Value) {
        let sub = self.sdks[sdk]
            .subs
            .get_mut(&room)
            .expect("it asked to come");
        let is_there = matches!(sub.stage, Stage::In | Stage::Leaving(_));
        assert!(is_there, "{push} for {sub:?}");
        if let Some(publication) = push.get("pub") {
            let offset = publication["offset"].as_u64().unwrap();
            assert_eq!(offset, sub.offset + 1, "{push} for {sub:?}");
            sub.offset = offset;
            let number = publication["data"]["n"].as_u64().unwrap();
            let known = *self.truth[room].entry(offset).or_insert(number);
            assert_eq!(known, number, "one order for all");
        } else if let Some(unsubscribed) = push.get("unsubscribe") {
            assert_eq!(unsubscribed["code"], 2500);
            sub.stage = Stage::Out;
        }
    }

    /// Everybody reads again, and comes back to all rooms, until nothing is left to be told.
    fn end(&mut self) {
        self.deliver_mail();
        for sdk in 0..CLIENTS {
            match self.sdks[sdk].client {
                Some(client) => self.bench.unblock(client),
                None => self.connect(sdk),
            }
        }
        for _ in 0..60 {
            self.bench.settle();
            self.pass_time(Duration::from_secs(1));
            for sdk in 0..CLIENTS {
                self.hear(sdk);
                let client = self.sdks[sdk].client;
                if !client.is_some_and(|client| self.bench.is_read(client)) {
                    // Its connection has ended without a word that it could read.
                    self.ended += usize::from(client.is_some());
                    self.connect(sdk);
                }
                for room in 0..self.rooms.len() {
                    let stage = self.sdks[sdk].subs.get(&room).map(|sub| sub.stage);
                    if matches!(stage, None | Some(Stage::Out)) {
                        self.come(sdk, room);
                    }
                }
            }
        }
        for sdk in &self.sdks {
            for (&room, sub) in &sdk.subs {
                let top = self.truth[room].keys().next_back().copied();
                assert_eq!(sub.stage, Stage::In);
                assert!(
                    top.is_none_or(|top| sub.offset == top),
                    "{sub:?} of {top:?}"
                );
            }
        }
    }
}

/// Goal: whoever stays in a room or recovers gets every message once, in the one order of the room, whatever its socket
/// takes and whoever else comes and goes; what is told to be lost is more than the room keeps.
#[test]
fn nobody_misses_anything_unawares() {
    let (mut recovered, mut lost) = (0, 0);
    for seed in 0..8 {
        let mut world = World::new(seed);
        for _ in 0..1_500 {
            world.step();
            for sdk in 0..CLIENTS {
                world.hear(sdk);
            }
        }
        world.end();
        assert!(world.ended <= 3, "{} ended in seed {seed}", world.ended);
        recovered += world.recovered;
        lost += world.lost;
    }
    assert!(recovered > 100 && lost > 0, "{recovered} and {lost}");
}
