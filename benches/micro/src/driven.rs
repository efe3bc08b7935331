//! A shard that is driven by hand, on made-up sockets.

use std::fs::File;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use fanring::config::Config;
use fanring::id::{SessionKey, ShardId, ThreadId};
use fanring::metrics::ShardMetrics;
use fanring::room::homes::Homes;
use fanring::shard::{Action, FlushBatch, Received, Shard, ShardSetup};
use fanring::talk::{Handover, Letter, ToShard};
use fanring::wire::frame::{OpCode, append_masked_frame};

/// Sends between two submissions, as in the event loop.
const SENDS_MAX: usize = 1024;

/// A shard whose sessions have sockets that are none, and what a driver of it keeps between turns.
#[derive(Debug)]
pub(super) struct Driven {
    pub(super) shard: Shard,
    batch: FlushBatch,
    /// Bytes of the sends that the shard is to hear of, by their places in the batch.
    answers: Vec<(usize, u32)>,
    /// Sessions that it asked to receive from.
    pub(super) receiving: Vec<SessionKey>,
    /// What it has told others, who have not heard it yet.
    pub(super) told: Vec<Letter>,
}

impl Driven {
    /// Shard `number` of `shards`, with settings that say nothing of those.
    pub(super) fn new(number: u16, shards: u16, config: Config) -> Self {
        fanring::process::raise_descriptor_limit().expect("the soft limit can be raised");
        let metrics = (0..shards).map(|_| ShardMetrics::default()).collect();
        let config = Arc::new(Config {
            shards: NonZeroUsize::new(usize::from(shards)).expect("one at least"),
            ..config
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

    /// A connection arrives with its request for `target`.
    pub(super) fn adopt(&mut self, target: &str) {
        let socket: OwnedFd = File::open("/dev/null").expect("a descriptor").into();
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        let adopt = ToShard::Adopt {
            from: ThreadId::Web,
            connection: Handover {
                socket,
                bytes: head.into_bytes(),
            },
            placed: true,
        };
        self.shard.handle_message(adopt);
    }

    /// What a turn does once everything that arrived has been handled; returns the bytes that left.
    pub(super) fn turn(&mut self) -> usize {
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
    pub(super) fn flush(&mut self) -> usize {
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

    /// A message arrives from a session. Inlined, so that its frame is made as if it stood there.
    #[inline]
    pub(super) fn receive(&mut self, publisher: SessionKey, opcode: OpCode, payload: &[u8]) {
        // Room for the frame, whose header has 8 bytes at most.
        let mut frame = Vec::with_capacity(payload.len() + 8);
        append_masked_frame(&mut frame, opcode, true, payload, [1, 2, 3, 4]);
        self.shard
            .handle_received(publisher, Received::Data(&mut frame), true);
    }
}
