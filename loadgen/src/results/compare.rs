//! Two runs side by side.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Args;
use serde_json::Value;

use super::model::asked::Parameters;
use super::model::{Results, SCHEMA_VERSION, Verdict};
use super::units::date;

/// Exit code when one of the runs is invalid: its figures mean nothing.
const EXIT_INVALID: u8 = 2;

/// Exit code of `--fail-on-regression` when a figure got worse by more than the noise.
const EXIT_REGRESSION: u8 = 99;

/// Compare two runs that were written with --json.
///
/// Runs whose parameters differ are refused; the server may be another. Exit codes: 0 compared; 1 can't
/// be compared; 2 one of the runs is invalid; 99 worse, with --fail-on-regression.
#[derive(Args, Clone, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct CompareArgs {
    /// The run that is compared with.
    #[arg(value_name = "A.JSON")]
    before: PathBuf,
    /// The run that is judged.
    #[arg(value_name = "B.JSON")]
    after: PathBuf,
    /// Difference up to which figures count as the same.
    #[arg(long, value_name = "PERCENT", default_value = "5%", value_parser = share)]
    noise: f64,
    /// End with code 99 if a figure got worse by more than the noise, or more went wrong.
    #[arg(long)]
    fail_on_regression: bool,
    /// Compare runs whose parameters differ, too.
    #[arg(long)]
    different_parameters: bool,
}

/// Which way a figure should go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Better {
    Lower,
    Higher,
    /// Zero is right, and more is wrong by however little.
    None,
    /// Shown, not judged: a single worst case is no measure.
    Shown,
}

/// One figure of both runs, and what became of it.
struct Row {
    name: &'static str,
    unit: &'static str,
    before: f64,
    after: f64,
    better: Better,
}

/// Prints the table to `out`; gives the exit code.
///
/// # Errors
/// One sentence: a file that can't be read, or runs that can't be compared.
pub(crate) fn compare(args: &CompareArgs, out: &mut impl Write) -> anyhow::Result<u8> {
    let (before, after) = (read(&args.before)?, read(&args.after)?);
    let differing = differences(&before.parameters, &after.parameters)?;
    ensure!(
        args.different_parameters || differing.is_empty(),
        "the runs differ in {}; --different-parameters compares them all the same",
        differing.join(", ")
    );
    for (name, path, results) in [("A", &args.before, &before), ("B", &args.after, &after)] {
        let Results {
            target,
            environment,
            ..
        } = results;
        writeln!(
            out,
            "{name}  {}: {}{}, {}, {}, {}",
            path.display(),
            target.address,
            target.path,
            date(environment.started_unix_ms),
            environment.host,
            environment.commit.as_deref().unwrap_or("no commit")
        )?;
    }
    for difference in &differing {
        writeln!(out, "differs: {difference}")?;
    }
    let (one, other) = (&before.environment, &after.environment);
    if (&one.kernel, &one.cpu_model, one.cpus) != (&other.kernel, &other.cpu_model, other.cpus) {
        writeln!(out, "note: kernel or processor differ")?;
    }
    writeln!(out, "\n{:34}{:>14}{:>14}{:>9}", "", "A", "B", "B/A")?;
    let mut worse = 0;
    for row in rows(&before, &after) {
        worse += u32::from(row.is_worse(args.noise));
        row.print(args.noise, out)?;
    }
    writeln!(
        out,
        "\n{worse} worse by more than {:.1}%",
        args.noise * 100.0
    )?;
    for (name, results) in [("A", &before), ("B", &after)] {
        if let Verdict::Invalid { why } = &results.verdict {
            writeln!(out, "INVALID: {name}: {}", why.join("; "))?;
            return Ok(EXIT_INVALID);
        }
    }
    Ok(match args.fail_on_regression && worse > 0 {
        true => EXIT_REGRESSION,
        false => 0,
    })
}

impl Row {
    fn is_worse(&self, noise: f64) -> bool {
        match self.better {
            Better::Lower => self.after > self.before * (1.0 + noise),
            Better::Higher => self.after < self.before * (1.0 - noise),
            Better::None => self.after > self.before,
            Better::Shown => false,
        }
    }

    fn is_better(&self, noise: f64) -> bool {
        match self.better {
            Better::Lower => self.after < self.before * (1.0 - noise),
            Better::Higher => self.after > self.before * (1.0 + noise),
            Better::None => self.after < self.before,
            Better::Shown => false,
        }
    }

