//! The sessions of a worker, on one ring.

pub(crate) mod connection;
mod desk;
mod ears;
pub(crate) mod ending;
pub(crate) mod fleet;
mod goodbye;
mod outbox;
pub(crate) mod reach;
mod refusal;
mod seats;
mod sources;
pub(crate) mod tls;
mod traffic;
mod unanswered;
