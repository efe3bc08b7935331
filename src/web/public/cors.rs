//! Which pages of other origins may read what `/healthz` and `/rooms` say (the Fetch standard,
//! section 3.2): those the operator lets connect, and without such a list nobody.

use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue, ORIGIN, VARY,
};

use crate::web::http::reply::{METHODS, Reply};
use crate::wire::handshake::is_listed;

/// How long a browser need not ask again whether it may ask, in seconds.
const PREFLIGHT_SECONDS: HeaderValue = HeaderValue::from_static("600");

/// Whether pages of other origins may ask for `path`.
pub(super) fn is_shared(path: &str) -> bool {
    matches!(path, "/healthz" | "/rooms") || path.starts_with("/rooms/")
}

/// Adds to an answer what lets a listed page read it, and tells caches on what that depends.
pub(super) fn share(allow_origin: &[String], request: &HeaderMap, reply: &mut Reply) {
    if allow_origin.is_empty() {
        return;
    }
    let headers = reply.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("Origin"));
    let mut origins = request.get_all(ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else {
        return;
    };
    if !is_listed(allow_origin, origin.as_bytes()) {
        return;
    }
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    if request.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
        headers.insert(ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS);
    }
}
