//! What is said to a server, and how its messages are read.

pub(crate) mod dialogue;
