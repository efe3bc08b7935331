//! The files that are judged, and how findings become the failure of a test.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::exceptions::EXCEPTIONS;
use crate::finding::Finding;
use crate::source::Source;

/// Folders with packages of this project, besides what is directly in it.
const ROOTS: [&str; 5] = ["src", "loadgen", "benches", "tests", "fuzz"];

/// Folders with documents directly in them.
const SHELVES: [&str; 4] = ["", "docs", "benches", "fuzz"];

/// All that the rules read.
pub(crate) struct Project {
    /// Rust files, by their paths.
    pub(crate) sources: Vec<Source>,
    /// Paths and texts of every `Cargo.toml`.
    pub(crate) manifests: Vec<(String, String)>,
    /// Paths and texts of what is written in Markdown.
    pub(crate) documents: Vec<(String, String)>,
}

impl Project {
    /// This project, read once for all tests of this process.
    pub(crate) fn here() -> &'static Self {
        static HERE: LazyLock<Project> = LazyLock::new(Project::read);
        &HERE
    }

    fn read() -> Self {
        let root = root();
        let mut paths = vec![root.join("Cargo.toml")];
        for folder in ROOTS {
            collect(&root.join(folder), &mut paths);
        }
        paths.sort();
        let mut shelved: Vec<PathBuf> = SHELVES
            .iter()
            .flat_map(|shelf| on(&root.join(shelf)))
            .collect();
        shelved.sort();
        let read = |path: PathBuf| {
            let text =
                fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
            let path = path.strip_prefix(root).expect("inside the project");
            (path.to_str().expect("a UTF-8 path").to_owned(), text)
        };
        let documents = shelved.into_iter().map(read).collect();
        let files = paths.into_iter().map(read);
        let (sources, manifests): (Vec<_>, Vec<_>) =
            files.partition(|(path, _)| Path::new(path).extension().is_some_and(|e| e == "rs"));
        let sources = sources.into_iter();
        let sources: Vec<_> = sources
            .map(|(path, text)| Source::new(&path, text))
            .collect();
        assert!(
            sources.iter().any(|source| source.path == "src/lib.rs"),
            "found no sources"
        );
        Self {
            sources,
            manifests,
            documents,
        }
    }
}

/// Where the project is.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Whether there is a file or folder of this path from the project's root.
pub(crate) fn exists(path: &str) -> bool {
    root().join(path).exists()
}

/// The text of a file, by its path from the project's root.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The documents directly in a folder.
fn on(shelf: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(shelf).unwrap_or_else(|error| panic!("{shelf:?}: {error}"));
    entries
        .map(|entry| entry.expect("a folder entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
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
        } else if path.extension().is_some_and(|extension| extension == "rs")
            || path.ends_with("Cargo.toml")
        {
            paths.push(path);
        }
    }
}

/// Fails with every finding of the rule `name`, but for the exceptions from it, and with every
/// exception that is not needed.
pub(crate) fn judge(name: &str, findings: &[Finding]) {
    let mut complaints = Vec::new();
    let mut needed = HashSet::new();
    let exceptions = EXCEPTIONS.iter();
    let mut exceptions: Vec<_> = exceptions.filter(|one| one.rule == name).collect();
    for finding in findings {
        match (exceptions.iter()).find(|exception| finding.is_in(exception.place)) {
            Some(exception) => _ = needed.insert(exception.place),
            None => complaints.push(finding.to_string()),
        }
    }
    exceptions.retain(|exception| !needed.contains(exception.place));
    for exception in exceptions {
        let (place, reason) = (exception.place, exception.reason);
        complaints.push(format!(
            "{place} keeps the rule: remove the exception ({reason})"
        ));
    }
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}
