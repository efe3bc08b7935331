//! What one run looks like: drawn from its seed.

use std::time::Duration;

use fanring::cli::{Invocation, parse};
use fanring::config::Config;
use fanring::process::{AddressSpace, Machine};
use fastrand::Rng;

use super::names::Names;
use crate::kernel::Odds;

/// How those of a run behave. Chances are in a thousand, each time that somebody acts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manners {
    pub(crate) publish: u32,
    /// Of those who publish seldom.
    pub(crate) remark: u32,
    pub(crate) come: u32,
    pub(crate) go: u32,
    pub(crate) ask: u32,
    pub(crate) die: u32,
    pub(crate) stall: u32,
    pub(crate) wake: u32,
    pub(crate) read: u32,
    pub(crate) payload_bytes_max: usize,
    /// One in so many messages is as long as that.
    pub(crate) long: u32,
    /// The longest that somebody stays away whose connection has ended.
    pub(crate) away_max: Duration,
    /// Rooms that a client wants to be in.
    pub(crate) rooms_max: usize,
}

/// The settings of a run.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) config: Config,
    pub(crate) odds: Odds,
    pub(crate) manners: Manners,
    pub(crate) names: Names,
    /// Clients and plain members.
    pub(crate) actors: usize,
    /// Of those, who publish often.
    pub(crate) publishers: usize,
    pub(crate) steps: u32,
    pub(crate) mesh_messages: usize,
    pub(crate) flush_sends_max: usize,
    pub(crate) window_bytes_max: usize,
    pub(crate) step_max: Duration,
    pub(crate) stalls: u32,
    /// Whether histories have so little memory that they give way to one another.
    pub(crate) is_squeezed: bool,
    pub(crate) is_full: bool,
    /// Whether the server is stopped while everybody is there.
    pub(crate) stops: bool,
}

/// Every so-and-so-many-th seed is of the full size.
const FULL_EVERY: u64 = 20;

/// The largest message: sixfold, as a text in JSON may be, it is a sixteenth of the log at most.
const MESSAGE_BYTES_MAX: usize = 8 << 10;

impl Settings {
    pub(crate) fn draw(seed: u64, rng: &mut Rng) -> Self {
        let is_full = seed % FULL_EVERY == 7;
        let (rooms, actors) = match is_full {
            true => (20, 200),
            false => (rng.usize(1..=6), rng.usize(4..=24)),
        };
        let mut names = match rng.u8(..4) {
            0 => Names::playground(rooms),
            _ => Names::draw(rooms, rng),
        };
        let pressed = rng.u8(..3) == 0;
        let lag_bytes_max = match pressed {
            true => MESSAGE_BYTES_MAX + 14,
            false => rng.usize(16_000..=512 << 10),
        };
        let mut config = configure(&names.file, lag_bytes_max);
        let shards = if is_full {
            2
        } else {
            [1, 2, 2, 2, 3][rng.usize(..5)]
        };
        config.shards = std::num::NonZeroUsize::new(shards).expect("at least one");
        if rng.u8(..4) == 0 {
            config.presence_members_max = 3;
            names.announce_some();
        }
        config.spread_members_min = [1, 3, 64][rng.usize(..3)];
        config.descriptors_max = 1000;
        config.connections_max = 1000;
        config.idle_timeout = Duration::from_secs(600);
        let is_squeezed = rng.u8(..10) == 0;
        if is_squeezed {
            config.history_bytes_max = 40_000;
        }
        if rng.u8(..20) == 0 {
            config.positions_max = 1;
        }
        let is_slow = rng.bool();
        Self {
            config,
            odds: Odds::draw(rng),
            manners: draw_manners(pressed, is_full, rng),
            names,
            actors,
            publishers: if is_full {
                20
            } else {
                rng.usize(1..=actors.min(6))
            },
            steps: rng.u32(150..500),
            // Two messages a turn between shards are too little for what hundreds of members ask for.
            mesh_messages: [2, 8, 64, 1024][rng.usize(..4)].max(if is_full { 64 } else { 2 }),
            // A send a turn is too little for hundreds of members.
            flush_sends_max: if is_full { [16, 256] } else { [1, 256] }[rng.usize(..2)],
            window_bytes_max: [3000, 40_000, 300_000][rng.usize(..3)],
            step_max: Duration::from_millis(if is_slow { 300 } else { rng.u64(2..60) }),
            stalls: if rng.u8(..4) == 0 { rng.u32(..10) } else { 0 },
            is_squeezed,
            is_full,
            stops: rng.u8(..6) == 0,
        }
    }

    /// Whether turns come soon after one another, and each has time for everybody, so that what is decided in time is
    /// told in time.
    pub(crate) fn are_brisk(&self) -> bool {
        let sends = self.flush_sends_max * self.config.shards.get();
        self.step_max < Duration::from_millis(60)
            && self.stalls == 0
            && self.mesh_messages > 2
            && sends >= self.actors
    }
}

fn draw_manners(pressed: bool, is_full: bool, rng: &mut Rng) -> Manners {
    Manners {
        publish: if is_full {
            60
        } else {
            [50, 200, 500][rng.usize(..3)]
        },
        remark: rng.u32(1..20),
        come: rng.u32(20..200),
        go: rng.u32(2..40),
        ask: rng.u32(..20),
        die: rng.u32(1..15),
        long: if pressed { 2 } else { 8 },
        stall: if pressed { 40 } else { rng.u32(..20) },
        wake: rng.u32(5..60),
        read: rng.u32(300..=1000),
        payload_bytes_max: if pressed {
            6000
        } else {
            [300, 2000, 6000][rng.usize(..3)]
        },
        away_max: Duration::from_millis([100, 2000, 8000][rng.usize(..3)]),
        rooms_max: rng.usize(1..=6),
    }
}

/// What the command line makes of a file and of the limits that go with it.
fn configure(file: &str, lag_bytes_max: usize) -> Config {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.toml");
    let limit = format!("[websocket]\nmessage_size_limit = {MESSAGE_BYTES_MAX}\n{file}");
    std::fs::write(&path, limit).expect("a file");
    let (path, lag) = (path.display().to_string(), lag_bytes_max.to_string());
    let message = MESSAGE_BYTES_MAX.to_string();
    let mut arguments = vec!["fanring", "serve", "--log-bytes", "2MiB"];
    arguments.extend(["--message-bytes-max", &message, "--lag-bytes-max", &lag]);
    arguments.extend(["--config", &path]);
    let machine = Machine {
        descriptors_max: 2000,
        processors: 4,
        page_bytes: 4096,
        address_space: AddressSpace::Free,
    };
    match parse(arguments, &|_| None, &machine) {
        Ok(Invocation::Serve(start)) => start.config,
        other => panic!("{other:?} for {file}"),
    }
}
