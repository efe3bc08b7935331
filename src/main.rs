//! The `fanring` command: reads what is asked, sets up allocation and logs, and does it.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use fanring::cli::{self, EXIT_REFUSED, Invocation, Start};
use fanring::logs::Logs;
use fanring::process::{self, Machine};
use fanring::server::ServerError;
use tracing::{error, warn};
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long the last lines may take when the process ends.
const LAST_LINES_TIMEOUT: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    process::refuse_huge_pages();
    let Ok(logs) = Logs::start() else {
        // Nothing else runs yet that this could hold up.
        let sentence =
            "fanring: can't start a thread; raise the limit on them (ulimit -u, TasksMax=)";
        let _ = writeln!(std::io::stderr(), "{sentence}");
        return ExitCode::from(EXIT_REFUSED);
    };
    logs.tell_panics();
    let code = run(&logs).unwrap_or_else(|error| {
        logs.say(&format!("fanring: {error:#}"));
        ExitCode::from(EXIT_REFUSED)
    });
    logs.finish(LAST_LINES_TIMEOUT);
    code
}

fn run(logs: &Logs) -> anyhow::Result<ExitCode> {
    let environment = |name: &str| Some(std::env::var_os(name)?.to_string_lossy().into_owned());
    let machine = Machine::probe();
    match cli::parse(std::env::args_os(), &environment, &machine)? {
        Invocation::Print(text) => print(&format!("{}\n", text.trim_end())),
        Invocation::Doctor => {
            let report = fanring::doctor::examine(&machine);
            print(&format!("{report}\n"))?;
            Ok(success_if(report.usable()))
        }
        Invocation::Check(report) => {
            print(&format!("{}\n", report.text))?;
            Ok(success_if(report.is_fine))
        }
        Invocation::Token(command) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
            let answer = command.answer(now.as_secs())?;
            print(&format!("{}\n", answer.trim_end()))
        }
        Invocation::Serve(start) => {
            start_logs(logs)?;
            announce(&start);
            process::raise_descriptor_limit().context("can't raise the soft descriptor limit")?;
            match fanring::server::run(start.config) {
                // It ran, so this is no refusal.
                Err(failure @ (ServerError::Thread | ServerError::Shard(_))) => {
                    error!("{failure}");
                    Ok(ExitCode::FAILURE)
                }
                result => Ok(result?),
            }
        }
    }
}

fn success_if(all_is_well: bool) -> ExitCode {
    if all_is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// A reader that has gone away, like `head`, has what it wanted.
fn print(text: &str) -> anyhow::Result<ExitCode> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn start_logs(logs: &Logs) -> anyhow::Result<()> {
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
    let logs = logs.clone();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || logs.clone())
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    Ok(())
}

fn announce(start: &Start) {
    for notice in &start.notices {
        warn!("{notice}");
    }
}
