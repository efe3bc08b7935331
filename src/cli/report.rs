//! What `fanring config --check` finds in a file.

use std::path::Path;

use super::error::{CliError, List};
use super::file::File;
use super::layers::Collected;
use super::outcome::outcome;
use crate::process::Machine;

/// What there is to say of a file.
#[derive(Debug)]
pub struct Report {
    /// All of it, for stdout.
    pub text: String,
    /// Whether the server would start with it.
    pub is_fine: bool,
}

/// Says all that is wrong with a file, on this machine and without any flag or variable.
///
/// # Errors
/// When it can't be read.
pub(super) fn check(path: &Path, machine: &Machine) -> Result<Report, CliError> {
    let mistakes = match File::read(path) {
        Ok(file) => match outcome(Collected::of(file), machine) {
            Ok(start) => {
                let mut text = format!("{} is fine", path.display());
                for notice in &start.notices {
                    text.push_str("\n  but note: ");
                    text.push_str(notice);
                }
                return Ok(Report {
                    text,
                    is_fine: true,
                });
            }
            Err(wrong) => wrong.into_mistakes(),
        },
        Err(no_file) if no_file.mistakes.is_empty() => return Err(no_file.error),
        Err(no_file) => no_file.mistakes,
    };
    let mistakes = &mistakes;
    Ok(Report {
        text: List { path, mistakes }.to_string(),
        is_fine: false,
    })
}
