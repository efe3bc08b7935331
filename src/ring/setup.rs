//! Making a ring: setup flags with their fallback, and the probe.
//!
//! Does not drive a ring; see [`Ring`](super::Ring).

use std::{fmt, io};

use io_uring::{EnterFlags, IoUring, Probe, opcode};
use rustix::io::Errno;

use super::buffers::{BUFFERS_MAX, BufferRing, GROUP};
use super::error::{REGISTER, SETUP, SetupError, explain};
use crate::process::kernel_release;

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
    /// When completion work is done.
    pub task_run: TaskRun,
}

/// When the kernel does the work of completions that is left to the ring's thread
/// (`io_uring_setup(2)`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskRun {
    /// While the thread waits for completions, all at once (`IORING_SETUP_DEFER_TASKRUN`).
    #[default]
    Deferred,
    /// Whenever the thread enters the kernel, for whatever reason (`IORING_SETUP_COOP_TASKRUN`, 5.19).
    Cooperative,
}

/// Receive buffers that a ring has.
pub(crate) const BUFFERS: u16 = 64;

impl Default for RingConfig {
    fn default() -> Self {
        Self {
            sq_entries: 1024,
            cq_entries: 4096,
            buffers: BUFFERS,
            buffer_bytes: 2048,
            task_run: TaskRun::default(),
        }
    }
}

/// What the kernel granted. `Display` is one line for a start-up log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Features {
    /// `IORING_SETUP_SINGLE_ISSUER` (6.0).
    pub(crate) single_issuer: bool,
    /// `IORING_SETUP_DEFER_TASKRUN` (6.1): completion work runs only while this thread waits.
    pub(crate) defer_taskrun: bool,
    /// `IORING_SETUP_SUBMIT_ALL` (5.18): one bad operation does not hold up the rest.
    pub(crate) submit_all: bool,
    /// `IORING_SETUP_CLAMP` (5.6): sizes over the kernel's limit are cut instead of refused.
    pub(crate) clamp: bool,
    /// `IORING_FEAT_NO_IOWAIT` (6.15): a thread that waits for sockets counts as idle, not as one that
    /// waits for a disk, which `top` would show as 100% `wa`.
    pub(crate) no_iowait: bool,
    /// Submission queue, in entries.
    pub(crate) sq_entries: u32,
    /// Completion queue, in entries.
    pub(crate) cq_entries: u32,
    /// Receive buffers.
    pub(crate) buffers: u16,
    /// Size of each receive buffer, in bytes.
    pub(crate) buffer_bytes: u32,
}

impl Features {
    /// What to enter the kernel with so that a wait counts as idle, where the kernel knows it.
    pub(super) fn idle_flag(&self) -> EnterFlags {
        if self.no_iowait {
            EnterFlags::NO_IOWAIT
        } else {
            EnterFlags::empty()
        }
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = [
            (self.single_issuer, "SINGLE_ISSUER"),
            (self.defer_taskrun, "DEFER_TASKRUN"),
            (self.submit_all, "SUBMIT_ALL"),
            (self.clamp, "CLAMP"),
            (self.no_iowait, "NO_IOWAIT"),
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

/// Sets up the queues and the buffers, and checks that all operations are there.
pub(super) fn build(config: &RingConfig) -> Result<(IoUring, BufferRing, Features), SetupError> {
    let (queue, mut features) = build_queue(config)?;
    if let Some((missing, _)) = operations(&queue)
        .map_err(|error| explain(REGISTER, &error))?
        .into_iter()
        .find(|(_, present)| !present)
    {
        return Err(SetupError::KernelTooOld {
            release: kernel_release(),
            missing,
        });
    }
    if !queue.params().is_feature_nodrop() {
        return Err(SetupError::KernelTooOld {
            release: kernel_release(),
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
        defer_taskrun: config.task_run == TaskRun::Deferred,
        submit_all: true,
        clamp: true,
        no_iowait: false,
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
                features.no_iowait = queue.params().is_feature_no_iowait();
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
    if config.task_run == TaskRun::Cooperative {
        builder.setup_coop_taskrun();
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
            release: kernel_release(),
            missing: "provided-buffer rings",
        },
        _ => explain(REGISTER, &error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: odd sizes are rounded instead of refused.
    #[test]
    fn sizes_are_rounded_to_what_the_kernel_takes() {
        let config = RingConfig {
            sq_entries: 3,
            cq_entries: 5,
            buffers: 5,
            buffer_bytes: 100,
            ..RingConfig::default()
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
