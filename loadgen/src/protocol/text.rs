//! Texts with places that are filled in for each session: numbers, columns of a file, secrets.

use std::env;

use anyhow::{Context, bail};

use crate::own;

/// Whose text it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Who<'a> {
    /// Tells this run from others.
    pub(crate) run: u32,
    pub(crate) session: u32,
    pub(crate) room: u32,
    /// Its row of the file of values; empty without one.
    pub(crate) row: &'a [String],
}

/// What a text is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Bytes(Vec<u8>),
    Run,
    Room,
    Session,
    /// A column of the file of values.
    Column(usize),
}

/// What a backslash in a text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escapes {
    Read,
    Leave,
}

/// A text, with `{run}`, `{room}`, `{i}`, `{env:NAME}` and the names of columns in it. Other braces stay.
#[derive(Clone, Debug, Default)]
pub(crate) struct Text {
    /// As it was given: secrets are not in it.
    source: String,
    pieces: Vec<Piece>,
}

impl Text {
    /// A text in which a backslash is a backslash, such as a path.
    ///
    /// # Errors
    /// A variable that the environment does not have.
    pub(crate) fn plain(source: &str, columns: &[String]) -> anyhow::Result<Self> {
        Self::parse(source, columns, Escapes::Leave)
    }

    /// A text with `\n`, `\r`, `\t`, `\0`, `\xNN` and `\\` in it; other backslashes stay, since
    /// JSON has its own.
    ///
    /// # Errors
    /// A variable that the environment does not have.
    pub(crate) fn escaped(source: &str, columns: &[String]) -> anyhow::Result<Self> {
        Self::parse(source, columns, Escapes::Read)
    }

    /// Bytes that are as they are, and what to call them.
    pub(crate) fn verbatim(source: &str, bytes: Vec<u8>) -> Self {
        Self {
            source: source.to_owned(),
            pieces: vec![Piece::Bytes(bytes)],
        }
    }

    fn parse(source: &str, columns: &[String], escapes: Escapes) -> anyhow::Result<Self> {
        let mut pieces = Vec::new();
        let mut bytes = Vec::new();
        let mut rest = source;
        while let Some(first) = rest.chars().next() {
            if escapes == Escapes::Read
                && let Some((byte, after)) = escape(rest)
            {
                bytes.push(byte);
                rest = after;
            } else if let Some((piece, after)) = place(rest, columns)? {
                match piece {
                    Piece::Bytes(secret) => bytes.extend(secret),
                    piece if bytes.is_empty() => pieces.push(piece),
                    piece => pieces.extend([Piece::Bytes(std::mem::take(&mut bytes)), piece]),
                }
                rest = after;
            } else {
                let (one, after) = rest.split_at(first.len_utf8());
                bytes.extend_from_slice(one.as_bytes());
                rest = after;
            }
        }
        if !bytes.is_empty() {
            pieces.push(Piece::Bytes(bytes));
        }
        Ok(Self {
            source: source.to_owned(),
            pieces,
        })
    }

    /// The text as it was given.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// The text for a session.
    pub(crate) fn fill(&self, who: &Who<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Bytes(bytes) => out.extend_from_slice(bytes),
                Piece::Run => out.extend_from_slice(format!("{:06x}", who.run).as_bytes()),
                Piece::Room => out.extend_from_slice(who.room.to_string().as_bytes()),
                Piece::Session => out.extend_from_slice(who.session.to_string().as_bytes()),
                Piece::Column(at) => {
                    let value = who.row.get(*at).map_or("", String::as_str);
                    out.extend_from_slice(value.as_bytes());
                }
            }
        }
        out
    }
}

/// The byte that an escape at the start of a text is, and what comes after it.
fn escape(text: &str) -> Option<(u8, &str)> {
    let code = text.strip_prefix('\\')?;
    let after = |length: usize| code.get(length..);
    Some(match code.chars().next()? {
        'n' => (b'\n', after(1)?),
        'r' => (b'\r', after(1)?),
        't' => (b'\t', after(1)?),
        '0' => (0, after(1)?),
        '\\' => (b'\\', after(1)?),
        'x' => (u8::from_str_radix(code.get(1..3)?, 16).ok()?, after(3)?),
        _ => return None,
    })
}

/// The place that begins a text, and what comes after it.
fn place<'a>(text: &'a str, columns: &[String]) -> anyhow::Result<Option<(Piece, &'a str)>> {
    let inner = text.strip_prefix('{');
    let Some((name, after)) = inner.and_then(|inner| inner.split_once('}')) else {
        return Ok(None);
    };
    let piece = if let Some(variable) = name.strip_prefix("env:") {
        own::ask().with_context(|| format!("{{env:{variable}}}"))?;
        let value = env::var(variable)
            .with_context(|| format!("{{env:{variable}}}: the environment has no {variable}"))?;
        if value.contains(['\r', '\n', '\0']) {
            bail!("{{env:{variable}}}: want a value without line breaks");
        }
        Piece::Bytes(value.into_bytes())
    } else if let Some(at) = columns.iter().position(|column| column == name) {
        Piece::Column(at)
    } else {
        match name {
            "run" => Piece::Run,
            "room" => Piece::Room,
            "i" => Piece::Session,
            _ => return Ok(None),
        }
    };
    Ok(Some((piece, after)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(row: &[String]) -> Who<'_> {
        Who {
            run: 0xabc,
            session: 7,
            room: 3,
            row,
        }
    }

    /// Goal: what is known is filled in, and all other braces are left alone.
    #[test]
    fn places_are_filled_in() {
        let columns = ["token".to_owned(), "user".to_owned()];
        let row = ["s3cret".to_owned(), "Zoë".to_owned()];
        let text = Text::plain(
            "{\"to\":\"{room}\",\"by\":{i},\"as\":\"{user} {token}\",\"in\":\"{run}\",\"x\":{}}{y}{",
            &columns,
        );
        let text = text.unwrap().fill(&who(&row));
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "{\"to\":\"3\",\"by\":7,\"as\":\"Zoë s3cret\",\"in\":\"000abc\",\"x\":{}}{y}{"
        );
    }

    /// Goal: every escape is the byte it names, and those of others, such as JSON's, stay.
    #[test]
    fn escapes_are_bytes() {
        let text = Text::escaped("a\\n\\r\\t\\0\\x7b\\xfF\\\\n\\\"\\u00e9\\x7\\", &[]).unwrap();
        assert_eq!(
            text.fill(&who(&[])),
            b"a\n\r\t\0{\xff\\n\\\"\\u00e9\\x7\\".to_vec()
        );
        let made = Text::escaped("\\x7broom} {room}", &[]).unwrap();
        assert_eq!(made.fill(&who(&[])), b"{room} 3".to_vec());
        let path = Text::plain("/a\\n", &[]).unwrap();
        assert_eq!(path.fill(&who(&[])), b"/a\\n".to_vec());
    }

    /// Goal: a secret comes from the environment and is not in what the text is called; one that is not
    /// there is told by its name.
    #[test]
    fn secrets_come_from_the_environment() {
        let text = Text::plain("Bearer {env:PATH}", &[]).unwrap();
        assert_eq!(text.source(), "Bearer {env:PATH}");
        let expected = format!("Bearer {}", env::var("PATH").unwrap());
        assert_eq!(text.fill(&who(&[])), expected.into_bytes());
        let error = Text::plain("{env:FANLOAD_HAS_NO_SUCH}", &[]).unwrap_err();
        assert!(error.to_string().contains("has no FANLOAD_HAS_NO_SUCH"));
    }
}
