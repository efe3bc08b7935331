//! Every rule of RFC 6455 that a server must keep, checked against the real server over real
//! sockets: sections 4.2 (handshake), 5 (framing), 6 (messages), 7 (closing) and 8 (UTF-8).

#[path = "../support/mod.rs"]
mod support;

mod big;
mod closing;
mod fragments;
mod framing;
mod handshake;
mod origin;
mod subprotocol;
mod utf8;

use self::support::client::Client;
use self::support::server::Server;

/// A server that echoes, with everything else at its default.
fn echo_server() -> Server {
    Server::start(&["--echo", "--shards", "1"])
}

/// A session that gets back what it sends.
#[track_caller]
fn echo(server: &Server) -> Client {
    Client::connect(server.address(), "/echo")
}
