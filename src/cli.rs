//! The command line: from arguments, environment and settings file to something to do.
//!
//! Nothing here starts, prints or exits; [`parse`] says what `main` should do, so that tests can
//! ask it too. The machine and the environment are arguments for the same reason.

mod error;
mod file;
mod flags;
mod layers;
mod outcome;
mod printed;
mod report;
mod token;

use std::ffi::OsString;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};

pub use self::error::{CliError, EXIT_REFUSED};
pub use self::layers::Environment;
pub use self::outcome::Start;
use self::outcome::outcome;
pub use self::report::Report;
pub use self::token::TokenCommand;
pub use self::token::refusal::TokenRefusal;
use crate::process::Machine;

/// What the command asks for.
#[derive(Debug)]
pub enum Invocation {
    /// Run the server.
    Serve(Box<Start>),
    /// Examine the machine.
    Doctor,
    /// Make or inspect a token.
    Token(Box<TokenCommand>),
    /// Print what was found in a settings file, and fail if it is not fine.
    Check(Report),
    /// Print this text (help, version, a settings file) to stdout and succeed.
    Print(String),
}

/// Reads a command; `args` begins with the program's name.
///
/// # Errors
/// One sentence for stderr that names the fix; the exit code is then [`EXIT_REFUSED`].
pub fn parse(
    args: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    environment: Environment<'_>,
    machine: &Machine,
) -> Result<Invocation, CliError> {
    let matches = match flags::command().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) => return complaint(&error),
    };
    let flags = match matches.subcommand() {
        Some(("doctor", _)) => return Ok(Invocation::Doctor),
        Some(("config", asked)) => return config(asked, machine),
        Some(("token", asked)) => {
            let command = TokenCommand::read(asked)?;
            return Ok(Invocation::Token(Box::new(command)));
        }
        Some((_, serve)) => serve,
        None => &matches,
    };
    let collected = layers::collect(flags, environment).map_err(|no_file| no_file.error)?;
    Ok(Invocation::Serve(Box::new(outcome(collected, machine)?)))
}

/// `fanring config`, which has two things to do and needs to be told which.
fn config(asked: &clap::ArgMatches, machine: &Machine) -> Result<Invocation, CliError> {
    if let Some(path) = asked.get_one::<String>("check") {
        return report::check(Path::new(path), machine).map(Invocation::Check);
    }
    if asked.get_flag("default") {
        return Ok(Invocation::Print(printed::file()));
    }
    let sentence = "config does nothing by itself, add --default or --check FILE";
    Err(CliError::Usage(sentence.to_owned()))
}

/// clap reports help and version as errors, and errors as paragraphs.
fn complaint(error: &clap::Error) -> Result<Invocation, CliError> {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        return Ok(Invocation::Print(error.render().to_string()));
    }
    let text = error.render().to_string();
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let mut sentence = first.strip_prefix("error: ").unwrap_or(first).to_owned();
    if sentence.ends_with(':') {
        // What is meant stands in lines of its own, indented, up to an empty one.
        let listed = lines.take_while(|line| !line.is_empty()).map(str::trim);
        sentence = format!("{sentence} {}", listed.collect::<Vec<_>>().join(", "));
    }
    if let Some(near) = suggestion(error) {
        sentence = format!("{sentence}, the nearest is '{near}'");
    } else if error.kind() == ErrorKind::ArgumentConflict {
        let fix = if first.contains("subcommand") {
            "options go after the command"
        } else {
            "keep one of them"
        };
        sentence = format!("{sentence}, {fix}");
    }
    Err(CliError::Usage(sentence))
}

fn suggestion(error: &clap::Error) -> Option<&str> {
    let kinds = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand];
    kinds.into_iter().find_map(|kind| match error.get(kind)? {
        ContextValue::String(name) => Some(name.as_str()),
        ContextValue::Strings(names) => names.first().map(String::as_str),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
