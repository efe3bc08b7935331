//! What the sources amount to, module by module: where they grow, and where they assert little.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::sizes::all_functions;
use crate::source::Source;

/// Macros that state what must hold.
const ASSERTIONS: [&str; 6] = [
    "assert",
    "assert_eq",
    "assert_ne",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
];

/// The figures of some files, or of one. Unit tests do not count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Figures {
    files: usize,
    code_lines: usize,
    functions: usize,
    assertions: usize,
    /// Lines of code of the longest file, and which it is.
    longest_file: (usize, String),
    /// Lines of the longest function, and which it is.
    longest_function: (usize, String),
}

impl Figures {
    fn of(source: &Source) -> Self {
        let tests = source.test_modules();
        let is_own = |at: usize| !tests.iter().any(|module| module.contains(&at));
        let functions = all_functions(source).into_iter();
        let functions = functions.filter(|(_, at, _)| is_own(*at));
        let functions: Vec<_> = functions
            .map(|(name, at, lines)| {
                (
                    lines,
                    format!("{name}, {}:{}", source.path, source.line(at)),
                )
            })
            .collect();
        let assertions = ASSERTIONS.iter().flat_map(|word| {
            let mut uses = source.words(word);
            uses.retain(|&at| is_own(at) && source.code.get(at + word.len()) == Some(&b'!'));
            uses
        });
        let code_lines = source.code_lines().len();
        Self {
            files: 1,
            code_lines,
            functions: functions.len(),
            assertions: assertions.count(),
            longest_file: (code_lines, source.path.clone()),
            longest_function: functions.into_iter().max().unwrap_or_default(),
        }
    }

    fn add(&mut self, other: Self) {
        self.files += other.files;
        self.code_lines += other.code_lines;
        self.functions += other.functions;
        self.assertions += other.assertions;
        self.longest_file = self.longest_file.clone().max(other.longest_file);
        self.longest_function = self.longest_function.clone().max(other.longest_function);
    }
}

/// A table with a line for each module of the library, each other package and the tests.
pub(crate) fn table(sources: &[Source]) -> String {
    let mut parts: BTreeMap<String, Figures> = BTreeMap::new();
    let (mut library, mut all) = (Figures::default(), Figures::default());
    for source in sources {
        let figures = Figures::of(source);
        let part = part(source);
        if part.starts_with("src/") {
            library.add(figures.clone());
        }
        all.add(figures.clone());
        parts.entry(part).or_default().add(figures);
    }
    let mut text = format!(
        "{:<32}{:>6}{:>8}{:>11}{:>12}{:>14}{:>18}\n",
        "", "files", "code", "functions", "assertions", "longest file", "longest function"
    );
    let last = [("all of src", &library), ("all", &all)];
    let parts = parts.iter().map(|(name, figures)| (name.as_str(), figures));
    for (name, figures) in parts.chain(last) {
        let Figures {
            files,
            code_lines,
            functions,
            assertions,
            ..
        } = figures;
        let (file, function) = (figures.longest_file.0, figures.longest_function.0);
        writeln!(
            text,
            "{name:<32}{files:>6}{code_lines:>8}{functions:>11}{assertions:>12}{file:>14}{function:>18}"
        )
        .expect("a string takes all");
    }
    let (file, function) = (&library.longest_file, &library.longest_function);
    writeln!(
        text,
        "\nlongest file of src: {} lines of code, {}",
        file.0, file.1
    )
    .expect("a string takes all");
    writeln!(
        text,
        "longest function of src: {} lines, {}",
        function.0, function.1
    )
    .expect("a string takes all");
    text
}

/// The line of the table that a file belongs to.
fn part(source: &Source) -> String {
    if source.is_test() {
        return "tests".to_owned();
    }
    match source.path.split_once("src/") {
        Some(("", inside)) => {
            let module = inside.split(['/', '.']).next().unwrap_or_default();
            format!("src/{module}")
        }
        Some((package, _)) => package.trim_end_matches('/').to_owned(),
        None => {
            let folder = source.path.rsplit_once('/');
            folder.map_or("", |(folder, _)| folder).to_owned()
        }
    }
}

/// Goal: what is the program's own is counted, once, and where it is.
#[test]
fn the_table_counts_what_is_there() {
    let text = "//! A.\n\nfn a() {\n    assert!(b);\n    debug_assert_eq!(b, c);\n}\n\n\
                #[cfg(test)]\nmod tests {\n    fn d() { assert!(e) }\n}\n";
    let figures = Figures::of(&Source::new("src/a/b.rs", text.to_owned()));
    let expected = Figures {
        files: 1,
        code_lines: 4,
        functions: 1,
        assertions: 2,
        longest_file: (4, "src/a/b.rs".to_owned()),
        longest_function: (4, "a, src/a/b.rs:3".to_owned()),
    };
    assert_eq!(figures, expected);
    for (path, expected) in [
        ("src/a/b.rs", "src/a"),
        ("src/a.rs", "src/a"),
        ("src/a/tests.rs", "tests"),
        ("tests/a/b.rs", "tests"),
        ("loadgen/src/a/b.rs", "loadgen"),
        ("benches/a/src/main.rs", "benches/a"),
        ("benches/a/benches/b.rs", "benches/a/benches"),
    ] {
        assert_eq!(part(&Source::new(path, String::new())), expected);
    }
}
