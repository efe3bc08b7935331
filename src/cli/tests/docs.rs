//! The tables of settings in the docs have each setting, and say what the settings themselves say.

use crate::cli::flags::FILE;
use crate::config::chat::listed;
use crate::config::{Config, Preset, Setting, Shape, settings};

const README: &str = include_str!("../../../README.md");
const ARCHITECTURE: &str = include_str!("../../../docs/ARCHITECTURE.md");
const DEPLOY: &str = include_str!("../../../docs/DEPLOY.md");
const MIGRATING: &str = include_str!("../../../docs/MIGRATING.md");
const PROTOCOL: &str = include_str!("../../../docs/PROTOCOL.md");
const SECURITY: &str = include_str!("../../../SECURITY.md");
const CLIENTS: &str = include_str!("../../../docs/CLIENTS.md");
const TOKENS: &str = include_str!("../../../docs/TOKENS.md");

const TEXTS: [&str; 8] = [
    README,
    ARCHITECTURE,
    CLIENTS,
    DEPLOY,
    MIGRATING,
    PROTOCOL,
    SECURITY,
    TOKENS,
];

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
    match setting.default {
        Preset::Bytes(_) | Preset::Time(_) => {}
        Preset::Count(count) => return Some(grouped(count)),
        _ => return None,
    }
    let digits = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    Some(format!("{number} {unit}"))
}

/// A number with a comma for each thousand.
fn grouped(number: usize) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", grouped(number / 1000), number % 1000),
    }
}

/// A default of the chat backend as prose has it, as it is written in a file: `"25s"`, `65536`. None for one that
/// is no number.
fn written(default: &str) -> Option<String> {
    let text = default.trim_matches('"');
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_lowercase());
    let number: usize = digits.parse().ok()?;
    let unit = &text[digits.len()..];
    Some(match (number, unit) {
        (65_536, "") => "64 KiB".to_owned(),
        (number, "") => grouped(number),
        (number, unit) => format!("{number} {unit}"),
    })
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
    for text in TEXTS {
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

/// All keys of the chat backend with their sections, and the default of each that is read, as prose has it.
fn keys() -> Vec<(String, Option<String>)> {
    let mut keys = Vec::new();
    for section in listed() {
        let path = match section.path {
            "channel.without_namespace" => "channel.*",
            path => path,
        };
        let parts = path.match_indices('.').map(|(dot, _)| &path[..dot]);
        keys.extend(
            parts
                .chain([section.path, path])
                .map(|part| (part.to_owned(), None)),
        );
        let read = section.keys.iter();
        keys.extend(read.map(|key| (format!("{path}.{}", key.name), written(key.default))));
        let absent = section.absent.iter();
        keys.extend(absent.map(|key| (format!("{path}.{}", key.name), None)));
    }
    keys.push(("channel.namespaces".to_owned(), None));
    keys
}

/// Goal: no text tells of a key of the chat backend that there is not, and a default behind its name, or beside it in
/// a table of limits, is its own.
#[test]
fn texts_name_keys_that_exist() {
    let keys = keys();
    let key = |name: &str| keys.iter().find(|(key, _)| key == name);
    let mut seen = 0;
    for text in TEXTS {
        for name in text.split('`').skip(1).step_by(2) {
            let is_key =
                ["client.", "channel.", "websocket."].map(|section| name.starts_with(section));
            let is_key = is_key.contains(&true) && !name.contains(' ');
            assert!(!is_key || key(name).is_some(), "there is no {name}");
        }
        for (name, default) in &keys {
            let Some(default) = default else {
                continue;
            };
            for (at, found) in text.match_indices(&format!("`{name}` (")) {
                let told = &text[at + found.len()..];
                seen += 1;
                assert!(
                    told.starts_with(default),
                    "{name} is {default}, not {told:.20}"
                );
            }
        }
    }
    for cells in rows(PROTOCOL) {
        let [_, limit, set_by] = &cells[..] else {
            continue;
        };
        let name = set_by.split('`').nth(1).unwrap_or_default();
        // 0 is any number there.
        if let Some((_, Some(default))) =
            key(name).filter(|(_, default)| default.as_deref() != Some("0"))
        {
            seen += 1;
            assert!(
                limit.starts_with(default),
                "{name} is {default}, not {limit}"
            );
        }
    }
    assert!(seen > 12, "limits are told with their keys");
}

/// Goal: limits that are settings of nobody are told as they are.
#[test]
fn fixed_limits_are_told() {
    let config = Config::default();
    let kibibytes = |bytes: usize| format!("{} KiB", bytes >> 10);
    let reply = format!("| reply | {} MiB |", config.reply_bytes_max >> 20);
    let replies = kibibytes(config.private_bytes_max);
    for told in [
        reply,
        format!("| replies that are not read | {replies} |"),
        format!("is not read from, beyond {replies} of them"),
        format!(
            "pongs and answers to keep-alives, wait for it to read them. Beyond {replies} of them"
        ),
    ] {
        let text = PROTOCOL.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(&told), "PROTOCOL.md does not say: {told}");
    }
}

/// Goal: the program that the README shows is one that is tried.
#[test]
fn the_readme_shows_a_program_that_is_tried() {
    let programs = |text: &'static str| -> Vec<&str> {
        let blocks = text.split("```js\n").skip(1);
        blocks
            .filter_map(|block| block.split("```").next())
            .collect()
    };
    let tried = programs(CLIENTS)[0];
    assert!(tried.lines().count() <= 10 && tried.contains("/connection/websocket"));
    assert!(programs(README).contains(&tried), "it should be:\n{tried}");
}
