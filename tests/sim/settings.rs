//! What one run looks like: drawn from its seed.

use std::num::NonZeroUsize;
use std::time::Duration;

use fanring::config::{Config, LOG_BYTES_MIN, SlowConsumer};
use fastrand::Rng;

use crate::kernel::Odds;
use crate::roles::Manners;

/// The settings of a run.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) config: Config,
    pub(crate) odds: Odds,
    pub(crate) manners: Manners,
    /// Rooms that clients ask for in their requests.
    pub(crate) rooms: usize,
    /// Rooms that only roamers come to.
    pub(crate) side_rooms: usize,
    /// Whether there is one roamer at most, who then hears of others in every room.
    pub(crate) lone_roamer: bool,
    pub(crate) clients: u32,
    pub(crate) steps: u32,
    /// Messages that a mesh ring holds.
    pub(crate) mesh_messages: usize,
    /// Sends in a chunk of a flush.
    pub(crate) flush_sends_max: usize,
    /// Bytes a client's socket takes that the client has not read.
    pub(crate) window_bytes_max: usize,
    /// Longest time between two steps.
    pub(crate) step_max: Duration,
    /// Chances in a thousand, each step, that the process stands still for a while.
    pub(crate) stalls: u32,
    /// Whether the server is stopped while everybody is there.
    pub(crate) stop: bool,
    /// Whether limits are so low that clients are refused.
    pub(crate) crowded: bool,
}

impl Settings {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let message_bytes_max = [16 << 10, 64 << 10, LOG_BYTES_MIN / 4][rng.usize(..3)];
        let lag_least = message_bytes_max + 14;
        // Many are behind, and told so.
        let pressed = rng.u8(..8) == 0;
        let heavy = pressed || rng.u8(..3) == 0;
        let crowded = rng.u8(..10) == 0;
        let tight = rng.u8(..5) == 0;
        let clients = rng.u32(3..14);
        let lone_roamer = rng.u8(..3) == 0;
        let presence_members_max = [0, 2, 2000][rng.usize(..3)];
        let seconds = |tight_seconds, seconds| {
            Duration::from_secs(if tight { tight_seconds } else { seconds })
        };
        let config = Config {
            shards: NonZeroUsize::new(rng.usize(1..=3)).expect("at least one"),
            log_bytes: LOG_BYTES_MIN,
            lag_bytes_max: match pressed {
                true => lag_least,
                false => rng.usize(lag_least..=LOG_BYTES_MIN / 2),
            },
            connections_max: if crowded { 4 } else { 1000 },
            message_bytes_max,
            ping_interval: seconds(1, 20),
            idle_timeout: seconds(4, 600),
            head_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(5),
            slow_consumer: match pressed || rng.bool() {
                true => SlowConsumer::Skip,
                false => SlowConsumer::Close,
            },
            // Counts do not say of which room they are.
            presence_members_max: if lone_roamer {
                2000
            } else {
                presence_members_max
            },
            spread_members_min: [1, 3, 64][rng.usize(..3)],
            rooms_max: if crowded { rng.usize(1..=3) } else { 100 },
            descriptors_max: 64,
            ..Config::default()
        };
        let heavy_bytes_max = heavy.then_some(message_bytes_max - 40);
        let manners = Self::draw_manners(heavy_bytes_max, pressed, rng);
        Self {
            config,
            odds: Odds::draw(rng),
            manners,
            rooms: match rng.u8(..12) {
                0 => rng.usize(8..=16),
                _ => rng.usize(1..=3),
            },
            side_rooms: rng.usize(..=2),
            lone_roamer,
            clients,
            steps: rng.u32(100..350),
            mesh_messages: [2, 8, 64, 1024][rng.usize(..4)],
            flush_sends_max: [1, 3, 256][rng.usize(..3)],
            window_bytes_max: [3000, 40_000, 300_000][rng.usize(..3)],
            step_max: Duration::from_millis([2, 20, 60][rng.usize(..3)]),
            stalls: if rng.bool() { rng.u32(..10) } else { 0 },
            stop: rng.u8(..4) == 0,
            crowded,
        }
    }

    fn draw_manners(heavy_bytes_max: Option<usize>, pressed: bool, rng: &mut Rng) -> Manners {
        Manners {
            payload_bytes_max: heavy_bytes_max.unwrap_or(2000),
            publish: if heavy_bytes_max.is_some() { 150 } else { 60 },
            stall: if pressed { 40 } else { rng.u32(..20) },
            wake: rng.u32(5..60),
            leave: rng.u32(..5),
            read: rng.u32(300..=1000),
            roam: [20, 100, 400][rng.usize(..3)],
        }
    }
}

impl Odds {
    /// Those of a run, each of which is kind in half of all runs.
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let mut chance = |most: f64| if rng.bool() { rng.f64() * most } else { 0.0 };
        Self {
            no_buffers: chance(0.3),
            end_of_multishot: chance(0.5),
            short: chance(0.5),
            partial_reap: chance(0.3),
            receive: 1.0 - chance(0.7),
            writable: 1.0 - chance(0.9),
        }
    }
}
