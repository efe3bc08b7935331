//! Conditional and range requests (RFC 9110 sections 13 and 14): what the headers of a request
//! ask of a representation with a given ETag, age and size. Knows no file and no socket.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::header::{
    HeaderMap, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, RANGE,
};

/// What identifies one state of a representation.
#[derive(Debug, Clone)]
pub(crate) struct Validators {
    /// A strong entity tag, quotes included.
    pub(crate) etag: String,
    /// Last change, in whole seconds, as far as it is known.
    pub(crate) modified: Option<SystemTime>,
}

/// Which bytes of a representation are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Span {
    /// All of them, with status 200.
    Whole,
    /// `length` bytes from `start` on, with status 206.
    Part { start: u64, length: u64 },
    /// None that exist: status 416.
    Unsatisfiable,
}

/// What the conditions of a request come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is answered as if there were none.
    Proceed,
    /// The client's copy is still good: status 304.
    NotModified,
    /// The representation is not in the state it is wanted in: status 412.
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Weak,
    Strong,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Later,
    NotLater,
}

/// A member of a list of entity tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag<'a> {
    /// `*`: whatever there is.
    Any,
    Strong(&'a [u8]),
    Weak(&'a [u8]),
}

impl Validators {
    /// What the conditions of a GET or HEAD come to, in the order of RFC 9110 section 13.2.2.
    /// A date that cannot be read, or that there is nothing to compare with, is no condition.
    pub(crate) fn judge(&self, headers: &HeaderMap) -> Verdict {
        let is_wanted = match tags(headers, &IF_MATCH) {
            Some(mut tags) => tags.any(|tag| self.is(tag, Comparison::Strong)),
            None => (self.compare_date(headers, &IF_UNMODIFIED_SINCE))
                .is_none_or(|change| change != Change::Later),
        };
        if !is_wanted {
            return Verdict::Failed;
        }
        let is_known = match tags(headers, &IF_NONE_MATCH) {
            Some(mut tags) => tags.any(|tag| self.is(tag, Comparison::Weak)),
            None => (self.compare_date(headers, &IF_MODIFIED_SINCE))
                .is_some_and(|change| change != Change::Later),
        };
        if is_known {
            Verdict::NotModified
        } else {
            Verdict::Proceed
        }
    }

    /// Whether `tag` means this state (section 8.8.3.2); the own tag is strong.
    fn is(&self, tag: Tag<'_>, comparison: Comparison) -> bool {
        match tag {
            Tag::Any => true,
            Tag::Strong(tag) => tag == self.etag.as_bytes(),
            Tag::Weak(tag) => comparison == Comparison::Weak && tag == self.etag.as_bytes(),
        }
    }

    /// When the last change was, beside the date in a header field.
    fn compare_date(&self, headers: &HeaderMap, name: &HeaderName) -> Option<Change> {
        let (modified, date) = (self.modified?, date(headers, name)?);
        Some(if modified > date {
            Change::Later
        } else {
            Change::NotLater
        })
    }

    /// Which bytes of `size` the headers of a GET ask for. A range that is malformed, of
    /// another unit, one of several, or meant for another state is ignored.
    pub(crate) fn span(&self, headers: &HeaderMap, size: u64) -> Span {
        let Some(range) = headers.get(RANGE).and_then(|value| value.to_str().ok()) else {
            return Span::Whole;
        };
        if headers.contains_key(IF_RANGE) && !self.match_range(headers) {
            return Span::Whole;
        }
        parse_range(range, size)
    }

    /// `If-Range` compares strongly, and a date only exactly (RFC 9110 section 13.1.5).
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
pub(crate) fn whole_seconds(seconds: i64) -> Option<SystemTime> {
    const YEAR_10000: u64 = 253_402_300_800;
    let seconds = u64::try_from(seconds)
        .ok()
        .filter(|&seconds| seconds < YEAR_10000)?;
    Some(UNIX_EPOCH + Duration::from_secs(seconds))
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

/// The entity tags in all fields of this name together, or `None` if there is no such field.
fn tags<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<impl Iterator<Item = Tag<'a>>> {
    let fields = headers.get_all(name);
    (headers.contains_key(name)).then(|| fields.iter().flat_map(|field| tags_of(field.as_bytes())))
}

/// The tags of one list (section 8.8.3); it ends where it cannot be understood. Commas may stand
/// inside of a tag.
fn tags_of(mut list: &[u8]) -> impl Iterator<Item = Tag<'_>> {
    std::iter::from_fn(move || {
        let is_between = |&byte: &u8| matches!(byte, b' ' | b'\t' | b',');
        let start = list.iter().position(|byte| !is_between(byte))?;
        list = &list[start..];
        if let Some(rest) = list.strip_prefix(b"*") {
            list = rest;
            return Some(Tag::Any);
        }
        let weak = list.strip_prefix(b"W/");
        let quoted = weak.unwrap_or(list);
        let inside = quoted.strip_prefix(b"\"")?;
        let length = inside.iter().position(|&byte| byte == b'"')? + 2;
        let (tag, rest) = quoted.split_at(length);
        list = rest;
        Some(weak.map_or(Tag::Strong(tag), |_| Tag::Weak(tag)))
    })
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
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    /// Goal: ranges are read as in the table of RFC 9110 section 14.1.2, and what must be ignored
    /// is.
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

    /// Goal: no part is sent of another state than the client's copy, which it would corrupt.
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

    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    /// Goal: the steps of RFC 9110 section 13.2.2 are kept, each alone and before those it goes
    /// before.
    #[test]
    fn judges_in_order() {
        use Verdict::{Failed, NotModified, Proceed};
        type Fields = &'static [(HeaderName, &'static str)];
        let table: &[(Fields, Verdict)] = &[
            (&[], Proceed),
            // Step 1: If-Match, strongly.
            (&[(IF_MATCH, "\"tag\"")], Proceed),
            (&[(IF_MATCH, "*")], Proceed),
            (&[(IF_MATCH, "\"a\", \"tag\"")], Proceed),
            (&[(IF_MATCH, "\"a\""), (IF_MATCH, "\"tag\"")], Proceed),
            (&[(IF_MATCH, "\"a,b\",\t\"tag\"")], Proceed),
            (&[(IF_MATCH, "\"a\"")], Failed),
            (&[(IF_MATCH, "W/\"tag\"")], Failed),
            (&[(IF_MATCH, "\"a, \"tag\"\"")], Failed),
            (&[(IF_MATCH, "tag")], Failed),
            (&[(IF_MATCH, "")], Failed),
            // Step 2: If-Unmodified-Since, but only without If-Match.
            (&[(IF_UNMODIFIED_SINCE, MODIFIED)], Proceed),
            (&[(IF_UNMODIFIED_SINCE, AFTER)], Proceed),
            (&[(IF_UNMODIFIED_SINCE, BEFORE)], Failed),
            (&[(IF_UNMODIFIED_SINCE, "never")], Proceed),
            (
                &[(IF_MATCH, "\"tag\""), (IF_UNMODIFIED_SINCE, BEFORE)],
                Proceed,
            ),
            // Step 3: If-None-Match, weakly.
            (&[(IF_NONE_MATCH, "\"tag\"")], NotModified),
            (&[(IF_NONE_MATCH, "W/\"tag\"")], NotModified),
            (&[(IF_NONE_MATCH, "\"a\", \"tag\"")], NotModified),
            (&[(IF_NONE_MATCH, "*")], NotModified),
            (&[(IF_NONE_MATCH, "\"a\"")], Proceed),
            (&[(IF_NONE_MATCH, "\"x,\"tag\"")], Proceed),
            // Step 4: If-Modified-Since, but only without If-None-Match.
            (&[(IF_MODIFIED_SINCE, MODIFIED)], NotModified),
            (&[(IF_MODIFIED_SINCE, AFTER)], NotModified),
            (&[(IF_MODIFIED_SINCE, BEFORE)], Proceed),
            (&[(IF_MODIFIED_SINCE, "never")], Proceed),
            (
                &[(IF_NONE_MATCH, "\"a\""), (IF_MODIFIED_SINCE, MODIFIED)],
                Proceed,
            ),
            // What is wanted comes before what is known.
            (&[(IF_MATCH, "\"a\""), (IF_NONE_MATCH, "\"tag\"")], Failed),
            (
                &[(IF_MATCH, "\"tag\""), (IF_NONE_MATCH, "\"tag\"")],
                NotModified,
            ),
            (
                &[(IF_UNMODIFIED_SINCE, BEFORE), (IF_MODIFIED_SINCE, MODIFIED)],
                Failed,
            ),
        ];
        for (fields, verdict) in table {
            assert_eq!(validators().judge(&headers(fields)), *verdict, "{fields:?}");
        }
    }

    /// Goal: without a date of change, conditions on it are passed over (sections 13.1.3 and
    /// 13.1.4).
    #[test]
    fn dates_need_a_date() {
        let undated = Validators {
            modified: None,
            ..validators()
        };
        for name in [IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE] {
            let headers = headers(&[(name, BEFORE)]);
            assert_eq!(undated.judge(&headers), Verdict::Proceed);
        }
    }

    /// Goal: file times that no HTTP date can say are left out instead of making one up.
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
