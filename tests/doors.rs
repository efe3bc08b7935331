//! Who may come in by the doors without a handshake of their own, `/ws` and `/rooms`: every kind of name, with
//! every kind of token or none.

mod support;

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use fanring::auth::sign::Signer;
use serde_json::{Value, json};
use tempfile::TempDir;

use self::support::client::{Client, fresh_key, handshake};
use self::support::http::{Wire, request};
use self::support::server::Server;

/// A file as one that was carried over has it, with doors opened in some of its namespaces.
const SETTINGS: &str = r#"
[client.token]
hmac_secret_key = "secret"
[client.subscription_token]
enabled = true
hmac_secret_key = "other"
[[channel.namespaces]]
name = "shut"
presence = true
allow_subscribe_for_client = true
allow_subscribe_for_anonymous = true
allow_presence_for_client = true
allow_presence_for_anonymous = true
[[channel.namespaces]]
name = "open"
allow_plain = true
presence = true
allow_user_limited_channels = true
allow_subscribe_for_client = true
allow_subscribe_for_anonymous = true
allow_publish_for_subscriber = true
allow_publish_for_anonymous = true
allow_presence_for_client = true
allow_presence_for_anonymous = true
[[channel.namespaces]]
name = "members"
allow_plain = true
presence = true
allow_subscribe_for_client = true
allow_presence_for_client = true
[[channel.namespaces]]
name = "tokens"
allow_plain = true
"#;

/// Names as they stand in addresses, and what is answered at `/ws`: 101, or a refusal.
///
/// Without a token, with one to connect as user 42, as user 43, with one to subscribe to that channel, and to
/// another.
const NAMES: [(&str, &str, [u16; 5]); 10] = [
    // No token is for the room without a name.
    ("", "", [403, 403, 403, 401, 403]),
    ("/lobby", "lobby", [403, 403, 403, 403, 403]),
    ("/shut:a", "shut:a", [403, 403, 403, 403, 403]),
    ("/unknown:a", "unknown:a", [403, 403, 403, 403, 403]),
    ("/open:a", "open:a", [101, 101, 101, 101, 403]),
    ("/members:a", "members:a", [403, 101, 101, 101, 403]),
    ("/tokens:a", "tokens:a", [403, 403, 403, 101, 403]),
    ("/%24open:a", "$open:a", [403, 403, 403, 101, 403]),
    ("/open:a%2342", "open:a#42", [403, 101, 403, 101, 403]),
    ("/%24x", "$x", [403, 403, 403, 403, 403]),
];

fn server() -> (Server, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("fanring.toml");
    std::fs::write(&path, SETTINGS).expect("written");
    let path = path.display().to_string();
    (Server::start(&["--shards", "2", "--config", &path]), folder)
}

fn token(secret: &str, claims: &Value) -> String {
    Signer::from_secret(secret).sign(claims).expect("a token")
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("after 1970").as_secs()
}

/// The tokens of a row of [`NAMES`], of which the first is none.
fn tokens(name: &str) -> [Option<String>; 5] {
    let connect = |user: &str| Some(token("secret", &json!({ "sub": user })));
    let subscribe = |channel: &str| Some(token("other", &json!({"sub": "42", "channel": channel})));
    [
        None,
        connect("42"),
        connect("43"),
        subscribe(name),
        subscribe("open:other"),
    ]
}

/// What an upgrade with these lines is answered.
fn upgraded(address: SocketAddr, target: &str, lines: &str) -> u16 {
    let mut wire = Wire::open(address);
    wire.send(handshake(address, target, &fresh_key(), lines).as_bytes());
    wire.response_head().status
}

/// Goal: each kind of name is open to those that its namespace names, with the token in the address and in a
/// field alike.
#[test]
fn every_name_has_its_guests() {
    let (server, _folder) = server();
    let address = server.address();
    for (path, name, expected) in NAMES {
        let target = format!("/ws{path}");
        for (token, expected) in tokens(name).iter().zip(expected) {
            let Some(token) = token else {
                assert_eq!(upgraded(address, &target, ""), expected, "{target}");
                continue;
            };
            let with_query = format!("{target}?presence=0&token={token}");
            assert_eq!(upgraded(address, &with_query, ""), expected, "{with_query}");
            let field = format!("Authorization: Bearer {token}\r\n");
            assert_eq!(
                upgraded(address, &target, &field),
                expected,
                "{target} {field}"
            );
        }
    }
    assert!(server.figure("refused_403") > 0);
}

