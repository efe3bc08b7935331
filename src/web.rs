//! Everything that is request and response, on one thread of its own: static files, the embedded
//! chat page, `/healthz` and the member counts.
//!
//! It never speaks WebSocket: a connection comes here by [`connection::serve`] once a shard has
//! read a request that is no upgrade, and goes back by [`site::Backend::adopt`] as soon as an
//! upgrade arrives on it.

pub mod connection;
pub mod site;

mod conditions;
mod cors;
mod files;
mod gate;
mod link;
mod media;
mod page;
mod places;
mod reply;
mod routes;
mod target;
mod thread;

pub use self::thread::{WebError, run};

#[cfg(test)]
mod tests;
