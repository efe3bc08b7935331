//! Whether bytes that are only beginning to arrive can become a request at all.

use super::error::HttpError;

/// How far a request is judged as it arrives, in bytes: longer request lines wait for their head's end. A bound, so
/// that bytes that arrive one by one are judged in linear time.
const JUDGED_BYTES_MAX: usize = 1024;
/// Line ends before a request line, in bytes; one empty line is to be passed over (RFC 9112 section 2.2).
const BLANK_BYTES_MAX: usize = 4;
/// The longest method; the longest registered one has 17 bytes.
const METHOD_BYTES_MAX: usize = 32;

/// Judges the beginning of a request line: its method as soon as it has a byte, its version as soon as it is there.
/// `scanned` is how many of `bytes` an earlier call has seen.
///
/// # Errors
/// [`HttpError::NoHttp`] when no more bytes can make a request of it, [`HttpError::Version`] when it is one of another
/// version, such as HTTP/2's.
pub fn check_start(bytes: &[u8], scanned: usize) -> Result<(), HttpError> {
    if scanned >= JUDGED_BYTES_MAX {
        return Ok(());
    }
    let bytes = &bytes[..bytes.len().min(JUDGED_BYTES_MAX)];
    let blank = bytes.iter().take_while(|byte| b"\r\n".contains(byte));
    let blank = blank.count();
    if blank > BLANK_BYTES_MAX {
        return Err(HttpError::NoHttp);
    }
    let line = &bytes[blank..];
    let method = line.iter().take_while(|&&byte| is_token(byte)).count();
    match line.get(method) {
        None if method <= METHOD_BYTES_MAX => return Ok(()),
        Some(b' ') if (1..=METHOD_BYTES_MAX).contains(&method) => {}
        _ => return Err(HttpError::NoHttp),
    }
    let Some(end) = line.iter().position(|&byte| byte == b'\n') else {
        return Ok(());
    };
    check_version(line[..end].strip_suffix(b"\r").unwrap_or(&line[..end]))
}

/// Whether the request line ends as one of HTTP/1.x; what stands between is judged with the whole head.
fn check_version(line: &[u8]) -> Result<(), HttpError> {
    let version = line.rsplit(|&byte| byte == b' ').next();
    match version.and_then(|version| version.strip_prefix(b"HTTP/")) {
        Some(b"1.1" | b"1.0") => Ok(()),
        Some(_) => Err(HttpError::Version),
        None => Err(HttpError::NoHttp),
    }
}

/// What methods are made of (RFC 9110 section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
