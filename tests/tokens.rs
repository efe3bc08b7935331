//! Good and bad tokens over real sockets, each shown by every way in: the commands of clients, and the doors of the plain
//! protocol.

mod support;

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fanring::auth::sign::Signer;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use self::support::client::{fresh_key, handshake};
use self::support::http::{Wire, request};
use self::support::sdk::{Sdk, with_settings};
use self::support::server::Server;

/// Keys for tests, which nobody trusts.
const RSA: &str = include_str!("../src/auth/testing/rsa.pem");
const RSA_PUBLIC: &str = include_str!("../src/auth/testing/rsa_public.pem");
const P256: &str = include_str!("../src/auth/testing/p256.pem");

const SECRET: &str = "secret";

/// A channel that is open to all who show any good token.
const CHANNEL: &str = "open:a";

/// A server whose tokens are signed with a secret or an RSA key, and for this audience, if any.
fn server(audience: &str) -> (Server, NamedTempFile) {
    let settings = format!(
        "[client.token]\nhmac_secret_key = \"{SECRET}\"\naudience = \"{audience}\"\n\
         rsa_public_key = \"\"\"\n{RSA_PUBLIC}\"\"\"\n[[channel.namespaces]]\nname = \"open\"\n\
         allow_plain = true\npresence = true\nallow_subscribe_for_client = true\n\
         allow_presence_for_client = true\n"
    );
    with_settings(&settings)
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("after 1970").as_secs()
}

/// Who has signed a token.
#[derive(Clone, Copy)]
enum Hand {
    /// With the secret.
    Secret,
    /// With the private half of the RSA key.
    Rsa,
    /// With another secret.
    Stranger,
    /// With the public half of the RSA key, as if it were a secret.
    Confused,
    /// With a key of a kind that is not configured.
    Curve,
    /// Nobody.
    Nobody,
}

