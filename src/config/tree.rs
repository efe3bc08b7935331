//! What a settings file says, and in which line: the same for each format of files.
//!
//! Which formats there are, and which keys mean anything, is not known here.

use std::fmt;

/// A value of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// The line of its key, from 1; for an item of a list its own.
    pub(crate) line: usize,
    /// What was written.
    pub(crate) value: Value,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// JSON's `null`, which says what leaving the key out says.
    Null,
    /// True or false.
    Switch(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number, or a date, as it was written.
    Other(String),
    /// A string.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Keys and values of their own.
    Table(Table),
}

/// Keys and their values, in the order of their lines; no key is there twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Table {
    entries: Vec<(String, Node)>,
}

impl Table {
    /// The table of these entries, whose keys differ.
    pub(crate) fn new(mut entries: Vec<(String, Node)>) -> Self {
        entries.sort_by_key(|(_, node)| node.line);
        Self { entries }
    }

    /// The value of a key, unless it is null.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        let (_, node) = self.entries.iter().find(|(name, _)| name == key)?;
        (node.value != Value::Null).then_some(node)
    }

    /// The table that stands under a key.
    pub(crate) fn table(&self, key: &str) -> Option<&Self> {
        match &self.get(key)?.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// All keys and their values but null, in the order of their lines.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        let entries = self.entries.iter().map(|(key, node)| (key.as_str(), node));
        entries.filter(|(_, node)| node.value != Value::Null)
    }

    /// The same without one of its keys.
    pub(crate) fn without(&self, key: &str) -> Self {
        let mut entries = self.entries.clone();
        entries.retain(|(name, _)| name != key);
        Self { entries }
    }

    /// Whether it turns off all it is about: by one word, or with every value.
    fn is_off(&self) -> bool {
        let off_at_once = |(key, node): (&str, &Node)| match node.value {
            Value::Switch(on) => key == "enabled" && !on || key == "disabled" && on,
            _ => false,
        };
        self.iter().any(off_at_once) || self.iter().all(|(_, node)| node.value.is_off())
    }
}

impl Value {
    /// Whether it turns off whatever it is about: false, 0, no time, an empty text, nothing.
    pub(crate) fn is_off(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Switch(on) => !on,
            Self::Integer(number) => *number == 0,
            Self::Other(text) => text.parse() == Ok(0.0),
            Self::Text(text) => text.is_empty() || is_no_time(text),
            Self::List(items) => items.iter().all(|item| item.value.is_off()),
            Self::Table(table) => table.is_off(),
        }
    }
}

/// As a sentence names it: never more than a word of what may be long.
impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => out.write_str("null"),
            Self::Switch(on) => write!(out, "{on}"),
            Self::Integer(number) => write!(out, "{number}"),
            Self::Other(text) => out.write_str(text),
            Self::Text(text) => write!(out, "`{}`", text.escape_debug()),
            Self::List(_) => out.write_str("a list"),
            Self::Table(_) => out.write_str("a section"),
        }
    }
}

/// `0`, `0s`, `0h0m`: a duration of nothing.
fn is_no_time(text: &str) -> bool {
    let is_part = |letter: char| matches!(letter, '0' | '.' | 'h' | 'm' | 's' | 'n' | 'u');
    text.starts_with('0') && text.chars().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::{Node, Table, Value};

    fn at(line: usize, value: Value) -> Node {
        Node { line, value }
    }

    fn table(entries: Vec<(&str, Node)>) -> Table {
        let owned = |(key, node): (&str, Node)| (key.to_owned(), node);
        Table::new(entries.into_iter().map(owned).collect())
    }

    /// Goal: keys come in the order of the file, and a null is as good as nothing.
    #[test]
    fn a_table_has_the_order_of_the_file() {
        let read = table(vec![
            ("b", at(7, Value::Switch(true))),
            ("c", at(3, Value::Null)),
            ("a", at(9, Value::Table(Table::default()))),
            ("d", at(2, Value::Integer(4))),
        ]);
        let keys: Vec<&str> = read.iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["d", "b", "a"]);
        assert_eq!(read.get("c"), None);
        assert_eq!(read.get("b").map(|node| node.line), Some(7));
        assert!(read.table("a").is_some() && read.table("b").is_none());
        assert_eq!(read.without("b").get("b"), None);
    }

    /// Goal: what turns something off is known as such, and what might not is not.
    #[test]
    fn what_is_off() {
        let text = |text: &str| Value::Text(text.to_owned());
        let list = |values: Vec<Value>| {
            Value::List(values.into_iter().map(|value| at(1, value)).collect())
        };
        let gate = |key, on| {
            let switch = (key, at(1, Value::Switch(on)));
            Value::Table(table(vec![switch, ("endpoint", at(2, text("x")))]))
        };
        let off = [
            Value::Null,
            Value::Switch(false),
            Value::Integer(0),
            Value::Other("0.0".to_owned()),
            text(""),
            text("0s"),
            text("0h0m0s"),
            list(vec![]),
            list(vec![gate("enabled", false)]),
            Value::Table(Table::default()),
            gate("enabled", false),
            gate("disabled", true),
        ];
        for value in off {
            assert!(value.is_off(), "{value:?}");
        }
        let on = [
            Value::Switch(true),
            Value::Integer(-1),
            Value::Other("0.5".to_owned()),
            text("x"),
            text("10s"),
            text("s"),
            list(vec![text("a")]),
            gate("enabled", true),
            gate("disabled", false),
        ];
        for value in on {
            assert!(!value.is_off(), "{value:?}");
        }
        let unsaid = Value::Table(table(vec![("endpoint", at(1, text("x")))]));
        assert!(!unsaid.is_off());
    }
}
