//! A run from its first connection to its verdict.

pub(crate) mod engine;
pub(crate) mod interrupt;
mod machine;
mod progress;
mod publish;
mod search;
mod slowest;
mod summary;
pub(crate) mod verdict;
mod worker;
