//! Making a ring: setup flags with their fallback, the probe, and why it can fail.
//!
//! Does not drive a ring; see [`Ring`](super::Ring).

use super::buffers::{BUFFERS_MAX, BufferRing, GROUP};
use io_uring::{IoUring, Probe, opcode};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use std::{fmt, fs, io};

/// Sizes of a ring. The defaults are measured: small rings stay in the cache, and ones 16 to 64
/// times this size cost 10-25% more per delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingConfig {
    /// Operations queued before one submission, in entries.
    pub sq_entries: u32,
    /// Completions the kernel posts before it has to set some aside, in entries.
    pub cq_entries: u32,
    /// Receive buffers, a power of two up to 32,768.
    pub buffers: u16,
    /// Size of each receive buffer, in bytes.
    pub buffer_bytes: u32,
}

impl Default for RingConfig {
    fn default() -> Self {
        Self {
            sq_entries: 512,
            cq_entries: 4096,
            buffers: 64,
            buffer_bytes: 2048,
        }
    }
}

/// What the kernel granted. `Display` is one line for a start-up log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// `IORING_SETUP_SINGLE_ISSUER` (6.0).
    pub single_issuer: bool,
    /// `IORING_SETUP_DEFER_TASKRUN` (6.1): completion work runs only while this thread waits.
    pub defer_taskrun: bool,
    /// `IORING_SETUP_SUBMIT_ALL` (5.18): one bad operation does not hold up the rest.
    pub submit_all: bool,
    /// `IORING_SETUP_CLAMP` (5.6): sizes over the kernel's limit are cut instead of refused.
    pub clamp: bool,
    /// Submission queue, in entries.
    pub sq_entries: u32,
    /// Completion queue, in entries.
    pub cq_entries: u32,
    /// Receive buffers.
    pub buffers: u16,
    /// Size of each receive buffer, in bytes.
    pub buffer_bytes: u32,
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = [
            (self.single_issuer, "SINGLE_ISSUER"),
            (self.defer_taskrun, "DEFER_TASKRUN"),
            (self.submit_all, "SUBMIT_ALL"),
            (self.clamp, "CLAMP"),
        ];
        for (granted, name) in flags {
            write!(f, "{}{name} ", if granted { "" } else { "no " })?;
        }
        let Self {
            sq_entries,
            cq_entries,
            buffers,
            buffer_bytes,
            ..
        } = self;
        write!(
            f,
            "sq {sq_entries} cq {cq_entries} buffers {buffers} x {buffer_bytes} B"
        )
    }
}

/// Why there is no ring. `Display` is one sentence that names the cause and the fix.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// Older than the floor, or without something the floor has.
    #[error("the kernel ({release}) has no {missing}: Fanring needs Linux 6.1 or newer")]
    KernelTooOld {
        /// What `uname -r` says.
        release: String,
        /// What was asked for in vain.
        missing: &'static str,
    },
    /// The administrator switched `io_uring` off.
    #[error(
        "io_uring is switched off (sysctl kernel.io_uring_disabled = {level}): run `sysctl -w \
         kernel.io_uring_disabled=0` as root, {}",
        if *.level == 1 { "or start the server with a member of kernel.io_uring_group" }
        else { "and keep it in /etc/sysctl.d" }
    )]
    Disabled {
        /// 1: for those without privilege; 2: for everyone.
        level: u8,
    },
    /// Something between the process and the kernel refuses the call.
    #[error(
        "{call} was refused with {errno}, most likely by a seccomp filter (Docker's default \
         profile does that): allow io_uring_setup, io_uring_enter and io_uring_register in the \
         profile, or run the container with `--security-opt seccomp=unconfined`"
    )]
    Seccomp {
        /// The system call.
        call: &'static str,
        /// What it answered.
        errno: &'static str,
    },
    /// The kernel has no `io_uring` and nothing filters calls.
    #[error(
        "the kernel ({release}) was built without io_uring: run one of 6.1 or newer with \
         CONFIG_IO_URING"
    )]
    Absent {
        /// What `uname -r` says.
        release: String,
    },
    /// Not enough memory, or not enough that may be locked.
    #[error(
        "no memory for the ring (limit on locked memory: {limit}): raise it with `ulimit -l` or \
         LimitMEMLOCK=, or free memory"
    )]
    LockedMemory {
        /// The soft limit, in bytes or "unlimited".
        limit: String,
    },
    /// No descriptor left for the ring.
    #[error(
        "no file descriptor left for the ring (limit: {limit}): raise it with `ulimit -n` or \
         LimitNOFILE="
    )]
    Descriptors {
        /// The soft limit, as a number or "unlimited".
        limit: String,
    },
    /// Anything else.
    #[error("{call} failed: {source}; `fanring doctor` shows what this machine allows")]
    Kernel {
        /// The system call.
        call: &'static str,
        /// What it answered.
        source: Errno,
    },
}

