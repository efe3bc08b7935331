//! What all that was written comes to: a server to start, or everything that is wrong.

use std::path::PathBuf;

use super::error::CliError;
use super::file::File;
use super::layers::Collected;
use crate::config::chat::Sections;
use crate::config::tree::Table;
use crate::config::{Config, Mistake, Refusal, Resolved, resolve};
use crate::process::Machine;

/// A server ready to be started.
#[derive(Debug)]
pub struct Start {
    /// Its checked configuration.
    pub config: Config,
    /// Sentences for the log: values that became others, keys that change nothing.
    pub notices: Vec<String>,
}

/// Everything that is wrong.
#[derive(Debug)]
pub(super) struct Wrong {
    /// The file, if there is one.
    path: Option<PathBuf>,
    /// What is wrong in it, in the order of its lines.
    pub(super) mistakes: Vec<Mistake>,
    /// What is wrong elsewhere.
    refusals: Vec<Refusal>,
}

/// Applies all rules.
///
/// # Errors
/// With all of them that are broken.
pub(super) fn outcome(collected: Collected, machine: &Machine) -> Result<Start, Wrong> {
    let Collected { written, file } = collected;
    let nothing = Table::default();
    let table = file.as_ref().map_or(&nothing, |file| &file.table);
    let sections = Sections::read(table);
    let mut wrong = Wrong {
        path: file.as_ref().map(|file| file.path.clone()),
        mistakes: file
            .as_ref()
            .map_or_else(Vec::new, |file| file.mistakes.clone()),
        refusals: Vec::new(),
    };
    wrong.mistakes.extend(sections.mistakes);
    match resolve(&written, machine) {
        Ok(Resolved {
            mut config,
            mut notices,
        }) => {
            wrong
                .mistakes
                .extend(config.take(sections.chat, table).err());
            if wrong.mistakes.is_empty() {
                notices.extend(sections.notices);
                return Ok(Start { config, notices });
            }
        }
        Err(refusals) => wrong.note(refusals, file.as_ref()),
    }
    let line = |mistake: &Mistake| mistake.line.unwrap_or(usize::MAX);
    wrong.mistakes.sort_by_key(line);
    Err(wrong)
}

impl Wrong {
    /// Tells what is wrong in the file from what is wrong elsewhere.
    fn note(&mut self, refusals: Vec<Refusal>, file: Option<&File>) {
        for refusal in refusals {
            let line = refusal.place().and_then(|place| file?.line_of(place));
            match line {
                Some(line) => {
                    let mistake = Mistake::whole(line, refusal.to_string());
                    self.mistakes.push(mistake);
                }
                None => self.refusals.push(refusal),
            }
        }
    }

    /// All of it as one list.
    pub(super) fn into_mistakes(self) -> Vec<Mistake> {
        let elsewhere = self.refusals.iter().map(ToString::to_string);
        let mut mistakes = self.mistakes;
        mistakes.extend(elsewhere.map(Mistake::anywhere));
        mistakes
    }
}

/// Of what is wrong outside of a file the first is told, for the others may follow from it.
impl From<Wrong> for CliError {
    fn from(mut wrong: Wrong) -> Self {
        match wrong.path.take() {
            Some(path) if !wrong.mistakes.is_empty() => Self::File {
                path,
                mistakes: wrong.into_mistakes(),
            },
            _ => {
                let first = wrong.refusals.into_iter().next();
                Self::Refused(first.expect("something is wrong"))
            }
        }
    }
}
