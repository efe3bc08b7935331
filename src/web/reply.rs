//! Answers: the body type hyper sends, the headers every answer carries, and the small answers
//! that are not files.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Response, StatusCode};

use super::files::FileBody;
use super::link::Activity;
use crate::wire::http::Refusal;

/// For everything this program wrote itself: the page needs its own script, style, icon and
/// WebSocket, and nothing else. `'self'` covers `ws:` and `wss:` of the same host and port
/// (CSP level 3, section 6.7.2.8).
const STRICT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

/// The methods that are served, whatever the path.
pub(super) const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// What an answer carries.
#[derive(Debug)]
pub(super) enum Payload {
    /// Nothing, or nothing any more.
    Empty,
    /// Bytes that are in memory.
    Bytes(Bytes),
    /// Bytes that are read while they are sent.
    File(FileBody),
}

/// An answer before it is bound to its connection.
pub(super) type Reply = Response<Payload>;

/// The body of an answer; dropping it tells the connection that the answer has ended.
#[derive(Debug)]
pub(super) struct Content {
    payload: Payload,
    activity: Rc<Activity>,
}

impl Content {
    pub(super) fn new(payload: Payload, activity: Rc<Activity>) -> Self {
        Self { payload, activity }
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        self.activity.end_answer();
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut self.payload {
            Payload::Empty => Poll::Ready(None),
            Payload::Bytes(bytes) => {
                let bytes = std::mem::take(bytes);
                self.payload = Payload::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Payload::File(file) => file
                .poll_chunk(context)
                .map(|chunk| Some(chunk?.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.length() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length())
    }
}

impl Content {
    fn length(&self) -> u64 {
        match &self.payload {
            Payload::Empty => 0,
            Payload::Bytes(bytes) => bytes.len() as u64,
            Payload::File(file) => file.remaining(),
        }
    }
}

/// An answer with the headers that all have.
pub(super) fn reply(status: StatusCode, payload: Payload) -> Reply {
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
pub(super) fn bytes(
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
pub(super) fn json(method: &Method, status: StatusCode, text: String) -> Reply {
    let mut reply = bytes(method, status, "application/json", text);
    reply
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// One sentence as plain text.
pub(super) fn sentence(method: &Method, status: StatusCode, text: &'static str) -> Reply {
    bytes(method, status, "text/plain; charset=utf-8", text)
}

/// 304: the client's copy is good.
pub(super) fn not_modified() -> Reply {
    reply(StatusCode::NOT_MODIFIED, Payload::Empty)
}

/// 412: what the request wants is not there any more.
pub(super) fn precondition_failed(method: &Method) -> Reply {
    let text = "This has changed since the request's If- header was made: ask without it.\n";
    sentence(method, StatusCode::PRECONDITION_FAILED, text)
}

/// What an upgrade would be refused with, for whoever asks beforehand.
pub(super) fn refusal(refusal: &Refusal) -> Reply {
    let status = StatusCode::from_u16(refusal.status).expect("refusals have a 4xx or 5xx status");
    let text = format!("{}\n", refusal.body);
    let mut reply = bytes(&Method::OPTIONS, status, "text/plain; charset=utf-8", text);
    for (name, value) in &refusal.headers {
        let value = HeaderValue::try_from(value).expect("refusals' fields are visible ASCII");
        reply.headers_mut().insert(*name, value);
    }
    reply
}

/// 405 for everything but GET, HEAD and OPTIONS.
pub(super) fn method_not_allowed(method: &Method) -> Reply {
    let text = "Only GET, HEAD and OPTIONS are served here.\n";
    let mut reply = sentence(method, StatusCode::METHOD_NOT_ALLOWED, text);
    reply.headers_mut().insert(ALLOW, METHODS);
    reply
}

/// 204 with the methods there are.
pub(super) fn methods() -> Reply {
    let mut reply = reply(StatusCode::NO_CONTENT, Payload::Empty);
    reply.headers_mut().insert(ALLOW, METHODS);
    reply
}
