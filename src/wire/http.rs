//! HTTP/1.1 request heads, whole or arriving, and the short responses that refuse one (RFC 9112).
//!
//! Only the head of a connection's first request is read here; the web thread's HTTP server
//! does the rest.

mod error;
mod refusal;
mod start;

pub use self::error::{HEADERS_MAX, HttpError};
pub use self::refusal::Refusal;
pub(crate) use self::refusal::shown;
pub use self::start::check_start;

/// Looks for a request head in `bytes`, which have only begun to arrive: gives how many of them belong to it, once
/// it is whole. What can become no head is told at once, so that nobody waits for an answer.
///
/// `scanned` is how many of `bytes` an earlier call has seen.
///
/// # Errors
/// [`HttpError::HeadTooLong`] beyond `head_bytes_max`, or what [`check_start`] says.
pub(crate) fn find_head(
    bytes: &[u8],
    scanned: usize,
    head_bytes_max: usize,
) -> Result<Option<usize>, HttpError> {
    check_start(bytes, scanned)?;
    let end = head_end(bytes, scanned);
    if end.unwrap_or(bytes.len() + 1) > head_bytes_max {
        return Err(HttpError::HeadTooLong { head_bytes_max });
    }
    Ok(end)
}

/// Finds the end of the request head: how many of `bytes` belong to it, the empty line included.
///
/// `scanned` is how many of `bytes` an earlier call has seen without finding the end, so that a
/// head that arrives byte by byte is still read in linear time. As `httparse`, it takes a bare LF for a
/// line's end and skips an empty line before the request line (RFC 9112 section 2.2).
#[must_use]
pub fn head_end(bytes: &[u8], scanned: usize) -> Option<usize> {
    // The last line's LF, and a CR after it, may be the last bytes the earlier call saw.
    let start = scanned.saturating_sub(2);
    for (index, _) in bytes
        .iter()
        .enumerate()
        .skip(start)
        .filter(|&(_, &byte)| byte == b'\n')
    {
        if matches!(&bytes[..index], b"" | b"\r" | b"\n") {
            continue;
        }
        match bytes[index + 1..] {
            [b'\n', ..] => return Some(index + 2),
            [b'\r', b'\n', ..] => return Some(index + 3),
            _ => {}
        }
    }
    None
}

/// A request head, borrowed from the bytes it was read from.
#[derive(Debug)]
pub struct Head<'a> {
    /// As sent; methods are case-sensitive.
    pub method: &'a str,
    /// The request target as sent, see `Head::path`.
    pub target: &'a str,
    /// 1 for HTTP/1.1, 0 for HTTP/1.0.
    pub minor: u8,
    /// Length of the head in bytes, the empty line included.
    pub bytes: usize,
    headers: [httparse::Header<'a>; HEADERS_MAX],
    header_count: usize,
}

