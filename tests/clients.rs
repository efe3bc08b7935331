//! Clients in many rooms over real sockets, as their SDKs see the server: who they are, what they may, what they
//! have missed, and how they are told of the end.

mod support;

use std::process::Command;

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use self::support::client::Client;
use self::support::frame::{Outgoing, TEXT};
use self::support::http::Wire;
use self::support::sdk::{Sdk, TARGET, with_settings};
use self::support::server::{Server, command};

/// What a team has that used its clients before: tokens, a personal channel, and a namespace of its own.
const SETTLED: &str = r#"
[client]
expired_close_delay = "1s"
[client.token]
hmac_secret_key = "secret"
[client.subscribe_to_user_personal_channel]
enabled = true
[channel.without_namespace]
presence = true
history_size = 10
history_ttl = "60s"
force_recovery = true
allow_subscribe_for_client = true
allow_publish_for_subscriber = true
allow_presence_for_subscriber = true
allow_history_for_subscriber = true
"#;

/// A server with those settings.
fn settled() -> (Server, NamedTempFile) {
    with_settings(SETTLED)
}

/// A token that those settings take, made by the program itself.
fn token(file: &NamedTempFile, more: &[&str]) -> String {
    let path = file.path().to_str().expect("UTF-8");
    let mut made: Command = command(&["token", "--file", path]);
    let made = made.args(more).output().expect("the program runs");
    assert!(made.status.success(), "{made:?}");
    let text = String::from_utf8(made.stdout).expect("ASCII");
    text.trim().to_owned()
}

