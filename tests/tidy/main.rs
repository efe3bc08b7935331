//! Keeps what reviewers would otherwise have to remember: layers, sizes, where unsafe may stand.
//!
//! The rules read Rust only as far as `source` does: text with comments and literals blanked out. Each
//! is also shown a bad sample, so none can go blind; `exceptions` says who need not keep which.

mod circles;
mod codes;
mod conversions;
mod dependencies;
mod differences;
mod documents;
mod exceptions;
mod figures;
mod finding;
mod goals;
mod imports;
mod layers;
mod marks;
mod modules;
mod paths;
mod project;
mod references;
mod report;
mod rules;
mod sizes;
mod source;

use crate::finding::Finding;
use crate::project::{Project, exists, judge, read};
use crate::source::Source;

/// Fails with every finding of a rule on single files.
fn keep(name: &str, rule: fn(&Source) -> Vec<Finding>) {
    let findings: Vec<Finding> = Project::here().sources.iter().flat_map(rule).collect();
    judge(name, &findings);
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

/// Goal: nothing is downloaded, built and reviewed that nobody needs.
#[test]
fn dependencies_are_used() {
    judge("dependencies", &dependencies::unused(Project::here()));
}

/// Goal: the files of a package can be read in an order, each after those that it needs.
#[test]
fn imports_run_in_no_circle() {
    judge("circles", &circles::among(&Project::here().sources));
}

/// Goal: the table of layers lists what is there and used, and nothing else.
#[test]
fn layers_are_in_use() {
    judge("layers in use", &layers::unused(&Project::here().sources));
}

/// Goal: the map of the code shows the code.
#[test]
fn the_map_is_true() {
    judge("map", &documents::map(Project::here()));
}

/// Goal: whatever file a document or a comment names can be opened.
#[test]
fn documents_name_what_is_there() {
    let Project {
        documents, sources, ..
    } = Project::here();
    let documents = documents.iter();
    let in_documents = documents.flat_map(|(path, text)| documents::paths((path, text), exists));
    let in_comments = sources
        .iter()
        .flat_map(|one| documents::comments(one, exists));
    judge(
        "dead paths",
        &in_documents.chain(in_comments).collect::<Vec<_>>(),
    );
}

fn document(path: &str) -> &'static str {
    let documents = Project::here().documents.iter();
    let found = documents.into_iter().find(|(name, _)| name == path);
    found.map_or("", |(_, text)| text)
}

/// Goal: users are told of every difference to the reference that is meant, and of none that is not there.
#[test]
fn differences_are_told() {
    let expected = read(differences::EXPECTED);
    let told = document(differences::TOLD);
    judge("differences", &differences::untold(told, &expected));
}

/// Goal: users are told of every code that clients are sent, and of no other.
#[test]
fn codes_are_told() {
    let told = document(differences::TOLD);
    judge("codes", &codes::untold(told, &Project::here().sources));
}

/// Goal: a limit that documents tell is the one that holds.
#[test]
fn figures_are_true() {
    let Project {
        documents, sources, ..
    } = Project::here();
    judge(
        "figures",
        &figures::wrong(figures::FIGURES, documents, sources),
    );
}

/// Goal: a contributor sees what there is: `cargo test --test tidy report -- --nocapture`.
#[test]
fn report() {
    eprintln!("\n{}", report::table(&Project::here().sources));
}
