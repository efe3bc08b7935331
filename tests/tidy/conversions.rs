//! Conversions between integers that can't fail, and those that stop at an end.

use crate::finding::{Finding, lines};
use crate::source::Source;

/// What the comment above a conversion begins with that stops at an end, and is meant to.
const MEANT: &str = "// Saturates";

/// A conversion that can't fail says why in an `expect`: a made-up value would hide that it did.
pub(crate) fn made_up(source: &Source) -> Vec<Finding> {
    if source.is_test() {
        return Vec::new();
    }
    let tests = source.test_modules();
    let mut conversions = source.words("try_from");
    conversions.extend(source.words("try_into"));
    conversions.retain(|at| !tests.iter().any(|module| module.contains(at)));
    conversions.retain(|&at| has_value_for_failure(source, at) && !is_meant(source, at));
    let fix = "say in an `expect` why it can't fail, or above it what happens: `// Saturates: ...`";
    conversions
        .into_iter()
        .map(|at| Finding::new(source, at, fix))
        .collect()
}

/// Whether `.unwrap_or(` comes next after the conversion's arguments.
fn has_value_for_failure(source: &Source, at: usize) -> bool {
    let open = source.skip_space(at + "try_from".len());
    if source.code.get(open) != Some(&b'(') {
        return false;
    }
    let next = source.skip_space(source.closing(open) + 1);
    let rest = source.code.get(next..).unwrap_or_default();
    rest.starts_with(b".unwrap_or(") || rest.starts_with(b".unwrap_or_default(")
}

/// Whether the comment above the statement says that the value is meant.
fn is_meant(source: &Source, at: usize) -> bool {
    let text: Vec<&str> = source.text.lines().collect();
    let above = text[..source.line(at) - 1].iter().map(|line| line.trim());
    above
        .rev()
        .take_while(|line| !line.is_empty() && !line.ends_with([';', '{', '}']))
        .any(|line| line.starts_with(MEANT))
}

/// Goal: a value made up for a conversion that fails is found, unless it is said to be meant.
#[test]
fn a_made_up_value_is_found() {
    let fine = "fn a() {\n    u8::try_from(b).expect(\"c\");\n    u8::try_from(b).ok().unwrap_or(1);\n    \
                // Saturates: so many are as good as no limit.\n    let d =\n        \
                u8::try_from(b).unwrap_or(u8::MAX);\n}\nmod tests {\n    u8::try_from(b).unwrap_or(0);\n}";
    assert_eq!(lines(made_up, "src/a.rs", fine), []);
    let cases: [(&str, &[usize]); 5] = [
        ("u8::try_from(b(c)).unwrap_or(u8::MAX)", &[1]),
        ("b\n    .try_into()\n    .unwrap_or(0)", &[2]),
        ("u8::try_from(b).unwrap_or_default()", &[1]),
        ("// Why.\nu8::try_from(b).unwrap_or(0)", &[2]),
        ("// Saturates.\nc;\nu8::try_from(b).unwrap_or(0)", &[3]),
    ];
    for (text, expected) in cases {
        assert_eq!(lines(made_up, "src/a.rs", text), expected, "{text}");
    }
    assert_eq!(lines(made_up, "tests/a.rs", cases[0].0), []);
}
