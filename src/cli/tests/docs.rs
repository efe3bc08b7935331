//! The tables of settings in the docs have each setting, and say what the settings themselves say.

use crate::cli::flags::FILE;
use crate::config::{Preset, Setting, Shape, settings};

const README: &str = include_str!("../../../README.md");
const ARCHITECTURE: &str = include_str!("../../../docs/ARCHITECTURE.md");
const DEPLOY: &str = include_str!("../../../docs/DEPLOY.md");
const MIGRATING: &str = include_str!("../../../docs/MIGRATING.md");
const PROTOCOL: &str = include_str!("../../../docs/PROTOCOL.md");
const SECURITY: &str = include_str!("../../../SECURITY.md");

/// The cells of the rows of a text's tables.
fn rows(text: &str) -> impl Iterator<Item = Vec<String>> {
    let lines = text.lines().filter(|line| line.starts_with('|'));
    lines.map(|line| {
        // A bar inside of a cell is escaped, and stands for itself.
        let cells = line.trim_matches('|').replace("\\|", "\0");
        let cell = |cell: &str| cell.trim().replace('\0', "|");
        cells.split('|').map(cell).collect()
    })
}

/// What the first cell of a setting's row is.
fn usage(setting: &Setting) -> String {
    let flag = setting.flag();
    match setting.shape {
        Shape::One(value) | Shape::Many(value) => format!("`--{flag} {value}`"),
        Shape::Switch => format!("`--{flag}`"),
        Shape::Either(off) => format!("`--{flag}`, `--{off}`"),
    }
}

/// A default as prose has it, its unit after a space; none for one that is no number.
fn spaced(setting: &Setting) -> Option<String> {
    let text = setting.default.to_string();
    if !matches!(setting.default, Preset::Bytes(_) | Preset::Time(_)) {
        return None;
    }
    let digits = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    Some(format!("{number} {unit}"))
}

/// Goal: whoever adds a setting, renames it or changes its default changes the README too.
#[test]
fn the_readme_has_a_row_for_each_setting() {
    let table: Vec<Vec<String>> = rows(README)
        .filter(|cells| cells[0].starts_with("`--"))
        .collect();
    for setting in settings().chain([&FILE]) {
        let usage = usage(setting);
        let row = table.iter().find(|cells| cells[0] == usage);
        let row = row.unwrap_or_else(|| panic!("the README lacks a row that begins with {usage}"));
        assert_eq!(row.len(), 3, "{row:?}");
        let is_told = match setting.default {
            Preset::Nothing | Preset::Text(_) => !row[1].is_empty(),
            default => row[1].trim_matches('`') == default.to_string(),
        };
        assert!(is_told, "the README says {usage} is {} by default", row[1]);
        assert!(
            !row[2].is_empty(),
            "the README does not say what {usage} is"
        );
    }
    assert_eq!(
        table.len(),
        settings().count() + 1,
        "a row is of no setting"
    );
}

/// Goal: a limit that is told elsewhere too has the same default there.
#[test]
fn tables_of_limits_have_the_defaults() {
    for (name, text) in [("ARCHITECTURE", ARCHITECTURE), ("DEPLOY", DEPLOY)] {
        let mut seen = 0;
        for cells in rows(text) {
            let flag = |setting: &&Setting| {
                let flag = format!("`--{}`", setting.flag());
                cells.iter().any(|cell| cell.contains(&flag))
            };
            for default in settings().filter(flag).filter_map(spaced) {
                seen += 1;
                let row = cells.join(" | ");
                assert!(
                    row.contains(&default),
                    "{name}.md does not say {default}: {row}"
                );
            }
        }
        assert!(seen >= 3, "{name}.md has a table of limits");
    }
}

/// Goal: no text tells of a flag that there is not, and a default behind a flag's name is its own.
#[test]
fn texts_name_flags_that_exist() {
    let texts = [README, ARCHITECTURE, DEPLOY, MIGRATING, PROTOCOL, SECURITY];
    for text in texts {
        for (at, _) in text.match_indices("`--") {
            let rest = &text[at + 3..];
            let end = rest.find(|letter: char| !letter.is_ascii_lowercase() && letter != '-');
            let (flag, rest) = rest.split_at(end.unwrap_or(rest.len()));
            if flag == "help" {
                continue;
            }
            let has_flag =
                |setting: &&Setting| setting.flag() == flag || setting.shape == Shape::Either(flag);
            let setting = settings().chain([&FILE]).find(has_flag);
            let setting = setting.unwrap_or_else(|| panic!("there is no --{flag}"));
            let told = rest.trim_start_matches('`').trim_start_matches(" bytes");
            let (Some(told), Some(default)) = (told.strip_prefix(" ("), spaced(setting)) else {
                continue;
            };
            assert!(
                told.starts_with(&default),
                "--{flag} is {default}, not ({told:.20}"
            );
        }
    }
}