impl<'a> Head<'a> {
    /// The target up to its query, not percent-decoded. The scheme and authority of an
    /// absolute target are left out.
    #[must_use]
    pub(crate) fn path(&self) -> &'a str {
        self.path_and_query().0
    }

    /// What stands behind the target's first `?`; empty without one.
    #[must_use]
    pub(crate) fn query(&self) -> &'a str {
        self.path_and_query().1
    }

    /// Every header field in order: name as sent, value without surrounding blanks.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.fields()
            .iter()
            .map(|header| (header.name, header.value))
    }

    /// The values of all header fields called `name`, in any case.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        values(self.fields(), name)
    }

    /// The value of the first header field called `name`, in any case.
    #[must_use]
    pub(crate) fn header(&self, name: &str) -> Option<&'a [u8]> {
        values(self.fields(), name).next()
    }

    /// How many header fields are called `name`, in any case.
    #[must_use]
    pub(crate) fn header_count(&self, name: &str) -> usize {
        values(self.fields(), name).count()
    }

    /// Whether the comma-separated list that all header fields called `name` make up together has
    /// `token` in it, in any case (RFC 9110 section 5.6.1).
    #[must_use]
    pub(crate) fn has_token(&self, name: &str, token: &str) -> bool {
        has_token(self.fields(), name, token)
    }

    /// Whether the request announces a body of at least a byte, or of a length we can't tell.
    #[must_use]
    pub(crate) fn has_body(&self) -> bool {
        self.header_count("Transfer-Encoding") > 0
            || self
                .values("Content-Length")
                .any(|value| value.is_empty() || value.iter().any(|&digit| digit != b'0'))
    }

    /// Checks that it is clear where the request's body ends (RFC 9112 section 6.3).
    ///
    /// # Errors
    /// [`HttpError::Malformed`].
    pub(crate) fn check_body(&self) -> Result<(), HttpError> {
        let mut codings = self.values("Transfer-Encoding").peekable();
        let mut lengths = self.values("Content-Length");
        if codings.peek().is_some() {
            let is_chunked = codings.all(|coding| coding.eq_ignore_ascii_case(b"chunked"));
            if !is_chunked || self.minor < 1 || lengths.next().is_some() {
                return Err(HttpError::Malformed(
                    "a body must have a Content-Length, or, with HTTP/1.1, Transfer-Encoding: chunked",
                ));
            }
        }
        let Some(first) = lengths.next() else {
            return Ok(());
        };
        let is_number =
            !first.is_empty() && first.len() <= 18 && first.iter().all(u8::is_ascii_digit);
        if !is_number || lengths.any(|other| other != first) {
            return Err(HttpError::Malformed("Content-Length must be one number"));
        }
        Ok(())
    }

    fn fields(&self) -> &[httparse::Header<'a>] {
        &self.headers[..self.header_count]
    }

    fn path_and_query(&self) -> (&'a str, &'a str) {
        let relative = match self.target.split_once("://") {
            Some((scheme, rest)) if scheme.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
                rest.find(['/', '?']).map_or("", |start| &rest[start..])
            }
            _ => self.target,
        };
        let (path, query) = relative.split_once('?').unwrap_or((relative, ""));
        if path.is_empty() {
            ("/", query)
        } else {
            (path, query)
        }
    }
}

/// The values of all header fields called `name`, in any case.
pub(super) fn values<'a>(
    headers: &[httparse::Header<'a>],
    name: &str,
) -> impl Iterator<Item = &'a [u8]> {
    headers
        .iter()
        .filter(move |field| field.name.eq_ignore_ascii_case(name))
        .map(|field| field.value)
}

/// Whether the list that all header fields called `name` make up has `token` in it, in any case.
pub(super) fn has_token(headers: &[httparse::Header<'_>], name: &str, token: &str) -> bool {
    values(headers, name)
        .flat_map(|value| value.split(|&byte| byte == b','))
        .any(|element| element.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

/// Reads a head that is whole, see `find_head`; bytes after its end are not looked at.
///
/// # Errors
/// An [`HttpError`] when it is malformed, cut, has too many header fields, or is of another version.
pub fn parse_head(bytes: &[u8]) -> Result<Head<'_>, HttpError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let bytes_parsed = match request.parse(bytes) {
        Ok(httparse::Status::Complete(bytes_parsed)) => bytes_parsed,
        Ok(httparse::Status::Partial) => {
            return Err(HttpError::Malformed("it must end with an empty line"));
        }
        Err(error) => return Err(explain(error)),
    };
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version)
    else {
        return Err(HttpError::Malformed("it must begin with a request line"));
    };
    let header_count = request.headers.len();
    Ok(Head {
        method,
        target,
        minor,
        bytes: bytes_parsed,
        headers,
        header_count,
    })
}

fn explain(error: httparse::Error) -> HttpError {
    match error {
        httparse::Error::Version => HttpError::Version,
        httparse::Error::TooManyHeaders => HttpError::TooManyHeaders,
        httparse::Error::HeaderName => HttpError::Malformed(
            "each header line must be a name without spaces, a colon and a value",
        ),
        httparse::Error::HeaderValue => HttpError::Malformed(
            "header values must have no control characters and no folded lines",
        ),
        httparse::Error::NewLine => HttpError::Malformed("each line must end with CR LF"),
        httparse::Error::Token | httparse::Error::Status => HttpError::Malformed(
            "the request line must be a method, a target and HTTP/1.1, with a space between",
        ),
    }
}

#[cfg(test)]
mod tests;
