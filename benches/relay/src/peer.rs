//! One connection: its socket, its room, and what is to be sent to it.

use std::collections::VecDeque;
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use bench_common::connection::Connection;

/// Bytes that may wait for a slow reader; beyond them its connection ends, as uWebSockets does it here.
pub(crate) const UNSENT_BYTES_MAX: usize = 16 << 20;

/// The room of those whose handshake is not done.
pub(crate) const NOWHERE: u32 = u32::MAX - 1;

/// The room of those who are sent what they say themselves.
pub(crate) const ECHO: u32 = u32::MAX;

/// One connection.
#[derive(Debug)]
pub(crate) struct Peer {
    socket: OwnedFd,
    generation: u32,
    /// Its room's place, or one of [`NOWHERE`] and [`ECHO`].
    pub(crate) room: u32,
    /// What of this turn's frames goes to it; nothing when it is `unsent` that does.
    queued: (u32, u32),
    /// It is among those to be sent to.
    pub(crate) listed: bool,
    /// The socket did not take all, and it is waited for that it takes bytes again.
    pub(crate) full: bool,
    /// To be shut down when all has left.
    pub(crate) ending: bool,
    /// Operations of a ring on its socket that have not ended.
    pub(crate) operations: u8,
    /// What goes after `queued`, or without that before anything else: what a full socket did not take, answers, and
    /// frames that do not follow those queued.
    #[expect(
        clippy::box_collection,
        reason = "few ever have one, and without the box it is four times the size"
    )]
    unsent: Option<Box<VecDeque<u8>>>,
    pub(crate) connection: Connection,
}

/// A delivery should touch no more than one line.
const _: () = assert!(size_of::<Peer>() <= 64);

impl Peer {
    pub(crate) fn new(socket: OwnedFd, generation: u32) -> Self {
        Self {
            socket,
            generation,
            room: NOWHERE,
            queued: (0, 0),
            listed: false,
            full: false,
            ending: false,
            operations: 0,
            unsent: None,
            connection: Connection::default(),
        }
    }

    pub(crate) fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Tells it from others that had its slot.
    pub(crate) fn generation(&self) -> u32 {
        self.generation
    }

    /// Adds bytes `range` of this turn's `frames`.
    pub(crate) fn add(&mut self, range: (u32, u32), frames: &[u8]) {
        if self.unsent.is_none() {
            if !self.is_queued() {
                self.queued = range;
                return;
            }
            if self.queued.1 == range.0 {
                self.queued.1 = range.1;
                return;
            }
        }
        self.add_own(&frames[indexes(range)]);
    }

    /// Adds bytes that are for this peer alone.
    pub(crate) fn add_own(&mut self, bytes: &[u8]) {
        self.unsent.get_or_insert_default().extend(bytes);
    }

    /// Bytes that wait for its socket.
    pub(crate) fn unsent_bytes(&self) -> usize {
        self.unsent.as_ref().map_or(0, |unsent| unsent.len())
    }

    fn is_queued(&self) -> bool {
        self.queued.0 < self.queued.1
    }

    /// What is to be sent to it in this turn.
    pub(crate) fn bytes<'a>(&'a self, frames: &'a [u8]) -> &'a [u8] {
        if self.is_queued() {
            return &frames[indexes(self.queued)];
        }
        self.unsent
            .as_ref()
            .map_or(&[], |unsent| unsent.as_slices().0)
    }

    /// So many of those were taken.
    pub(crate) fn sent(&mut self, taken: usize, frames: &[u8]) {
        let offered = self.bytes(frames).len();
        self.full = taken < offered;
        if !self.is_queued() {
            if let Some(unsent) = &mut self.unsent {
                unsent.drain(..taken);
            }
        } else if self.full {
            // The rest goes before what came in meanwhile.
            let rest = &frames[indexes(self.queued)][taken..];
            let unsent = self.unsent.get_or_insert_default();
            for &byte in rest.iter().rev() {
                unsent.push_front(byte);
            }
        }
        self.queued = (0, 0);
        if self.unsent.as_ref().is_some_and(|unsent| unsent.is_empty()) {
            self.unsent = None;
        }
    }
}

fn indexes((start, end): (u32, u32)) -> Range<usize> {
    start as usize..end as usize
}
