//! Clients of Centrifugo's protocol and plain members of the same rooms, without I/O: they say what they are to say,
//! and check all that they are told against what everybody else was told, and against what a room can still
//! have had.
//!
//! Time is an argument, and so are the bytes: the simulation and the tests with real sockets share these.

pub(crate) mod chronicle;
pub(crate) mod command;
pub(crate) mod excerpt;
pub(crate) mod ledger;
pub(crate) mod plain;
pub(crate) mod room;
pub(crate) mod run;
pub(crate) mod saying;
pub(crate) mod sdk;
pub(crate) mod stay;
pub(crate) mod told;
