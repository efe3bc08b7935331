//! Where a setting's value comes from: flag, environment, file, in this order.
//!
//! Values stay text here, and with them stands where they were written, so that a refusal can name
//! the place.

use std::path::{Path, PathBuf};

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::error::CliError;
use super::flags::FILE;
use crate::config::{Given, Setting, Shape, Written, settings};

/// Looks up an environment variable.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Collects flags and environment, then the file they name, if any; of each setting what the
/// strongest source says.
///
/// # Errors
/// When the file can't be read, is no TOML, or has a key no setting has.
pub(super) fn collect(
    flags: &ArgMatches,
    environment: Environment<'_>,
) -> Result<Written, CliError> {
    let mut written = Written::new();
    for setting in settings().chain([&FILE]) {
        let found = from_flags(setting, flags).or_else(|| from_variable(setting, environment));
        if let Some(given) = found {
            written.insert(setting.name, given);
        }
    }
    if let Some(path) = written.get(FILE.name) {
        let path = PathBuf::from(&path.values[0]);
        for (name, given) in from_file(&path)? {
            written.entry(name).or_insert(given);
        }
    }
    Ok(written)
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
        let setting = settings()
            .find(|setting| setting.name == key)
            .ok_or_else(|| unknown_key(path, &key))?;
        let place = format!("{key} in {}", path.display());
        let values = texts(setting, value).ok_or_else(|| CliError::FileValue {
            place: place.clone(),
            wanted: match setting.shape {
                Shape::One(_) => "a string or a whole number",
                Shape::Many(_) => "a string or a list of strings",
                Shape::Switch | Shape::Either(_) => "true or false",
            },
        })?;
        // An empty list says "none", which is what leaving the key out says.
        if !values.is_empty() {
            found.push((setting.name, Given { values, place }));
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

/// Of settings that are as near as each other, the one with the shortest name is meant.
fn unknown_key(path: &Path, key: &str) -> CliError {
    let nearest = settings()
        .map(|setting| setting.name)
        .min_by_key(|name| (edits(key, name), name.len()))
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
