//! The tables of docs/MIGRATING.md have every key, and say what the code does with it.

use crate::config::chat::key::Verdict;
use crate::config::chat::listed;

const MIGRATING: &str = include_str!("../../../docs/MIGRATING.md");

/// The lines between two marks of the page.
fn between(mark: &str) -> Vec<&'static str> {
    let (begin, end) = (format!("<!-- {mark} -->"), format!("<!-- /{mark} -->"));
    let (_, rest) = MIGRATING.split_once(&begin).expect("the page has the mark");
    let (table, _) = rest.split_once(&end).expect("the page has the mark");
    table.trim().lines().skip(2).collect()
}

/// A key as the page names it.
fn name(path: &str, key: &str) -> String {
    match path {
        "" => format!("`{key}`"),
        // All of them are keys of a namespace too.
        "channel.without_namespace" => format!("`channel.*.{key}`"),
        path => format!("`{path}.{key}`"),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Compares a table with what it should be, and shows that where they differ.
#[track_caller]
fn compare(mark: &str, expected: &[String]) {
    let found = between(mark);
    let shown = expected.join("\n");
    assert!(
        found == expected,
        "between the marks {mark} should stand:\n{shown}"
    );
}

/// Goal: each key that is read is in the page, with its default and what it means.
#[test]
fn the_page_has_every_key_that_is_read() {
    let rows = listed().into_iter().flat_map(|section| {
        let row = move |key: crate::config::chat::key::About| {
            let name = name(section.path, key.name);
            format!("| {name} | `{}` | {} |", key.default, cell(key.help))
        };
        section.keys.into_iter().map(row)
    });
    compare("read", &rows.collect::<Vec<String>>());
}

/// Goal: each key that has no place here is in the page, with what becomes of it and what to do.
#[test]
fn the_page_has_every_key_that_is_not() {
    let rows = listed().into_iter().flat_map(|section| {
        let path = section.path;
        // The same keys as those of tokens in general.
        let own = section
            .absent
            .iter()
            .filter(move |_| path != "client.subscription_token");
        own.map(move |absent| {
            let name = name(path, absent.name);
            let verdict = match absent.verdict {
                Verdict::Refused => "refused",
                Verdict::Told => "told",
            };
            format!("| {name} | {verdict} | {} |", cell(absent.advice))
        })
    });
    compare("absent", &rows.collect::<Vec<String>>());
}
