//! The `fanring` command.
fn main() {}
