//! Where the results go: the flags, the files, and who is told while the run goes on.

use super::csv::Table;
use super::distribution::Distribution;
use super::hgrm;
use super::hlog::IntervalLog;
use super::html;
use super::live::{Live, SCREEN_COLUMNS, Style};
use super::model::{Interval, Observer, Parameters, Results, Target};
use super::table::load;
use super::timeline::Timeline;
use anyhow::Context;
use clap::Args;
use rustix::termios::tcgetwinsize;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Stderr, Write};
use std::path::{Path, PathBuf};

/// Flags for the output of a run.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct OutputArgs {
    /// File for everything that was found, as JSON (docs/fanload.schema.json).
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) json: Option<PathBuf>,
    /// File for the percentiles of the deliveries in HdrHistogram's text form, in milliseconds. Those of
    /// completion, spread and upgrade go next to it: run.hgrm, run.completion.hgrm and so on.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) hgrm: Option<PathBuf>,
    /// File for HdrHistogram's interval log, tagged by series.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) hlog: Option<PathBuf>,
    /// File for a table with a row for each second.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) csv: Option<PathBuf>,
    /// File for a page with plots.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) html: Option<PathBuf>,
    /// Show a line a second instead of a screen while the run goes on.
    #[arg(long, help_heading = "Output")]
    pub(crate) no_tui: bool,
    /// Show nothing while the run goes on.
    #[arg(long, help_heading = "Output", conflicts_with = "no_tui")]
    pub(crate) quiet: bool,
}

impl OutputArgs {
    /// Whether any file is asked for.
    pub(crate) fn has_files(&self) -> bool {
        let files = [&self.json, &self.hgrm, &self.hlog, &self.csv, &self.html];
        files.iter().any(|file| file.is_some())
    }
}

type Sink = BufWriter<File>;

/// Takes in a run and writes what the flags ask for.
pub(crate) struct Output {
    args: OutputArgs,
    timeline: Timeline,
    live: Option<Live<Stderr>>,
    hlog: Option<IntervalLog<Sink>>,
    csv: Option<Table<Sink>>,
    json: Option<Sink>,
    html: Option<Sink>,
    /// The first failure to write, kept until the run is over.
    failure: Option<io::Error>,
}

impl Output {
    /// Opens all files, so that one that can't be written is known before the run.
    ///
    /// # Errors
    /// One sentence that names the flag and the file.
    pub(crate) fn open(
        args: &OutputArgs,
        target: &Target,
        parameters: &Parameters,
    ) -> anyhow::Result<Self> {
        let file = |flag: &str, path: &Option<PathBuf>| {
            path.as_deref().map(|path| create(flag, path)).transpose()
        };
        let hlog = file("--hlog", &args.hlog)?
            .map(|file| IntervalLog::begin(file, super::environment::unix_ms()));
        let csv = file("--csv", &args.csv)?.map(Table::begin);
        if let Some(path) = &args.hgrm {
            create("--hgrm", path)?;
        }
        let columns = tcgetwinsize(io::stderr()).map_or(0, |size| size.ws_col.into());
        let style = match !args.no_tui && io::stderr().is_terminal() && columns >= SCREEN_COLUMNS {
            true => Style::Screen,
            false => Style::Lines,
        };
        let title = format!("{}{}: {}", target.address, target.path, load(parameters));
        let load_seconds = parameters.warmup_seconds + parameters.duration_seconds;
        Ok(Self {
            timeline: Timeline::default(),
            live: (!args.quiet).then(|| Live::new(io::stderr(), style, title, load_seconds)),
            hlog: hlog.transpose().context("--hlog: can't write")?,
            csv: csv.transpose().context("--csv: can't write")?,
            json: file("--json", &args.json)?,
            html: file("--html", &args.html)?,
            failure: None,
            args: args.clone(),
        })
    }

    /// Ends the live view, prints the table to `out` and writes the files.
    ///
    /// # Errors
    /// One sentence that names the flag whose file could not be written.
    pub(crate) fn finish(
        mut self,
        results: &mut Results,
        out: &mut impl Write,
    ) -> anyhow::Result<()> {
        results.intervals = self.timeline.summaries();
        if let Some(live) = &mut self.live {
            // A terminal that went away must not cost the results.
            let _ = live.finish();
        }
        writeln!(out, "{results}").context("can't write the table")?;
        if let Some(error) = self.failure.take() {
            return Err(error).context("can't write --hlog or --csv");
        }
        if let Some(log) = &mut self.hlog {
            log.flush().context("--hlog: can't write")?;
        }
        if let Some(table) = &mut self.csv {
            table.flush().context("--csv: can't write")?;
        }
        if let Some(mut file) = self.json.take() {
            write_json(results, &mut file).context("--json: can't write")?;
        }
        if let Some(mut file) = self.html.take() {
            html::write(results, &self.timeline, &mut file)
                .and_then(|()| file.flush())
                .context("--html: can't write")?;
        }
        if let Some(path) = &self.args.hgrm {
            write_tables(results, path)?;
        }
        Ok(())
    }
}

impl Observer for Output {
    fn interval(&mut self, interval: &Interval) {
        self.timeline.append(interval);
        if let Some(live) = &mut self.live
            && live.show(interval).is_err()
        {
            self.live = None;
        }
        let log = self.hlog.as_mut().map(|log| log.append(interval));
        let table = self.csv.as_mut().map(|table| table.append(interval));
        for outcome in [log, table].into_iter().flatten() {
            if let Err(error) = outcome {
                self.failure.get_or_insert(error);
            }
        }
    }
}

fn create(flag: &str, path: &Path) -> anyhow::Result<Sink> {
    let file = File::create(path)
        .with_context(|| format!("{flag} {}: can't write there", path.display()))?;
    Ok(BufWriter::new(file))
}

fn write_json(results: &Results, out: &mut impl Write) -> anyhow::Result<()> {
    serde_json::to_writer_pretty(&mut *out, results)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

/// Writes the deliveries to `path` and every other series next to it.
fn write_tables(results: &Results, path: &Path) -> anyhow::Result<()> {
    let latency = &results.latency;
    let beside = |series: &str| path.with_extension(format!("{series}.hgrm"));
    let tables: [(PathBuf, &Distribution); 4] = [
        (path.to_owned(), &latency.delivery_ns),
        (beside("completion"), &latency.completion_ns),
        (beside("spread"), &latency.spread_ns),
        (beside("upgrade"), &latency.upgrade_ns),
    ];
    for (path, times) in tables {
        if !times.is_empty() {
            let mut file = create("--hgrm", &path)?;
            hgrm::write(times, &mut file)
                .and_then(|()| file.flush())
                .with_context(|| format!("--hgrm {}: can't write", path.display()))?;
        }
    }
    Ok(())
}
