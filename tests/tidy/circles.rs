//! Circles: files that need each other, so that neither can be understood first.
//!
//! A file needs another one when its code names something that is defined there, by whatever path:
//! names that are passed on with `pub use` are followed to the file they come from. To declare a module
//! or to pass on its names is not to need it. Tests need everything and are left out, and methods are
//! not seen, as no path leads to them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;

use crate::finding::Finding;
use crate::paths::{self, Path, join, module_of};
use crate::source::Source;

/// Most names that are followed on the way to one definition.
const PASSED_ON_MAX: usize = 8;

/// The files of one package.
struct Package<'a> {
    files: Vec<&'a Source>,
    /// The place in `files` of every module's file.
    modules: HashMap<String, usize>,
    /// What the names stand for that a module imports.
    imported: HashMap<(usize, String), String>,
}

/// Every need that is part of a circle.
pub(crate) fn among(sources: &[Source]) -> Vec<Finding> {
    let mut packages: BTreeMap<&str, Vec<&Source>> = BTreeMap::new();
    for source in sources {
        let is_tested = source.is_in_package() && !source.is_test();
        // The library's program names it as every other package does.
        if is_tested && source.path != "src/main.rs" {
            let folder = source.path.rsplit_once("src/");
            let folder = folder.map_or("", |(folder, _)| folder);
            packages.entry(folder).or_default().push(source);
        }
    }
    let packages = packages.into_values();
    packages
        .flat_map(|files| Package::new(files).circles())
        .collect()
}

impl<'a> Package<'a> {
    fn new(files: Vec<&'a Source>) -> Self {
        let mut modules = HashMap::new();
        let mut imported = HashMap::new();
        for (place, file) in files.iter().enumerate() {
            let module = module_of(&file.path);
            for (name, _) in file.inline_modules() {
                modules.insert(join(&module, name), place);
            }
            modules.insert(module, place);
            let (imports, tests) = (file.imports(), file.test_modules());
            for path in paths::own(file) {
                let is_in = |ranges: &[Range<usize>]| {
                    ranges.iter().any(|range| range.contains(&(path.at - 1)))
                };
                if is_in(&imports) && !is_in(&tests) {
                    imported.insert((place, path.name), path.text);
                }
            }
        }
        Self {
            files,
            modules,
            imported,
        }
    }

    fn circles(&self) -> Vec<Finding> {
        let needs: Vec<_> = (0..self.files.len()).map(|file| self.needs(file)).collect();
        let mut findings = Vec::new();
        for (file, needed) in needs.iter().enumerate() {
            for (&other, path) in needed {
                let Some(way) = way_back(&needs, other, file) else {
                    continue;
                };
                let way: Vec<&str> = way.iter().map(|&at| self.files[at].path.as_str()).collect();
                let fix = format!(
                    "`{}` closes a circle: {} -> {}",
                    path.text,
                    self.files[file].path,
                    way.join(" -> ")
                );
                findings.push(Finding::new(self.files[file], path.at, fix));
            }
        }
        findings
    }

    /// The files that one needs, each with the first path that shows it.
    fn needs(&self, file: usize) -> BTreeMap<usize, Path> {
        let source = self.files[file];
        let tests = source.test_modules();
        let passed_on = source.imports();
        let passed_on = passed_on
            .iter()
            .filter(|import| is_public(source, import.start));
        let passed_on: Vec<_> = passed_on.collect();
        let mut needs = BTreeMap::new();
        for path in paths::own(source) {
            let is_in_test = tests.iter().any(|module| module.contains(&path.at))
                || is_for_tests(source, path.at);
            let import = passed_on
                .iter()
                .find(|import| import.contains(&(path.at - 1)));
            let is_only_passed_on = import.is_some() && !is_used(source, &path.name);
            let other = self.defined_in(&path.text, PASSED_ON_MAX);
            if other != file && !is_in_test && !is_only_passed_on {
                needs.entry(other).or_insert(path);
            }
        }
        needs
    }

