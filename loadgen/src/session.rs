//! The sessions of a worker, on one ring.

pub(crate) mod connection;
pub(crate) mod fleet;
mod seats;
mod sources;
mod traffic;
