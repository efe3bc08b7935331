//! What this machine allows: the capability matrix behind `fanring doctor`.
//!
//! Looks, tries things out on the loopback interface, and changes nothing. Everything that fails
//! comes with the sentence that says what to do about it.

mod check;
mod live;
mod quiet;
mod trial;

use std::{fmt, fs};

pub(crate) use self::check::{Check, Verdict};
use self::check::{failure, good, warning};
use crate::config::{CONNECTIONS_MOST, Config, SHARDS_MAX};
use crate::process::{Limit, Machine, kernel_release, seccomp_mode};
use crate::ring::{Ring, RingConfig, disabled_level};

/// The oldest kernel that has everything, as (major, minor).
const FLOOR: (u32, u32) = (6, 1);

/// Connections below which the report calls the descriptor limit small.
const CONNECTIONS_WANTED: usize = 10_000;

/// An accept queue below which a burst of connections gets lost SYNs.
const BACKLOG_WANTED: u64 = 1024;

/// All that was found. `Display` prints one line for each check, and the fix below it.
#[derive(Clone, Debug)]
pub struct Report {
    /// In the order they were made.
    checks: Vec<Check>,
}

impl Report {
    /// Whether a server can run here: nothing failed.
    #[must_use]
    pub fn usable(&self) -> bool {
        self.checks
            .iter()
            .all(|check| check.verdict != Verdict::Failure)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            let word = match check.verdict {
                Verdict::Good => "ok",
                Verdict::Warning => "warning",
                Verdict::Failure => "FAIL",
            };
            writeln!(f, "{word:<8} {:<22} {}", check.name, check.found)?;
            if let Some(fix) = &check.fix {
                writeln!(f, "{:31} -> {fix}", "")?;
            }
        }
        let last = if self.usable() {
            "can run here"
        } else {
            "can't run here: see FAIL above"
        };
        write!(f, "Fanring {last}.")
    }
}

/// Looks at everything, on the calling thread, for a server on `machine`. Takes a few milliseconds.
#[must_use]
pub fn examine(machine: &Machine) -> Report {
    let mut checks = Vec::new();
    let ring = Ring::new(&RingConfig::default());
    checks.push(kernel(&kernel_release(), ring.is_ok()));
    checks.push(sysctl(disabled_level(), ring.is_ok()));
    checks.push(seccomp(seccomp_mode(), ring.is_ok()));
    match ring {
        Ok(mut ring) => {
            checks.push(setup(&ring));
            checks.extend(operations(&ring));
            checks.extend(live::try_out(&mut ring));
        }
        Err(error) => checks.push(failure("io_uring", "not available", &error)),
    }
    checks.push(descriptors(machine, Limit::of_descriptors()));
    let locked = Limit::of_locked_memory();
    checks.push(good(
        "locked memory",
        format!("{locked} bytes (rings are not counted since 5.12)"),
    ));
    checks.extend(network());
    Report { checks }
}

/// An old version is no failure by itself: distributions port `io_uring` back.
fn kernel(release: &str, ring: bool) -> Check {
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let found = format!("{release} (the floor is {}.{})", FLOOR.0, FLOOR.1);
    let fix = "run Linux 6.1 or newer";
    match (version >= FLOOR, ring) {
        (true, _) => good("kernel", found),
        (false, true) => warning("kernel", format!("{found}, io_uring ported back"), fix),
        (false, false) => failure("kernel", found, fix),
    }
}

fn sysctl(level: Option<u8>, ring: bool) -> Check {
    let name = "io_uring_disabled";
    match level {
        None => good(name, "no such sysctl (it came with 6.6)"),
        Some(0) => good(name, "0, open to all"),
        Some(level) if ring => good(name, format!("{level}, but this user may")),
        Some(level) => failure(
            name,
            level.to_string(),
            "run `sysctl -w kernel.io_uring_disabled=0` as root",
        ),
    }
}

fn seccomp(mode: Option<u8>, ring: bool) -> Check {
    let name = "seccomp";
    match mode {
        None => good(name, "unknown, /proc/self/status does not tell"),
        Some(0) => good(name, "no filter"),
        Some(mode) if ring => good(name, format!("mode {mode}, but io_uring passes")),
        Some(mode) => warning(
            name,
            format!("mode {mode}, a filter is in place"),
            "if io_uring fails with EPERM or ENOSYS, allow its three calls in the profile \
             (Docker: `--security-opt seccomp=unconfined` or a profile of your own)",
        ),
    }
}

fn setup(ring: &Ring) -> Check {
    let features = *ring.features();
    if features.single_issuer && features.defer_taskrun && features.submit_all {
        good("io_uring", features.to_string())
    } else {
        warning(
            "io_uring",
            features.to_string(),
            "a kernel from 6.1 on grants all of these",
        )
    }
}

fn operations(ring: &Ring) -> Vec<Check> {
    let found = match ring.operations() {
        Ok(found) => found,
        Err(error) => return vec![failure("operations", "can't be probed", error)],
    };
    let one = |(name, present)| {
        if present {
            good(name, "supported")
        } else {
            failure(name, "missing", "run Linux 6.1 or newer")
        }
    };
    found.into_iter().map(one).collect()
}

/// The room is that of a server whose settings are all at their defaults: what it leaves for sessions.
fn descriptors(machine: &Machine, soft: Limit) -> Check {
    let shards = machine.processors.min(SHARDS_MAX);
    let hard = machine.descriptors_max;
    let web_connections_max = Config::web_connections_for(hard);
    let listeners = Config::default().listen.len();
    let reserved = Config::descriptors_reserved(hard, shards, listeners, web_connections_max);
    let room = hard.saturating_sub(reserved).min(CONNECTIONS_MOST);
    let found = format!("soft {soft}, hard {hard}: room for {room} connections");
    let fix = "raise the hard limit: `ulimit -Hn` or LimitNOFILE=";
    match room {
        0 => failure("descriptors", found, fix),
        CONNECTIONS_WANTED.. => good("descriptors", found),
        _ => warning("descriptors", found, fix),
    }
}

/// What the kernel's network settings mean for fan-out. None of them stops a server.
fn network() -> Vec<Check> {
    let read = |path: &str| {
        let text = fs::read_to_string(format!("/proc/sys/net/{path}")).unwrap_or_default();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let backlog = read("core/somaxconn");
    let wide = backlog.parse().unwrap_or(u64::MAX) >= BACKLOG_WANTED;
    vec![
        good("congestion control", read("ipv4/tcp_congestion_control")),
        good(
            "tcp_wmem",
            format!("{} (min default max, bytes)", read("ipv4/tcp_wmem")),
        ),
        good(
            "tcp_rmem",
            format!("{} (min default max, bytes)", read("ipv4/tcp_rmem")),
        ),
        if wide {
            good("somaxconn", backlog)
        } else {
            let fix = "run `sysctl -w net.core.somaxconn=4096` for bursts of connections";
            warning("somaxconn", backlog, fix)
        },
    ]
}

#[cfg(test)]
mod tests;
