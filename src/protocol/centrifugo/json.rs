//! The protocol in JSON: names and rules of its fields are those of `client.proto`, except that data is
//! JSON of its own and not text in base64, and that long numbers are numbers.

pub(super) mod command;
pub(super) mod publication;
pub(super) mod push;
pub(super) mod reply;
pub(super) mod value;

mod data;
mod object;
mod read;
mod text;
mod usual;
