//! What a run found, and every form in which it is told.
//!
//! The engine fills in [`model::Results`] and reports to an [`interval::Observer`] while it runs; nothing
//! here opens a socket or decides what a run does.

pub(crate) mod interval;
pub(crate) mod model;

pub(crate) mod compare;
mod csv;
pub(crate) mod distribution;
mod environment;
mod hgrm;
mod hlog;
mod html;
mod live;
mod markdown;
mod markup;
pub(crate) mod output;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod schema;
mod table;
mod timeline;
mod units;
