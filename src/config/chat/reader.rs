//! Reads sections key by key, and keeps what is wrong with any of them, so that all of it is told at
//! once.

use super::key::{Absent, Group, Listed, Verdict};
use crate::config::mistake::Mistake;
use crate::config::nearest::nearest;
use crate::config::tree::{Node, Table, Value};

/// Reads sections.
#[derive(Debug)]
pub(super) struct Reader {
    /// All there is anywhere, to find what was meant.
    all: Vec<Listed>,
    /// What is wrong.
    pub(super) mistakes: Vec<Mistake>,
    /// What has no effect.
    pub(super) notices: Vec<String>,
}

impl Reader {
    pub(super) fn new(all: Vec<Listed>) -> Self {
        Self {
            all,
            mistakes: Vec::new(),
            notices: Vec::new(),
        }
    }

    /// Reads all keys of a section, which stands under `path`.
    pub(super) fn read<T>(&mut self, path: &str, table: &Table, group: &Group<T>, into: &mut T) {
        for (key, node) in table.iter() {
            let known = group.keys.iter().find(|known| known.about.name == key);
            if let Some(known) = known {
                if let Err(problem) = (known.read)(node, into) {
                    self.refuse(path, key, node, &problem);
                }
            } else if let Some(absent) = group.absent.iter().find(|absent| absent.name == key) {
                self.judge(path, absent, node);
            } else if !group.sections.contains(&key) {
                let names = group.names();
                self.unknown(path, key, node.line, names);
            }
        }
    }

    /// A section below one; none is as good as an empty one.
    pub(super) fn below<'a>(
        &mut self,
        path: &str,
        table: &'a Table,
        key: &str,
    ) -> Option<&'a Table> {
        let node = table.get(key)?;
        match &node.value {
            Value::Table(table) => Some(table),
            _ => {
                let problem = format!("where a section is wanted: write [{}]", full(path, key));
                self.refuse(path, key, node, &problem);
                None
            }
        }
    }

    /// Keeps that a value can't be; the problem goes on from "`key` is `value`, ".
    pub(super) fn refuse(&mut self, path: &str, key: &str, node: &Node, problem: &str) {
        let sentence = format!("{} is {}, {problem}", full(path, key), node.value);
        self.mistakes.push(Mistake::at(node.line, sentence));
    }

    /// Keeps that nothing has this name, and what may have been meant.
    fn unknown<'a>(
        &mut self,
        path: &str,
        key: &str,
        line: usize,
        names: impl Iterator<Item = &'a str>,
    ) {
        let written = full(path, key);
        let meant = self
            .elsewhere(key)
            .unwrap_or_else(|| full(path, nearest(key, names)));
        let sentence = format!("{written} is unknown; the nearest key is {meant}");
        self.mistakes.push(Mistake::at(line, sentence));
    }

    /// The first key of any section that has exactly this name.
    fn elsewhere(&self, key: &str) -> Option<String> {
        let found = |listed: &&Listed| listed.keys.iter().any(|about| about.name == key);
        let listed = self.all.iter().find(found)?;
        Some(full(listed.path, key))
    }

    /// Keeps what is to be said of a key that has nothing to set, unless it turns off what is not
    /// there anyway.
    fn judge(&mut self, path: &str, absent: &Absent, node: &Node) {
        let Some((below, line)) = live(absent, "", node) else {
            return;
        };
        let key = full(&full(path, absent.name), &below);
        let advice = absent.advice;
        match absent.verdict {
            Verdict::Refused => {
                let sentence = format!("{key} has no place here: {advice}");
                self.mistakes.push(Mistake::at(line, sentence));
            }
            Verdict::Told => {
                let sentence = format!("{key} in line {line} changes nothing: {advice}");
                self.notices.push(sentence);
            }
        }
    }
}

/// A key with the section it stands in; either may be empty.
pub(super) fn full(path: &str, key: &str) -> String {
    match (path, key) {
        ("", name) | (name, "") => name.to_owned(),
        (path, key) => format!("{path}.{key}"),
    }
}

/// The first value that would change something, by its name below the key, and its line: that which
/// turns the others on, if there is one.
fn live(absent: &Absent, below: &str, node: &Node) -> Option<(String, usize)> {
    if node.value.is_off() {
        return None;
    }
    let Value::Table(table) = &node.value else {
        let text = plain(&node.value);
        let is_usual = |usual: &(&str, &str)| usual.0 == below && Some(usual.1) == text.as_deref();
        let is_live = !absent.usual.iter().any(is_usual);
        return is_live.then(|| (below.to_owned(), node.line));
    };
    if let Some(switch) = table.get("enabled") {
        return Some((full(below, "enabled"), switch.line));
    }
    let mut entries = table.iter();
    entries.find_map(|(key, node)| live(absent, &full(below, key), node))
}

/// A value that can be compared with a text.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Switch(on) => Some(on.to_string()),
        _ => None,
    }
}
