//! Settings of the chat backend that no other test shows through a running server, each by what a client notices.

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use fanring::auth::sign::Signer;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use self::support::client::{Client, fresh_key, handshake};
use self::support::frame::Outgoing;
use self::support::http::Wire;
use self::support::sdk::{Sdk, TARGET, with_settings};
use self::support::server::Server;

/// Keys for tests, which nobody trusts.
const P256: &str = include_str!("../src/auth/testing/p256.pem");
const P256_PUBLIC: &str = include_str!("../src/auth/testing/p256_public.pem");

/// Everybody may connect, and do everything in every channel.
const OPEN: &str = r#"
client.allow_anonymous_connect_without_token = true
client.token.hmac_secret_key = "secret"
"#;
const ALL: &str = r#"
[channel.without_namespace]
presence = true
allow_subscribe_for_client = true
allow_subscribe_for_anonymous = true
allow_publish_for_client = true
allow_publish_for_anonymous = true
allow_presence_for_client = true
allow_presence_for_anonymous = true
allow_history_for_client = true
allow_history_for_anonymous = true
"#;

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("after 1970").as_secs()
}

fn token(secret: &str, claims: &Value) -> String {
    Signer::from_secret(secret).sign(claims).expect("a token")
}

/// What becomes of a token to connect with.
fn connects(server: &Server, token: &str) -> String {
    Sdk::open(server).outcome("connect", &json!({ "token": token }))
}

/// A client that is nobody's, of a server with these settings besides [`OPEN`] and [`ALL`].
fn anybody(client: &str, channel: &str) -> (Sdk, Value, (Server, NamedTempFile)) {
    let (server, file) = with_settings(&format!("{OPEN}{client}\n{ALL}{channel}"));
    let (sdk, reply) = Sdk::connect(&server, "");
    (sdk, reply, (server, file))
}

fn subscribe(sdk: &mut Sdk, channel: &str) -> String {
    sdk.outcome("subscribe", &json!({ "channel": channel }))
}

/// Goal: the reply to connect has the time where it is wanted, to the millisecond, and nowhere else.
#[test]
fn the_time_is_told_where_it_is_wanted() {
    let (_, reply, _server) = anybody("client.connect_include_server_time = true", "");
    let told = reply["time"].as_u64().expect("a time");
    assert!(
        (now() - 60..=now() + 60).contains(&(told / 1_000)),
        "{told}"
    );
    let (_, reply, _server) = anybody("", "");
    assert_eq!(reply.get("time"), None);
}

/// Goal: a token without a user lets in, unless that is not wanted.
#[test]
fn nobodys_tokens_may_be_refused() {
    for (setting, expected) in [("false", "done"), ("true", "close 3507")] {
        let setting = format!("client.disallow_anonymous_connection_tokens = {setting}");
        let (server, _file) = with_settings(&format!("{OPEN}{setting}"));
        assert_eq!(
            connects(&server, &token("secret", &json!({"sub": ""}))),
            expected
        );
        assert_eq!(
            connects(&server, &token("secret", &json!({"sub": "42"}))),
            "done"
        );
    }
}

/// Goal: a history is read, and recovered from, as far as the limits allow.
#[test]
fn histories_are_given_out_up_to_their_limits() {
    let limits =
        "client.history_max_publication_limit = 3\nclient.recovery_max_publication_limit = 2";
    let channel = "history_size = 10\nhistory_ttl = \"60s\"\nforce_recovery = true";
    let (mut sdk, _, (server, _file)) = anybody(limits, channel);
    for number in 1..=5 {
        sdk.ask("publish", &json!({"channel": "a", "data": number}));
    }
    for (limit, expected) in [(-1, 3), (5, 3), (2, 2)] {
        let read = sdk.ask("history", &json!({"channel": "a", "limit": limit}));
        assert_eq!(
            read["publications"].as_array().map(Vec::len),
            Some(expected),
            "{limit}"
        );
    }
    for (offset, recovered) in [(3, json!(true)), (2, Value::Null)] {
        let (mut other, _) = Sdk::connect(&server, "");
        let since = json!({"channel": "a", "recover": true, "offset": offset, "epoch": ""});
        let subscribed = other.ask("subscribe", &since);
        assert_eq!(subscribed["recovered"], recovered, "{subscribed}");
    }
}

