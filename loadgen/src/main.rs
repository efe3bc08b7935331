//! `fanload`: drives a WebSocket broadcast server and measures its fan-out.
//!
//! `cli` says what to do, `plan` when each message is due, `client` makes the run, `fleet` drives
//! all connections from one ring on one thread, `verify` judges what arrives, and `results` tells.

mod cli;
mod client;
mod clock;
mod connection;
mod fleet;
mod payload;
mod plan;
mod process;
#[allow(dead_code, reason = "the engine does not fill in everything yet")]
mod results;
mod verify;

use clap::Parser;
use results::output::Output;
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
    let plan = client::begun(&settings);
    let output = Output::open(&settings.output, &plan.target, &plan.parameters)?;
    let mut results = match settings.idle {
        true => client::hold(&settings)?,
        false => client::measure(&settings)?,
    };
    output.finish(&mut results, &mut std::io::stdout().lock())?;
    Ok(results.is_clean())
}
