//! Flags, and their check into [`Settings`].

use anyhow::{Context, bail, ensure};
use clap::Parser;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use crate::payload::HEADER_BYTES;
use crate::results::output::OutputArgs;

/// The largest message, in bytes.
const SIZE_MAX: usize = 16 << 20;

/// The most subscriber and publisher pairs that are kept book of (16 bytes each).
const PAIRS_MAX: u64 = 1 << 24;

/// Drives a WebSocket broadcast server and measures its fan-out.
///
/// Opens all sessions, publishes on a fixed plan, and checks that every subscriber gets every message
/// exactly once and in order. Latency runs from the time a message was due, so that a
/// stall of the server counts for all messages it holds up.
///
/// Exit codes: 0 all well; 1 the run could not be made; 3 messages were lost, repeated, out of
/// order or damaged, or connections were closed.
#[derive(Debug, Parser)]
#[command(name = "fanload", version, verbatim_doc_comment)]
pub(crate) struct Args {
    /// Server to connect to, as HOST:PORT.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9001")]
    target: String,
    /// Path and query of the upgrade request, taken verbatim.
    #[arg(long, default_value = "/ws?presence=0")]
    path: String,
    /// Sessions that receive and are checked.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    subscribers: u32,
    /// Further sessions that publish; what they receive is read and not checked.
    #[arg(long, value_name = "N", default_value_t = 1)]
    publishers: u32,
    /// Messages a second, over all publishers together.
    #[arg(long, value_name = "N", default_value_t = 60)]
    rate: u32,
    /// Payload of each message, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    size: usize,
    /// Seconds that are measured.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    duration: Duration,
    /// Seconds of the same load before that; checked, but not measured.
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    warmup: Duration,
    /// Seconds to wait for the last deliveries; what is missing then is lost.
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    drain: Duration,
    /// Processor to run on.
    #[arg(long, value_name = "CPU")]
    pin: Option<usize>,
    /// Process of the server on this machine, for its processor time and memory.
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
    #[command(flatten)]
    output: OutputArgs,
    /// Connections to open each second; as fast as they go if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    connect_rate: Option<u32>,
    /// Seconds in which all sessions must be open.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    connect_timeout: Duration,
    /// Instead of a load: open this many sessions that stay idle, and report the server's memory.
    #[arg(long, value_name = "N", requires = "server_pid",
          conflicts_with_all = ["subscribers", "publishers", "rate", "size", "duration", "warmup"])]
    idle: Option<u32>,
    /// Seconds for which idle sessions are held before the memory is read.
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = seconds)]
    hold: Duration,
}

/// A checked run.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Where to connect.
    pub(crate) target: SocketAddr,
    /// The target as it was given, for the `Host` header and for messages.
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) subscribers: u32,
    pub(crate) publishers: u32,
    pub(crate) rate: u32,
    pub(crate) size: usize,
    pub(crate) duration: Duration,
    pub(crate) warmup: Duration,
    pub(crate) drain: Duration,
    pub(crate) pin: Option<usize>,
    pub(crate) server_pid: Option<u32>,
    pub(crate) output: OutputArgs,
    pub(crate) connect_rate: Option<u32>,
    pub(crate) connect_timeout: Duration,
    /// Whether sessions are only opened and held.
    pub(crate) idle: bool,
    pub(crate) hold: Duration,
}

impl Settings {
    /// All sessions of the run.
    pub(crate) fn sessions(&self) -> u32 {
        self.subscribers + self.publishers
    }
}

