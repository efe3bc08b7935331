//! What good tokens say.

use super::*;
use crate::auth::claims::{Grant, Overrides};

fn connection(changes: Value) -> ConnectionToken {
    let token = sign(&with(changes));
    keys(settings())
        .connection(&token, NOW)
        .expect("a good token")
}

fn subscription(changes: Value) -> SubscriptionToken {
    let mut claims = with(changes);
    claims["channel"] = json!("news");
    let token = sign(&claims);
    let found = keys(settings()).subscription(&token, &BEARER, NOW);
    found.expect("a good token")
}

/// Of claims as they are written, which a JSON value would not keep.
fn verbatim(claims: &str) -> ConnectionToken {
    let token = written(r#"{"alg":"HS256"}"#, claims);
    let found = keys(settings()).connection(&token, NOW);
    found.expect("a good token")
}

/// Goal: user, info and end come from their claims, and whatever is missing is empty.
#[test]
fn a_connection_has_what_its_token_says() {
    let plain = connection(json!({}));
    let expected = ConnectionToken {
        user: "42".to_owned(),
        expires_at: Some(NOW + 60),
        ..ConnectionToken::default()
    };
    assert_eq!(plain, expected);
    let full = connection(json!({
        "info": {"name": "Ann"}, "meta": {"plan": 5}, "expire_at": NOW + 7, "data": "not for connections",
    }));
    assert_eq!(full.info, br#"{"name":"Ann"}"#);
    assert_eq!(full.meta, br#"{"plan":5}"#);
    assert_eq!(full.expires_at, Some(NOW + 7));
    assert_eq!(connection(json!({"expire_at": 0})).expires_at, None);
    assert_eq!(connection(json!({"expire_at": -1})).expires_at, None);
    assert_eq!(connection(json!({"exp": null})).expires_at, None);
    assert_eq!(
        connection(json!({"exp": NOW as f64 + 60.9})).expires_at,
        Some(NOW + 60)
    );
    assert_eq!(connection(json!({"exp": 1e300})).expires_at, Some(u64::MAX));
    assert_eq!(connection(json!({"sub": null})).user, "");
    assert_eq!(connection(json!({"info": null})).info, b"");
    let both = connection(json!({"info": 1, "b64info": "AP8="}));
    assert_eq!(both.info, [0, 255]);
    assert_eq!(connection(json!({"info": 1, "b64info": ""})).info, b"1");
}

/// Goal: JSON goes on as it is written, digit for digit, but for line ends, which would end a message.
#[test]
fn json_is_verbatim() {
    let claims = "{\"sub\":\"4\\u0032\",\r\n\"info\": {\n\t\"b\": 12345678901234567890.10,\r\n \"a\": \"\\n\\u2028\"\n},\"meta\":[1,\n2]}";
    let token = verbatim(claims);
    assert_eq!(token.user, "42");
    let info = String::from_utf8(token.info).expect("text");
    assert_eq!(
        info,
        "{\t\"b\": 12345678901234567890.10, \"a\": \"\\n\\u2028\"}"
    );
    assert_eq!(token.meta, b"[1,2]");
}

/// Goal: channels and subs name what the server subscribes to; subs, which can say more, go before.
#[test]
fn channels_and_subs_are_granted() {
    let named = |token: &ConnectionToken| {
        let names = token.grants.iter().map(|grant| grant.channel.clone());
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        named(&connection(json!({"channels": ["b", "a", "b"]}))),
        "a b"
    );
    assert_eq!(
        named(&connection(json!({"channels": null, "subs": null}))),
        ""
    );
    assert_eq!(
        named(&connection(json!({"channels": ["a"], "subs": {}}))),
        "a"
    );
    let token = connection(json!({
        "channels": ["a"],
        "subs": {
            "z": {},
            "c": {
                "info": {"role": "host"}, "data": [1], "ignored": 1,
                "override": {
                    "presence": {"value": true}, "join_leave": {"value": false}, "force_recovery": {},
                    "force_positioning": null, "unknown": {"value": true},
                },
            },
            "d": {"b64info": "AQI=", "b64data": "AwQ=", "info": 1, "data": 2},
        },
    }));
    assert_eq!(named(&token), "c d z");
    let [c, d, z] = &token.grants[..] else {
        panic!("{:?}", token.grants);
    };
    let overrides = Overrides {
        presence: Some(true),
        join_leave: Some(false),
        force_recovery: Some(false),
        ..Overrides::default()
    };
    let expected = Grant {
        channel: "c".to_owned(),
        info: br#"{"role":"host"}"#.to_vec(),
        data: b"[1]".to_vec(),
        overrides,
    };
    assert_eq!(*c, expected);
    assert_eq!((&d.info[..], &d.data[..]), (&[1, 2][..], &[3, 4][..]));
    assert_eq!(
        (z.info.len(), z.data.len(), z.overrides),
        (0, 0, Overrides::default())
    );
}

/// Goal: a subscription token says the same of its one channel.
#[test]
fn a_subscription_has_what_its_token_says() {
    let token = subscription(json!({
        "info": {"role": "guest"}, "b64data": "AwQ=", "expire_at": NOW + 3,
        "override": {"force_push_join_leave": {"value": true}, "force_positioning": {"value": true}},
    }));
    let overrides = Overrides {
        force_push_join_leave: Some(true),
        force_positioning: Some(true),
        ..Overrides::default()
    };
    let grant = Grant {
        channel: "news".to_owned(),
        info: br#"{"role":"guest"}"#.to_vec(),
        data: vec![3, 4],
        overrides,
    };
    let expires_at = Some(NOW + 3);
    assert_eq!(token, SubscriptionToken { grant, expires_at });
    assert_eq!(subscription(json!({})).expires_at, Some(NOW + 60));
    assert_eq!(subscription(json!({"expire_at": 0})).expires_at, None);
}

/// Goal: what is granted in another form than it must have refuses the token instead of half of it.
#[test]
fn grants_of_another_form_are_refused() {
    let keys = keys(settings());
    for changes in [
        json!({"channels": "a"}),
        json!({"channels": [1]}),
        json!({"channels": {"a": {}}}),
        json!({"subs": ["a"]}),
        json!({"subs": {"a": 1}}),
        json!({"subs": {"a": {"b64info": "%"}}}),
        json!({"subs": {"a": {"b64data": "A"}}}),
        json!({"subs": {"a": {"override": {"presence": true}}}}),
        json!({"subs": {"a": {"override": {"presence": {"value": "yes"}}}}}),
    ] {
        assert_eq!(
            shown(&keys, &sign(&with(changes.clone())))[..2],
            INVALID[..2],
            "{changes}"
        );
    }
    for changes in [
        json!({"channel": "news", "override": {"presence": true}}),
        json!({"channel": "news", "override": []}),
        json!({"channel": "news", "client": 5}),
    ] {
        assert_eq!(
            shown(&keys, &sign(&with(changes.clone())))[2..],
            INVALID[2..],
            "{changes}"
        );
    }
}

/// Goal: the user's id may stand in another claim, also as a number; `sub` is then not looked at.
#[test]
fn the_user_may_stand_elsewhere() {
    let keys = keys(TokenSettings {
        user_id_claim: "user_id".to_owned(),
        ..settings()
    });
    let user = |changes: Value| {
        let found = keys.connection(&sign(&with(changes)), NOW);
        found.map(|token| token.user)
    };
    let invalid = Err(TokenError::Invalid(Fault::Claim("user id")));
    for (changes, expected) in [
        (json!({"user_id": "7"}), Ok("7".to_owned())),
        (json!({"user_id": 7}), Ok("7".to_owned())),
        (
            json!({"user_id": 12_345_678_901_234_567_890_u64}),
            Ok("12345678901234567890".to_owned()),
        ),
        (json!({"user_id": null}), Ok(String::new())),
        (json!({}), Ok(String::new())),
        (json!({"user_id": "7", "sub": 5}), Ok("7".to_owned())),
        (json!({"user_id": true}), invalid.clone()),
        (json!({"user_id": {"a": 1}}), invalid),
        (
            json!({"user_id": "u".repeat(256)}),
            Err(TokenError::Invalid(Fault::User)),
        ),
    ] {
        assert_eq!(user(changes.clone()), expected, "{changes}");
    }
    let token = sign(&with(json!({"user_id": 42, "sub": "1", "channel": "news"})));
    assert_eq!(shown(&keys, &token), [3500, 3500, 0, 0]);
}
