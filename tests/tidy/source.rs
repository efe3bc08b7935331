//! A Rust file as the rules see it: its text, and its code with comments and literals blanked.

use std::collections::HashMap;
use std::iter;
use std::ops::Range;

/// One file of the project.
pub(crate) struct Source {
    /// Its path from the project's root.
    pub(crate) path: String,
    /// Its text as it is.
    pub(crate) text: String,
    /// The text with every character of comments, strings and character literals made a space,
    /// line ends kept: positions and line numbers are those of the text.
    pub(crate) code: Vec<u8>,
    /// Where each word of the code stands.
    words: HashMap<String, Vec<usize>>,
    /// Where each line begins.
    line_starts: Vec<usize>,
}

impl Source {
    pub(crate) fn new(path: &str, text: String) -> Self {
        let code = blank(text.as_bytes());
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            path: path.to_owned(),
            line_starts: iter::once(0).chain(ends).collect(),
            words: words(&code),
            text,
            code,
        }
    }

    /// Whether it is about `place`; see [`is_path_in`].
    pub(crate) fn is_in(&self, place: &str) -> bool {
        is_path_in(&self.path, place)
    }

    /// Whether all of it is tests, or there for them.
    pub(crate) fn is_test(&self) -> bool {
        self.path
            .split('/')
            .any(|part| part == "tests" || part == "tests.rs")
    }

    /// Whether it is in the `src` of a package.
    pub(crate) fn is_in_package(&self) -> bool {
        self.path.starts_with("src/") || self.path.contains("/src/")
    }

    /// Numbers of the lines with code of the program itself, from 1: not of its unit tests, not blank
    /// and not only a comment.
    pub(crate) fn code_lines(&self) -> Vec<usize> {
        let tests = self.test_modules().into_iter();
        let tests: Vec<_> = tests
            .map(|module| self.line(module.start)..=self.line(module.end))
            .collect();
        let lines = self.text.lines().map(str::trim).zip(1..);
        lines
            .filter(|(line, _)| {
                !line.is_empty() && !line.starts_with("//") && *line != "#[cfg(test)]"
            })
            .map(|(_, number)| number)
            .filter(|number| !tests.iter().any(|module| module.contains(number)))
            .collect()
    }

    /// Text of a line, from 1.
    pub(crate) fn text_line(&self, line: usize) -> &str {
        self.text.lines().nth(line - 1).unwrap_or_default()
    }

    /// The line of a position, from 1.
    pub(crate) fn line(&self, position: usize) -> usize {
        self.line_starts.partition_point(|&start| start <= position)
    }

    /// Positions where `word` stands in the code, not as a part of a longer identifier.
    pub(crate) fn words(&self, word: &str) -> Vec<usize> {
        self.words.get(word).cloned().unwrap_or_default()
    }

    /// Positions of `name` where it is an attribute of its own: `#[name]`, `#[name = ...]`.
    pub(crate) fn attributes(&self, name: &str) -> Vec<usize> {
        let mut found = self.words(name);
        found.retain(|&at| self.attribute_before(at) == "#[");
        found
    }

    /// What stands before `at` in the same attribute, without white space.
    pub(crate) fn attribute_before(&self, at: usize) -> String {
        let start = self.code[..at].iter().rposition(|&byte| byte == b'#');
        let text = String::from_utf8_lossy(&self.code[start.unwrap_or(0)..at]);
        text.chars()
            .filter(|letter| !letter.is_whitespace())
            .collect()
    }

    /// Where `mod tests` is declared or written out.
    pub(crate) fn test_modules(&self) -> Vec<Range<usize>> {
        let extent = |start: usize| {
            let name = self.skip_space(start + 3);
            let open = self.skip_space(name + 5);
            match self.code.get(open) {
                Some(b';') => start..open + 1,
                _ => start..self.closing(open) + 1,
            }
        };
        let mut starts = self.words("mod");
        starts.retain(|&start| self.identifier(start + 3) == "tests");
        starts.into_iter().map(extent).collect()
    }

    /// Names of the modules that are written out in the file, outer ones first, and where.
    pub(crate) fn inline_modules(&self) -> Vec<(&str, Range<usize>)> {
        let extent = |start: usize| {
            let name = self.identifier(start + 3);
            let open = self.skip_space(self.skip_space(start + 3) + name.len());
            (self.code.get(open) == Some(&b'{')).then(|| (name, open..self.closing(open)))
        };
        self.words("mod").into_iter().filter_map(extent).collect()
    }

    /// The identifier at a position, after any white space.
    pub(crate) fn identifier(&self, at: usize) -> &str {
        let start = self.skip_space(at);
        let rest = &self.code[start..];
        let length = rest.iter().take_while(|&&byte| is_identifier(byte)).count();
        std::str::from_utf8(&rest[..length]).unwrap_or_default()
    }

    /// The first position from `at` on that is no white space.
    pub(crate) fn skip_space(&self, at: usize) -> usize {
        at + self.code[at..]
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace())
            .count()
    }

    /// The position of the brace that opens the body of the function at `start`; none for a
    /// declaration.
    pub(crate) fn body(&self, start: usize) -> Option<usize> {
        let mut at = start;
        while at < self.code.len() {
            match self.code[at] {
                b'{' => return Some(at),
                b';' => return None,
                b'(' | b'[' => at = self.closing(at) + 1,
                _ => at += 1,
            }
        }
        None
    }

    /// Where a `use` stands, from the keyword to its semicolon.
    pub(crate) fn imports(&self) -> Vec<Range<usize>> {
        let mut starts = self.words("use");
        // `impl Trait + use<'a>` imports nothing.
        starts.retain(|&start| self.code.get(self.skip_space(start + 3)) != Some(&b'<'));
        let end = |start: usize| self.code[start..].iter().position(|&byte| byte == b';');
        let extent = |start| start..start + end(start).unwrap_or(0);
        starts.into_iter().map(extent).collect()
    }

    /// The innermost block around a position, by its brace; none for the file itself.
    pub(crate) fn block(&self, position: usize) -> Option<usize> {
        let mut open = Vec::new();
        for (at, byte) in self.code[..position].iter().enumerate() {
            match byte {
                b'{' => open.push(at),
                b'}' => _ = open.pop(),
                _ => {}
            }
        }
        open.last().copied()
    }

    /// The position of the bracket that closes the one at `open`, or the end of the file.
    pub(crate) fn closing(&self, open: usize) -> usize {
        let mut depth = 0_usize;
        for (at, byte) in self.code.iter().enumerate().skip(open) {
            match byte {
                b'{' | b'(' | b'[' => depth += 1,
                b'}' | b')' | b']' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return at;
            }
        }
        self.code.len()
    }
}

