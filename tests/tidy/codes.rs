//! The codes that clients are sent, and those that users are told of.

use std::collections::BTreeSet;

use crate::finding::Finding;
use crate::marks::between;
use crate::source::Source;

/// Where codes are defined.
pub(crate) const DEFINED: &str = "src/protocol/centrifugo/codes.rs";

/// What users read.
const TOLD: &str = "docs/PROTOCOL.md";

/// The kinds of codes, and the mark of the table of each.
const KINDS: [(&str, &str); 3] = [
    ("ErrorCode", "errors"),
    ("Disconnect", "closes"),
    ("Unsubscribed", "unsubscribes"),
];

/// Codes that are sent and not told of, and those that are told of and never sent.
pub(crate) fn untold(told: &str, sources: &[Source]) -> Vec<Finding> {
    let source = sources.iter().find(|source| source.path == DEFINED);
    let defined = source.map_or("", |source| source.text.as_str());
    let mut findings = Vec::new();
    for (kind, mark) in KINDS {
        let numbers = numbers(defined, kind);
        let table: Vec<(usize, &str)> = (between(told, mark).into_iter())
            .filter_map(|(line, row)| Some((line, row.strip_prefix("| ")?.split(' ').next()?)))
            .filter(|(_, cell)| cell.bytes().all(|byte| byte.is_ascii_digit()))
            .collect();
        let sent: BTreeSet<&str> = (numbers.iter())
            .filter(|(name, _)| sources.iter().any(|source| uses(source, kind, name)))
            .map(|&(_, number)| number)
            .collect();
        let is_told = |number: &str| table.iter().any(|&(_, told)| told == number);
        for number in sent.iter().filter(|number| !is_told(number)) {
            let fix = format!("{number} is sent: say between the marks {mark} when");
            findings.push(Finding::at(TOLD, 0, fix));
        }
        for (line, number) in table {
            if !sent.contains(number) {
                let fix = format!("{number} is never sent");
                findings.push(Finding::at(TOLD, line, fix));
            }
        }
    }
    findings
}

/// The names of a kind of codes, and their numbers.
fn numbers<'a>(defined: &'a str, kind: &str) -> Vec<(&'a str, &'a str)> {
    let begin = format!("{kind}(");
    let lines = defined.lines().map(str::trim);
    lines
        .skip_while(|line| !line.starts_with(&begin))
        .skip(1)
        .take_while(|line| *line != "}")
        .filter_map(|line| {
            let (name, rest) = line.split_once(" = ")?;
            Some((name, rest.split_once(',')?.0))
        })
        .collect()
}

/// Whether the program names a code, apart from its definition and its tests.
fn uses(source: &Source, kind: &str, name: &str) -> bool {
    if !source.path.starts_with("src/") || source.path == DEFINED || source.is_test() {
        return false;
    }
    let tests = source.test_modules();
    let end = |at: usize| at + kind.len();
    (source.words(kind).into_iter())
        .filter(|&at| source.code[end(at)..].starts_with(b"::"))
        .filter(|&at| source.identifier(end(at) + 2) == name)
        .any(|at| !tests.iter().any(|module| module.contains(&at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODES: &str = "codes! {\n    ErrorCode(u32):\n    /// A.\n    One = 100, \"one\";\n    Two = 101, \"two\";\n}\n";

    fn lines(table: &str, code: &str) -> Vec<String> {
        let sources = [
            Source::new(DEFINED, CODES.to_owned()),
            Source::new("src/shard/a.rs", code.to_owned()),
        ];
        let told =
            format!("<!-- errors -->\n| error | when |\n|---|---|\n{table}<!-- /errors -->\n");
        let findings = untold(&told, &sources);
        findings.iter().map(Finding::to_string).collect()
    }

    /// Goal: a table of what is sent is accepted, and tests may name what they like.
    #[test]
    fn a_complete_table_is_accepted() {
        let code = "fn f() { ErrorCode::One }\nmod tests { fn g() { ErrorCode::Two } }\n";
        assert_eq!(lines("| 100 | always |\n", code), [""; 0]);
    }

    /// Goal: a code that is sent and not told of is found, and one that is told of and never sent.
    #[test]
    fn other_tables_are_found() {
        let found = lines("| 101 | never |\n", "fn f() { ErrorCode::One }\n");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("100 is sent") && found[1].contains(":4: 101 is never sent"));
    }
}
