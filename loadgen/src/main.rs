//! `fanload`: drives a WebSocket broadcast server and measures its fan-out.
//!
//! `cli` says what to do, `plan` when each message is due, `client` makes the run, `fleet` drives
//! all connections from one ring on one thread, `verify` judges what arrives, and `report` tells.

mod cli;
mod client;
mod clock;
mod connection;
mod fleet;
mod payload;
mod plan;
mod process;
mod report;
#[allow(dead_code, reason = "not yet filled in")]
mod results;
mod verify;

use clap::Parser;
use std::io::Write;
use std::process::ExitCode;

/// Exit code for a run that could not be made: bad flags, no server, a refused handshake.
const EXIT_SETUP: u8 = 1;

/// Exit code for a run in which messages were lost, repeated, out of order or damaged, or in which
/// connections were closed.
const EXIT_LOSS: u8 = 3;

fn main() -> ExitCode {
    let args = match cli::Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { EXIT_SETUP } else { 0 });
        }
    };
    match run(args) {
        Ok(clean) => ExitCode::from(if clean { 0 } else { EXIT_LOSS }),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "fanload: {error:#}");
            ExitCode::from(EXIT_SETUP)
        }
    }
}

/// Makes the run the arguments ask for and prints its report; returns whether all was well.
fn run(args: cli::Args) -> anyhow::Result<bool> {
    let settings = args.check()?;
    process::prepare(&settings)?;
    let mut out = std::io::stdout().lock();
    if settings.idle {
        let report = client::hold(&settings)?;
        writeln!(out, "{report}")?;
        report::write_json(&report, &settings)?;
        return Ok(report.clean());
    }
    let report = client::measure(&settings)?;
    writeln!(out, "{report}")?;
    report::write_json(&report, &settings)?;
    Ok(report.clean())
}