/// Whether `path` is `place.rs`, or in the folder `place`, or `place` itself.
pub(crate) fn is_path_in(path: &str, place: &str) -> bool {
    path.strip_prefix(place)
        .is_some_and(|rest| matches!(rest, "" | ".rs") || rest.starts_with('/'))
}

pub(crate) fn is_identifier(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn words(code: &[u8]) -> HashMap<String, Vec<usize>> {
    let mut words: HashMap<_, Vec<_>> = HashMap::new();
    let mut at = 0;
    while at < code.len() {
        let rest = code[at..].iter();
        let length = rest.take_while(|&&byte| is_identifier(byte)).count();
        if length > 0 {
            let word = String::from_utf8_lossy(&code[at..at + length]);
            words.entry(word.into_owned()).or_default().push(at);
        }
        at += length.max(1);
    }
    words
}

fn blank(text: &[u8]) -> Vec<u8> {
    let mut code = text.to_vec();
    let mut at = 0;
    while at < text.len() {
        let end = at + opaque(text, at);
        if end == at {
            at += 1;
            continue;
        }
        for byte in &mut code[at..end.min(text.len())] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end;
    }
    code
}

/// The length of the comment or literal that begins at `at`, 0 for code.
fn opaque(text: &[u8], at: usize) -> usize {
    let rest = &text[at..];
    match rest[0] {
        b'/' if rest.starts_with(b"//") => rest
            .iter()
            .position(|&byte| byte == b'\n')
            .unwrap_or(rest.len()),
        b'/' if rest.starts_with(b"/*") => block_comment(rest),
        b'"' => quoted(rest),
        b'\'' => character(rest),
        b'r' if at == 0 || !is_identifier(text[at - 1]) || is_prefix(text, at) => raw_string(rest),
        _ => 0,
    }
}

/// Whether the byte before `at` is the `b` or `c` of `br"` or `cr"` and not the end of a name.
fn is_prefix(text: &[u8], at: usize) -> bool {
    matches!(text[at - 1], b'b' | b'c') && (at == 1 || !is_identifier(text[at - 2]))
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn quoted(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// A character literal; 0 for a lifetime, which no quote closes.
fn character(rest: &[u8]) -> usize {
    match rest.get(1) {
        Some(b'\\') => {
            let escaped = rest.iter().skip(3).position(|&byte| byte == b'\'');
            escaped.map_or(rest.len(), |length| length + 4)
        }
        // At most four bytes of one character stand between the quotes.
        Some(&first) => {
            let length = match first {
                0..0x80 => 1,
                0x80..0xe0 => 2,
                0xe0..0xf0 => 3,
                _ => 4,
            };
            if rest.get(1 + length) == Some(&b'\'') {
                length + 2
            } else {
                0
            }
        }
        None => 0,
    }
}

/// A raw string; 0 for a name that begins with `r`, or a raw identifier.
fn raw_string(rest: &[u8]) -> usize {
    let hashes = rest[1..].iter().take_while(|&&byte| byte == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return 0;
    }
    let mut end = vec![b'"'];
    end.resize(hashes + 1, b'#');
    let body = &rest[hashes + 2..];
    let length = body.windows(end.len()).position(|window| window == end);
    length.map_or(rest.len(), |length| hashes + 2 + length + end.len())
}

/// Goal: the rules are not fooled by comments and literals, and see everything else.
#[test]
fn comments_and_literals_are_blanked() {
    let cases = [
        ("a // todo!\nb", "a         \nb"),
        ("a /* x /* y */ { */ b", "a                   b"),
        ("f(\"un\\\"safe {\") }", "f(            ) }"),
        ("r#\"a\"{\"# }", "         }"),
        ("br\"\\\" }", "b     }"),
        ("'{' 'a x::<'a>()", "    'a x::<'a>()"),
        ("'\\'' '\\u{7b}' b'\\\\' }", "              b     }"),
        ("'é' }", "     }"),
        ("for r in robe {}", "for r in robe {}"),
        ("r#type {}", "r#type {}"),
    ];
    for (text, expected) in cases {
        let source = Source::new("sample.rs", text.to_owned());
        assert_eq!(String::from_utf8_lossy(&source.code), expected, "{text}");
        assert_eq!(source.code.len(), text.len(), "{text}");
    }
}

/// Goal: a part of a longer name is not the word.
#[test]
fn words_are_whole() {
    let source = Source::new(
        "sample.rs",
        "unsafe unsafe_code not_unsafe {unsafe}".to_owned(),
    );
    assert_eq!(source.words("unsafe"), [0, 31]);
    assert_eq!(source.words("unsafe_code"), [7]);
}