/// The operations a ring must have, with the numbers they go by. The last one is not used: it came
/// with 6.1, and so tells a kernel (or a back-port) that has the multishot forms of the others.
const REQUIRED: [(&str, u8); 9] = [
    ("ACCEPT", opcode::Accept::CODE),
    ("RECV", opcode::Recv::CODE),
    ("SEND", opcode::Send::CODE),
    ("SENDMSG", opcode::SendMsg::CODE),
    ("POLL_ADD", opcode::PollAdd::CODE),
    ("READ", opcode::Read::CODE),
    ("TIMEOUT", opcode::Timeout::CODE),
    ("ASYNC_CANCEL", opcode::AsyncCancel::CODE),
    ("SENDMSG_ZC", opcode::SendMsgZc::CODE),
];

const SETUP: &str = "io_uring_setup";
const REGISTER: &str = "io_uring_register";

/// Sets up the queues and the buffers, and checks that all operations are there.
pub(super) fn build(config: &RingConfig) -> Result<(IoUring, BufferRing, Features), SetupError> {
    let (queue, mut features) = build_queue(config)?;
    if let Some((missing, _)) = operations(&queue)
        .map_err(|error| explain(REGISTER, &error))?
        .into_iter()
        .find(|(_, present)| !present)
    {
        return Err(SetupError::KernelTooOld {
            release: release(),
            missing,
        });
    }
    if !queue.params().is_feature_nodrop() {
        return Err(SetupError::KernelTooOld {
            release: release(),
            missing: "IORING_FEAT_NODROP",
        });
    }
    let buffers = BufferRing::new(config.buffers.min(BUFFERS_MAX), config.buffer_bytes)
        .map_err(|error| explain("mmap", &error))?;
    register(&queue, &buffers)?;
    features.buffers = buffers.count();
    features.buffer_bytes = buffers.buffer_bytes();
    Ok((queue, buffers, features))
}

/// Which of the needed operations this kernel has (`IORING_REGISTER_PROBE`).
pub(super) fn operations(queue: &IoUring) -> io::Result<Vec<(&'static str, bool)>> {
    let mut probe = Probe::new();
    queue.submitter().register_probe(&mut probe)?;
    Ok(REQUIRED
        .map(|(name, code)| (name, probe.is_supported(code)))
        .to_vec())
}

/// Asks with every flag, and on EINVAL gives them up one by one, newest first, because a kernel
/// that does not know a flag knows none that came after it. Any other refusal is final: EPERM in
/// particular will not go away by asking for less.
fn build_queue(config: &RingConfig) -> Result<(IoUring, Features), SetupError> {
    let mut features = Features {
        single_issuer: true,
        defer_taskrun: true,
        submit_all: true,
        clamp: true,
        sq_entries: 0,
        cq_entries: 0,
        buffers: 0,
        buffer_bytes: 0,
    };
    loop {
        match try_queue(config, &features) {
            Ok(queue) => {
                features.sq_entries = queue.params().sq_entries();
                features.cq_entries = queue.params().cq_entries();
                return Ok((queue, features));
            }
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
                let newest_first = [
                    &mut features.defer_taskrun,
                    &mut features.single_issuer,
                    &mut features.submit_all,
                    &mut features.clamp,
                ];
                let Some(flag) = newest_first.into_iter().find(|flag| **flag) else {
                    return Err(explain(SETUP, &error));
                };
                *flag = false;
            }
            Err(error) => return Err(explain(SETUP, &error)),
        }
    }
}

fn try_queue(config: &RingConfig, wanted: &Features) -> io::Result<IoUring> {
    let sq_entries = config.sq_entries.max(1).next_power_of_two();
    let mut builder = IoUring::builder();
    builder.setup_cqsize(config.cq_entries.max(sq_entries).next_power_of_two());
    if wanted.clamp {
        builder.setup_clamp();
    }
    if wanted.submit_all {
        builder.setup_submit_all();
    }
    if wanted.single_issuer {
        builder.setup_single_issuer();
    }
    if wanted.defer_taskrun {
        builder.setup_defer_taskrun();
    }
    builder.build(sq_entries)
}

#[expect(unsafe_code, reason = "hands memory to the kernel")]
fn register(queue: &IoUring, buffers: &BufferRing) -> Result<(), SetupError> {
    let submitter = queue.submitter();
    // SAFETY: the address is page-aligned, mapped and initialised for `count` entries
    // (`BufferRing::new`), and stays so until no operation can use it (`Ring::drop`).
    let registered = unsafe {
        submitter.register_buf_ring_with_flags(buffers.address(), buffers.count(), GROUP, 0)
    };
    registered.map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::INVAL) => SetupError::KernelTooOld {
            release: release(),
            missing: "provided-buffer rings",
        },
        _ => explain(REGISTER, &error),
    })
}