/// Goal: where a channel stands is forgotten after its time, and with it its epoch.
#[test]
fn positions_are_forgotten_after_their_time() {
    let channel =
        "history_size = 10\nhistory_ttl = \"1s\"\nhistory_meta_ttl = \"1s\"\nforce_recovery = true";
    let (mut sdk, _, (_server, _file)) = anybody("", channel);
    let published = sdk.ask("publish", &json!({"channel": "a", "data": 1}));
    let epoch = published["epoch"].as_str().expect("an epoch").to_owned();
    support::wait::eventually("another epoch", support::wait::PATIENCE, || {
        // Whoever looks has been there: nobody may for the time that is to go by.
        thread::sleep(Duration::from_millis(1_500));
        let stands = sdk.ask("history", &json!({"channel": "a"}));
        (stands["epoch"].as_str() != Some(&epoch)).then_some(())
    });
}

/// Goal: a message of a client may be as long as is said, and no longer.
#[test]
fn messages_have_their_limit() {
    let (server, _file) =
        with_settings(&format!("{OPEN}websocket.message_size_limit = 1000\n{ALL}"));
    for (bytes, expected) in [(900, "done"), (1_000, "close 1009")] {
        let (mut sdk, _) = Sdk::connect(&server, "");
        let long = "x".repeat(bytes);
        let told = sdk.outcome("publish", &json!({"channel": "a", "data": long}));
        assert_eq!(told, expected);
    }
    let mut plain = Client::connect(server.address(), TARGET);
    plain.send(&Outgoing::text("x".repeat(2_000)));
    plain.expect_failure(&[1009]);
}

/// Goal: names are as long as they may be, and what stands for something in them is what the settings say.
#[test]
fn names_are_read_by_the_settings() {
    let settings = r#"
        client.allow_anonymous_connect_without_token = true
        client.token.hmac_secret_key = "secret"
        [client.subscribe_to_user_personal_channel]
        enabled = true
        personal_channel_namespace = "mine"
        [channel]
        max_length = 12
        private_prefix = "!"
        namespace_boundary = "/"
        user_boundary = "@"
        user_separator = "+"
        [channel.without_namespace]
        allow_subscribe_for_client = true
        allow_subscribe_for_anonymous = true
        allow_user_limited_channels = true
        [[channel.namespaces]]
        name = "mine"
    "#;
    let (server, _file) = with_settings(settings);
    let (mut sdk, reply) = Sdk::connect(&server, &token("secret", &json!({"sub": "42"})));
    assert!(reply["subs"].get("mine/@42").is_some(), "{reply}");
    for (name, expected) in [
        ("twelve_bytes", "done"),
        ("13_bytes_long", "error 107"),
        ("!private", "error 103"),
        ("$public", "done"),
        ("a:b", "done"),
        ("none/a", "error 102"),
        ("mine/a", "error 103"),
        ("a@42+43", "done"),
        ("a@43", "error 103"),
        ("a#43", "done"),
    ] {
        assert_eq!(subscribe(&mut sdk, name), expected, "{name}");
    }
}

/// Goal: who asks to be told the position or to recover is, where that is allowed, and not where it is not.
#[test]
fn positions_and_recovery_are_allowed_to_who_asks() {
    let history = "history_size = 10\nhistory_ttl = \"60s\"";
    // Who may read the history may have both.
    let all = ALL.replace("allow_history_for_client = true", "");
    for (option, recoverable, positioned) in [
        ("", false, false),
        ("allow_positioning = true", false, true),
        ("allow_recovery = true", true, true),
    ] {
        let (server, _file) = with_settings(&format!("{OPEN}{all}{history}\n{option}"));
        let (mut sdk, _) = Sdk::connect(&server, "");
        let asks = json!({"channel": "a", "recoverable": true, "positioned": true});
        let subscribed = sdk.ask("subscribe", &asks);
        let is = |name: &str| subscribed[name] == json!(true);
        assert_eq!(
            (is("recoverable"), is("positioned")),
            (recoverable, positioned),
            "{option}"
        );
    }
}

