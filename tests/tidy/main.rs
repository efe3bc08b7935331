//! Keeps what reviewers would otherwise have to remember: layers, sizes, where unsafe may stand.
//!
//! The rules read Rust only as far as `source` does: text with comments and literals blanked out. Each
//! is also shown a bad sample, so none can go blind; `exceptions` says who need not keep which.

mod conversions;
mod exceptions;
mod finding;
mod goals;
mod imports;
mod layers;
mod modules;
mod references;
mod rules;
mod sizes;
mod source;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::exceptions::{LASTING, PASSING};
use crate::finding::Finding;
use crate::source::Source;

/// Folders with Rust files of this project.
const ROOTS: [&str; 5] = ["src", "loadgen", "benches", "tests", "fuzz"];

fn sources() -> Vec<Source> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for root in ROOTS {
        collect(&project.join(root), &mut paths);
    }
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let path = path.strip_prefix(project).expect("inside the project");
        Source::new(path.to_str().expect("a UTF-8 path"), text)
    };
    paths.into_iter().map(read).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    // A folder that is not there yet has no files to judge.
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.expect("a folder entry").path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                collect(&path, paths);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// Fails with every finding of `rule` over the whole project, and with every exception from it that is
/// not needed.
fn keep(name: &str, rule: fn(&Source) -> Vec<Finding>) {
    let sources = sources();
    assert!(
        sources.iter().any(|source| source.path == "src/lib.rs"),
        "found no sources"
    );
    let mut complaints = Vec::new();
    let mut needed = HashSet::new();
    for source in &sources {
        let findings = rule(source);
        let mut exceptions = LASTING.iter().chain(PASSING);
        match exceptions.find(|exception| exception.rule == name && source.is_in(exception.place)) {
            Some(exception) if !findings.is_empty() => _ = needed.insert(exception.place),
            Some(_) => {}
            None => complaints.extend(findings.iter().map(Finding::to_string)),
        }
    }
    let lasting = LASTING.iter().filter(|exception| exception.rule == name);
    for exception in lasting.filter(|exception| !needed.contains(exception.place)) {
        let (place, reason) = (exception.place, exception.reason);
        complaints.push(format!(
            "{place} keeps the rule: remove the exception ({reason})"
        ));
    }
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// Goal: no module imports from above it.
#[test]
fn imports_go_down_only() {
    keep("layers", layers::imports);
}

/// Goal: each file begins with its role.
#[test]
fn files_say_their_role_first() {
    keep("roles", rules::role);
}

/// Goal: each file can be read at a sitting.
#[test]
fn files_are_short() {
    keep("file size", sizes::files);
}

/// Goal: each function fits a screen.
#[test]
fn functions_fit_a_screen() {
    keep("function size", sizes::functions);
}

/// Goal: unsafe code is where its few readers look for it.
#[test]
fn unsafe_stays_where_it_belongs() {
    keep("unsafe code", rules::unsafe_uses);
}

/// Goal: people are answered with sentences, and no print panics.
#[test]
fn errors_for_people_are_sentences() {
    keep("raw errors", rules::raw_errors);
}

/// Goal: nothing unfinished is committed.
#[test]
fn nothing_is_left_undone() {
    keep("leftovers", rules::leftovers);
}

/// Goal: imports stand in groups: std, other crates, this crate.
#[test]
fn imports_are_in_order() {
    keep("imports", imports::order);
}

/// Goal: the file of a module is found by its name.
#[test]
fn modules_are_where_their_names_say() {
    keep("module files", modules::files);
}

/// Goal: the tests of a file are found without a search.
#[test]
fn unit_tests_are_at_home() {
    keep("test homes", modules::test_homes);
}

/// Goal: each test says what it is for, before it begins.
#[test]
fn tests_have_goals() {
    keep("test goals", goals::tests);
}

/// Goal: a section of an RFC is found by a search for it.
#[test]
fn references_have_one_form() {
    keep("references", references::rfcs);
}

/// Goal: no conversion that was thought impossible to fail fails in silence.
#[test]
fn conversions_hide_no_failure() {
    keep("conversions", conversions::made_up);
}
