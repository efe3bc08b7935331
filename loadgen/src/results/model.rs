//! The data of a run: what was asked, what came of it, and what is reported while it runs.
//!
//! Plain data. Times are nanoseconds; moments are nanoseconds since the first
//! connection was started, unless a field says otherwise. Every struct can be left at its default
//! where a figure does not apply.

pub(crate) mod agents;
pub(crate) mod asked;
pub(crate) mod counts;
pub(crate) mod latency;
pub(crate) mod recovery;
pub(crate) mod server;
pub(crate) mod slowest;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::agents::Machines;
use self::asked::{Parameters, Slo};
use self::counts::Counts;
use self::latency::Latency;
use self::recovery::Recovery;
use self::server::ServerUse;
use self::slowest::Slowest;
use super::distribution::Distribution;
use super::units::{count, of, time};

/// Version of the JSON form. Raised when a field changes its meaning or goes.
pub(crate) const SCHEMA_VERSION: u32 = 2;

/// A run and its outcome.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    /// [`SCHEMA_VERSION`] of the program that wrote it.
    pub(crate) schema_version: u32,
    /// The machine and program it ran on.
    pub(crate) environment: Environment,
    /// The arguments, the program's name first.
    pub(crate) command_line: Vec<String>,
    /// The server that was driven. Not part of what makes two runs comparable.
    pub(crate) target: Target,
    /// What was asked. Two runs can be compared when these are equal.
    pub(crate) parameters: Parameters,
    /// The phases that were begun, in order.
    pub(crate) phases: Vec<Phase>,
    /// Times of the measured window.
    pub(crate) latency: Latency,
    /// Who waited longest.
    pub(crate) slowest: Slowest,
    /// Messages and deliveries of the whole run, warm-up included.
    pub(crate) counts: Counts,
    /// The measured window.
    pub(crate) window: Window,
    /// Rates in the measured window.
    pub(crate) rates: Rates,
    /// Sessions, and how they ended.
    pub(crate) sessions: Sessions,
    /// How this program itself kept up.
    pub(crate) generator: Generator,
    /// What the server did not let this program send in time.
    #[serde(default)]
    pub(crate) held_back: HeldBack,
    /// The processes and machines that made the run together, if there were several.
    #[serde(default)]
    pub(crate) machines: Option<Machines>,
    /// What the server used, if its process is known (`--server-pid`).
    pub(crate) server: Option<ServerUse>,
    /// Figures of the `storm` workload.
    pub(crate) storm: Option<Storm>,
    /// What became of sessions that came back to where they had stood, if they say so (`recover`).
    #[serde(default)]
    pub(crate) recovery: Option<Recovery>,
    /// Figures of the sessions that came and went: the `churn` workload, or stages of sessions.
    pub(crate) churn: Option<Churn>,
    /// Figures of the `slow` workload.
    pub(crate) slow: Option<Slow>,
    /// The run in at most 600 pieces of equal length. The engine leaves it empty: it is filled in
    /// from the intervals that were observed.
    pub(crate) intervals: Vec<IntervalSummary>,
    /// What was demanded of the run (`--slo`) and whether it held.
    pub(crate) slo: Option<Slo>,
    /// Whether the figures mean anything.
    pub(crate) verdict: Verdict,
}

impl Results {
    /// Whether everything planned was sent, every message arrived once, whole, in order and in time, and
    /// every session that was to open did and lasted.
    pub(crate) fn is_clean(&self) -> bool {
        self.damage().is_empty()
    }

    /// All that is not as it should be, each with its number, and why as far as that is known.
    pub(crate) fn damage(&self) -> Vec<String> {
        let (counts, sessions) = (&self.counts, &self.sessions);
        let age = time(counts.outstanding_age_ns);
        let all = [
            (
                counts.planned.saturating_sub(counts.sent),
                "not sent".to_owned(),
            ),
            (counts.skipped, "skipped (later ones came)".to_owned()),
            (
                counts.outstanding,
                format!("outstanding when the drain ended, the oldest for {age}"),
            ),
            (counts.cut_off, "cut off with their sessions".to_owned()),
            (counts.duplicated, "duplicated".to_owned()),
            (counts.reordered, "reordered".to_owned()),
            (counts.too_late, "too late to tell".to_owned()),
            (counts.corrupted, "corrupted".to_owned()),
            (counts.wrong_type, "of the wrong type".to_owned()),
            (counts.rejected, "rejected by the server".to_owned()),
            (counts.unanswered, "never answered by it".to_owned()),
        ];
        let mut all: Vec<_> = all
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, what)| format!("{} {what}", count(number)))
            .collect();
        for (number, noun, what) in [
            (sessions.failed, "join", "failed"),
            (
                sessions.heard_nothing,
                "session",
                "joined and heard nothing",
            ),
            (sessions.ended_early, "session", "ended early"),
        ] {
            if number > 0 {
                all.push(format!("{} {what}", of(number, noun)));
            }
        }
        if all.is_empty() {
            return all;
        }
        let lost = self.recovery.as_ref().map_or(0, |found| found.lost);
        if lost > 0 {
            all.push(format!("{} of these it said it gives back", count(lost)));
        }
        all.extend(sessions.first_cause.clone());
        let is_unexplained = counts.rejected == 0 && sessions.ended_early == 0;
        if counts.sent > 0 && counts.delivered == 0 && is_unexplained {
            all.push(
                "nobody got anything: does the server want another --path, a join message \
                 (--send-on-open) or an envelope (--publish-template; just {payload} if it wraps \
                 messages itself)?"
                    .to_owned(),
            );
        }
        all
    }
}

