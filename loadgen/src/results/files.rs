//! The files of a run: the flags that ask for them, and `-` for standard output.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;

/// Flags for the output of a run.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct OutputArgs {
    /// File for everything that was found, as JSON (docs/fanload.schema.json). Here and below, `-` is
    /// standard output, and the table goes to standard error.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) json: Option<PathBuf>,
    /// File for the percentiles of the deliveries in HdrHistogram's text form, in milliseconds. Those of
    /// the other series go next to it: run.hgrm, run.completion.hgrm and so on.
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
    /// File for a summary in Markdown; the file of $GITHUB_STEP_SUMMARY is appended to.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) markdown: Option<PathBuf>,
    /// File for the verdict and each part of --slo as test cases in JUnit's XML.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) junit: Option<PathBuf>,
    /// File for the figures in Prometheus's text format.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) prometheus: Option<PathBuf>,
    /// Serve the figures of the run under way over HTTP, at /metrics in Prometheus's text format; on loopback
    /// unless an address is given.
    #[arg(long, value_name = "[ADDRESS:]PORT", help_heading = "Output")]
    pub(crate) prometheus_listen: Option<String>,
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

    /// Whether a file goes to standard output, which then is for nothing else.
    pub(crate) fn takes_stdout(&self) -> bool {
        self.files().any(|(_, path)| is_stdout(path))
    }

    /// Tries all files, so that one that can't be written is known before the run. Those of an earlier
    /// run are left as they are until this one has something to say.
    ///
    /// # Errors
    /// One sentence that names the flag and the file.
    pub(crate) fn try_out(&self) -> anyhow::Result<()> {
        let piped: Vec<_> = self.files().filter(|(_, path)| is_stdout(path)).collect();
        if let [(one, _), (other, _), ..] = piped.as_slice() {
            bail!(
                "{one} - and {other} -: standard output takes one of them, so give the other a file"
            );
        }
        for (flag, path) in self.files().filter(|(_, path)| !is_stdout(path)) {
            try_out(path)
                .with_context(|| format!("{flag} {}: can't write there", path.display()))?;
        }
        Ok(())
    }

    /// All files that are asked for, with their flags.
    fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let files = [
            ("--json", &self.json),
            ("--hgrm", &self.hgrm),
            ("--hlog", &self.hlog),
            ("--csv", &self.csv),
            ("--html", &self.html),
            ("--markdown", &self.markdown),
            ("--junit", &self.junit),
            ("--prometheus", &self.prometheus),
        ];
        files
            .into_iter()
            .filter_map(|(flag, path)| Some((flag, path.as_deref()?)))
    }
}

/// Where a file is written to.
pub(super) type Sink = BufWriter<Box<dyn Write>>;

/// Begins a file anew, or the part of it that is this run's.
///
/// # Errors
/// One sentence that names the flag and the file.
pub(super) fn create(flag: &str, path: &Path) -> anyhow::Result<Sink> {
    let about = || format!("{flag} {}: can't write there", path.display());
    let out: Box<dyn Write> = if is_stdout(path) {
        Box::new(io::stdout())
    } else if is_step_summary(path) {
        let file = OpenOptions::new().append(true).create(true).open(path);
        Box::new(file.with_context(about)?)
    } else {
        Box::new(File::create(path).with_context(about)?)
    };
    Ok(BufWriter::new(out))
}

pub(super) fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Whether a file is the summary of a step of GitHub Actions, to which other commands add too.
fn is_step_summary(path: &Path) -> bool {
    std::env::var_os("GITHUB_STEP_SUMMARY").is_some_and(|summary| summary == path.as_os_str())
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: standard output is one file's only, and whoever asks for two is told which.
    #[test]
    fn standard_output_is_for_one_file() {
        let dash = || Some(PathBuf::from("-"));
        let mut args = OutputArgs::default();
        assert!(!args.takes_stdout() && !args.has_files());
        args.json = dash();
        args.try_out().unwrap();
        assert!(args.takes_stdout() && args.has_files());
        args.csv = dash();
        let error = args.try_out().unwrap_err().to_string();
        assert!(error.starts_with("--json - and --csv -"), "{error}");
    }
}
