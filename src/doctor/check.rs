//! One line of the doctor's report.

use std::fmt;

/// How one capability stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As it should be.
    Good,
    /// The server runs, but not as well as it could.
    Warning,
    /// The server can't run.
    Failure,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Check {
    /// What was looked at.
    pub(crate) name: &'static str,
    /// How it stands.
    pub(crate) verdict: Verdict,
    /// What was found.
    pub(crate) found: String,
    /// What to do about it, unless it is good.
    pub(crate) fix: Option<String>,
}

pub(super) fn good(name: &'static str, found: impl Into<String>) -> Check {
    Check {
        name,
        verdict: Verdict::Good,
        found: found.into(),
        fix: None,
    }
}

pub(super) fn warning(
    name: &'static str,
    found: impl Into<String>,
    fix: impl fmt::Display,
) -> Check {
    Check {
        name,
        verdict: Verdict::Warning,
        found: found.into(),
        fix: Some(fix.to_string()),
    }
}

pub(super) fn failure(
    name: &'static str,
    found: impl Into<String>,
    fix: impl fmt::Display,
) -> Check {
    Check {
        name,
        verdict: Verdict::Failure,
        found: found.into(),
        fix: Some(fix.to_string()),
    }
}
