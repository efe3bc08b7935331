//! Runs over several processes and machines: one leads, and each of the others drives its share of the sessions.

pub(crate) mod agent;
mod follow;
mod frame;
pub(crate) mod lead;
mod link;
mod member;
mod orders;
mod rules;
mod token;
mod told;
