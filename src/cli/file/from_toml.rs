//! Reads TOML, with the line of each value.

use toml::de::{DeTable, DeValue};

use super::format::Malformed;
use super::lines::Lines;
use crate::config::tree::{Node, Table, Value};

/// The table that a text is.
///
/// # Errors
/// All that is no TOML, of each line the first.
pub(super) fn table(text: &str) -> Result<Table, Vec<Malformed>> {
    let lines = Lines::of(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(entries(table.get_ref(), &lines));
    }
    let mut malformed: Vec<Malformed> = (errors.iter())
        .map(|error| Malformed {
            line: lines.at(error.span().map_or(0, |span| span.start)),
            problem: (error.message().lines().next().unwrap_or("malformed")).to_owned(),
        })
        .collect();
    malformed.dedup_by_key(|malformed| malformed.line);
    Err(malformed)
}

fn entries(table: &DeTable<'_>, lines: &Lines) -> Table {
    let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
        let line = lines.at(key.span().start);
        let name: &std::borrow::Cow<'_, str> = key.get_ref();
        let value = self::value(value.get_ref(), lines);
        (name.clone().into_owned(), Node { line, value })
    };
    Table::new(table.iter().map(entry).collect())
}

fn value(value: &DeValue<'_>, lines: &Lines) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.clone().into_owned()),
        DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => Value::Other(integer.to_string()),
        },
        DeValue::Float(float) => Value::Other(float.as_str().to_owned()),
        DeValue::Boolean(on) => Value::Switch(*on),
        DeValue::Datetime(datetime) => Value::Other(datetime.to_string()),
        DeValue::Array(items) => {
            let item = |item: &toml::Spanned<DeValue<'_>>| Node {
                line: lines.at(item.span().start),
                value: self::value(item.get_ref(), lines),
            };
            Value::List(items.iter().map(item).collect())
        }
        DeValue::Table(table) => Value::Table(entries(table, lines)),
    }
}

#[cfg(test)]
mod tests {
    use super::table;
    use crate::config::tree::{Node, Table, Value};

    fn shown(table: &Table, into: &mut Vec<String>) {
        for (key, node) in table.iter() {
            show(key, node, into);
        }
    }

    fn show(key: &str, node: &Node, into: &mut Vec<String>) {
        into.push(format!("{}: {key} {}", node.line, node.value));
        match &node.value {
            Value::Table(table) => shown(table, into),
            Value::List(items) => {
                for item in items {
                    show("-", item, into);
                }
            }
            _ => {}
        }
    }

    /// Goal: every value comes with its own line, however its section is written.
    #[test]
    fn values_have_their_lines() {
        let text = "# first\nlog_bytes = \"1MiB\"\nshards = 0x1_0\n\n[client]\ninsecure = true\n\
                    [client.token]\nhmac_secret_key = \"a\"\n[[channel.namespaces]]\nname = \"aa\"\n\
                    [[channel.namespaces]]\nname = \"bb\"\nmap.key_ttl = 1.5\nallowed = [\n  1979-05-27,\n]\n";
        let mut found = Vec::new();
        shown(&table(text).expect("TOML"), &mut found);
        assert_eq!(
            found,
            [
                "2: log_bytes `1MiB`",
                "3: shards 16",
                "5: client a section",
                "6: insecure true",
                "7: token a section",
                "8: hmac_secret_key `a`",
                "9: channel a section",
                "9: namespaces a list",
                "9: - a section",
                "10: name `aa`",
                "11: - a section",
                "12: name `bb`",
                "13: map a section",
                "13: key_ttl 1.5",
                "14: allowed a list",
                "15: - 1979-05-27",
            ]
        );
    }

    /// Goal: each line that is no TOML is told.
    #[test]
    fn bad_lines_are_told() {
        let bad = table("a = 1\nb = \nc = 2\nc = 3\n").expect_err("no TOML");
        let lines: Vec<usize> = bad.iter().map(|malformed| malformed.line).collect();
        assert_eq!(lines, [2, 4]);
    }
}
