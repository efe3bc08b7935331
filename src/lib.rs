//! Fanring: an io_uring WebSocket fan-out server for Linux.
//!
//! Modules stand in the order the data flows: bytes come in by [`ring`], [`wire`] turns them into
//! messages, [`room`] appends those to a log, [`session`] is a cursor into it, [`mesh`] joins the
//! threads, [`shard`] drives all of it on one core, and `web` serves what is not a WebSocket.

pub mod config;
pub mod id;
pub mod logs;
pub mod metrics;

pub mod process;
pub mod ring;
pub mod socket;
pub mod wire;

mod listener;

pub mod room;
pub mod session;

pub mod mesh;

pub mod shard;
pub(crate) mod web;

pub mod budget;
pub mod cli;
pub mod doctor;
pub mod server;
pub(crate) mod signals;
