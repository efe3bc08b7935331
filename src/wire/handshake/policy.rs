//! What the operator has a say in.

use std::fmt;
use std::net::SocketAddr;

/// What the server's operator decided about upgrades.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy<'a> {
    /// Origins whose pages may connect, such as `https://chat.example`, or `*` for any. When
    /// empty: pages of the same host and port as the request's `Host`.
    pub allow_origin: &'a [String],
    /// Subprotocols that are spoken: a client that offers any must offer one of them.
    pub subprotocols: &'a [String],
    /// Whether `/echo` is served.
    pub echo: bool,
    /// Judges the pages of clients in many rooms; when nobody does, what holds for all others does for them.
    pub client_origins: Option<&'a dyn Origins>,
    /// The addresses listened on, as bound. They decide which names the server goes by on the ports
    /// that only this machine can reach.
    pub listen: &'a [SocketAddr],
}

/// Somebody who says which pages may connect.
pub trait Origins: fmt::Debug {
    /// Whether pages of this origin may, as the `Origin` header has it.
    fn allows(&self, origin: &str) -> bool;
}
