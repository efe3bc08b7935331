//! What documents say of the tree, held against it: tables that repeat what is kept here, and paths.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::Finding;
use crate::layers::{self, LAYERS};
use crate::project::Project;
use crate::source::{Source, is_identifier};

/// The map of the code.
const MAP: &str = "docs/ARCHITECTURE.md";

/// Folders whose paths are held against the tree wherever a document names one.
const ROOTS: [&str; 7] = [
    "src/", "loadgen/", "benches/", "tests/", "fuzz/", "docs/", "scripts/",
];

/// A document as it is: its path from the project's root, and its text.
type Document<'a> = (&'a str, &'a str);

/// Where the map differs from the table of layers, or has not every module once.
pub(crate) fn map(project: &Project) -> Vec<Finding> {
    let found = project.documents.iter().find(|(path, _)| path == MAP);
    let (path, text) = found.expect("the project has its map");
    let modules: BTreeSet<&str> = (project.sources.iter())
        .filter_map(|source| source.path.strip_prefix("src/"))
        .map(|rest| rest.split('/').next().unwrap_or_default())
        .map(|name| name.trim_end_matches(".rs"))
        .filter(|name| !matches!(*name, "lib" | "main"))
        .collect();
    let mut findings = layer_table((path, text), LAYERS);
    findings.extend(code_map((path, text), &modules));
    findings
}

/// Every place of a document that names a file or folder which is not there, by what `exists` says.
pub(crate) fn paths(document: Document<'_>, exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    let (path, text) = document;
    let folder = path.rfind('/').map_or("", |slash| &path[..=slash]);
    let mut findings = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let named = named_paths(line).into_iter();
        // A document in a folder may name what is there from there.
        let gone = named.filter(|named| !exists(named) && !exists(&format!("{folder}{named}")));
        let fix = |named: &str| format!("there is no `{named}`");
        findings.extend(gone.map(|named| Finding::at(path, number, fix(named))));
        for target in links(line) {
            if !exists(&format!("{folder}{target}")) {
                let fix = format!("the link leads to `{target}`, which is not there");
                findings.push(Finding::at(path, number, fix));
            }
        }
    }
    findings
}

/// Every comment that names a file or folder which is not there, by what `exists` says.
pub(crate) fn comments(source: &Source, exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, number) in source.text.lines().zip(1..) {
        if line.trim_start().starts_with("//") {
            let gone = named_paths(line).into_iter().filter(|named| !exists(named));
            let fix = |named: &str| format!("there is no `{named}`");
            findings.extend(gone.map(|named| Finding::at(&source.path, number, fix(named))));
        }
    }
    findings
}

/// A text without its ends of lines, so that sentences are found wherever they are broken.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The paths of a line that begin with one of [`ROOTS`].
fn named_paths(line: &str) -> Vec<&str> {
    let is_part = |byte: u8| is_identifier(byte) || matches!(byte, b'.' | b'/' | b'-');
    let mut found = Vec::new();
    for root in ROOTS {
        for (start, _) in line.match_indices(root) {
            let is_whole = start == 0 || !is_part(line.as_bytes()[start - 1]);
            let rest = line.as_bytes()[start..].iter();
            let length = rest.take_while(|&&byte| is_part(byte)).count();
            let named = &line[start..start + length];
            found.extend(is_whole.then(|| named.trim_end_matches(['.', '/', '-'])));
        }
    }
    found
}

/// Where the links of a line lead, as far as that is a file here.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1);
    targets.filter_map(|rest| {
        let target = rest.split([')', '#', ' ']).next()?;
        let is_file = !target.is_empty() && !target.contains("://");
        is_file.then_some(target)
    })
}

/// Where the table under "Layers" is not the one that the imports are held to.
fn layer_table(document: Document<'_>, table: &[(&str, &[&str])]) -> Vec<Finding> {
    let (path, text) = document;
    let mut said = BTreeMap::new();
    for (line, cells) in rows(text, "## Layers") {
        let allowed: BTreeSet<&str> = code(cells.get(1).copied().unwrap_or_default()).collect();
        for module in code(cells[0]) {
            said.insert(module, (line, allowed.clone()));
        }
    }
    let mut findings = Vec::new();
    for (place, may_import) in table {
        let module = module_name(place);
        let (line, allowed) = said.remove(&*module).unwrap_or_default();
        if allowed != may_import.iter().copied().collect() || line == 0 {
            let list = layers::list(may_import);
            let fix = format!("`{module}` may import {list}: say so under Layers");
            findings.push(Finding::at(path, line, fix));
        }
    }
    for (module, (line, _)) in said {
        let fix = format!("tests/tidy/layers.rs knows no `{module}`");
        findings.push(Finding::at(path, line, fix));
    }
    findings
}

/// A place of the table of layers, as paths in the code name it.
fn module_name(place: &str) -> String {
    let name = place.trim_start_matches("src/").trim_end_matches("/src");
    name.trim_end_matches(".rs").replace('/', "::")
}

