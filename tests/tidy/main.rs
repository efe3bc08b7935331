//! Keeps what reviewers would otherwise have to remember: layers, sizes, where unsafe may stand.
//!
//! The rules are in `rules` and `layers`, and read Rust only as far as `source` does: text with
//! comments and literals blanked out. Each rule is also shown a bad sample, so none can go blind.

mod layers;
mod rules;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use rules::Finding;
use source::Source;

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

/// Fails with every finding of `rule` over the whole project.
fn keep(rule: fn(&Source) -> Vec<Finding>) {
    let sources = sources();
    assert!(
        sources.iter().any(|source| source.path == "src/lib.rs"),
        "found no sources"
    );
    let findings: Vec<String> = sources
        .iter()
        .flat_map(rule)
        .map(|finding| finding.to_string())
        .collect();
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn imports_go_down_only() {
    keep(layers::imports);
}

#[test]
fn files_say_their_role_first() {
    keep(rules::role);
}

#[test]
fn files_are_short() {
    keep(rules::file_size);
}

#[test]
fn functions_fit_a_screen() {
    keep(rules::function_size);
}

#[test]
fn unsafe_stays_where_it_belongs() {
    keep(rules::unsafe_uses);
}

#[test]
fn errors_for_people_are_sentences() {
    keep(rules::raw_errors);
}

#[test]
fn nothing_is_left_undone() {
    keep(rules::leftovers);
}
