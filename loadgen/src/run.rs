//! A run from its first connection to its verdict.

pub(crate) mod engine;
pub(crate) mod find_max;
mod guests;
pub(crate) mod interrupt;
pub(crate) mod machine;
pub(crate) mod once;
mod opening;
mod progress;
mod publish;
mod search;
mod slowest;
mod storm;
pub(crate) mod summary;
pub(crate) mod verdict;
pub(crate) mod worker;
