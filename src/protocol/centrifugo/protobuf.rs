//! The protocol in Protobuf: numbers of its fields are those of `client.proto`.

pub(super) mod command;
pub(super) mod fields;
pub(super) mod publication;
pub(super) mod push;
pub(super) mod reply;
pub(super) mod writing;
