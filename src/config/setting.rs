//! What a setting is: its name, shape, help, default and rule.
//!
//! Flags, environment variables, keys of the file and the rows of the tables in the docs are made of
//! these definitions, or compared with them. Where a value was written is a text that is repeated
//! in sentences, nothing more.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::Config;
use super::units::{self, Size, ValueError};
use crate::process::Machine;

/// Longest interval or timeout that can be set.
const DURATION_MAX: Duration = Duration::from_hours(24);

/// Settings that belong together: a heading of the help text, and a file here.
#[derive(Debug)]
pub(crate) struct Section {
    /// Its heading in the help text.
    pub(crate) heading: &'static str,
    /// Its settings, in the order of the help text. A rule may look at what those before it gave.
    pub(crate) settings: &'static [Setting],
}

/// A setting of `fanring serve`.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its key in the file; the flag and the variable are made of it.
    pub(crate) name: &'static str,
    /// How many values it takes.
    pub(crate) shape: Shape,
    /// What it means, for the help text.
    pub(crate) help: &'static str,
    /// What holds where nothing is written.
    pub(crate) default: Preset,
    /// Reads and checks what was written, if anything was, and puts it into the configuration.
    pub(crate) rule: Rule,
}

/// See [`Setting::rule`].
pub(crate) type Rule = fn(&mut Asked<'_>, &mut Config) -> Result<(), Refusal>;

/// How many values a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One value, whose placeholder in the help this is.
    One(&'static str),
    /// Any number of values: a repeated flag, a list in the file, commas in the environment.
    Many(&'static str),
    /// On by the flag alone, true or false elsewhere.
    Switch,
    /// A switch with a flag for either side; the name of the flag that turns it off.
    Either(&'static str),
}

/// A default, as it is told.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Preset {
    /// There is none, and no need to say so.
    Nothing,
    /// An address.
    Address(SocketAddr),
    /// A size in bytes.
    Bytes(usize),
    /// An interval or timeout.
    Time(Duration),
    /// A number.
    Count(usize),
    /// A value that is a word.
    Word(&'static str),
    /// No value but a description: it depends on other settings or the machine, or is too long.
    Text(&'static str),
}

impl fmt::Display for Preset {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::Address(address) => write!(out, "{address}"),
            Self::Bytes(bytes) => write!(out, "{}", Size(*bytes)),
            Self::Time(duration) => write!(out, "{duration:?}"),
            Self::Count(count) => write!(out, "{count}"),
            Self::Word(text) | Self::Text(text) => out.write_str(text),
        }
    }
}

impl Setting {
    /// The flag, without the dashes in front.
    pub(crate) fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// The environment variable.
    pub(crate) fn variable(&self) -> String {
        format!("FANRING_{}", self.name.to_ascii_uppercase())
    }
}

/// What was written for one setting; there is at least one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    /// How a sentence names the place: `--flag`, `FANRING_VARIABLE`, `key in file`.
    pub(crate) place: String,
    /// The values as they were written.
    pub(crate) values: Vec<String>,
}

/// What was written, by the settings' names.
pub(crate) type Written = HashMap<&'static str, Given>;

/// Why a setting was refused: one sentence that names the place and the fix.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A value that can't be read.
    #[error("{place} is `{value}`, {problem}")]
    Value {
        /// Where it was written.
        place: String,
        /// The value as it was written.
        value: String,
        /// What is wrong with it.
        problem: ValueError,
    },
    /// A value outside what its setting takes, or at odds with another one.
    #[error("{place} is {value}, {problem}")]
    Limit {
        /// Where it was written.
        place: String,
        /// The value as it was written.
        value: String,
        /// Which limit it breaks and what to write instead.
        problem: String,
    },
    /// The machine's own limit leaves no room for sessions.
    #[error(
        "the hard descriptor limit of {descriptors_max} leaves nothing for sessions; raise it \
         with ulimit -Hn or LimitNOFILE= to more than {reserved}"
    )]
    Descriptors {
        /// The limit.
        descriptors_max: usize,
        /// Descriptors the server needs for itself.
        reserved: usize,
    },
}

impl Refusal {
    /// Where the value was written, if it is about one.
    pub(crate) fn place(&self) -> Option<&str> {
        match self {
            Self::Value { place, .. } | Self::Limit { place, .. } => Some(place),
            Self::Descriptors { .. } => None,
        }
    }

