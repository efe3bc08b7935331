//! What one client is told without having asked, in both encodings.

use std::num::NonZeroU32;

use super::frames::{message, text};
use super::schema;
use crate::id::Epoch;
use crate::protocol::centrifugo::Encoding;
use crate::protocol::centrifugo::codes::{Disconnect, Unsubscribed};
use crate::protocol::centrifugo::encode::append_push;
use crate::protocol::centrifugo::payload::Payload;
use crate::protocol::centrifugo::reply::{Position, Push};

/// Checks what is told of `push`, under no id.
fn check(push: &Push<'_>, expected: &str, expected_message: schema::Push) {
    let mut out = Vec::new();
    append_push(&mut out, Encoding::Json, push);
    assert_eq!(text(&out), format!(r#"{{"push":{expected}}}"#));
    out.clear();
    append_push(&mut out, Encoding::Protobuf, push);
    let expected = schema::Reply {
        push: Some(expected_message),
        ..schema::Reply::default()
    };
    assert_eq!(message(&out), expected);
}

/// Goal: who is not subscribed any more is always told a code and a reason.
#[test]
fn ends_of_subscriptions_are_told() {
    let push = Push::Unsubscribe {
        channel: "a\"b",
        code: Unsubscribed::InsufficientState,
    };
    let expected =
        r#"{"channel":"a\"b","unsubscribe":{"code":2500,"reason":"insufficient state"}}"#;
    let unsubscribe = schema::Unsubscribe {
        code: 2500,
        reason: "insufficient state".to_owned(),
    };
    let expected_message = schema::Push {
        channel: "a\"b".to_owned(),
        unsubscribe: Some(unsubscribe),
        ..schema::Push::default()
    };
    check(&push, expected, expected_message);
}

/// Goal: who is subscribed by the server is told from where on.
#[test]
fn subscriptions_of_the_server_are_told() {
    let push = Push::Subscribe {
        channel: "c",
        recoverable: true,
        positioned: true,
        position: Some(Position {
            epoch: Epoch::new(1),
            offset: 2,
        }),
        data: Some(Payload::of_bytes(b"{}")),
    };
    let expected = r#"{"channel":"c","subscribe":{"recoverable":true,"epoch":"BAAAAAAA","offset":2,"positioned":true,"data":{}}}"#;
    let subscribe = schema::Subscribe {
        recoverable: true,
        epoch: "BAAAAAAA".to_owned(),
        offset: 2,
        positioned: true,
        data: b"{}".to_vec(),
    };
    let expected_message = schema::Push {
        channel: "c".to_owned(),
        subscribe: Some(subscribe),
        ..schema::Push::default()
    };
    check(&push, expected, expected_message);
    let push = Push::Subscribe {
        channel: "c",
        recoverable: false,
        positioned: false,
        position: None,
        data: None,
    };
    let expected_message = schema::Push {
        channel: "c".to_owned(),
        subscribe: Some(schema::Subscribe::default()),
        ..schema::Push::default()
    };
    check(&push, r#"{"channel":"c","subscribe":{}}"#, expected_message);
}

/// Goal: what is about the connection names no channel.
#[test]
fn what_is_about_the_connection_is_told() {
    let expected_message = schema::Push {
        message: Some(schema::Data {
            data: b"[]".to_vec(),
        }),
        ..schema::Push::default()
    };
    let push = Push::Message(Payload::of_bytes(b"[]"));
    check(&push, r#"{"message":{"data":[]}}"#, expected_message);

    let disconnect = schema::Disconnect {
        code: 3011,
        reason: "force reconnect".to_owned(),
        reconnect: false,
    };
    let expected_message = schema::Push {
        disconnect: Some(disconnect),
        ..schema::Push::default()
    };
    let expected = r#"{"disconnect":{"code":3011,"reason":"force reconnect"}}"#;
    let push = Push::Disconnect(Disconnect::ForceReconnect);
    check(&push, expected, expected_message);

    let expiry = schema::Expiry {
        expires: true,
        ttl: 5,
    };
    let expected_message = schema::Push {
        refresh: Some(expiry),
        ..schema::Push::default()
    };
    let push = Push::Refresh {
        expires_s: NonZeroU32::new(5),
    };
    let expected = r#"{"refresh":{"expires":true,"ttl":5}}"#;
    check(&push, expected, expected_message);
}
