//! HTTP on one connection after the other: who may stay, what hyper gets to see, and what answers are
//! made of. What is answered is somebody else's, see [`responder`].

pub(super) mod body;
pub(super) mod conditions;
pub(super) mod connection;
pub(super) mod gate;
pub(super) mod reply;
pub(super) mod responder;

mod activity;
mod link;
mod places;
