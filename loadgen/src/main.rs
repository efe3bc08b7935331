//! `fanload`: drives a WebSocket broadcast server and measures its fan-out.
fn main() {}
