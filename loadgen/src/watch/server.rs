//! What the server's process uses, looked at from outside over the course of a run.

use std::collections::BTreeMap;
use std::process;

use crate::clock::now_ns;
use crate::results::model::server::{ProcessUse, ServerUse, StormUse};
use crate::watch::family::{family, name};
use crate::watch::process::{CpuTime, peak_resident_bytes, resident_bytes, switches, tcp_pages};

/// Everything about the server's processes at one moment.
#[derive(Debug)]
struct Sample {
    at_ns: u64,
    /// Of each process: processor time and context switches.
    processes: BTreeMap<u32, (CpuTime, (u64, u64))>,
}

/// Watches processes, if any are known, and this one's memory.
#[derive(Debug)]
pub(crate) struct Monitor {
    /// Those that were given; their children count with them.
    roots: Vec<u32>,
    rss_before: u64,
    pages_before: u64,
    pages_peak: u64,
    /// Resident memory when all sessions were open, and how many that were.
    open: Option<(u64, u64)>,
    /// Before those that a storm dropped come back, with the memory they hold then; and what they used for it.
    storm_start: Option<(Sample, u64)>,
    storm: Option<StormUse>,
    start: Option<Sample>,
    end: Option<Sample>,
    /// Of each process at the end of the window: its name and resident memory.
    after: BTreeMap<u32, (String, u64)>,
    rss_peak: u64,
    /// This process's memory at the start and at the end of the window.
    pub(crate) own_rss: (u64, u64),
}

impl Monitor {
    /// Looks at the server before the first connection.
    ///
    /// # Errors
    /// When there is no such process, or it belongs to another user.
    pub(crate) fn new(roots: &[u32]) -> anyhow::Result<Self> {
        for &pid in roots {
            CpuTime::of(pid)?;
            resident_bytes(pid)?;
        }
        Ok(Self {
            roots: roots.to_vec(),
            rss_before: resident_bytes_of(&family(roots)),
            pages_before: tcp_pages(),
            pages_peak: 0,
            open: None,
            storm_start: None,
            storm: None,
            start: None,
            end: None,
            after: BTreeMap::new(),
            rss_peak: 0,
            own_rss: (0, 0),
        })
    }

    /// All sessions are open.
    pub(crate) fn all_open(&mut self, sessions: u64) {
        if !self.roots.is_empty() {
            self.open = Some((resident_bytes_of(&family(&self.roots)), sessions));
        }
    }

    /// Those that a storm has dropped come back.
    pub(crate) fn storm_start(&mut self) {
        let sample = self.sample();
        self.storm_start = sample.map(|sample| (sample, resident_bytes_of(&family(&self.roots))));
    }

    /// All are back.
    pub(crate) fn storm_end(&mut self) {
        let Some(((start, rss_bytes_before), end)) = self.storm_start.as_ref().zip(self.sample())
        else {
            return;
        };
        let processes = self.processes(start, &end).into_iter();
        self.storm = Some(StormUse {
            cpu_ns: processes.map(|process| process.cpu_ns).sum(),
            rss_bytes_before: *rss_bytes_before,
            rss_bytes_peak: self.peak_resident(),
        });
    }

    /// The measured window begins.
    pub(crate) fn window_start(&mut self) {
        self.start = self.sample();
        self.own_rss.0 = resident_bytes(process::id()).unwrap_or(0);
    }

    /// The measured window ends.
    pub(crate) fn window_end(&mut self) {
        self.end = self.sample();
        self.own_rss.1 = resident_bytes(process::id()).unwrap_or(0);
        let members = family(&self.roots);
        // What has ended meanwhile holds no memory.
        let here = |&pid: &u32| Some((pid, (name(pid), resident_bytes(pid).ok()?)));
        self.after = members.iter().filter_map(here).collect();
        self.rss_peak = self.peak_resident();
        self.look();
    }

    fn peak_resident(&self) -> u64 {
        let members = family(&self.roots);
        let peaks = members.iter().filter_map(|&pid| peak_resident_bytes(pid));
        peaks.sum()
    }

    /// Looks at what changes meanwhile.
    pub(crate) fn look(&mut self) {
        if !self.roots.is_empty() {
            self.pages_peak = self.pages_peak.max(tcp_pages());
        }
    }

    fn sample(&self) -> Option<Sample> {
        let members = family(&self.roots);
        let used = |pid: u32| Some((pid, (CpuTime::of(pid).ok()?, switches(pid))));
        let processes: BTreeMap<_, _> = members.into_iter().filter_map(used).collect();
        (!processes.is_empty()).then(|| Sample {
            at_ns: now_ns(),
            processes,
        })
    }

