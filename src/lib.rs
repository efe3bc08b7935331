//! Fanring: an io_uring WebSocket fan-out server for Linux.
//!
//! Modules stand in the order the data flows: bytes come in by [`ring`], [`wire`] turns them into messages,
//! [`protocol`] says what those mean. What happened in a room is a [`message`]; [`room`] puts it in order and
//! appends it to a log, [`session`] is a cursor into it, and `transport` is how bytes leave. [`mesh`] joins the
//! threads, which [`talk`] to each other, [`shard`] is all of it on one core, `drive` runs a shard on a ring, and
//! `web` serves what is not a WebSocket. docs/ARCHITECTURE.md says where each feature lives.

pub mod config;
pub mod id;
pub mod logs;
pub mod metrics;

pub mod process;
pub mod ring;
pub mod socket;
pub mod wire;

mod listener;

pub mod message;
pub mod room;

pub mod auth;
pub mod protocol;
pub mod session;
mod transport;

pub mod mesh;
pub mod talk;

mod drive;
pub mod shard;
pub(crate) mod web;

pub mod budget;
pub mod cli;
pub mod doctor;
pub mod server;
pub(crate) mod signals;