/// Goal: a token that is no good is refused with 401 at every door, whatever the name: nobody falls back to
/// what holds without one.
#[test]
fn bad_tokens_are_refused() {
    let (server, _folder) = server();
    let address = server.address();
    let bad = [
        "nonsense".to_owned(),
        token("wrong", &json!({"sub": "42"})),
        token("secret", &json!({"sub": "42", "exp": now() - 30})),
        token("secret", &json!({"sub": "42", "nbf": now() + 3600})),
        token("secret", &json!({"sub": "42", "channel": "open:a"})),
        token("other", &json!({"sub": "42"})),
        token(
            "other",
            &json!({"sub": "42", "channel": "open:a", "client": "c"}),
        ),
    ];
    for token in bad {
        for door in ["/ws/open:a", "/rooms/open:a", "/ws/shut:a", "/rooms"] {
            let target = format!("{door}?token={token}");
            let status = if door.starts_with("/ws") {
                upgraded(address, &target, "")
            } else {
                request(address, "GET", &target, &[]).status
            };
            assert_eq!(status, 401, "{target}");
        }
    }
}

/// Goal: who is in a room is told to those that its namespace lets ask, and to nobody else.
#[test]
fn members_are_told_to_whom_they_may_be() {
    let (server, _folder) = server();
    let address = server.address();
    let _member = Client::connect(address, "/ws/open:a");
    server.await_figure("sessions", |sessions| sessions == 1);
    let allowed = [
        ("/rooms", "", [403, 403, 403, 401, 403]),
        ("/rooms/lobby", "lobby", [403, 403, 403, 403, 403]),
        ("/rooms/shut:a", "shut:a", [403, 403, 403, 403, 403]),
        ("/rooms/unknown:a", "unknown:a", [403, 403, 403, 403, 403]),
        ("/rooms/open:a", "open:a", [200, 200, 200, 200, 403]),
        ("/rooms/members:a", "members:a", [403, 404, 404, 404, 403]),
        ("/rooms/tokens:a", "tokens:a", [403, 403, 403, 403, 403]),
        ("/rooms/%24open:a", "$open:a", [403, 403, 403, 404, 403]),
    ];
    for (target, name, expected) in allowed {
        for (token, expected) in tokens(name).iter().zip(expected) {
            let field = token.as_ref().map(|token| format!("Bearer {token}"));
            let fields: Vec<_> = field
                .iter()
                .map(|field| ("Authorization", field.as_str()))
                .collect();
            let answer = request(address, "GET", target, &fields);
            assert_eq!(answer.status, expected, "{target} {field:?}");
        }
    }
    let answer = request(address, "GET", "/rooms/open:a", &[]);
    assert_eq!(answer.text(), r#"{"members":1,"room":"open:a"}"#);
}

/// Goal: who may read and not publish hears the others, and is closed with 1008 for publishing.
#[test]
fn readers_only_read() {
    let (server, _folder) = server();
    let address = server.address();
    let member = token("secret", &json!({"sub": "42"}));
    let mut reader = Client::connect(address, &format!("/ws/members:a?presence=0&token={member}"));
    reader.text("");
    assert_eq!(reader.next_text(), "", "the keep-alive is no publication");
    reader.text("hello");
    let (code, reason) = reader.close_frame().expect("a code");
    assert_eq!(
        (code, reason.as_str()),
        (1008, "publishing is not allowed here")
    );
}

/// Goal: a page that asks beforehand is told what its socket would be refused with.
#[test]
fn a_page_is_told_beforehand() {
    let (server, _folder) = server();
    let status = |target: &str| request(server.address(), "OPTIONS", target, &[]).status;
    assert_eq!(status("/ws/open:a"), 204);
    assert_eq!(status("/ws/shut:a"), 403);
    assert_eq!(status("/ws/%24x"), 403);
    // Whether a token is good is not told before it is shown.
    assert_eq!(status("/ws/members:a?token=a"), 204);
}

/// Goal: in a playground every name is open to everybody, whatever token they show.
#[test]
fn a_playground_is_open() {
    let server = Server::start(&[]);
    for (path, ..) in NAMES {
        assert_eq!(
            upgraded(server.address(), &format!("/ws{path}"), ""),
            101,
            "{path}"
        );
        let target = format!("/ws{path}?token=nonsense");
        assert_eq!(upgraded(server.address(), &target, ""), 101, "{target}");
    }
}
