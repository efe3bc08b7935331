//! Reads JSON, with the line of each value.
//!
//! serde_json reads, level by level, and leaves what is below as text that is still where it was.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::format::Malformed;
use super::lines::Lines;
use crate::config::tree::{Node, Table, Value};

/// How deep a value may stand in others; settings have five levels.
const DEPTH_MAX: usize = 32;

/// The table that a text is.
///
/// # Errors
/// The first thing that is no JSON, or is no settings.
pub(super) fn table(text: &str) -> Result<Table, Malformed> {
    let reader = Reader {
        text,
        lines: Lines::of(text),
    };
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| malformed(1, &error))?;
    match reader.value(raw, 0)? {
        Value::Table(table) => Ok(table),
        _ => Err(Malformed {
            line: 1,
            problem: "no object".to_owned(),
        }),
    }
}

struct Reader<'a> {
    text: &'a str,
    lines: Lines,
}

impl<'a> Reader<'a> {
    fn node(&self, raw: &'a RawValue, depth: usize) -> Result<Node, Malformed> {
        let line = self.line(raw);
        let value = self.value(raw, depth)?;
        Ok(Node { line, value })
    }

    fn value(&self, raw: &'a RawValue, depth: usize) -> Result<Value, Malformed> {
        let line = self.line(raw);
        if depth > DEPTH_MAX {
            let problem = "too deep".to_owned();
            return Err(Malformed { line, problem });
        }
        let text = raw.get();
        Ok(match text.as_bytes().first() {
            Some(b'{') => Value::Table(self.object(raw, depth)?),
            Some(b'[') => {
                let items: Vec<&'a RawValue> = read(text, line)?;
                let items = items.into_iter().map(|item| self.node(item, depth + 1));
                Value::List(items.collect::<Result<_, _>>()?)
            }
            Some(b'"') => Value::Text(read(text, line)?),
            Some(b't') => Value::Switch(true),
            Some(b'f') => Value::Switch(false),
            Some(b'n') => Value::Null,
            _ => match text.parse() {
                Ok(number) => Value::Integer(number),
                Err(_) => Value::Other(text.to_owned()),
            },
        })
    }

    fn object(&self, raw: &'a RawValue, depth: usize) -> Result<Table, Malformed> {
        let Entries(entries) = read(raw.get(), self.line(raw))?;
        let mut nodes: Vec<(String, Node)> = Vec::with_capacity(entries.len());
        for (key, raw) in entries {
            if nodes.iter().any(|(other, _)| *other == key) {
                return Err(Malformed {
                    line: self.line(raw),
                    problem: format!("{key} is there twice"),
                });
            }
            nodes.push((key, self.node(raw, depth + 1)?));
        }
        Ok(Table::new(nodes))
    }

    /// Where a part of the text stands in it.
    fn line(&self, raw: &RawValue) -> usize {
        let offset = raw.get().as_ptr().addr() - self.text.as_ptr().addr();
        self.lines.at(offset)
    }
}

/// Reads a part of the text that begins in this line.
fn read<'a, T: Deserialize<'a>>(text: &'a str, line: usize) -> Result<T, Malformed> {
    serde_json::from_str(text).map_err(|error| malformed(line, &error))
}

fn malformed(first_line: usize, error: &serde_json::Error) -> Malformed {
    let told = error.to_string();
    let (problem, _) = told.split_once(" at line ").unwrap_or((&told, ""));
    Malformed {
        line: first_line + error.line().saturating_sub(1),
        problem: problem.to_owned(),
    }
}

/// The keys and values of an object, as they come.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collector;

        impl<'de> Visitor<'de> for Collector {
            type Value = Entries<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(Collector)
    }
}

#[cfg(test)]
mod tests {
    use super::{DEPTH_MAX, table};
    use crate::config::tree::Value;

    /// Goal: every value comes with its own line and type.
    #[test]
    fn values_have_their_lines() {
        let text = "{\n  \"log_bytes\": \"1MiB\",\n  \"client\": {\n    \"insecure\": true,\n    \
                    \"channel_limit\": 12, \"none\": null,\n    \"x\": [\n      1.5,\n      {\"a\\n\": false}]\n  }\n}";
        let table = table(text).expect("JSON");
        let line = |key| {
            table
                .get(key)
                .map(|node| (node.line, node.value.to_string()))
        };
        assert_eq!(line("log_bytes"), Some((2, "`1MiB`".to_owned())));
        let client = table.table("client").expect("a section");
        let line = |key| {
            client
                .get(key)
                .map(|node| (node.line, node.value.to_string()))
        };
        assert_eq!(line("insecure"), Some((4, "true".to_owned())));
        assert_eq!(line("channel_limit"), Some((5, "12".to_owned())));
        assert_eq!(line("none"), None);
        let Some(Value::List(items)) = client.get("x").map(|node| &node.value) else {
            panic!("no list")
        };
        assert_eq!(
            (items[0].line, items[0].value.to_string()),
            (7, "1.5".to_owned())
        );
        let Value::Table(last) = &items[1].value else {
            panic!("no section")
        };
        assert_eq!(last.get("a\n").map(|node| node.line), Some(8));
    }

    /// Goal: what is no JSON, or no object, or there twice, is told with its line.
    #[test]
    fn bad_files_are_told() {
        let deep = format!(
            "{{\"a\":{}{}}}",
            "[".repeat(DEPTH_MAX + 2),
            "]".repeat(DEPTH_MAX + 2)
        );
        for (text, line, problem) in [
            ("", 1, "EOF while parsing"),
            ("{\n\"a\": 1,\n}", 3, "key must be a string"),
            ("{}\nx", 2, "trailing characters"),
            ("[1]", 1, "no object"),
            ("{\"a\": 1,\n\"a\": 2}", 2, "a is there twice"),
            ("{\n\"a\": {\"b\": \"\\q\"}}", 2, "invalid escape"),
            (deep.as_str(), 1, "too deep"),
        ] {
            let bad = table(text).expect_err(text);
            assert_eq!(bad.line, line, "{text}: {}", bad.problem);
            assert!(bad.problem.contains(problem), "{text}: {}", bad.problem);
        }
    }
}
