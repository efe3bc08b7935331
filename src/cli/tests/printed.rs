//! The file that is printed is what it says it is.

use super::*;
use crate::config::chat::listed;

fn printed() -> String {
    match invoke("config --default", &[]) {
        Ok(Invocation::Print(text)) => text,
        other => panic!("{other:?}"),
    }
}

/// Goal: the file says nothing but what holds without it.
#[test]
fn the_printed_file_is_the_default() {
    let file = file(&printed());
    let path = file.path().display().to_string();
    let with = start(&format!("--config {path}"), &[]);
    let without = start("", &[]);
    assert_eq!(
        format!("{:?}", with.config),
        format!("{:?}", without.config)
    );
    assert!(with.config.chat.is_playground());
    assert!(with.notices.is_empty(), "{:?}", with.notices);
}

/// Goal: without their comment signs the sections say what holds for sections that are empty, but for
/// a namespace that shows how one is written.
#[test]
fn the_sections_in_it_are_their_defaults() {
    let uncommented: String = printed()
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with([' ', '-']) => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let whole = file(&uncommented);
    let empty = file("[client]\n[[channel.namespaces]]\nname = \"news\"\n");
    let [whole, empty] = [whole, empty]
        .map(|file| start(&format!("--config {}", file.path().display()), &[]).config);
    assert_eq!(format!("{whole:?}"), format!("{empty:?}"));
    assert!(!whole.chat.is_playground());
}

/// Goal: every key is there, once in each section, below a comment.
#[test]
fn every_key_has_a_comment() {
    let text = printed();
    let lines: Vec<&str> = text.lines().collect();
    let is_prose = |line: &str| line.starts_with("# ") && line.len() > 3;
    for setting in settings() {
        let is_its_own = |line: &&str| {
            let line = line.trim_start_matches("# ");
            line.starts_with(&format!("{} ", setting.name))
        };
        let at = lines.iter().position(is_its_own);
        let at = at.unwrap_or_else(|| panic!("{} is not there", setting.name));
        assert!(is_prose(lines[at - 1]), "{} has no comment", setting.name);
    }
    for section in listed() {
        let head = format!("#[{}]", section.path);
        let Some(start) = lines.iter().position(|line| *line == head) else {
            assert!(section.keys.is_empty(), "{head} is not there");
            continue;
        };
        let next = lines[start + 1..]
            .iter()
            .position(|line| line.starts_with("#["));
        let own = &lines[start..next.map_or(lines.len(), |next| start + 1 + next)];
        for key in section.keys {
            let text = format!("#{} = {}", key.name, key.default);
            let found: Vec<usize> = (own.iter().enumerate())
                .filter_map(|(at, line)| (*line == text).then_some(at))
                .collect();
            let [at] = found[..] else {
                panic!("{head} has {text} {} times", found.len())
            };
            assert!(is_prose(own[at - 1]), "{text} has no comment");
        }
    }
    assert!(
        lines.iter().all(|line| line.len() <= 100),
        "lines are short"
    );
}