/// Which modules the table under "Code map" leaves out, tells of twice, or makes up.
fn code_map(document: Document<'_>, modules: &BTreeSet<&str>) -> Vec<Finding> {
    let (path, text) = document;
    let mut missing = modules.clone();
    let mut findings = Vec::new();
    for (line, cells) in rows(text, "## Code map") {
        for module in code(cells[0]).filter(|module| !missing.remove(module)) {
            let fix = format!("`{module}` is no module of src, or stands here twice");
            findings.push(Finding::at(path, line, fix));
        }
    }
    let fix = |module: &str| format!("`{module}` is not in the code map");
    findings.extend(missing.iter().map(|one| Finding::at(path, 0, fix(one))));
    findings
}

/// The rows of the tables under a heading, as their cells, with the numbers of their lines.
fn rows<'a>(text: &'a str, heading: &str) -> Vec<(usize, Vec<&'a str>)> {
    let lines = text
        .lines()
        .zip(1..)
        .skip_while(|(line, _)| *line != heading);
    let lines = lines
        .skip(1)
        .take_while(|(line, _)| !line.starts_with("## "));
    lines
        .filter(|(line, _)| line.starts_with('|') && line.contains('`'))
        .map(|(line, number)| (number, line.trim_matches('|').split('|').collect()))
        .collect()
}

/// What stands between backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYERS: &[(&str, &[&str])] = &[
        ("src/main.rs", &["cli"]),
        ("src/a", &[]),
        ("src/a/b", &["c", "d::e"]),
        ("loadgen/src", &["a"]),
    ];

    fn lines(findings: &[Finding]) -> Vec<String> {
        findings.iter().map(Finding::to_string).collect()
    }

    /// Goal: a table that says the same is accepted, whatever else it says, and each way to differ from
    /// it is found.
    #[test]
    fn another_table_of_layers_is_found() {
        let table = "## Layers\n\n| module | may |\n|---|---|\n| `a` | nothing |\n\
                     | `a::b` | `c`, and of it `d::e` |\n| `main` | `cli` |\n| `loadgen` | `a` |\n\
                     ## Next\n| `z` | `q` |\n";
        assert_eq!(layer_table(("a.md", table), LAYERS), []);
        let less = table.replace("`d::e`", "nothing else");
        let found = lines(&layer_table(("a.md", &less), LAYERS));
        assert_eq!(
            found,
            ["a.md:6: `a::b` may import c, d::e: say so under Layers"]
        );
        let missing = table.replace("| `a` | nothing |\n", "");
        assert_eq!(layer_table(("a.md", &missing), LAYERS).len(), 1);
        let more = table.replace("| `main`", "| `y`, `main`");
        let found = lines(&layer_table(("a.md", &more), LAYERS));
        assert_eq!(found, ["a.md:7: tests/tidy/layers.rs knows no `y`"]);
    }

    /// Goal: a module that the map leaves out, tells of twice or makes up is found.
    #[test]
    fn another_code_map_is_found() {
        let modules = BTreeSet::from(["a", "b"]);
        let of = |rows: &str| {
            let text = format!("## Code map\n\n{rows}");
            code_map(("a.md", &text), &modules).len()
        };
        assert_eq!(of("| `a`, `b` | nouns |\n"), 0);
        assert_eq!(of("| `a` | noun |\n"), 1);
        assert_eq!(of("| `a` | noun |\n| `b` | noun |\n| `a` | noun |\n"), 1);
        assert_eq!(of("| `a`, `b`, `c` | nouns |\n"), 1);
    }

    /// Goal: paths and links that lead nowhere are found, and nothing is taken for one that is none.
    #[test]
    fn dead_paths_are_found() {
        let there = [
            "src/a.rs",
            "tests",
            "docs/b.md",
            "docs/tests/c",
            "fuzz/src/d.rs",
        ];
        let of = |path: &str, line: &str| {
            let exists = |named: &str| there.contains(&named.trim_end_matches('/'));
            lines(&paths((path, line), exists))
        };
        for fine in [
            "`src/a.rs`: see docs/b.md. (tests/)",
            "[b](docs/b.md#part), [out](https://example.org/src/z.rs), [up](#here)",
            "target/src/z.rs, my-tests/z and x/src/z",
        ] {
            assert_eq!(of("README.md", fine), [""; 0], "{fine}");
        }
        assert_eq!(of("docs/a.md", "tests/c, [b](b.md)"), [""; 0]);
        assert_eq!(of("fuzz/README.md", "`src/d.rs`"), [""; 0]);
        let found = of("docs/a.md", "src/z.rs: [x](docs/b.md)");
        let link = "docs/a.md:1: the link leads to `docs/b.md`, which is not there";
        assert_eq!(found, ["docs/a.md:1: there is no `src/z.rs`", link]);
    }

    /// Goal: a comment that names what is not there is found, and code may name what it likes.
    #[test]
    fn dead_paths_in_comments_are_found() {
        let text = "//! See src/z.rs and src/a.rs.\nlet path = \"src/y.rs\"; // src/x.rs\n";
        let source = Source::new("src/b.rs", text.to_owned());
        let found = lines(&comments(&source, |named| named == "src/a.rs"));
        assert_eq!(found, ["src/b.rs:1: there is no `src/z.rs`"]);
    }
}
