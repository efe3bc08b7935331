//! Clients that come back to more than they can read in time.

use std::thread::sleep;
use std::time::Duration;

use serde_json::json;

use crate::alone;
use crate::flow::narrow_client;
use crate::support::client::Client;
use crate::support::sdk::{Sdk, TARGET};
use crate::support::server::Server;

/// Messages that a room keeps.
const MESSAGES: u64 = 100;

/// Goal: who has missed several times what it may be behind, and what the log holds, gets all of it over a socket that is
/// read slowly while others go on talking, and is put out of no room for that.
#[test]
fn more_than_the_log_is_recovered_slowly() {
    let _alone = alone();
    let server = Server::start(&[
        "--shards",
        "1",
        "--log-bytes",
        "1MiB",
        "--lag-bytes-max",
        "128KiB",
    ]);
    let (mut first, _) = Sdk::connect(&server, "");
    first.ask("subscribe", &json!({"channel": "much"}));
    let mut speaker = Client::connect(server.address(), "/ws/much?presence=0");
    // As a JSON string each of these bytes takes six.
    let text = "\u{1}".repeat(10_000);
    for offset in 1..=MESSAGES {
        speaker.text(&text);
        assert_eq!(first.publication()["offset"], json!(offset));
    }
    let mut others = [0; 2].map(|_| Client::connect(server.address(), "/ws/others?presence=0"));
    let mut sdk = Sdk::over(narrow_client(server.address(), TARGET));
    sdk.ask("connect", &json!({}));
    let since = json!({"channel": "much", "recover": true, "offset": 0});
    let subscribed = sdk.ask("subscribe", &since);
    assert_eq!(subscribed["recovered"], json!(true), "{subscribed}");
    let noise = "x".repeat(10_000);
    for offset in 1..=MESSAGES {
        assert_eq!(sdk.publication()["offset"], json!(offset));
        others[0].text(&noise);
        assert_eq!(others[1].next_text(), noise);
        // Two megabytes a second: that pace is what this is about.
        sleep(Duration::from_millis(30));
    }
    let health = server.healthz();
    assert_eq!(health["slow_unsubscribed"], json!(0), "{health}");
    let commands =
        ["connect", "subscribe", "publish"].map(|kind| &health[format!("commands_{kind}")]);
    assert_eq!(commands, [&json!(2), &json!(2), &json!(0)]);
    let published = sdk.ask("publish", &json!({"channel": "much", "data": 1}));
    assert_eq!(published["offset"], json!(MESSAGES + 1), "{published}");
}
