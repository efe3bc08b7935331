//! The `fanring` command: reads what is asked, sets up allocation and logs, and does it.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Context;
use fanring::cli::{self, EXIT_REFUSED, Invocation, Machine, Start};
use fanring::server::ServerError;
use tracing::{error, warn};
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            // A closed stderr is no reason to lose the exit code.
            let _ = writeln!(std::io::stderr(), "fanring: {error:#}");
            ExitCode::from(EXIT_REFUSED)
        }
    }
}

fn run() -> anyhow::Result<ExitCode> {
    let environment = |name: &str| Some(std::env::var_os(name)?.to_string_lossy().into_owned());
    let machine = Machine::probe();
    match cli::parse(std::env::args_os(), &environment, &machine)? {
        Invocation::Print(text) => print(&format!("{}\n", text.trim_end())),
        Invocation::Doctor => {
            let report = fanring::doctor::examine(&machine);
            print(&format!("{report}\n"))?;
            Ok(if report.usable() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
        Invocation::Serve(start) => {
            start_logs()?;
            announce(&start);
            cli::raise_descriptor_limit().context("can't raise the soft descriptor limit")?;
            match fanring::server::run(start.config) {
                // It ran, so this is no refusal.
                Err(failure @ ServerError::Thread) => {
                    error!("{failure}");
                    Ok(ExitCode::FAILURE)
                }
                result => Ok(result?),
            }
        }
    }
}

/// A reader that has gone away, like `head`, has what it wanted.
fn print(text: &str) -> anyhow::Result<ExitCode> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn start_logs() -> anyhow::Result<()> {
    let given = ["FANRING_LOG", "RUST_LOG"].into_iter().find_map(|name| {
        Some((
            name,
            std::env::var(name).ok().filter(|text| !text.is_empty())?,
        ))
    });
    let filter = match given {
        None => EnvFilter::new("info"),
        Some((name, text)) => EnvFilter::try_new(&text).with_context(|| {
            format!(
                "{name} is `{text}`, which is no log filter; write info, debug or fanring=debug"
            )
        })?,
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    Ok(())
}

fn announce(start: &Start) {
    for notice in &start.notices {
        warn!("{notice}");
    }
}
