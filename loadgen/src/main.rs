//! `fanload`: drives a WebSocket broadcast server and measures its fan-out.
//!
//! `cli` says what to do and checks it. `run` leads: each worker drives its sessions from one ring
//! (`session`), publishes by the plan (`load`) and judges what arrives (`books`); `watch` looks at the
//! server from outside, `results` tells.

mod cli;

mod run;
mod watch;

mod session;
mod shared;

mod books;
mod load;
mod protocol;

mod clock;

mod results;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use self::cli::settings::Settings;
use self::cli::{Cli, Command, FindMaxArgs, presets};
use self::results::compare::compare;
use self::results::output::{Output, OutputArgs};
use self::run::interrupt::Interrupt;
use self::run::verdict::{EXIT_INVALID, EXIT_SETUP, EXIT_SLO};
use self::run::{engine, search, verdict};

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
    make_run(&cli.run.check()?, &cli.output, &Interrupt::watch()?)
}

fn make_run(settings: &Settings, args: &OutputArgs, interrupt: &Interrupt) -> anyhow::Result<u8> {
    let mut output = Output::open(args, &settings.target(), &settings.parameters())?;
    let mut results = engine::measure(settings, interrupt, &mut output)?;
    let code = verdict::exit_code(&results);
    output.finish(&mut results, &mut std::io::stdout().lock())?;
    Ok(code)
}

/// Makes runs until the highest rate is known at which the demand holds; gives the exit code.
fn find_max(args: FindMaxArgs) -> anyhow::Result<u8> {
    let mut settings = args.run.check()?;
    let (most, precision) = (args.rate_max, args.precision);
    anyhow::ensure!(
        most > 0.0 && most.is_finite(),
        "--rate-max {most}: want more than 0 messages a second"
    );
    anyhow::ensure!(
        (0.1..=100.0).contains(&precision),
        "--precision {precision}: want 0.1 to 100 percent"
    );
    anyhow::ensure!(
        settings.slo.is_some(),
        "find-max needs --slo, such as p99=10ms,loss=0"
    );
    anyhow::ensure!(
        settings.closed.is_none() && !settings.is_idle(),
        "find-max looks for a rate: it takes no --closed and no idle sessions"
    );
    if args.output.has_files() {
        // What can't be written is better known before the search than after it.
        Output::open(&args.output, &settings.target(), &settings.parameters())?;
    }
    let interrupt = Interrupt::watch()?;
    let mut out = std::io::stdout().lock();
    let bounds = (settings.rate, most, precision);
    let found = search::search(bounds, &mut out, |rate| {
        settings.rate = rate;
        let results = engine::measure(&settings, &interrupt, &mut search::Silence)?;
        anyhow::ensure!(!interrupt.is_asked(), "interrupted: the search is not over");
        Ok(search::answer(&results))
    })?;
    match found.rate {
        Some(rate) => writeln!(out, "highest rate that holds: {rate:.1} messages/s")?,
        None => writeln!(out, "no rate holds")?,
    }
    if let Some(limit) = &found.limited {
        writeln!(out, "INVALID: the server's limit may be higher, {limit}")?;
    }
    let code = match found.rate {
        Some(rate) if args.output.has_files() => {
            settings.rate = rate;
            writeln!(out, "once more at that rate, for the files:")?;
            drop(out);
            make_run(&settings, &args.output, &interrupt)?
        }
        Some(_) => 0,
        None => EXIT_SLO,
    };
    Ok(match found.limited {
        Some(_) => EXIT_INVALID,
        None => code,
    })
}
