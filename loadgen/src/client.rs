//! A run from its first connection to its report: a load, or idle sessions.

use crate::cli::Settings;
use crate::clock::{now_ns, own_cpu_ns};
use crate::fleet::{Fleet, nanoseconds};
use crate::payload::{Payload, encode};
use crate::plan::Plan;
use crate::process::{CpuTime, resident_bytes};
use crate::results::distribution::Distribution;
use crate::results::model::{
    Counts, Environment, Generator, Latency, Parameters, Rates, Results, SCHEMA_VERSION, ServerUse,
    Sessions, Target, Window, Worker,
};
use crate::verify::histogram;
use hdrhistogram::Histogram;
use std::time::Duration;

/// Time between the last handshake and the first message.
const LEAD_IN: Duration = Duration::from_millis(100);

/// How long a run that was cut short waits for the rest of its sessions to end too, so that the
/// report tells a dead server from one lost session.
const SETTLING: Duration = Duration::from_millis(500);

/// How much a publisher may have queued before the run is given up, in bytes.
const UNSENT_BYTES_MAX: usize = 64 << 20;

/// What the counters said at one moment.
#[derive(Clone)]
struct Snapshot {
    at_ns: u64,
    delivered: u64,
    own_cpu_ns: u64,
    server_cpu: Option<CpuTime>,
}

/// A load under way.
struct Run {
    plan: Plan,
    /// Index of the next message in the plan.
    next: u64,
    /// Messages of the measured window that were sent.
    measured_sent: u64,
    lag: Histogram<u64>,
    message: Vec<u8>,
    window_start: Option<Snapshot>,
    window_end: Option<Snapshot>,
}

/// Connects, publishes by the plan, checks what arrives, and reports.
///
/// # Errors
/// One sentence, when the run can't be made: no server, a refused handshake, too few sessions in
/// time. What goes wrong later is in the report.
pub(crate) fn measure(settings: &Settings) -> anyhow::Result<Results> {
    let mut fleet = Fleet::connect(settings)?;
    let mut run = Run::new(settings, now_ns() + nanoseconds(LEAD_IN));
    fleet.tally.follow(run.plan);
    let mut now = now_ns();
    let drain_end = run.plan.measure_end_ns() + nanoseconds(settings.drain);
    while fleet.is_useful() {
        if !run.publish_due(&mut fleet, now) {
            fleet.stall();
            break;
        }
        run.snapshot_due(settings, &fleet, now)?;
        let all_sent = run.next == run.plan.total() && run.window_end.is_some();
        if all_sent && (fleet.tally.outstanding() == 0 || now >= drain_end) {
            break;
        }
        now = fleet.turn(run.next_event_ns(drain_end))?;
    }
    if !fleet.is_useful() {
        fleet.settle(now_ns() + nanoseconds(SETTLING))?;
    }
    let report = run.report(settings, &fleet)?;
    fleet.close()?;
    Ok(report)
}

/// Opens idle sessions, holds them, and reports what they cost the server.
///
/// # Errors
/// As [`measure`], and when a session ends while it is held.
#[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
pub(crate) fn hold(settings: &Settings) -> anyhow::Result<Results> {
    let resident = || settings.server_pid.map(resident_bytes).transpose();
    let before = resident()?.unwrap_or(0);
    let mut fleet = Fleet::connect(settings)?;
    let until = now_ns() + nanoseconds(settings.hold);
    while fleet.turn(until)? < until {}
    let after = resident()?.unwrap_or(0);
    let sessions = ended_sessions(settings, &fleet);
    fleet.close()?;
    let growth = after.saturating_sub(before) as f64;
    let server = settings.server_pid.map(|pid| ServerUse {
        pid,
        rss_bytes_before: before,
        rss_bytes_after: after,
        rss_bytes_peak: after,
        bytes_per_connection: growth / f64::from(settings.subscribers),
        ..ServerUse::default()
    });
    Ok(Results {
        server,
        sessions,
        ..begun(settings)
    })
}

/// What is known of a run before it is made.
pub(crate) fn begun(settings: &Settings) -> Results {
    let load = !settings.idle;
    Results {
        schema_version: SCHEMA_VERSION,
        environment: Environment::gather(),
        command_line: std::env::args().collect(),
        target: Target {
            address: settings.host.clone(),
            path: settings.path.clone(),
            protocol: "plain".to_owned(),
        },
        parameters: Parameters {
            workload: if load { "fanout" } else { "idle" }.to_owned(),
            subscribers: settings.subscribers,
            publishers: settings.publishers,
            rooms: 1,
            rate: load.then(|| settings.rate.into()),
            arrivals: "uniform".to_owned(),
            sizes_bytes: vec![u32::try_from(settings.size).unwrap_or(u32::MAX)],
            binary: true,
            duration_seconds: settings.duration.as_secs_f64(),
            warmup_seconds: settings.warmup.as_secs_f64(),
            connect_rate: settings.connect_rate.map(Into::into),
            ..Parameters::default()
        },
        ..Results::default()
    }
}

fn ended_sessions(settings: &Settings, fleet: &Fleet) -> Sessions {
    Sessions {
        opened: settings.sessions().into(),
        ended_early: fleet.ended() as u64,
        first_cause: fleet.first_ending().map(ToString::to_string),
        ..Sessions::default()
    }
}

impl Run {
    fn new(settings: &Settings, start_ns: u64) -> Self {
        let Settings {
            rate,
            publishers,
            warmup,
            duration,
            ..
        } = *settings;
        Self {
            plan: Plan::new(start_ns, rate, publishers, warmup, duration),
            next: 0,
            measured_sent: 0,
            lag: histogram(),
            message: vec![0; settings.size],
            window_start: None,
            window_end: None,
        }
    }

