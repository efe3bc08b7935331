//! The client's side of the opening handshake (RFC 6455 section 4.1), for the load generator and
//! for tests.

use thiserror::Error;

use super::key::accept_key;
use crate::wire::http::{self, HEADERS_MAX};

/// Why a server's answer opens no session.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum AnswerError {
    /// The response head is cut; see [`http::head_end`].
    #[error("the server's response head is incomplete")]
    Incomplete,
    /// Not an HTTP/1.x response.
    #[error("the server's response is not well-formed HTTP/1.1")]
    Malformed,
    /// Any status but 101.
    #[error("the server answered with status {0}, not 101")]
    Status(u16),
    /// `Upgrade` or `Connection` is missing or says something else.
    #[error("the server's response has no \"Upgrade: websocket\" with \"Connection: Upgrade\"")]
    NoUpgrade,
    /// The accept value belongs to another key.
    #[error("the server's Sec-WebSocket-Accept does not match the key")]
    WrongAccept,
    /// An extension or subprotocol that was not asked for.
    #[error("the server selected an extension or subprotocol that was not offered")]
    NotOffered,
}

/// Appends an upgrade request. `key_base64` is base64 of 16 random bytes.
pub fn client_request(host: &str, path: &str, key_base64: &str, out: &mut Vec<u8>) {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {key_base64}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    out.extend_from_slice(request.as_bytes());
}

/// Checks the server's answer to a request with `key_base64` and gives the length of its head; the
/// bytes after it are frames. Of the `subprotocols` offered the server may select one.
///
/// # Errors
/// [`AnswerError::Incomplete`] when the head is cut, the others when the connection must fail.
pub fn check_answer(
    response: &[u8],
    key_base64: &str,
    subprotocols: &[String],
) -> Result<usize, AnswerError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Response::new(&mut headers);
    let head_bytes = match parsed.parse(response) {
        Ok(httparse::Status::Complete(bytes)) => bytes,
        Ok(httparse::Status::Partial) => return Err(AnswerError::Incomplete),
        Err(_) => return Err(AnswerError::Malformed),
    };
    match parsed.code {
        Some(101) => {}
        Some(status) => return Err(AnswerError::Status(status)),
        None => return Err(AnswerError::Malformed),
    }
    let headers = &*parsed.headers;
    if !http::has_token(headers, "Upgrade", "websocket")
        || !http::has_token(headers, "Connection", "upgrade")
    {
        return Err(AnswerError::NoUpgrade);
    }
    let expected = accept_key(key_base64.as_bytes());
    let mut accepts = http::values(headers, "Sec-WebSocket-Accept");
    if accepts.next() != Some(&expected) || accepts.next().is_some() {
        return Err(AnswerError::WrongAccept);
    }
    let selected = http::values(headers, "Sec-WebSocket-Protocol");
    let mut unasked =
        selected.filter(|name| subprotocols.iter().all(|offer| offer.as_bytes() != *name));
    let mut extensions = http::values(headers, "Sec-WebSocket-Extensions");
    if unasked.next().is_some() || extensions.next().is_some() {
        return Err(AnswerError::NotOffered);
    }
    Ok(head_bytes)
}
