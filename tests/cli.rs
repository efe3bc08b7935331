//! The `fanring` binary as a shell sees it: exit codes, and which stream says what.
//!
//! Nothing here leaves a server running: each command ends by itself.

mod support;

use std::process::{Command, Output};

use fanring::config::Config;

use self::support::server::binary;

fn fanring(args: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(binary())
        .args(args)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .expect("the binary starts")
}

/// What a refused command leaves: code 2, one line on stderr, nothing on stdout.
fn refusal(args: &[&str], variables: &[(&str, &str)]) -> String {
    let output = fanring(args, variables);
    let text = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(2), "{args:?} said {text}");
    assert!(output.stdout.is_empty(), "{args:?} wrote to stdout");
    let line = text
        .strip_suffix('\n')
        .unwrap_or_else(|| panic!("{args:?}: no line: {text:?}"));
    assert!(!line.contains('\n'), "{args:?}: more than one line: {text}");
    let sentence = line
        .strip_prefix("fanring: ")
        .unwrap_or_else(|| panic!("{args:?}: {line}"));
    sentence.to_owned()
}

/// Goal: help and version are answers, not errors: stdout, code 0.
#[test]
fn help_and_version_go_to_stdout() {
    for (args, expected) in [
        (&["--help"][..], "--listen <ADDR>"),
        (&["-h"], "--listen <ADDR>"),
        (&["serve", "--help"], "--listen <ADDR>"),
        (&["doctor", "--help"], "Usage: fanring doctor"),
        (&["--version"], env!("CARGO_PKG_VERSION")),
        (&["-V"], env!("CARGO_PKG_VERSION")),
    ] {
        let output = fanring(args, &[]);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(output.stderr.is_empty(), "{args:?} wrote to stderr");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(text.contains(expected), "{args:?}: {text}");
    }
}

/// Goal: a bad flag, value, variable or limit is one sentence on stderr and code 2.
#[test]
fn refused_commands_say_one_sentence() {
    let cases = [
        (
            &["--bogus"][..],
            "unexpected argument '--bogus' found; see --help",
        ),
        (&["serve", "--ecko"], "the nearest is '--echo'"),
        (&["start"], "unrecognized subcommand 'start'"),
        (
            &["--listen", "9001"],
            "write 127.0.0.1:9001 for this machine only",
        ),
        (&["--ping-interval", "90s"], "not shorter than idle_timeout"),
        (
            &["--log-bytes", "1M", "--message-bytes-max", "1M"],
            "raise --log-bytes",
        ),
        (
            &["--connections-max", "1048576", "--shards", "99"],
            "not from 1 to 64",
        ),
        (
            &["--static", "/nonexistent"],
            "name a folder this user can read",
        ),
        (
            &["--config", "/nonexistent.toml"],
            "can't read the settings file",
        ),
        (&["--config", "/"], "can't read the settings file"),
    ];
    for (args, expected) in cases {
        let sentence = refusal(args, &[]);
        assert!(sentence.contains(expected), "{args:?}: {sentence}");
    }
    let sentence = refusal(&[], &[("FANRING_SHARDS", "0")]);
    assert!(sentence.starts_with("FANRING_SHARDS is 0"), "{sentence}");
}

/// Goal: a mistake in a settings file is told with the file and the place in it.
#[test]
fn a_bad_settings_file_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    for (text, expected) in [
        (
            "ping_intreval = \"20s\"",
            "unknown key ping_intreval; the nearest setting is ping_interval",
        ),
        ("echo = true\necho", "line 2 of "),
        ("shards = \"lots\"", "write a number from 1 to 64, or auto"),
        ("\u{0}", "is not TOML"),
    ] {
        let path = folder.path().join("fanring.toml");
        std::fs::write(&path, text).expect("written");
        let path = path.display().to_string();
        for sentence in [
            refusal(&["--config", &path], &[]),
            refusal(&["serve"], &[("FANRING_CONFIG", &path)]),
        ] {
            assert!(sentence.contains(expected), "{text:?}: {sentence}");
            assert!(sentence.contains(&path), "{text:?}: {sentence}");
        }
    }
}

/// Goal: a log filter that says nothing useful does not silence the server.
#[test]
fn a_bad_log_filter_is_refused() {
    let sentence = refusal(
        &["--listen", "127.0.0.1:0"],
        &[("FANRING_LOG", "fanring=loud")],
    );
    assert!(
        sentence.contains("FANRING_LOG is `fanring=loud`"),
        "{sentence}"
    );
    assert!(
        sentence.contains("write info, debug or fanring=debug"),
        "{sentence}"
    );
}

/// Goal: an address that is taken is refused like a bad flag: there is something to change.
#[test]
fn a_taken_address_is_refused() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let args = [
        "--listen",
        &address,
        "--shards",
        "1",
        "--no-pin",
        "--log-bytes",
        "1MiB",
    ];
    let sentence = refusal(&args, &[("FANRING_LOG", "error")]);
    assert!(
        sentence.contains(&address) && sentence.contains("--listen"),
        "{sentence}"
    );
}

