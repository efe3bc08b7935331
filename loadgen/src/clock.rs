//! The one clock: nanoseconds of `CLOCK_MONOTONIC`, which all timestamps in payloads are in.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Now, in nanoseconds since the machine started.
#[inline]
pub(crate) fn now_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::Monotonic))
}

/// Processor time this process has used, in nanoseconds.
#[cfg(test)]
pub(crate) fn own_cpu_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::ProcessCPUTime))
}

/// Processor time this thread has used, in nanoseconds.
pub(crate) fn thread_cpu_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::ThreadCPUTime))
}

/// How busy the calling thread is, from one question to the next.
#[derive(Debug)]
pub(crate) struct Busy {
    at_ns: u64,
    cpu_ns: u64,
}

impl Busy {
    /// Begins now.
    pub(crate) fn begin() -> Self {
        Self {
            at_ns: now_ns(),
            cpu_ns: thread_cpu_ns(),
        }
    }

    /// Processor time since the last question, as a share of the time it took.
    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    pub(crate) fn share(&mut self) -> f64 {
        let last = std::mem::replace(self, Self::begin());
        let used_ns = self.cpu_ns.saturating_sub(last.cpu_ns);
        used_ns as f64 / self.at_ns.saturating_sub(last.at_ns).max(1) as f64
    }
}

fn nanoseconds(time: Timespec) -> u64 {
    // None of the clocks is ever negative.
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000
        + u64::try_from(time.tv_nsec).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a thread that waits is not busy, and one that computes is; each question begins anew.
    #[test]
    fn busy_threads_are_told_from_idle_ones() {
        let mut busy = Busy::begin();
        std::thread::sleep(std::time::Duration::from_millis(50));
        let idle = busy.share();
        let (start, mut end) = (thread_cpu_ns(), 0);
        while end < start + 20_000_000 {
            end = thread_cpu_ns();
        }
        let spun = busy.share();
        assert!(idle < 0.5 && spun > idle, "{idle} and {spun}");
    }
}
