//! What a run needs of this machine: descriptors, and processors to run on.

use anyhow::{Context, ensure};
use fanring::process::raise_descriptor_limit;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::cli::settings::Settings;
use crate::load::crew::Crew;

/// Descriptors this program needs besides those of its connections.
const DESCRIPTORS_RESERVED: u64 = 32;

/// Checks and sets up what a run needs of this machine.
///
/// # Errors
/// One sentence: too few descriptors, no such processor.
pub(crate) fn prepare(settings: &Settings, crew: &Crew) -> anyhow::Result<()> {
    let limit = raise_descriptor_limit().context("raising the limit on descriptors")?;
    let sessions = settings.layout().sessions();
    let own = (0..sessions)
        .filter(|session| crew.is_own(*session))
        .count();
    let needed = own as u64 + reserved(settings.workers);
    ensure!(
        needed <= limit,
        "{own} sessions need {needed} descriptors, but the limit is {limit}: raise it with \
         `ulimit -Hn`, or use more --agents"
    );
    let allowed = sched_getaffinity(None).context("reading which processors may be used")?;
    for &cpu in &settings.pin {
        ensure!(
            cpu < CpuSet::MAX_CPU,
            "--pin {cpu}: there is no such processor"
        );
        ensure!(
            allowed.is_set(cpu),
            "--pin {cpu}: this processor can't be used"
        );
    }
    Ok(())
}

/// How many sessions this process may open.
///
/// # Errors
/// When the limit can't be read.
pub(crate) fn sessions_max(workers: u32) -> anyhow::Result<u64> {
    let limit = raise_descriptor_limit().context("raising the limit on descriptors")?;
    Ok(limit.saturating_sub(reserved(workers)))
}

/// Descriptors that are no session's: a ring and a doorbell for each worker, and some others.
fn reserved(workers: u32) -> u64 {
    2 * u64::from(workers) + DESCRIPTORS_RESERVED
}

/// Keeps the calling thread on one processor.
///
/// # Errors
/// When there is none with that number, or it may not be used.
pub(crate) fn pin(cpu: usize) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set)
        .with_context(|| format!("--pin {cpu}: this processor can't be used"))
}
