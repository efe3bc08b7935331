//! Documents in, keys by name out.

use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::auth::testing;

fn parse(document: &Value) -> Result<KeySet, JwksFault> {
    KeySet::parse(document.to_string().as_bytes())
}

fn set(keys: &[Value]) -> Result<KeySet, JwksFault> {
    parse(&json!({ "keys": keys }))
}

/// Goal: each kind of key is found by its name, for the algorithms of its kind only.
#[test]
fn keys_are_found_by_name_and_algorithm() {
    let keys = set(&[
        testing::jwk(testing::RSA_PUBLIC, "rsa"),
        testing::jwk(testing::P256_PUBLIC, "p256"),
        testing::jwk(testing::P384_PUBLIC, "p384"),
        testing::jwk(testing::ED25519_PUBLIC, "ed"),
    ])
    .expect("a set");
    for (name, algorithm) in [
        ("rsa", Algorithm::RS256),
        ("rsa", Algorithm::RS512),
        ("p256", Algorithm::ES256),
        ("p384", Algorithm::ES384),
        ("ed", Algorithm::EdDSA),
    ] {
        assert!(
            matches!(keys.find(name, algorithm), Found::Key(_)),
            "{name}"
        );
        let found = keys.find(name, Algorithm::HS256);
        assert!(matches!(found, Found::OtherAlgorithm), "{name}");
        assert!(keys.knows(name));
    }
    assert!(matches!(
        keys.find("rsa", Algorithm::PS256),
        Found::OtherAlgorithm
    ));
    assert!(matches!(
        keys.find("other", Algorithm::RS256),
        Found::Unknown
    ));
    assert!(!keys.knows("other"));
}

/// Goal: an algorithm that the set names is the only one, and a name that two keys share stands for
/// both.
#[test]
fn a_named_algorithm_is_the_only_one() {
    let mut rsa = testing::jwk(testing::RSA_PUBLIC, "a");
    rsa["alg"] = json!("RS384");
    let p256 = testing::jwk(testing::P256_PUBLIC, "a");
    let keys = set(&[rsa, p256]).expect("a set");
    assert!(matches!(keys.find("a", Algorithm::RS384), Found::Key(_)));
    assert!(matches!(keys.find("a", Algorithm::ES256), Found::Key(_)));
    assert!(matches!(
        keys.find("a", Algorithm::RS256),
        Found::OtherAlgorithm
    ));
}

/// Goal: what cannot be used is passed over, and does not cost the keys beside it.
#[test]
fn unusable_keys_are_passed_over() {
    let good = testing::jwk(testing::P256_PUBLIC, "good");
    let with = |name: &str, value: Value| {
        let mut key = testing::jwk(testing::RSA_PUBLIC, "bad");
        key[name] = value;
        key
    };
    let cases = [
        with("use", json!("enc")),
        with("key_ops", json!(["encrypt"])),
        with("alg", json!("PS256")),
        with("alg", json!("ES256")),
        with("alg", json!("RSA-OAEP")),
        with("alg", json!("none")),
        with("kid", Value::Null),
        with("kid", json!(5)),
        with("kty", json!("new")),
        with("n", json!("AQAB")),
        with("n", json!("%")),
        with("n", Value::Null),
        testing::jwk(testing::P521_PUBLIC, "bad"),
        json!({"kty": "oct", "k": "c2VjcmV0", "kid": "bad"}),
        json!({"kty": "oct", "k": "c2VjcmV0", "kid": "bad", "alg": "HS256"}),
        json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "_".repeat(99), "kid": "bad"}),
        json!({"kty": "OKP", "crv": "X25519", "x": "AA", "kid": "bad"}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "bad"}),
        json!({}),
        json!(null),
        json!([1]),
    ];
    for bad in cases {
        let keys = set(&[bad.clone(), good.clone()]).expect("a set");
        assert!(keys.knows("good") && !keys.knows("bad"), "{bad}");
        assert!(matches!(set(&[bad]), Err(JwksFault::NoKeys)));
    }
    for good in [
        with("use", json!("sig")),
        with("key_ops", json!(["verify"])),
    ] {
        assert!(set(&[good]).is_ok());
    }
}

/// Goal: coordinates without their leading zeros are the same key.
#[test]
fn short_coordinates_are_filled_up() {
    let mut key = testing::jwk(testing::P256_PUBLIC, "a");
    key["x"] = json!("AQ");
    let keys = set(&[key]).expect("a set");
    let Found::Key(found) = keys.find("a", Algorithm::ES256) else {
        panic!("not found");
    };
    let point = found.decoding().try_get_as_bytes().expect("a point");
    assert_eq!(point.len(), 65);
    assert_eq!((point[31], point[32]), (0, 1));
}

/// Goal: what is no set, or too large, is refused: an endpoint's error page forgets no key.
#[test]
fn other_documents_are_refused() {
    for text in [
        "",
        "<html>",
        "{}",
        "[]",
        "null",
        "{\"keys\":{}}",
        "{\"keys\":1}",
    ] {
        let found = KeySet::parse(text.as_bytes()).err();
        assert_eq!(found, Some(JwksFault::Malformed), "{text}");
    }
    assert_eq!(set(&[]).err(), Some(JwksFault::NoKeys));
    let many = vec![testing::jwk(testing::P256_PUBLIC, "a"); KEYS_MAX + 1];
    assert_eq!(set(&many).err(), Some(JwksFault::TooLarge));
    assert!(set(&many[1..]).is_ok());
    let large = vec![b' '; JWKS_BYTES_MAX + 1];
    assert_eq!(KeySet::parse(&large).err(), Some(JwksFault::TooLarge));
}

proptest! {
    /// Goal: no document breaks the reader.
    #[test]
    fn any_document_is_read_or_refused(any: Vec<u8>, x in ".{0,90}", kty in "RSA|EC|OKP|oct") {
        let _ = KeySet::parse(&any);
        let _ = KeySet::parse(STANDARD.encode(&any).as_bytes());
        let key = json!({"kty": kty, "kid": x, "crv": "P-256", "x": x, "y": x, "n": x, "e": x, "k": x});
        let _ = set(&[key]);
    }
}
