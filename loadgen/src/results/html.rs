//! One page with everything about a run: figures, plots and tables, without anything external.

mod over_time;
mod plots;
mod svg;
mod tables;

use std::io::{self, Write};

use super::markup::escape;
use super::model::agents::sign;
use super::model::{Results, Verdict};
use super::table::load;
use super::timeline::Timeline;
use super::units::{count, date, rate, time};

const STYLE: &str = include_str!("html/page.css");

/// Writes the page.
///
/// # Errors
/// Those of the writer.
pub(super) fn write(
    results: &Results,
    timeline: &Timeline,
    out: &mut impl Write,
) -> io::Result<()> {
    let title = format!("{}{}", results.target.address, results.target.path);
    let title = escape(&title);
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>fanload: {title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
    )?;
    let (class, verdict) = verdict(results);
    writeln!(
        out,
        "<header><h1>{} on {title}</h1><span class=\"badge {class}\">{verdict}</span></header>\n\
         <p class=\"soft\">{}</p>\n<p class=\"soft\">{} on {}</p>",
        escape(&results.parameters.workload),
        escape(&load(&results.parameters)),
        date(results.environment.started_unix_ms),
        escape(&results.environment.host)
    )?;
    for sentence in troubles(results) {
        writeln!(out, "<p class=\"why\">{}</p>", escape(&sentence))?;
    }
    writeln!(out, "<div class=\"tiles\">")?;
    for (figure, name) in tiles(results) {
        writeln!(
            out,
            "<div class=\"tile\"><b>{figure}</b><span>{name}</span></div>"
        )?;
    }
    writeln!(out, "</div>\n<div class=\"plots\">")?;
    for (heading, note, plot) in plots(results, timeline) {
        writeln!(
            out,
            "<section><h2>{heading}</h2><p>{note}</p>\n{plot}</section>"
        )?;
    }
    writeln!(out, "</div>\n<div class=\"tables\">")?;
    tables::write(results, out)?;
    writeln!(
        out,
        "</div>\n<footer>fanload {}{} &middot; <code>{}</code></footer>\n</body>\n</html>",
        escape(&results.environment.version),
        results
            .environment
            .commit
            .as_ref()
            .map_or_else(String::new, |commit| format!(" ({})", escape(commit))),
        escape(&results.command_line.join(" "))
    )
}

/// Headings, notes and plots; those without data are left out.
fn plots(results: &Results, timeline: &Timeline) -> Vec<(&'static str, &'static str, String)> {
    let (latency, columns) = (&results.latency, timeline.columns());
    let loaded = columns.iter().any(super::timeline::Column::is_loaded);
    let mut all = Vec::new();
    let delivered = !latency.delivery_ns.is_empty();
    if delivered || !latency.upgrade_ns.is_empty() {
        all.push((
            "Latency by percentile",
            "From the time a message was due. Each step to the right is ten times rarer.",
            plots::percentiles(latency),
        ));
    }
    if loaded && delivered {
        all.push((
            "Latency over time",
            "Each cell counts deliveries; darker is more. Dotted: the measured window.",
            plots::heat(columns),
        ));
    }
    if !latency.completion_ns.is_empty() {
        all.push((
            "Completion spread",
            "When the first, the median and the last subscriber had each message.",
            plots::spread(latency),
        ));
    }
    if loaded {
        all.push((
            "Rate, planned and achieved",
            "Complete below sent: deliveries are late or missing. Sent below planned: the generator is late.",
            over_time::rates(columns, &results.parameters),
        ));
    }
    if loaded && !results.parameters.session_stages.is_empty() {
        all.push((
            "Sessions, wanted and open",
            "All sessions, publishers among them. Open below wanted: the server is slow to take them, or refuses.",
            over_time::sessions(columns),
        ));
    }
    all
}

fn verdict(results: &Results) -> (&'static str, &'static str) {
    match (&results.verdict, results.is_clean(), &results.slo) {
        (Verdict::Invalid { .. }, ..) => ("bad", "invalid"),
        (_, false, _) => ("bad", "loss or disorder"),
        (.., Some(slo)) if !slo.held => ("bad", "objective missed"),
        (.., Some(_)) => ("good", "valid, objective held"),
        _ => ("good", "valid, nothing missing"),
    }
}

/// A sentence for everything that is wrong.
fn troubles(results: &Results) -> Vec<String> {
    let mut all = Vec::new();
    if let Verdict::Invalid { why } = &results.verdict {
        all.push(format!(
            "These figures are not the server's: {}",
            why.join("; ")
        ));
    }
    let damage = results.damage();
    if !damage.is_empty() {
        all.push(format!("Failed: {}", damage.join("; ")));
    }
    if let Some(slo) = results.slo.as_ref().filter(|slo| !slo.held) {
        all.push(format!(
            "The objective was missed: {}",
            slo.misses.join("; ")
        ));
    }
    all
}

