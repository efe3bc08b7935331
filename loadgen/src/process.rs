//! This process's limits and processor, and the server's use of processor and memory (`proc(5)`).

use crate::cli::Settings;
use anyhow::{Context, ensure};
use fanring::ring::socket::raise_descriptor_limit;
use rustix::thread::{CpuSet, sched_setaffinity};
use std::fs;

/// Descriptors this program needs besides those of its connections.
const DESCRIPTORS_RESERVED: u64 = 32;

/// Checks and sets up what a run needs of this machine.
///
/// # Errors
/// One sentence: too few descriptors, no such processor, no such server process.
pub(crate) fn prepare(settings: &Settings) -> anyhow::Result<()> {
    let limit = raise_descriptor_limit().context("raising the limit on descriptors")?;
    let needed = u64::from(settings.sessions()) + DESCRIPTORS_RESERVED;
    ensure!(
        needed <= limit,
        "{} sessions need {needed} descriptors, but the limit is {limit}: raise it with \
         `ulimit -Hn`, or use several processes",
        settings.sessions()
    );
    if let Some(cpu) = settings.pin {
        let mut set = CpuSet::new();
        ensure!(
            cpu < CpuSet::MAX_CPU,
            "--pin {cpu}: there is no such processor"
        );
        set.set(cpu);
        sched_setaffinity(None, &set)
            .with_context(|| format!("--pin {cpu}: this processor can't be used"))?;
    }
    if let Some(pid) = settings.server_pid {
        cpu_ns(pid)?;
        resident_bytes(pid)?;
    }
    Ok(())
}

/// Processor time of all threads of a process that are still there, in nanoseconds.
///
/// # Errors
/// When the process is gone or its times can't be read.
pub(crate) fn cpu_ns(pid: u32) -> anyhow::Result<u64> {
    let about = || format!("--server-pid {pid}: can't read its processor time in /proc");
    let mut total = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).with_context(about)? {
        let path = task.with_context(about)?.path().join("schedstat");
        // A thread may end between the listing and the reading.
        let Ok(text) = fs::read_to_string(path) else {
            continue;
        };
        let first = text.split_whitespace().next().unwrap_or_default();
        total += first.parse::<u64>().with_context(about)?;
    }
    Ok(total)
}

/// Resident memory of a process, in bytes. Counted page by page, unlike `statm`, which lags.
///
/// # Errors
/// When the process is gone or belongs to another user.
pub(crate) fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    let about = || format!("--server-pid {pid}: can't read its memory in /proc");
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).with_context(about)?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Rss:"))
        .with_context(about)?;
    let kibibytes: u64 = line
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .with_context(about)?;
    Ok(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: the figures are in the units they claim, judged by this very process.
    #[test]
    fn figures_have_their_units() {
        let pid = std::process::id();
        let resident = resident_bytes(pid).unwrap();
        assert!((500_000..1 << 32).contains(&resident), "{resident}");
        let block = vec![1u8; 32 << 20];
        let grown = resident_bytes(pid).unwrap();
        assert!(
            grown >= resident + (block.len() as u64 / 2),
            "{resident} to {grown}"
        );
        let before = crate::clock::own_cpu_ns();
        assert!(cpu_ns(pid).unwrap() <= before + 60_000_000_000);
    }

    // Goal: a process that is not there is a sentence, not a zero.
    #[test]
    fn missing_processes_are_errors() {
        assert!(
            cpu_ns(u32::MAX)
                .unwrap_err()
                .to_string()
                .contains("--server-pid")
        );
        assert!(
            resident_bytes(u32::MAX)
                .unwrap_err()
                .to_string()
                .contains("--server-pid")
        );
    }
}
