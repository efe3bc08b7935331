//! Figures in Prometheus's text format 0.0.4: of a run under way, or of one that is over.
//!
//! Base units and names as its conventions have them: seconds, and `_total` for what only grows. What
//! is told of a run under way has the same names in the file at the end.

use std::fmt::{Display, Write};

use super::distribution::Distribution;
use super::model::recovery::Recovery;
use super::model::{Results, Verdict};
use super::so_far::SoFar;
use super::units::seconds;

/// Quantiles of each summary.
const QUANTILES: [(&str, f64); 5] = [
    ("0.5", 0.5),
    ("0.9", 0.9),
    ("0.99", 0.99),
    ("0.999", 0.999),
    ("1", 1.0),
];

/// The figures so far, and what is known only when the run is over.
pub(super) fn text(so_far: &SoFar, results: Option<&Results>) -> String {
    let mut text = Text(String::new());
    text.run(so_far);
    if let Some(results) = results {
        text.outcome(results);
        if let Some(found) = &results.recovery {
            text.recovery(found);
        }
        text.judgement(results);
    }
    text.0
}

struct Text(String);

impl Text {
    fn run(&mut self, so_far: &SoFar) {
        let phase = so_far.phase.name();
        self.head("phase", "gauge", "The phase that the last second was in.");
        self.sample("phase", &format!("{{phase=\"{phase}\"}}"), 1);
        for (name, help, value) in [
            (
                "messages_planned_total",
                "Messages that were due.",
                so_far.planned,
            ),
            (
                "messages_sent_total",
                "Messages that were sent.",
                so_far.sent,
            ),
            (
                "messages_completed_total",
                "Messages that reached all their subscribers.",
                so_far.completed,
            ),
            ("deliveries_total", "Deliveries.", so_far.delivered),
            (
                "messages_acknowledged_total",
                "Messages that the server said it has.",
                so_far.acknowledged,
            ),
        ] {
            self.single(name, "counter", help, value);
        }
        for (name, help, value) in [
            (
                "deliveries_skipped",
                "Deliveries that later ones of the same publisher have overtaken, and that have not come.",
                so_far.missing.skipped,
            ),
            (
                "deliveries_outstanding",
                "Deliveries that have not come and may: what is under way, or a backlog.",
                so_far.missing.outstanding,
            ),
            (
                "deliveries_cut_off",
                "Deliveries that can't come any more, because their session ended early.",
                so_far.missing.cut_off,
            ),
            ("sessions_open", "Sessions that are open.", so_far.open),
            (
                "sessions_wanted",
                "Sessions that are to be open.",
                so_far.open_wanted,
            ),
        ] {
            self.single(name, "gauge", help, value);
        }
        self.times(so_far);
    }

    fn times(&mut self, so_far: &SoFar) {
        let help = "Share of a processor that the busiest worker used in the last second.";
        self.single("worker_cpu_share", "gauge", help, so_far.cpu_share);
        for (name, help, times) in [
            (
                "delivery_latency_seconds",
                "Planned time of a message to a subscriber's having it.",
                &so_far.delivery,
            ),
            (
                "completion_latency_seconds",
                "Planned time of a message to its last delivery.",
                &so_far.completion,
            ),
            (
                "ack_latency_seconds",
                "Planned time of a message to the server's saying that it has it.",
                &so_far.ack,
            ),
            (
                "publish_lag_seconds",
                "Planned time of a message to its being sent: the generator's own lateness.",
                &so_far.publish_lag,
            ),
        ] {
            self.summary(name, help, times);
        }
    }

