//! Where the results go: the flags, the files, and who is told while the run goes on.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal, Stderr, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use rustix::termios::tcgetwinsize;

use super::csv::Table;
use super::distribution::Distribution;
use super::hgrm;
use super::hlog::IntervalLog;
use super::html;
use super::interval::{Interval, Observer};
use super::live::{Live, SCREEN_COLUMNS, Style};
use super::model::asked::Parameters;
use super::model::{Results, Target};
use super::table::load;
use super::timeline::Timeline;

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
        self.files().next().is_some()
    }

    /// All files that are asked for, with their flags.
    fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let files = [
            ("--json", &self.json),
            ("--hgrm", &self.hgrm),
            ("--hlog", &self.hlog),
            ("--csv", &self.csv),
            ("--html", &self.html),
        ];
        files
            .into_iter()
            .filter_map(|(flag, path)| Some((flag, path.as_deref()?)))
    }
}

type Sink = BufWriter<File>;

/// What is written as the run goes.
struct Logs {
    hlog: Option<IntervalLog<Sink>>,
    csv: Option<Table<Sink>>,
}

/// Takes in a run and writes what the flags ask for.
pub(crate) struct Output {
    args: OutputArgs,
    timeline: Timeline,
    live: Option<Live<Stderr>>,
    started_unix_ms: u64,
    /// Files that are written as the run goes; none before its first interval.
    logs: Option<Logs>,
    /// The first failure to write, kept until the run is over.
    failure: Option<anyhow::Error>,
}

impl Output {
    /// Tries all files, so that one that can't be written is known before the run. Those of an earlier
    /// run are left as they are until this one has something to say.
    ///
    /// # Errors
    /// One sentence that names the flag and the file.
    pub(crate) fn open(
        args: &OutputArgs,
        target: &Target,
        parameters: &Parameters,
    ) -> anyhow::Result<Self> {
        for (flag, path) in args.files() {
            try_out(path)
                .with_context(|| format!("{flag} {}: can't write there", path.display()))?;
        }
        let columns: usize = tcgetwinsize(io::stderr()).map_or(0, |size| size.ws_col.into());
        let style = match !args.no_tui && io::stderr().is_terminal() && columns >= SCREEN_COLUMNS {
            true => Style::Screen,
            false => Style::Lines,
        };
        let title = format!("{}{}: {}", target.address, target.path, load(parameters));
        let title = title.chars().take(columns.saturating_sub(1)).collect();
        let load_seconds = parameters.warmup_seconds + parameters.duration_seconds;
        Ok(Self {
            timeline: Timeline::default(),
            live: (!args.quiet).then(|| Live::new(io::stderr(), style, title, load_seconds)),
            started_unix_ms: super::environment::unix_ms(),
            logs: None,
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
            return Err(error);
        }
        if let Some(log) = self.logs.as_mut().and_then(|logs| logs.hlog.as_mut()) {
            log.flush().context("--hlog: can't write")?;
        }
        if let Some(table) = self.logs.as_mut().and_then(|logs| logs.csv.as_mut()) {
            table.flush().context("--csv: can't write")?;
        }
        if let Some(path) = &self.args.json {
            write_json(results, &mut create("--json", path)?).context("--json: can't write")?;
        }
        if let Some(path) = &self.args.html {
            let mut file = create("--html", path)?;
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
        if self.failure.is_none()
            && let Err(error) = self.log(interval)
        {
            self.failure = Some(error);
        }
    }
}

impl Output {
    fn log(&mut self, interval: &Interval) -> anyhow::Result<()> {
        let logs = match &mut self.logs {
            Some(logs) => logs,
            none => none.insert(Logs::begin(&self.args, self.started_unix_ms)?),
        };
        if let Some(log) = &mut logs.hlog {
            log.append(interval).context("--hlog: can't write")?;
        }
        if let Some(table) = &mut logs.csv {
            table.append(interval).context("--csv: can't write")?;
        }
        Ok(())
    }
}

impl Logs {
    fn begin(args: &OutputArgs, started_unix_ms: u64) -> anyhow::Result<Self> {
        let hlog = args.hlog.as_deref().map(|path| {
            IntervalLog::begin(create("--hlog", path)?, started_unix_ms)
                .context("--hlog: can't write")
        });
        let csv = args
            .csv
            .as_deref()
            .map(|path| Table::begin(create("--csv", path)?).context("--csv: can't write"));
        Ok(Self {
            hlog: hlog.transpose()?,
            csv: csv.transpose()?,
        })
    }
}

/// Finds out whether a file can be written, and leaves everything as it was.
fn try_out(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            OpenOptions::new().write(true).open(path).map(drop)
        }
        Err(error) => Err(error),
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
