//! What is written down of a run: who got which message and when.

pub(crate) mod backlog;
pub(crate) mod done;
pub(crate) mod inflight;
pub(crate) mod outstanding;
pub(crate) mod payload;
pub(crate) mod per_publisher;
pub(crate) mod run;
pub(crate) mod tally;
pub(crate) mod tracks;
pub(crate) mod waiting;
