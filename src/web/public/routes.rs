//! Which request gets which answer.
//!
//! | path | answer |
//! |---|---|
//! | `/healthz` | `{"status":"ok","version":"...", figure: number, ...}`; `"stopping"` and 503 while stopping |
//! | `/rooms`, `/rooms/` | members of the room of plain `/ws`: `{"room":"","members":N}` |
//! | `/rooms/<room>` | members of the room of `/ws/<room>`, percent-decoded; 404 if there is no such room |
//! | either | 401, 403 or 503 for whoever may not know |
//! | `/ws`, `/ws/<room>` | 426: these are for WebSockets, which a shard answers |
//! | `/ws`, `/ws/<room>` with OPTIONS | 204, or what an upgrade of this page would be refused with |
//! | any other with OPTIONS | 204 and `Allow` |
//! | anything else | a file of `--static`, or of the embedded page |

use std::os::fd::OwnedFd;

use hyper::header::{AUTHORIZATION, CONNECTION, HOST, HeaderValue, UPGRADE};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode, Version};
use serde_json::json;

use super::cors;
use super::page;
use super::site::{Backend, Members, Site};
use super::target::{Target, TargetError};
use crate::config::Config;
use crate::config::chat::doors::{Door, Entry, Pass};
use crate::metrics::LOG_LINES_LOST;
use crate::web::http::gate::policy;
use crate::web::http::reply::{self, Reply};
use crate::web::http::responder::{Reception, Responder};
use crate::wire::handshake::{self, Endpoint};
use crate::wire::http::{self, HttpError, Refusal};
use crate::wire::percent;

impl<B: Backend> Responder for Site<B> {
    fn reception(&self) -> &Reception {
        &self.reception
    }

    async fn answer(&self, request: &Parts) -> Reply {
        let mut reply = answer_method(self, request).await;
        if cors::is_shared(request.uri.path()) {
            let allow_origin = &self.reception.config.allow_origin;
            cors::share(allow_origin, &request.headers, &mut reply);
        }
        reply
    }

    fn adopt(&self, socket: OwnedFd, bytes: Vec<u8>) {
        self.backend.adopt(socket, bytes);
    }
}

async fn answer_method<B: Backend>(site: &Site<B>, request: &Parts) -> Reply {
    let method = &request.method;
    if request.version == Version::HTTP_11 && request.headers.get_all(HOST).iter().count() != 1 {
        let text = "The request has no Host header, or several: send one (RFC 9112 section 3.2).\n";
        return reply::sentence(method, StatusCode::BAD_REQUEST, text);
    }
    match *method {
        Method::GET | Method::HEAD => answer_path(site, request).await,
        Method::OPTIONS => answer_question(site, request),
        _ => reply::method_not_allowed(method),
    }
}

/// Answers OPTIONS: a WebSocket's address says what an upgrade of the asking page would get, since
/// browsers do not tell pages; any other says that it is there, as the plain health check of
/// HAProxy wants to hear.
fn answer_question<B: Backend>(site: &Site<B>, request: &Parts) -> Reply {
    let (config, method) = (&site.reception.config, &request.method);
    let path = request.uri.path();
    if !(path == "/ws" || path.starts_with("/ws/") || (path == "/echo" && config.echo)) {
        return reply::methods();
    }
    let policy = policy(config);
    let head = write_head(request);
    let judged = http::parse_head(&head)
        .map_err(HttpError::refusal)
        .and_then(|head| handshake::judge(&head, &policy));
    match judged {
        Err(refusal) => reply::refusal(method, &refusal),
        Ok(endpoint) if is_closed(config, &endpoint, request) => {
            reply::refusal(method, &Refusal::outside(403))
        }
        Ok(_) if site.reception.is_stopping() => reply::refusal(method, &Refusal::stopping()),
        Ok(_) if site.is_full() => reply::refusal(method, &Refusal::busy()),
        Ok(_) => reply::methods(),
    }
}

/// Whether a room is closed to who shows no token. What a token opens a shard knows, which has the keys.
fn is_closed(config: &Config, endpoint: &Endpoint, request: &Parts) -> bool {
    let Endpoint::Room(name) = endpoint else {
        return false;
    };
    let chat = &config.chat;
    token(request).is_none()
        && !chat.is_playground()
        && chat.entry(Door::Plain, name, Pass::Nothing) == Entry::Refused
}

/// The token that a request shows.
fn token(request: &Parts) -> Option<String> {
    let authorization = request.headers.get(AUTHORIZATION);
    let query = request.uri.query().unwrap_or_default();
    handshake::token(query, authorization.map(HeaderValue::as_bytes))
}

/// A request head as it may have been received: field names in lower case, everything else as
/// it was.
fn write_head(request: &Parts) -> Vec<u8> {
    let version = if request.version == Version::HTTP_10 {
        "HTTP/1.0"
    } else {
        "HTTP/1.1"
    };
    let mut head = format!("{} {} {version}\r\n", request.method, request.uri).into_bytes();
    for (name, value) in &request.headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

async fn answer_path<B: Backend>(site: &Site<B>, request: &Parts) -> Reply {
    let method = &request.method;
    // Rooms are no files: their names may begin with a dot.
    if let Some(name) = request.uri.path().strip_prefix("/rooms/") {
        return match percent::decode(name).map(|name| String::from_utf8(name.into_owned())) {
            Some(Ok(room)) => members(site, request, &room).await,
            _ => page::not_found(method, request.uri.path()),
        };
    }
    let target = match Target::parse(request.uri.path()) {
        Ok(target) => target,
        Err(TargetError::Encoding) => {
            let text = "A % in the path is not followed by two hexadecimal digits.\n";
            return reply::sentence(method, StatusCode::BAD_REQUEST, text);
        }
        Err(TargetError::Segment) => return page::not_found(method, request.uri.path()),
    };
    if let Some(path) = target.texts() {
        match path.as_slice() {
            ["healthz"] if !target.is_folder => return health(site, method),
            ["rooms"] => return members(site, request, "").await,
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
        None => page::not_found(method, request.uri.path()),
    }
}

/// 426 (RFC 9110 section 15.5.22), for a plain request to a WebSocket's address and for an
/// upgrade that a shard did not take.
fn upgrade_required(method: &Method) -> Reply {
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
    let (status, word) = if site.reception.is_stopping() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping")
    } else {
        (StatusCode::OK, "ok")
    };
    // Written by hand to keep the order: all names and words here are plain identifiers.
    let version = env!("CARGO_PKG_VERSION");
    let own = [("log_lines_lost", LOG_LINES_LOST.get())];
    let figures = site.reception.places.figures().into_iter().chain(own);
    let figures = figures.chain(site.reception.refusals.figures());
    let mut text = format!("{{\"status\":\"{word}\",\"version\":\"{version}\"");
    for (name, figure) in figures.chain(site.backend.health()) {
        text.push_str(&format!(",\"{name}\":{figure}"));
    }
    text.push('}');
    reply::json(method, status, text)
}

async fn members<B: Backend>(site: &Site<B>, request: &Parts, room: &str) -> Reply {
    let method = &request.method;
    let (status, count) = match site.backend.members(room, token(request)).await {
        Members::Count(count) => (StatusCode::OK, count),
        Members::NoRoom => (StatusCode::NOT_FOUND, 0),
        Members::Refused(status) => return reply::refusal(method, &Refusal::outside(status)),
    };
    let body = json!({ "room": room, "members": count });
    reply::json(method, status, body.to_string())
}
