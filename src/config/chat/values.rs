//! Values of sections as Centrifugo reads them: types give way a little, durations are Go's.
//!
//! A problem is a text that goes on from "`key` is `value`, ".

use std::num::NonZeroUsize;
use std::time::Duration;

use regex::Regex;

use super::pattern;
use crate::config::tree::{Node, Value};
use crate::config::units::{self, ValueError};

/// Longest duration that Go can write down, which is 292 years.
const NANOSECONDS_MAX: u128 = i64::MAX as u128;

/// True or false, or one of the words for them.
pub(super) fn switch(node: &Node) -> Result<bool, String> {
    match &node.value {
        Value::Switch(on) => Ok(*on),
        Value::Integer(number @ (0 | 1)) => Ok(*number == 1),
        Value::Text(text) => units::switch(text).map_err(said),
        _ => Err(said(ValueError::Switch)),
    }
}

/// Reads a switch into its place.
pub(super) fn put(node: &Node, place: &mut bool) -> Result<(), String> {
    *place = switch(node)?;
    Ok(())
}

/// A text; a number counts as what was written.
pub(super) fn text(node: &Node) -> Result<String, String> {
    match &node.value {
        Value::Text(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Other(text) => Ok(text.clone()),
        _ => Err("where a text is wanted: write it between quotes".to_owned()),
    }
}

/// Reads a text into its place.
pub(super) fn put_text(node: &Node, place: &mut String) -> Result<(), String> {
    *place = text(node)?;
    Ok(())
}

/// Any number of texts; one alone is a list too.
pub(super) fn texts(node: &Node) -> Result<Vec<String>, String> {
    match &node.value {
        Value::List(items) => {
            let read = items.iter().map(text).collect::<Result<_, _>>();
            read.map_err(|_| "with something that is no text: write a list of texts".to_owned())
        }
        Value::Text(single) if single.is_empty() => Ok(Vec::new()),
        Value::Text(single) => Ok(vec![single.clone()]),
        _ => Err("where a list of texts is wanted: write [\"...\"]".to_owned()),
    }
}

/// A whole number that is not below zero.
pub(super) fn count(node: &Node) -> Result<usize, String> {
    let read = match &node.value {
        Value::Integer(number) => usize::try_from(*number).ok(),
        Value::Text(text) => units::count(text).ok(),
        _ => None,
    };
    read.ok_or_else(|| said(ValueError::Count))
}

/// A limit, of which 0 says that there is none.
pub(super) fn limit(node: &Node) -> Result<Option<NonZeroUsize>, String> {
    count(node).map(NonZeroUsize::new)
}

/// A duration.
pub(super) fn duration(node: &Node) -> Result<Duration, String> {
    match &node.value {
        Value::Text(text) => go_duration(text).map_err(said),
        Value::Integer(0) => Ok(Duration::ZERO),
        // Centrifugo would take it for nanoseconds, which nobody means.
        Value::Integer(number) => match u64::try_from(*number) {
            Ok(number) => Err(said(ValueError::DurationUnit(number))),
            Err(_) => Err(said(ValueError::Duration)),
        },
        _ => Err(said(ValueError::Duration)),
    }
}

/// A duration in whole seconds, as it is told to clients, or as Centrifugo insists.
pub(super) fn seconds(node: &Node) -> Result<Duration, String> {
    let duration = duration(node)?;
    if duration.subsec_nanos() != 0 {
        return Err("which is not in whole seconds: write one like 300s".to_owned());
    }
    Ok(duration)
}

/// A regular expression, none if it is empty.
pub(super) fn regex(node: &Node) -> Result<Option<Regex>, String> {
    let text = text(node)?;
    if text.is_empty() {
        return Ok(None);
    }
    let read = pattern::regex(&text);
    read.map(Some)
        .map_err(|problem| format!("which is no regular expression ({problem})"))
}

/// A problem with a value, as a text.
fn said(problem: ValueError) -> String {
    problem.to_string()
}

/// `300s`, `1h30m`, `1.5s`, `0`: numbers with units, one after the other (Go's `time.ParseDuration`).
fn go_duration(text: &str) -> Result<Duration, ValueError> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if let Ok(number) = rest.parse() {
        return match number {
            0 => Ok(Duration::ZERO),
            _ => Err(ValueError::DurationUnit(number)),
        };
    }
    if rest.is_empty() {
        return Err(ValueError::Duration);
    }
    let mut nanoseconds: u128 = 0;
    while !rest.is_empty() {
        let (part, after) = first_part(rest).ok_or(ValueError::Duration)?;
        nanoseconds = nanoseconds.saturating_add(part);
        rest = after;
    }
    match u64::try_from(nanoseconds) {
        Ok(whole) if nanoseconds <= NANOSECONDS_MAX => Ok(Duration::from_nanos(whole)),
        _ => Err(ValueError::Duration),
    }
}