fn sign(hand: Hand, claims: &Value) -> String {
    let signer = match hand {
        Hand::Secret => Signer::from_secret(SECRET),
        Hand::Rsa => Signer::from_pem(RSA).expect("a key"),
        Hand::Stranger => Signer::from_secret("another"),
        Hand::Confused => Signer::from_secret(RSA_PUBLIC),
        Hand::Curve => Signer::from_pem(P256).expect("a key"),
        Hand::Nobody => {
            let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
            let header = encode(r#"{"alg":"none","typ":"JWT"}"#);
            return format!("{header}.{}.", encode(&claims.to_string()));
        }
    };
    signer.sign(claims).expect("a token")
}

/// The claims of a good token to connect, and of one to subscribe, with some of them said otherwise.
fn claims(more: &Value) -> [Value; 2] {
    let connect = json!({"sub": "42", "aud": "chat", "exp": now() + 600});
    let subscribe = json!({"sub": "42", "aud": "chat", "exp": now() + 600, "channel": CHANNEL});
    [connect, subscribe].map(|mut claims| {
        for (name, value) in more.as_object().expect("claims") {
            match value {
                Value::Null => drop(claims.as_object_mut().expect("claims").remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        claims
    })
}

/// A client whose user is 42, in the channel if it is to be.
fn client(server: &Server, subscribes: Option<&str>) -> Sdk {
    let [connect, subscribe] = claims(&json!({})).map(|claims| sign(Hand::Secret, &claims));
    let (mut sdk, reply) = Sdk::connect(server, &connect);
    assert!(reply["client"].is_string(), "{reply}");
    if let Some(channel) = subscribes {
        let request = json!({"channel": channel, "token": subscribe});
        assert_eq!(sdk.outcome("subscribe", &request), "done");
    }
    sdk
}

fn door(server: &Server, target: &str, lines: &str) -> String {
    let mut wire = Wire::open(server.address());
    wire.send(handshake(server.address(), target, &fresh_key(), lines).as_bytes());
    wire.response_head().status.to_string()
}

/// What comes of two tokens by each way in: of that to connect by `connect`, `refresh`, the plain door and that of its
/// members; of that to subscribe by `subscribe` and `sub_refresh`, and by the plain door.
fn outcomes(server: &Server, [connect, subscribe]: &[String; 2]) -> [String; 8] {
    let connected = Sdk::open(server).outcome("connect", &json!({"token": connect}));
    let refreshed = client(server, None).outcome("refresh", &json!({"token": connect}));
    let shown = json!({"channel": CHANNEL, "token": subscribe});
    let subscribed = client(server, None).outcome("subscribe", &shown);
    let resubscribed = client(server, Some(CHANNEL)).outcome("sub_refresh", &shown);
    let by_query = door(
        server,
        &format!("/ws/{CHANNEL}?presence=0&token={connect}"),
        "",
    );
    let field = format!("Authorization: Bearer {connect}\r\n");
    let by_field = door(server, &format!("/ws/{CHANNEL}?presence=0"), &field);
    let by_pass = door(
        server,
        &format!("/ws/{CHANNEL}?presence=0&token={subscribe}"),
        "",
    );
    let bearer = format!("Bearer {connect}");
    let members = format!("/rooms/{CHANNEL}");
    let fields = [("Authorization", bearer.as_str())];
    let counted = request(server.address(), "GET", &members, &fields)
        .status
        .to_string();
    [
        connected,
        refreshed,
        subscribed,
        resubscribed,
        by_query,
        by_field,
        by_pass,
        counted,
    ]
}

const INVALID: [&str; 8] = [
    "close 3500",
    "close 3500",
    "error 103",
    "close 3500",
    "401",
    "401",
    "401",
    "401",
];
const LATE: [&str; 8] = [
    "error 109",
    "close 3005",
    "error 109",
    "unsubscribe 2501",
    "401",
    "401",
    "401",
    "401",
];
const LAPSED: [&str; 8] = [
    "error 110",
    "close 3005",
    "error 110",
    "unsubscribe 2501",
    "401",
    "401",
    "401",
    "401",
];
/// The head of a request takes no such token.
const TOO_LONG: [&str; 8] = [
    "close 3500",
    "close 3500",
    "error 103",
    "close 3500",
    "431",
    "431",
    "431",
    "431",
];

/// A token of each kind that is no good: who has signed it, what it says otherwise than a good one, and what comes of it.
fn bad() -> Vec<(&'static str, Hand, Value, [&'static str; 8])> {
    let long = "x".repeat(33 << 10);
    vec![
        ("no algorithm", Hand::Nobody, json!({}), INVALID),
        ("another key", Hand::Stranger, json!({}), INVALID),
        (
            "a public key as a secret",
            Hand::Confused,
            json!({}),
            INVALID,
        ),
        ("another kind of key", Hand::Curve, json!({}), INVALID),
        (
            "expired by 30 s",
            Hand::Secret,
            json!({"exp": now() - 30}),
            LATE,
        ),
        ("expired now", Hand::Rsa, json!({"exp": now()}), LATE),
        (
            "good in an hour",
            Hand::Secret,
            json!({"nbf": now() + 3_600, "exp": now() + 7_200}),
            LATE,
        ),
        (
            "made in an hour",
            Hand::Secret,
            json!({"iat": now() + 3_600, "exp": now() + 7_200}),
            LATE,
        ),
        (
            "over already",
            Hand::Secret,
            json!({"expire_at": now() - 30}),
            LAPSED,
        ),
        (
            "another audience",
            Hand::Secret,
            json!({"aud": "other"}),
            INVALID,
        ),
        ("no audience", Hand::Secret, json!({"aud": null}), INVALID),
        (
            "a user that is no text",
            Hand::Secret,
            json!({"sub": 42}),
            INVALID,
        ),
        (
            "a long user",
            Hand::Secret,
            json!({"sub": "x".repeat(256)}),
            INVALID,
        ),
        (
            "a long token",
            Hand::Secret,
            json!({"meta": long}),
            TOO_LONG,
        ),
    ]
}

/// Goal: each kind of bad token is refused by every way in, as its kind is told there.
#[test]
fn bad_tokens_are_refused_by_every_way_in() {
    let (server, _file) = server("chat");
    for (what, hand, more, expected) in bad() {
        let tokens = claims(&more).map(|claims| sign(hand, &claims));
        assert_eq!(outcomes(&server, &tokens), expected, "{what}");
    }
    let words = ["nonsense".to_owned(), "non.sen.se".to_owned()];
    assert_eq!(outcomes(&server, &words), INVALID);
    // Either in place of the other; but a door takes both.
    let [connect, subscribe] = claims(&json!({})).map(|claims| sign(Hand::Secret, &claims));
    let mut swapped = INVALID;
    (swapped[4], swapped[5], swapped[6], swapped[7]) = ("101", "101", "101", "200");
    let told = outcomes(&server, &[subscribe, connect]);
    assert_eq!(told[..7], swapped[..7]);
}

/// Goal: what is good but somebody else's, or for another room, is refused wherever that is known.
#[test]
fn tokens_of_others_are_refused() {
    let (server, _file) = server("chat");
    let [connect, subscribe] =
        claims(&json!({"sub": "43"})).map(|claims| sign(Hand::Secret, &claims));
    let refreshed = client(&server, None).outcome("refresh", &json!({"token": connect}));
    let shown = json!({"channel": CHANNEL, "token": subscribe});
    let subscribed = client(&server, None).outcome("subscribe", &shown);
    let resubscribed = client(&server, Some(CHANNEL)).outcome("sub_refresh", &shown);
    assert_eq!([refreshed, subscribed, resubscribed], ["close 3500"; 3]);
    let [_, elsewhere] =
        claims(&json!({"channel": "open:b"})).map(|claims| sign(Hand::Secret, &claims));
    let shown = json!({"channel": CHANNEL, "token": elsewhere});
    let subscribed = client(&server, None).outcome("subscribe", &shown);
    let resubscribed = client(&server, Some(CHANNEL)).outcome("sub_refresh", &shown);
    assert_eq!([subscribed, resubscribed], ["close 3500"; 2]);
    assert_eq!(
        door(&server, &format!("/ws/{CHANNEL}?token={elsewhere}"), ""),
        "403"
    );
    let [_, of_client] =
        claims(&json!({"client": "another"})).map(|claims| sign(Hand::Secret, &claims));
    let shown = json!({"channel": CHANNEL, "token": of_client});
    assert_eq!(
        client(&server, None).outcome("subscribe", &shown),
        "close 3500"
    );
    assert_eq!(
        door(&server, &format!("/ws/{CHANNEL}?token={of_client}"), ""),
        "401"
    );
}

/// Goal: good tokens let in by every way: of either kind of key, without an end, just about to be good, and with an
/// audience where nobody asks for one.
#[test]
fn good_tokens_let_in_by_every_way() {
    for audience in ["chat", ""] {
        let (server, _file) = server(audience);
        let mut good = vec![
            (Hand::Secret, json!({})),
            (Hand::Rsa, json!({})),
            (Hand::Secret, json!({"exp": null})),
            (Hand::Secret, json!({"nbf": now() + 20, "iat": now() + 20})),
            (Hand::Secret, json!({"aud": ["other", "chat"]})),
        ];
        if audience.is_empty() {
            good.push((Hand::Secret, json!({"aud": "whoever"})));
            good.push((Hand::Secret, json!({"aud": null})));
        }
        for (hand, more) in good {
            let tokens = claims(&more).map(|claims| sign(hand, &claims));
            let told = outcomes(&server, &tokens);
            assert_eq!(told[..4], ["done"; 4], "{more}");
            assert_eq!(told[4..7], ["101"; 3], "{more}");
            // Nobody may be left there by then.
            assert!(
                ["200", "404"].contains(&told[7].as_str()),
                "{more}: {told:?}"
            );
        }
    }
}
