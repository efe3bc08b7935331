//! The peer.
fn main() {}
