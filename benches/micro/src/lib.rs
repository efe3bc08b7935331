//! What the micro-benchmarks do, once for both harnesses: each subject is set up outside what is measured.

use std::fs::File;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use fanring::config::Config;
use fanring::id::{MemberId, SessionKey, ShardId, StreamPosition, ThreadId};
use fanring::mesh::{self, ShardEnd};
use fanring::metrics::ShardMetrics;
use fanring::room::homes::Homes;
use fanring::room::index::{Index, Piece};
use fanring::room::log::Log;
use fanring::room::own::{OwnMessages, Reading};
use fanring::shard::{Action, FlushBatch, Received, Shard, ShardSetup};
use fanring::talk::{Handover, Letter, ToShard};
use fanring::wire::frame::{OpCode, Role, append_masked_frame, decode_header};
use fanring::wire::{mask, utf8};

/// Bytes of a payload where the size of one does not matter.
const PAYLOAD_BYTES: usize = 64;

/// Members of the micro-benchmarks' room who publish.
const PUBLISHERS: usize = 10;
/// Sends between two submissions, as in the event loop.
const SENDS_MAX: usize = 1024;

/// A payload of `bytes`, of text in several scripts.
#[must_use]
pub fn text(bytes: usize) -> Vec<u8> {
    let mut text = "plain words, größer als nötig, 漢字かな交じり文 "
        .repeat(bytes / 32 + 1)
        .into_bytes();
    text.truncate(bytes);
    // Not in the middle of a character.
    while std::str::from_utf8(&text).is_err() {
        text.pop();
    }
    text
}

/// Unmasks a payload (RFC 6455 section 5.3).
pub fn unmask(payload: &mut [u8]) {
    mask::apply(payload, [1, 2, 3, 4], 0);
}

/// Checks a payload's UTF-8.
#[must_use]
pub fn check_utf8(payload: &[u8]) -> bool {
    utf8::check(payload).is_ok()
}

/// A hundred masked text frames of 64 bytes, one after the other.
#[must_use]
pub fn frames() -> Vec<u8> {
    let mut frames = Vec::new();
    for _ in 0..100 {
        append_masked_frame(
            &mut frames,
            OpCode::Text,
            true,
            &text(PAYLOAD_BYTES),
            [1, 2, 3, 4],
        );
    }
    frames
}

/// Parses the headers of all `frames`; returns how many there are.
#[must_use]
pub fn parse(mut frames: &[u8]) -> usize {
    let mut count = 0;
    while let Ok(Some(header)) = decode_header(frames, Role::Server) {
        let length = usize::try_from(header.payload_bytes).expect("it was framed here");
        frames = &frames[header.bytes + length..];
        count += 1;
    }
    count
}

/// A log and the index of one room in it.
#[derive(Debug)]
pub struct Room {
    log: Log,
    index: Index,
    /// What the publishing members remember, none of whom has been sent anything.
    own: [OwnMessages; PUBLISHERS],
}

impl Room {
    /// A room with a hundred messages, each from one of ten members.
    ///
    /// # Panics
    /// When the log's memory can't be had.
    #[must_use]
    pub fn new() -> Self {
        let mut room = Self {
            log: Log::new(1 << 20).expect("a megabyte"),
            index: Index::default(),
            own: [OwnMessages::default(); PUBLISHERS],
        };
        room.append();
        room
    }

    /// Appends a hundred messages.
    pub fn append(&mut self) {
        let frame = [0x81; PAYLOAD_BYTES + 2];
        for number in 0..100 {
            let position = self.log.append(&frame);
            let bytes = u32::try_from(frame.len()).expect("a short frame");
            let start = self.index.push(position, bytes, None);
            let publisher = number % PUBLISHERS;
            let end = self.index.head();
            self.index.push_own(member(publisher), start);
            self.own[publisher].note(start, end, StreamPosition::default());
        }
    }

    /// What a hundred members have yet to be sent, each from another place; returns the pieces.
    #[must_use]
    pub fn ranges(&self) -> usize {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut count = 0;
        for number in 0..100 {
            pieces.clear();
            let reading = Reading {
                cursor: StreamPosition::new((number * (PAYLOAD_BYTES + 2)) as u64),
                member: member(number),
                own: self.own.get(number).copied().unwrap_or_default(),
            };
            let _ = self
                .index
                .plan(&reading, self.index.head(), 14, u64::MAX, &mut pieces);
            count += pieces.len();
        }
        count
    }
}

