//! What the machine lets the server do; here only what the command needs to compile.

use std::fmt;

/// An empty report.
#[derive(Debug)]
pub struct Report;

impl Report {
    /// Whether a server can run here.
    #[must_use]
    pub fn usable(&self) -> bool {
        true
    }
}

impl fmt::Display for Report {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

/// Examines the machine.
#[must_use]
pub fn examine() -> Report {
    Report
}
