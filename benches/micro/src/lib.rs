//! What the micro-benchmarks do, once for both harnesses: each subject is set up outside what is measured.

mod chat;
mod driven;

use std::sync::Arc;

use fanring::config::Config;
use fanring::id::{MemberId, SessionKey, ShardId, StreamPosition};
use fanring::mesh::{self, ShardEnd};
use fanring::room::homes::Homes;
use fanring::room::index::{Index, Piece};
use fanring::room::log::Log;
use fanring::room::own::{OwnMessages, Reading};
use fanring::talk::Letter;
use fanring::wire::frame::{OpCode, Role, append_masked_frame, decode_header};
use fanring::wire::{mask, utf8};

pub use self::chat::Chat;
use self::driven::Driven;

/// Bytes of a payload where the size of one does not matter.
const PAYLOAD_BYTES: usize = 64;

/// Where a plain member connects.
const PLAIN_TARGET: &str = "/ws?presence=0";
/// What it publishes.
const PLAIN: (OpCode, [u8; PAYLOAD_BYTES]) = (OpCode::Binary, [7; PAYLOAD_BYTES]);

/// Members of the micro-benchmarks' room who publish.
const PUBLISHERS: usize = 10;

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
        let mut driven = Driven::new(0, 1, Config::default());
        for _ in 0..=subscribers {
            driven.adopt(PLAIN_TARGET);
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
        self.driven.receive(self.publisher, PLAIN.0, &PLAIN.1);
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
            shards: [0, 1].map(|number| Driven::new(number, 2, Config::default())),
            away: 1 - Homes::new(2, 0).of("").index(),
            publisher: SessionKey {
                slot: 0,
                generation: 0,
            },
        };
        for shard in 0..2 {
            for _ in 0..members {
                two.shards[shard].adopt(PLAIN_TARGET);
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
        self.shards[self.away].receive(self.publisher, PLAIN.0, &PLAIN.1);
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