    fn print(&self, noise: f64, out: &mut impl Write) -> std::io::Result<()> {
        let label = match self.unit {
            "" => self.name.to_owned(),
            unit => format!("{}, {unit}", self.name),
        };
        let ratio = match self.before == 0.0 {
            true => "-".to_owned(),
            false => format!("{:.3}", self.after / self.before),
        };
        let judgement = match (self.is_worse(noise), self.is_better(noise)) {
            (true, _) => "  worse",
            (_, true) => "  better",
            _ => "",
        };
        let places = usize::from(self.unit == "ms") * 3;
        writeln!(
            out,
            "{label:34}{:14.places$}{:14.places$}{ratio:>9}{judgement}",
            self.before, self.after
        )
    }
}

/// The figures that both runs have.
#[expect(clippy::cast_precision_loss, reason = "ratios for people")]
fn rows(before: &Results, after: &Results) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |name, unit, better, figure: &dyn Fn(&Results) -> Option<f64>| {
        rows.extend(row((name, unit, better), (before, after), figure));
    };
    macro_rules! times {
        ($($name:literal $series:ident $quantile:literal $better:ident),* $(,)?) => {$(
            add($name, "ms", Better::$better, &|results| {
                let times = &results.latency.$series;
                (!times.is_empty()).then(|| times.at($quantile) as f64 / 1e6)
            });
        )*};
    }
    times!(
        "upgrade p50" upgrade_ns 0.5 Lower,
        "upgrade p99" upgrade_ns 0.99 Lower,
        "delivery p50" delivery_ns 0.5 Lower,
        "delivery p99" delivery_ns 0.99 Lower,
        "delivery p99.9" delivery_ns 0.999 Lower,
        "delivery max" delivery_ns 1.0 Shown,
        "first p50" first_ns 0.5 Lower,
        "completion p50" completion_ns 0.5 Lower,
        "completion p99" completion_ns 0.99 Lower,
        "completion max" completion_ns 1.0 Shown,
        "spread p50" spread_ns 0.5 Lower,
        "spread p99" spread_ns 0.99 Lower,
        "ack p50" ack_ns 0.5 Lower,
        "ack p99" ack_ns 0.99 Lower,
        "ack max" ack_ns 1.0 Shown,
    );
    macro_rules! rates {
        ($($name:literal $unit:literal $field:ident),* $(,)?) => {$(
            add($name, $unit, Better::Higher, &|results| {
                (results.window.length_ns > 0).then_some(results.rates.$field)
            });
        )*};
    }
    rates!(
        "sent" "messages/s" sent,
        "complete" "messages/s" achieved,
        "delivered" "deliveries/s" deliveries,
    );
    for (place, (name, _)) in faults(before).into_iter().enumerate() {
        add(name, "", Better::None, &|r| Some(faults(r)[place].1 as f64));
    }
    rows.extend(rest(before, after));
    rows
}

/// A figure of two runs, if both have it.
fn row(
    (name, unit, better): (&'static str, &'static str, Better),
    (before, after): (&Results, &Results),
    figure: impl Fn(&Results) -> Option<f64>,
) -> Option<Row> {
    let (before, after) = figure(before).zip(figure(after))?;
    Some(Row {
        name,
        unit,
        before,
        after,
        better,
    })
}

