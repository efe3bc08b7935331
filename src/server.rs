//! Starts and stops the threads; here only what the command needs to compile.

use std::io;
use std::process::ExitCode;

use crate::config::Config;

/// Runs the server.
///
/// # Errors
/// Always, until there is one.
pub fn run(_config: Config) -> io::Result<ExitCode> {
    Err(io::Error::other("this build has no server"))
}
