//! The file that `fanring config --default` prints: every key with what it means and what holds
//! without it.
//!
//! It can be used as it is, and then says nothing that does not hold anyway. Sections are commented
//! out, since their being there is what ends a playground: `#key` is a key without its comment sign,
//! `# words` is prose.

use std::fmt::Write as _;

use crate::config::chat::listed;
use crate::config::{Preset, SECTIONS, Setting, Shape};

/// Longest line of prose.
const COLUMNS: usize = 96;

const BEGINNING: &str = "Settings of Fanring, as they are where nothing is written. Each is also a flag of `fanring \
     serve` and a variable, which go before this file. Sizes are bytes, or like 512KiB, 64MiB or \
     1GiB; durations are like 500ms, 20s or 1m. JSON with the same keys will do too.";

const CHAT: &str = "What follows is for clients of Centrifugo's protocol (/connection/websocket), in the sections \
     and with the names and meanings of its own configuration: docs/MIGRATING.md. As long as \
     neither [client] nor [channel] is there, the server is a playground: nobody needs a token, and \
     every room has history, recovery, presence, joins and leaves. With one of them, all is closed \
     that it does not open, also /ws and /rooms. To write a section, take the sign off its head \
     and off the keys that you change.";

const NAMESPACE: &str = "A namespace has a name and the keys of [channel.without_namespace], for the channels whose \
     names begin with its own and a colon. There may be several.";

/// The file.
pub(super) fn file() -> String {
    let mut out = String::new();
    prose(&mut out, BEGINNING);
    for section in &SECTIONS {
        heading(&mut out, section.heading);
        for setting in section.settings {
            out.push('\n');
            match value(setting) {
                Some(value) => {
                    prose(&mut out, &format!("{}.", setting.help));
                    let _ = writeln!(out, "{} = {value}", setting.name);
                }
                None => {
                    let told = format!("{}. By default: {}.", setting.help, setting.default);
                    prose(&mut out, &told);
                    let _ = writeln!(out, "# {} = {}", setting.name, example(setting));
                }
            }
        }
    }
    heading(&mut out, "The chat backend");
    out.push('\n');
    prose(&mut out, CHAT);
    for section in listed().iter().filter(|section| !section.keys.is_empty()) {
        let path = section.path;
        let _ = write!(out, "\n#[{path}]\n");
        for key in &section.keys {
            out.push('\n');
            prose(&mut out, &format!("{}.", key.help));
            let _ = writeln!(out, "#{} = {}", key.name, key.default);
        }
        if path == "channel.without_namespace" {
            out.push('\n');
            prose(&mut out, NAMESPACE);
            out.push_str("#[[channel.namespaces]]\n\n");
            prose(&mut out, "Its name, of two letters or more.");
            out.push_str("#name = \"news\"\n");
        }
    }
    out
}

fn heading(out: &mut String, text: &str) {
    let _ = write!(out, "\n# --- {text} ---\n");
}

/// What a setting is by default, as the file has it, unless that depends on something else.
fn value(setting: &Setting) -> Option<String> {
    let text = setting.default.to_string();
    let quoted = format!("\"{text}\"");
    match (setting.shape, setting.default) {
        (_, Preset::Nothing | Preset::Text(_)) => None,
        (Shape::Many(_), _) => Some(format!("[{quoted}]")),
        (Shape::Switch | Shape::Either(_), _) => Some((text == "on").to_string()),
        (Shape::One(_), Preset::Count(_)) => Some(text),
        (Shape::One(_), _) => Some(quoted),
    }
}

/// What a value would look like, of a setting without one that could be written.
fn example(setting: &Setting) -> String {
    match setting.shape {
        Shape::One(value) => format!("\"{value}\""),
        Shape::Many(value) => format!("[\"{value}\"]"),
        Shape::Switch | Shape::Either(_) => "true".to_owned(),
    }
}

/// Writes a comment, in as many lines as it takes.
fn prose(out: &mut String, text: &str) {
    let mut column = 0;
    for word in text.split_whitespace() {
        if column == 0 || column + 1 + word.len() > COLUMNS {
            if column > 0 {
                out.push('\n');
            }
            out.push('#');
            column = 1;
        }
        out.push(' ');
        out.push_str(word);
        column += 1 + word.len();
    }
    out.push('\n');
}