    /// Queues every message that is due. Returns false when a publisher has far too much queued.
    fn publish_due(&mut self, fleet: &mut Fleet, now: u64) -> bool {
        while self.next < self.plan.total() {
            let due = self.plan.message(self.next);
            if due.planned_ns > now {
                break;
            }
            let (publisher, sequence, planned_ns) = (due.publisher, due.sequence, due.planned_ns);
            encode(
                Payload {
                    publisher,
                    sequence,
                    planned_ns,
                },
                &mut self.message,
            );
            let unsent = fleet.publish(publisher, &self.message);
            fleet.tally.sent(publisher);
            self.next += 1;
            if self.plan.is_measured(planned_ns) {
                self.measured_sent += 1;
                self.lag.saturating_record(now - planned_ns);
            }
            if unsent > UNSENT_BYTES_MAX {
                return false;
            }
        }
        true
    }

    /// Reads the counters when the measured window begins and when it ends.
    fn snapshot_due(&mut self, settings: &Settings, fleet: &Fleet, now: u64) -> anyhow::Result<()> {
        if self.window_start.is_none() && now >= self.plan.measure_start_ns() {
            self.window_start = Some(snapshot(settings, fleet)?);
        }
        if self.window_end.is_none() && now >= self.plan.measure_end_ns() {
            self.window_end = Some(snapshot(settings, fleet)?);
        }
        Ok(())
    }

    fn next_event_ns(&self, drain_end: u64) -> u64 {
        let message = if self.next < self.plan.total() {
            self.plan.message(self.next).planned_ns
        } else {
            drain_end
        };
        match (&self.window_start, &self.window_end) {
            (None, _) => message.min(self.plan.measure_start_ns()),
            (_, None) => message.min(self.plan.measure_end_ns()),
            _ => message,
        }
    }

    /// Sums up. A run that ended early has a window that ended with it.
    #[expect(clippy::cast_precision_loss, reason = "rates for people")]
    fn report(mut self, settings: &Settings, fleet: &Fleet) -> anyhow::Result<Results> {
        let gone = fleet.ended() > 0;
        let end = match (self.window_end.take(), snapshot(settings, fleet)) {
            (Some(end), _) => end,
            (None, Ok(end)) => end,
            // The server process is gone: that is what the report is about to say.
            (None, Err(_)) if gone => bare_snapshot(fleet),
            (None, Err(error)) => return Err(error),
        };
        let start = self.window_start.take().unwrap_or_else(|| end.clone());
        let length_ns = end.at_ns - start.at_ns;
        let seconds = length_ns.max(1) as f64 / 1e9;
        let delivered = end.delivered - start.delivered;
        let counts = fleet.tally.counts();
        let cpu_ns = end.own_cpu_ns.saturating_sub(start.own_cpu_ns);
        let planned = self.plan.measured_total();
        Ok(Results {
            latency: Latency {
                delivery_ns: Distribution(fleet.tally.latency().clone()),
                ..Latency::default()
            },
            counts: Counts {
                planned: self.plan.total(),
                sent: fleet.tally.sent_total(),
                expected: fleet.tally.sent_total() * u64::from(settings.subscribers),
                delivered: counts.delivered,
                lost: fleet.tally.lost(),
                duplicated: counts.duplicated,
                reordered: counts.reordered,
                corrupted: counts.corrupt,
                foreign: counts.foreign,
            },
            window: Window {
                length_ns,
                planned,
                sent: self.measured_sent,
                delivered,
                ..Window::default()
            },
            rates: Rates {
                planned: planned as f64 / settings.duration.as_secs_f64(),
                sent: self.measured_sent as f64 / seconds,
                deliveries: delivered as f64 / seconds,
                payload_bytes: delivered as f64 * settings.size as f64 / seconds,
                ..Rates::default()
            },
            sessions: ended_sessions(settings, fleet),
            generator: Generator {
                workers: vec![Worker {
                    sessions: settings.sessions().into(),
                    received: delivered,
                    cpu_ns,
                    cpu_share: cpu_ns as f64 / length_ns.max(1) as f64,
                    cq_overflows: 0,
                }],
                cpu_ns_per_received: cpu_ns as f64 / delivered.max(1) as f64,
                publish_lag_ns: Distribution(self.lag),
                ..Generator::default()
            },
            server: server_use(settings, &start, &end),
            ..begun(settings)
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "ratios for people")]
fn server_use(settings: &Settings, start: &Snapshot, end: &Snapshot) -> Option<ServerUse> {
    let pid = settings.server_pid?;
    let cpu_ns = end.server_cpu.as_ref()?.since(start.server_cpu.as_ref()?);
    let deliveries = end.delivered - start.delivered;
    Some(ServerUse {
        pid,
        cpu_ns,
        cpu_ns_per_delivery: cpu_ns as f64 / deliveries.max(1) as f64,
        cpu_share: cpu_ns as f64 / (end.at_ns - start.at_ns).max(1) as f64,
        rss_bytes_after: resident_bytes(pid).unwrap_or(0),
        ..ServerUse::default()
    })
}

fn snapshot(settings: &Settings, fleet: &Fleet) -> anyhow::Result<Snapshot> {
    let server_cpu = settings.server_pid.map(CpuTime::of).transpose()?;
    Ok(Snapshot {
        server_cpu,
        ..bare_snapshot(fleet)
    })
}

fn bare_snapshot(fleet: &Fleet) -> Snapshot {
    Snapshot {
        at_ns: now_ns(),
        delivered: fleet.tally.counts().delivered,
        own_cpu_ns: own_cpu_ns(),
        server_cpu: None,
    }
}