/// The machine and program of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Environment {
    /// `fanload`'s version.
    pub(crate) version: String,
    /// Git commit it was built from, if that was known.
    pub(crate) commit: Option<String>,
    /// When the run began, in milliseconds since 1970 (UTC).
    pub(crate) started_unix_ms: u64,
    /// Name of the machine.
    pub(crate) host: String,
    /// Kernel release and version, as `uname(2)` says.
    pub(crate) kernel: String,
    /// Model of the processor.
    pub(crate) cpu_model: String,
    /// Processors this program may run on.
    pub(crate) cpus: u32,
    /// How the clock of the first processor is governed, if the kernel says so.
    pub(crate) cpufreq_governor: Option<String>,
    /// Mitigations by vulnerability (`/sys/devices/system/cpu/vulnerabilities`).
    pub(crate) mitigations: BTreeMap<String, String>,
    /// Memory of the machine, in bytes.
    pub(crate) memory_bytes: u64,
    /// Limit on descriptors.
    pub(crate) descriptors_max: u64,
    /// Limit on locked memory in bytes; none if unlimited.
    pub(crate) locked_bytes_max: Option<u64>,
    /// TCP congestion control of new connections.
    pub(crate) congestion_control: String,
    /// `net.ipv4.tcp_rmem`, `tcp_wmem`, `tcp_mem`, `ip_local_port_range`, `net.core.somaxconn` and
    /// so on, by name.
    pub(crate) sysctls: BTreeMap<String, String>,
}

/// The server that was driven.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Target {
    /// `HOST:PORT`, after `ws://` or `wss://` if it was given as a URL.
    pub(crate) address: String,
    /// The addresses that sessions were connected to, of those that the host has.
    #[serde(default)]
    pub(crate) reached: Vec<String>,
    /// Path and query, with `{room}` and `{i}` as they were given.
    pub(crate) path: String,
    /// Name of the protocol or preset.
    pub(crate) protocol: String,
}

/// Names of the phases of a run, in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PhaseName {
    /// Sessions are opened.
    #[default]
    Connect,
    /// All are open; nothing is sent.
    Settle,
    /// The load runs; times are discarded.
    WarmUp,
    /// The load runs and is measured.
    Measure,
    /// Nothing is published any more; what is under way may arrive.
    Drain,
}

impl PhaseName {
    /// The name as it stands in files and on the screen.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Settle => "settle",
            Self::WarmUp => "warm_up",
            Self::Measure => "measure",
            Self::Drain => "drain",
        }
    }
}

/// One phase as it went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Phase {
    /// Which it is.
    pub(crate) name: PhaseName,
    /// When it began.
    pub(crate) start_ns: u64,
    /// How long it took.
    pub(crate) length_ns: u64,
    /// Sessions opened in it.
    pub(crate) opened: u64,
    /// Messages sent in it.
    pub(crate) sent: u64,
    /// Deliveries that arrived in it.
    pub(crate) delivered: u64,
}

/// The measured window as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Window {
    /// Its length.
    pub(crate) length_ns: u64,
    /// Messages planned in it.
    pub(crate) planned: u64,
    /// Messages planned in it that were sent.
    pub(crate) sent: u64,
    /// Messages planned in it that reached all their subscribers.
    pub(crate) completed: u64,
    /// Deliveries that arrived in it.
    pub(crate) delivered: u64,
}

/// Rates in the measured window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rates {
    /// Messages a second that were planned; 0 if closed loop.
    pub(crate) planned: f64,
    /// Messages a second that were sent.
    pub(crate) sent: f64,
    /// Messages a second that reached all their subscribers.
    pub(crate) achieved: f64,
    /// Deliveries a second.
    pub(crate) deliveries: f64,
    /// Payload received, in bytes a second.
    pub(crate) payload_bytes: f64,
}

/// Sessions, and how they ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sessions {
    /// Handshakes that succeeded.
    pub(crate) opened: u64,
    /// Sessions that could not be opened before the load, as `--allow-failures` allows: nothing is expected of them.
    #[serde(default)]
    pub(crate) unopened: u64,
    /// Joins that failed: connections that were not made, and handshakes that were refused or not answered.
    pub(crate) failed: u64,
    /// Sessions that joined during the run and got nothing until they left, although all who stay had messages meanwhile.
    #[serde(default)]
    pub(crate) heard_nothing: u64,
    /// Handshakes that were answered with another HTTP status than 101, by status.
    pub(crate) refusals: BTreeMap<u16, u64>,
    /// Sessions that ended before this program ended them.
    pub(crate) ended_early: u64,
    /// Those by their close code; 1006 for a connection that went without one (RFC 6455 section 7.1.5).
    pub(crate) closes: BTreeMap<u16, u64>,
    /// Why the first of all these failed or ended, as a sentence.
    pub(crate) first_cause: Option<String>,
}

