//! Patterns in Go's dialects: regular expressions of `channel_regex` and the like, and the globs of
//! `allowed_origins`, as expressions of the `regex` crate that match the same.

use regex::Regex;

/// The expression that means here what `text` means to Go's `regexp`.
///
/// # Errors
/// What is wrong with it, on one line.
pub(super) fn regex(text: &str) -> Result<Regex, String> {
    compile(&translate(text))
}

/// The expression for a glob: `*` is anything, `?` any letter, `[a-z]` and `[!a-z]` one of a class,
/// `{a,b}` one of several. Case is no difference.
///
/// # Errors
/// What is wrong with it, on one line.
pub(super) fn glob(text: &str) -> Result<Regex, String> {
    let mut out = String::from("^(?s:");
    let mut letters = text.chars();
    let mut open_braces = 0_usize;
    while let Some(letter) = letters.next() {
        match letter {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '[' => push_class(&mut letters, &mut out)?,
            '{' => {
                open_braces += 1;
                out.push_str("(?:");
            }
            ',' if open_braces > 0 => out.push('|'),
            '}' if open_braces > 0 => {
                open_braces -= 1;
                out.push(')');
            }
            '\\' => match letters.next() {
                Some(escaped) => push_literal(escaped, &mut out),
                None => return Err("it ends with a backslash".to_owned()),
            },
            other => push_literal(other, &mut out),
        }
    }
    if open_braces > 0 {
        return Err("a brace is not closed".to_owned());
    }
    out.push_str(")$");
    compile(&out)
}

fn push_literal(letter: char, out: &mut String) {
    for lower in letter.to_lowercase() {
        out.push_str(&regex::escape(lower.encode_utf8(&mut [0; 4])));
    }
}

/// A class of a glob, from behind its bracket on.
fn push_class(letters: &mut std::str::Chars<'_>, out: &mut String) -> Result<(), String> {
    let Some((class, rest)) = letters.as_str().split_once(']') else {
        return Err("a bracket is not closed".to_owned());
    };
    let (negation, class) = match class.strip_prefix('!') {
        Some(class) => ("^", class),
        None => ("", class),
    };
    if class.is_empty() {
        return Err("a class is empty".to_owned());
    }
    out.push('[');
    out.push_str(negation);
    for letter in class.chars() {
        // A hyphen makes a range in both dialects.
        match letter {
            '-' => out.push('-'),
            other => push_literal(other, out),
        }
    }
    out.push(']');
    *letters = rest.chars();
    Ok(())
}

fn compile(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| match error {
        regex::Error::CompiledTooBig(bytes) => format!("it takes more than {bytes} bytes"),
        // The last of several lines says what is wrong, those before it show where.
        error => {
            let shown = error.to_string();
            let last = shown.lines().last().unwrap_or_default();
            last.trim_start_matches("error: ").to_owned()
        }
    })
}

/// Go's `\d`, `\w`, `\s` and `\b` know ASCII only, and within brackets an opening bracket, `&` and
/// `~` stand for themselves; the rest is the same in both dialects.
fn translate(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    let mut in_class = false;
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some(escaped) => push_escaped(escaped, in_class, &mut out),
                None => out.push('\\'),
            },
            '[' if in_class => {
                let is_named = letters.peek() == Some(&':');
                out.push_str(if is_named { "[" } else { "\\[" });
                if is_named {
                    // `[:alpha:]`: up to its own closing bracket.
                    for named in letters.by_ref() {
                        out.push(named);
                        if named == ']' {
                            break;
                        }
                    }
                }
            }
            '[' => {
                in_class = true;
                out.push('[');
                if letters.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                // A closing bracket that comes first is one of the letters.
                if letters.next_if_eq(&']').is_some() {
                    out.push_str("\\]");
                }
            }
            ']' => {
                in_class = false;
                out.push(']');
            }
            '&' | '~' if in_class => {
                out.push('\\');
                out.push(letter);
            }
            other => out.push(other),
        }
    }
    out
}