    /// For a value that reads well but breaks a rule.
    pub(super) fn limit(given: &Given, problem: impl Into<String>) -> Self {
        Self::Limit {
            place: given.place.clone(),
            value: given.values.join(","),
            problem: problem.into(),
        }
    }
}

/// What a rule decides on: what was written, and the machine.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    setting: &'static Setting,
    written: &'a Written,
    machine: &'a Machine,
    notices: &'a mut Vec<String>,
}

impl<'a> Asked<'a> {
    pub(super) fn new(
        setting: &'static Setting,
        written: &'a Written,
        machine: &'a Machine,
        notices: &'a mut Vec<String>,
    ) -> Self {
        Self {
            setting,
            written,
            machine,
            notices,
        }
    }

    /// The machine the server is to run on.
    pub(super) fn machine(&self) -> &'a Machine {
        self.machine
    }

    /// What was written for this setting.
    pub(super) fn given(&self) -> Option<&'a Given> {
        self.written.get(self.setting.name)
    }

    /// What was written for another setting.
    pub(super) fn given_for(&self, other: &Setting) -> Option<&'a Given> {
        self.written.get(other.name)
    }

    /// The value, read by `read`, if one was written.
    pub(super) fn one<T>(
        &self,
        read: fn(&str) -> Result<T, ValueError>,
    ) -> Result<Option<T>, Refusal> {
        let given = self.given();
        given
            .map(|given| read_at(given, &given.values[0], read))
            .transpose()
    }

    /// All values, read by `read`, if any was written.
    pub(super) fn many<T>(
        &self,
        read: fn(&str) -> Result<T, ValueError>,
    ) -> Result<Option<Vec<T>>, Refusal> {
        let all = |given: &Given| {
            let values = given.values.iter();
            values.map(|text| read_at(given, text, read)).collect()
        };
        self.given().map(all).transpose()
    }

    /// A size that has a range.
    pub(super) fn bytes_between(
        &self,
        least: usize,
        most: usize,
    ) -> Result<Option<usize>, Refusal> {
        let Some(bytes) = self.one(units::bytes)? else {
            return Ok(None);
        };
        if !(least..=most).contains(&bytes) {
            let (least, most, default) = (Size(least), Size(most), self.setting.default);
            return self.refuse(format!(
                "which is not from {least} to {most}; the default is {default}"
            ));
        }
        Ok(Some(bytes))
    }

    /// A number that is at least 1.
    pub(super) fn count(&self) -> Result<Option<usize>, Refusal> {
        let count = self.one(units::count)?;
        if count == Some(0) {
            let default = self.setting.default;
            return self.refuse(format!(
                "which must be at least 1; the default is {default}"
            ));
        }
        Ok(count)
    }

    /// An interval or timeout of at most a day.
    pub(super) fn duration(&self) -> Result<Option<Duration>, Refusal> {
        let duration = self.one(units::duration)?;
        if duration.is_some_and(|duration| duration > DURATION_MAX) {
            return self.refuse("which is more than a day; write 24h or less");
        }
        Ok(duration)
    }

    /// The same, and more than no time at all.
    pub(super) fn duration_above_zero(&self) -> Result<Option<Duration>, Refusal> {
        let duration = self.duration()?;
        if duration == Some(Duration::ZERO) {
            let default = self.setting.default;
            return self.refuse(format!("which is no time at all; the default is {default}"));
        }
        Ok(duration)
    }

    /// Refuses what was written; the text goes on from "`--flag` is `value`, ".
    pub(super) fn refuse<T>(&self, problem: impl Into<String>) -> Result<T, Refusal> {
        let given = self.given().expect("what is refused was written");
        Err(Refusal::limit(given, problem))
    }

    /// Has the person who wrote the value told what became of it.
    pub(super) fn notice(&mut self, said: impl fmt::Display) {
        if let Some(given) = self.given() {
            self.notices.push(format!("{}: {said}", given.place));
        }
    }
}

fn read_at<T>(
    given: &Given,
    text: &str,
    read: fn(&str) -> Result<T, ValueError>,
) -> Result<T, Refusal> {
    read(text).map_err(|problem| Refusal::Value {
        place: given.place.clone(),
        value: text.to_owned(),
        problem,
    })
}
