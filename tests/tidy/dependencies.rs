//! What the packages depend on, and whether they need it.

use toml::Table;

use crate::finding::Finding;
use crate::project::Project;
use crate::source::Source;

/// What is in `[dependencies]` is named in the code of the package, and what is in
/// `[dev-dependencies]` in its tests or benchmarks.
pub(crate) fn unused(project: &Project) -> Vec<Finding> {
    let folders: Vec<&str> = (project.manifests.iter())
        .map(|(path, _)| path.trim_end_matches("Cargo.toml"))
        .collect();
    let mut findings = Vec::new();
    for ((path, text), &folder) in project.manifests.iter().zip(&folders) {
        // A package in a folder of this one has code of its own.
        let inner = folders
            .iter()
            .filter(|inner| inner.len() > folder.len() && inner.starts_with(folder));
        let inner: Vec<_> = inner.collect();
        let own: Vec<&Source> = (project.sources.iter())
            .filter(|source| source.path.starts_with(folder))
            .filter(|source| !inner.iter().any(|inner| source.path.starts_with(**inner)))
            .collect();
        findings.extend(unused_by((path, text), folder, &own));
    }
    findings
}

fn unused_by((path, text): (&str, &str), folder: &str, sources: &[&Source]) -> Vec<Finding> {
    let manifest: Table = text
        .parse()
        .unwrap_or_else(|error| panic!("{path}: {error}"));
    let is_named = |name: &str, is_for_tests: bool| {
        let word = name.replace('-', "_");
        sources.iter().any(|source| {
            let tests = source.test_modules();
            let mut uses = source.words(&word);
            let is_all_test =
                source.is_test() || source.path[folder.len()..].starts_with("benches/");
            uses.retain(|at| is_for_tests || !tests.iter().any(|module| module.contains(at)));
            !uses.is_empty() && (is_for_tests || !is_all_test)
        })
    };
    let mut findings = Vec::new();
    for (section, is_for_tests) in [("dependencies", false), ("dev-dependencies", true)] {
        let entries = manifest.get(section).and_then(toml::Value::as_table);
        for name in entries.into_iter().flat_map(Table::keys) {
            if is_named(name, is_for_tests) {
                continue;
            }
            let entry = format!("{name} =");
            let line = text.lines().position(|line| line.starts_with(&entry));
            let fix = format!("nothing names `{name}`: remove it from [{section}]");
            findings.push(Finding::at(path, line.unwrap_or(0) + 1, fix));
        }
    }
    findings
}

/// Goal: a dependency that nothing names is found, and one that only tests name.
#[test]
fn an_unused_dependency_is_found() {
    let manifest = "[dependencies]\na-b = \"1\"\nc = \"1\"\nd = { version = \"1\" }\n\
                    [dev-dependencies]\ne = \"1\"\nf = \"1\"\n";
    let source = |path: &str, text: &str| Source::new(path, text.to_owned());
    let sources = vec![
        source(
            "p/src/a.rs",
            "use a_b::A;\n// c::C\n#[cfg(test)]\nmod tests { use d::D; }",
        ),
        source("p/tests/b.rs", "use d::D;\nuse f::F;"),
        source("p/q/src/c.rs", "use e::E;"),
    ];
    let manifests = vec![
        ("p/Cargo.toml".to_owned(), manifest.to_owned()),
        ("p/q/Cargo.toml".to_owned(), "[package]".to_owned()),
    ];
    let found: Vec<String> = unused(&Project {
        sources,
        manifests,
        documents: Vec::new(),
    })
    .iter()
    .map(Finding::to_string)
    .collect();
    let expected = [
        "p/Cargo.toml:3: nothing names `c`: remove it from [dependencies]",
        "p/Cargo.toml:4: nothing names `d`: remove it from [dependencies]",
        "p/Cargo.toml:6: nothing names `e`: remove it from [dev-dependencies]",
    ];
    assert_eq!(found, expected);
}
