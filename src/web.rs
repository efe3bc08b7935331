//! Everything that is request and response, on one thread of its own: static files, the embedded
//! chat page, `/healthz` and the member counts.
//!
//! `http` is the protocol, whoever answers: a connection from the bytes a shard has read to its end or
//! to its way back. `public` is who answers everybody. Neither speaks WebSocket: a connection comes here
//! once a shard has read a request that is no upgrade, and goes back as soon as an upgrade arrives on it.

mod http;
mod public;

mod thread;

pub(crate) use self::thread::{WebError, run};

#[cfg(test)]
mod tests;