    /// What each process used in the window, the one that used most first. One that has ended meanwhile is not among
    /// them, and one that was started in it counts from its beginning.
    fn processes(&self, start: &Sample, end: &Sample) -> Vec<ProcessUse> {
        let unborn = (CpuTime::default(), (0, 0));
        let mut processes: Vec<_> = (end.processes.iter())
            .map(|(&pid, (cpu, switches))| {
                let before = start.processes.get(&pid).unwrap_or(&unborn);
                let (name, rss_bytes_after) = self.after.get(&pid).cloned().unwrap_or_default();
                ProcessUse {
                    pid,
                    name,
                    cpu_ns: cpu.since(&before.0),
                    rss_bytes_after,
                    switches_voluntary: switches.0.saturating_sub(before.1.0),
                    switches_involuntary: switches.1.saturating_sub(before.1.1),
                }
            })
            .collect();
        processes.sort_by_key(|process| std::cmp::Reverse(process.cpu_ns));
        processes
    }

    /// What the server used for so many deliveries in the window; none if it is not known or has gone.
    #[expect(clippy::cast_precision_loss, reason = "ratios for people")]
    pub(crate) fn server_use(&self, deliveries: u64) -> Option<ServerUse> {
        let (pid, start, end) = (
            *self.roots.first()?,
            self.start.as_ref()?,
            self.end.as_ref()?,
        );
        let processes = self.processes(start, end);
        let sum = |figure: fn(&ProcessUse) -> u64| processes.iter().map(figure).sum::<u64>();
        let cpu_ns = sum(|process| process.cpu_ns);
        let rss_after = sum(|process| process.rss_bytes_after);
        let (open, sessions) = self.open.unwrap_or((rss_after, 0));
        Some(ServerUse {
            pid,
            storm: self.storm.clone(),
            cpu_ns,
            cpu_ns_per_delivery: match deliveries {
                0 => 0.0,
                _ => cpu_ns as f64 / deliveries as f64,
            },
            cpu_share: cpu_ns as f64 / (end.at_ns - start.at_ns).max(1) as f64,
            rss_bytes_before: self.rss_before,
            rss_bytes_after: rss_after,
            rss_bytes_peak: self.rss_peak,
            bytes_per_connection: (open as f64 - self.rss_before as f64) / sessions.max(1) as f64,
            switches_voluntary: sum(|process| process.switches_voluntary),
            switches_involuntary: sum(|process| process.switches_involuntary),
            tcp_pages_before: self.pages_before,
            tcp_pages_peak: self.pages_peak,
            processes,
        })
    }
}

/// Resident memory of several processes, as far as they are there. What they share counts for each.
fn resident_bytes_of(members: &[u32]) -> u64 {
    let resident = members.iter().filter_map(|&pid| resident_bytes(pid).ok());
    resident.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::own_cpu_ns;

    /// Goal: several processes are added up, each is told, and one that is given twice over counts once.
    #[test]
    fn processes_are_added_up() {
        let own = process::id();
        let mut child = process::Command::new("sleep").arg("60").spawn().unwrap();
        let mut monitor = Monitor::new(&[own, child.id()]).unwrap();
        let busy = || {
            let start = own_cpu_ns();
            while own_cpu_ns() < start + 50_000_000 {}
        };
        monitor.storm_end();
        assert!(monitor.storm.is_none(), "there was none");
        monitor.storm_start();
        busy();
        monitor.storm_end();
        monitor.window_start();
        busy();
        monitor.all_open(1);
        monitor.window_end();
        child.kill().unwrap();
        child.wait().unwrap();
        let used = monitor.server_use(10).unwrap();
        let storm = used.storm.as_ref().unwrap();
        assert!(
            storm.cpu_ns >= 30_000_000 && storm.rss_bytes_before > 0,
            "{storm:?}"
        );
        assert!(storm.rss_bytes_peak >= storm.rss_bytes_before, "{storm:?}");
        let [first, second] = [own, child.id()].map(|pid| {
            let mut own = used.processes.iter().filter(|process| process.pid == pid);
            (own.next().unwrap(), own.next())
        });
        assert!(first.1.is_none() && second.1.is_none(), "{used:?}");
        assert!(first.0.cpu_ns >= 30_000_000, "{used:?}");
        assert!(second.0.rss_bytes_after > 0 && second.0.name == "sleep");
        let sum: u64 = used.processes.iter().map(|process| process.cpu_ns).sum();
        assert_eq!((used.cpu_ns, used.pid), (sum, own));
        assert!(used.rss_bytes_after >= first.0.rss_bytes_after + second.0.rss_bytes_after);
    }

    /// Goal: a process that is not there is a sentence, also beside one that is.
    #[test]
    fn missing_processes_are_told() {
        let error = Monitor::new(&[process::id(), u32::MAX]).unwrap_err();
        assert!(error.to_string().contains("4294967295"), "{error}");
        assert!(Monitor::new(&[]).unwrap().server_use(1).is_none());
    }
}
