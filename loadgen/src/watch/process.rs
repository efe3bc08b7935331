//! A process's use of processor and memory (`proc(5)`).

use std::collections::BTreeMap;
use std::fs;

use anyhow::Context;

/// Processor time of a process at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct CpuTime {
    /// Nanoseconds of each thread there is, by its id: exact, but what a thread used goes with it.
    threads: BTreeMap<String, u64>,
    /// All that was ever used, in nanoseconds, but counted in ticks of [`tick_ns`].
    ticks_ns: u64,
}

impl CpuTime {
    /// Reads it now.
    ///
    /// # Errors
    /// When the process is gone or its times can't be read.
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let about = || format!("--server-pid {pid}: can't read its processor time in /proc");
        let mut threads = BTreeMap::new();
        for task in fs::read_dir(format!("/proc/{pid}/task")).with_context(about)? {
            let task = task.with_context(about)?;
            // A thread may end between the listing and the reading.
            let Ok(text) = fs::read_to_string(task.path().join("schedstat")) else {
                continue;
            };
            let first = text.split_whitespace().next().unwrap_or_default();
            let used_ns = first.parse().with_context(about)?;
            threads.insert(task.file_name().to_string_lossy().into_owned(), used_ns);
        }
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(about)?;
        let ticks = user_and_system_ticks(&stat).with_context(about)?;
        Ok(Self {
            threads,
            ticks_ns: ticks * tick_ns(),
        })
    }

    /// Nanoseconds used since an earlier moment: exact as long as no thread came and went in
    /// between, to a few ticks if one did.
    pub(crate) fn since(&self, earlier: &Self) -> u64 {
        let used = |(id, now): (&String, &u64)| {
            now.saturating_sub(earlier.threads.get(id).copied().unwrap_or(0))
        };
        let exact_ns: u64 = self.threads.iter().map(used).sum();
        let ticks_ns = self.ticks_ns.saturating_sub(earlier.ticks_ns);
        if exact_ns + 3 * tick_ns() < ticks_ns {
            ticks_ns
        } else {
            exact_ns
        }
    }
}

/// The fields `utime` and `stime` of `/proc/PID/stat`, the 14th and 15th, added up. The second
/// field is a name in parentheses that may hold anything.
fn user_and_system_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn tick_ns() -> u64 {
    1_000_000_000 / rustix::param::clock_ticks_per_second().max(1)
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

/// The most memory a process ever had resident, in bytes (`VmHWM` of `/proc/PID/status`).
pub(crate) fn peak_resident_bytes(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(number_after(&text, "VmHWM:")? * 1024)
}

/// Voluntary and involuntary context switches of all threads of a process there are.
pub(crate) fn switches(pid: u32) -> (u64, u64) {
    let mut switches = (0, 0);
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    for task in tasks.into_iter().flatten().flatten() {
        // A thread may end between the listing and the reading.
        let text = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        switches.0 += number_after(&text, "voluntary_ctxt_switches:").unwrap_or(0);
        switches.1 += number_after(&text, "nonvoluntary_ctxt_switches:").unwrap_or(0);
    }
    switches
}

/// Pages that TCP has for the queues of all its sockets (`/proc/net/sockstat`).
pub(crate) fn tcp_pages() -> u64 {
    let text = fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let tcp = text.lines().find(|line| line.starts_with("TCP:"));
    let mut words = tcp.unwrap_or_default().split_whitespace();
    let pages = words.find(|word| *word == "mem").and_then(|_| words.next());
    pages.and_then(|pages| pages.parse().ok()).unwrap_or(0)
}

/// The first number on the line that begins with `name`.
fn number_after(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the figures are in the units they claim, judged by this very process.
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
    }

    /// Goal: processor time of a thread counts whether the thread is still there or has gone, and
    /// agrees with the process's own clock.
    #[test]
    fn ended_threads_are_not_forgotten() {
        let pid = std::process::id();
        let (before, clock) = (CpuTime::of(pid).unwrap(), crate::clock::own_cpu_ns());
        let spin = || {
            let start = std::time::Instant::now();
            while start.elapsed().as_millis() < 150 {}
        };
        std::thread::spawn(spin).join().unwrap();
        let used = CpuTime::of(pid).unwrap().since(&before);
        let all = crate::clock::own_cpu_ns() - clock;
        let slack = 8 * tick_ns();
        assert!(used.abs_diff(all) < slack, "{used} of {all}");
    }

    /// Goal: the other figures are there and move the right way.
    #[test]
    fn further_figures_are_read() {
        let pid = std::process::id();
        // In this order: other tests take memory meanwhile.
        let resident = resident_bytes(pid).unwrap();
        assert!(peak_resident_bytes(pid).unwrap() + 1_048_576 >= resident);
        let before = switches(pid);
        let (ready, wait) = std::sync::mpsc::channel();
        let waiter = std::thread::spawn(move || wait.recv());
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!(switches(pid).0 > before.0);
        ready.send(()).unwrap();
        waiter.join().unwrap().unwrap();
        assert_eq!(number_after("a: 1\nbc:\t 27 kB\n", "bc:"), Some(27));
    }

    /// Goal: the name of a process can't shift the fields.
    #[test]
    fn odd_names_are_read_over() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 40 2 13 14";
        assert_eq!(user_and_system_ticks(stat), Some(42));
        assert_eq!(user_and_system_ticks("7 (short) S 1"), None);
    }

    /// Goal: a process that is not there is a sentence, not a zero.
    #[test]
    fn missing_processes_are_errors() {
        assert!(
            CpuTime::of(u32::MAX)
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
