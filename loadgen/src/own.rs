//! What of this machine a run may read. An agent runs what others ask for, and its files and its environment are
//! none of theirs.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::ensure;

/// Whether nothing may be read.
static DENIED: AtomicBool = AtomicBool::new(false);

/// From now on nothing of this machine is read for runs.
pub(crate) fn deny() {
    DENIED.store(true, Ordering::Release);
}

/// Whether something may be read.
///
/// # Errors
/// One sentence that says how it could be allowed.
pub(crate) fn ask() -> anyhow::Result<()> {
    ensure!(
        !DENIED.load(Ordering::Acquire),
        "an agent reads no files and no environment for others: start it with --allow-files"
    );
    Ok(())
}