impl Default for Room {
    fn default() -> Self {
        Self::new()
    }
}

fn member(number: usize) -> MemberId {
    MemberId {
        shard: ShardId::new(0),
        slot: u32::try_from(number).expect("a hundred at most"),
        generation: 0,
    }
}

/// A shard whose sessions have sockets that are none, and what a driver of it keeps between turns.
#[derive(Debug)]
struct Driven {
    shard: Shard,
    batch: FlushBatch,
    /// Bytes of the sends that the shard is to hear of, by their places in the batch.
    answers: Vec<(usize, u32)>,
    /// Sessions that it asked to receive from.
    receiving: Vec<SessionKey>,
    /// What it has told others, who have not heard it yet.
    told: Vec<Letter>,
}

impl Driven {
    /// Shard `number` of `shards`.
    fn new(number: u16, shards: u16) -> Self {
        fanring::process::raise_descriptor_limit().expect("the soft limit can be raised");
        let metrics = (0..shards).map(|_| ShardMetrics::default()).collect();
        let config = Arc::new(Config {
            shards: NonZeroUsize::new(usize::from(shards)).expect("one at least"),
            ..Config::default()
        });
        let setup = ShardSetup {
            number: ShardId::new(number),
            homes: Homes::new(shards, 0),
            config,
            metrics,
            seed: 1,
        };
        Self {
            shard: Shard::new(setup).expect("memory for the log"),
            batch: FlushBatch::new(SENDS_MAX),
            answers: Vec::new(),
            receiving: Vec::new(),
            told: Vec::new(),
        }
    }

    /// A connection arrives with its request to join the room.
    fn adopt(&mut self) {
        let socket: OwnedFd = File::open("/dev/null").expect("a descriptor").into();
        let head = b"GET /ws?presence=0 HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Version: 13\r\n\r\n";
        let adopt = ToShard::Adopt {
            from: ThreadId::Web,
            connection: Handover {
                socket,
                bytes: head.to_vec(),
            },
            placed: true,
        };
        self.shard.handle_message(adopt);
    }

    /// What a turn does once everything that arrived has been handled; returns the bytes that left.
    fn turn(&mut self) -> usize {
        self.shard.handle_turn();
        while let Some(told) = self.shard.poll_letter() {
            self.told.push(told);
        }
        let bytes = self.flush();
        while let Some(action) = self.shard.poll_action() {
            if let Action::Receive(key, _) = action {
                self.receiving.push(key);
            }
        }
        bytes
    }

    /// Sends what is due to everybody, in chunks; returns the bytes.
    fn flush(&mut self) -> usize {
        let mut bytes = 0;
        loop {
            self.shard.poll_flush(&mut self.batch);
            if self.batch.sends.is_empty() {
                return bytes;
            }
            for (place, send) in self.batch.sends.iter().enumerate() {
                let length: usize = self.shard.slices(&self.batch, send).map(<[u8]>::len).sum();
                if !send.is_quiet() {
                    let taken = u32::try_from(length).expect("a send is smaller");
                    self.answers.push((place, taken));
                }
                bytes += length;
            }
            for (place, taken) in self.answers.drain(..) {
                self.shard.handle_sent(&self.batch, place, Some(taken));
            }
            self.shard.handle_flushed();
        }
    }

    /// A message arrives from a session.
    fn receive(&mut self, publisher: SessionKey) {
        let mut frame = Vec::with_capacity(PAYLOAD_BYTES + 6);
        append_masked_frame(
            &mut frame,
            OpCode::Binary,
            true,
            &[7; PAYLOAD_BYTES],
            [1, 2, 3, 4],
        );
        self.shard
            .handle_received(publisher, Received::Data(&mut frame), true);
    }
}

/// A shard with a publisher and subscribers in one room.
#[derive(Debug)]
pub struct FanOut {
    driven: Driven,
    publisher: SessionKey,
}

impl FanOut {
    /// So many subscribers, all of whom have joined.
    ///
    /// # Panics
    /// When there are not as many descriptors.
    #[must_use]
    pub fn new(subscribers: usize) -> Self {
        let mut driven = Driven::new(0, 1);
        for _ in 0..=subscribers {
            driven.adopt();
            for _ in 0..4 {
                driven.turn();
            }
        }
        assert_eq!(driven.receiving.len(), subscribers + 1, "all have joined");
        let publisher = driven.receiving[0];
        Self { driven, publisher }
    }

