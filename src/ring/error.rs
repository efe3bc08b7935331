//! Why a ring can't be had, found out from an error number and from what the machine allows.

use std::{fs, io};

use rustix::io::Errno;

use crate::process::{Limit, kernel_release, seccomp_mode};

/// The system calls by their names, for the sentences below.
pub(super) const SETUP: &str = "io_uring_setup";
/// As [`SETUP`].
pub(super) const REGISTER: &str = "io_uring_register";

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
        /// The soft limit, in bytes.
        limit: Limit,
    },
    /// No descriptor left for the ring.
    #[error(
        "no file descriptor left for the ring (limit: {limit}): raise it with `ulimit -n` or \
         LimitNOFILE="
    )]
    Descriptors {
        /// The soft limit.
        limit: Limit,
    },
    /// Anything else.
    #[error("{call} failed: {errno}; `fanring doctor` shows what this machine allows")]
    Kernel {
        /// The system call.
        call: &'static str,
        /// What it answered; not called a source, which would be told twice.
        errno: Errno,
    },
}

/// Finds the cause behind an error number by looking at what usually stands in the way.
pub(super) fn explain(call: &'static str, error: &io::Error) -> SetupError {
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
        Errno::NOSYS => SetupError::Absent {
            release: kernel_release(),
        },
        Errno::INVAL if call == SETUP => SetupError::KernelTooOld {
            release: kernel_release(),
            missing: "IORING_SETUP_CQSIZE",
        },
        Errno::NOMEM => SetupError::LockedMemory {
            limit: Limit::of_locked_memory(),
        },
        Errno::MFILE | Errno::NFILE => SetupError::Descriptors {
            limit: Limit::of_descriptors(),
        },
        errno => SetupError::Kernel { call, errno },
    }
}

/// Explains why a ring that was set up can't be used.
pub(super) fn refused_to_enter(errno: Errno) -> SetupError {
    explain("io_uring_enter", &errno.into())
}

/// The sysctl `kernel.io_uring_disabled`, or `None` where it does not exist (before 6.6).
pub(crate) fn disabled_level() -> Option<u8> {
    fs::read_to_string("/proc/sys/kernel/io_uring_disabled")
        .ok()?
        .trim()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: what stands in the way is named together with what to do about it.
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
                    limit: Limit::of_locked_memory(),
                },
                "ulimit -l",
            ),
            (
                SetupError::Descriptors {
                    limit: Limit::of_descriptors(),
                },
                "ulimit -n",
            ),
            (
                SetupError::Kernel {
                    call: SETUP,
                    errno: Errno::IO,
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

    /// Goal: error numbers lead to the right cause.
    #[test]
    fn error_numbers_are_explained() {
        let of = |errno: Errno| explain(SETUP, &errno.into());
        assert!(matches!(of(Errno::NOMEM), SetupError::LockedMemory { .. }));
        assert!(matches!(of(Errno::MFILE), SetupError::Descriptors { .. }));
        assert!(matches!(of(Errno::INVAL), SetupError::KernelTooOld { .. }));
        assert!(matches!(
            of(Errno::FAULT),
            SetupError::Kernel {
                errno: Errno::FAULT,
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
}
