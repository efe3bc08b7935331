//! Commands, environments and files in, configurations or sentences out.

mod chat;
mod docs;
mod migrating;
mod printed;

use std::collections::HashMap;
use std::io::Write;
use std::time::Duration;

use super::*;
use crate::config::{Config, Shape, SlowConsumer, settings};
use crate::process::AddressSpace;

const MACHINE: Machine = Machine {
    descriptors_max: 20_000,
    processors: 4,
    page_bytes: 4096,
    address_space: AddressSpace::Free,
};

fn invoke(args: &str, variables: &[(&str, &str)]) -> Result<Invocation, CliError> {
    let variables: HashMap<_, _> = variables.iter().copied().collect();
    let environment = |name: &str| variables.get(name).map(|text| (*text).to_owned());
    parse(
        std::iter::once("fanring").chain(args.split_whitespace()),
        &environment,
        &MACHINE,
    )
}

fn start(args: &str, variables: &[(&str, &str)]) -> Start {
    match invoke(args, variables) {
        Ok(Invocation::Serve(start)) => *start,
        other => panic!("`{args}` with {variables:?} gave {other:?}"),
    }
}

fn refusal(args: &str, variables: &[(&str, &str)]) -> String {
    match invoke(args, variables) {
        Err(error) => error.to_string(),
        other => panic!("`{args}` with {variables:?} gave {other:?}"),
    }
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

/// Goal: without any word from the user the server starts with the documented defaults.
#[test]
fn nothing_given_means_the_defaults() {
    for args in ["", "serve"] {
        let Start { config, notices } = start(args, &[("FANRING_LISTEN", ""), ("FANRING_X", "1")]);
        let defaults = Config::default();
        assert_eq!(config.listen, defaults.listen);
        assert_eq!(config.shards.get(), 4);
        assert!(config.pin, "one shard for each processor");
        assert_eq!(config.log_bytes, 64 << 20);
        assert_eq!(config.lag_bytes_max, 16 << 20);
        assert_eq!(config.message_bytes_max, 64 << 10);
        assert_eq!(
            config.connections_max,
            20_000 - Config::descriptors_reserved(20_000, 4, 1, 256)
        );
        assert_eq!(config.descriptors_max, 20_000);
        assert_eq!(config.slow_consumer, SlowConsumer::Close);
        assert!(notices.is_empty(), "{notices:?}");
    }
}

/// Goal: each setting can be written in each of the three places, and means the same in all.
#[test]
fn flag_variable_and_file_mean_the_same() {
    let folder = std::env::temp_dir().display().to_string();
    let cases = [
        ("listen", "[::1]:9002", "\"[::1]:9002\""),
        ("static", folder.as_str(), &format!("{folder:?}")),
        (
            "allow_origin",
            "https://a.example",
            "[\"https://a.example\"]",
        ),
        ("subprotocol", "chat.v2", "[\"chat.v2\"]"),
        ("shards", "2", "2"),
        ("log_bytes", "16M", "\"16M\""),
        ("connections_max", "77", "77"),
        ("message_bytes_max", "1000", "1000"),
        ("lag_bytes_max", "1MiB", "\"1MiB\""),
        ("head_bytes_max", "9000", "9000"),
        ("session_buffers_max", "3MiB", "\"3MiB\""),
        ("slow_consumer", "skip", "\"skip\""),
        ("ping_interval", "500ms", "\"500ms\""),
        ("idle_timeout", "2m", "\"2m\""),
        ("presence_members_max", "5", "5"),
        ("spread_members_min", "6", "6"),
        ("history_bytes_max", "2MiB", "\"2MiB\""),
        ("positions_max", "7", "7"),
        ("http_connections_max", "99", "99"),
        ("http_keep_alive", "75s", "\"75s\""),
        ("drain_timeout", "0s", "\"0s\""),
        ("content_security_policy", "none", "\"none\""),
    ];
    let with_value =
        settings().filter(|setting| matches!(setting.shape, Shape::One(_) | Shape::Many(_)));
    for setting in with_value {
        let case = cases.iter().find(|(name, ..)| *name == setting.name);
        assert!(case.is_some(), "give {} a case", setting.name);
    }
    let usual = format!("{:?}", start("", &[]).config);
    for (name, text, toml) in cases {
        let flag = start(&format!("--{} {text}", name.replace('_', "-")), &[]).config;
        let variable = format!("FANRING_{}", name.to_uppercase());
        let variable = start("", &[(variable.as_str(), text)]).config;
        let file = file(&format!("{name} = {toml}\n"));
        let file = start(&format!("--config {}", file.path().display()), &[]).config;
        assert_ne!(format!("{flag:?}"), usual, "{name} changes nothing");
        assert_eq!(
            format!("{flag:?}"),
            format!("{variable:?}"),
            "{name} as a variable"
        );
        assert_eq!(
            format!("{flag:?}"),
            format!("{file:?}"),
            "{name} in the file"
        );
    }
}

/// Goal: a flag goes before a variable, and a variable before the file.
#[test]
fn a_flag_goes_before_a_variable_before_the_file() {
    let file = file("ping_interval = \"3s\"\nidle_timeout = \"33s\"\necho = true\npin = false\n");
    let path = file.path().display().to_string();
    let variables = [
        ("FANRING_PING_INTERVAL", "2s"),
        ("FANRING_CONFIG", path.as_str()),
    ];
    let cases = [
        (start("--ping-interval 1s", &variables), 1),
        (start("", &variables), 2),
        (start(&format!("--config {path}"), &[]), 3),
        (start("", &[]), 20),
    ];
    for (Start { config, .. }, seconds) in cases {
        assert_eq!(config.ping_interval, Duration::from_secs(seconds));
        let from_file = seconds != 20;
        assert_eq!(
            config.idle_timeout.as_secs(),
            if from_file { 33 } else { 60 }
        );
        assert_eq!(config.echo, from_file);
        assert_eq!(config.pin, !from_file);
    }
}

/// Goal: a list means the same as repeated flags, with commas, and as a list of the file.
#[test]
fn lists_come_repeated_or_with_commas() {
    let addresses = ["127.0.0.1:1", "[::1]:2", "127.0.0.1:0", "127.0.0.1:0"];
    let expected: Vec<_> = addresses
        .iter()
        .map(|each| each.parse().expect("address"))
        .collect();
    let flags: String = addresses
        .iter()
        .map(|each| format!(" --listen {each}"))
        .collect();
    assert_eq!(start(&flags, &[]).config.listen, expected);
    let commas = addresses.join(", ");
    assert_eq!(
        start("", &[("FANRING_LISTEN", &commas)]).config.listen,
        expected
    );
    let file = file(&format!("listen = {addresses:?}"));
    let args = format!("serve --config {}", file.path().display());
    assert_eq!(start(&args, &[]).config.listen, expected);
}

/// Goal: of `--pin` and `--no-pin` the last one counts, and either goes before the variable.
#[test]
fn the_last_of_pin_and_no_pin_counts() {
    for (args, pin) in [
        ("--shards 1", false),
        ("--shards 1 --pin", true),
        ("--shards 1 --pin --no-pin", false),
        ("--no-pin --pin", true),
        ("--no-pin", false),
        ("--shards 8", false),
    ] {
        assert_eq!(
            start(args, &[("FANRING_PIN", "")]).config.pin,
            pin,
            "{args}"
        );
    }
    assert!(!start("", &[("FANRING_PIN", "0")]).config.pin);
}

/// Goal: whoever wrote a value that became another one is told so, and where it was.
#[test]
fn a_notice_names_the_place() {
    let Start { config, notices } = start("--log-bytes 3MiB", &[]);
    assert_eq!(config.log_bytes, 4 << 20);
    assert_eq!(
        notices,
        ["--log-bytes: rounded up from 3145728 to 4194304 bytes"]
    );
}

/// Commands and what their refusal must say; bars part texts that stand anywhere in it. What a value
/// must be is tested beside its setting.
const REFUSALS: &[(&str, &str)] = &[
    (
        "token",
        "the following required arguments were not provided: --user <ID>; see --help",
    ),
    (
        "token --inspect a --user b --kid c",
        "'--inspect <TOKEN>' cannot be used with: --|--user <ID>|--kid <NAME>|, keep one of them",
    ),
    (
        "token --user a --key b --file c",
        "'--key <SECRET>' cannot be used with '--file <FILE>', keep one of them",
    ),
    (
        "token --user a --key b --expires 1w",
        "--expires is `1w`, which is no duration; write it like 30s",
    ),
    ("token --users a", "unexpected argument '--users' found"),
    (
        "--listen 9001",
        "--listen is `9001`, which names no address: write 127.0.0.1:9001",
    ),
    (
        "--listen [::]:1 --listen [::]:1",
        "--listen is [::]:1,[::]:1, which names [::]:1 twice; remove one",
    ),
    (
        "--shards 5 --pin",
        "--pin is true, but 5 shards cannot have one of 4 processors each; lower --shards",
    ),
    (
        "--ping-interval 60s",
        "--ping-interval is 60s, which is not shorter than idle_timeout (60s)",
    ),
    (
        "--connections-max -1",
        "unexpected argument '-1' found|see --help",
    ),
    (
        "--config /nonexistent.toml",
        "can't read the settings file /nonexistent.toml: No such",
    ),
    (
        "--shrads 2",
        "unexpected argument '--shrads' found, the nearest is '--shards'; see --help",
    ),
    (
        "--listen",
        "a value is required for '--listen <ADDR>'|see --help",
    ),
    (
        "--shards 1 --shards 2",
        "cannot be used multiple times, keep one of them; see --help",
    ),
    (
        "srve",
        "unrecognized subcommand 'srve', the nearest is 'serve'; see --help",
    ),
    (
        "--echo serve",
        "cannot be used with '--echo', options go after the command; see --help",
    ),
    ("serve now", "unexpected argument 'now' found; see --help"),
    ("doctor --pin", "unexpected argument '--pin' found"),
    (
        "config",
        "config does nothing by itself, add --default or --check FILE; see --help",
    ),
    ("config --check", "a value is required for '--check <FILE>'"),
    (
        "config --check x --default",
        "cannot be used with '--|keep one of them",
    ),
    (
        "config --check /nonexistent.toml",
        "can't read the settings file /nonexistent.toml: No such",
    ),
];

/// Goal: every refusal is one sentence with the place, the rule and the fix.
#[test]
fn refusals_name_the_fix() {
    for &(args, expected) in REFUSALS {
        let text = refusal(args, &[]);
        assert!(
            !text.contains('\n') && !text.ends_with('.'),
            "`{args}`: {text:?}"
        );
        for part in expected.split('|') {
            assert!(text.contains(part), "`{args}`: {text:?} lacks {part:?}");
        }
    }
}

/// Goal: a refusal names the variable, or the file and the key, that has to change.
#[test]
fn refusals_name_the_variable_or_the_key() {
    let text = refusal("", &[("FANRING_ECHO", "perhaps")]);
    assert_eq!(
        text,
        "FANRING_ECHO is `perhaps`, which is neither true nor false: write one of the two"
    );
    let cases = [
        (
            "log-bytes = 1",
            "has an unknown key log-bytes; the nearest setting is log_bytes",
        ),
        ("config = \"x\"", "has an unknown key config"),
        (
            "[log_bytes]\na = 1",
            "wrong type; make it a string or a whole number",
        ),
        (
            "listen = [1]",
            "wrong type; make it a string or a list of strings",
        ),
        ("pin = \"yes\"", "wrong type; make it true or false"),
        ("shards = 1\necho = \n", "line 2 of "),
        ("shards = 1\nshards = 2\n", "is not TOML (duplicate key"),
        ("idle_timeout = 60", "idle_timeout in "),
    ];
    for (toml, expected) in cases {
        let file = file(toml);
        let text = refusal(&format!("--config {}", file.path().display()), &[]);
        assert!(
            text.contains(expected),
            "{toml:?}: {text:?} lacks {expected:?}"
        );
        assert!(text.contains(&file.path().display().to_string()), "{text}");
        assert!(!text.contains('\n'), "{text}");
    }
}

/// Goal: a descriptor limit that leaves no session is refused with the command that raises it.
#[test]
fn a_limit_too_low_for_any_session_is_refused() {
    let small = Machine {
        descriptors_max: 100,
        ..MACHINE
    };
    let error = parse(["fanring"], &|_| None, &small).expect_err("refused");
    assert!(
        error.to_string().contains("raise it with ulimit -Hn"),
        "{error}"
    );
}

/// Goal: help and version are there for every command, and asking for them starts nothing.
#[test]
fn help_and_version_are_printed() {
    for (args, expected) in [
        ("--help", "--slow-consumer <close|skip>"),
        ("serve --help", "[env: FANRING_LOG_BYTES]"),
        ("doctor --help", "Say what this machine lets Fanring do"),
        ("config --help", "--check <FILE>"),
        ("--version", concat!("fanring ", env!("CARGO_PKG_VERSION"))),
        ("-h", "Usage: fanring"),
    ] {
        let Ok(Invocation::Print(text)) = invoke(args, &[]) else {
            panic!("`{args}`")
        };
        assert!(text.contains(expected), "`{args}`: {text}");
    }
    assert!(matches!(invoke("doctor", &[]), Ok(Invocation::Doctor)));
}
