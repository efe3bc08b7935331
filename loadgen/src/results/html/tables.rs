//! The tables below the plots.

use std::fmt::Display;
use std::io::{self, Write};

use serde_json::Value;

use crate::results::distribution::Distribution;
use crate::results::markup::escape;
use crate::results::model::agents::{Machines, legend, sign};
use crate::results::model::slowest::Laggard;
use crate::results::model::{HeldBack, Results};
use crate::results::units::{by_code, bytes, count, date, ms, rate, time};

/// Rows of names and values.
type Rows<Name = &'static str> = Vec<(Name, String)>;

/// Writes all tables, each in a box of its own that scrolls where the page is too narrow for it.
pub(super) fn write(results: &Results, out: &mut impl Write) -> io::Result<()> {
    write_objective(results, out)?;
    write_latency(results, out)?;
    let slowest = &results.slowest;
    let are_told_apart = !slowest.rooms.is_empty();
    let name = |one: &Laggard| match (one.session, are_told_apart) {
        (Some(session), true) => format!("session {session} in room {}", one.room),
        (Some(session), false) => format!("session {session}"),
        (None, _) => format!("room {}", one.room),
    };
    for (heading, slowest) in [
        ("Slowest sessions", &slowest.sessions),
        ("Slowest rooms", &slowest.rooms),
    ] {
        write_slowest(
            heading,
            (slowest.as_slice(), name),
            results.machines.as_ref(),
            out,
        )?;
    }
    let told = [
        ("Messages and deliveries", messages(results)),
        ("Coming back", comings(results)),
        ("Generator and server", machines(results)),
        ("Environment", environment(results)),
    ];
    for (heading, rows) in told.iter().filter(|(_, rows)| !rows.is_empty()) {
        write_rows(heading, rows, out)?;
    }
    write_rows("Parameters", &parameters(results)?, out)
}

fn write_rows(
    heading: &str,
    rows: &[(impl Display, String)],
    out: &mut impl Write,
) -> io::Result<()> {
    begin("", heading, out)?;
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        writeln!(out, "<tr><th>{name}</th><td>{}</td></tr>", escape(value))?;
    }
    writeln!(out, "{END}")
}

/// What ends a table that was begun.
const END: &str = "</table></div></section>";

/// A cell with a time of a series, in milliseconds.
fn cell(machines: Option<&Machines>, series: &str, ns: u64) -> String {
    match sign(machines, series, ns) {
        "" => format!("<td>{:.3}</td>", ms(ns)),
        sign => format!("<td class=\"soft\">{sign}{:.3}</td>", ms(ns)),
    }
}

fn begin(classes: &str, heading: &str, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "<section class=\"{classes}\"><h2>{heading}</h2><div class=\"scroll\" tabindex=\"0\" \
         role=\"group\" aria-label=\"{heading}\"><table>"
    )
}

/// What was demanded, part by part.
fn write_objective(results: &Results, out: &mut impl Write) -> io::Result<()> {
    let Some(slo) = &results.slo else {
        return Ok(());
    };
    begin("wide", "Objective", out)?;
    for part in &slo.parts {
        let (class, outcome) = if part.held {
            ("good", "held")
        } else {
            ("bad", "missed")
        };
        writeln!(
            out,
            "<tr><th>{}</th><td class=\"{class}\">{outcome}</td><td>{}</td></tr>",
            escape(&part.demand),
            escape(&part.was)
        )?;
    }
    writeln!(out, "{END}")
}

fn write_latency(results: &Results, out: &mut impl Write) -> io::Result<()> {
    begin("wide numbers", "Latency in milliseconds", out)?;
    writeln!(
        out,
        "<thead><tr><th>series</th><th>min</th><th>p50</th><th>p90</th><th>p99</th><th>p99.9</th>\
         <th>p99.99</th><th>max</th><th>mean</th><th>count</th></tr></thead>"
    )?;
    let machines = results.machines.as_ref();
    let lags = [
        ("publish lag", &results.generator.publish_lag_ns),
        ("of that its own", &results.generator.own_lag_ns),
    ];
    for (name, times) in results.latency.series().into_iter().chain(lags) {
        if times.is_empty() {
            continue;
        }
        write!(out, "<tr><th>{name}</th>")?;
        let quantiles = [0.5, 0.9, 0.99, 0.999, 0.9999, 1.0].map(|quantile| times.at(quantile));
        let figures = [times.0.min()].into_iter().chain(quantiles);
        for ns in figures.chain([times.mean_ns()]) {
            write!(out, "{}", cell(machines, name, ns))?;
        }
        writeln!(out, "<td>{}</td></tr>", count(times.0.len()))?;
    }
    match legend(machines) {
        Some(legend) => writeln!(out, "</table></div><p>{legend}</p></section>"),
        None => writeln!(out, "{END}"),
    }
}

