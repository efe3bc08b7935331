//! What the server's processes used, as far as they are known.

use serde::{Deserialize, Serialize};

/// What one process of the server used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProcessUse {
    /// Its id.
    pub(crate) pid: u32,
    /// Its name, of 15 bytes at most.
    pub(crate) name: String,
    /// Processor time.
    pub(crate) cpu_ns: u64,
    /// Resident memory at the end of the window, in bytes.
    pub(crate) rss_bytes_after: u64,
    /// Voluntary context switches of all its threads.
    pub(crate) switches_voluntary: u64,
    /// Involuntary ones.
    pub(crate) switches_involuntary: u64,
}

/// What they used while all who had been dropped came back: until everybody had what it missed, if that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct StormUse {
    /// Processor time.
    pub(crate) cpu_ns: u64,
    /// Resident memory before, in bytes.
    pub(crate) rss_bytes_before: u64,
    /// The most they had had when all were back, in bytes (`VmHWM`).
    pub(crate) rss_bytes_peak: u64,
}

/// What the server's processes used together (`/proc`). Differences are over the measured window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ServerUse {
    /// The first process that was named.
    pub(crate) pid: u32,
    /// Each process, children included, the one that used most processor time first.
    #[serde(default)]
    pub(crate) processes: Vec<ProcessUse>,
    /// In the storm, if there was one.
    #[serde(default)]
    pub(crate) storm: Option<StormUse>,
    /// Processor time.
    pub(crate) cpu_ns: u64,
    /// That for each delivery.
    pub(crate) cpu_ns_per_delivery: f64,
    /// That as a share of the window: 1 is one processor.
    pub(crate) cpu_share: f64,
    /// Resident memory before the first connection, in bytes.
    pub(crate) rss_bytes_before: u64,
    /// The same at the end of the run, with all sessions open.
    pub(crate) rss_bytes_after: u64,
    /// The most it ever had, in bytes (`VmHWM`).
    pub(crate) rss_bytes_peak: u64,
    /// Growth from before the first connection to when all were open, for each session.
    pub(crate) bytes_per_connection: f64,
    /// Voluntary context switches of all its threads.
    pub(crate) switches_voluntary: u64,
    /// Involuntary ones.
    pub(crate) switches_involuntary: u64,
    /// Pages the whole machine's TCP had before the first connection (`/proc/net/sockstat`).
    pub(crate) tcp_pages_before: u64,
    /// The most of them seen in the run.
    pub(crate) tcp_pages_peak: u64,
}
