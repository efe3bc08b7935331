//! A broken rule, and how the samples of bad code ask for it.

use std::fmt;

use crate::source::{Source, is_path_in};

/// A broken rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    fix: String,
}

impl Finding {
    pub(crate) fn new(source: &Source, position: usize, fix: impl Into<String>) -> Self {
        Self::at(&source.path, source.line(position), fix)
    }

    /// In a file that need not be a Rust file; `line` counts from 1.
    pub(crate) fn at(path: &str, line: usize, fix: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            fix: fix.into(),
        }
    }

    /// Whether it is about `place`; see [`is_path_in`].
    pub(crate) fn is_in(&self, place: &str) -> bool {
        is_path_in(&self.path, place)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.path, self.line, self.fix)
    }
}

/// The lines at which `rule` finds fault with a sample.
pub(crate) fn lines(rule: fn(&Source) -> Vec<Finding>, path: &str, text: &str) -> Vec<usize> {
    let source = Source::new(path, text.to_owned());
    rule(&source).iter().map(|finding| finding.line).collect()
}
