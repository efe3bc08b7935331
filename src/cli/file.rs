//! The settings file: its text in one of two formats, the settings in it that are also flags, and
//! the sections that stand there only.

mod format;
mod from_json;
mod from_toml;
mod lines;

use std::path::{Path, PathBuf};

use self::format::{Format, Malformed};
use super::error::CliError;
use crate::config::nearest::nearest;
use crate::config::tree::{Node, Table, Value};
use crate::config::{Given, Mistake, Setting, Shape, chat, settings};

/// A settings file that could be read.
#[derive(Debug)]
pub(super) struct File {
    /// Where it is.
    pub(super) path: PathBuf,
    /// All that is in it.
    pub(super) table: Table,
    /// What is written for settings that are also flags, and in which line.
    pub(super) settings: Vec<(&'static Setting, usize, Given)>,
    /// Keys that there are not, and values of the wrong type.
    pub(super) mistakes: Vec<Mistake>,
}

/// A file that is in no format, with all that shows it.
#[derive(Debug)]
pub(super) struct NoFile {
    /// The first thing that shows it.
    pub(super) error: CliError,
    /// Everything, line by line.
    pub(super) mistakes: Vec<Mistake>,
}

impl From<CliError> for NoFile {
    fn from(error: CliError) -> Self {
        Self {
            error,
            mistakes: Vec::new(),
        }
    }
}

impl File {
    /// Reads a file.
    ///
    /// # Errors
    /// When it can't be read, or is neither TOML nor JSON.
    pub(super) fn read(path: &Path) -> Result<Self, NoFile> {
        let text = std::fs::read_to_string(path).map_err(|error| CliError::FileUnreadable {
            path: path.to_owned(),
            problem: error.to_string(),
        })?;
        let format = Format::of(path, &text);
        let table = match format {
            Format::Toml => from_toml::table(&text),
            Format::Json => from_json::table(&text).map_err(|malformed| vec![malformed]),
            Format::Yaml => Err(vec![Malformed {
                line: 1,
                problem: "YAML is not read".to_owned(),
            }]),
        };
        let table = table.map_err(|malformed| in_no_format(path, format, &malformed))?;
        let mut file = Self {
            path: path.to_owned(),
            table: Table::default(),
            settings: Vec::new(),
            mistakes: Vec::new(),
        };
        for (key, node) in table.iter() {
            file.note(key, node);
        }
        file.table = table;
        Ok(file)
    }

    /// Takes in a key of the file itself.
    fn note(&mut self, key: &str, node: &Node) {
        let Some(setting) = settings().find(|setting| setting.name == key) else {
            if chat::file_keys().all(|name| name != key) {
                self.mistakes.push(self.unknown(key, node.line));
            }
            return;
        };
        let place = format!("{key} in {}", self.path.display());
        match texts(setting, &node.value) {
            // An empty list says "none", which is what leaving the key out says.
            Some(values) if values.is_empty() => {}
            Some(values) => {
                let given = Given { place, values };
                self.settings.push((setting, node.line, given));
            }
            None => {
                let wanted = match setting.shape {
                    Shape::One(_) => "a string or a whole number",
                    Shape::Many(_) => "a string or a list of strings",
                    Shape::Switch | Shape::Either(_) => "true or false",
                };
                let sentence = format!("{place} has a value of the wrong type; make it {wanted}");
                self.mistakes.push(Mistake::whole(node.line, sentence));
            }
        }
    }

    /// What is said of a key that there is not.
    fn unknown(&self, key: &str, line: usize) -> Mistake {
        let names = settings().map(|setting| setting.name);
        let path = self.path.display();
        let meant = match chat::section_with(key) {
            Some(section) => format!("{key} is a key of the section {section}"),
            None => {
                let nearest = nearest(key, names.chain(chat::file_keys()));
                format!("the nearest setting is {nearest}")
            }
        };
        Mistake::whole(line, format!("{path} has an unknown key {key}; {meant}"))
    }

    /// The line of a place, as [`Given`] names it.
    pub(super) fn line_of(&self, place: &str) -> Option<usize> {
        let found = self
            .settings
            .iter()
            .find(|(.., given)| given.place == place);
        found.map(|(_, line, _)| *line)
    }
}

/// The text a value would be on the command line, if it has the setting's shape.
fn texts(setting: &Setting, value: &Value) -> Option<Vec<String>> {
    match (setting.shape, value) {
        (Shape::One(_) | Shape::Many(_), Value::Text(text)) => Some(vec![text.clone()]),
        (Shape::One(_), Value::Integer(number)) => Some(vec![number.to_string()]),
        (Shape::Switch | Shape::Either(_), Value::Switch(on)) => Some(vec![on.to_string()]),
        (Shape::Many(_), Value::List(items)) => {
            let text = |item: &Node| match &item.value {
                Value::Text(text) => Some(text.clone()),
                _ => None,
            };
            items.iter().map(text).collect()
        }
        _ => None,
    }
}

fn in_no_format(path: &Path, format: Format, malformed: &[Malformed]) -> NoFile {
    let (format, fix) = format.told();
    let first = malformed.first();
    let mistakes = malformed.iter().map(|Malformed { line, problem }| {
        Mistake::at(*line, format!("is not {format} ({problem}); {fix}"))
    });
    NoFile {
        error: CliError::FileMalformed {
            path: path.to_owned(),
            line: first.map_or(1, |first| first.line),
            format,
            problem: first.map_or_else(String::new, |first| first.problem.clone()),
            fix,
        },
        mistakes: mistakes.collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{File, Table};

    /// Goal: a misspelt key is answered with the setting that was meant, or the section it belongs
    /// to.
    #[test]
    fn an_unknown_key_is_answered_with_the_nearest() {
        let file = File {
            path: PathBuf::from("f.toml"),
            table: Table::default(),
            settings: Vec::new(),
            mistakes: Vec::new(),
        };
        for (key, expected) in [
            ("log-bytes", "the nearest setting is log_bytes"),
            ("listne", "the nearest setting is listen"),
            ("max_connections", "the nearest setting is connections_max"),
            ("idletimeout", "the nearest setting is idle_timeout"),
            ("chanel", "the nearest setting is channel"),
            (
                "hmac_secret_key",
                "hmac_secret_key is a key of the section client.token",
            ),
        ] {
            let mistake = file.unknown(key, 3);
            assert_eq!(
                mistake.sentence,
                format!("f.toml has an unknown key {key}; {expected}")
            );
            assert_eq!(mistake.line, Some(3));
        }
    }
}
