//! Which keys a token may be signed with: families, rotation, sections, audiences and issuers.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};

use super::*;
use crate::auth::settings::KeyProblem;
use crate::auth::testing;

/// Keys of every kind that settings have.
pub(super) fn everything() -> Keys {
    keys(TokenSettings {
        rsa_public_key: testing::RSA_PUBLIC.to_owned(),
        ecdsa_public_key: testing::P256_PUBLIC.to_owned(),
        ..settings()
    })
}

fn pem(text: &str) -> Signer {
    Signer::from_pem(text).expect("a private key")
}

fn by(algorithm: Algorithm, key: &EncodingKey) -> String {
    encode(&Header::new(algorithm), &with(json!({})), key).expect("a token")
}

fn connect(keys: &Keys, token: &str) -> u16 {
    shown(keys, token)[0]
}

/// Goal: each algorithm of a configured key's family is taken, and none of another family.
#[test]
fn algorithms_of_the_family_only() {
    let only = |rsa: &str, ecdsa: &str, hmac: &str| {
        keys(TokenSettings {
            hmac_secret_key: hmac.to_owned(),
            rsa_public_key: rsa.to_owned(),
            ecdsa_public_key: ecdsa.to_owned(),
            ..TokenSettings::default()
        })
    };
    let hmac = only("", "", "secret");
    let rsa = only(testing::RSA_PUBLIC, "", "");
    let pkcs1 = only(testing::RSA_PKCS1_PUBLIC, "", "");
    let p256 = only("", testing::P256_PUBLIC, "");
    let p384 = only("", testing::P384_PUBLIC, "");
    let secret = EncodingKey::from_secret(b"secret");
    let rsa_key = pem::block(testing::RSA_PKCS1).expect("PEM").bytes;
    let rsa_key = EncodingKey::from_rsa_der(&rsa_key);
    let mut tokens = Vec::new();
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        tokens.push((by(algorithm, &secret), [0, 3500, 3500, 3500, 3500]));
    }
    for algorithm in [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512] {
        tokens.push((by(algorithm, &rsa_key), [3500, 0, 0, 3500, 3500]));
    }
    for (key, expected) in [
        (testing::P256, [3500, 3500, 3500, 0, 3500]),
        (testing::P384, [3500, 3500, 3500, 3500, 0]),
        (testing::ED25519, [3500; 5]),
    ] {
        tokens.push((pem(key).sign(&with(json!({}))).expect("a token"), expected));
    }
    for (token, expected) in tokens {
        let found = [&hmac, &rsa, &pkcs1, &p256, &p384].map(|keys| connect(keys, &token));
        assert_eq!(found, expected, "{token}");
    }
}

/// Goal: nobody signs with a public key as secret, in whatever form, nor has RS256 read as HS256.
#[test]
fn a_public_key_is_no_secret() {
    let rsa = keys(TokenSettings {
        rsa_public_key: testing::RSA_PUBLIC.to_owned(),
        ..TokenSettings::default()
    });
    for keys in [rsa, everything()] {
        let der = pem::block(testing::RSA_PUBLIC).expect("PEM").bytes;
        let pkcs1 = pem::block(testing::RSA_PKCS1_PUBLIC).expect("PEM").bytes;
        let trimmed = testing::RSA_PUBLIC.trim();
        for secret in [
            testing::RSA_PUBLIC.as_bytes(),
            trimmed.as_bytes(),
            &der,
            &pkcs1,
            b"",
        ] {
            for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
                let token = by(algorithm, &EncodingKey::from_secret(secret));
                assert_eq!(shown(&keys, &token), INVALID, "{algorithm:?}");
            }
        }
        let token = pem(testing::RSA).sign(&with(json!({}))).expect("a token");
        let (_, rest) = token.split_once('.').expect("three parts");
        for algorithm in ["HS256", "RS384", "PS256", "ES256", "none"] {
            let header = part(&json!({ "alg": algorithm }).to_string());
            assert_eq!(
                shown(&keys, &format!("{header}.{rest}")),
                INVALID,
                "{algorithm}"
            );
        }
    }
}

/// Goal: a secret is changed without refusing anybody: the one before is good until its time, and what
/// neither signed never is.
#[test]
fn a_secret_is_rotated() {
    let rotated = |until: u64| {
        keys(TokenSettings {
            hmac_secret_key: "new".to_owned(),
            hmac_previous_secret_key: "old".to_owned(),
            hmac_previous_secret_key_valid_until: until,
            ..TokenSettings::default()
        })
    };
    let token = |secret: &str| {
        let signer = Signer::from_secret(secret);
        signer.sign(&with(json!({}))).expect("a token")
    };
    for (until, old) in [(0, 0), (NOW + 1, 0), (NOW, 0), (NOW - 1, 3500), (1, 3500)] {
        let keys = rotated(until);
        assert_eq!(connect(&keys, &token("new")), 0, "{until}");
        assert_eq!(connect(&keys, &token("old")), old, "{until}");
        assert_eq!(connect(&keys, &token("other")), 3500, "{until}");
    }
    // What is wrong beside the signature is told of the key that signed.
    let mut claims = with(json!({}));
    claims["exp"] = json!(NOW - 1);
    let old = Signer::from_secret("old").sign(&claims).expect("a token");
    assert_eq!(connect(&rotated(0), &old), 109);
}

