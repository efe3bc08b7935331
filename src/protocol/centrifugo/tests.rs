//! The protocol against writers and readers that share no code with it.

mod commands;
mod documented;
mod frames;
mod notices;
mod pushes;
mod replies;
mod samples;
mod schema;
mod sdk;
