//! What the docs say that the bearers of refused tokens are told.

use super::*;
use crate::auth::error::{Fault, TokenError, Verdict};

const PROTOCOL: &str = include_str!("../../../docs/PROTOCOL.md");
const TOKENS: &str = include_str!("../../../docs/TOKENS.md");

/// The rows of the tables: what is wrong, and how that is known here.
fn faults() -> [(&'static str, TokenError); 5] {
    [
        ("never was good", TokenError::Invalid(Fault::Signature)),
        (
            "another user's, or for another room",
            TokenError::Foreign(Fault::OtherUser),
        ),
        ("expired, or not good yet", TokenError::Expired { ago: 1 }),
        ("its `expire_at` is past", TokenError::Lapsed),
        (
            "its key can't be asked for at the moment",
            TokenError::Unavailable,
        ),
    ]
}

/// A verdict as a cell has it.
fn cell(verdict: Verdict) -> String {
    let code = verdict.code();
    match code {
        100..=399 => format!("error {code}"),
        401 | 503 => code.to_string(),
        2501 => format!("unsubscribe {code}"),
        _ => format!("close {code}"),
    }
}

/// Goal: the pages say for each way in what the bearer of a refused token is told.
#[test]
fn the_pages_have_the_outcomes() {
    let ways = [
        WayIn::Connect,
        WayIn::Subscribe,
        WayIn::Refresh,
        WayIn::SubRefresh,
    ];
    for (name, page) in [("PROTOCOL", PROTOCOL), ("TOKENS", TOKENS)] {
        for (what, error) in faults() {
            let mut cells = ways.map(|way_in| cell(outcome(way_in, &error)));
            if matches!(error, TokenError::Foreign(_)) {
                // Nobody has a token to connect as somebody else.
                cells[0] = String::new();
            }
            let row = format!("| {what} | {} |", cells.join(" | ")).replace("|  |", "| |");
            let has_row = page.lines().any(|line| line.starts_with(&row));
            assert!(has_row, "{name}.md has no row that begins: {row}");
        }
    }
}
