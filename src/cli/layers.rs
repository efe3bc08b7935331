//! Where a setting's value comes from: flag, environment, file, in this order.
//!
//! Layers hold text and know where it was written, so that an error can name the place.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::error::CliError;
use super::flags::{CONFIG, SETTINGS, Setting, Shape};

/// The place a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A flag, with its dashes.
    Flag(String),
    /// An environment variable.
    Variable(String),
    /// A key of the file.
    File {
        /// The key.
        key: String,
        /// The file it is in.
        path: PathBuf,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Variable(name) => out.write_str(name),
            Self::File { key, path } => write!(out, "{key} in {}", path.display()),
        }
    }
}

/// The values of one setting and the place they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) values: Vec<String>,
    pub(super) source: Source,
}

/// All values given, the strongest source's for each setting.
#[derive(Debug, Default)]
pub(super) struct Layers {
    given: HashMap<&'static str, Given>,
}

/// Looks up an environment variable.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Layers {
    /// Collects flags and environment, then the file they name, if any.
    ///
    /// # Errors
    /// When the file can't be read, is no TOML, or has a key no setting has.
    pub(super) fn collect(
        flags: &ArgMatches,
        environment: Environment<'_>,
    ) -> Result<Self, CliError> {
        let mut layers = Self::default();
        for setting in SETTINGS {
            let found = from_flags(setting, flags).or_else(|| from_variable(setting, environment));
            if let Some(given) = found {
                layers.given.insert(setting.name, given);
            }
        }
        if let Some(path) = layers.one(CONFIG.name) {
            let path = PathBuf::from(&path.values[0]);
            for (name, given) in from_file(&path)? {
                layers.given.entry(name).or_insert(given);
            }
        }
        Ok(layers)
    }

    /// What was given for `name`, if anything; never an empty list.
    pub(super) fn one(&self, name: &str) -> Option<&Given> {
        debug_assert!(
            SETTINGS.iter().any(|setting| setting.name == name),
            "no setting {name}"
        );
        self.given.get(name)
    }
}

fn from_flags(setting: &Setting, flags: &ArgMatches) -> Option<Given> {
    let is_given = |id: &str| flags.value_source(id) == Some(ValueSource::CommandLine);
    let on = Source::Flag(format!("--{}", setting.flag));
    match setting.shape {
        Shape::One(_) | Shape::Many(_) => {
            let values: Vec<String> = flags.get_many(setting.name)?.cloned().collect();
            (!values.is_empty()).then_some(Given { values, source: on })
        }
        Shape::Either(off) if is_given(off) && flags.get_flag(off) => Some(Given {
            values: vec!["false".to_owned()],
            source: Source::Flag(format!("--{off}")),
        }),
        Shape::Switch | Shape::Either(_) => {
            (is_given(setting.name) && flags.get_flag(setting.name)).then(|| Given {
                values: vec!["true".to_owned()],
                source: on,
            })
        }
    }
}

/// An empty variable counts as unset: that is how compose files and units leave one out.
fn from_variable(setting: &Setting, environment: Environment<'_>) -> Option<Given> {
    let name = setting.variable();
    let text = environment(&name).filter(|text| !text.trim().is_empty())?;
    let values = match setting.shape {
        Shape::Many(_) => text
            .split(',')
            .map(|value| value.trim().to_owned())
            .collect(),
        _ => vec![text.trim().to_owned()],
    };
    Some(Given {
        values,
        source: Source::Variable(name),
    })
}

fn from_file(path: &Path) -> Result<Vec<(&'static str, Given)>, CliError> {
    let text = std::fs::read_to_string(path).map_err(|error| CliError::FileUnreadable {
        path: path.to_owned(),
        problem: error.to_string(),
    })?;
    let table: toml::Table = text
        .parse()
        .map_err(|error| malformed(path, &text, &error))?;
    let mut found = Vec::with_capacity(table.len());
    for (key, value) in table {
        let setting = SETTINGS
            .iter()
            .find(|setting| setting.name == key && setting.name != CONFIG.name)
            .ok_or_else(|| unknown_key(path, &key))?;
        let source = Source::File {
            key: key.clone(),
            path: path.to_owned(),
        };
        let values = texts(setting, value).ok_or_else(|| CliError::FileValue {
            place: source.clone(),
            wanted: match setting.shape {
                Shape::One(_) => "a string or a whole number",
                Shape::Many(_) => "a string or a list of strings",
                Shape::Switch | Shape::Either(_) => "true or false",
            },
        })?;
        // An empty list says "none", which is what leaving the key out says.
        if !values.is_empty() {
            found.push((setting.name, Given { values, source }));
        }
    }
    Ok(found)
}

/// The text a TOML value would be on the command line, if it has the setting's shape.
fn texts(setting: &Setting, value: toml::Value) -> Option<Vec<String>> {
    use toml::Value::{Array, Boolean, Integer, String};
    match (setting.shape, value) {
        (Shape::One(_) | Shape::Many(_), String(text)) => Some(vec![text]),
        (Shape::One(_), Integer(number)) => Some(vec![number.to_string()]),
        (Shape::Switch | Shape::Either(_), Boolean(on)) => Some(vec![on.to_string()]),
        (Shape::Many(_), Array(values)) => values
            .iter()
            .map(|value| value.as_str().map(str::to_owned))
            .collect(),
        _ => None,
    }
}

fn malformed(path: &Path, text: &str, error: &toml::de::Error) -> CliError {
    let at = error.span().map_or(0, |span| span.start.min(text.len()));
    let line = text.as_bytes()[..at]
        .iter()
        .filter(|&&byte| byte == b'\n')
        .count()
        + 1;
    let problem = error
        .message()
        .lines()
        .next()
        .unwrap_or("malformed")
        .to_owned();
    CliError::FileMalformed {
        path: path.to_owned(),
        line,
        problem,
    }
}

fn unknown_key(path: &Path, key: &str) -> CliError {
    let nearest = SETTINGS
        .iter()
        .map(|setting| setting.name)
        .filter(|&name| name != CONFIG.name)
        .min_by_key(|name| edits(key, name))
        .unwrap_or_default();
    CliError::FileKey {
        path: path.to_owned(),
        key: key.to_owned(),
        nearest,
    }
}

/// Letters to insert, drop or change to make `a` into `b` (Levenshtein).
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (index, letter) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for column in 0..b.len() {
            let change = diagonal + usize::from(letter != b[column]);
            diagonal = row[column + 1];
            row[column + 1] = change.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the distance between two words is the letters to be changed, whichever comes first.
    #[test]
    fn edits_count_single_letters() {
        let cases = [
            ("", "", 0),
            ("log_bytes", "log_bytes", 0),
            ("log-bytes", "log_bytes", 1),
            ("logbytes", "log_bytes", 1),
            ("pings", "pin", 2),
            ("", "echo", 4),
        ];
        for (a, b, expected) in cases {
            assert_eq!(edits(a, b), expected, "{a} {b}");
            assert_eq!(edits(b, a), expected, "{b} {a}");
        }
    }

    /// Goal: a misspelt key is answered with the setting that was meant.
    #[test]
    fn an_unknown_key_is_answered_with_the_nearest() {
        for (key, expected) in [
            ("log-bytes", "log_bytes"),
            ("listne", "listen"),
            ("max_connections", "connections_max"),
            ("idletimeout", "idle_timeout"),
        ] {
            let CliError::FileKey { nearest, .. } = unknown_key(Path::new("f.toml"), key) else {
                panic!("another error for {key}");
            };
            assert_eq!(nearest, expected, "{key}");
        }
    }
}
