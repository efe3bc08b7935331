//! A request's path, taken apart and percent-decoded once, so that nobody downstream sees an
//! encoded, dotted or empty segment.

use crate::wire::percent;

/// The one name with a dot in front that is meant for everybody (RFC 8615), at the start of a path.
const WELL_KNOWN: &[u8] = b".well-known";

/// A path without anything that could point outside or at a hidden file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Decoded segments: none is empty, starts with a dot, or holds `/` or NUL, but for a
    /// `.well-known` in front.
    pub(super) segments: Vec<Vec<u8>>,
    /// Whether the path ended in `/`.
    pub(super) is_folder: bool,
}

/// Why a path names nothing here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum TargetError {
    /// A `%` without two hexadecimal digits after it (RFC 3986 section 2.1).
    #[error("the path has a % that is not followed by two hexadecimal digits")]
    Encoding,
    /// A segment that is empty, hidden, or could not be a file name.
    #[error("the path has a segment that names no file")]
    Segment,
}

impl Target {
    /// Parses the path of a request target, which has no query any more.
    pub(super) fn parse(path: &str) -> Result<Self, TargetError> {
        let path = path.strip_prefix('/').ok_or(TargetError::Segment)?;
        if path.is_empty() {
            return Ok(Self {
                segments: Vec::new(),
                is_folder: true,
            });
        }
        let (path, is_folder) = match path.strip_suffix('/') {
            Some(path) => (path, true),
            None => (path, false),
        };
        let segments = (path.split('/').enumerate())
            .map(|(place, segment)| parse_segment(place, segment))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            segments,
            is_folder,
        })
    }

    /// The segments as text, or `None` if one is not UTF-8.
    pub(super) fn texts(&self) -> Option<Vec<&str>> {
        self.segments
            .iter()
            .map(|segment| std::str::from_utf8(segment).ok())
            .collect()
    }
}

fn parse_segment(place: usize, segment: &str) -> Result<Vec<u8>, TargetError> {
    let segment = percent::decode(segment)
        .ok_or(TargetError::Encoding)?
        .into_owned();
    if place == 0 && segment == WELL_KNOWN {
        return Ok(segment);
    }
    match segment.first() {
        None | Some(b'.') => Err(TargetError::Segment),
        _ if segment.iter().any(|byte| matches!(byte, b'/' | 0)) => Err(TargetError::Segment),
        _ => Ok(segment),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(path: &str) -> Result<(Vec<String>, bool), TargetError> {
        let target = Target::parse(path)?;
        let texts = target
            .texts()
            .unwrap()
            .into_iter()
            .map(String::from)
            .collect();
        Ok((texts, target.is_folder))
    }

    /// Goal: ordinary paths come apart into decoded segments.
    #[test]
    fn decodes_ordinary_paths() {
        assert_eq!(texts("/"), Ok((vec![], true)));
        assert_eq!(texts("/a"), Ok((vec!["a".into()], false)));
        assert_eq!(
            texts("/a/b%20c/"),
            Ok((vec!["a".into(), "b c".into()], true))
        );
        assert_eq!(texts("/%C3%A9%2b"), Ok((vec!["é+".into()], false)));
        assert_eq!(texts("/a..b"), Ok((vec!["a..b".into()], false)));
        for path in ["/.well-known/x.txt", "/%2ewell-known/x.txt"] {
            let expected = vec![".well-known".into(), "x.txt".into()];
            assert_eq!(texts(path), Ok((expected, false)), "{path}");
        }
    }

    /// Goal: nothing hidden, empty, or pointing upwards gets through, however it is written.
    #[test]
    fn refuses_what_could_point_elsewhere() {
        let paths = [
            "",
            "a",
            "*",
            "//",
            "//a",
            "/a//b",
            "/a//",
            "/..",
            "/../a",
            "/a/..",
            "/a/../b",
            "/.",
            "/./a",
            "/.git",
            "/a/.env",
            "/%2e%2e",
            "/%2E%2e/a",
            "/.%2e/a",
            "/a%2fb",
            "/..%2fa",
            "/%2f",
            "/a%00b",
            "/%2egit/",
            "/.well-known/.git",
            "/.well-known/../a",
            "/a/.well-known/x",
            "/.well-knownx",
            "/.Well-Known/x",
        ];
        for path in paths {
            assert_eq!(texts(path), Err(TargetError::Segment), "{path}");
        }
        for path in ["/%", "/%2", "/%zz", "/a%+1", "/%2%65"] {
            assert_eq!(texts(path), Err(TargetError::Encoding), "{path}");
        }
    }

    /// Goal: a segment that is no UTF-8 can still name a file, but no room.
    #[test]
    fn keeps_bytes_that_are_no_text() {
        let target = Target::parse("/%ff").unwrap();
        assert_eq!(target.segments, [vec![0xff]]);
        assert_eq!(target.texts(), None);
    }
}
