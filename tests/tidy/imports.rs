//! The order of imports, which rustfmt keeps only within a group.

use std::cmp::Ordering;
use std::ops::Range;

use crate::finding::{Finding, lines};
use crate::source::Source;

/// What one `use` names: the standard library, another crate, or this one. They stand in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    Standard,
    Other,
    Own,
}

/// One `use`, with or without `pub`.
struct Import {
    /// The block it is in, by the position of its brace; none for the file itself.
    block: Option<usize>,
    start: usize,
    /// Its semicolon.
    end: usize,
    group: Group,
}

/// Modules are declared first, then come three groups of imports with a blank line between them and
/// none within, and what is this crate's own says so by `crate`, `self` or `super`.
pub(crate) fn order(source: &Source) -> Vec<Finding> {
    let modules = declared_modules(source);
    let imports = all(source);
    let mut findings = Vec::new();
    for (place, import) in imports.iter().enumerate() {
        let name = source.identifier(import.start + 3);
        if modules
            .iter()
            .any(|&module| source.identifier(module + 3) == name)
        {
            let fix = format!("say whose it is: `self::{name}`");
            findings.push(Finding::new(source, import.start, fix));
        }
        let mut before = imports[..place].iter().rev();
        if let Some(previous) = before.find(|previous| previous.block == import.block) {
            let fix = misplaced(source, previous, import);
            findings.extend(fix.map(|fix| Finding::new(source, import.start, fix)));
        }
    }
    let first = |&&module: &&usize| {
        let block = source.block(module);
        let mut imports = imports.iter();
        imports.any(|import| import.block == block && import.start < module)
    };
    let late = modules.iter().filter(first);
    findings.extend(late.map(|&at| Finding::new(source, at, "declare modules before imports")));
    findings
}

/// What is wrong with an import behind the one that is before it in the same block.
fn misplaced(source: &Source, previous: &Import, import: &Import) -> Option<&'static str> {
    let between = previous.end + 1..import.start;
    let code = &source.code[between.clone()];
    if code.iter().any(|byte| matches!(byte, b';' | b'{' | b'}')) {
        return Some("put the imports together, before everything else");
    }
    let is_apart = source.text[between].lines().skip(1).any(str::is_empty);
    match previous.group.cmp(&import.group) {
        Ordering::Greater => Some("order imports: std, other crates, then crate, self and super"),
        Ordering::Equal => is_apart.then_some("no blank line within a group of imports"),
        Ordering::Less => (!is_apart).then_some("put a blank line between groups of imports"),
    }
}

/// Every `use` of the file, whatever block it is in.
fn all(source: &Source) -> Vec<Import> {
    let mut imports = Vec::new();
    for Range { start, end } in source.imports() {
        let path = start + 3;
        let first = source.identifier(path);
        let is_type = first.starts_with(|letter: char| letter.is_ascii_uppercase());
        let group = match first {
            "std" | "core" | "alloc" => Group::Standard,
            "crate" | "self" | "super" => Group::Own,
            _ if is_type => Group::Own,
            _ => Group::Other,
        };
        imports.push(Import {
            block: source.block(start),
            start,
            end,
            group,
        });
    }
    imports
}

/// Every `mod name;` but that of the tests, which stands at the end.
fn declared_modules(source: &Source) -> Vec<usize> {
    let mut modules = source.words("mod");
    modules.retain(|&start| {
        let name = source.identifier(start + 3);
        let end = source.skip_space(start + 3) + name.len();
        name != "tests" && source.code.get(end) == Some(&b';')
    });
    modules
}

/// Goal: imports out of order, and groups that run together or fall apart, are found.
#[test]
fn imports_out_of_order_are_found() {
    let fine = "pub mod a;\n#[cfg(test)]\nmod b;\n\nuse std::fmt;\nuse std::io;\n\nuse libc::c_int;\n\n\
                // Why.\npub use self::a::{A,\n    B};\nuse super::c;\n#[cfg(test)]\nuse crate::d;\n\n\
                fn e() -> impl F + use<'a> {\n    use std::g;\n}\n#[cfg(test)]\nmod tests;\n";
    assert_eq!(lines(order, "src/a.rs", fine), []);
    let cases: [(&str, &[usize]); 8] = [
        ("use libc::c_int;\n\nuse std::fmt;\n", &[3]),
        ("use super::a;\n\nuse libc::c_int;\n", &[3]),
        ("use std::fmt;\nuse libc::c_int;\n", &[2]),
        ("use super::a;\n\nuse crate::b;\n", &[3]),
        ("use std::fmt;\n\nfn a() {}\n\nuse crate::b;\n", &[5]),
        ("mod a;\n\nuse a::A;\n", &[3]),
        ("use std::fmt;\n\nmod a;\n", &[3]),
        (
            "mod tests {\n    use super::a;\n\n    use std::b;\n}\n",
            &[4],
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(lines(order, "src/a.rs", text), expected, "{text}");
    }
}