/// Goal: subscription tokens with keys of their own are held against these alone.
#[test]
fn subscriptions_have_their_own_keys() {
    let own = TokenSettings {
        hmac_secret_key: "other".to_owned(),
        ..TokenSettings::default()
    };
    let keys = |subscription: Option<TokenSettings>| {
        Keys::new(&AuthSettings {
            connection: settings(),
            subscription,
        })
        .expect("good settings")
    };
    let (shared, apart) = (keys(None), keys(Some(own)));
    let empty = keys(Some(TokenSettings::default()));
    let claims = with(json!({"channel": "news"}));
    let [first, second] = ["secret", "other"].map(|secret| {
        let signer = Signer::from_secret(secret);
        signer.sign(&claims).expect("a token")
    });
    let subscribe = |keys: &Keys, token: &str| shown(keys, token)[2];
    assert_eq!(
        [&shared, &apart, &empty].map(|keys| subscribe(keys, &first)),
        [0, 103, 103]
    );
    assert_eq!(
        [&shared, &apart, &empty].map(|keys| subscribe(keys, &second)),
        [103, 0, 103]
    );
    let connection = sign(&with(json!({})));
    assert_eq!(
        [&shared, &apart, &empty].map(|keys| connect(keys, &connection)),
        [0, 0, 0]
    );
}

/// Goal: a request may show a token of either kind, each held against its own keys, but none that is for one
/// connection.
#[test]
fn a_request_shows_a_token_of_either_kind() {
    let keys = |own: &str| {
        let own = TokenSettings {
            hmac_secret_key: own.to_owned(),
            ..TokenSettings::default()
        };
        Keys::new(&AuthSettings {
            connection: settings(),
            subscription: (!own.hmac_secret_key.is_empty()).then_some(own),
        })
        .expect("good settings")
    };
    let (shared, apart) = (keys(""), keys("other"));
    let shown = |keys: &Keys, secret: &str, changes: Value| {
        let token = Signer::from_secret(secret).sign(&with(changes));
        let shown = keys.shown(&token.expect("a token"), NOW);
        shown.map(|shown| match shown {
            Shown::Connection(token) => (token.user, None),
            Shown::Subscription { token, user } => (user, Some(token.grant.channel)),
        })
    };
    let user = |channel: Option<&str>| Ok(("42".to_owned(), channel.map(str::to_owned)));
    let channel = || json!({"channel": "news"});
    assert_eq!(shown(&shared, "secret", json!({})), user(None));
    assert_eq!(shown(&shared, "secret", channel()), user(Some("news")));
    assert_eq!(shown(&apart, "secret", json!({})), user(None));
    assert_eq!(shown(&apart, "other", channel()), user(Some("news")));
    let refused = |fault| Err(TokenError::Invalid(fault));
    assert_eq!(
        shown(&apart, "secret", channel()),
        refused(Fault::HasChannel)
    );
    assert_eq!(shown(&apart, "other", json!({})), refused(Fault::Signature));
    assert_eq!(
        shown(&shared, "other", channel()),
        refused(Fault::Signature)
    );
    for keys in [&shared, &apart] {
        let late = shown(keys, "secret", json!({"exp": NOW - 5}));
        assert_eq!(late, Err(TokenError::Expired { ago: 5 }));
    }
    let late = shown(&apart, "other", json!({"channel": "news", "exp": NOW - 5}));
    assert_eq!(late, Err(TokenError::Expired { ago: 5 }));
    let bound = shown(&shared, "secret", json!({"channel": "news", "client": "c"}));
    assert_eq!(bound, Err(TokenError::Foreign(Fault::OtherClient)));
}

