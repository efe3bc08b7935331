//! What this machine allows: the capability matrix behind `fanring doctor`.
//!
//! Looks, tries things out on the loopback interface, and changes nothing. Everything that fails
//! comes with the sentence that says what to do about it.

mod live;

use crate::ring::{Ring, RingConfig, disabled_level, release, seccomp_mode};
use rustix::process::{Resource, Rlimit, getrlimit};
use std::{fmt, fs};

/// The oldest kernel that has everything, as (major, minor).
const FLOOR: (u32, u32) = (6, 1);

/// Descriptors a server needs besides those of its connections, generously.
const DESCRIPTORS_RESERVED: u64 = 64;

/// A hard descriptor limit below which the report warns.
const DESCRIPTORS_WANTED: u64 = 10_000 + DESCRIPTORS_RESERVED;

/// An accept queue below which a burst of connections gets lost SYNs.
const BACKLOG_WANTED: u64 = 1024;

/// How one capability stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// The server runs, but not as well as it could.
    Warning,
    /// The server can't run.
    Failure,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it stands.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do about it, unless it is good.
    pub fix: Option<String>,
}

/// All that was found. `Display` prints one line for each check, and the fix below it.
#[derive(Clone, Debug)]
pub struct Report {
    checks: Vec<Check>,
}

impl Report {
    /// The checks in the order they were made.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

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

/// Looks at everything, on the calling thread. Takes a few milliseconds.
#[must_use]
pub fn examine() -> Report {
    let mut checks = Vec::new();
    let ring = Ring::new(&RingConfig::default());
    checks.push(kernel(&release(), ring.is_ok()));
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
    checks.push(descriptors(&getrlimit(Resource::Nofile)));
    let locked = limit_text(getrlimit(Resource::Memlock).current);
    checks.push(good(
        "locked memory",
        format!("{locked} bytes (rings are not counted since 5.12)"),
    ));
    checks.extend(network());
    Report { checks }
}

fn good(name: &'static str, found: impl Into<String>) -> Check {
    Check {
        name,
        verdict: Verdict::Good,
        found: found.into(),
        fix: None,
    }
}

fn warning(name: &'static str, found: impl Into<String>, fix: impl fmt::Display) -> Check {
    Check {
        name,
        verdict: Verdict::Warning,
        found: found.into(),
        fix: Some(fix.to_string()),
    }
}

fn failure(name: &'static str, found: impl Into<String>, fix: impl fmt::Display) -> Check {
    Check {
        name,
        verdict: Verdict::Failure,
        found: found.into(),
        fix: Some(fix.to_string()),
    }
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

fn limit_text(limit: Option<u64>) -> String {
    limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string())
}

fn descriptors(limit: &Rlimit) -> Check {
    let room = limit
        .maximum
        .unwrap_or(u64::MAX)
        .saturating_sub(DESCRIPTORS_RESERVED);
    let found = format!(
        "soft {}, hard {}: room for {} connections",
        limit_text(limit.current),
        limit_text(limit.maximum),
        limit
            .maximum
            .map_or_else(|| "any number of".to_owned(), |_| room.to_string()),
    );
    if room + DESCRIPTORS_RESERVED >= DESCRIPTORS_WANTED {
        good("descriptors", found)
    } else if room > 0 {
        warning(
            "descriptors",
            found,
            "raise the hard limit: `ulimit -Hn` or LimitNOFILE=",
        )
    } else {
        failure(
            "descriptors",
            found,
            "raise the hard limit: `ulimit -Hn` or LimitNOFILE=",
        )
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
mod tests {
    use super::*;

    // Goal: on a machine that can run the tests of the ring, the doctor finds nothing that fails,
    // and has looked at everything.
    #[test]
    fn this_machine_is_usable() {
        let report = examine();
        assert!(report.usable(), "{report}");
        let names: Vec<_> = report.checks().iter().map(|check| check.name).collect();
        for name in [
            "kernel",
            "io_uring",
            "SENDMSG",
            "multishot receive",
            "descriptors",
        ] {
            assert!(names.contains(&name), "{name} is missing in {names:?}");
        }
    }

    // Goal: every failure makes the report unusable and prints its fix.
    #[test]
    fn failures_are_told_with_their_fix() {
        let report = Report {
            checks: vec![kernel("5.15.0-91-generic", false)],
        };
        assert!(!report.usable());
        let text = report.to_string();
        assert!(
            text.starts_with("FAIL") && text.contains("-> run Linux 6.1"),
            "{text}"
        );
        assert!(text.ends_with("can't run here: see FAIL above."), "{text}");
    }

    // Goal: versions are compared as numbers, and a ring that works outweighs the number.
    #[test]
    fn kernels_are_judged_by_version_and_by_what_works() {
        let verdict = |release, ring| kernel(release, ring).verdict;
        assert_eq!(verdict("6.1.0", true), Verdict::Good);
        assert_eq!(verdict("6.18.44-fc", true), Verdict::Good);
        assert_eq!(verdict("10.0", true), Verdict::Good);
        assert_eq!(verdict("6.0.19", false), Verdict::Failure);
        assert_eq!(verdict("5.14.0-503.el9", true), Verdict::Warning);
    }

    // Goal: a sysctl, a filter and a limit count only as far as they are in the way.
    #[test]
    fn obstacles_count_when_they_obstruct() {
        assert_eq!(sysctl(Some(2), false).verdict, Verdict::Failure);
        assert_eq!(sysctl(Some(1), true).verdict, Verdict::Good);
        assert_eq!(sysctl(None, false).verdict, Verdict::Good);
        assert_eq!(seccomp(Some(2), false).verdict, Verdict::Warning);
        assert_eq!(seccomp(Some(2), true).verdict, Verdict::Good);
        let limit = |maximum| {
            descriptors(&Rlimit {
                current: Some(64),
                maximum,
            })
            .verdict
        };
        assert_eq!(limit(Some(1024)), Verdict::Warning);
        assert_eq!(limit(Some(20_000)), Verdict::Good);
        assert_eq!(limit(None), Verdict::Good);
        assert_eq!(limit(Some(10)), Verdict::Failure);
    }
}
