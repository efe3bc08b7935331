//! Conditional and range requests (RFC 9110, sections 13 and 14): what the headers of a request
//! ask of a representation with a given ETag, age and size. Knows no file and no socket.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::header::{HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, RANGE};

/// What identifies one state of a representation.
#[derive(Debug, Clone)]
pub(super) struct Validators {
    /// A strong entity tag, quotes included.
    pub(super) etag: String,
    /// Last change, in whole seconds, as far as it is known.
    pub(super) modified: Option<SystemTime>,
}

/// Which bytes of a representation are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Span {
    /// All of them, with status 200.
    Whole,
    /// `length` bytes from `start` on, with status 206.
    Part { start: u64, length: u64 },
    /// None that exist: status 416.
    Unsatisfiable,
}

impl Validators {
    /// Whether the client's copy is still good, so that 304 is the answer. `If-None-Match`
    /// decides alone when it is there (RFC 9110, section 13.2.2).
    pub(super) fn match_copy(&self, headers: &HeaderMap) -> bool {
        if headers.contains_key(IF_NONE_MATCH) {
            return headers.get_all(IF_NONE_MATCH).iter().any(|value| {
                value
                    .to_str()
                    .is_ok_and(|list| lists_weakly(list, &self.etag))
            });
        }
        match (date(headers, &IF_MODIFIED_SINCE), self.modified) {
            (Some(since), Some(modified)) => modified <= since,
            _ => false,
        }
    }

    /// Which bytes of `size` the headers of a GET ask for. A range that is malformed, of
    /// another unit, one of several, or meant for another state is ignored.
    pub(super) fn span(&self, headers: &HeaderMap, size: u64) -> Span {
        let Some(range) = headers.get(RANGE).and_then(|value| value.to_str().ok()) else {
            return Span::Whole;
        };
        if headers.contains_key(IF_RANGE) && !self.match_range(headers) {
            return Span::Whole;
        }
        parse_range(range, size)
    }

    /// `If-Range` compares strongly, and a date only exactly (RFC 9110, section 13.1.5).
    fn match_range(&self, headers: &HeaderMap) -> bool {
        let Some(value) = headers.get(IF_RANGE).and_then(|value| value.to_str().ok()) else {
            return false;
        };
        if value.starts_with('"') || value.starts_with("W/") {
            return value == self.etag;
        }
        date(headers, &IF_RANGE).is_some_and(|date| Some(date) == self.modified)
    }
}

