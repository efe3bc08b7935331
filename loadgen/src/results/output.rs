//! Where the results go: who is told while the run goes on, and what is written when it is over.

use std::io::{self, IsTerminal, Stderr, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use rustix::termios::tcgetwinsize;

use super::csv::Table;
use super::endpoint::Endpoint;
use super::files::{OutputArgs, Sink, create, is_stdout};
use super::hlog::IntervalLog;
use super::interval::{Interval, Observer};
use super::live::{Live, Size, Style, Subject};
use super::model::asked::Parameters;
use super::model::{Results, Target};
use super::so_far::SoFar;
use super::table::load;
use super::timeline::Timeline;
use super::{hgrm, html, junit, markdown, prometheus};

/// What is written as the run goes.
struct Logs {
    hlog: Option<IntervalLog<Sink>>,
    csv: Option<Table<Sink>>,
}

/// Takes in a run and writes what the flags ask for.
pub(crate) struct Output {
    args: OutputArgs,
    timeline: Timeline,
    so_far: SoFar,
    live: Option<Live<Stderr>>,
    endpoint: Option<Endpoint>,
    started_unix_ms: u64,
    /// Files that are written as the run goes; none before its first interval.
    logs: Option<Logs>,
    /// The first failure to write, kept until the run is over.
    failure: Option<anyhow::Error>,
}

impl Output {
    /// Makes sure that all there is to write can be written.
    ///
    /// # Errors
    /// One sentence that names the flag and the file, or the address.
    pub(crate) fn open(
        args: &OutputArgs,
        target: &Target,
        parameters: &Parameters,
        lag_max: Duration,
    ) -> anyhow::Result<Self> {
        args.try_out()?;
        let endpoint = args.prometheus_listen.as_deref().map(Endpoint::listen);
        let endpoint = endpoint.transpose()?;
        if let (Some(endpoint), false) = (&endpoint, args.quiet) {
            let address = endpoint.address;
            let _ = writeln!(io::stderr(), "figures at http://{address}/metrics");
        }
        let style = match !args.no_tui && io::stderr().is_terminal() && terminal().is_some() {
            true => Style::Screen(Box::new(|| terminal().unwrap_or(USUAL))),
            false => Style::Lines,
        };
        let subject = Subject {
            title: format!("{}{}: {}", target.address, target.path, load(parameters)),
            load_seconds: parameters.warmup_seconds + parameters.duration_seconds,
            lag_max,
        };
        let output = Self {
            timeline: Timeline::default(),
            so_far: SoFar::default(),
            live: (!args.quiet).then(|| Live::new(io::stderr(), style, subject)),
            endpoint,
            started_unix_ms: super::environment::unix_ms(),
            logs: None,
            failure: None,
            args: args.clone(),
        };
        output.serve();
        Ok(output)
    }

    /// Ends the live view, prints the table and writes the files.
    ///
    /// # Errors
    /// One sentence that names the flag whose file could not be written.
    pub(crate) fn finish(mut self, results: &mut Results) -> anyhow::Result<()> {
        results.intervals = self.timeline.summaries();
        if let Some(live) = &mut self.live {
            // A terminal that went away must not cost the results.
            let _ = live.finish();
        }
        for_people(&self.args, &format!("{results}\n")).context("can't write the table")?;
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        if let Some(logs) = &mut self.logs {
            logs.flush()?;
        }
        let (timeline, so_far) = (&self.timeline, &self.so_far);
        let args = &self.args;
        write("--json", args.json.as_deref(), |out| {
            write_json(results, out)
        })?;
        write("--html", args.html.as_deref(), |out| {
            html::write(results, timeline, out)
        })?;
        write("--markdown", args.markdown.as_deref(), |out| {
            markdown::write(results, out)
        })?;
        write("--junit", args.junit.as_deref(), |out| {
            junit::write(results, out)
        })?;
        write("--prometheus", args.prometheus.as_deref(), |out| {
            out.write_all(prometheus::text(so_far, Some(results)).as_bytes())
        })?;
        match &args.hgrm {
            Some(path) => write_tables(results, path),
            None => Ok(()),
        }
    }

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
        // Whoever reads along wants each second when it is over.
        match self.args.takes_stdout() {
            true => logs.flush(),
            false => Ok(()),
        }
    }

    fn serve(&self) {
        if let Some(endpoint) = &self.endpoint {
            endpoint.show(prometheus::text(&self.so_far, None));
        }
    }
}

impl Observer for Output {
    fn interval(&mut self, interval: &Interval) {
        self.timeline.append(interval);
        self.so_far.add(interval);
        // First, so that whoever reads of a second elsewhere finds its figures.
        self.serve();
        if let Some(live) = &mut self.live
            && live.show(interval, &self.so_far).is_err()
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

    fn flush(&mut self) -> anyhow::Result<()> {
        if let Some(log) = &mut self.hlog {
            log.flush().context("--hlog: can't write")?;
        }
        if let Some(table) = &mut self.csv {
            table.flush().context("--csv: can't write")?;
        }
        Ok(())
    }
}

/// A terminal that does not say its size has this one.
const USUAL: Size = Size {
    columns: 80,
    rows: 24,
};

/// The size of the terminal on standard error, if it says one.
fn terminal() -> Option<Size> {
    let size = tcgetwinsize(io::stderr()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then(|| Size {
        columns: size.ws_col.into(),
        rows: size.ws_row.into(),
    })
}

/// Writes what people read to standard output, or to standard error if that is taken.
///
/// # Errors
/// Those of the stream.
pub(crate) fn for_people(args: &OutputArgs, text: &str) -> io::Result<()> {
    match args.takes_stdout() {
        true => io::stderr().write_all(text.as_bytes()),
        false => io::stdout().write_all(text.as_bytes()),
    }
}

/// Writes a file if it is asked for.
fn write(
    flag: &str,
    path: Option<&Path>,
    fill: impl FnOnce(&mut Sink) -> io::Result<()>,
) -> anyhow::Result<()> {
    let Some(path) = path else { return Ok(()) };
    let mut out = create(flag, path)?;
    fill(&mut out)
        .and_then(|()| out.flush())
        .with_context(|| format!("{flag} {}: can't write", path.display()))
}

fn write_json(results: &Results, out: &mut Sink) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, results)?;
    writeln!(out)
}

/// Writes the deliveries to `path` and every other series next to it; standard output has no next.
fn write_tables(results: &Results, path: &Path) -> anyhow::Result<()> {
    let series = results.latency.series().into_iter();
    for (name, times) in series.filter(|(name, _)| *name == "delivery" || !is_stdout(path)) {
        let path = match name {
            "delivery" => path.to_owned(),
            _ => path.with_extension(format!("{name}.hgrm")),
        };
        if !times.is_empty() {
            write("--hgrm", Some(&path), |out| hgrm::write(times, out))?;
        }
    }
    Ok(())
}