    /// The file in which a path ends.
    fn defined_in(&self, path: &str, steps: usize) -> usize {
        let mut module = String::new();
        let mut rest = path.split("::");
        while let Some(name) = rest.next() {
            let inner = join(&module, name);
            if self.modules.contains_key(&inner) {
                module = inner;
                continue;
            }
            let imported = self.imported.get(&(self.modules[&module], name.to_owned()));
            if let Some(target) = imported.filter(|target| steps > 0 && *target != path) {
                let target = rest.fold(target.clone(), |path, name| join(&path, name));
                return self.defined_in(&target, steps - 1);
            }
            break;
        }
        self.modules[&module]
    }
}

fn is_public(source: &Source, import: usize) -> bool {
    let start = source.code[..import]
        .iter()
        .rposition(|&byte| matches!(byte, b';' | b'}' | b']'));
    let before = &source.code[start.map_or(0, |at| at + 1)..import];
    before.trim_ascii_start().starts_with(b"pub")
}

/// Whether the import at `at` has an attribute that leaves it to the tests.
fn is_for_tests(source: &Source, at: usize) -> bool {
    let imports = source.imports();
    let Some(import) = imports.iter().find(|import| import.contains(&(at - 1))) else {
        return false;
    };
    let line = source.line(import.start);
    line > 1 && source.text_line(line - 1).trim() == "#[cfg(test)]"
}

/// Whether the file's own code uses `name`, rather than only passing it on.
fn is_used(source: &Source, name: &str) -> bool {
    let (imports, tests) = (source.imports(), source.test_modules());
    let is_other = |at| {
        imports
            .iter()
            .chain(&tests)
            .any(|range| range.contains(&at))
    };
    source.words(name).into_iter().any(|at| !is_other(at))
}

/// The shortest way from one file to another over what each needs.
fn way_back(needs: &[BTreeMap<usize, Path>], from: usize, to: usize) -> Option<Vec<usize>> {
    let mut before = HashMap::from([(from, from)]);
    let mut next = VecDeque::from([from]);
    while let Some(file) = next.pop_front() {
        if file == to {
            let mut way = vec![file];
            while way[0] != from {
                way.insert(0, before[&way[0]]);
            }
            return Some(way);
        }
        for &other in needs[file].keys() {
            before.entry(other).or_insert_with(|| {
                next.push_back(other);
                file
            });
        }
    }
    None
}

/// Goal: a circle is found over any number of files and whatever the paths look like; what is only
/// declared, passed on, or for tests, is none.
#[test]
fn circles_are_found() {
    let found = |files: &[(&str, &str)]| -> Vec<String> {
        let source = |(path, text): &(&str, &str)| Source::new(path, (*text).to_owned());
        let sources: Vec<_> = files.iter().map(source).collect();
        among(&sources).iter().map(Finding::to_string).collect()
    };
    let root = ("src/lib.rs", "mod a;");
    let parent = "mod b;\nmod c;\n\npub use self::b::B;\npub use self::c::C;\n\
                  #[cfg(test)]\nmod tests { use super::{B, C}; fn f() -> (B, B, C) {} }";
    let fine = [
        root,
        ("src/a.rs", parent),
        (
            "src/a/b.rs",
            "use super::C;\n#[cfg(test)]\nmod tests { use crate::a::B; }",
        ),
        ("src/a/c.rs", "#[cfg(test)]\nuse super::B;\nstruct C;"),
        ("src/a/tests.rs", "use super::B;"),
    ];
    assert_eq!(found(&fine), [""; 0]);
    let used = format!("struct A(B);\n{parent}");
    let by_parent = [
        root,
        ("src/a.rs", used.as_str()),
        ("src/a/b.rs", "use super::A;"),
    ];
    let expected = [
        "src/a.rs:5: `a::b::B` closes a circle: src/a.rs -> src/a/b.rs -> src/a.rs",
        "src/a/b.rs:1: `a::A` closes a circle: src/a/b.rs -> src/a.rs -> src/a/b.rs",
    ];
    assert_eq!(found(&by_parent), expected);
    let of_three = [
        root,
        ("src/a.rs", parent),
        ("src/a/b.rs", "fn b() { crate::a::c::d() }"),
        ("src/a/c.rs", "use crate::d::D;"),
        ("src/d.rs", "use crate::a;\n\nfn f() -> a::B {}"),
        ("src/e.rs", "use crate::a::B;"),
    ];
    assert_eq!(found(&of_three).len(), 3, "{:?}", found(&of_three));
}
