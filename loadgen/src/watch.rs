//! The server as it is seen from outside: its processor time and memory.

mod family;
pub(crate) mod process;
pub(crate) mod server;
