//! The opening handshake (RFC 6455 section 4): who may become a session, and of what.
//!
//! Extensions that a client offers are passed over: none is selected.

mod address;
mod client;
mod key;
mod origin;
mod policy;
mod subprotocol;
mod token;

use self::address::Address;
pub use self::address::{Endpoint, ROOM_BYTES_MAX};
pub use self::client::{AnswerError, check_answer, client_request};
use self::key::{accept_key, is_key};
use self::origin::Host;
pub(crate) use self::origin::is_listed;
pub use self::policy::{Origins, Policy};
pub use self::subprotocol::Format;
pub use self::token::token;
use super::http::{Head, HttpError, Refusal};

/// The methods of requests that ask for no WebSocket.
const ALLOWED: &str = "GET, HEAD, OPTIONS";
/// The protocol version of RFC 6455, the only one there is.
const VERSION: &[u8] = b"13";

/// Where a request leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// Not a WebSocket matter: the web thread's.
    Web,
    /// A session, once [`accept_response`] is sent.
    WebSocket(Upgrade),
    /// Send the refusal and close.
    Refused(Refusal),
}

/// What the new session will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// What it talks to.
    pub endpoint: Endpoint,
    /// The value of `Sec-WebSocket-Accept`.
    pub accept: [u8; 28],
    /// The subprotocol selected, if any was offered.
    pub subprotocol: Option<String>,
    /// How its commands are written; only at [`Endpoint::Client`].
    pub format: Format,
    /// Whether the session receives its own messages too (`?echo=1`).
    pub echo: bool,
    /// Whether the session causes and receives notices of who comes and goes; false for `?presence=0`.
    pub presence: bool,
}

/// Decides what becomes of a request.
#[must_use]
pub fn route(head: &Head<'_>, policy: &Policy<'_>) -> Route {
    try_route(head, policy).unwrap_or_else(Route::Refused)
}

fn try_route(head: &Head<'_>, policy: &Policy<'_>) -> Result<Route, Refusal> {
    origin::check_name(head, policy)?;
    let upgrades = head.has_token("Upgrade", "websocket");
    let address = address::parse(head.path(), policy);
    let is_question = head.method == "OPTIONS";
    if !upgrades && (is_question || matches!(address, Address::Other)) {
        if head.method == "CONNECT" {
            return Err(Refusal::new(
                405,
                "This server is no proxy: connect to it with GET, HEAD or OPTIONS.",
            )
            .with_header("Allow", ALLOWED));
        }
        let clear = head.check_body();
        return clear.map_err(HttpError::refusal).map(|()| Route::Web);
    }
    let endpoint = address.endpoint()?;
    upgrade(head, endpoint, upgrades, policy).map(Route::WebSocket)
}

/// Whether a page that sends `head` may have a session at its address, now or later: what an upgrade
/// from it would be refused for whatever its method and its WebSocket headers say. So that a page can
/// ask, since browsers don't tell it why a socket did not open.
///
/// # Errors
/// The refusal an upgrade would get.
pub fn judge(head: &Head<'_>, policy: &Policy<'_>) -> Result<Endpoint, Refusal> {
    origin::check_name(head, policy)?;
    let endpoint = address::parse(head.path(), policy).endpoint()?;
    check_page(head, host(head)?, &endpoint, policy)?;
    Ok(endpoint)
}

/// Checks the client's part of the handshake (RFC 6455 section 4.2.1).
fn upgrade(
    head: &Head<'_>,
    endpoint: Endpoint,
    upgrades: bool,
    policy: &Policy<'_>,
) -> Result<Upgrade, Refusal> {
    let host = check_request(head, upgrades)?;
    let key = check_websocket(head)?;
    check_page(head, host, &endpoint, policy)?;
    let is_client = endpoint == Endpoint::Client;
    let (subprotocol, format) = if is_client {
        subprotocol::select_client(head)
    } else {
        let selected = subprotocol::select(head, policy.subprotocols)?;
        (selected, Format::default())
    };
    // Clients say what they want room by room.
    let flag = |name| address::flag(head.query(), name).filter(|_| !is_client);
    Ok(Upgrade {
        endpoint,
        accept: accept_key(key),
        subprotocol,
        format,
        echo: flag("echo").unwrap_or(false),
        presence: flag("presence").unwrap_or(true),
    })
}

