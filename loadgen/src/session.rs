//! The sessions of a worker, on one ring.

pub(crate) mod connection;
pub(crate) mod ending;
pub(crate) mod fleet;
mod goodbye;
mod outbox;
mod refusal;
mod seats;
mod sources;
mod traffic;