/// The figures that matter most, with their names.
fn tiles(results: &Results) -> Vec<(String, &'static str)> {
    let latency = &results.latency;
    let mut all = Vec::new();
    let figure = |series, ns| {
        format!(
            "{}{}",
            sign(results.machines.as_ref(), series, ns),
            time(ns)
        )
    };
    let completion = |quantile| figure("completion", latency.completion_ns.at(quantile));
    let delivery = |quantile| figure("delivery", latency.delivery_ns.at(quantile));
    if !latency.completion_ns.is_empty() {
        all.push((completion(0.5), "completion p50"));
        all.push((completion(0.99), "completion p99"));
    }
    if !latency.delivery_ns.is_empty() {
        all.push((delivery(0.99), "delivery p99"));
        all.push((delivery(1.0), "delivery max"));
        all.push((rate(results.rates.deliveries), "deliveries a second"));
        all.push((count(results.counts.missing().sum()), "deliveries missing"));
    } else if !latency.upgrade_ns.is_empty() {
        all.push((time(latency.upgrade_ns.at(0.99)), "upgrade p99"));
        all.push((count(results.sessions.opened), "sessions"));
    }
    if let Some(server) = &results.server {
        if server.cpu_ns_per_delivery > 0.0 {
            let figure = format!("{:.0} ns", server.cpu_ns_per_delivery);
            all.push((figure, "server CPU per delivery"));
        } else {
            let figure = format!("{:.0} B", server.bytes_per_connection);
            all.push((figure, "server memory per session"));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::model::agents::{Agent, Machines};
    use crate::results::model::asked::Stage;
    use crate::results::sample;

    fn page(seconds: u64) -> String {
        let (mut results, intervals) = sample::run(seconds);
        results.target.path = "/ws?<b>&\"".to_owned();
        let mut timeline = Timeline::default();
        for interval in &intervals {
            timeline.append(interval);
        }
        let mut bytes = Vec::new();
        write(&results, &timeline, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// Goal: the page is self-contained, has its four plots with marks in them, and what others
    /// named is escaped.
    #[test]
    fn the_page_is_complete() {
        let page = page(30);
        for id in ["percentiles", "heat", "spread", "rates"] {
            let (_, plot) = page.split_once(&format!("<svg id=\"{id}\"")).unwrap();
            let (plot, _) = plot.split_once("</svg>").unwrap();
            assert!(plot.matches("<path").count() > 8, "{id}");
            assert!(!plot.contains("NaN") && !plot.contains("inf"), "{id}");
        }
        for external in ["http://", "https://", "src=", "@import", "url(", "<script"] {
            assert!(!page.contains(external), "{external}");
        }
        assert!(page.contains("/ws?&lt;b&gt;&amp;&quot;") && !page.contains("?<b>"));
    }

    /// Goal: a load that changes over time is drawn as it was planned, and its sessions as well.
    #[test]
    fn stages_are_drawn() {
        let (mut results, intervals) = sample::run(10);
        let stage = |seconds, target| Stage { seconds, target };
        results.parameters.stages = vec![stage(5.0, 150.0), stage(5.0, 50.0)];
        results.parameters.session_stages = vec![stage(10.0, 5.0)];
        let mut timeline = Timeline::default();
        for interval in &intervals {
            timeline.append(interval);
        }
        let mut bytes = Vec::new();
        write(&results, &timeline, &mut bytes).unwrap();
        let page = String::from_utf8(bytes).unwrap();
        let plot = |id: &str| {
            let (_, plot) = page.split_once(&format!("<svg id=\"{id}\"")).unwrap();
            plot.split_once("</svg>").unwrap().0.to_owned()
        };
        let planned = "<path class=\"trace dash\" stroke=\"var(--completion)\" d=\"";
        let rates = plot("rates");
        let (_, line) = rates.split_once(planned).unwrap();
        let line = line.split('"').next().unwrap();
        // The step of the warm-up, then the corners of the stages.
        assert_eq!(line.matches('L').count(), 3, "{line}");
        assert!(plot("sessions").contains(planned));
        let stages = "<tr><th>stages</th><td>5.0 s: 150.0, 5.0 s: 50.0</td></tr>";
        assert!(page.contains(stages), "{page}");
    }

    /// Goal: figures that are too short for what is known of the clocks have a sign, which is explained.
    #[test]
    fn doubtful_figures_have_a_sign() {
        let (mut results, _) = sample::run(10);
        let page = |results: &Results| {
            let mut bytes = Vec::new();
            write(results, &Timeline::default(), &mut bytes).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        assert!(!page(&results).contains(">~"));
        let agent = Agent {
            clock_uncertainty_ns: 500_000,
            ..Agent::default()
        };
        let mut machines = Machines::new(vec![agent.clone(), agent]);
        machines.doubt(&results.latency.series());
        results.machines = Some(machines);
        let page = page(&results);
        assert!(
            page.contains("<tr><th>delivery</th><td class=\"soft\">~1."),
            "{page}"
        );
        assert!(
            page.contains("<tr><th>session 3</th><td class=\"soft\">~2.000</td><td>50.000</td>")
        );
        assert!(page.contains("<b>~"), "the tile of a completion");
        assert!(page.contains("<p>~ below three times"), "{page}");
    }

    /// Goal: the size of the page does not grow with the duration.
    #[test]
    fn the_page_stays_small() {
        let bytes = page(700).len();
        assert!(bytes < 1_500_000, "{bytes}");
    }

    /// Goal: a run without anything is still a page.
    #[test]
    fn an_empty_run_is_a_page() {
        let mut bytes = Vec::new();
        write(&Results::default(), &Timeline::default(), &mut bytes).unwrap();
        let page = String::from_utf8(bytes).unwrap();
        assert!(page.ends_with("</html>\n") && !page.contains("<svg"));
    }
}
