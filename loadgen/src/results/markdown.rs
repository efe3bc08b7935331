//! A summary in Markdown, as pull requests and the summaries of jobs show it.

use std::io::{self, Write};

use super::model::agents::{legend, sign};
use super::model::{Results, Verdict};
use super::table::{Row, latency_rows, load};
use super::units::{bytes, count, date, ms, rate};

/// Writes the summary, with an empty line at its end so that another may follow.
///
/// # Errors
/// Those of the writer.
pub(super) fn write(results: &Results, out: &mut impl Write) -> io::Result<()> {
    let target = format!("{}{}", results.target.address, results.target.path);
    writeln!(
        out,
        "### fanload: {} on `{}`\n\n{}\n",
        cell(&results.parameters.workload),
        target.replace('`', "'"),
        cell(&load(&results.parameters))
    )?;
    for line in verdict(results) {
        writeln!(out, "- {line}")?;
    }
    write_objective(results, out)?;
    write_latency(results, out)?;
    write_figures(results, out)?;
    let here = &results.environment;
    writeln!(
        out,
        "\n<sub>{}, {}, Linux {}, {} x {}, fanload {}</sub>\n",
        date(here.started_unix_ms),
        cell(&here.host),
        cell(&here.kernel),
        here.cpus,
        cell(&here.cpu_model),
        here.version
    )
}

/// A line for everything that is right or wrong.
fn verdict(results: &Results) -> Vec<String> {
    let (fine, bad) = (":white_check_mark:", ":x:");
    let mut lines = vec![match &results.verdict {
        Verdict::Valid => format!("{fine} valid: the generator kept up"),
        Verdict::Invalid { why } => format!("{bad} **INVALID**: {}", cell(&why.join("; "))),
    }];
    let damage = results.damage();
    lines.push(match damage.is_empty() {
        true => format!("{fine} everything came once, whole and in order"),
        false => format!("{bad} **FAILED**: {}", cell(&damage.join("; "))),
    });
    if let Some(slo) = &results.slo {
        lines.push(match slo.held {
            true => format!("{fine} the objective held"),
            false => format!("{bad} the objective was **missed**"),
        });
    }
    lines
}

fn write_objective(results: &Results, out: &mut impl Write) -> io::Result<()> {
    let Some(slo) = &results.slo else {
        return Ok(());
    };
    writeln!(out, "\n| objective | | outcome |\n|---|---|---|")?;
    for part in &slo.parts {
        let mark = if part.held {
            ":white_check_mark:"
        } else {
            ":x:"
        };
        writeln!(
            out,
            "| `{}` | {mark} | {} |",
            cell(&part.demand),
            cell(&part.was)
        )?;
    }
    Ok(())
}

fn write_latency(results: &Results, out: &mut impl Write) -> io::Result<()> {
    let rows: Vec<Row<'_>> = latency_rows(&results.latency).collect();
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\n| ms | p50 | p90 | p99 | p99.9 | max | count |\n|---|---:|---:|---:|---:|---:|---:|"
    )?;
    let machines = results.machines.as_ref();
    for (name, times) in rows {
        let figures = [0.5, 0.9, 0.99, 0.999, 1.0].map(|quantile| {
            let ns = times.at(quantile);
            format!("{}{:.3}", sign(machines, name, ns), ms(ns))
        });
        writeln!(
            out,
            "| {name} | {} | {} |",
            figures.join(" | "),
            count(times.0.len())
        )?;
    }
    match legend(machines) {
        Some(legend) => writeln!(out, "\n<sub>{legend}</sub>"),
        None => Ok(()),
    }
}