/// The figures of what was given back to those that came back, and of the server.
#[expect(clippy::cast_precision_loss, reason = "ratios for people")]
fn rest(before: &Results, after: &Results) -> impl Iterator<Item = Row> {
    let found = |r: &Results| r.recovery.clone();
    let used = |r: &Results| r.server.clone();
    let caught_up = |r: &Results, quantile| {
        let times = found(r)?.caught_up_ns;
        (!times.is_empty()).then(|| times.at(quantile) as f64 / 1e6)
    };
    let positive = |value: f64| (value > 0.0).then_some(value);
    type Figure<'f> = &'f dyn Fn(&Results) -> Option<f64>;
    let all: [(&str, &str, Better, Figure<'_>); 8] = [
        ("lost of what is given back", "", Better::None, &|r| {
            Some(found(r)?.lost as f64)
        }),
        ("given twice", "", Better::None, &|r| {
            Some(found(r)?.repeated as f64)
        }),
        ("refused to give back", "", Better::Shown, &|r| {
            Some(found(r)?.refused as f64)
        }),
        ("given back p50", "ms", Better::Lower, &|r| {
            caught_up(r, 0.5)
        }),
        ("given back p99", "ms", Better::Lower, &|r| {
            caught_up(r, 0.99)
        }),
        ("server CPU per delivery", "ns", Better::Lower, &|r| {
            positive(used(r)?.cpu_ns_per_delivery)
        }),
        ("server memory per session", "bytes", Better::Lower, &|r| {
            positive(used(r)?.bytes_per_connection)
        }),
        (
            "server CPU until all were back",
            "ms",
            Better::Lower,
            &|r| positive(used(r)?.storm?.cpu_ns as f64 / 1e6),
        ),
    ];
    let rows =
        all.map(|(name, unit, better, figure)| row((name, unit, better), (before, after), figure));
    rows.into_iter().flatten()
}

/// What should be zero.
fn faults(results: &Results) -> [(&'static str, u64); 13] {
    let (counts, sessions) = (&results.counts, &results.sessions);
    [
        ("skipped", counts.skipped),
        ("outstanding", counts.outstanding),
        ("cut off", counts.cut_off),
        ("duplicated", counts.duplicated),
        ("reordered", counts.reordered),
        ("too late to tell", counts.too_late),
        ("corrupted", counts.corrupted),
        ("of the wrong type", counts.wrong_type),
        ("rejected", counts.rejected),
        ("not answered", counts.unanswered),
        ("joins that failed", sessions.failed),
        ("joined and heard nothing", sessions.heard_nothing),
        ("sessions ended early", sessions.ended_early),
    ]
}

fn read(path: &Path) -> anyhow::Result<Results> {
    let text =
        fs::read_to_string(path).with_context(|| format!("{}: can't read", path.display()))?;
    let value: Value =
        serde_json::from_str(&text).with_context(|| format!("{}: not JSON", path.display()))?;
    match value["schema_version"].as_u64() {
        Some(version) if version == u64::from(SCHEMA_VERSION) => {}
        Some(version) => bail!(
            "{}: written by another fanload (schema version {version}, not {SCHEMA_VERSION})",
            path.display()
        ),
        None => bail!("{}: not written by fanload --json", path.display()),
    }
    serde_json::from_value(value).with_context(|| format!("{}: damaged", path.display()))
}

/// The parameters that differ, each with both values.
fn differences(before: &Parameters, after: &Parameters) -> anyhow::Result<Vec<String>> {
    let (before, after) = (serde_json::to_value(before)?, serde_json::to_value(after)?);
    let fields = before.as_object().into_iter().flatten();
    Ok(fields
        .filter(|(name, value)| after[name.as_str()] != **value)
        .map(|(name, value)| format!("{name} ({value}, {})", after[name.as_str()]))
        .collect())
}

fn share(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').trim();
    match number.parse::<f64>() {
        Ok(percent) if (0.0..=1_000.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("want a percentage, such as 5%".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::model::recovery::Recovery;
    use crate::results::sample;

    fn file(name: &str, results: &Results) -> PathBuf {
        let path = std::env::temp_dir().join(format!("fanload-{}-{name}", std::process::id()));
        fs::write(&path, serde_json::to_string(results).unwrap()).unwrap();
        path
    }

    /// The exit code and the table, or the error.
    fn compared(
        name: &str,
        change: impl Fn(&mut Results),
        strict: bool,
    ) -> Result<(u8, String), String> {
        let (before, _) = sample::run(5);
        let mut after = before.clone();
        change(&mut after);
        let args = CompareArgs {
            before: file(&format!("{name}-a.json"), &before),
            after: file(&format!("{name}-b.json"), &after),
            noise: 0.05,
            fail_on_regression: strict,
            different_parameters: false,
        };
        let mut out = Vec::new();
        let code = compare(&args, &mut out).map_err(|error| format!("{error:#}"));
        fs::remove_file(&args.before).unwrap();
        fs::remove_file(&args.after).unwrap();
        Ok((code?, String::from_utf8(out).unwrap()))
    }

    /// Goal: equal runs are equal, and fail on nothing.
    #[test]
    fn equal_runs_are_equal() {
        let (code, text) = compared("equal", |_| {}, true).unwrap();
        assert_eq!(code, 0, "{text}");
        assert!(
            text.contains("\n0 worse") && text.contains("1.000") && text.contains(" UTC, "),
            "{text}"
        );
    }

    /// Goal: a rate beyond the noise, and a single delivery that is missing for whatever reason, are
    /// regressions; less than the noise is not.
    #[test]
    fn regressions_are_found() {
        let slower = |results: &mut Results| results.rates.achieved *= 0.9;
        assert_eq!(compared("slower", slower, true).unwrap().0, 99);
        assert_eq!(compared("lenient", slower, false).unwrap().0, 0);
        let noisy = |results: &mut Results| results.rates.achieved *= 0.96;
        assert_eq!(compared("noisy", noisy, true).unwrap().0, 0);
        type Figure = fn(&mut Results) -> &mut u64;
        let damages: [(&str, Figure); 5] = [
            ("skipped", |results| &mut results.counts.skipped),
            ("outstanding", |results| &mut results.counts.outstanding),
            ("cut off", |results| &mut results.counts.cut_off),
            ("joins that failed", |results| &mut results.sessions.failed),
            ("not answered", |results| &mut results.counts.unanswered),
        ];
        for (name, count) in damages {
            let (code, text) = compared("lossy", |results| *count(results) = 1, true).unwrap();
            assert_eq!(code, 99, "{text}");
            let line = text.lines().find(|line| line.starts_with(name)).unwrap();
            assert!(line.ends_with("-  worse"), "{line}");
        }
    }

    /// Goal: acknowledgements are compared as deliveries are: by their quantiles, and only where both runs have some.
    #[test]
    fn acknowledgements_are_compared() {
        let slower = |results: &mut Results| {
            results.latency.ack_ns.record_all(900_000_000, 2_000);
        };
        let (code, text) = compared("acks", slower, true).unwrap();
        let row = text.lines().find(|line| line.starts_with("ack p50, ms"));
        assert!(row.is_some_and(|row| row.ends_with("  worse")), "{text}");
        assert_eq!(code, 99, "{text}");
        let without = |results: &mut Results| results.latency.ack_ns = Default::default();
        let (code, text) = compared("no-acks", without, true).unwrap();
        assert!(code == 0 && !text.contains("ack p50"), "{text}");
    }

    /// Goal: what is given back is compared where both runs have some: one delivery that is lost, and how long it takes.
    #[test]
    fn recoveries_are_compared() {
        let with = |lost, took_ns| {
            let mut found = Recovery {
                lost,
                ..Recovery::default()
            };
            found.caught_up_ns.record_all(took_ns, 100);
            Some(found)
        };
        let (mut before, _) = sample::run(5);
        before.recovery = with(0, 1_000_000);
        let mut after = before.clone();
        after.recovery = with(1, 2_000_000);
        let rows = rows(&before, &after);
        let worse = rows
            .iter()
            .filter(|row| row.is_worse(0.05))
            .map(|row| row.name);
        let expected = [
            "lost of what is given back",
            "given back p50",
            "given back p99",
        ];
        assert_eq!(worse.collect::<Vec<_>>(), expected);
        let (plain, _) = sample::run(5);
        let rows = super::rows(&plain, &after);
        assert!(!rows.iter().any(|row| row.name.contains("given")));
    }

    /// Goal: runs that can't be compared are refused with what differs, unless it is only the
    /// server.
    #[test]
    fn unlike_runs_are_refused() {
        let error = compared(
            "unlike",
            |results| results.parameters.subscribers = 7,
            false,
        );
        assert!(error.unwrap_err().contains("subscribers (20, 7)"));
        type Change = fn(&mut Parameters);
        let changes: [(&str, Change); 7] = [
            ("workers (1, 4)", |p| p.workers = 4),
            ("pin ([], [3])", |p| p.pin = vec![3]),
            ("drain_seconds (2.0, 9.0)", |p| p.drain_seconds = 9.0),
            ("settle_seconds (0.1, 1.0)", |p| p.settle_seconds = 1.0),
            ("connect_in_flight (256, 1)", |p| p.connect_in_flight = 1),
            ("dialogue ([], [\"--any-type\"])", |p| {
                p.dialogue.push("--any-type".to_owned())
            }),
            ("protocol (\"plain\", \"other\")", |p| {
                p.protocol = "other".to_owned()
            }),
        ];
        for (what, change) in changes {
            let error = compared("set", |results| change(&mut results.parameters), false);
            let error = error.unwrap_err();
            assert!(error.contains(what), "{what}: {error}");
        }
        let elsewhere = |results: &mut Results| results.target.address = "127.0.0.1:1".to_owned();
        assert_eq!(compared("elsewhere", elsewhere, true).unwrap().0, 0);
        let error = compared("older", |results| results.schema_version = 99, false);
        assert!(error.unwrap_err().contains("schema version 99"));
        let spoiled =
            |results: &mut Results| results.verdict = Verdict::Invalid { why: Vec::new() };
        assert_eq!(compared("spoiled", spoiled, true).unwrap().0, 2);
    }

    /// Goal: noise is a percentage with or without its sign.
    #[test]
    fn noise_is_a_percentage() {
        assert_eq!((share("5%"), share("2.5")), (Ok(0.05), Ok(0.025)));
        assert!(share("much").is_err() && share("-1%").is_err());
    }
}
