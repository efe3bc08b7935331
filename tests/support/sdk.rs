//! A client of Centrifugo's protocol, in JSON, written from what its SDKs send.

use std::io::Write;

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::client::Client;
use super::frame::{TEXT, close_payload};
use super::server::Server;

/// Where they connect.
pub(crate) const TARGET: &str = "/connection/websocket";

/// A server of two shards with these settings in its file, which is there as long as the test.
#[track_caller]
pub(crate) fn with_settings(text: &str) -> (Server, NamedTempFile) {
    let mut file = NamedTempFile::with_suffix(".toml").expect("a temporary file");
    file.write_all(text.as_bytes()).expect("room for it");
    let path = file.path().to_str().expect("UTF-8");
    let server = Server::start(&["--shards", "2", "--config", path]);
    (server, file)
}

/// A client of a server, and the numbers of its commands.
pub(crate) struct Sdk {
    pub(crate) client: Client,
    id: u32,
}

impl Sdk {
    #[track_caller]
    pub(crate) fn open(server: &Server) -> Self {
        Self::over(Client::connect(server.address(), TARGET))
    }

    /// One over a connection that is open.
    pub(crate) fn over(client: Client) -> Self {
        Self { client, id: 0 }
    }

    /// Opens and says who it is.
    #[track_caller]
    pub(crate) fn connect(server: &Server, token: &str) -> (Self, Value) {
        let mut sdk = Self::open(server);
        let reply = sdk.ask("connect", &json!({"token": token}));
        (sdk, reply)
    }

    /// Sends a command; returns its number.
    #[track_caller]
    pub(crate) fn command(&mut self, name: &str, request: &Value) -> u32 {
        self.id += 1;
        let command = json!({"id": self.id, name: request});
        self.client.text(&command.to_string());
        self.id
    }

    /// Sends a command and waits for its reply, past whatever is pushed; returns its result, or the error.
    #[track_caller]
    pub(crate) fn ask(&mut self, name: &str, request: &Value) -> Value {
        let id = self.command(name, request);
        loop {
            let mut reply = self.next();
            if reply["id"] == json!(id) {
                let error = reply.get_mut("error").map(Value::take);
                return error.unwrap_or_else(|| reply[name].take());
            }
        }
    }

    /// What comes next but for pings, which are answered: how much more comes depends on that.
    #[track_caller]
    fn next(&mut self) -> Value {
        loop {
            let notice = self.client.next_notice();
            if notice != json!({}) {
                return notice;
            }
            self.client.text("{}");
        }
    }

    /// The next publication that is pushed, past who comes and goes.
    #[track_caller]
    pub(crate) fn publication(&mut self) -> Value {
        loop {
            let mut push = self.next();
            if let Some(publication) = push["push"].get_mut("pub") {
                return publication.take();
            }
        }
    }

    #[track_caller]
    pub(crate) fn expect_close(&mut self, code: u16) {
        loop {
            let frame = self.client.frame();
            if frame.opcode != TEXT {
                let (told, reason) = close_payload(&frame.payload)
                    .expect("a close frame")
                    .expect("with a code");
                assert_eq!((told, reason.is_empty()), (code, false), "{reason}");
                return;
            }
        }
    }

    /// What becomes of a command: `done`, or the number of the error, of the close or of the push that ends a
    /// subscription, whichever comes first.
    #[track_caller]
    pub(crate) fn outcome(&mut self, name: &str, request: &Value) -> String {
        let id = self.command(name, request);
        loop {
            let frame = self.client.frame();
            if frame.opcode != TEXT {
                let told = close_payload(&frame.payload).expect("a close frame");
                return format!("close {}", told.expect("with a code").0);
            }
            let reply: Value = serde_json::from_slice(&frame.payload).expect("JSON");
            if let Some(ended) = reply["push"].get("unsubscribe") {
                return format!("unsubscribe {}", ended["code"]);
            }
            if reply["id"] == json!(id) {
                let error = reply.get("error");
                return error.map_or("done".to_owned(), |error| {
                    format!("error {}", error["code"])
                });
            }
        }
    }
}