/// How this program itself kept up in the measured window.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Generator {
    /// Each worker thread.
    pub(crate) workers: Vec<Worker>,
    /// Processor time of all of them for each message received, in nanoseconds.
    pub(crate) cpu_ns_per_received: f64,
    /// From when a message was due to when the kernel had taken its last byte.
    pub(crate) publish_lag_ns: Distribution,
    /// The part of it that is this program's: to when the message was offered to the kernel.
    #[serde(default)]
    pub(crate) own_lag_ns: Distribution,
    /// Messages planned in the window whose place among those in flight was needed before they had
    /// reached all: it is not known when they did.
    pub(crate) displaced: u64,
    /// How many messages of its publisher a delivery may be behind the latest and still be told from a
    /// repeated one: as many as memory allows for so many sessions and publishers.
    pub(crate) reorder_window: u64,
    /// Memory of this process when the measured window began and when it ended, in bytes.
    pub(crate) rss_bytes_start: u64,
    /// As above, at its end.
    pub(crate) rss_bytes_end: u64,
}

/// Messages that the kernel did not take when they were offered, because the server did not read what came before
/// them; in the whole run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeldBack {
    /// How many.
    pub(crate) messages: u64,
    /// The longest that one of them waited.
    pub(crate) longest_ns: u64,
    /// Messages that were due and not sent when the run was over.
    pub(crate) left_messages: u64,
    /// Bytes of those that were queued.
    pub(crate) left_bytes: u64,
}

/// One worker thread in the measured window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Worker {
    /// Sessions it drives.
    pub(crate) sessions: u64,
    /// Messages it received.
    pub(crate) received: u64,
    /// Processor time it used.
    pub(crate) cpu_ns: u64,
    /// That as a share of the window, 0 to 1.
    pub(crate) cpu_share: f64,
    /// Times its completion queue overflowed.
    pub(crate) cq_overflows: u64,
}

/// Everybody drops and comes back at once.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Storm {
    /// Sessions dropped.
    pub(crate) dropped: u64,
    /// Sessions that came back.
    pub(crate) returned: u64,
    /// From the drop until all were back; none if they never were.
    pub(crate) recovery_ns: Option<u64>,
    /// From the drop to each session's complete handshake.
    pub(crate) return_ns: Distribution,
}

/// Sessions that joined and left during fan-out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Churn {
    /// Sessions that joined.
    pub(crate) joined: u64,
    /// Sessions that left.
    pub(crate) left: u64,
}

/// Subscribers that stopped reading.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Slow {
    /// How many stopped.
    pub(crate) stopped: u64,
    /// How many of those the server closed.
    pub(crate) closed: u64,
    /// Deliveries they did not take; not counted as lost.
    pub(crate) untaken: u64,
}

/// Whether the figures of a run mean anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// The generator kept up: the figures are the server's.
    #[default]
    Valid,
    /// The generator was the limit, or the run was interrupted.
    Invalid {
        /// One sentence for each reason.
        why: Vec<String>,
    },
}

/// A piece of a run, without its histograms.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct IntervalSummary {
    /// The phase it began in.
    pub(crate) phase: PhaseName,
    /// When it began.
    pub(crate) start_ns: u64,
    /// How long it was.
    pub(crate) length_ns: u64,
    /// Messages planned in it.
    pub(crate) planned: u64,
    /// Messages sent in it.
    pub(crate) sent: u64,
    /// Messages whose last delivery came in it.
    pub(crate) completed: u64,
    /// Deliveries in it.
    pub(crate) delivered: u64,
    /// Deliveries that were passed over until its end.
    pub(crate) skipped: u64,
    /// Deliveries that had not come at its end and may come.
    pub(crate) outstanding: u64,
    /// Deliveries that could not come any more at its end, with sessions that ended early.
    pub(crate) cut_off: u64,
    /// Sessions open at its end.
    pub(crate) open: u64,
    /// Sessions that were to be open then.
    pub(crate) open_wanted: u64,
    /// Delivery latency: median, 99th percentile and maximum.
    pub(crate) delivery_p50_ns: u64,
    /// See above.
    pub(crate) delivery_p99_ns: u64,
    /// See above.
    pub(crate) delivery_max_ns: u64,
    /// Completion: median and maximum.
    pub(crate) completion_p50_ns: u64,
    /// See above.
    pub(crate) completion_max_ns: u64,
    /// Messages that the server said in it that it has.
    #[serde(default)]
    pub(crate) acknowledged: u64,
    /// How long it took for that: 99th percentile.
    #[serde(default)]
    pub(crate) ack_p99_ns: u64,
    /// Publish lag: 99th percentile.
    pub(crate) publish_lag_p99_ns: u64,
    /// Share of a processor that the busiest worker used.
    pub(crate) cpu_share: f64,
}