/// Goal: where nobody is asked for anything, clients and plain members hear each other, and who lost its connection
/// gets what it missed.
#[test]
fn a_client_comes_back_to_what_it_has_missed() {
    for shards in ["1", "2"] {
        let server = Server::start(&["--shards", shards]);
        let (mut sdk, reply) = Sdk::connect(&server, "");
        assert_eq!((&reply["ping"], &reply["pong"]), (&json!(25), &json!(true)));
        let subscribed = sdk.ask("subscribe", &json!({"channel": "room"}));
        assert_eq!(subscribed["recoverable"], json!(true));
        let mut plain = Client::connect(server.address(), "/ws/room?presence=0");
        plain.text(r#"{"n":1}"#);
        let first = sdk.publication();
        assert_eq!(
            (&first["data"], &first["offset"]),
            (&json!({"n": 1}), &json!(1))
        );
        sdk.client.reset();
        for number in 2..=5 {
            plain.text(&format!(r#"{{"n":{number}}}"#));
        }
        plain.expect_quiet();
        let (mut sdk, _) = Sdk::connect(&server, "");
        let since =
            json!({"channel": "room", "recover": true, "offset": 1, "epoch": first["epoch"]});
        let subscribed = sdk.ask("subscribe", &since);
        assert_eq!(subscribed["recovered"], json!(true), "{subscribed}");
        for number in 2..=5 {
            let missed = sdk.publication();
            assert_eq!(missed["data"]["n"], json!(number));
            assert_eq!(missed["offset"], json!(number));
        }
        let published = sdk.ask("publish", &json!({"channel": "room", "data": "said"}));
        assert_eq!(published["offset"], json!(6), "{published}");
        plain.expect(TEXT, r#""said""#);
        sdk.client.text("");
        sdk.expect_close(3501);
    }
}

/// Goal: word of what a client published leaves in one send with the message itself, wherever the room's home is.
#[test]
fn word_of_a_message_comes_with_it() {
    for shards in ["1", "2"] {
        let server = Server::start(&["--shards", shards]);
        let (mut sdk, _) = Sdk::connect(&server, "");
        sdk.ask("subscribe", &json!({"channel": "room"}));
        let itself = sdk.client.next_notice();
        assert!(itself["push"]["join"].is_object(), "{itself}");
        sdk.client.expect_quiet();
        let before = server.figure("sends");
        for number in 0..10 {
            let id = sdk.command("publish", &json!({"channel": "room", "data": number}));
            let told = [(); 2].map(|()| sdk.client.next_notice());
            assert!(told.iter().any(|one| one["id"] == json!(id)), "{told:?}");
            let heard = |one: &Value| one["push"]["pub"]["data"] == json!(number);
            assert!(told.iter().any(heard), "{told:?}");
        }
        assert_eq!(server.figure("sends") - before, 10);
    }
}

/// Goal: who has to show a token is let in by a good one alone, is put into its own channel, and may do what the
/// channel's rules and its subscription tokens allow.
#[test]
fn tokens_let_in() {
    let (server, file) = settled();
    for (shown, code) in [("", 3501), ("none", 3500)] {
        let mut sdk = Sdk::open(&server);
        sdk.command("connect", &json!({"token": shown}));
        sdk.expect_close(code);
    }
    let (mut sdk, reply) = Sdk::connect(
        &server,
        &token(&file, &["--user", "42", "--expires", "never"]),
    );
    assert_eq!(reply["subs"]["#42"]["recoverable"], json!(true), "{reply}");
    let denied = sdk.ask("subscribe", &json!({"channel": "$news"}));
    assert_eq!(denied["code"], json!(103), "{denied}");
    let unknown = sdk.ask("subscribe", &json!({"channel": "nowhere:news"}));
    assert_eq!(unknown["code"], json!(102), "{unknown}");
    let outside = sdk.ask("publish", &json!({"channel": "room", "data": 1}));
    assert_eq!(outside["code"], json!(103), "{outside}");
    let pass = token(&file, &["--user", "42", "--channel", "$news"]);
    let subscribed = sdk.ask("subscribe", &json!({"channel": "$news", "token": pass}));
    assert!(subscribed["ttl"].as_u64() > Some(3000), "{subscribed}");
    let present = sdk.ask("presence", &json!({"channel": "$news"}));
    let present = present["presence"].as_object().expect("an object");
    assert!(present.len() == 1 && present.values().all(|one| one["user"] == "42"));
    let others = token(&file, &["--user", "43", "--channel", "$other"]);
    sdk.command("subscribe", &json!({"channel": "$other", "token": others}));
    sdk.expect_close(3500);
}

/// Goal: where there are rules they hold at the plain door too: a room is closed there unless its namespace opens it,
/// and then to those that the rules let in.
#[test]
fn the_plain_door_is_closed_until_it_is_opened() {
    const OPEN: &str = r#"
        [[channel.namespaces]]
        name = "open"
        allow_plain = true
        allow_subscribe_for_client = true
        allow_subscribe_for_anonymous = true
        [[channel.namespaces]]
        name = "users"
        allow_plain = true
        allow_subscribe_for_client = true
        allow_publish_for_client = true
    "#;
    let (server, file) = with_settings(&format!("{SETTLED}{OPEN}"));
    let token = token(&file, &["--user", "42"]);
    let status = |target: &str| {
        let mut wire = Wire::open(server.address());
        let key = support::client::fresh_key();
        let request = support::client::handshake(server.address(), target, &key, "");
        wire.send(request.as_bytes());
        wire.response_head().status
    };
    for (target, expected) in [
        ("/ws", 403),
        ("/ws/room", 403),
        ("/ws/$x", 403),
        ("/ws/%2342", 403),
        ("/ws/open:a", 101),
        ("/ws/users:a", 403),
        ("/ws/users:a?token=none", 401),
        (&format!("/ws/users:a?token={token}"), 101),
        (&format!("/ws/$x?token={token}"), 403),
    ] {
        assert_eq!(status(target), expected, "{target}");
    }
    let mut reader = Client::connect(server.address(), "/ws/open:a");
    reader.text("hello");
    reader.expect_failure(&[1008]);
    let mut writer = Client::connect(server.address(), &format!("/ws/users:a?token={token}"));
    writer.text("hello");
    writer.expect_quiet();
}

/// Goal: a connection ends a while after its token has expired, unless it shows another one.
#[test]
fn connections_expire() {
    let (server, file) = settled();
    let short = token(&file, &["--user", "42", "--expires", "2s"]);
    let (mut stays, reply) = Sdk::connect(&server, &short);
    assert!(matches!(reply["ttl"].as_u64(), Some(1 | 2)), "{reply}");
    let (mut goes, _) = Sdk::connect(&server, &short);
    let longer = token(&file, &["--user", "42"]);
    let reply = stays.ask("refresh", &json!({"token": longer}));
    assert!(reply["ttl"].as_u64() > Some(3000), "{reply}");
    goes.expect_close(3005);
    let (mut late, error) = Sdk::connect(&server, &short);
    assert_eq!(error["code"], json!(109), "{error}");
    late.client.expect_quiet();
    let reply = stays.ask("history", &json!({"channel": "#42"}));
    assert_eq!(reply["publications"], json!([]), "{reply}");
    let others = token(&file, &["--user", "43"]);
    stays.command("refresh", &json!({"token": others}));
    stays.expect_close(3500);
}

/// Goal: a server that stops has clients come back, and not stay away.
#[test]
fn the_end_has_clients_come_back() {
    let server = Server::start(&["--shards", "2"]);
    let (mut sdk, _) = Sdk::connect(&server, "");
    sdk.ask("subscribe", &json!({"channel": "room"}));
    server.terminate();
    sdk.expect_close(3001);
}

/// Goal: a client that offers to speak Protobuf is answered that, and pages only if the settings name them.
#[test]
fn handshakes_say_what_is_spoken() {
    let server = Server::start(&[]);
    let key = support::client::fresh_key();
    let offer = "Sec-WebSocket-Protocol: centrifuge-protobuf\r\n";
    let mut wire = Wire::open(server.address());
    let request = support::client::handshake(server.address(), TARGET, &key, offer);
    wire.send(request.as_bytes());
    let response = wire.response_head();
    assert_eq!(response.status, 101);
    let spoken = response.header("sec-websocket-protocol");
    assert_eq!(spoken, Some("centrifuge-protobuf"));
    let mut client = Client { wire };
    // id 1, connect {}.
    client.send(&Outgoing::binary(b"\x04\x08\x01\x22\x00"));
    let reply = client.message().payload;
    assert_eq!(reply[1..3], [8, 1], "{reply:?}");
    let (settled, _file) = settled();
    let mut wire = Wire::open(settled.address());
    let page = "Origin: https://page.example\r\n";
    let request = support::client::handshake(settled.address(), TARGET, &key, page);
    wire.send(request.as_bytes());
    assert_eq!(wire.response_head().status, 403);
}

/// The status of an upgrade.
fn status(server: &Server, target: &str) -> u16 {
    let mut wire = Wire::open(server.address());
    let key = support::client::fresh_key();
    let request = support::client::handshake(server.address(), target, &key, "");
    wire.send(request.as_bytes());
    wire.response_head().status
}

/// Goal: of sessions of all protocols there are as many as `connection_limit` says, and the next is refused at the
/// upgrade until one has gone.
#[test]
fn there_are_as_many_connections_as_may_be() {
    let (server, _file) = with_settings(
        "client.connection_limit = 2\nclient.allow_anonymous_connect_without_token = true",
    );
    let (first, _) = Sdk::connect(&server, "");
    let _second = Sdk::connect(&server, "");
    server.await_figure("sessions", |sessions| sessions == 2);
    assert_eq!(status(&server, TARGET), 503);
    assert!(server.figure("refused_503") > 0);
    first.client.reset();
    server.await_figure("sessions", |sessions| sessions == 1);
    let (_third, reply) = Sdk::connect(&server, "");
    assert!(reply["client"].is_string(), "{reply}");
}

/// Goal: in a second as many clients come as `connection_rate_limit` says, over all shards, and others are refused at the
/// upgrade, and let in later.
#[test]
fn clients_come_no_faster_than_they_may() {
    let (server, _file) = with_settings("client.connection_rate_limit = 3");
    let mut statuses = Vec::new();
    let started = std::time::Instant::now();
    for _ in 0..12 {
        statuses.push(status(&server, TARGET));
    }
    let seconds = started.elapsed().as_secs() + 2;
    let let_in = statuses.iter().filter(|status| **status == 101).count() as u64;
    assert!(
        (3..=3 * seconds).contains(&let_in),
        "{statuses:?} in {seconds} s"
    );
    assert!(
        statuses.iter().all(|status| [101, 503].contains(status)),
        "{statuses:?}"
    );
    support::wait::eventually("another second", support::wait::PATIENCE, || {
        (status(&server, TARGET) == 101).then_some(())
    });
}

/// Goal: a user has as many connections as `user_connection_limit` says, over all shards; one more is closed for good, and
/// let in once another is gone.
#[test]
fn a_user_has_as_many_connections_as_it_may() {
    let (server, file) = with_settings(
        "client.user_connection_limit = 2\nclient.token.hmac_secret_key = \"secret\"",
    );
    let one = token(&file, &["--user", "42"]);
    let (first, _) = Sdk::connect(&server, &one);
    let _second = Sdk::connect(&server, &one);
    let (_others, reply) = Sdk::connect(&server, &token(&file, &["--user", "43"]));
    assert!(reply["client"].is_string(), "{reply}");
    for _ in 0..4 {
        let mut sdk = Sdk::open(&server);
        sdk.command("connect", &json!({"token": one}));
        sdk.expect_close(3504);
    }
    assert_eq!(server.figure("closed_3504"), 4);
    first.client.reset();
    support::wait::eventually("the place is free", support::wait::PATIENCE, || {
        let mut sdk = Sdk::open(&server);
        (sdk.outcome("connect", &json!({"token": one})) == "done").then_some(())
    });
}

/// Goal: a plain member goes when the token ends that it came in by, with a code that says so.
#[test]
fn plain_members_go_with_their_tokens() {
    let (server, file) = with_settings(
        "client.token.hmac_secret_key = \"secret\"\n[[channel.namespaces]]\nname = \"open\"\n\
         allow_plain = true\nallow_subscribe_for_client = true",
    );
    let short = token(&file, &["--user", "42", "--expires", "2s"]);
    let mut goes = Client::connect(server.address(), &format!("/ws/open:a?token={short}"));
    let long = token(&file, &["--user", "42"]);
    let mut stays = Client::connect(
        server.address(),
        &format!("/ws/open:a?token={long}&presence=0"),
    );
    let (code, reason) = goes.close_frame().expect("a code");
    assert_eq!((code, reason.as_str()), (4002, "the token has expired"));
    assert_eq!(status(&server, &format!("/ws/open:a?token={short}")), 401);
    stays.text("");
    assert_eq!(stays.next_text(), "");
}

/// Goal: where the settings say so, who subscribes gets the newest publication without asking for it.
#[test]
fn the_newest_publication_comes_unasked() {
    let (server, _file) = with_settings(
        r#"
        client.allow_anonymous_connect_without_token = true
        [channel.without_namespace]
        history_size = 10
        history_ttl = "60s"
        force_recovery = true
        force_recovery_mode = "cache"
        auto_cache_recover = true
        allow_subscribe_for_client = true
        allow_subscribe_for_anonymous = true
        allow_publish_for_client = true
        allow_publish_for_anonymous = true
        "#,
    );
    let (mut speaker, _) = Sdk::connect(&server, "");
    for number in 1..=3 {
        speaker.ask("publish", &json!({"channel": "news", "data": number}));
    }
    let (mut sdk, _) = Sdk::connect(&server, "");
    let subscribed = sdk.ask("subscribe", &json!({"channel": "news"}));
    assert_eq!(subscribed["recovered"], json!(true), "{subscribed}");
    assert_eq!(sdk.publication()["data"], json!(3));
}
