//! What a run found: for people as text, for programs as JSON.

use crate::cli::Settings;
use anyhow::Context;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::fmt;
use std::fs;

/// A publish lag above which the generator says that it was itself too slow, in nanoseconds.
const LAG_NS_MAX: u64 = 5_000_000;

/// A distribution of times, in nanoseconds. All zero when nothing was measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Quantiles {
    pub(crate) count: u64,
    pub(crate) p50: u64,
    pub(crate) p90: u64,
    pub(crate) p99: u64,
    pub(crate) p99_9: u64,
    pub(crate) max: u64,
}

/// Reads the quantiles off a histogram of nanoseconds.
pub(crate) fn quantiles(histogram: &Histogram<u64>) -> Quantiles {
    Quantiles {
        count: histogram.len(),
        p50: histogram.value_at_quantile(0.5),
        p90: histogram.value_at_quantile(0.9),
        p99: histogram.value_at_quantile(0.99),
        p99_9: histogram.value_at_quantile(0.999),
        max: histogram.max(),
    }
}

/// Sessions that did not last.
#[derive(Debug, Serialize)]
pub(crate) struct Sessions {
    pub(crate) ended: usize,
    pub(crate) first_cause: Option<String>,
}

/// How this program itself kept up.
#[derive(Debug, Serialize)]
pub(crate) struct Generator {
    /// From when a message was due to when it was queued for sending.
    pub(crate) publish_lag_ns: Quantiles,
    /// Processor time in the measured window.
    pub(crate) cpu_ns: u64,
}

/// What the server used in the measured window.
#[derive(Debug, Serialize)]
pub(crate) struct Server {
    pub(crate) cpu_ns: u64,
    pub(crate) cpu_ns_per_delivery: f64,
    pub(crate) cpu_share: f64,
    pub(crate) resident_bytes: Option<u64>,
}

impl Server {
    #[expect(clippy::cast_precision_loss, reason = "ratios for people")]
    pub(crate) fn new(
        cpu_ns: u64,
        deliveries: u64,
        window_ns: u64,
        resident_bytes: Option<u64>,
    ) -> Self {
        Self {
            cpu_ns,
            cpu_ns_per_delivery: cpu_ns as f64 / deliveries.max(1) as f64,
            cpu_share: cpu_ns as f64 / window_ns.max(1) as f64,
            resident_bytes,
        }
    }
}

/// A load and its outcome. "All" counts include the warm-up; the judgements (`lost` and so on)
/// cover the whole run, latencies and processor times the measured window.
#[derive(Debug, Serialize)]
pub(crate) struct RunReport {
    pub(crate) target: String,
    pub(crate) subscribers: u32,
    pub(crate) publishers: u32,
    pub(crate) rate: u32,
    pub(crate) size_bytes: usize,
    pub(crate) warmup_seconds: f64,
    pub(crate) duration_seconds: f64,
    /// Length of the measured window as it was.
    pub(crate) window_ns: u64,
    pub(crate) planned: u64,
    pub(crate) sent: u64,
    pub(crate) planned_all: u64,
    pub(crate) sent_all: u64,
    /// Deliveries that arrived in the measured window.
    pub(crate) deliveries: u64,
    pub(crate) deliveries_all: u64,
    pub(crate) lost: u64,
    pub(crate) duplicated: u64,
    pub(crate) reordered: u64,
    pub(crate) corrupt: u64,
    pub(crate) foreign: u64,
    pub(crate) sessions: Sessions,
    /// From when a message was due to when a subscriber had it.
    pub(crate) latency_ns: Quantiles,
    pub(crate) generator: Generator,
    pub(crate) server: Option<Server>,
}

impl RunReport {
    /// Whether everything planned was sent and every message arrived once, whole and in order.
    pub(crate) fn clean(&self) -> bool {
        self.sent_all == self.planned_all
            && self.lost + self.duplicated + self.reordered + self.corrupt == 0
            && self.sessions.ended == 0
    }
}

