//! A broken rule, and how the samples of bad code ask for it.

use std::fmt;

use crate::source::Source;

/// A broken rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) path: String,
    line: usize,
    fix: String,
}

impl Finding {
    pub(crate) fn new(source: &Source, position: usize, fix: impl Into<String>) -> Self {
        Self {
            path: source.path.clone(),
            line: source.line(position),
            fix: fix.into(),
        }
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
