//! What the process tests share: the server as a child process, and clients written from the RFCs
//! alone. Nothing here uses the server's own code, so a mistake there is not mirrored here.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

pub(crate) mod chat;
pub(crate) mod client;
pub(crate) mod crowd;
pub(crate) mod frame;
pub(crate) mod http;
pub(crate) mod mute;
pub(crate) mod netns;
pub(crate) mod room;
pub(crate) mod sdk;
pub(crate) mod server;
pub(crate) mod wait;