fn write_figures(results: &Results, out: &mut impl Write) -> io::Result<()> {
    let (window, rates) = (&results.window, &results.rates);
    let paced = |number: u64, pace: f64| format!("{} ({}/s)", count(number), rate(pace));
    let mut rows = Vec::new();
    if window.delivered > 0 || window.sent > 0 {
        rows.extend([
            ("planned", paced(window.planned, rates.planned)),
            ("sent", paced(window.sent, rates.sent)),
            ("complete", paced(window.completed, rates.achieved)),
            ("delivered", paced(window.delivered, rates.deliveries)),
            ("missing", results.counts.missing().to_string()),
        ]);
        if results.counts.acknowledged > 0 {
            rows.push(("acknowledged", count(results.counts.acknowledged)));
        }
    }
    rows.push(("sessions", count(results.sessions.opened)));
    if let Some(found) = &results.recovery {
        let (recovered, refused) = (count(found.recovered), count(found.refused));
        rows.push((
            "came back",
            format!("{recovered} recovered, {refused} refused"),
        ));
        let (lost, twice) = (count(found.lost), count(found.repeated));
        let given = format!("{} ({lost} lost, {twice} twice)", count(found.messages));
        rows.push(("given back", given));
    }
    if let Some(server) = &results.server {
        if server.cpu_ns_per_delivery > 0.0 {
            let cpu = format!("{:.0} ns", server.cpu_ns_per_delivery);
            rows.push(("server CPU per delivery", cpu));
        }
        rows.push(("server memory at most", bytes(server.rss_bytes_peak)));
    }
    writeln!(out, "\n| | |\n|---|---:|")?;
    for (name, value) in rows {
        writeln!(out, "| {name} | {value} |")?;
    }
    Ok(())
}

/// Text that others named, as it may stand in a cell of a table.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '|' | '*' | '_' | '[' | ']' | '\\' => out.extend(['\\', letter]),
            '<' => out.push_str("&lt;"),
            '`' => out.push('\''),
            _ if letter.is_control() => out.push(' '),
            _ => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::model::agents::{Agent, Machines};
    use crate::results::model::asked::{Slo, SloPart};
    use crate::results::model::recovery::Recovery;
    use crate::results::sample;

    fn summary(change: impl Fn(&mut Results)) -> String {
        let (mut results, _) = sample::run(2);
        change(&mut results);
        let mut bytes = Vec::new();
        write(&results, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// Goal: verdict, objective and figures are there, in tables whose rows all have their cells.
    #[test]
    fn the_summary_is_whole() {
        let text = summary(|results| {
            results.recovery = Some(Recovery {
                came_back: 9,
                recovered: 8,
                refused: 1,
                messages: 1_600,
                lost: 3,
                ..Recovery::default()
            });
            results.slo = Some(Slo {
                parts: vec![SloPart {
                    demand: "p99=1ms".to_owned(),
                    held: false,
                    was: "it was 2ms".to_owned(),
                }],
                ..Slo::default()
            });
        });
        for part in [
            "### fanload: fanout on `127.0.0.1:9001/ws`",
            "- :white_check_mark: valid",
            "- :x: the objective was **missed**",
            "| `p99=1ms` | :x: | it was 2ms |",
            "\n| completion | ",
            "\n| ack | ",
            "\n| acknowledged | 300 |",
            "\n| came back | 8 recovered, 1 refused |",
            "\n| given back | 1,600 (3 lost, 0 twice) |",
            "| sent | 200 (100.0/s) |",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        let mut cells = 0;
        for line in text.lines() {
            let number = line.matches('|').count();
            assert!(number == 0 || cells == 0 || number == cells, "{line}");
            cells = number;
        }
    }

    /// Goal: figures that are too short for what is known of the clocks have a sign, which is explained.
    #[test]
    fn doubtful_figures_have_a_sign() {
        assert!(!summary(|_| {}).contains("| ~"));
        let text = summary(|results| {
            let agent = Agent {
                clock_uncertainty_ns: 500_000,
                ..Agent::default()
            };
            let mut machines = Machines::new(vec![agent.clone(), agent]);
            machines.doubt(&results.latency.series());
            results.machines = Some(machines);
        });
        assert!(text.contains("\n| delivery | ~"), "{text}");
        assert!(text.contains("<sub>~ below three times"), "{text}");
        let upgrade = text.lines().find(|line| line.starts_with("| upgrade"));
        assert!(!upgrade.unwrap().contains('~'), "{text}");
    }

    /// Goal: what others named breaks no table and becomes no markup.
    #[test]
    fn names_are_escaped() {
        let text = summary(|results| {
            results.sessions.ended_early = 1;
            results.sessions.first_cause = Some("a|b <img> `c`\n**d**".to_owned());
            results.target.path = "/`x`".to_owned();
        });
        assert!(text.contains("a\\|b &lt;img> 'c' \\*\\*d\\*\\*"), "{text}");
        assert!(text.contains("`127.0.0.1:9001/'x'`"), "{text}");
    }
}