/// The nanoseconds of the first number with its unit, and what follows them.
fn first_part(text: &str) -> Option<(u128, &str)> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => digits(rest),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let letters = rest.find(|letter: char| letter.is_ascii_digit() || letter == '.');
    let (unit, rest) = rest.split_at(letters.unwrap_or(rest.len()));
    let nanoseconds_each: u128 = match unit {
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let number = |digits: &str| match digits {
        "" => Some(0),
        digits => digits.parse::<u128>().ok(),
    };
    // What is below a nanosecond of the largest unit is none of ours.
    let fraction = &fraction[..fraction.len().min(15)];
    let scale = 10_u128.pow(u32::try_from(fraction.len()).expect("15 at most"));
    let whole = number(whole)?.checked_mul(nanoseconds_each)?;
    let part = number(fraction)? * nanoseconds_each / scale;
    Some((whole.checked_add(part)?, rest))
}

fn digits(text: &str) -> (&str, &str) {
    let count = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(value: Value) -> Node {
        Node { line: 1, value }
    }

    fn quoted(text: &str) -> Node {
        node(Value::Text(text.to_owned()))
    }

    /// Goal: durations are read as Go reads them, but for numbers that would be nanoseconds and for
    /// time that goes backwards.
    #[test]
    fn durations() {
        let good = [
            ("300s", Duration::from_secs(300)),
            ("0s", Duration::ZERO),
            ("0", Duration::ZERO),
            ("720h", Duration::from_hours(720)),
            ("1h30m", Duration::from_mins(90)),
            ("1h0m0s", Duration::from_hours(1)),
            ("+1.5s", Duration::from_millis(1_500)),
            (".5s", Duration::from_millis(500)),
            ("2.s", Duration::from_secs(2)),
            ("250ms", Duration::from_millis(250)),
            ("10us", Duration::from_micros(10)),
            ("10\u{b5}s", Duration::from_micros(10)),
            ("3ns", Duration::from_nanos(3)),
            ("0.000000000000000000001h", Duration::ZERO),
        ];
        for (text, expected) in good {
            assert_eq!(duration(&quoted(text)), Ok(expected), "{text}");
        }
        for text in [
            "",
            "s",
            "-1s",
            "1d",
            "1 s",
            "5S",
            ".s",
            "1s2",
            "99999999999h",
            "1s-",
            "+",
        ] {
            let problem = duration(&quoted(text)).expect_err(text);
            assert!(
                problem.starts_with("which is not a duration"),
                "{text}: {problem}"
            );
        }
        for unitless in [quoted("25"), node(Value::Integer(25))] {
            let problem = duration(&unitless).expect_err("no unit");
            assert!(problem.contains("write 25s for seconds"), "{problem}");
        }
        assert_eq!(duration(&node(Value::Integer(0))), Ok(Duration::ZERO));
        assert!(seconds(&quoted("1500ms")).is_err_and(|problem| problem.contains("whole seconds")));
    }

    /// Goal: types give way where Centrifugo lets them, and nowhere else.
    #[test]
    fn types_give_way_a_little() {
        assert_eq!(switch(&quoted("true")), Ok(true));
        assert_eq!(switch(&node(Value::Integer(0))), Ok(false));
        assert!(switch(&quoted("perhaps")).is_err() && switch(&node(Value::Integer(2))).is_err());
        assert_eq!(count(&quoted("128")), Ok(128));
        assert!(count(&node(Value::Integer(-1))).is_err() && count(&quoted("1.5")).is_err());
        assert_eq!(text(&node(Value::Integer(7))).as_deref(), Ok("7"));
        assert!(text(&node(Value::Switch(true))).is_err());
        assert_eq!(texts(&quoted("a")), Ok(vec!["a".to_owned()]));
        assert_eq!(texts(&quoted("")), Ok(vec![]));
        assert_eq!(
            texts(&node(Value::List(vec![quoted("a")]))),
            Ok(vec!["a".to_owned()])
        );
        assert!(texts(&node(Value::List(vec![node(Value::Switch(true))]))).is_err());
        assert_eq!(limit(&node(Value::Integer(0))), Ok(None));
    }

    /// Goal: an empty pattern is none, and a bad one says what is wrong.
    #[test]
    fn patterns() {
        assert!(regex(&quoted("")).is_ok_and(|regex| regex.is_none()));
        assert!(regex(&quoted("^a+$")).is_ok_and(|regex| regex.is_some()));
        assert!(regex(&quoted("a(")).is_err_and(|text| text.contains("no regular expression (")));
    }
}
