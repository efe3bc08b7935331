//! Each mistake that a section can have, and each thing that Centrifugo has and is not here.

use super::served;

/// Lines, the number of that in which the mistake is, and what must be said of it; bars part texts.
const MISTAKES: &[(&str, usize, &str)] = &[
    (
        "[client]\nping_intervall = \"25s\"",
        2,
        "client.ping_intervall is unknown; the nearest key is client.ping_interval",
    ),
    (
        "[client]\nhmac_secret_key = \"x\"",
        2,
        "client.hmac_secret_key is unknown; the nearest key is client.token.hmac_secret_key",
    ),
    (
        "[channel.without_namespace]\nname = \"x\"",
        2,
        "channel.without_namespace.name is unknown; the nearest key is channel.without_namespace.",
    ),
    (
        "[client]\nping_interval = 25",
        2,
        "client.ping_interval is 25, which has no unit: write 25s",
    ),
    (
        "[client]\nping_interval = \"0s\"",
        2,
        "no time at all; the default is 25s",
    ),
    (
        "[client]\nping_interval = \"1500ms\"",
        2,
        "not in whole seconds: write one like 300s",
    ),
    (
        "[client]\nping_interval = \"8s\"",
        2,
        "client.ping_interval is `8s`, which is not longer than pong_timeout (8s); raise it",
    ),
    (
        "[client]\npong_timeout = \"30s\"",
        2,
        "client.pong_timeout is `30s`, which is not shorter than ping_interval (25s); lower it",
    ),
    (
        "[client]\nstale_close_delay = \"25h\"",
        2,
        "more than a day; write 24h or less",
    ),
    (
        "[client]\ninsecure = \"perhaps\"",
        2,
        "client.insecure is `perhaps`, which is neither true nor false",
    ),
    (
        "[client]\nchannel_limit = 129",
        2,
        "more than a session has room for; lower it to 128",
    ),
    (
        "[client]\nallowed_origins = [\"a{\"]",
        2,
        "of which `a{` is no pattern (a brace is not closed)",
    ),
    (
        "[client]\ntoken = \"x\"",
        2,
        "client.token is `x`, where a section is wanted: write [client.token]",
    ),
    (
        "[client.token]\naudience = \"a\"\naudience_regex = \"b\"",
        3,
        "client.token.audience_regex is `b`, but audience is written too; remove one",
    ),
    (
        "[client.token]\nissuer_regex = \"(\"",
        2,
        "client.token.issuer_regex is `(`, which is no regular expression (",
    ),
    (
        "[client.token]\nuser_id_claim = \"user-id\"",
        2,
        "which is no claim's name: write letters and _ only",
    ),
    (
        "[client.subscribe_to_user_personal_channel]\nenabled = true\n\
         personal_channel_namespace = \"own\"",
        3,
        "personal_channel_namespace is `own`, which is none of channel.namespaces",
    ),
    (
        "[channel]\nmax_length = 300",
        2,
        "more than a room's name may have; lower it to 255",
    ),
    (
        "[channel]\npublication_data_format = \"xml\"",
        2,
        "which is not known: write json, json_object or binary",
    ),
    (
        "[channel.without_namespace]\nhistory_size = 10",
        2,
        "channel.without_namespace.history_size is 10, but history_ttl is 0s: write both",
    ),
    (
        "[channel.without_namespace]\nhistory_ttl = \"10s\"",
        2,
        "history_ttl is `10s`, but history_size is 0: write both",
    ),
    (
        "[channel.without_namespace]\nforce_recovery = true",
        2,
        "force_recovery is true, but nothing is kept: write history_size and history_ttl too",
    ),
    (
        "[channel.without_namespace]\nforce_recovery_mode = \"best\"",
        2,
        "which is not known: write stream or cache",
    ),
    (
        "[channel.without_namespace]\nauto_cache_recover = true",
        2,
        "auto_cache_recover is true, but recovers|force_recovery_mode = \"cache\"",
    ),
    (
        "[channel]\nhistory_meta_ttl = \"60s\"\n[channel.without_namespace]\nhistory_size = 1\n\
         history_ttl = \"61s\"",
        5,
        "longer than positions are kept (60s); lower it or raise history_meta_ttl",
    ),
    (
        "[channel.namespaces]\nname = \"a\"",
        1,
        "channel.namespaces is a section, where a list is wanted: write [[channel.namespaces]]",
    ),
    (
        "[[channel.namespaces]]\npresence = true",
        1,
        "channel.namespaces[1] has no name: write name =",
    ),
    (
        "[[channel.namespaces]]\nname = \"a\"",
        2,
        "channel.namespaces[1].name is `a`, which is no name: write two or more letters",
    ),
    (
        "[[channel.namespaces]]\nname = \"aa\"\n[[channel.namespaces]]\nname = \"aa\"",
        4,
        "channel.namespaces[aa].name is `aa`, which there is twice; rename one or remove it",
    ),
    (
        "[channel]\nnamespace_boundary = \"-\"\n[[channel.namespaces]]\nname = \"a-b\"",
        4,
        "channel.namespace_boundary (`-`) can't stand; rename it",
    ),
    (
        "[[channel.namespaces]]\nname = \"aa\"\nchannel_regex = \"[\"",
        3,
        "channel.namespaces[aa].channel_regex is `[`, which is no regular expression",
    ),
    (
        "[websocket]\nmessage_size_limit = 0",
        2,
        "which lets no message through; the default is 65536",
    ),
    (
        "[client]\n[websocket]\nmessage_size_limit = 70000",
        3,
        "websocket.message_size_limit is 70000, which is more than message_bytes_max (65536)",
    ),
];

