//! The rules on single files.

use crate::finding::{Finding, lines};
use crate::source::{Source, is_identifier};

/// The only places where unsafe code may stand: the ring, and the mapping of the log.
const UNSAFE_ALLOWED: [&str; 2] = ["src/ring", "src/room/mapping"];

pub(crate) fn role(source: &Source) -> Vec<Finding> {
    if source.text.starts_with("//! ") {
        return Vec::new();
    }
    vec![Finding::new(
        source,
        0,
        "begin the file with `//!` and its role in one sentence",
    )]
}

pub(crate) fn unsafe_uses(source: &Source) -> Vec<Finding> {
    let allowed = UNSAFE_ALLOWED.iter().any(|place| source.is_in(place));
    let mut findings = Vec::new();
    if !allowed {
        let fix = format!("unsafe code belongs into {}", UNSAFE_ALLOWED.join(" or "));
        let uses = source.words("unsafe");
        findings.extend(uses.into_iter().map(|at| Finding::new(source, at, &*fix)));
    }
    for at in source.words("unsafe_code") {
        let before = source.attribute_before(at);
        if before.ends_with("forbid(") || before.ends_with("deny(") {
            continue;
        }
        let end = source.code[at..]
            .iter()
            .position(|&byte| byte == b']')
            .unwrap_or(0);
        let rest = String::from_utf8_lossy(&source.code[at..at + end]);
        if !allowed || !before.ends_with("expect(") || !rest.contains("reason") {
            let fix = "opt in with #[expect(unsafe_code, reason = \"...\")], in the ring or the \
                       log's mapping only";
            findings.push(Finding::new(source, at, fix));
        }
    }
    findings
}

pub(crate) fn leftovers(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (word, fix) in [
        ("todo", "finish it: no `todo!` is committed"),
        (
            "unimplemented",
            "finish it: no `unimplemented!` is committed",
        ),
        ("dbg", "remove the `dbg!`"),
    ] {
        let is_macro = |at: &usize| source.code.get(at + word.len()) == Some(&b'!');
        let uses = source.words(word).into_iter().filter(is_macro);
        findings.extend(uses.map(|at| Finding::new(source, at, fix)));
    }
    for at in source.attributes("ignore") {
        let fix = "make the test pass or remove it: no #[ignore]";
        findings.push(Finding::new(source, at, fix));
    }
    for at in source.words("use") {
        let end = source.code[at..]
            .iter()
            .position(|&byte| byte == b';')
            .unwrap_or(0);
        let path: String = String::from_utf8_lossy(&source.code[at + 3..at + end])
            .split_whitespace()
            .collect();
        // A test module sees all of the module it tests, and a prelude is made for it.
        let is_meant = path == "super::*" || path.ends_with("::prelude::*");
        if path.contains('*') && !is_meant {
            findings.push(Finding::new(
                source,
                at,
                "name what is imported instead of `*`",
            ));
        }
    }
    findings
}

/// What a `main` returns as an error is printed with `Debug`: a stack trace, where one is asked for.
/// And a print macro panics where nobody reads; tests may.
pub(crate) fn raw_errors(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for at in source.words("main") {
        let is_definition = source.code[..at].ends_with(b"fn ");
        let head = source
            .body(at)
            .map(|end| String::from_utf8_lossy(&source.code[at..end]));
        if is_definition && head.is_some_and(|head| head.contains("Result")) {
            let fix = "print the error as one sentence and return an ExitCode";
            findings.push(Finding::new(source, at, fix));
        }
    }
    for word in ["println", "eprintln", "print", "eprint"] {
        let is_macro = |at: &usize| source.code.get(at + word.len()) == Some(&b'!');
        let uses = source.words(word).into_iter().filter(is_macro);
        let fix = "write to the stream and handle its error: this panics where nobody reads";
        findings.extend(
            uses.filter(|_| !source.is_test())
                .map(|at| Finding::new(source, at, fix)),
        );
    }
    findings
}

/// Goal: a file that does not begin with its role is found.
#[test]
fn a_file_without_a_role_is_found() {
    assert_eq!(lines(role, "src/a.rs", "use a;\n"), [1]);
    assert_eq!(lines(role, "src/a.rs", "//! A.\n"), []);
}

/// Goal: unsafe code elsewhere, and lints that allow it without a reason, are found.
#[test]
fn misplaced_unsafe_is_found() {
    let call = "// unsafe\nfn a() {\n    unsafe { b() }\n}\n";
    assert_eq!(lines(unsafe_uses, "src/wire/a.rs", call), [3]);
    assert_eq!(lines(unsafe_uses, "loadgen/src/ring/a.rs", call), [3]);
    assert_eq!(lines(unsafe_uses, "src/ring/a.rs", call), []);
    let allow = "#![allow(unsafe_code)]\n#[expect(unsafe_code)]\n";
    assert_eq!(lines(unsafe_uses, "src/ring/a.rs", allow), [1, 2]);
    let reasoned = "#[expect(\n    unsafe_code,\n    reason = \"r\"\n)]\n#![forbid(unsafe_code)]";
    assert_eq!(lines(unsafe_uses, "src/ring/a.rs", reasoned), []);
    assert_eq!(lines(unsafe_uses, "src/wire/a.rs", reasoned), [2]);
}

/// Goal: a `main` that returns its errors, and prints that can panic, are found.
#[test]
fn raw_errors_are_found() {
    let text =
        "fn main() -> anyhow::Result<()> {\n    eprintln!(\"a\");\n}\nfn run() -> Result<()> {}\n";
    assert_eq!(lines(raw_errors, "benches/a/src/main.rs", text), [1, 2]);
    assert_eq!(
        lines(raw_errors, "tests/a.rs", "fn b() { println!(); }"),
        []
    );
    let fine = "fn main() -> ExitCode {\n    writeln!(out);\n}\n// eprintln!()";
    assert_eq!(lines(raw_errors, "src/main.rs", fine), []);
}

/// Goal: what is unfinished is found, and only where it is code.
#[test]
fn leftovers_are_found() {
    let text = "todo!();\n#[ignore]\n#[ignore = \"x\"]\ndbg!(1);\nuse a::*;\nunimplemented!()";
    let mut found = lines(leftovers, "src/a.rs", text);
    found.sort_unstable();
    assert_eq!(found, [1, 2, 3, 4, 5, 6]);
    let fine = "// todo!()\nlet todo = ignore;\nuse super::*;\nuse a::{b, c};\nuse a::prelude::*;\nlet s = \"dbg!(\";";
    assert_eq!(lines(leftovers, "src/a.rs", fine), []);
    assert!(is_identifier(b'_'));
}
