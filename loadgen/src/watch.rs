//! The server as it is seen from outside: its processor time and memory.

pub(crate) mod process;
pub(crate) mod server;
