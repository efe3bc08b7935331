//! Why the command line, the environment or the file was refused.
//!
//! Each error is one sentence that names the place and the fix; the process then exits with
//! [`EXIT_REFUSED`].

use std::path::PathBuf;

use super::token::refusal::TokenRefusal;
use crate::config::Refusal;

/// The exit code of a command that was refused before it did anything.
pub const EXIT_REFUSED: u8 = 2;

/// A refused command.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CliError {
    /// clap's complaint, cut down to a sentence.
    #[error("{0}; see --help")]
    Usage(String),
    /// The settings file can't be opened or read.
    #[error("can't read the settings file {}: {problem}; name a readable TOML file", path.display())]
    FileUnreadable {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        problem: String,
    },
    /// The settings file is not TOML.
    #[error("line {line} of {} is not TOML ({problem}); write it as key = value", path.display())]
    FileMalformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The parser's words.
        problem: String,
    },
    /// The settings file has a key that is no setting's name.
    #[error("{} has an unknown key {key}; the nearest setting is {nearest}", path.display())]
    FileKey {
        /// The file.
        path: PathBuf,
        /// The key in it.
        key: String,
        /// The name of a setting that looks like it.
        nearest: &'static str,
    },
    /// A key of the settings file has a value of another type.
    #[error("{place} has a value of the wrong type; make it {wanted}")]
    FileValue {
        /// The key and the file.
        place: String,
        /// The types it takes.
        wanted: &'static str,
    },
    /// A setting that can't be read or breaks a rule.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No token could be made or inspected.
    #[error(transparent)]
    Token(#[from] TokenRefusal),
}
