//! What docs/PROTOCOL.md says of codes, held against the codes.

use crate::protocol::centrifugo::codes::{Disconnect, ErrorCode, Unsubscribed};

const PROTOCOL: &str = include_str!("../../../../docs/PROTOCOL.md");

/// The first three cells of the rows of a table: the code, its text, and whether it is the kind of code after
/// which clients try again.
fn table(mark: &str) -> Vec<(u32, &'static str, bool)> {
    let (begin, end) = (format!("<!-- {mark} -->"), format!("<!-- /{mark} -->"));
    let (_, rest) = PROTOCOL.split_once(&begin).expect("the page has the mark");
    let (table, _) = rest.split_once(&end).expect("the page has the mark");
    let cells = |row: &'static str| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let tries_again = match cells[2] {
            "yes" => true,
            "" => false,
            other => panic!("{other} is neither yes nor nothing"),
        };
        (cells[0].parse().expect("a code"), cells[1], tries_again)
    };
    table.trim().lines().skip(2).map(cells).collect()
}

/// Goal: each code in the page has its text there, and whether clients try again.
#[test]
fn the_page_says_what_codes_mean() {
    let errors = ErrorCode::ALL.iter();
    let errors = errors.map(|code| (code.code(), code.text(), code.is_temporary()));
    let closes = Disconnect::ALL.iter();
    let closes = closes.map(|code| (code.code().into(), code.text(), !code.is_terminal()));
    let ends = Unsubscribed::ALL.iter();
    let ends = ends.map(|code| (code.code(), code.text(), code.is_temporary()));
    for (mark, codes) in [
        ("errors", errors.collect::<Vec<_>>()),
        ("closes", closes.collect()),
        ("unsubscribes", ends.collect()),
    ] {
        let table = table(mark);
        assert!(table.len() >= 2 && table.is_sorted(), "{table:?}");
        for row in table {
            let is_so = codes.contains(&row);
            assert!(is_so, "{row:?} is none of {codes:?}");
        }
    }
}
