//! What a run found, and every form in which it is told.
//!
//! The engine fills in [`model::Results`] and reports to a [`model::Observer`] while it runs; nothing
//! here opens a socket or decides what a run does.

pub(crate) mod distribution;
pub(crate) mod model;
