//! `fanload`: drives a WebSocket broadcast server and measures its fan-out.
//!
//! `cli` says what to do and checks it. `run` leads: each worker drives its sessions from one ring
//! (`session`), publishes by the plan (`load`) and judges what arrives (`books`); `watch` looks at the
//! server from outside, `results` tells.

mod cli;

mod agents;
mod run;
mod watch;

mod session;
mod shared;

mod books;
mod load;
mod protocol;

mod clock;
mod own;

mod results;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use self::agents::agent::serve;
use self::cli::{Cli, Command, presets};
use self::results::compare::compare;
use self::run::find_max::find_max;
use self::run::interrupt::Interrupt;
use self::run::once::once;
use self::run::verdict::EXIT_SETUP;

fn main() -> ExitCode {
    let arguments = match presets::expand(std::env::args_os().collect()) {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error),
    };
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => return refuse(&sentence(&error)),
        Err(help) => {
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
    };
    let done = match cli.command {
        Some(Command::FindMax(args)) => find_max(*args),
        Some(Command::Agent(args)) => serve(&args),
        Some(Command::Compare(args)) => compare(&args, &mut std::io::stdout().lock()),
        None => run_once(cli),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => refuse(&format!("{error:#}")),
    }
}

/// What is wrong with the flags, without the usage and the other lines around it.
fn sentence(error: &clap::Error) -> String {
    let text = error.to_string();
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<_> = paragraph.split_whitespace().collect();
    let words = words.join(" ");
    let why = words.strip_prefix("error: ").unwrap_or(&words);
    format!("{why}; see --help")
}

fn refuse(why: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "fanload: {why}");
    ExitCode::from(EXIT_SETUP)
}

/// Makes one run and tells of it; gives the exit code.
fn run_once(cli: Cli) -> anyhow::Result<u8> {
    let settings = cli.run.check()?;
    once(&settings, &[], &cli.output, &Interrupt::watch()?)
}