/// Refuses a page whose origin may not connect to that endpoint.
fn check_page(
    head: &Head<'_>,
    host: Host<'_>,
    endpoint: &Endpoint,
    policy: &Policy<'_>,
) -> Result<(), Refusal> {
    match policy.client_origins {
        Some(origins) if *endpoint == Endpoint::Client => origin::check_client_page(head, origins),
        _ => origin::check_page(head, host, policy),
    }
}

/// The request's host: an upgrade must name exactly one.
fn host<'a>(head: &Head<'a>) -> Result<Host<'a>, Refusal> {
    let host = head
        .header("Host")
        .filter(|_| head.header_count("Host") == 1);
    host.and_then(origin::host)
        .ok_or_else(|| Refusal::new(400, "The request must have one valid Host header."))
}

/// Checks what HTTP asks of an upgrade request and gives its host.
fn check_request<'a>(head: &Head<'a>, upgrades: bool) -> Result<Host<'a>, Refusal> {
    if !upgrades {
        return Err(plain_request(head));
    }
    let bad = |sentence: &str| Err(Refusal::new(400, sentence));
    if head.method != "GET" {
        return bad("This address speaks WebSocket: the request's method must be GET.");
    }
    if head.minor < 1 {
        return bad("This address speaks WebSocket: the request must be HTTP/1.1.");
    }
    let host = host(head)?;
    if !head.has_token("Connection", "upgrade") {
        return bad("The request must have \"Connection: Upgrade\" beside its Upgrade header.");
    }
    if head.has_body() {
        return bad("A WebSocket handshake has no body: leave Content-Length away.");
    }
    Ok(host)
}

/// What a request to a WebSocket's address is told that asks for no WebSocket.
fn plain_request(head: &Head<'_>) -> Refusal {
    // HTTP/1.0 has no Host (RFC 9112 section 3.2).
    let host = if head.minor > 0 {
        host(head).err()
    } else {
        None
    };
    if let Some(refusal) = host {
        return refusal;
    }
    if matches!(head.method, "GET" | "HEAD") {
        return upgrade_required(
            "This address speaks WebSocket: connect with ws:// or wss://, and have a proxy in front pass on \
             Upgrade and Connection.",
        );
    }
    Refusal::new(
        405,
        "This address speaks WebSocket: the request's method must be GET.",
    )
    .with_header("Allow", ALLOWED)
}

/// 426, with what it must name (RFC 9110 section 15.5.22, RFC 6455 section 4.4).
fn upgrade_required(sentence: &str) -> Refusal {
    Refusal::new(426, sentence)
        .with_header("Upgrade", "websocket")
        .with_header("Sec-WebSocket-Version", "13")
}

/// Checks the `Sec-WebSocket-` headers and gives the key.
fn check_websocket<'a>(head: &Head<'a>) -> Result<&'a [u8], Refusal> {
    let bad = |sentence: &str| Err(Refusal::new(400, sentence));
    if head.header_count("Sec-WebSocket-Version") > 1 {
        return bad("The request must have one Sec-WebSocket-Version header: 13.");
    }
    if head.header("Sec-WebSocket-Version") != Some(VERSION) {
        return Err(upgrade_required(
            "This server speaks WebSocket 13: send \"Sec-WebSocket-Version: 13\".",
        ));
    }
    let key = head.header("Sec-WebSocket-Key").filter(|key| is_key(key));
    match key.filter(|_| head.header_count("Sec-WebSocket-Key") == 1) {
        Some(key) => Ok(key),
        None => bad("The request must have one Sec-WebSocket-Key header: 16 bytes in base64."),
    }
}

/// Appends the response that opens the session.
pub fn accept_response(upgrade: &Upgrade, out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Accept: ",
    );
    out.extend_from_slice(&upgrade.accept);
    if let Some(name) = &upgrade.subprotocol {
        out.extend_from_slice(b"\r\nSec-WebSocket-Protocol: ");
        out.extend_from_slice(name.as_bytes());
    }
    out.extend_from_slice(b"\r\n\r\n");
}

#[cfg(test)]
mod tests;
