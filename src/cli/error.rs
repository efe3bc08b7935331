//! Why the command line, the environment or the file was refused.
//!
//! Each error is one sentence that names the place and the fix, but for a file with several
//! mistakes, which are told all at once; the process then exits with [`EXIT_REFUSED`].

use std::fmt;
use std::path::{Path, PathBuf};

use super::token::refusal::TokenRefusal;
use crate::config::{Mistake, Refusal};

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
    /// The settings file is in no format that is read.
    #[error("line {line} of {} is not {format} ({problem}); {fix}", path.display())]
    FileMalformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The format it should have.
        format: &'static str,
        /// The parser's words.
        problem: String,
        /// What to write.
        fix: &'static str,
    },
    /// The settings file says what it can't.
    #[error("{}", told(path, mistakes))]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong; not nothing.
        mistakes: Vec<Mistake>,
    },
    /// A setting that can't be read or breaks a rule.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No token could be made or inspected.
    #[error(transparent)]
    Token(#[from] TokenRefusal),
}

/// A mistake in a sentence, or several in a list.
fn told(path: &Path, mistakes: &[Mistake]) -> String {
    match mistakes {
        [only] if only.names_file => only.sentence.clone(),
        [only] => match only.line {
            Some(line) => format!("line {line} of {}: {}", path.display(), only.sentence),
            None => format!("{}: {}", path.display(), only.sentence),
        },
        several => List {
            path,
            mistakes: several,
        }
        .to_string(),
    }
}

/// The mistakes of a file, one a line, below how many there are.
pub(super) struct List<'a> {
    /// The file.
    pub(super) path: &'a Path,
    /// What is wrong.
    pub(super) mistakes: &'a [Mistake],
}

impl fmt::Display for List<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.mistakes.len();
        let word = if count == 1 { "mistake" } else { "mistakes" };
        write!(out, "{count} {word} in {}:", self.path.display())?;
        for mistake in self.mistakes {
            write!(out, "\n  {mistake}")?;
        }
        Ok(())
    }
}
