//! What the micro-benchmarks do, once for both harnesses: each subject is set up outside what is measured.

use std::fs::File;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use fanring::config::Config;
use fanring::mesh::{self, Endpoint, ThreadId};
use fanring::metrics::ShardMetrics;
use fanring::room::homes::Homes;
use fanring::room::index::{Index, MemberId, OwnMessages, Piece, Reading};
use fanring::room::log::Log;
use fanring::session::SessionKey;
use fanring::shard::{Action, FlushBatch, Message, Received, Shard, ShardSetup};
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
            let start = self.index.push(position, frame.len() as u64, 1);
            let publisher = number % PUBLISHERS;
            let end = self.index.head();
            self.index.push_own(member(publisher), start, end);
            self.own[publisher].note(start, end, 0);
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
                cursor: (number * (PAYLOAD_BYTES + 2)) as u64,
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
        shard: 0,
        slot: u32::try_from(number).expect("a hundred at most"),
        generation: 0,
    }
}

/// A shard with a publisher and subscribers in one room, on sockets that are none.
#[derive(Debug)]
pub struct FanOut {
    shard: Shard,
    publisher: SessionKey,
    batch: FlushBatch,
    /// Bytes of the sends that the shard is to hear of, by their places in the batch.
    answers: Vec<(usize, u32)>,
}

impl FanOut {
    /// So many subscribers, all of whom have joined.
    ///
    /// # Panics
    /// When there are not as many descriptors.
    #[must_use]
    pub fn new(subscribers: usize) -> Self {
        fanring::process::raise_descriptor_limit().expect("the soft limit can be raised");
        let metrics: Arc<[ShardMetrics]> = vec![ShardMetrics::default()].into();
        let config = Arc::new(Config {
            shards: NonZeroUsize::MIN,
            ..Config::default()
        });
        let setup = ShardSetup {
            number: 0,
            homes: Homes::new(1, 0),
            config,
            metrics,
            seed: 1,
        };
        let mut fan_out = Self {
            shard: Shard::new(setup).expect("memory for the log"),
            publisher: SessionKey {
                slot: 0,
                generation: 0,
            },
            batch: FlushBatch::default(),
            answers: Vec::new(),
        };
        for number in 0..=subscribers {
            let key = fan_out.join();
            if number == 0 {
                fan_out.publisher = key;
            }
        }
        fan_out
    }

    fn join(&mut self) -> SessionKey {
        let socket: OwnedFd = File::open("/dev/null").expect("a descriptor").into();
        let head = b"GET /ws?presence=0 HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Version: 13\r\n\r\n";
        let adopt = Message::Adopt {
            socket,
            bytes: head.to_vec(),
            placed: true,
        };
        self.shard.handle_message(ThreadId(1), adopt);
        let mut joined = None;
        for _ in 0..4 {
            self.shard.handle_turn();
            self.flush();
            while let Some(action) = self.shard.poll_action() {
                if let Action::Receive(key, _) = action {
                    joined = Some(key);
                }
            }
        }
        joined.expect("the session is received from")
    }

    /// Sends what is due to everybody, in chunks; returns the bytes.
    fn flush(&mut self) -> usize {
        let mut bytes = 0;
        loop {
            self.shard.poll_flush(SENDS_MAX, &mut self.batch);
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
        }
    }

    /// One message, received, appended and flushed to everybody; returns the bytes that left.
    pub fn message(&mut self) -> usize {
        let mut frame = Vec::with_capacity(PAYLOAD_BYTES + 6);
        append_masked_frame(
            &mut frame,
            OpCode::Binary,
            true,
            &[7; PAYLOAD_BYTES],
            [1, 2, 3, 4],
        );
        self.shard
            .handle_received(self.publisher, Received::Data(&mut frame), true);
        self.shard.handle_turn();
        self.flush()
    }
}

/// Two ends of a mesh, on one thread.
#[derive(Debug)]
pub struct Hop {
    from: Endpoint<Arc<[u8]>>,
    to: Endpoint<Arc<[u8]>>,
    message: Arc<[u8]>,
}

impl Hop {
    /// A mesh of two, both awake.
    ///
    /// # Panics
    /// When there is no descriptor for a doorbell.
    #[must_use]
    pub fn new() -> Self {
        let mut ends = mesh::connect(2).expect("two doorbells");
        let to = ends.pop().expect("two ends");
        let from = ends.pop().expect("two ends");
        to.doorbell().awake();
        Self {
            from,
            to,
            message: vec![7; PAYLOAD_BYTES].into(),
        }
    }

    /// A hundred messages over and out; returns how many arrived.
    pub fn hundred(&mut self) -> usize {
        for _ in 0..100 {
            self.from.send(ThreadId(1), Arc::clone(&self.message));
        }
        self.to.receive(usize::MAX, |_, message| drop(message))
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
        assert_eq!(Hop::new().hundred(), 100);
    }
}