    /// One message, received, appended and flushed to everybody; returns the bytes that left.
    pub fn message(&mut self) -> usize {
        self.driven.receive(self.publisher);
        self.driven.shard.handle_turn();
        self.driven.flush()
    }
}

/// Two shards on one thread with members of one room on both, and what one tells the other is passed by hand. The
/// publisher is not on the room's home.
#[derive(Debug)]
pub struct TwoShards {
    shards: [Driven; 2],
    /// The shard that is not the room's home.
    away: usize,
    publisher: SessionKey,
}

impl TwoShards {
    /// So many members on each shard, the publisher one of them.
    ///
    /// # Panics
    /// When there are not as many descriptors.
    #[must_use]
    pub fn new(members: usize) -> Self {
        let mut two = Self {
            shards: [Driven::new(0, 2), Driven::new(1, 2)],
            away: 1 - Homes::new(2, 0).of("").index(),
            publisher: SessionKey {
                slot: 0,
                generation: 0,
            },
        };
        for shard in 0..2 {
            for _ in 0..members {
                two.shards[shard].adopt();
                two.settle();
            }
            assert_eq!(
                two.shards[shard].receiving.len(),
                members,
                "all have joined"
            );
        }
        two.publisher = two.shards[two.away].receiving[0];
        two
    }

    /// Turns of both shards until neither has anything more to tell; returns the bytes that left.
    fn settle(&mut self) -> usize {
        let mut bytes = 0;
        loop {
            let mut quiet = true;
            for number in [self.away, 1 - self.away] {
                bytes += self.shards[number].turn();
                quiet &= self.shards[number].told.is_empty();
                self.pass_on(number);
            }
            if quiet {
                return bytes;
            }
        }
    }

    /// Hands over what one of the two shards has told the other.
    fn pass_on(&mut self, number: usize) {
        let mut told = std::mem::take(&mut self.shards[number].told);
        for letter in told.drain(..) {
            if let Letter::Shard(to, message) = letter {
                self.shards[to.index()].shard.handle_message(message);
            }
        }
        self.shards[number].told = told;
    }

    /// One message, received away from the room's home and flushed to everybody on both shards; returns the bytes
    /// that left.
    pub fn message(&mut self) -> usize {
        self.shards[self.away].receive(self.publisher);
        self.settle()
    }
}

/// The second of two shards.
const ONE: ShardId = ShardId::new(1);

/// Two ends of a mesh, on one thread.
#[derive(Debug)]
pub struct Hop {
    from: ShardEnd<Arc<[u8]>, ()>,
    to: ShardEnd<Arc<[u8]>, ()>,
    message: Arc<[u8]>,
}

impl Hop {
    /// A mesh of two, both awake.
    ///
    /// # Panics
    /// When there is no descriptor for a doorbell.
    #[must_use]
    pub fn new() -> Self {
        let (mut ends, _web) = mesh::connect(2).expect("three doorbells");
        let to = ends.pop().expect("two ends");
        let from = ends.pop().expect("two ends");
        to.bell.doorbell().awake();
        Self {
            from,
            to,
            message: vec![7; PAYLOAD_BYTES].into(),
        }
    }

    /// A hundred messages over and out; returns how many arrived.
    pub fn hundred(&mut self) -> usize {
        for _ in 0..100 {
            self.from.to_shard(ONE).send(Arc::clone(&self.message));
        }
        let mut arrived = 0;
        self.to.inbox.receive(usize::MAX, |message| {
            drop(message);
            arrived += 1;
        });
        arrived
    }
}

impl Default for Hop {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: what is measured is what its name says.
    #[test]
    fn the_subjects_do_what_they_say() {
        let mut payload = text(1024);
        assert!((1021..=1024).contains(&payload.len()) && check_utf8(&payload));
        unmask(&mut payload);
        assert!(!check_utf8(&payload));
        assert_eq!(parse(&frames()), 100);
        // A hundred readers with a piece each, and the publishers' own messages split theirs.
        assert!(Room::new().ranges() > 100);
        assert_eq!(FanOut::new(30).message(), 30 * (PAYLOAD_BYTES + 2));
        assert_eq!(TwoShards::new(5).message(), 9 * (PAYLOAD_BYTES + 2));
        assert_eq!(Hop::new().hundred(), 100);
    }
}