    fn outcome(&mut self, results: &Results) {
        let counts = &results.counts;
        for (name, help, value) in [
            (
                "deliveries_expected_total",
                "Deliveries that there should have been.",
                counts.expected,
            ),
            (
                "deliveries_missing_total",
                "Deliveries that had not come at the end.",
                counts.missing().sum(),
            ),
            (
                "deliveries_duplicated_total",
                "Deliveries that came again.",
                counts.duplicated,
            ),
            (
                "deliveries_reordered_total",
                "Deliveries after a later one.",
                counts.reordered,
            ),
            (
                "deliveries_too_late_total",
                "Deliveries too late to tell whether they came again.",
                counts.too_late,
            ),
            (
                "deliveries_corrupted_total",
                "Deliveries that were damaged.",
                counts.corrupted,
            ),
            (
                "messages_unanswered_total",
                "Messages that the server did not answer although it answers all.",
                counts.unanswered,
            ),
            (
                "notices_joined_total",
                "Notices that somebody joined.",
                counts.joins,
            ),
            (
                "notices_left_total",
                "Notices that somebody left.",
                counts.leaves,
            ),
            (
                "joins_failed_total",
                "Sessions that could not be opened.",
                results.sessions.failed,
            ),
            (
                "sessions_heard_nothing_total",
                "Sessions that joined and got nothing, although others did.",
                results.sessions.heard_nothing,
            ),
            (
                "sessions_ended_early_total",
                "Sessions that ended and should not have.",
                results.sessions.ended_early,
            ),
        ] {
            self.single(name, "counter", help, value);
        }
    }

    fn recovery(&mut self, found: &Recovery) {
        for (name, help, value) in [
            (
                "recovery_came_back_total",
                "Times that a session came back to where it had stood.",
                found.came_back,
            ),
            (
                "recovery_recovered_total",
                "Of those, how often it was to be given all that it had missed.",
                found.recovered,
            ),
            (
                "recovery_refused_total",
                "Of those, how often it was not.",
                found.refused,
            ),
            (
                "recovery_deliveries_total",
                "Deliveries of what sessions had missed.",
                found.messages,
            ),
            (
                "recovery_deliveries_lost_total",
                "Deliveries of that which did not come and were to.",
                found.lost,
            ),
            (
                "recovery_deliveries_repeated_total",
                "Deliveries of what sessions had had before they came back.",
                found.repeated,
            ),
        ] {
            self.single(name, "counter", help, value);
        }
        let help = "From when a session was to come back until it had all that it had missed.";
        self.summary("recovery_seconds", help, &found.caught_up_ns);
    }

    fn judgement(&mut self, results: &Results) {
        let latency = &results.latency;
        let help = "First to last delivery of a message.";
        self.summary("spread_seconds", help, &latency.spread_ns);
        let help = "Start of a connection to its complete handshake.";
        self.summary("upgrade_seconds", help, &latency.upgrade_ns);
        let help = "1 if the generator kept up, so that the figures are the server's.";
        let is_valid = results.verdict == Verdict::Valid;
        self.single("run_valid", "gauge", help, u8::from(is_valid));
        let help =
            "1 if everything was sent and came once, whole and in order, and all sessions lasted.";
        self.single("run_clean", "gauge", help, u8::from(results.is_clean()));
        let help = "When the run began, in seconds since 1970.";
        let started = results.environment.started_unix_ms / 1_000;
        self.single("run_started_timestamp_seconds", "gauge", help, started);
        if let Some(slo) = &results.slo {
            self.head(
                "slo_held",
                "gauge",
                "1 for each part of the objective that held.",
            );
            for part in &slo.parts {
                let label = format!("{{part=\"{}\"}}", escape(&part.demand));
                self.sample("slo_held", &label, u8::from(part.held));
            }
        }
        if let Some(server) = &results.server {
            let help = "Processor time of the server in the measured window.";
            self.single("server_cpu_seconds", "gauge", help, seconds(server.cpu_ns));
            let help = "Resident memory of the server at the end.";
            self.single("server_memory_bytes", "gauge", help, server.rss_bytes_after);
            if let Some(storm) = &server.storm {
                let help = "Processor time of the server until all that were dropped were back.";
                let spent = seconds(storm.cpu_ns);
                self.single("server_storm_cpu_seconds", "gauge", help, spent);
            }
        }
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(
            self.0,
            "# HELP fanload_{name} {help}\n# TYPE fanload_{name} {kind}"
        );
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = writeln!(self.0, "fanload_{name}{labels} {value}");
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        self.sample(name, "", value);
    }

