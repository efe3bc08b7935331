//! Where the files of a module are, and where its tests are.

use crate::finding::{Finding, lines};
use crate::source::Source;

/// The only file that is not where its module's name says: the tests in folders share it.
const SHARED_BY_TESTS: &str = "#[path = \"../support/mod.rs\"]";

/// A module is `x.rs`, and what is below it is in `x/`.
pub(crate) fn files(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(module) = source.path.strip_suffix("/mod.rs") {
        let fix = format!("rename it to {module}.rs");
        findings.push(Finding::new(source, 0, fix));
    }
    for at in source.attributes("path") {
        let line = source.text_line(source.line(at)).trim();
        if line != SHARED_BY_TESTS || !source.path.starts_with("tests/") {
            let fix = "put the file where the module's name says, instead of #[path]";
            findings.push(Finding::new(source, at, fix));
        }
    }
    findings
}

/// Unit tests are in `mod tests`, the last item of the file they are about; a long one is a file of
/// its own, `x/tests.rs`.
pub(crate) fn test_homes(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(module) = source.path.strip_suffix("_tests.rs") {
        let fix = format!("move it to {module}/tests.rs");
        findings.push(Finding::new(source, 0, fix));
    }
    let modules = source.test_modules();
    for module in &modules {
        if source.skip_space(module.end) < source.code.len() {
            let fix = "put the tests last in the file";
            findings.push(Finding::new(source, module.start, fix));
        }
    }
    if !source.is_in_package() || source.is_test() {
        return findings;
    }
    for at in source.attributes("test") {
        if !modules.iter().any(|module| module.contains(&at)) {
            let fix = "put the test into `mod tests`";
            findings.push(Finding::new(source, at, fix));
        }
    }
    findings
}

/// Goal: files that are not where the name of their module says are found.
#[test]
fn a_module_elsewhere_is_found() {
    assert_eq!(lines(files, "src/a/mod.rs", ""), [1]);
    assert_eq!(lines(files, "src/a.rs", "mod b;"), []);
    let shared = "#[path = \"../support/mod.rs\"]\nmod support;";
    assert_eq!(lines(files, "tests/a/main.rs", shared), []);
    assert_eq!(lines(files, "src/a.rs", shared), [1]);
    let other = "fn a(path: u8) {}\n#[path = \"b.rs\"]\nmod a;";
    assert_eq!(lines(files, "tests/a/main.rs", other), [2]);
}

/// Goal: tests that are not in `mod tests` at the end of a file, or a file of that name, are found.
#[test]
fn a_test_elsewhere_is_found() {
    let test = "#[test]\nfn a() {}\n";
    assert_eq!(lines(test_homes, "src/a_tests.rs", ""), [1]);
    assert_eq!(lines(test_homes, "src/a.rs", test), [1]);
    assert_eq!(lines(test_homes, "src/a/tests.rs", test), []);
    assert_eq!(lines(test_homes, "src/a/tests/b.rs", test), []);
    assert_eq!(lines(test_homes, "tests/a.rs", test), []);
    let module = format!("#[cfg(test)]\nmod tests {{\n{test}}}\n");
    assert_eq!(lines(test_homes, "src/a.rs", &module), []);
    let first = format!("{module}fn b() {{}}\n");
    assert_eq!(lines(test_homes, "src/a.rs", &first), [2]);
    let declared = "#[cfg(test)]\nmod tests;\nmod b;";
    assert_eq!(lines(test_homes, "src/a.rs", declared), [2]);
}