/// Goal: tokens are held against what the settings ask of them: the secret before, for its time, patterns, and another claim for
/// the user.
#[test]
fn tokens_are_what_the_settings_ask_for() {
    let settings = |until: u64| {
        format!(
            "[client.token]\nhmac_secret_key = \"secret\"\nhmac_previous_secret_key = \"before\"\n\
             hmac_previous_secret_key_valid_until = {until}\naudience_regex = \"^chat-\"\n\
             issuer_regex = \"backend$\"\nuser_id_claim = \"uid\"\n\
             [client.subscribe_to_user_personal_channel]\nenabled = true"
        )
    };
    let claims = json!({"uid": "42", "sub": "43", "aud": "chat-a", "iss": "the backend"});
    let (server, _file) = with_settings(&settings(now() + 3_600));
    let (_, reply) = Sdk::connect(&server, &token("secret", &claims));
    assert!(reply["subs"].get("#42").is_some(), "{reply}");
    assert_eq!(connects(&server, &token("before", &claims)), "done");
    for (name, value) in [("aud", "a chat-a"), ("iss", "backends")] {
        let mut other = claims.clone();
        other[name] = json!(value);
        assert_eq!(
            connects(&server, &token("secret", &other)),
            "close 3500",
            "{name}"
        );
    }
    let (server, _file) = with_settings(&settings(now() - 1));
    assert_eq!(connects(&server, &token("before", &claims)), "close 3500");
    assert_eq!(connects(&server, &token("secret", &claims)), "done");
    let (server, _file) = with_settings(
        "client.token.hmac_secret_key = \"secret\"\nclient.token.issuer = \"backend\"",
    );
    for (issuer, expected) in [("backend", "done"), ("the backend", "close 3500")] {
        let told = connects(
            &server,
            &token("secret", &json!({"sub": "42", "iss": issuer})),
        );
        assert_eq!(told, expected, "{issuer}");
    }
}

/// The public key of the curve as a set of keys has it.
fn key_set() -> String {
    let digits: String = (P256_PUBLIC.lines().filter(|line| !line.starts_with('-'))).collect();
    let der = STANDARD.decode(digits).expect("PEM");
    let (x, y) = der[der.len() - 64..].split_at(32);
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let key = json!({"kty": "EC", "crv": "P-256", "x": text(x), "y": text(y), "kid": "first"});
    json!({ "keys": [key] }).to_string()
}

/// An endpoint that answers every request with the set.
fn endpoint() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut head = [0; 4096];
            let _ = stream.read(&mut head);
            let body = key_set();
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
                 Connection: close\r\n\r\n{body}"
            );
        }
    });
    format!("http://{address}/keys")
}

/// Goal: a public key of a curve lets its tokens in, whether it is written itself, or in a set in a file or at an address.
#[test]
fn keys_are_found_where_the_settings_say() {
    let mut set = NamedTempFile::with_suffix(".json").expect("a temporary file");
    (set.write_all(key_set().as_bytes())).expect("room for it");
    let file = set.path().display();
    let good = Signer::from_pem(P256).expect("a key").named("first");
    let good = good.sign(&json!({"sub": "42"})).expect("a token");
    for key in [
        format!("ecdsa_public_key = \"\"\"\n{P256_PUBLIC}\"\"\""),
        format!("jwks_file = \"{file}\""),
        format!("jwks_public_endpoint = \"{}\"", endpoint()),
    ] {
        let (server, _file) = with_settings(&format!("[client.token]\n{key}"));
        assert_eq!(connects(&server, &good), "done", "{key}");
        assert_eq!(
            connects(&server, &token("secret", &json!({"sub": "42"}))),
            "close 3500"
        );
    }
}

/// Goal: pages of the origins that are listed may connect, by patterns, and no others.
#[test]
fn pages_connect_from_listed_origins() {
    let (server, _file) = with_settings("client.allowed_origins = [\"https://*.example.org\"]");
    for (origin, expected) in [
        ("https://chat.example.org", 101),
        ("https://example.com", 403),
        ("http://chat.example.org", 403),
    ] {
        let mut wire = Wire::open(server.address());
        let lines = format!("Origin: {origin}\r\n");
        wire.send(handshake(server.address(), TARGET, &fresh_key(), &lines).as_bytes());
        assert_eq!(wire.response_head().status, expected, "{origin}");
    }
}
