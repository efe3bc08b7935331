//! The load that is asked for: who the sessions are, and when each message is due.

pub(crate) mod crew;
pub(crate) mod layout;
pub(crate) mod plan;
pub(crate) mod profile;
pub(crate) mod span;
pub(crate) mod stages;
pub(crate) mod think;
pub(crate) mod tide;