/// Finds the cause behind an error number by looking at what usually stands in the way.
fn explain(call: &'static str, error: &io::Error) -> SetupError {
    let errno = Errno::from_io_error(error).unwrap_or(Errno::IO);
    match errno {
        Errno::PERM | Errno::ACCESS => match disabled_level() {
            Some(level @ 1..) => SetupError::Disabled { level },
            _ => SetupError::Seccomp {
                call,
                errno: "EPERM",
            },
        },
        Errno::NOSYS if seccomp_mode() == Some(2) => SetupError::Seccomp {
            call,
            errno: "ENOSYS",
        },
        Errno::NOSYS => SetupError::Absent { release: release() },
        Errno::INVAL if call == SETUP => SetupError::KernelTooOld {
            release: release(),
            missing: "IORING_SETUP_CQSIZE",
        },
        Errno::NOMEM => SetupError::LockedMemory {
            limit: soft_limit(Resource::Memlock),
        },
        Errno::MFILE | Errno::NFILE => SetupError::Descriptors {
            limit: soft_limit(Resource::Nofile),
        },
        source => SetupError::Kernel { call, source },
    }
}

/// The kernel's release, as `uname -r` prints it.
#[must_use]
pub fn release() -> String {
    rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned()
}

/// The sysctl `kernel.io_uring_disabled`, or `None` where it does not exist (before 6.6).
#[must_use]
pub fn disabled_level() -> Option<u8> {
    fs::read_to_string("/proc/sys/kernel/io_uring_disabled")
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// How the process is filtered: 0 not at all, 1 strictly, 2 by a filter (`proc_pid_status(5)`).
#[must_use]
pub fn seccomp_mode() -> Option<u8> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("Seccomp:"))?;
    line.trim().parse().ok()
}

fn soft_limit(resource: Resource) -> String {
    getrlimit(resource)
        .current
        .map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: what stands in the way is named together with what to do about it.
    #[test]
    fn every_sentence_names_the_fix() {
        let cases = [
            (
                SetupError::KernelTooOld {
                    release: "5.4".into(),
                    missing: "X",
                },
                "6.1 or newer",
            ),
            (
                SetupError::Disabled { level: 2 },
                "kernel.io_uring_disabled=0",
            ),
            (SetupError::Disabled { level: 1 }, "io_uring_group"),
            (
                SetupError::Seccomp {
                    call: SETUP,
                    errno: "EPERM",
                },
                "seccomp=unconfined",
            ),
            (
                SetupError::Absent {
                    release: "6.1".into(),
                },
                "CONFIG_IO_URING",
            ),
            (
                SetupError::LockedMemory {
                    limit: "65536".into(),
                },
                "ulimit -l",
            ),
            (SetupError::Descriptors { limit: "3".into() }, "ulimit -n"),
            (
                SetupError::Kernel {
                    call: SETUP,
                    source: Errno::IO,
                },
                "fanring doctor",
            ),
        ];
        for (error, fix) in cases {
            let sentence = error.to_string();
            assert!(sentence.contains(fix), "{sentence}");
            assert!(
                !sentence.contains('\n') && !sentence.contains("  "),
                "{sentence}"
            );
        }
    }

    // Goal: error numbers lead to the right cause.
    #[test]
    fn error_numbers_are_explained() {
        let of = |errno: Errno| explain(SETUP, &errno.into());
        assert!(matches!(of(Errno::NOMEM), SetupError::LockedMemory { .. }));
        assert!(matches!(of(Errno::MFILE), SetupError::Descriptors { .. }));
        assert!(matches!(of(Errno::INVAL), SetupError::KernelTooOld { .. }));
        assert!(matches!(
            of(Errno::FAULT),
            SetupError::Kernel {
                source: Errno::FAULT,
                ..
            }
        ));
        assert!(matches!(
            of(Errno::PERM),
            SetupError::Seccomp { .. } | SetupError::Disabled { .. }
        ));
        assert!(matches!(
            of(Errno::NOSYS),
            SetupError::Seccomp { .. } | SetupError::Absent { .. }
        ));
    }

    // Goal: odd sizes are rounded instead of refused.
    #[test]
    fn sizes_are_rounded_to_what_the_kernel_takes() {
        let config = RingConfig {
            sq_entries: 3,
            cq_entries: 5,
            buffers: 5,
            buffer_bytes: 100,
        };
        let (_queue, _buffers, features) = build(&config).unwrap();
        assert_eq!(
            (features.sq_entries, features.cq_entries, features.buffers),
            (4, 8, 8)
        );
        assert!(
            features.defer_taskrun && features.single_issuer,
            "{features}"
        );
    }
}
