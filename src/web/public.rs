//! What is served to everybody: files or the chat page, health, members of rooms.

pub(super) mod site;

mod cors;
mod files;
mod media;
mod page;
mod routes;
mod target;
