//! The paths that a file names, from the root of the crate they lead into.

use crate::source::Source;

/// One path.
pub(crate) struct Path {
    /// Where it ends.
    pub(crate) at: usize,
    /// From below the crate's root: `room::log::Log`, or `room` for the module alone.
    pub(crate) text: String,
    /// What it is called where it is named: its last part, or what stands behind `as`.
    pub(crate) name: String,
}

impl Path {
    fn new(source: &Source, at: usize, text: String) -> Self {
        let text = text.trim_end_matches("::self").to_owned();
        let name = match source.identifier(at) {
            "as" => source.identifier(source.skip_space(at) + 2),
            _ => text.rsplit("::").next().unwrap_or_default(),
        };
        let name = name.to_owned();
        Self { at, text, name }
    }

    /// Whether it is `module`, or leads into it.
    pub(crate) fn is_in(&self, module: &str) -> bool {
        self.text
            .strip_prefix(module)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    }
}

/// Every path into another crate.
pub(crate) fn into(source: &Source, krate: &str) -> Vec<Path> {
    let mut found = Vec::new();
    for at in source.words(krate) {
        follow(source, at + krate.len(), String::new(), &mut found);
    }
    found
}

/// Every path into the file's own crate: by `crate`, `self`, `super`, or a name that is declared or
/// imported in the file.
pub(crate) fn own(source: &Source) -> Vec<Path> {
    let mut found = into(source, "crate");
    for word in ["self", "super"] {
        for at in source.words(word) {
            let Some((module, end)) = climb(source, at) else {
                continue;
            };
            follow(source, end, module, &mut found);
        }
    }
    // Names that stand for a path of their own are followed where they are used.
    let imports = source.imports();
    let is_import = |at: usize| imports.iter().any(|import| import.contains(&at));
    let imported = found.iter().filter(|path| is_import(path.at - 1));
    let mut short: Vec<_> = imported
        .map(|path| (path.name.clone(), path.text.clone()))
        .collect();
    let module = module_of(&source.path);
    short.extend(
        declared(source)
            .into_iter()
            .map(|name| (name.clone(), join(&module, &name))),
    );
    for (name, path) in short {
        for at in source.words(&name) {
            let end = at + name.len();
            let is_start = source.code[end..].starts_with(b"::") && !is_continued(source, at);
            if is_start && !is_import(at) {
                follow(source, end, path.clone(), &mut found);
            }
        }
    }
    found
}

/// Where a path that begins with `self` or `super` at `at` has left them behind: the module it has come
/// to, and the position. None for a value, and for a `super` that another one stands before.
fn climb(source: &Source, at: usize) -> Option<(String, usize)> {
    if is_continued(source, at) {
        return None;
    }
    let mut module = module_at(source, at);
    let mut end = at;
    for (word, steps) in [("self", 0), ("super", 1)] {
        while source.identifier(end) == word {
            for _ in 0..steps {
                module.truncate(module.rfind("::").unwrap_or(0));
            }
            end += word.len();
            if source.code[end..].starts_with(b"::") {
                end += 2;
            }
        }
    }
    // What follows begins with the colons that were passed over.
    source.code[..end]
        .ends_with(b"::")
        .then_some((module, end - 2))
}

/// Whether a path or a field's owner stands before `at`.
fn is_continued(source: &Source, at: usize) -> bool {
    let before = source.code[..at].trim_ascii_end();
    before.ends_with(b"::") || before.ends_with(b".")
}

/// The modules that the file declares, but for its tests.
fn declared(source: &Source) -> Vec<String> {
    let names = source.words("mod").into_iter();
    let names = names.map(|at| source.identifier(at + 3));
    names
        .filter(|name| !name.is_empty() && *name != "tests")
        .map(str::to_owned)
        .collect()
}

/// The module of a file, by its path in the `src` of its package: nothing for the root.
pub(crate) fn module_of(path: &str) -> String {
    let inside = path.rsplit_once("src/").map_or(path, |(_, inside)| inside);
    let module = inside.trim_end_matches(".rs").trim_end_matches("/mod");
    match module {
        "lib" | "main" => String::new(),
        _ => module.replace('/', "::"),
    }
}

/// The module around a position: that of the file, and those that are written out in it.
fn module_at(source: &Source, at: usize) -> String {
    let mut module = module_of(&source.path);
    for (name, body) in source.inline_modules() {
        if body.contains(&at) {
            module = join(&module, name);
        }
    }
    module
}

pub(crate) fn join(module: &str, name: &str) -> String {
    if module.is_empty() {
        name.to_owned()
    } else {
        format!("{module}::{name}")
    }
}

/// Adds what stands behind `before` from `at` on: `::name::name`, or a list in braces.
fn follow(source: &Source, at: usize, before: String, found: &mut Vec<Path>) {
    let at = source.skip_space(at);
    if !source.code[at..].starts_with(b"::") {
        if !before.is_empty() {
            found.push(Path::new(source, at, before));
        }
        return;
    }
    let at = source.skip_space(at + 2);
    if source.code.get(at) == Some(&b'{') {
        let mut item = at + 1;
        for comma in commas(source, at) {
            branch(source, item, &before, found);
            item = comma + 1;
        }
        branch(source, item, &before, found);
        return;
    }
    branch(source, at, &before, found);
}

fn branch(source: &Source, at: usize, before: &str, found: &mut Vec<Path>) {
    let at = source.skip_space(at);
    let name = source.identifier(at);
    if name.is_empty() {
        return;
    }
    follow(source, at + name.len(), join(before, name), found);
}

/// The commas between the items of the list that opens at `open`.
fn commas(source: &Source, open: usize) -> Vec<usize> {
    let end = source.closing(open);
    let mut commas = Vec::new();
    let mut at = open + 1;
    while at < end {
        match source.code[at] {
            b',' => commas.push(at),
            b'{' => at = source.closing(at),
            _ => {}
        }
        at += 1;
    }
    commas
}

/// Goal: a path is the same whatever it begins with, and each item of a list is one.
#[test]
fn paths_begin_at_the_root() {
    let named = |path: &str, text: &str| -> Vec<String> {
        let source = Source::new(path, text.to_owned());
        let each = own(&source).into_iter();
        each.map(|path| format!("{} = {}", path.name, path.text))
            .collect()
    };
    let cases: [(&str, &str, &[&str]); 10] = [
        ("src/a.rs", "crate::b::C", &["C = b::C"]),
        (
            "src/a/b.rs",
            "use super::c::{self, D as E, f::G};",
            &["c = a::c", "E = a::c::D", "G = a::c::f::G"],
        ),
        ("src/a/b.rs", "use super::super::c;", &["c = c"]),
        ("src/lib.rs", "pub use self::a::B;", &["B = a::B"]),
        (
            "src/a.rs",
            "mod b;\nfn c() { b::d(x.b, e::b::f); }",
            &["d = a::b::d"],
        ),
        (
            "src/a.rs",
            "use crate::b as c;\nfn d() { c::e(c.f, g::c::h) }",
            &["c = b", "e = b::e"],
        ),
        (
            "src/a.rs",
            "mod tests { use super::*; use super::B; }",
            &["B = a::B"],
        ),
        ("src/a.rs", "fn b(self) { self.c(super_); Self::d() }", &[]),
        ("loadgen/src/a/b.rs", "self::c::D", &["D = a::b::c::D"]),
        (
            "loadgen/src/main.rs",
            "mod a { fn b() { self::c(super::d()) } }",
            &["c = a::c", "d = d"],
        ),
    ];
    for (path, text, expected) in cases {
        assert_eq!(named(path, text), expected, "{path}: {text}");
    }
}