/// Who waited longest, where there are several who could have.
fn write_slowest(
    heading: &str,
    (slowest, name): (&[Laggard], impl Fn(&Laggard) -> String),
    machines: Option<&Machines>,
    out: &mut impl Write,
) -> io::Result<()> {
    if slowest.len() < 2 {
        return Ok(());
    }
    begin("numbers", heading, out)?;
    writeln!(
        out,
        "<thead><tr><th></th><th>mean ms</th><th>max ms</th><th>deliveries</th></tr></thead>"
    )?;
    for one in slowest {
        let name = name(one);
        let [mean, max] = [one.mean_ns, one.max_ns].map(|ns| cell(machines, "delivery", ns));
        let number = count(one.deliveries);
        writeln!(out, "<tr><th>{name}</th>{mean}{max}<td>{number}</td></tr>")?;
    }
    writeln!(out, "{END}")
}

fn parameters(results: &Results) -> io::Result<Rows<String>> {
    let parameters = serde_json::to_value(&results.parameters).map_err(io::Error::other)?;
    let rows = parameters.as_object().into_iter().flatten();
    Ok(rows
        .map(|(name, value)| (name.replace('_', " "), told(value)))
        .collect())
}

/// A parameter as people read it; nothing if it does not apply.
fn told(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(told).collect::<Vec<_>>().join(", "),
        // A stage.
        Value::Object(fields) => fields.values().map(told).collect::<Vec<_>>().join(" s: "),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

fn messages(results: &Results) -> Rows {
    let (counts, window, rates) = (&results.counts, &results.window, &results.rates);
    let paced = |number: u64, pace: f64| format!("{} ({}/s)", count(number), rate(pace));
    let sessions = &results.sessions;
    let backlog = match counts.outstanding {
        0 => count(0),
        number => {
            let age = time(counts.outstanding_age_ns);
            format!("{}, the oldest for {age}", count(number))
        }
    };
    vec![
        ("planned", paced(window.planned, rates.planned)),
        ("sent", paced(window.sent, rates.sent)),
        ("held back by the server", held_back(&results.held_back)),
        ("complete", paced(window.completed, rates.achieved)),
        ("delivered", paced(window.delivered, rates.deliveries)),
        ("payload", format!("{:.1} MB/s", rates.payload_bytes / 1e6)),
        ("skipped", count(counts.skipped)),
        ("outstanding", backlog),
        ("cut off", count(counts.cut_off)),
        ("duplicated", count(counts.duplicated)),
        ("reordered", count(counts.reordered)),
        ("too late to tell", count(counts.too_late)),
        ("corrupted", count(counts.corrupted)),
        ("of the wrong type", count(counts.wrong_type)),
        ("rejected", count(counts.rejected)),
        ("acknowledged", count(counts.acknowledged)),
        ("not answered", count(counts.unanswered)),
        ("notices of joins", count(counts.joins)),
        ("notices of leaves", count(counts.leaves)),
        ("foreign", count(counts.foreign)),
        ("replayed", count(counts.replayed)),
        (
            "with the warm-up",
            format!(
                "{} of {} deliveries",
                count(counts.delivered),
                count(counts.expected)
            ),
        ),
        ("sessions opened", count(sessions.opened)),
        ("not opened, as allowed", count(sessions.unopened)),
        ("joins that failed", count(sessions.failed)),
        ("joined and heard nothing", count(sessions.heard_nothing)),
        ("refusals by status", by_code(&sessions.refusals)),
        ("ended early", count(sessions.ended_early)),
        ("closes by code", by_code(&sessions.closes)),
    ]
}

/// What became of those that came back: after a storm, and to where they had stood.
fn comings(results: &Results) -> Rows {
    let times = |times: &Distribution| match times.is_empty() {
        true => String::new(),
        false => {
            let [half, most, all] = [0.5, 0.99, 1.0].map(|quantile| ms(times.at(quantile)));
            format!("p50 {half:.3} ms, p99 {most:.3} ms, max {all:.3} ms")
        }
    };
    let mut rows = Vec::new();
    if let Some(storm) = &results.storm {
        rows.extend([
            ("dropped", count(storm.dropped)),
            ("returned", count(storm.returned)),
            ("open again after", times(&storm.return_ns)),
        ]);
    }
    if let Some(found) = &results.recovery {
        rows.extend([
            ("came back to where they had stood", count(found.came_back)),
            ("on connections that were there", count(found.resubscribed)),
            ("recovered", count(found.recovered)),
            ("refused", count(found.refused)),
            ("messages given back", count(found.messages)),
            ("lost of those", count(found.lost)),
            ("given twice", count(found.repeated)),
            ("not expected for that", count(found.forgone)),
            ("had all of it after", times(&found.caught_up_ns)),
        ]);
    }
    let server = results.server.as_ref();
    if let Some(storm) = server.and_then(|server| server.storm.as_ref()) {
        rows.extend([
            (
                "server CPU until all were back",
                format!("{:.0} ms", ms(storm.cpu_ns)),
            ),
            ("server memory before", bytes(storm.rss_bytes_before)),
            ("server memory at most", bytes(storm.rss_bytes_peak)),
        ]);
    }
    rows
}

fn held_back(held: &HeldBack) -> String {
    match held.messages {
        0 => count(0),
        number => format!(
            "{}, for {} at most; {} of {} left in the end",
            count(number),
            time(held.longest_ns),
            count(held.left_messages),
            bytes(held.left_bytes)
        ),
    }
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
        ("begun", date(here.started_unix_ms)),
        ("host", here.host.clone()),
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
