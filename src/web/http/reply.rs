//! Answers before they are bound to a connection: the headers that all of them carry, and the small ones
//! that are not files.

use hyper::body::Bytes;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Response, StatusCode};

use super::body::Payload;
use crate::wire::http::Refusal;

/// For everything this program wrote itself: the page needs its own script, style, icon and
/// WebSocket, and nothing else. `'self'` covers `ws:` and `wss:` of the same host and port
/// (CSP level 3, section 6.7.2.8).
const STRICT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

/// The methods that are served, whatever the path.
pub(crate) const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// An answer before it is bound to its connection.
pub(crate) type Reply = Response<Payload>;

/// An answer with the headers that all have.
pub(crate) fn reply(status: StatusCode, payload: Payload) -> Reply {
    let mut reply = Response::new(payload);
    *reply.status_mut() = status;
    let policy = HeaderValue::from_static(STRICT_POLICY);
    let headers = reply.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    reply
}

/// An answer from memory. For HEAD it has the length but not the bytes.
pub(crate) fn bytes(
    method: &Method,
    status: StatusCode,
    content_type: &'static str,
    content: impl Into<Bytes>,
) -> Reply {
    let content = content.into();
    let length = content.len();
    let is_head = method == Method::HEAD;
    let payload = if is_head {
        Payload::Empty
    } else {
        Payload::Bytes(content)
    };
    let mut reply = reply(status, payload);
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    reply
}

/// A JSON answer that nobody may keep.
pub(crate) fn json(method: &Method, status: StatusCode, text: String) -> Reply {
    let mut reply = bytes(method, status, "application/json", text);
    reply
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// One sentence as plain text.
pub(crate) fn sentence(method: &Method, status: StatusCode, text: &'static str) -> Reply {
    bytes(method, status, "text/plain; charset=utf-8", text)
}

/// 304: the client's copy is good.
pub(crate) fn not_modified() -> Reply {
    reply(StatusCode::NOT_MODIFIED, Payload::Empty)
}

/// 412: what the request wants is not there any more.
pub(crate) fn precondition_failed(method: &Method) -> Reply {
    let text = "This has changed since the request's If- header was made: ask without it.\n";
    sentence(method, StatusCode::PRECONDITION_FAILED, text)
}

/// What an upgrade would be refused with, for whoever asks beforehand.
pub(crate) fn refusal(method: &Method, refusal: &Refusal) -> Reply {
    let status = StatusCode::from_u16(refusal.status).expect("refusals have a 4xx or 5xx status");
    let text = format!("{}\n", refusal.body);
    let mut reply = bytes(method, status, "text/plain; charset=utf-8", text);
    for (name, value) in &refusal.headers {
        let value = HeaderValue::try_from(value).expect("refusals' fields are visible ASCII");
        reply.headers_mut().insert(*name, value);
    }
    reply
}

/// 405 for everything but GET, HEAD and OPTIONS.
pub(crate) fn method_not_allowed(method: &Method) -> Reply {
    let text = "Only GET, HEAD and OPTIONS are served here.\n";
    let mut reply = sentence(method, StatusCode::METHOD_NOT_ALLOWED, text);
    reply.headers_mut().insert(ALLOW, METHODS);
    reply
}

/// 204 with the methods there are.
pub(crate) fn methods() -> Reply {
    let mut reply = reply(StatusCode::NO_CONTENT, Payload::Empty);
    reply.headers_mut().insert(ALLOW, METHODS);
    reply
}
