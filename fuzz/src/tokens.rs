//! The target `token`: texts, signed claims and key sets.

use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fanring::auth::Keys;
use fanring::auth::claims::{Bearer, Grant};
use fanring::auth::error::{TOKEN_BYTES_MAX, USER_BYTES_MAX, WayIn, outcome};
use fanring::auth::inspect::Parts;
use fanring::auth::jwks::KeySet;
use fanring::auth::settings::{AuthSettings, TokenSettings};
use jsonwebtoken::{Algorithm, EncodingKey};

/// The second in which tokens are shown.
const NOW: u64 = 1_800_000_000;

const BEARER: Bearer<'static> = Bearer {
    user: "42",
    client: "c",
    channel: "news",
};

pub(super) fn run(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else {
        return;
    };
    match choice % 4 {
        0 => show(&String::from_utf8_lossy(rest)),
        1 => show(&signed(rest)),
        2 => {
            let _ = KeySet::parse(rest);
        }
        _ => {
            let text = String::from_utf8_lossy(rest);
            if let Some(parts) = Parts::read(&text) {
                assert!(!parts.text(NOW).is_empty());
            }
        }
    }
}

/// Keys of each kind that settings have, and the same with another claim for the user.
fn keys() -> &'static [Keys; 2] {
    static KEYS: OnceLock<[Keys; 2]> = OnceLock::new();
    KEYS.get_or_init(|| {
        ["", "uid"].map(|user_id_claim| {
            let connection = TokenSettings {
                hmac_secret_key: "secret".to_owned(),
                rsa_public_key: include_str!("../../src/auth/testing/rsa_public.pem").to_owned(),
                ecdsa_public_key: include_str!("../../src/auth/testing/p256_public.pem").to_owned(),
                user_id_claim: user_id_claim.to_owned(),
                ..TokenSettings::default()
            };
            let subscription = None;
            let settings = AuthSettings {
                connection,
                subscription,
            };
            Keys::new(&settings).expect("good settings")
        })
    })
}

/// A token of these claims, whatever they are.
fn signed(claims: &[u8]) -> String {
    // The library learns here which cryptography to use.
    let _ = keys();
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
    let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
    let key = EncodingKey::from_secret(b"secret");
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256);
    format!("{message}.{}", signature.expect("HMAC does not fail"))
}

fn show(token: &str) {
    for keys in keys() {
        match keys.connection(token, NOW) {
            Ok(found) => {
                assert!(token.len() <= TOKEN_BYTES_MAX && found.user.len() <= USER_BYTES_MAX);
                assert!(found.expires_at.is_none_or(|at| at > NOW));
                let names = found.grants.iter().map(|grant| &grant.channel);
                assert!(names.is_sorted(), "{:?}", found.grants);
                assert!(!found.meta.contains(&b'\n'));
                assert_eq!(keys.refresh(token, &found.user, NOW).as_ref(), Ok(&found));
                assert!(keys.refresh(token, "another", NOW).is_err() || found.user == "another");
            }
            Err(error) => {
                assert!(outcome(WayIn::Connect, &error).code() >= 100);
                assert!(!error.to_string().contains('\n'));
            }
        }
        match keys.subscription(token, &BEARER, NOW) {
            Ok(found) => {
                let Grant { channel, .. } = &found.grant;
                assert_eq!(channel, BEARER.channel);
                assert!(found.expires_at.is_none_or(|at| at > NOW));
                assert!(keys.connection(token, NOW).is_err(), "it opens two doors");
                let other = Bearer {
                    user: "43",
                    ..BEARER
                };
                assert!(keys.subscription(token, &other, NOW).is_err());
            }
            Err(error) => assert!(outcome(WayIn::Subscribe, &error).code() >= 100),
        }
    }
}
