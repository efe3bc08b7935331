//! The web thread over real loopback sockets, with a stand-in for the shards.

mod files;
mod harness;
mod origins;
mod places;
mod return_path;
mod routes;
