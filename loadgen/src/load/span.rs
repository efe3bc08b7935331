//! Spans of time as people write them: `500ms`, `10s`, `1m30s`, or a plain number.

use std::time::Duration;

/// The longest span that can be asked for.
const MOST: Duration = Duration::from_secs(86_400);

/// Seconds of each unit.
const UNITS: [(&str, f64); 5] = [
    ("us", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3_600.0),
];

/// What a number without a unit means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plain {
    Seconds,
    Milliseconds,
    /// Nothing: the unit has to be said.
    Refused,
}

/// Reads a span of at most a day: numbers with units, the plain number of a flag in its own unit.
///
/// # Errors
/// What is wanted instead.
pub(crate) fn parse(text: &str, plain: Plain) -> Result<Duration, String> {
    let unit = match plain {
        Plain::Seconds => Some((1.0, ", or a plain number of seconds")),
        Plain::Milliseconds => Some((1e-3, ", or a plain number of milliseconds")),
        Plain::Refused => None,
    };
    let seconds = match (unit, text.parse::<f64>()) {
        (Some((unit, _)), Ok(number)) => Some(number * unit),
        (None, Ok(_)) => None,
        (_, Err(_)) => sum_of_parts(text),
    };
    let or_plain = unit.map_or("", |(_, hint)| hint);
    let seconds = seconds
        .ok_or_else(|| format!("want a time such as 500us, 20ms, 10s, 2m or 1h{or_plain}"))?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(span) if span <= MOST => Ok(span),
        _ => Err(format!("want 0 to {} seconds", MOST.as_secs())),
    }
}

/// A span in which a plain number is seconds, for flags.
///
/// # Errors
/// What is wanted instead.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    parse(text, Plain::Seconds)
}

/// A span in which a plain number is milliseconds, for flags.
///
/// # Errors
/// What is wanted instead.
pub(crate) fn milliseconds(text: &str) -> Result<Duration, String> {
    parse(text, Plain::Milliseconds)
}

/// Seconds of one part after the other, each a number and its unit.
fn sum_of_parts(text: &str) -> Option<f64> {
    let mut sum = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| c.is_ascii_alphabetic())?);
        let end = after.find(|c: char| !c.is_ascii_alphabetic());
        let (name, after) = after.split_at(end.unwrap_or(after.len()));
        let (_, unit) = UNITS.iter().find(|(unit, _)| *unit == name)?;
        let number: f64 = number.parse().ok()?;
        if number < 0.0 {
            return None;
        }
        sum += number * unit;
        rest = after;
    }
    (!text.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: every unit is read, alone and together, and a plain number is what its flag says.
    #[test]
    fn spans_have_units() {
        let ms = Duration::from_millis;
        let cases = [
            ("250us", Duration::from_micros(250)),
            ("500ms", ms(500)),
            ("0.101s", ms(101)),
            ("10s", ms(10_000)),
            ("2m", ms(120_000)),
            ("1h", ms(3_600_000)),
            ("1m30s", ms(90_000)),
            ("0s", ms(0)),
            ("1.5", ms(1_500)),
        ];
        for (text, span) in cases {
            assert_eq!(seconds(text), Ok(span), "{text}");
        }
        assert_eq!(milliseconds("5"), Ok(ms(5)));
        assert_eq!(milliseconds("5s"), Ok(ms(5_000)));
        assert_eq!(parse("5ms", Plain::Refused), Ok(ms(5)));
    }

    /// Goal: what is no span, or too long a one, is refused with what is wanted.
    #[test]
    fn others_are_refused() {
        for text in [
            "", "soon", "10x", "s", "-1s", "1m-30s", "1 0s", "10sec", "5s5",
        ] {
            let error = seconds(text).unwrap_err();
            assert!(error.contains("plain number of seconds"), "{text}: {error}");
        }
        for text in ["-1", "86401", "25h", "inf", "NaN"] {
            assert!(seconds(text).unwrap_err().contains("0 to 86400"), "{text}");
        }
        let error = parse("10", Plain::Refused).unwrap_err();
        assert!(error.ends_with("1h"), "{error}");
    }
}
