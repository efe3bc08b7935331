//! Counters of each thread, written by that thread alone and summed by whoever reads them.
//!
//! No locks and, but for the log's one, no read-modify-write instructions: one writer, relaxed loads
//! and stores, each thread's counters on cache lines of their own.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A figure with a single writer.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `count`; only the owning thread may call this.
    pub fn add(&self, count: u64) {
        self.0
            .store(self.0.load(Relaxed).wrapping_add(count), Relaxed);
    }

    /// Replaces the figure; only the owning thread may call this.
    pub fn set(&self, figure: u64) {
        self.0.store(figure, Relaxed);
    }

    /// The figure as last written.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A figure that every thread may add to, for what is rare.
#[derive(Debug, Default)]
pub struct SharedCounter(AtomicU64);

impl SharedCounter {
    /// Adds `count`.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    /// The figure.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Lines for the log that were not written, because stderr took none. A process has one stderr.
pub static LOG_LINES_LOST: SharedCounter = SharedCounter(AtomicU64::new(0));

macro_rules! tally {
    ($(#[doc = $doc:literal])+ $name:ident as $prefix:literal: $($number:literal),+) => {
        $(#[doc = $doc])+
        #[derive(Debug, Default)]
        pub struct $name {
            known: [Counter; [$($number),+].len()],
            other: Counter,
        }

        impl $name {
            /// Counts one more; only the owning thread may call this.
            pub fn count(&self, number: u16) {
                let place = [$($number),+].iter().position(|&known| known == number);
                place.map_or(&self.other, |place| &self.known[place]).add(1);
            }

            /// Every figure with its name, those of unexpected numbers last and together.
            pub fn figures(&self) -> impl Iterator<Item = (&'static str, u64)> {
                let names = [$(concat!($prefix, "_", $number)),+];
                let known = names.into_iter().zip(&self.known);
                known
                    .chain([(concat!($prefix, "_other"), &self.other)])
                    .map(|(name, counter)| (name, counter.get()))
            }
        }
    };
}

tally! {
    /// Requests that a shard refused, by the status of the answer.
    Refusals as "refused": 400, 403, 404, 405, 408, 426, 431, 503, 505
}

tally! {
    /// Sessions that the server closed, by the code of its Close frame.
    Closes as "closed": 1001, 1002, 1007, 1009, 1013, 4001
}

tally! {
    /// Answers of the web thread that were none a client hopes for, by status.
    WebRefusals as "web_refused": 400, 403, 404, 405, 408, 412, 414, 416, 426, 431, 500, 503, 505
}

macro_rules! shard_metrics {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// What one shard counts.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub struct ShardMetrics {
            $($(#[doc = $doc])+ pub $name: Counter,)+
            /// The same as `refused`, by status.
            pub refusals: Refusals,
            /// Sessions closed, by code.
            pub closes: Closes,
        }

        impl ShardMetrics {
            /// Every figure with its name, in declaration order.
            #[must_use]
            pub fn figures(&self) -> Vec<(&'static str, u64)> {
                let mut figures = vec![$((stringify!($name), self.$name.get()),)+];
                figures.extend(self.refusals.figures());
                figures.extend(self.closes.figures());
                figures
            }
        }
    };
}

shard_metrics! {
    /// Gauge: connections that hold a slot, in whatever state.
    connections,
    /// Gauge: sessions past their handshake and not yet closing.
    sessions,
    /// Gauge: operations the kernel still owes an answer to, over all connections.
    operations,
    /// Gauge: rooms with at least one member here, or homed here.
    rooms,
    /// Connections accepted.
    accepted,
    /// Requests refused, by whatever status.
    refused,
    /// Sessions opened.
    opened,
    /// Sessions that ended because the peer said so with a Close frame.
    peer_closed,
    /// Sessions whose connection ended without a Close frame from either side.
    lost,
    /// Sessions closed because nothing was heard of them.
    idle_closed,
    /// Connections that the web thread handed back for an upgrade.
    adopted_from_web,
    /// Messages published by sessions of this shard.
    published,
    /// Payload and header bytes appended to the log.
    appended_bytes,
    /// Sends submitted.
    sends,
    /// Bytes the kernel took.
    sent_bytes,
    /// Sends that met a full socket.
    send_blocked,
    /// Sessions closed because they fell behind.
    slow_closed,
    /// Times a session was moved to the head because it fell behind.
    slow_skipped,
    /// Sessions dropped because what was half received or not read took too much memory.
    holders_dropped,
    /// Receives that found no free buffer.
    receive_no_buffers,
    /// Accepts put off because a limit was reached.
    accept_backoffs,
    /// Published messages that crossed to another shard, on the way to their room's home or from it.
    mesh_publishes,
    /// Messages parked because another thread's ring was full.
    mesh_parked,
    /// Times the completion queue overflowed; the kernel keeps the entries.
    completion_overflows,
}
