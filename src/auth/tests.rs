//! Tokens in, outcomes out: the table of good and bad ones over all ways in.

mod claims;
mod documented;
mod fetched;
mod keys;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::error::{TOKEN_BYTES_MAX, WayIn, outcome};
use super::settings::TokenSettings;
use super::sign::Signer;
use super::*;

/// The second in which tokens are shown.
const NOW: u64 = 1_800_000_000;

/// Who shows them, and for what.
const BEARER: Bearer<'static> = Bearer {
    user: "42",
    client: "8d3e2f4a-0000-4000-8000-000000000000",
    channel: "news",
};

/// The code with which each way in answers: connect, refresh, subscribe, sub_refresh; 0 for welcome.
type Codes = [u16; 4];

const GOOD: Codes = [0; 4];
const INVALID: Codes = [3500, 3500, 103, 3500];
const EXPIRED: Codes = [109, 3005, 109, 2501];
const LAPSED: Codes = [110, 3005, 110, 2501];

fn settings() -> TokenSettings {
    TokenSettings {
        hmac_secret_key: "secret".to_owned(),
        ..TokenSettings::default()
    }
}

fn keys(connection: TokenSettings) -> Keys {
    let subscription = None;
    Keys::new(&AuthSettings {
        connection,
        subscription,
    })
    .expect("good settings")
}

fn sign(claims: &Value) -> String {
    Signer::from_secret("secret").sign(claims).expect("a token")
}

/// A token of a header and claims as they are written, whatever they are.
fn written(header: &str, claims: &str) -> String {
    crypto::install();
    let message = format!("{}.{}", part(header), part(claims));
    let key = jsonwebtoken::EncodingKey::from_secret(b"secret");
    let algorithm = jsonwebtoken::Algorithm::HS256;
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm);
    format!("{message}.{}", signature.expect("a signature"))
}