fn push_escaped(escaped: char, in_class: bool, out: &mut String) {
    let letters = match escaped.to_ascii_lowercase() {
        'd' => "0-9",
        'w' => "0-9A-Za-z_",
        's' => "\\t\\n\\f\\r ",
        'b' if escaped == 'b' && !in_class => return out.push_str("(?-u:\\b)"),
        _ => {
            out.push('\\');
            return out.push(escaped);
        }
    };
    let negation = if escaped.is_ascii_uppercase() {
        "^"
    } else {
        ""
    };
    if in_class && negation.is_empty() {
        out.push_str(letters);
    } else {
        out.push_str(&format!("[{negation}{letters}]"));
    }
}

#[cfg(test)]
mod tests {
    use super::{glob, regex};

    /// Goal: an expression matches what it matches in Go, where the two dialects differ too.
    #[test]
    fn expressions_mean_what_they_mean_in_go() {
        let cases = [
            (r"^\w+$", "abc_1", true),
            (r"^\w+$", "\u{e9}t\u{e9}", false),
            (r"^\d{2}$", "42", true),
            (r"^\d{2}$", "\u{664}\u{662}", false),
            (r"^[\w-]+$", "a-b", true),
            (r"^[\w-]+$", "a b", false),
            (r"^[^\d]+$", "a1", false),
            (r"^\D+$", "a\u{664}", true),
            (r"^[\W]+$", "-+", true),
            (r"^[[a]+$", "[a", true),
            (r"^[&~]+$", "&&~~", true),
            (r"^[]a]+$", "]a", true),
            (r"^[[:alpha:]]+$", "ab", true),
            (r"^[[:alpha:]]+$", "a1", false),
            (r"\bcat\b", "a cat sat", true),
            (r"^\p{Cyrillic}+$", "\u{436}\u{436}", true),
            (r"^a\.b$", "a.b", true),
            (r"room", "my room 5", true),
            (r"(?i)^ROOM", "room", true),
        ];
        for (text, subject, expected) in cases {
            let regex = regex(text).unwrap_or_else(|problem| panic!("{text}: {problem}"));
            assert_eq!(regex.is_match(subject), expected, "{text} on {subject}");
        }
        for text in ["a(", "[a", "*", "a\\"] {
            let problem = regex(text).expect_err(text);
            assert!(
                !problem.is_empty() && !problem.contains('\n'),
                "{text}: {problem}"
            );
        }
    }

    /// Goal: a glob matches the origins it names, whole and whatever their case.
    #[test]
    fn globs() {
        let cases = [
            ("*", "https://a.example", true),
            ("https://a.example", "https://a.example", true),
            ("https://A.example", "https://a.example", true),
            ("https://a.example", "https://a.example:8443", false),
            ("https://a.example", "xhttps://a.example", false),
            ("https://*.example", "https://a.b.example", true),
            ("https://*.example", "https://example", false),
            ("https://a?example", "https://a.example", true),
            ("https://axexample", "https://a.example", false),
            ("http{s,}://a.example", "http://a.example", true),
            ("http{s,}://a.example", "https://a.example", true),
            ("http{s,}://a.example", "httpx://a.example", false),
            ("http://[ab].example", "http://b.example", true),
            ("http://[!a-c].example", "http://b.example", false),
            ("http://[!a-c].example", "http://d.example", true),
            ("null", "null", true),
            (r"a\*", "a*", true),
            (r"a\*", "ab", false),
        ];
        for (text, origin, expected) in cases {
            let glob = glob(text).unwrap_or_else(|problem| panic!("{text}: {problem}"));
            assert_eq!(glob.is_match(origin), expected, "{text} on {origin}");
        }
        for text in ["a{b", "a[b", "a[]", "a\\"] {
            assert!(glob(text).is_err(), "{text}");
        }
    }
}
