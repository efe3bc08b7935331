//! Clients that speak the protocol of Centrifugo's SDKs, in JSON.

use fanring::cli::{Invocation, parse};
use fanring::config::Config;
use fanring::id::SessionKey;
use fanring::process::Machine;
use fanring::wire::frame::OpCode;

use crate::driven::Driven;

/// The settings of the comparison: nothing is kept, and nobody hears of others.
const SETTINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../peers/chat/chat.toml");
/// Where a client connects.
const TARGET: &str = "/connection/websocket";
/// What each says first.
const COMMANDS: &str = concat!(
    r#"{"id":1,"connect":{"name":"micro"}}"#,
    "\n",
    r#"{"id":2,"subscribe":{"channel":"room-1"}}"#
);
/// What is published, with as many bytes of a text as plain members publish.
const PUBLISH: &str = concat!(
    r#"{"id":1003,"publish":{"channel":"room-1","data":""#,
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    r#""}}"#
);

/// A shard with clients in one room, one of whom publishes.
#[derive(Debug)]
pub struct Chat {
    driven: Driven,
    publisher: SessionKey,
}

impl Chat {
    /// So many clients, all of whom are in the room.
    ///
    /// # Panics
    /// When there are not as many descriptors.
    #[must_use]
    pub fn new(clients: usize) -> Self {
        let mut driven = Driven::new(0, 1, settings());
        for _ in 0..clients {
            driven.adopt(TARGET);
            settle(&mut driven);
            let client = *driven.receiving.last().expect("it is read from");
            driven.receive(client, OpCode::Text, COMMANDS.as_bytes());
            settle(&mut driven);
        }
        assert_eq!(driven.receiving.len(), clients, "all have come");
        let publisher = driven.receiving[0];
        Self { driven, publisher }
    }

    /// One command, received, appended, acknowledged and flushed to everybody; returns the bytes that left.
    pub fn message(&mut self) -> usize {
        self.driven
            .receive(self.publisher, OpCode::Text, PUBLISH.as_bytes());
        self.driven.shard.handle_turn();
        self.driven.flush()
    }
}

fn settle(driven: &mut Driven) {
    for _ in 0..4 {
        driven.turn();
    }
}

fn settings() -> Config {
    let arguments = ["fanring", "serve", "--shards", "1", "--config", SETTINGS];
    match parse(arguments, &|_| None, &Machine::probe()) {
        Ok(Invocation::Serve(start)) => start.config,
        other => panic!("{SETTINGS} has no settings of a server: {other:?}"),
    }
}
