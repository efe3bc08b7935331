//! Which request gets which answer.
//!
//! | path | answer |
//! |---|---|
//! | `/healthz` | `{"status":"ok","version":"...", figure: number, ...}`; `"stopping"` and 503 while stopping |
//! | `/rooms`, `/rooms/` | members of the room of plain `/ws`: `{"room":"","members":N}` |
//! | `/rooms/<room>` | members of the room of `/ws/<room>`, percent-decoded; 404 if there is no such room |
//! | `/ws`, `/ws/<room>` | 426: these are for WebSockets, which a shard answers |
//! | any, with OPTIONS | 204 and `Allow` |
//! | anything else | a file of `--static`, or of the embedded page |

use hyper::header::{CONNECTION, HOST, HeaderValue, UPGRADE};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode, Version};
use serde_json::json;

use super::page;
use super::reply::{self, Reply};
use super::site::{Backend, Site};
use super::target::{Target, TargetError, percent_decode};
use crate::metrics::LOG_LINES_LOST;

/// Answers a request that is no upgrade.
pub(super) async fn answer<B: Backend>(site: &Site<B>, request: &Parts) -> Reply {
    let method = &request.method;
    if request.version == Version::HTTP_11 && request.headers.get_all(HOST).iter().count() != 1 {
        let text = "The request has no Host header, or several: send one (RFC 9112 section 3.2).\n";
        return reply::sentence(method, StatusCode::BAD_REQUEST, text);
    }
    match *method {
        Method::GET | Method::HEAD => {}
        // The plain health check of HAProxy, and whatever asks before it asks.
        Method::OPTIONS => return reply::methods(),
        _ => return reply::method_not_allowed(method),
    }
    // Rooms are no files: their names may begin with a dot.
    if let Some(name) = request.uri.path().strip_prefix("/rooms/") {
        return match percent_decode(name.as_bytes()).map(String::from_utf8) {
            Some(Ok(room)) => members(site, method, &room).await,
            _ => page::not_found(method),
        };
    }
    let target = match Target::parse(request.uri.path()) {
        Ok(target) => target,
        Err(TargetError::Encoding) => {
            let text = "A % in the path is not followed by two hexadecimal digits.\n";
            return reply::sentence(method, StatusCode::BAD_REQUEST, text);
        }
        Err(TargetError::Segment) => return page::not_found(method),
    };
    if let Some(path) = target.texts() {
        match path.as_slice() {
            ["healthz"] => return health(site, method),
            ["rooms"] => return members(site, method, "").await,
            ["ws"] | ["ws", _] => return upgrade_required(method),
            _ => {}
        }
        let is_file = !target.is_folder || path.is_empty();
        if site.folder.is_none()
            && is_file
            && let Some(reply) = page::answer(method, &path, &request.headers)
        {
            return reply;
        }
    }
    match &site.folder {
        Some(folder) => folder.answer(method, &request.uri, &request.headers, &target),
        None => page::not_found(method),
    }
}

/// 426 (RFC 9110, section 15.5.22), for a plain request to a WebSocket's address and for an
/// upgrade that a shard did not take.
pub(super) fn upgrade_required(method: &Method) -> Reply {
    let text = "This address is for WebSockets.\n";
    let mut reply = reply::sentence(method, StatusCode::UPGRADE_REQUIRED, text);
    reply
        .headers_mut()
        .insert(UPGRADE, HeaderValue::from_static("websocket"));
    reply
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    reply
}

fn health<B: Backend>(site: &Site<B>, method: &Method) -> Reply {
    let (status, word) = if site.is_stopping() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping")
    } else {
        (StatusCode::OK, "ok")
    };
    // Written by hand to keep the order: all names and words here are plain identifiers.
    let version = env!("CARGO_PKG_VERSION");
    let own = [("log_lines_lost", LOG_LINES_LOST.get())];
    let figures = site.places.figures().into_iter().chain(own);
    let mut text = format!("{{\"status\":\"{word}\",\"version\":\"{version}\"");
    for (name, figure) in figures.chain(site.backend.health()) {
        text.push_str(&format!(",\"{name}\":{figure}"));
    }
    text.push('}');
    reply::json(method, status, text)
}

async fn members<B: Backend>(site: &Site<B>, method: &Method, room: &str) -> Reply {
    let count = site.backend.members(room).await;
    let status = if count.is_some() {
        StatusCode::OK
    } else {
        StatusCode::NOT_FOUND
    };
    let body = json!({ "room": room, "members": count.unwrap_or(0) });
    reply::json(method, status, body.to_string())
}