impl fmt::Display for RunReport {
    #[expect(clippy::cast_precision_loss, reason = "rates for people")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.window_ns.max(1) as f64 / 1e9;
        writeln!(
            f,
            "{}: {} subscribers, {} publishers, {} messages/s of {} bytes, {} s after {} s",
            self.target,
            self.subscribers,
            self.publishers,
            self.rate,
            self.size_bytes,
            self.duration_seconds,
            self.warmup_seconds,
        )?;
        writeln!(
            f,
            "sent       {} of {} planned ({:.1}/s)",
            self.sent,
            self.planned,
            self.sent as f64 / seconds
        )?;
        writeln!(
            f,
            "delivered  {} ({:.0}/s)",
            self.deliveries,
            self.deliveries as f64 / seconds
        )?;
        writeln!(
            f,
            "judged     {} lost, {} duplicated, {} reordered, {} corrupt ({} foreign, {} in all)",
            self.lost,
            self.duplicated,
            self.reordered,
            self.corrupt,
            self.foreign,
            self.deliveries_all
        )?;
        writeln!(f, "latency    {}", self.latency_ns)?;
        let cpu = self.generator.cpu_ns as f64 / self.window_ns.max(1) as f64;
        write!(
            f,
            "generator  publish lag {}; CPU {:.1}%",
            self.generator.publish_lag_ns,
            cpu * 100.0
        )?;
        if self.generator.publish_lag_ns.p99 > LAG_NS_MAX {
            write!(
                f,
                "\nwarning    the generator ran late itself: latencies include that"
            )?;
        }
        if let Some(server) = &self.server {
            write!(f, "\nserver     {server}")?;
        }
        if self.sessions.ended > 0 || self.sessions.first_cause.is_some() {
            let cause = self.sessions.first_cause.as_deref().unwrap_or("unknown");
            write!(
                f,
                "\nended      {} sessions ended early; first: {cause}",
                self.sessions.ended
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Server {
    #[expect(clippy::cast_precision_loss, reason = "mebibytes for people")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0} ns of CPU per delivery, CPU {:.1}%",
            self.cpu_ns_per_delivery,
            self.cpu_share * 100.0
        )?;
        if let Some(bytes) = self.resident_bytes {
            write!(f, ", {:.1} MiB resident", bytes as f64 / 1_048_576.0)?;
        }
        Ok(())
    }
}

impl fmt::Display for Quantiles {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds for people")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |ns: u64| ns as f64 / 1e6;
        write!(
            f,
            "p50 {:.3} p90 {:.3} p99 {:.3} p99.9 {:.3} max {:.3} ms",
            ms(self.p50),
            ms(self.p90),
            ms(self.p99),
            ms(self.p99_9),
            ms(self.max)
        )
    }
}

/// Idle sessions and what they cost.
#[derive(Debug, Serialize)]
pub(crate) struct HoldReport {
    pub(crate) target: String,
    pub(crate) sessions: u32,
    pub(crate) resident_bytes_before: u64,
    pub(crate) resident_bytes_after: u64,
    pub(crate) bytes_per_session: f64,
    pub(crate) ended: Sessions,
}

impl HoldReport {
    /// `resident` is the server's memory before the first session and at the end.
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    pub(crate) fn new(
        target: String,
        sessions: u32,
        (before, after): (u64, u64),
        ended: usize,
        first_cause: Option<String>,
    ) -> Self {
        Self {
            target,
            sessions,
            resident_bytes_before: before,
            resident_bytes_after: after,
            bytes_per_session: (after as f64 - before as f64) / f64::from(sessions.max(1)),
            ended: Sessions { ended, first_cause },
        }
    }

    /// Whether all sessions lasted.
    pub(crate) fn clean(&self) -> bool {
        self.ended.ended == 0
    }
}

impl fmt::Display for HoldReport {
    #[expect(clippy::cast_precision_loss, reason = "mebibytes for people")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes as f64 / 1_048_576.0;
        write!(
            f,
            "{}: {} idle sessions\nserver     {:.2} MiB resident before, {:.2} MiB with them: \
             {:.0} bytes per session",
            self.target,
            self.sessions,
            mib(self.resident_bytes_before),
            mib(self.resident_bytes_after),
            self.bytes_per_session
        )?;
        if self.ended.ended > 0 {
            let cause = self.ended.first_cause.as_deref().unwrap_or("unknown");
            write!(
                f,
                "\nended      {} sessions ended early; first: {cause}",
                self.ended.ended
            )?;
        }
        Ok(())
    }
}

/// Writes the report where `--json` says, if it does.
///
/// # Errors
/// When the file can't be written.
pub(crate) fn write_json(report: &impl Serialize, settings: &Settings) -> anyhow::Result<()> {
    let Some(path) = &settings.json else {
        return Ok(());
    };
    let text = serde_json::to_string_pretty(report)? + "\n";
    fs::write(path, text).with_context(|| format!("--json {}: can't write", path.display()))
}
