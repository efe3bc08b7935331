//! What this machine gives the process: descriptors, processors, page size.
//!
//! Kept apart from the checks that use it, so that tests can make one up.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors a process gets where its limit is infinite: the kernel's `fs.nr_open` default.
const DESCRIPTORS_WHERE_UNLIMITED: u64 = 1 << 20;

/// The machine as far as settings depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// The hard `RLIMIT_NOFILE`.
    pub descriptors_max: usize,
    /// Processors in this thread's affinity mask, at least 1.
    pub processors: usize,
    /// The page size in bytes.
    pub page_bytes: usize,
}

impl Machine {
    /// Asks the kernel.
    #[must_use]
    pub fn probe() -> Self {
        let hard = getrlimit(Resource::Nofile)
            .maximum
            .unwrap_or(DESCRIPTORS_WHERE_UNLIMITED);
        let processors = rustix::thread::sched_getaffinity(None).map_or(1, |mask| mask.count());
        Self {
            descriptors_max: usize::try_from(hard).unwrap_or(usize::MAX),
            processors: usize::try_from(processors).unwrap_or(1).max(1),
            page_bytes: rustix::param::page_size(),
        }
    }
}

/// Raises the soft `RLIMIT_NOFILE` to the hard one: it guards programs that use `select`, and this
/// one does not.
///
/// # Errors
/// When `setrlimit(2)` fails, which it does not for a soft limit that stays below the hard one.
pub fn raise_descriptor_limit() -> io::Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    )?;
    Ok(())
}