/// Goal: the limit of this process decides, whatever the soft limit was before.
#[test]
fn more_sessions_than_descriptors_are_refused() {
    let output = Command::new("sh")
        .args([
            "-c",
            "ulimit -n 2000; exec \"$0\" --shards 1 --connections-max 1990",
        ])
        .arg(binary())
        .output()
        .expect("a shell");
    let text = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(2), "{text}");
    let web = Config::web_connections_for(2_000);
    let left = 2_000 - Config::descriptors_reserved(2_000, 1, 1, web);
    assert!(
        text.contains(&format!("limit of 2000 leaves {left}")) && text.contains("LimitNOFILE="),
        "{text}"
    );
}

/// Goal: what the doctor promises is what a server with the default settings takes: one formula.
#[test]
fn the_doctor_counts_connections_as_the_server_does() {
    let said = |command: &str, before: &str| {
        let script = format!("ulimit -n 2000; exec \"$0\" {command}");
        let output = Command::new("sh")
            .args(["-c", &script])
            .arg(binary())
            .output();
        let output = output.expect("a shell");
        let text = String::from_utf8([output.stdout, output.stderr].concat()).expect("UTF-8");
        let rest = text.split_once(before);
        let (_, rest) = rest.unwrap_or_else(|| panic!("{command} does not say {before}: {text}"));
        let digits = rest.find(|letter: char| !letter.is_ascii_digit());
        rest[..digits.unwrap_or(rest.len())].to_owned()
    };
    let doctor = said("doctor", "hard 2000: room for ");
    let server = said("serve --connections-max 1999", "limit of 2000 leaves ");
    assert_eq!(doctor, server);
}

/// Goal: a token goes to stdout, so that a shell can take it, and can be inspected; a mistake is one line on
/// stderr.
#[test]
fn tokens_are_made_and_inspected() {
    let made = fanring(&["token", "--user", "42", "--key", "secret"], &[]);
    assert!(made.status.success() && made.stderr.is_empty());
    let token = String::from_utf8(made.stdout).expect("UTF-8");
    assert_eq!(token.matches('.').count(), 2, "{token}");
    let args = ["token", "--inspect", token.trim_end(), "--key", "secret"];
    let inspected = fanring(&args, &[]);
    assert!(inspected.status.success() && inspected.stderr.is_empty());
    let text = String::from_utf8(inspected.stdout).expect("UTF-8");
    assert!(text.ends_with("to connect: good, as user 42\n"), "{text}");
    let sentence = refusal(&["token", "--user", "42"], &[]);
    assert!(
        sentence.starts_with("there is nothing to sign with; name --key"),
        "{sentence}"
    );
}

/// Goal: the file that is printed can be checked and served with; the check says so with code 0.
#[test]
fn the_printed_file_is_fine() {
    let printed = fanring(&["config", "--default"], &[]);
    assert_eq!(printed.status.code(), Some(0));
    assert!(printed.stderr.is_empty());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("fanring.toml");
    std::fs::write(&path, &printed.stdout).expect("written");
    let path = path.display().to_string();
    let checked = fanring(&["config", "--check", &path], &[]);
    assert_eq!(checked.status.code(), Some(0));
    let text = String::from_utf8(checked.stdout).expect("UTF-8");
    assert_eq!(text, format!("{path} is fine\n"));
}

/// Goal: the check tells all mistakes with their lines on stdout, with code 1; the server that does
/// not start tells the same on stderr, with code 2.
#[test]
fn all_mistakes_of_a_file_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("fanring.json");
    let text = "{\n\"shards\": 99,\n\"client\": {\n\"pong_timeout\": \"8\",\n\"user_id_http_header\": \"x\"\n}\n}";
    std::fs::write(&path, text).expect("written");
    let path = path.display().to_string();
    let checked = fanring(&["config", "--check", &path], &[]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(checked.stderr.is_empty());
    let told = String::from_utf8(checked.stdout).expect("UTF-8");
    let lines: Vec<&str> = told.lines().collect();
    let expected = [
        format!("3 mistakes in {path}:"),
        format!("  line 2: shards in {path} is 99, which is not from 1 to 64; try auto"),
        "  line 4: client.pong_timeout is `8`, which has no unit: write 8s for seconds or 8ms for milliseconds".to_owned(),
        "  line 5: client.user_id_http_header has no place here: ".to_owned(),
    ];
    assert_eq!(lines.len(), expected.len(), "{told}");
    for (line, expected) in lines.iter().zip(&expected) {
        assert!(line.starts_with(expected), "{line}");
    }
    let served = fanring(&["--config", &path], &[]);
    assert_eq!(served.status.code(), Some(2));
    assert!(served.stdout.is_empty());
    let refused = String::from_utf8(served.stderr).expect("UTF-8");
    assert_eq!(refused, format!("fanring: {told}"));
    let missing = refusal(&["config", "--check", "/nonexistent.toml"], &[]);
    assert!(
        missing.contains("can't read the settings file"),
        "{missing}"
    );
}