/// Goal: each mistake is told with its line, its key and what to write instead.
#[test]
fn a_mistake_is_told_with_its_line() {
    for (text, line, parts) in MISTAKES {
        let sentence = served(".toml", text).expect_err(text);
        let expected = format!("line {line} of FILE: ");
        assert!(sentence.starts_with(&expected), "{text}: {sentence}");
        assert!(
            !sentence.contains('\n') && !sentence.ends_with('.'),
            "{sentence}"
        );
        for part in parts.split('|') {
            assert!(
                sentence.contains(part),
                "{text}: {sentence:?} lacks {part:?}"
            );
        }
    }
}

/// What Centrifugo has and is not here: what refuses the start, in which line, and a word of advice.
const NOT_HERE: &[(&str, usize, &str, &str)] = &[
    (
        "[engine]\ntype = \"redis\"",
        2,
        "engine.type",
        "run one node",
    ),
    (
        "[engine.redis]\naddress = \"redis://a\"",
        2,
        "engine.redis.address",
        "run one node",
    ),
    (
        "[broker]\nenabled = true\ntype = \"nats\"",
        2,
        "broker.enabled",
        "run one node",
    ),
    (
        "[admin]\npassword = \"x\"\nenabled = true",
        3,
        "admin.enabled",
        "/healthz",
    ),
    ("[admin]\npassword = \"x\"", 2, "admin.password", "/healthz"),
    (
        "[http_server]\nport = 8000",
        2,
        "http_server.port",
        "write listen",
    ),
    (
        "[http_api]\nkey = \"x\"",
        2,
        "http_api.key",
        "publish as a client",
    ),
    (
        "[sse]\nenabled = true",
        2,
        "sse.enabled",
        "by WebSocket only",
    ),
    (
        "[uni_grpc]\nport = 1",
        2,
        "uni_grpc.port",
        "by WebSocket only",
    ),
    (
        "[prometheus]\nenabled = true",
        2,
        "prometheus.enabled",
        "/healthz",
    ),
    (
        "[[proxies]]\nname = \"x\"",
        1,
        "proxies",
        "decide with tokens",
    ),
    (
        "[[consumers]]\nname = \"x\"",
        1,
        "consumers",
        "publish as a client",
    ),
    (
        "[rpc.proxy]\nendpoint = \"http://x\"",
        2,
        "rpc.proxy.endpoint",
        "decide with tokens",
    ),
    ("pid_file = \"/x\"", 1, "pid_file", "remove it"),
    (
        "[client.proxy.connect]\nenabled = true",
        2,
        "client.proxy.connect.enabled",
        "decide with tokens",
    ),
    (
        "[client]\nuser_id_http_header = \"x\"",
        2,
        "client.user_id_http_header",
        "tokens",
    ),
    (
        "[client.subscribe_to_user_personal_channel]\nsingle_connection = true",
        2,
        "client.subscribe_to_user_personal_channel.single_connection",
        "client.user_connection_limit = 1",
    ),
    (
        "[channel.without_namespace]\nallowed_delta_types = [\"fossil\"]",
        2,
        "channel.without_namespace.allowed_delta_types",
        "whole publications",
    ),
    (
        "[channel.without_namespace]\nsubscription_type = \"map\"",
        2,
        "channel.without_namespace.subscription_type",
        "streams only",
    ),
    (
        "[[channel.namespaces]]\nname = \"aa\"\nmap.key_ttl = \"1m\"",
        3,
        "channel.namespaces[aa].map.key_ttl",
        "streams only",
    ),
    (
        "[[channel.namespaces]]\nname = \"aa\"\nallow_tags_filter = true",
        3,
        "channel.namespaces[aa].allow_tags_filter",
        "not filtered",
    ),
    (
        "[websocket]\ncompression = true",
        2,
        "websocket.compression",
        "as they are",
    ),
    (
        "[websocket]\nhandler_prefix = \"/ws\"",
        2,
        "websocket.handler_prefix",
        "rewrite",
    ),
];

/// Goal: what Centrifugo can do and Fanring can't refuses the start by name, with what to do.
#[test]
fn what_is_not_here_is_named() {
    for (text, line, key, advice) in NOT_HERE {
        let sentence = served(".toml", text).expect_err(text);
        let expected = format!("line {line} of FILE: {key} has no place here: ");
        assert!(sentence.starts_with(&expected), "{text}: {sentence}");
        assert!(sentence.contains(advice), "{sentence:?} lacks {advice:?}");
        assert!(
            !sentence.contains('\n') && !sentence.ends_with('.'),
            "{sentence}"
        );
    }
}
