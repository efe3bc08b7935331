//! The tables below the plots.

use std::io::{self, Write};

use super::escape;
use crate::results::model::Results;
use crate::results::units::{bytes, count, ms, rate};

/// Rows of names and values.
type Rows = Vec<(&'static str, String)>;

/// Writes all tables.
pub(super) fn write(results: &Results, out: &mut impl Write) -> io::Result<()> {
    write_latency(results, out)?;
    for (heading, rows) in [
        ("Messages and deliveries", messages(results)),
        ("Generator and server", machines(results)),
        ("Environment", environment(results)),
    ] {
        writeln!(out, "<section><h2>{heading}</h2><table>")?;
        for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
            writeln!(out, "<tr><th>{name}</th><td>{}</td></tr>", escape(value))?;
        }
        writeln!(out, "</table></section>")?;
    }
    let parameters = serde_json::to_value(&results.parameters).map_err(io::Error::other)?;
    writeln!(out, "<section><h2>Parameters</h2><table>")?;
    for (name, value) in parameters.as_object().into_iter().flatten() {
        if !value.is_null() {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            let name = name.replace('_', " ");
            writeln!(out, "<tr><th>{name}</th><td>{}</td></tr>", escape(&value))?;
        }
    }
    writeln!(out, "</table></section>")
}

fn write_latency(results: &Results, out: &mut impl Write) -> io::Result<()> {
    let latency = &results.latency;
    writeln!(
        out,
        "<section class=\"wide\"><h2>Latency in milliseconds</h2><table class=\"numbers\"><thead><tr>\
         <th>series</th><th>min</th><th>p50</th><th>p90</th><th>p99</th><th>p99.9</th><th>p99.99</th>\
         <th>max</th><th>mean</th><th>count</th></tr></thead>"
    )?;
    for (name, times) in [
        ("upgrade (handshake)", &latency.upgrade_ns),
        ("delivery", &latency.delivery_ns),
        ("first delivery", &latency.first_ns),
        ("median delivery", &latency.median_ns),
        ("completion (last delivery)", &latency.completion_ns),
        ("spread (last - first)", &latency.spread_ns),
        (
            "publish lag of the generator",
            &results.generator.publish_lag_ns,
        ),
    ] {
        if times.is_empty() {
            continue;
        }
        write!(out, "<tr><th>{name}</th><td>{:.3}</td>", ms(times.0.min()))?;
        for quantile in [0.5, 0.9, 0.99, 0.999, 0.9999, 1.0] {
            write!(out, "<td>{:.3}</td>", ms(times.at(quantile)))?;
        }
        let (mean, number) = (times.0.mean() / 1e6, count(times.0.len()));
        writeln!(out, "<td>{mean:.3}</td><td>{number}</td></tr>")?;
    }
    writeln!(out, "</table></section>")
}

fn messages(results: &Results) -> Rows {
    let (counts, window, rates) = (&results.counts, &results.window, &results.rates);
    let paced = |number: u64, pace: f64| format!("{} ({}/s)", count(number), rate(pace));
    let closes: Vec<_> = results
        .sessions
        .closes
        .iter()
        .map(|(code, number)| format!("{code}: {}", count(*number)))
        .collect();
    vec![
        ("planned", paced(window.planned, rates.planned)),
        ("sent", paced(window.sent, rates.sent)),
        ("complete", paced(window.completed, rates.achieved)),
        ("delivered", paced(window.delivered, rates.deliveries)),
        ("payload", format!("{:.1} MB/s", rates.payload_bytes / 1e6)),
        ("lost", count(counts.lost)),
        ("duplicated", count(counts.duplicated)),
        ("reordered", count(counts.reordered)),
        ("corrupted", count(counts.corrupted)),
        ("foreign", count(counts.foreign)),
        (
            "with the warm-up",
            format!(
                "{} of {} deliveries",
                count(counts.delivered),
                count(counts.expected)
            ),
        ),
        ("sessions opened", count(results.sessions.opened)),
        ("ended early", count(results.sessions.ended_early)),
        ("closes by code", closes.join(", ")),
    ]
}

fn machines(results: &Results) -> Rows {
    let generator = &results.generator;
    let shares: Vec<_> = generator
        .workers
        .iter()
        .map(|worker| format!("{:.1}%", worker.cpu_share * 100.0))
        .collect();
    let overflows: u64 = generator
        .workers
        .iter()
        .map(|worker| worker.cq_overflows)
        .sum();
    let mut rows = vec![
        ("generator CPU by worker", shares.join(", ")),
        (
            "generator CPU per message",
            format!("{:.0} ns", generator.cpu_ns_per_received),
        ),
        ("queue overflows", count(overflows)),
    ];
    if let Some(server) = &results.server {
        rows.extend([
            ("server process", server.pid.to_string()),
            ("server CPU", format!("{:.1}%", server.cpu_share * 100.0)),
            (
                "server CPU per delivery",
                format!("{:.0} ns", server.cpu_ns_per_delivery),
            ),
            ("server memory before", bytes(server.rss_bytes_before)),
            ("server memory after", bytes(server.rss_bytes_after)),
            ("server memory at most", bytes(server.rss_bytes_peak)),
            (
                "server memory per session",
                format!("{:.0} bytes", server.bytes_per_connection),
            ),
            (
                "context switches",
                format!(
                    "{} voluntary, {} involuntary",
                    count(server.switches_voluntary),
                    count(server.switches_involuntary)
                ),
            ),
            (
                "kernel TCP memory at most",
                format!("{} pages", count(server.tcp_pages_peak)),
            ),
        ]);
    }
    rows
}

fn environment(results: &Results) -> Rows {
    let here = &results.environment;
    let mitigated = here
        .mitigations
        .iter()
        .filter(|(_, state)| state.as_str() != "Not affected")
        .map(|(name, state)| format!("{name}: {state}"))
        .collect::<Vec<_>>();
    vec![
        ("kernel", here.kernel.clone()),
        ("processor", format!("{} x {}", here.cpus, here.cpu_model)),
        (
            "governor",
            here.cpufreq_governor.clone().unwrap_or_default(),
        ),
        ("memory", bytes(here.memory_bytes)),
        ("congestion control", here.congestion_control.clone()),
        ("descriptors", count(here.descriptors_max)),
        ("mitigations", mitigated.join("; ")),
    ]
}