/// `seconds` since 1970 as a time, for `Last-Modified`; `None` before 1970 and for years that
/// an HTTP date cannot say.
pub(super) fn whole_seconds(seconds: i64) -> Option<SystemTime> {
    const YEAR_10000: u64 = 253_402_300_800;
    let seconds = u64::try_from(seconds)
        .ok()
        .filter(|&seconds| seconds < YEAR_10000)?;
    Some(UNIX_EPOCH + Duration::from_secs(seconds))
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

/// Whether a list of entity tags holds `etag`, weak or strong, or is `*`. A comma inside a tag
/// splits it wrongly, which at worst sends a body that was not needed.
fn lists_weakly(list: &str, etag: &str) -> bool {
    list.split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}

fn parse_range(range: &str, size: u64) -> Span {
    let Some((unit, spec)) = range.split_once('=') else {
        return Span::Whole;
    };
    let Some((first, last)) = spec.trim().split_once('-') else {
        return Span::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Span::Whole;
    }
    match (number(first), number(last)) {
        (Some(Number::Absent), Some(Number::Given(0))) => Span::Unsatisfiable,
        (Some(Number::Absent), Some(Number::Given(suffix))) => {
            let length = suffix.min(size);
            part(size - length, length, size)
        }
        (Some(Number::Given(start)), Some(Number::Absent)) => {
            part(start, size.saturating_sub(start), size)
        }
        (Some(Number::Given(start)), Some(Number::Given(last))) if start <= last => {
            let end = size.min(last.saturating_add(1));
            part(start, end.saturating_sub(start), size)
        }
        _ => Span::Whole,
    }
}

fn part(start: u64, length: u64, size: u64) -> Span {
    if start < size {
        Span::Part { start, length }
    } else {
        Span::Unsatisfiable
    }
}

enum Number {
    Absent,
    Given(u64),
}

/// `None` for what is no number; one too large for 64 bits is as good as the largest.
fn number(text: &str) -> Option<Number> {
    let text = text.trim();
    if text.is_empty() {
        return Some(Number::Absent);
    }
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Number::Given(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODIFIED_S: i64 = 784_111_777;
    const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn validators() -> Validators {
        Validators {
            etag: "\"tag\"".into(),
            modified: whole_seconds(MODIFIED_S),
        }
    }

    fn headers(fields: &[(HeaderName, &'static str)]) -> HeaderMap {
        let fields = fields.iter().cloned();
        fields
            .map(|(name, value)| (name, value.parse().unwrap()))
            .collect()
    }

    /// The table of RFC 9110, section 14.1.2, plus what must be ignored.
    #[test]
    fn reads_single_ranges() {
        let part = |start, length| Span::Part { start, length };
        let table = [
            ("bytes=0-0", part(0, 1)),
            ("bytes=0-499", part(0, 500)),
            ("bytes=500-999", part(500, 500)),
            ("Bytes = 9500-", part(9_500, 500)),
            ("bytes=-500", part(9_500, 500)),
            ("bytes=-20000", part(0, 10_000)),
            ("bytes=0-99999999999999999999999", part(0, 10_000)),
            ("bytes=9999-18446744073709551615", part(9_999, 1)),
            ("bytes=10000-", Span::Unsatisfiable),
            ("bytes=10000-10001", Span::Unsatisfiable),
            ("bytes=-0", Span::Unsatisfiable),
            ("bytes=5-4", Span::Whole),
            ("bytes=-", Span::Whole),
            ("bytes=a-b", Span::Whole),
            ("bytes=+1-2", Span::Whole),
            ("bytes=0-1,5-6", Span::Whole),
            ("lines=0-1", Span::Whole),
            ("bytes", Span::Whole),
        ];
        for (range, span) in table {
            assert_eq!(
                validators().span(&headers(&[(RANGE, range)]), 10_000),
                span,
                "{range}"
            );
        }
        assert_eq!(parse_range("bytes=0-", 0), Span::Unsatisfiable);
        assert_eq!(parse_range("bytes=-5", 0), Span::Unsatisfiable);
    }

    /// A part of another state would corrupt the client's copy.
    #[test]
    fn ranges_only_within_the_same_state() {
        let table = [
            ("\"tag\"", true),
            ("W/\"tag\"", false),
            ("\"other\"", false),
            (MODIFIED, true),
            ("Sun, 06 Nov 1994 08:49:38 GMT", false),
            ("yesterday", false),
        ];
        for (condition, ranges) in table {
            let headers = headers(&[(RANGE, "bytes=1-2"), (IF_RANGE, condition)]);
            let span = validators().span(&headers, 10);
            assert_eq!(span != Span::Whole, ranges, "{condition}");
        }
    }

    /// A copy is good by its tag, and by its date only when no tag is asked about.
    #[test]
    fn knows_a_good_copy() {
        let table: &[(&[(HeaderName, &'static str)], bool)] = &[
            (&[], false),
            (&[(IF_NONE_MATCH, "\"tag\"")], true),
            (&[(IF_NONE_MATCH, "W/\"tag\"")], true),
            (&[(IF_NONE_MATCH, "\"a\", \"tag\"")], true),
            (&[(IF_NONE_MATCH, "*")], true),
            (&[(IF_NONE_MATCH, "\"a\"")], false),
            (
                &[(IF_NONE_MATCH, "\"a\""), (IF_MODIFIED_SINCE, MODIFIED)],
                false,
            ),
            (&[(IF_MODIFIED_SINCE, MODIFIED)], true),
            (
                &[(IF_MODIFIED_SINCE, "Sun, 06 Nov 1994 08:49:36 GMT")],
                false,
            ),
            (&[(IF_MODIFIED_SINCE, "never")], false),
        ];
        for (fields, good) in table {
            assert_eq!(
                validators().match_copy(&headers(fields)),
                *good,
                "{fields:?}"
            );
        }
    }

    /// File times that no HTTP date can say are left out instead of making one up.
    #[test]
    fn leaves_out_impossible_dates() {
        assert_eq!(whole_seconds(-1), None);
        assert_eq!(whole_seconds(i64::MAX), None);
        assert_eq!(
            httpdate::fmt_http_date(whole_seconds(MODIFIED_S).unwrap()),
            MODIFIED
        );
    }
}