fn part(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// Claims of a good connection token, changed.
fn with(changes: Value) -> Value {
    let mut claims = json!({"sub": "42", "exp": NOW + 60});
    let changes = changes.as_object().expect("an object").clone();
    claims.as_object_mut().expect("an object").extend(changes);
    claims
}

fn code<T>(way_in: WayIn, found: Result<T, TokenError>) -> u16 {
    found.map_or_else(|error| outcome(way_in, &error).code(), |_| 0)
}

/// What one token is answered everywhere.
fn shown(keys: &Keys, token: &str) -> Codes {
    [
        code(WayIn::Connect, keys.connection(token, NOW)),
        code(WayIn::Refresh, keys.refresh(token, "42", NOW)),
        code(WayIn::Subscribe, keys.subscription(token, &BEARER, NOW)),
        code(WayIn::SubRefresh, keys.subscription(token, &BEARER, NOW)),
    ]
}

/// What is answered to the connection token of these claims, and to the subscription token of them.
fn answered(keys: &Keys, claims: &Value, make: impl Fn(&Value) -> String) -> Codes {
    let mut with_channel = claims.clone();
    with_channel["channel"] = json!("news");
    let [connect, refresh, ..] = shown(keys, &make(claims));
    let [.., subscribe, sub_refresh] = shown(keys, &make(&with_channel));
    [connect, refresh, subscribe, sub_refresh]
}

/// Goal: claims that are out of their time, of another type or somebody else's are answered by each way in
/// as its clients expect it, and all that is good is welcome.
#[test]
fn claims_decide_the_outcome() {
    let keys = keys(settings());
    let other_user = [0, 3500, 3500, 3500];
    let table = [
        (json!({}), GOOD),
        (json!({"exp": null}), GOOD),
        (json!({"exp": NOW + 1}), GOOD),
        (json!({"exp": NOW as f64 + 0.5}), EXPIRED),
        (json!({"exp": NOW}), EXPIRED),
        (json!({"exp": NOW - 30}), EXPIRED),
        (json!({"exp": 0}), EXPIRED),
        (json!({"exp": -5}), EXPIRED),
        (json!({"exp": 1e300}), GOOD),
        (json!({"exp": u64::MAX}), GOOD),
        (json!({"exp": "tomorrow"}), INVALID),
        (json!({"exp": [NOW + 60]}), INVALID),
        (json!({"exp": {"at": NOW + 60}}), INVALID),
        (json!({"nbf": NOW + 3600}), EXPIRED),
        (json!({"nbf": NOW + 61}), EXPIRED),
        (json!({"nbf": NOW + 60}), GOOD),
        (json!({"nbf": NOW - 1}), GOOD),
        (json!({"nbf": true}), INVALID),
        (json!({"iat": NOW + 3600}), EXPIRED),
        (json!({"iat": NOW + 60}), GOOD),
        (json!({"expire_at": NOW + 5}), GOOD),
        (json!({"expire_at": 0}), GOOD),
        (json!({"expire_at": NOW - 1}), LAPSED),
        (json!({"expire_at": NOW}), LAPSED),
        (json!({"expire_at": NOW - 1, "exp": NOW - 1}), EXPIRED),
        (json!({"expire_at": "never"}), INVALID),
        (json!({"aud": "anybody", "iss": ["a", 5], "jti": {}}), GOOD),
        (json!({"sub": "43"}), other_user),
        (json!({"sub": ""}), other_user),
        (json!({"sub": null}), other_user),
        (json!({"sub": 42}), INVALID),
        (json!({"sub": ["42"]}), INVALID),
        (json!({"sub": "u".repeat(256)}), INVALID),
        (json!({"b64info": "%"}), INVALID),
        (json!({"b64info": 5}), INVALID),
        (json!({"unknown": {"of": ["any", "kind"]}}), GOOD),
    ];
    for (changes, expected) in table {
        let claims = with(changes.clone());
        assert_eq!(answered(&keys, &claims, sign), expected, "{changes}");
    }
    let no_exp = json!({"sub": "42"});
    assert_eq!(answered(&keys, &no_exp, sign), GOOD);
}

/// Goal: what is for connecting does not subscribe, and the reverse; a subscription token opens its own
/// channel, for its own connection.
#[test]
fn each_token_opens_its_own_door() {
    let keys = keys(settings());
    let table = [
        (json!({}), [0, 0, 103, 3500]),
        (json!({"channel": ""}), [0, 0, 103, 3500]),
        (json!({"channel": "news"}), [3500, 3500, 0, 0]),
        (json!({"channel": "old"}), [3500, 3500, 3500, 3500]),
        (json!({"channel": 5}), INVALID),
        (
            json!({"channel": "news", "client": BEARER.client}),
            [3500, 3500, 0, 0],
        ),
        (json!({"channel": "news", "client": ""}), [3500, 3500, 0, 0]),
        (
            json!({"channel": "news", "client": "other"}),
            [3500, 3500, 3500, 3500],
        ),
        // Whose it is comes before what has ended, and what ended before what it opens.
        (
            json!({"channel": "news", "exp": NOW - 9}),
            [3500, 3500, 109, 2501],
        ),
        (
            json!({"channel": "old", "exp": NOW - 9}),
            [3500, 3500, 109, 2501],
        ),
        (json!({"exp": NOW - 9}), EXPIRED),
        (
            json!({"channel": "old", "expire_at": NOW - 9}),
            [3500, 3500, 3500, 3500],
        ),
    ];
    for (changes, expected) in table {
        assert_eq!(
            shown(&keys, &sign(&with(changes.clone()))),
            expected,
            "{changes}"
        );
    }
}

/// Goal: whatever is no token is refused everywhere, though a good one is all but whole in it.
#[test]
fn what_is_no_token_is_refused() {
    let keys = keys(settings());
    let mangled = |claims: &Value| {
        let good = sign(claims);
        vec![
            String::new(),
            ".".to_owned(),
            "..".to_owned(),
            "a.b.c".to_owned(),
            good.replace('.', ""),
            good[..good.len() - 1].to_owned(),
            format!("{good}A"),
            format!("{good}="),
            format!("{good}."),
            format!("{good}.{good}"),
            format!(" {good}"),
            format!("{good}\n"),
            format!("Bearer {good}"),
            good.replacen('e', "%", 1),
            good.replacen('.', "..", 1),
            good.replacen('.', "=.", 1),
        ]
    };
    for number in 0..mangled(&with(json!({}))).len() {
        let make = |claims: &Value| mangled(claims).swap_remove(number);
        let found = answered(&keys, &with(json!({})), make);
        assert_eq!(found, INVALID, "number {number}");
    }
}

/// Goal: what nobody with the secret signed is refused everywhere, whatever its header says.
#[test]
fn what_nobody_signed_is_refused() {
    let keys = keys(settings());
    let good = with(json!({}));
    let no_signature = String::new();
    let some_signature = "A".repeat(43);
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"None","typ":"JWT"}"#,
        r#"{"alg":"nOnE"}"#,
        r#"{"alg":""}"#,
        r#"{"alg":null}"#,
        r#"{"alg":["HS256"]}"#,
        r#"{"alg":"ES512"}"#,
        r#"{"alg":"RS256"}"#,
        r#"{"alg":"HS256"}"#,
        r#"{"alg":"HS256","jwk":{"kty":"oct","k":"c2VjcmV0"}}"#,
        r#"{"alg":"HS256""#,
        "{}",
        "[]",
        "",
    ] {
        for signature in [&no_signature, &some_signature] {
            let make = |claims: &Value| {
                let claims = part(&claims.to_string());
                format!("{}.{claims}.{signature}", part(header))
            };
            assert_eq!(answered(&keys, &good, make), INVALID, "{header}");
        }
    }
    // With another secret, and with the signature of other claims.
    let other = |claims: &Value| Signer::from_secret("Secret").sign(claims).expect("a token");
    assert_eq!(answered(&keys, &good, other), INVALID);
    let stolen = |claims: &Value| {
        let (token, other) = (sign(claims), sign(&with(json!({"sub": "1"}))));
        let (message, _) = token.rsplit_once('.').expect("three parts");
        let (_, signature) = other.rsplit_once('.').expect("three parts");
        format!("{message}.{signature}")
    };
    assert_eq!(answered(&keys, &good, stolen), INVALID);
}

