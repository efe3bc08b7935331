//! How large a file and a function may be.

use crate::finding::{Finding, lines};
use crate::source::Source;

/// Lines of a file, tests and comments included.
const FILE_LINES_MAX: usize = 500;
/// Lines of a file with code of the program itself; see [`Source::code_lines`].
const CODE_LINES_MAX: usize = 400;
/// Lines of a function, from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

pub(crate) fn files(source: &Source) -> Vec<Finding> {
    let (lines, code) = (source.text.lines().count(), source.code_lines().len());
    if lines <= FILE_LINES_MAX && code <= CODE_LINES_MAX {
        return Vec::new();
    }
    let fix = format!(
        "{lines} lines, {code} of code: split the file by noun, {FILE_LINES_MAX} and \
         {CODE_LINES_MAX} are the most"
    );
    vec![Finding::new(source, source.code.len(), fix)]
}

/// Name, position and lines of every function with a body.
pub(crate) fn all_functions(source: &Source) -> Vec<(&str, usize, usize)> {
    let measure = |start: usize| {
        let name = source.identifier(start + 2);
        let body = source.body(start).filter(|_| !name.is_empty())?;
        let lines = source.line(source.closing(body)) - source.line(start) + 1;
        Some((name, start, lines))
    };
    source.words("fn").into_iter().filter_map(measure).collect()
}

pub(crate) fn functions(source: &Source) -> Vec<Finding> {
    let mut found = all_functions(source);
    found.retain(|(.., lines)| *lines > FUNCTION_LINES_MAX);
    let complain = |(name, start, lines)| {
        let fix = format!(
            "`{name}` has {lines} lines: move a step out, {FUNCTION_LINES_MAX} is the most"
        );
        Finding::new(source, start, fix)
    };
    found.into_iter().map(complain).collect()
}

/// Goal: a file with a line more than there may be is found.
#[test]
fn a_long_file_is_found() {
    let most = "\n".repeat(FILE_LINES_MAX);
    assert_eq!(lines(files, "src/a.rs", &most), []);
    assert_eq!(lines(files, "src/a.rs", &format!("{most}//")).len(), 1);
    let most = "a;\n".repeat(CODE_LINES_MAX);
    let fine = format!("{most}// b\n\n#[cfg(test)]\nmod tests {{\n    c;\n}}\n");
    assert_eq!(lines(files, "src/a.rs", &fine), []);
    assert_eq!(lines(files, "src/a.rs", &format!("{most}a;\n")).len(), 1);
}

/// Goal: a function with a line more than there may be is found.
#[test]
fn a_long_function_is_found() {
    let with = |filler: usize| {
        format!(
            "fn short() {{}}\nfn long<'a>(a: [u8; 2]) {{\n{}}}\n",
            "    // {\n".repeat(filler)
        )
    };
    assert_eq!(
        lines(functions, "src/a.rs", &with(FUNCTION_LINES_MAX - 2)),
        []
    );
    assert_eq!(
        lines(functions, "src/a.rs", &with(FUNCTION_LINES_MAX - 1)),
        [2]
    );
    let declaration = format!(
        "trait A {{ fn a(&self);\n{} }}",
        "\n".repeat(FUNCTION_LINES_MAX)
    );
    assert_eq!(lines(functions, "src/a.rs", &declaration), []);
}
