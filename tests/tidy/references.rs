//! How other documents are referred to.

use crate::finding::{Finding, lines};
use crate::source::Source;

/// A part of an RFC is named in one way, so that it can be searched for.
pub(crate) fn rfcs(source: &Source) -> Vec<Finding> {
    let found = source.text.match_indices("RFC").map(|(at, _)| at);
    let others = found.filter(|at| !is_in_form(&source.text[at + 3..]));
    let fix = "write it as `RFC 6455 section 5.2`";
    others.map(|at| Finding::new(source, at, fix)).collect()
}

/// Whether what stands behind `RFC` is no number, or one alone, or one and a part in the one form.
fn is_in_form(rest: &str) -> bool {
    let number = rest.trim_start_matches([' ', '-']);
    let digits = number.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return true;
    }
    // Ends of lines and the marks of comments do not count.
    let after: String = number[digits..]
        .chars()
        .take(100)
        .filter(|letter| !matches!(letter, '/' | '!' | '\n'))
        .collect();
    let part = after.trim_start_matches([',', ' ']);
    let is_part = part.starts_with(|letter: char| letter.is_ascii_digit() || letter == '§')
        || part.to_lowercase().starts_with("sec");
    let is_named = part.starts_with("section ") || part.starts_with("sections ");
    rest.starts_with(' ') && (!is_part || is_named && after.starts_with(' '))
}

/// Goal: a reference in another form is found, also over the end of a line, and a mere mention is not.
#[test]
fn a_reference_in_another_form_is_found() {
    for text in [
        "//! RFC 6455 section 5.2, and RFC 9110 sections 13 and 14.",
        "// RFC 6455 section\n// 5.2",
        "/// (RFC 6455\n/// section 5.2)",
        "// RFC 6454, RFC 6455 section 5.2, item 5",
        "// what RFC 6455 says",
        "// no RFC, 2 of them",
    ] {
        assert_eq!(lines(rfcs, "src/a.rs", text), [], "{text}");
    }
    for text in [
        "// RFC6455",
        "// RFC 6455, section 5.2",
        "// RFC 6455, 5.2",
        "// RFC 6455 5.2",
        "// RFC 6455 §5.2",
        "// RFC 6455 Section 5.2",
        "// RFC 6455 sec. 5.2",
        "// RFC 6455,\n// section 5.2",
    ] {
        assert_eq!(lines(rfcs, "src/a.rs", text), [1], "{text}");
    }
}
