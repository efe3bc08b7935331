//! The sections of the chat backend in a file: what they come to, and all that can be wrong with them.

mod mistakes;

use super::*;
use crate::config::Chat;
use crate::config::chat::options::RecoveryMode;

/// A file of tests of Centrifugo's SDK for Python, as Centrifugo takes it.
const WITH_TOKENS: &str = r#"
[client]
allowed_origins = ["*"]
[client.token]
hmac_secret_key = "secret"
[client.subscribe_to_user_personal_channel]
enabled = true
[channel.without_namespace]
presence = true
join_leave = true
force_push_join_leave = true
history_size = 100
history_ttl = "300s"
force_recovery = true
allow_publish_for_subscriber = true
allow_presence_for_subscriber = true
allow_history_for_subscriber = true
[[channel.namespaces]]
name = "smallhistory"
force_recovery = true
history_size = 2
history_ttl = "300s"
allow_publish_for_subscriber = true
allow_history_for_subscriber = true
"#;

/// One of the tests of that for Go.
const INSECURE: &str = r#"
[client]
insecure = true
allowed_origins = ["*"]
[channel.without_namespace]
history_size = 100
history_ttl = "300s"
force_recovery = true
[[channel.namespaces]]
name = "smallhistory"
force_recovery = true
history_size = 2
history_ttl = "300s"
"#;

/// What `centrifugo genconfig` writes, and more that teams have; the same as JSON.
const AS_JSON: &str = r#"{
  "client": {
    "token": {"hmac_secret_key": "secret", "rsa_public_key": ""},
    "allowed_origins": ["https://*.example.org"],
    "ping_interval": "30s",
    "channel_limit": "64",
    "proxy": {"connect": {"enabled": false, "endpoint": "http://localhost:1", "timeout": "1s"}}
  },
  "channel": {
    "namespaces": [
      {"name": "chat", "presence": true, "history_size": 10, "history_ttl": "1h0m0s",
       "allow_subscribe_for_client": true, "subscribe_proxy_enabled": false,
       "subscribe_proxy_name": "default", "allowed_delta_types": [], "subscription_type": "",
       "map": {"key_ttl": "0s", "publish_proxy_name": "default"}}
    ]
  },
  "admin": {"enabled": false, "password": "x", "secret": "y"},
  "http_api": {"disabled": true, "key": "z"},
  "engine": {"type": "memory"},
  "consumers": [{"name": "k", "enabled": false, "type": "kafka"}],
  "log_bytes": "32MiB"
}"#;

/// What a file with this ending and text comes to.
fn served(suffix: &str, text: &str) -> Result<Start, String> {
    let mut file = tempfile::Builder::new()
        .suffix(suffix)
        .tempfile()
        .expect("a temporary file");
    file.write_all(text.as_bytes()).expect("written");
    let path = file.path().display().to_string();
    match invoke(&format!("--config {path}"), &[]) {
        Ok(Invocation::Serve(start)) => Ok(*start),
        Err(error) => Err(error.to_string().replace(&path, "FILE")),
        other => panic!("{other:?}"),
    }
}

fn accepted(suffix: &str, text: &str) -> Chat {
    let Start { config, notices } = served(suffix, text).expect("it is accepted");
    assert!(notices.is_empty(), "{notices:?}");
    config.chat
}

/// What `--check` says of a file, and whether it is fine.
fn checked(suffix: &str, text: &str) -> (String, bool) {
    let mut file = tempfile::Builder::new()
        .suffix(suffix)
        .tempfile()
        .expect("a temporary file");
    file.write_all(text.as_bytes()).expect("written");
    let path = file.path().display().to_string();
    match invoke(&format!("config --check {path}"), &[]) {
        Ok(Invocation::Check(report)) => (report.text.replace(&path, "FILE"), report.is_fine),
        other => panic!("{other:?}"),
    }
}

/// Goal: files of Centrifugo's users load as they are, in either format.
#[test]
fn centrifugos_files_load_as_they_are() {
    let chat = accepted(".toml", WITH_TOKENS);
    assert!(!chat.is_playground() && !chat.is_insecure());
    assert_eq!(chat.token.hmac_secret_key.reveal(), "secret");
    assert_eq!(chat.personal_channel("42").as_deref(), Some("#42"));
    assert!(chat.client.allows_origin("https://a.example"));
    let options = chat.options("a").expect("a channel");
    assert!(options.presence && options.join_leave && options.force_push_join_leave);
    assert_eq!(options.history.expect("kept").size.get(), 100);
    assert_eq!(options.recovery_mode, RecoveryMode::Stream);
    let small = chat.options("smallhistory:a").expect("a channel");
    assert_eq!(small.history.expect("kept").size.get(), 2);
    assert!(!small.presence);

    let chat = accepted(".toml", INSECURE);
    assert!(chat.is_insecure() && chat.may_connect_without_token());

    let start = served(".json", AS_JSON).expect("it is accepted");
    assert!(start.notices.is_empty(), "{:?}", start.notices);
    assert_eq!(start.config.log_bytes, 32 << 20);
    let chat = start.config.chat;
    assert_eq!(chat.client.ping_interval, Duration::from_secs(30));
    assert_eq!(chat.client.channel_limit.get(), 64);
    assert!(!chat.client.allows_origin("https://a.example"));
    let history = chat.options("chat:a").expect("a channel").history;
    assert_eq!(history.expect("kept").ttl, Duration::from_hours(1));
}

