//! Values of each session, such as a token, from a file with a row for each.

use std::path::Path;
use std::{fs, mem};

use anyhow::{Context, ensure};

use crate::own;

/// The largest file of values, in bytes: all of it is kept.
const FILE_BYTES_MAX: usize = 256 << 20;

/// Names that texts have already.
const RESERVED: [&str; 4] = ["room", "i", "run", "payload"];

/// The file: names of the columns, and rows of as many values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    pub(crate) columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Values {
    /// Reads a file.
    ///
    /// # Errors
    /// One sentence that names the file, its line and what is wanted.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let about = || format!("--vars {}", path.display());
        own::ask().with_context(about)?;
        let text =
            fs::read_to_string(path).with_context(|| format!("{}: can't read it", about()))?;
        Self::parse(&text).with_context(about)
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        ensure!(
            text.len() <= FILE_BYTES_MAX,
            "want at most {FILE_BYTES_MAX} bytes"
        );
        let mut lines = records(text).into_iter();
        let columns = lines.next().unwrap_or_default();
        for name in &columns {
            let is_name = !name.is_empty() && !name.contains(['{', '}', ':']);
            ensure!(
                is_name && !RESERVED.contains(&name.as_str()),
                "want the names of the columns in the first line; {name:?} can't be one"
            );
        }
        let rows: Vec<_> = lines.collect();
        ensure!(!rows.is_empty(), "want a row of values below the names");
        for (row, line) in rows.iter().zip(2..) {
            ensure!(
                row.len() == columns.len(),
                "row {line} has {} values, and there are {} columns",
                row.len(),
                columns.len()
            );
        }
        Ok(Self { columns, rows })
    }

    /// The values of a session; rows take turns.
    pub(crate) fn of(&self, session: u32) -> &[String] {
        match self.rows.len() {
            0 => &[],
            count => &self.rows[session as usize % count],
        }
    }

    /// Every row.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &[String]> {
        self.rows.iter().map(Vec::as_slice)
    }
}

/// The lines of a table with commas, and quotes around what holds some (RFC 4180).
fn records(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut field) = (Vec::new(), Vec::new(), String::new());
    let mut is_quoted = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if is_quoted && letters.peek() == Some(&'"') => {
                field.push('"');
                letters.next();
            }
            '"' if is_quoted => is_quoted = false,
            '"' if field.is_empty() => is_quoted = true,
            _ if is_quoted => field.push(letter),
            ',' => record.push(mem::take(&mut field)),
            '\r' if letters.peek() == Some(&'\n') => {}
            '\n' => {
                record.push(mem::take(&mut field));
                records.push(mem::take(&mut record));
            }
            _ => field.push(letter),
        }
    }
    if !field.is_empty() || !record.is_empty() {
        record.push(field);
        records.push(record);
    }
    records.retain(|record| record.iter().any(|field| !field.is_empty()));
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: each session has a row, in turns, with whatever stands in quotes.
    #[test]
    fn rows_take_turns() {
        let text = "token,user\r\nabc,\"Doe, \"\"J\"\"\"\r\n\r\ndef,\n";
        let values = Values::parse(text).unwrap();
        assert_eq!(values.columns, ["token", "user"]);
        assert_eq!(values.of(0), ["abc", "Doe, \"J\""]);
        assert_eq!(values.of(1), ["def", ""]);
        assert_eq!(values.of(2), values.of(0));
        assert!(Values::default().of(5).is_empty());
    }

    /// Goal: a file that can't be meant is refused with what is wrong.
    #[test]
    fn bad_files_are_told() {
        for (text, wrong) in [
            ("", "a row of values"),
            ("token\n", "a row of values"),
            ("token,\na,b\n", "can't be one"),
            ("room\na\n", "\"room\""),
            ("token,user\na,b\nc\n", "row 3 has 1 values"),
        ] {
            let error = Values::parse(text).unwrap_err().to_string();
            assert!(error.contains(wrong), "{text:?}: {error}");
        }
        let missing = Values::read(Path::new("/nowhere/at.all")).unwrap_err();
        assert!(missing.to_string().contains("--vars /nowhere/at.all"));
    }
}