/// Goal: audience and issuer count when they are configured, exactly or by a pattern, and must then be
/// there.
#[test]
fn audience_and_issuer_are_held_to_the_settings() {
    let text = |text: &str| text.to_owned();
    let exact = keys(TokenSettings {
        audience: text("chat"),
        issuer: text("me"),
        ..settings()
    });
    let patterns = keys(TokenSettings {
        audience_regex: text("^(chat|news)$"),
        issuer_regex: text("^me"),
        ..settings()
    });
    let table = [
        (json!({"aud": "chat", "iss": "me"}), [0, 0]),
        (json!({"aud": ["other", "chat"], "iss": "me"}), [0, 0]),
        (json!({"aud": "news", "iss": "me"}), [3500, 0]),
        (json!({"aud": "chat", "iss": "me too"}), [3500, 0]),
        (json!({"aud": "chats", "iss": "me"}), [3500, 3500]),
        (json!({"aud": ["chats"], "iss": "me"}), [3500, 3500]),
        (json!({"aud": [], "iss": "me"}), [3500, 3500]),
        (json!({"aud": null, "iss": "me"}), [3500, 3500]),
        (json!({"iss": "me"}), [3500, 3500]),
        (json!({"aud": 5, "iss": "me"}), [3500, 3500]),
        (json!({"aud": {"chat": 1}, "iss": "me"}), [3500, 3500]),
        (json!({"aud": "chat"}), [3500, 3500]),
        (json!({"aud": "chat", "iss": "you"}), [3500, 3500]),
        (json!({"aud": "chat", "iss": 5}), [3500, 3500]),
        (json!({"aud": "chat", "iss": null}), [3500, 3500]),
        (json!({}), [3500, 3500]),
    ];
    for (changes, expected) in table {
        let token = sign(&with(changes.clone()));
        let found = [&exact, &patterns].map(|keys| connect(keys, &token));
        assert_eq!(found, expected, "{changes}");
        // And for subscribing just as well.
        let mut claims = with(changes.clone());
        claims["channel"] = json!("news");
        let found = [&exact, &patterns].map(|keys| shown(keys, &sign(&claims))[2]);
        assert_eq!(
            found,
            expected.map(|code| if code == 0 { 0 } else { 103 }),
            "{changes}"
        );
    }
    // What is both for others and expired is for others.
    let token = sign(&with(json!({"aud": "other", "iss": "me", "exp": NOW - 30})));
    assert_eq!(
        [&exact, &patterns].map(|keys| connect(keys, &token)),
        [3500; 2]
    );
}

/// How settings are made bad, and what is said of them.
type Change = (fn(&mut TokenSettings), &'static str);

const BAD_SETTINGS: &[Change] = &[
    (
        |s| s.rsa_public_key = "secret".to_owned(),
        "rsa_public_key is not PEM",
    ),
    (
        |s| s.rsa_public_key = testing::RSA.to_owned(),
        "rsa_public_key holds a private key",
    ),
    (
        |s| s.ecdsa_public_key = testing::P521_PUBLIC.to_owned(),
        "ecdsa_public_key is a key of curve P-521, whose algorithm ES512",
    ),
    (|s| s.jwks = "{}".to_owned(), "jwks_file is no key set"),
    (
        |s| s.jwks_public_endpoint = "http://a.example/".to_owned(),
        "jwks_public_endpoint is not encrypted",
    ),
    (
        |s| s.jwks_public_endpoint = "https://a.example/{{b}}".to_owned(),
        "jwks_public_endpoint has a placeholder",
    ),
    (
        |s| {
            let key = testing::jwk(testing::P256_PUBLIC, "a");
            s.jwks = json!({ "keys": [key] }).to_string();
            s.jwks_public_endpoint = "https://a.example/".to_owned();
        },
        "jwks_public_endpoint is written beside jwks_file",
    ),
    (
        |s| {
            s.audience = "a".to_owned();
            s.audience_regex = "b".to_owned();
        },
        "audience_regex is written beside audience",
    ),
    (
        |s| {
            s.issuer = "a".to_owned();
            s.issuer_regex = "b".to_owned();
        },
        "issuer_regex is written beside issuer",
    ),
    (
        |s| s.issuer_regex = "(".to_owned(),
        "issuer_regex is no regular expression (unclosed group)",
    ),
    (
        |s| s.audience_regex = "a{1000}{1000}".to_owned(),
        "audience_regex is no regular expression (",
    ),
];

/// Goal: a server does not start with keys that could never verify, and says which setting it is.
#[test]
fn bad_settings_are_refused_by_name() {
    let bad = |change: fn(&mut TokenSettings)| {
        let mut settings = settings();
        change(&mut settings);
        let subscription = Some(settings);
        let connection = TokenSettings::default();
        let refused = Keys::new(&AuthSettings {
            connection,
            subscription,
        });
        refused.expect_err("bad settings").to_string()
    };
    for &(change, expected) in BAD_SETTINGS {
        let said = bad(change);
        let expected = format!("client.subscription_token.{expected}");
        assert!(said.starts_with(&expected), "{said} instead of {expected}");
        assert!(!said.contains('\n'), "{said}");
    }
    let problem = KeyProblem::Beside("a").to_string();
    assert!(problem.contains("take one out"));
}

/// Goal: settings and keys can be logged without giving a secret away.
#[test]
fn secrets_are_not_shown() {
    let settings = TokenSettings {
        hmac_secret_key: "horse battery".to_owned(),
        hmac_previous_secret_key: "staple".to_owned(),
        ..TokenSettings::default()
    };
    let shown = format!("{settings:?} {:?}", keys(settings.clone()));
    assert!(
        !shown.contains("horse") && !shown.contains("staple"),
        "{shown}"
    );
    // Nor as the numbers of its bytes.
    assert!(!shown.contains("104, 111, 114"), "{shown}");
}
