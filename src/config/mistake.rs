//! What is wrong with a settings file, and in which line.

use std::fmt;

/// A mistake in a settings file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Its line, from 1, where it has one.
    pub(crate) line: Option<usize>,
    /// A sentence that names the key and the fix.
    pub(crate) sentence: String,
    /// Whether it names the file too.
    pub(crate) names_file: bool,
}

impl Mistake {
    /// One in a line.
    pub(crate) fn at(line: usize, sentence: impl Into<String>) -> Self {
        Self {
            line: Some(line),
            sentence: sentence.into(),
            names_file: false,
        }
    }

    /// One in a line, with a sentence that names the file.
    pub(crate) fn whole(line: impl Into<Option<usize>>, sentence: impl Into<String>) -> Self {
        Self {
            line: line.into(),
            sentence: sentence.into(),
            names_file: true,
        }
    }

    /// One of no line in particular.
    pub(crate) fn anywhere(sentence: impl Into<String>) -> Self {
        Self {
            line: None,
            sentence: sentence.into(),
            names_file: false,
        }
    }
}

/// As in a list of them.
impl fmt::Display for Mistake {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(out, "line {line}: {}", self.sentence),
            None => out.write_str(&self.sentence),
        }
    }
}
