//! The bytes a peer sends and the bytes it is sent: HTTP request heads, the WebSocket handshake,
//! frames, messages and close codes (RFC 6455). What messages mean is `protocol`'s to say.
//!
//! Sans-IO: nothing here reads a clock, touches a socket or knows what a session or room is.
//! Callers own every buffer; bytes go in, events or bytes come out.
#![forbid(unsafe_code)]

pub mod close;
pub mod frame;
pub mod handshake;
pub mod http;
pub mod mask;
pub mod message;
pub(crate) mod percent;
pub mod utf8;
