//! What a run found, and every form in which it is told.
//!
//! The engine fills in [`model::Results`] and reports to an [`interval::Observer`] while it runs; nothing
//! here decides what a run does, or talks to the server that is driven.

pub(crate) mod interval;
pub(crate) mod model;

pub(crate) mod compare;
mod csv;
pub(crate) mod distribution;
mod endpoint;
mod environment;
pub(crate) mod files;
mod hgrm;
mod hlog;
mod html;
mod junit;
mod live;
mod markdown;
mod markup;
pub(crate) mod output;
mod prometheus;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod schema;
pub(crate) mod so_far;
mod table;
mod timeline;
pub(crate) mod units;
