//! Where a setting's value comes from: flag, environment, file, in this order.
//!
//! Values stay text here, and with them stands where they were written, so that a refusal can name
//! the place.

use std::path::PathBuf;

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::file::{File, NoFile};
use super::flags::FILE;
use crate::config::{Given, Setting, Shape, Written, settings};

/// Looks up an environment variable.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What was written, wherever.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// Of each setting what the strongest source says.
    pub(super) written: Written,
    /// The file, if there is one.
    pub(super) file: Option<File>,
}

/// Collects flags and environment, then the file they name, if any.
///
/// # Errors
/// When the file can't be read, or is in no format that is.
pub(super) fn collect(
    flags: &ArgMatches,
    environment: Environment<'_>,
) -> Result<Collected, NoFile> {
    let mut written = Written::new();
    for setting in settings().chain([&FILE]) {
        let found = from_flags(setting, flags).or_else(|| from_variable(setting, environment));
        if let Some(given) = found {
            written.insert(setting.name, given);
        }
    }
    let file = match written.get(FILE.name) {
        Some(path) => Some(File::read(&PathBuf::from(&path.values[0]))?),
        None => None,
    };
    let mut collected = Collected { written, file };
    collected.add_file();
    Ok(collected)
}

impl Collected {
    /// What a file alone says.
    pub(super) fn of(file: File) -> Self {
        let mut collected = Self {
            written: Written::new(),
            file: Some(file),
        };
        collected.add_file();
        collected
    }

    /// Adds of the file what nothing stronger says.
    fn add_file(&mut self) {
        for (setting, _, given) in self.file.iter().flat_map(|file| &file.settings) {
            let entry = self.written.entry(setting.name);
            entry.or_insert_with(|| given.clone());
        }
    }
}

fn from_flags(setting: &Setting, flags: &ArgMatches) -> Option<Given> {
    let is_given = |id: &str| flags.value_source(id) == Some(ValueSource::CommandLine);
    let place = format!("--{}", setting.flag());
    match setting.shape {
        Shape::One(_) | Shape::Many(_) => {
            let values: Vec<String> = flags.get_many(setting.name)?.cloned().collect();
            (!values.is_empty()).then_some(Given { values, place })
        }
        Shape::Either(off) if is_given(off) && flags.get_flag(off) => Some(Given {
            values: vec!["false".to_owned()],
            place: format!("--{off}"),
        }),
        Shape::Switch | Shape::Either(_) => {
            (is_given(setting.name) && flags.get_flag(setting.name)).then(|| Given {
                values: vec!["true".to_owned()],
                place,
            })
        }
    }
}

/// An empty variable counts as unset: that is how compose files and units leave one out.
fn from_variable(setting: &Setting, environment: Environment<'_>) -> Option<Given> {
    let place = setting.variable();
    let text = environment(&place).filter(|text| !text.trim().is_empty())?;
    let values = match setting.shape {
        Shape::Many(_) => text
            .split(',')
            .map(|value| value.trim().to_owned())
            .collect(),
        _ => vec![text.trim().to_owned()],
    };
    Some(Given { values, place })
}