    #[expect(clippy::cast_precision_loss, reason = "a sum for people")]
    fn summary(&mut self, name: &str, help: &str, times: &Distribution) {
        self.head(name, "summary", help);
        let count = times.0.len();
        for (label, quantile) in QUANTILES {
            // Prometheus's word for the quantile of nothing.
            let value = match count {
                0 => "NaN".to_owned(),
                _ => seconds(times.at(quantile)).to_string(),
            };
            self.sample(name, &format!("{{quantile=\"{label}\"}}"), value);
        }
        let sum = times.0.mean() * count as f64 / 1e9;
        self.sample(&format!("{name}_sum"), "", sum);
        self.sample(&format!("{name}_count"), "", count);
    }
}

/// A label's value.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::results::model::asked::{Slo, SloPart};
    use crate::results::sample;

    /// All samples by name and labels; panics at what is not in the format.
    fn samples(text: &str) -> BTreeMap<&str, f64> {
        let mut types = BTreeMap::new();
        let mut samples = BTreeMap::new();
        for line in text.lines() {
            if let Some(of) = line.strip_prefix("# TYPE ") {
                let (name, kind) = of.split_once(' ').unwrap();
                assert!(types.insert(name, kind).is_none(), "{name} twice");
            } else if !line.starts_with("# HELP ") {
                let (key, value) = line.rsplit_once(' ').unwrap();
                let name = key.split('{').next().unwrap();
                let known = ["", "_sum", "_count"].iter().any(|suffix| {
                    name.strip_suffix(suffix)
                        .is_some_and(|name| types.contains_key(name))
                });
                assert!(known, "{name} has no type");
                let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
                assert!(name.chars().all(is_name), "{name}");
                assert!(
                    samples.insert(key, value.parse().unwrap()).is_none(),
                    "{key} twice"
                );
            }
        }
        samples
    }

    /// Goal: a run that is over is told in the format, in base units, and as the results have it.
    #[test]
    fn figures_are_in_the_format() {
        let (mut results, intervals) = sample::run(3);
        let mut so_far = SoFar::default();
        for interval in &intervals {
            so_far.add(interval);
        }
        let part = SloPart {
            demand: "p99=\"1ms\"".to_owned(),
            ..SloPart::default()
        };
        results.slo = Some(Slo {
            parts: vec![part],
            ..Slo::default()
        });
        let mut found = Recovery {
            lost: 4,
            ..Recovery::default()
        };
        found.caught_up_ns.record_all(2_000_000_000, 5);
        results.recovery = Some(found);
        let text = text(&so_far, Some(&results));
        let samples = samples(&text);
        assert_eq!(samples["fanload_recovery_deliveries_lost_total"], 4.0);
        assert_eq!(samples["fanload_recovery_seconds_count"], 5.0);
        let planned = 400.0;
        assert_eq!(samples["fanload_messages_planned_total"], planned);
        assert_eq!(samples["fanload_deliveries_total"], planned * 20.0);
        assert_eq!(samples["fanload_delivery_latency_seconds_count"], 6_000.0);
        let p99 = samples["fanload_delivery_latency_seconds{quantile=\"0.99\"}"];
        assert!((0.001..0.2).contains(&p99), "{p99}");
        assert_eq!(samples["fanload_messages_acknowledged_total"], planned);
        assert_eq!(samples["fanload_ack_latency_seconds_count"], 300.0);
        assert_eq!(samples["fanload_run_valid"], 1.0);
        assert_eq!(samples["fanload_slo_held{part=\"p99=\\\"1ms\\\"\"}"], 0.0);
    }

    /// Goal: before anything has happened the text is in the format, too.
    #[test]
    fn a_run_that_begins_has_figures() {
        let text = text(&SoFar::default(), None);
        let samples = samples(&text);
        assert_eq!(samples["fanload_phase{phase=\"connect\"}"], 1.0);
        assert!(samples["fanload_delivery_latency_seconds{quantile=\"0.5\"}"].is_nan());
    }
}
