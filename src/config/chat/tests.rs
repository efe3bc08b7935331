//! What a server answers by what is configured, put together.

use super::*;
use crate::config::chat::options::DataFormat;

fn with(channel: Channels) -> Chat {
    Chat {
        channel,
        ..Chat::settled()
    }
}

/// Goal: a name is judged by its length, then its namespace, then its letters, as Centrifugo does.
#[test]
fn names_are_judged_in_order() {
    let spelled = Options {
        channel_regex: Some(pattern::regex("^[\u{e4}a]+$").expect("a regex")),
        ..Options::default()
    };
    let chat = with(Channels {
        namespaces: [("news", Options::default()), ("spelled", spelled)]
            .map(|(name, options)| (name.to_owned(), options))
            .into_iter()
            .collect(),
        ..Channels::default()
    });
    let long = format!("gone:{}", "x".repeat(251));
    let fits = "x".repeat(255);
    let cases: [(&str, Result<(), ChannelRefusal>); 12] = [
        ("a", Ok(())),
        ("news:a", Ok(())),
        ("$news:a", Ok(())),
        (&fits, Ok(())),
        ("spelled:\u{e4}a", Ok(())),
        ("spelled:b", Err(ChannelRefusal::BadName)),
        ("news:\u{e4}", Err(ChannelRefusal::BadName)),
        ("gone:a", Err(ChannelRefusal::Unknown)),
        ("gone:\u{e4}", Err(ChannelRefusal::Unknown)),
        (&long, Err(ChannelRefusal::BadName)),
        ("", Err(ChannelRefusal::BadName)),
        (":a", Ok(())),
    ];
    for (name, expected) in cases {
        let channel = chat
            .channel(name)
            .map(|channel| assert_eq!(channel.name, name));
        assert_eq!(channel, expected, "{name}");
    }
}

/// Goal: who has no token comes in where one of three things allows it.
#[test]
fn connecting_without_a_token() {
    assert!(Chat::default().may_connect_without_token());
    let mut chat = Chat::settled();
    assert!(!chat.may_connect_without_token());
    chat.client.insecure = true;
    assert!(chat.may_connect_without_token());
    chat.client.insecure = false;
    chat.client.allow_anonymous_connect_without_token = true;
    assert!(chat.may_connect_without_token());
}

/// Goal: a user has a personal channel if there are any, and nobody without a name has one.
#[test]
fn personal_channels() {
    let mut chat = Chat::settled();
    assert_eq!(chat.personal_channel("42"), None);
    chat.personal.enabled = true;
    assert_eq!(chat.personal_channel("42").as_deref(), Some("#42"));
    assert_eq!(chat.personal_channel(""), None);
    chat.personal.namespace = "own".to_owned();
    assert_eq!(chat.personal_channel("42").as_deref(), Some("own:#42"));
}

/// Goal: a page may connect if a pattern matches its origin, whatever its case; none matches where
/// none is written.
#[test]
fn origins() {
    let mut client = Client::default();
    assert!(!client.allows_origin("https://a.example"));
    client.allowed_origins = vec![pattern::glob("https://*.example").expect("a glob")];
    assert!(client.allows_origin("https://A.Example"));
    assert!(!client.allows_origin("https://a.example.org"));
}

/// Goal: data is what the format says, and by default not nothing.
#[test]
fn data_formats() {
    use DataFormat::{Binary, Json, JsonObject, NotEmpty};
    let cases: [(DataFormat, &[u8], bool); 12] = [
        (NotEmpty, b"x", true),
        (NotEmpty, b"", false),
        (Json, b"{}", true),
        (Json, b" 1 ", true),
        (Json, b"x", false),
        (Json, b"", false),
        (JsonObject, b" {\"a\":1}", true),
        (JsonObject, b"[1]", false),
        (JsonObject, b"{} {}", false),
        (JsonObject, b"", false),
        (Binary, b"\xff", true),
        (Binary, b"", true),
    ];
    for (format, data, expected) in cases {
        assert_eq!(format.accepts(data), expected, "{format:?} {data:?}");
    }
}
