//! What is answered otherwise than by the reference on purpose: the list that the comparison reads, and what users are
//! told of it.

use crate::finding::Finding;
use crate::marks::between;

/// What users read.
pub(crate) const TOLD: &str = "docs/PROTOCOL.md";

/// What the comparison reads.
pub(crate) const EXPECTED: &str = "tests/reference/expected.toml";

/// The mark of the list in the text.
const MARK: &str = "differences";

/// Where the one does not say what the other does: each reason begins a point of the list, word for word, and each
/// point begins with a reason.
pub(crate) fn untold(told: &str, expected: &str) -> Vec<Finding> {
    let (reasons, points) = (reasons(expected), points(told));
    let begins = |point: &str, reason: &str| {
        let rest = point.strip_prefix(reason);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    let is_told = |reason: &str| points.iter().any(|(_, point)| begins(point, reason));
    let is_reason = |point: &str| reasons.iter().any(|(_, reason)| begins(point, reason));
    let missing = (reasons.iter()).filter(|(_, reason)| !is_told(reason));
    let missing = missing.map(|&(line, ref reason)| {
        let fix = format!("{TOLD} has no point in its list of differences that begins: {reason}");
        Finding::at(EXPECTED, line, fix)
    });
    let made_up = points.iter().filter(|(_, point)| !is_reason(point));
    let made_up = made_up.map(|&(line, ref point)| {
        let fix = format!("{EXPECTED} has no reason that this begins with: {point}");
        Finding::at(TOLD, line, fix)
    });
    missing.chain(made_up).collect()
}

/// The reasons, each once, with the line that it stands on first.
fn reasons(expected: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    for (line, number) in expected.lines().zip(1..) {
        let Some(value) = line.strip_prefix("reason = ") else {
            continue;
        };
        let value: toml::Value = format!("it = {value}")
            .parse::<toml::Table>()
            .unwrap_or_else(|error| panic!("{EXPECTED}:{number}: {error}"))
            .remove("it")
            .expect("it was just written");
        let reason = value.as_str().expect("a reason is a text").to_owned();
        if found.iter().all(|(_, known)| *known != reason) {
            found.push((number, reason));
        }
    }
    found
}

/// The points of the list, each as one line, with the line that it begins on.
fn points(told: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    for (number, line) in between(told, MARK) {
        match (line.strip_prefix("- "), found.last_mut()) {
            (Some(point), _) => found.push((number, point.to_owned())),
            (None, Some((_, point))) => {
                point.push(' ');
                point.push_str(line.trim());
            }
            (None, None) => {}
        }
    }
    for (_, point) in &mut found {
        point.truncate(point.trim_end().len());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str =
        "reason = \"One says \\\"it\\\".\"\n\nreason = \"Two.\"\nreason = \"Two.\"\n";

    fn lines(told: &str) -> Vec<String> {
        let told = format!("<!-- differences -->\n{told}<!-- /differences -->\n- three.\n");
        untold(&told, LIST).iter().map(Finding::to_string).collect()
    }

    /// Goal: a list with each reason is accepted, whatever it says besides and however its lines end.
    #[test]
    fn a_complete_list_is_accepted() {
        assert_eq!(lines("- One\n  says \"it\". And why.\n- Two.\n"), [""; 0]);
    }

    /// Goal: a reason that is not told and a point that is no difference are found, and so is one that says nearly
    /// the same.
    #[test]
    fn other_lists_are_found() {
        let found = lines("- One says \"it\".\n- Two.5 is not it.\n");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("tests/reference/expected.toml:3: "));
        assert!(found[1].starts_with("docs/PROTOCOL.md:3: "));
        assert_eq!(lines("").len(), 2);
    }
}
