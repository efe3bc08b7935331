//! What the server's process uses, looked at from outside over the course of a run.

use std::process;

use crate::clock::now_ns;
use crate::results::model::ServerUse;
use crate::watch::process::{CpuTime, peak_resident_bytes, resident_bytes, switches, tcp_pages};

/// Everything about the server's process at one moment.
#[derive(Debug)]
struct Sample {
    at_ns: u64,
    cpu: CpuTime,
    switches: (u64, u64),
}

/// Watches a process, if one is known, and this one's memory.
#[derive(Debug)]
pub(crate) struct Monitor {
    pid: Option<u32>,
    rss_before: u64,
    pages_before: u64,
    pages_peak: u64,
    /// Resident memory when all sessions were open, and how many that were.
    open: Option<(u64, u64)>,
    start: Option<Sample>,
    end: Option<Sample>,
    rss_after: u64,
    rss_peak: u64,
    /// This process's memory at the start and at the end of the window.
    pub(crate) own_rss: (u64, u64),
}

impl Monitor {
    /// Looks at the server before the first connection.
    ///
    /// # Errors
    /// When there is no such process, or it belongs to another user.
    pub(crate) fn new(pid: Option<u32>) -> anyhow::Result<Self> {
        if let Some(pid) = pid {
            CpuTime::of(pid)?;
        }
        Ok(Self {
            pid,
            rss_before: pid.map(resident_bytes).transpose()?.unwrap_or(0),
            pages_before: tcp_pages(),
            pages_peak: 0,
            open: None,
            start: None,
            end: None,
            rss_after: 0,
            rss_peak: 0,
            own_rss: (0, 0),
        })
    }

    /// All sessions are open.
    pub(crate) fn all_open(&mut self, sessions: u64) {
        let resident = self.pid.and_then(|pid| resident_bytes(pid).ok());
        self.open = resident.map(|bytes| (bytes, sessions));
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
        if let Some(pid) = self.pid {
            self.rss_after = resident_bytes(pid).unwrap_or(0);
            self.rss_peak = peak_resident_bytes(pid).unwrap_or(0);
        }
        self.look();
    }

    /// Looks at what changes meanwhile.
    pub(crate) fn look(&mut self) {
        if self.pid.is_some() {
            self.pages_peak = self.pages_peak.max(tcp_pages());
        }
    }

    fn sample(&self) -> Option<Sample> {
        let pid = self.pid?;
        Some(Sample {
            at_ns: now_ns(),
            cpu: CpuTime::of(pid).ok()?,
            switches: switches(pid),
        })
    }

    /// What it used for so many deliveries in the window; none if it is not known or has gone.
    #[expect(clippy::cast_precision_loss, reason = "ratios for people")]
    pub(crate) fn server_use(&self, deliveries: u64) -> Option<ServerUse> {
        let (pid, start, end) = (self.pid?, self.start.as_ref()?, self.end.as_ref()?);
        let cpu_ns = end.cpu.since(&start.cpu);
        let (open, sessions) = self.open.unwrap_or((self.rss_after, 0));
        Some(ServerUse {
            pid,
            cpu_ns,
            cpu_ns_per_delivery: match deliveries {
                0 => 0.0,
                _ => cpu_ns as f64 / deliveries as f64,
            },
            cpu_share: cpu_ns as f64 / (end.at_ns - start.at_ns).max(1) as f64,
            rss_bytes_before: self.rss_before,
            rss_bytes_after: self.rss_after,
            rss_bytes_peak: self.rss_peak,
            bytes_per_connection: (open as f64 - self.rss_before as f64) / sessions.max(1) as f64,
            switches_voluntary: end.switches.0.saturating_sub(start.switches.0),
            switches_involuntary: end.switches.1.saturating_sub(start.switches.1),
            tcp_pages_before: self.pages_before,
            tcp_pages_peak: self.pages_peak,
        })
    }
}
