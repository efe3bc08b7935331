//! What the operating system gives this process: descriptors, memory it may lock, processors, and how
//! it is filtered. What that is enough for is decided elsewhere.

use std::{fmt, fs, io};

use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Descriptors a process gets where its limit is infinite: the kernel's `fs.nr_open` default.
const DESCRIPTORS_WHERE_UNLIMITED: u64 = 1 << 20;

/// The machine as far as settings depend on it. Apart from the checks that use it, so that tests can
/// make one up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// The hard `RLIMIT_NOFILE`.
    pub descriptors_max: usize,
    /// Processors in this thread's affinity mask, at least 1.
    pub processors: usize,
    /// The page size in bytes.
    pub page_bytes: usize,
    /// Whether it may take addresses that it has no memory at.
    pub address_space: AddressSpace,
}

/// What addresses cost this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressSpace {
    /// Nothing: memory counts once it is used.
    Free,
    /// As much as memory: a limit counts them, or the kernel promises no more memory than it has.
    Counted,
}

impl AddressSpace {
    /// `limits` are those that count them (`getrlimit(2)`), and `overcommit` is what `proc_sys_vm(5)` says.
    fn under(limits: [Limit; 2], overcommit: &str) -> Self {
        let are_limited = limits.iter().any(|limit| limit.0.is_some());
        if are_limited || overcommit.trim() == "2" {
            Self::Counted
        } else {
            Self::Free
        }
    }

    fn probe() -> Self {
        let limits = [Resource::As, Resource::Data].map(|one| Limit(getrlimit(one).current));
        let overcommit = fs::read_to_string("/proc/sys/vm/overcommit_memory");
        Self::under(limits, &overcommit.unwrap_or_default())
    }
}

impl Machine {
    /// Asks the kernel.
    #[must_use]
    pub fn probe() -> Self {
        let hard = getrlimit(Resource::Nofile)
            .maximum
            .unwrap_or(DESCRIPTORS_WHERE_UNLIMITED);
        Self {
            descriptors_max: usize::try_from(hard).expect("64-bit machines"),
            processors: processors().len().max(1),
            page_bytes: rustix::param::page_size(),
            address_space: AddressSpace::probe(),
        }
    }
}

/// A soft limit of `getrlimit(2)`. `Display` is its number, or "unlimited".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(Option<u64>);

impl Limit {
    /// Of open descriptors (`RLIMIT_NOFILE`).
    pub(crate) fn of_descriptors() -> Self {
        Self(getrlimit(Resource::Nofile).current)
    }

    /// Of memory that may be locked, in bytes (`RLIMIT_MEMLOCK`).
    pub(crate) fn of_locked_memory() -> Self {
        Self(getrlimit(Resource::Memlock).current)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(limit) => limit.fmt(f),
            None => f.write_str("unlimited"),
        }
    }
}

/// Raises the soft limit on open descriptors to the hard one, and returns the limit that then holds:
/// it guards programs that use `select`, and this one does not. A connection costs one descriptor.
///
/// # Errors
/// What `setrlimit(2)` says; not to be expected, since the hard limit is not touched.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        setrlimit(Resource::Nofile, limit)?;
    }
    Ok(limit.current.unwrap_or(u64::MAX))
}

/// Asks the kernel for no huge pages in this process (`PR_SET_THP_DISABLE`, `prctl(2)`). The allocator wants them, and
/// each takes 2 MiB as soon as any of it is touched: as much as thousands of idle sessions. Where the kernel refuses,
/// nothing is lost but memory.
pub fn refuse_huge_pages() {
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// The numbers of the processors in this thread's affinity mask, in order; none where the kernel does
/// not tell (`sched_getaffinity(2)`).
pub(crate) fn processors() -> Vec<usize> {
    let Ok(mask) = sched_getaffinity(None) else {
        return Vec::new();
    };
    (0..CpuSet::MAX_CPU)
        .filter(|&processor| mask.is_set(processor))
        .collect()
}

/// Keeps the calling thread on one processor (`sched_setaffinity(2)`).
///
/// # Errors
/// EINVAL when the processor may not be used.
pub(crate) fn pin(processor: usize) -> io::Result<()> {
    let mut only = CpuSet::new();
    only.set(processor);
    Ok(sched_setaffinity(None, &only)?)
}

/// The kernel's release, as `uname -r` prints it.
pub(crate) fn kernel_release() -> String {
    rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned()
}

/// How the process is filtered: 0 not at all, 1 strictly, 2 by a filter (`proc_pid_status(5)`).
pub(crate) fn seccomp_mode() -> Option<u8> {
    status_field("Seccomp:")?.parse().ok()
}

/// Whether whoever started the process has had a signal ignored (`proc_pid_status(5)`, `SigIgn`).
pub(crate) fn is_signal_ignored(signal: i32) -> bool {
    let mask = status_field("SigIgn:").and_then(|mask| u64::from_str_radix(&mask, 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// What `/proc/self/status` says behind a name.
fn status_field(name: &str) -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let field = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(field.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the limit that is reported is the one that holds, and raising it twice changes
    /// nothing.
    #[test]
    fn the_descriptor_limit_goes_up_to_the_hard_one() {
        let raised = raise_descriptor_limit().unwrap();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        assert_eq!(limit.current.unwrap_or(u64::MAX), raised);
        assert_eq!(raise_descriptor_limit().unwrap(), raised);
        assert_eq!(Limit::of_descriptors(), Limit(limit.maximum));
    }

    /// Goal: addresses are counted where either limit does so, or the kernel.
    #[test]
    fn addresses_are_free_where_nothing_counts_them() {
        let (none, some) = (Limit(None), Limit(Some(1 << 30)));
        for (limits, overcommit, address_space) in [
            ([none, none], "0\n", AddressSpace::Free),
            ([none, none], "1\n", AddressSpace::Free),
            ([none, none], "", AddressSpace::Free),
            ([none, none], "2\n", AddressSpace::Counted),
            ([some, none], "0\n", AddressSpace::Counted),
            ([none, some], "1\n", AddressSpace::Counted),
        ] {
            assert_eq!(AddressSpace::under(limits, overcommit), address_space);
        }
    }

    /// Goal: people read a limit as a number or a word.
    #[test]
    fn limits_are_told_in_words() {
        assert_eq!(Limit(Some(1024)).to_string(), "1024");
        assert_eq!(Limit(None).to_string(), "unlimited");
    }

    /// Goal: a thread that is pinned has that one processor and no other, and others keep theirs.
    #[test]
    fn a_pinned_thread_has_one_processor() {
        let before = processors();
        assert_eq!(before.len(), Machine::probe().processors);
        for &processor in &before {
            let pinned = std::thread::spawn(move || {
                pin(processor).unwrap();
                processors()
            });
            assert_eq!(pinned.join().unwrap(), [processor]);
        }
        assert_eq!(processors(), before);
    }

    /// Goal: fields of the process's status are found by their whole name, and read as numbers.
    #[test]
    fn the_status_of_the_process_is_read() {
        let pid = status_field("Pid:").unwrap();
        assert_eq!(pid, std::process::id().to_string());
        assert!(seccomp_mode().is_some());
        assert_eq!(status_field("No such field:"), None);
    }
}