/// Goal: without a section, or with none but that of messages, the server is a playground, and an
/// empty section ends it.
#[test]
fn a_section_ends_the_playground() {
    assert!(accepted(".toml", "shards = 1").is_playground());
    let chat = accepted(".toml", "[websocket]\nmessage_size_limit = 1000");
    assert!(chat.is_playground());
    for text in [
        "[client]",
        "[channel]",
        "[channel.without_namespace]\npresence = true",
    ] {
        let Start { config, notices } = served(".toml", text).expect("it is accepted");
        assert!(!config.chat.is_playground(), "{text}");
        let [notice] = &notices[..] else {
            panic!("{notices:?}")
        };
        assert!(notice.starts_with("nobody can connect"), "{notice}");
    }
}

/// Goal: a value that only turns off what is not here, or says what holds anyway, is no matter.
#[test]
fn what_turns_off_what_is_not_here_is_accepted() {
    let text = "pid_file = \"\"\nproxies = []\nconsumers = []\nenable_unreleased_features = false\n\
        [engine]\ntype = \"memory\"\n[admin]\nenabled = false\npassword = \"x\"\n\
        [uni_sse]\nenabled = false\nhandler_prefix = \"/x\"\n[usage_stats]\ndisabled = true\n\
        [graphite]\nport = 0\nhost = \"\"\n[shutdown]\ntimeout = \"30s\"\n\
        [websocket]\ncompression = false\nhandler_prefix = \"/connection/websocket\"\n\
        [client]\ninsecure = true\nconcurrency = 0\nqueue_max_size = 1048576\nuser_id_http_header = \"\"\n\
        [client.proxy.refresh]\nendpoint = \"\"\ntimeout = \"1s\"\n\
        [channel.without_namespace]\nallowed_delta_types = []\ndelta_publish = false\n\
        subscription_type = \"stream\"\nshared_poll.mode = \"\"\npublish_proxy_name = \"default\"\n";
    assert!(accepted(".toml", text).is_insecure());
}

/// Goal: what no client could notice is told and stands in nobody's way.
#[test]
fn what_changes_nothing_is_told() {
    let text = "[client]\ninsecure = true\nqueue_max_size = 1\nconcurrency = 8\n";
    let notices = served(".toml", text).expect("it is accepted").notices;
    let starts = [
        "client.queue_max_size in line 3 changes",
        "client.concurrency in line 4 changes",
    ];
    assert_eq!(notices.len(), starts.len(), "{notices:?}");
    for (notice, start) in notices.iter().zip(starts) {
        assert!(notice.starts_with(start), "{notice}");
    }
}

const MANY: &str = "shards = 99\nnonsense = 1\nlog_bytes = true\n[client]\nping_interval = 25\n\
    proxy.connect.enabled = true\n[channel.without_namespace]\nhistory_size = 1\n\
    [[channel.namespaces]]\nname = \"x\"\npresense = true\n";

/// Goal: all that is wrong with a file is told at once, in the order of its lines, by the server that
/// does not start and by the check alike.
#[test]
fn all_mistakes_are_told_at_once() {
    let expected = [
        "8 mistakes in FILE:",
        "  line 1: shards in FILE is 99, which is not from 1 to 64",
        "  line 2: FILE has an unknown key nonsense; the nearest setting is ",
        "  line 3: log_bytes in FILE has a value of the wrong type; make it a string",
        "  line 5: client.ping_interval is 25, which has no unit",
        "  line 6: client.proxy.connect.enabled has no place here",
        "  line 8: channel.without_namespace.history_size is 1, but history_ttl",
        "  line 10: channel.namespaces[1].name is `x`, which is no name",
        "  line 11: channel.namespaces[1].presense is unknown; the nearest key is channel.namespaces[1].presence",
    ];
    let refused = served(".toml", MANY).expect_err("it is refused");
    let (checked, is_fine) = checked(".toml", MANY);
    assert_eq!(checked, refused);
    assert!(!is_fine);
    let lines: Vec<&str> = refused.lines().collect();
    assert_eq!(lines.len(), expected.len(), "{refused}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(
            line.starts_with(expected),
            "{line:?} does not start with {expected:?}"
        );
    }
}

/// Goal: the check says that a file is fine, or each line that is no TOML or JSON, or no settings.
#[test]
fn a_file_is_checked() {
    assert_eq!(
        checked(".toml", WITH_TOKENS),
        ("FILE is fine".to_owned(), true)
    );
    assert_eq!(checked(".json", AS_JSON), ("FILE is fine".to_owned(), true));
    let (text, is_fine) = checked(".toml", "[client]\n");
    assert!(
        is_fine && text.starts_with("FILE is fine\n  but note: nobody can connect"),
        "{text}"
    );
    for (suffix, text, expected) in [
        (
            ".toml",
            "a =\nb =\n",
            "2 mistakes in FILE:\n  line 1: is not TOML (",
        ),
        (
            ".json",
            "{\"client\": {}\n,}",
            "1 mistake in FILE:\n  line 2: is not JSON (",
        ),
        (
            ".yaml",
            "client: {}",
            "1 mistake in FILE:\n  line 1: is not TOML or JSON (YAML",
        ),
        (
            ".toml",
            "shards = 0",
            "1 mistake in FILE:\n  line 1: shards in FILE is 0, which",
        ),
    ] {
        let (found, is_fine) = checked(suffix, text);
        assert!(!is_fine && found.starts_with(expected), "{text}: {found}");
    }
}