impl Args {
    /// Checks what clap can't.
    ///
    /// # Errors
    /// One sentence that names the flag and what it takes.
    pub(crate) fn check(self) -> anyhow::Result<Settings> {
        let target = self
            .target
            .to_socket_addrs()
            .with_context(|| format!("--target {}: want HOST:PORT", self.target))?
            .next()
            .with_context(|| format!("--target {}: no such host", self.target))?;
        let path = &self.path;
        let is_path = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
        ensure!(
            is_path,
            "--path {path}: want a path that starts with / and holds no spaces"
        );
        let (subscribers, publishers) = match self.idle {
            Some(sessions) => (sessions, 0),
            None => (self.subscribers, self.publishers),
        };
        ensure!(
            subscribers > 0,
            "--subscribers (or --idle) must be at least 1"
        );
        if self.idle.is_none() {
            self.check_load()?;
        }
        let sessions = u64::from(subscribers) + u64::from(publishers);
        ensure!(
            sessions <= u64::from(fanring::ring::SLOT_MAX),
            "{sessions} sessions are more than one process can keep apart: at most {}",
            fanring::ring::SLOT_MAX
        );
        Ok(Settings {
            target,
            host: self.target,
            path: self.path,
            subscribers,
            publishers,
            rate: self.rate,
            size: self.size,
            duration: self.duration,
            warmup: self.warmup,
            drain: self.drain,
            pin: self.pin,
            server_pid: self.server_pid,
            output: self.output,
            connect_rate: self.connect_rate,
            connect_timeout: self.connect_timeout,
            idle: self.idle.is_some(),
            hold: self.hold,
        })
    }

    fn check_load(&self) -> anyhow::Result<()> {
        ensure!(self.publishers > 0, "--publishers must be at least 1");
        ensure!(self.rate > 0, "--rate must be at least 1");
        ensure!(
            self.duration > Duration::ZERO,
            "--duration must be more than 0"
        );
        if !(HEADER_BYTES..=SIZE_MAX).contains(&self.size) {
            bail!(
                "--size {}: want {HEADER_BYTES} (the header that is checked) to {SIZE_MAX} bytes",
                self.size
            );
        }
        let pairs = u64::from(self.subscribers) * u64::from(self.publishers);
        ensure!(
            pairs <= PAIRS_MAX,
            "{pairs} pairs of subscriber and publisher are over the limit of {PAIRS_MAX}: use fewer"
        );
        Ok(())
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let day = Duration::from_secs(86_400);
    let number: f64 = text
        .parse()
        .map_err(|_| "want a number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(number) {
        Ok(span) if span <= day => Ok(span),
        _ => Err("want 0 to 86400 seconds".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(flags: &[&str]) -> Result<Settings, String> {
        let all = ["fanload"].iter().chain(flags);
        let args = Args::try_parse_from(all).map_err(|error| error.to_string())?;
        args.check().map_err(|error| error.to_string())
    }

    // Goal: every flag that can't work is refused with a sentence that says what would.
    #[test]
    fn bad_flags_name_the_fix() {
        let cases: [(&[&str], &str); 9] = [
            (&["--size", "23"], "want 24"),
            (&["--rate", "0"], "at least 1"),
            (&["--publishers", "0"], "at least 1"),
            (&["--subscribers", "0"], "at least 1"),
            (&["--path", "ws"], "starts with /"),
            (&["--target", "nonsense"], "HOST:PORT"),
            (&["--duration", "soon"], "number of seconds"),
            (
                &["--subscribers", "100000", "--publishers", "1000"],
                "over the limit",
            ),
            (&["--idle", "10"], "--server-pid"),
        ];
        for (flags, fix) in cases {
            let error = check(flags).unwrap_err();
            assert!(error.contains(fix), "{flags:?}: {error}");
        }
    }

    // Goal: idle mode has no publishers, and the defaults are a run.
    #[test]
    fn modes_are_told_apart() {
        let idle = check(&["--idle", "10", "--server-pid", "1"]).unwrap();
        assert_eq!(
            (idle.subscribers, idle.publishers, idle.idle),
            (10, 0, true)
        );
        let load = check(&[]).unwrap();
        assert_eq!(
            (load.sessions(), load.rate, load.size, load.idle),
            (1001, 60, 64, false)
        );
    }
}