/// Goal: what is signed, but no token, is refused everywhere, and so are headers that demand more than is
/// known here.
#[test]
fn signed_nonsense_is_refused() {
    let keys = keys(settings());
    let header = r#"{"alg":"HS256"}"#;
    assert_eq!(
        shown(&keys, &written(header, r#"{"sub":"42"}"#)),
        [0, 0, 103, 3500]
    );
    for claims in [
        "",
        "{",
        "[]",
        "5",
        "null",
        "\"sub\"",
        "{\"sub\":\"42\"}}",
        "{sub:42}",
        "\u{0}",
    ] {
        assert_eq!(shown(&keys, &written(header, claims)), INVALID, "{claims}");
    }
    for header in [
        r#"{"alg":"HS256","crit":["exp"]}"#,
        r#"{"alg":"HS256","crit":[]}"#,
        r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#,
    ] {
        assert_eq!(
            shown(&keys, &written(header, r#"{"sub":"42"}"#)),
            INVALID,
            "{header}"
        );
    }
}

/// Goal: a token that is too long is refused before anything in it is looked at, and one that just fits is
/// read.
#[test]
fn long_tokens_are_refused_before_work() {
    let keys = keys(settings());
    let long = |bytes: usize| sign(&with(json!({"info": "i".repeat(bytes)})));
    let fits = (TOKEN_BYTES_MAX - 200) / 4 * 3;
    assert_eq!(shown(&keys, &long(fits))[0], 0);
    let token = long(TOKEN_BYTES_MAX);
    assert!(token.len() > TOKEN_BYTES_MAX);
    assert_eq!(
        keys.connection(&token, NOW),
        Err(TokenError::Invalid(Fault::TooLong))
    );
    assert_eq!(shown(&keys, &token), INVALID);
    let dots = ".".repeat(10 << 20);
    assert_eq!(shown(&keys, &dots), INVALID);
}

/// Goal: without any key, each token is refused, whatever signed it.
#[test]
fn without_keys_no_token_is_good() {
    let keys = keys(TokenSettings::default());
    assert!(!keys.has_any());
    let token = sign(&with(json!({})));
    assert_eq!(
        keys.connection(&token, NOW),
        Err(TokenError::Invalid(Fault::NoKeys))
    );
    let empty = Signer::from_secret("")
        .sign(&with(json!({})))
        .expect("a token");
    assert_eq!(shown(&keys, &empty), INVALID);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Goal: no text breaks any way in, be it a token or not, with keys of every kind.
    #[test]
    fn any_text_is_answered(text: String, bytes: Vec<u8>, header in "\\{\"alg\":\"(HS|RS|ES)256\"(,\"kid\":\"a\")?\\}") {
        let everything = keys::everything();
        let texts = [
            text.clone(),
            format!("{}.{}.{}", part(&header), part(&text), URL_SAFE_NO_PAD.encode(&bytes)),
            format!("{text}.{text}.{text}"),
        ];
        for token in texts {
            let answers = shown(&everything, &token);
            prop_assert!(answers.iter().all(|code| *code >= 100), "{token}");
        }
    }

    /// Goal: no claims break any way in, once they are signed.
    #[test]
    fn any_claims_are_answered(name in "sub|exp|nbf|iat|expire_at|info|b64info|subs|channels|channel|override|meta|data|b64data|client", text: String, number: f64, whole: i64) {
        let keys = keys(settings());
        let values = [
            json!(text),
            json!(number),
            json!(whole),
            json!([text, number]),
            json!({ text: {"override": {"presence": {"value": whole}}} }),
            Value::Null,
        ];
        for value in values {
            let mut claims = json!({"channel": "news", "sub": "42"});
            claims[&name] = value;
            let _ = shown(&keys, &sign(&claims));
        }
    }
}
