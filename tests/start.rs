//! Starts: ports that others want too, and what is said where there can be no server.

mod support;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;

use self::support::client::Client;
use self::support::frame::TEXT;
use self::support::http;
use self::support::mute::{Mute, SMALL, busy_port, free_address, serve};
use self::support::server::{Server, command};
use self::support::wait::{PATIENCE, eventually};

/// Goal: of two servers that are started at the same moment on one port, one serves and the other
/// says why it can't; the race itself is run often in the tests of `socket`.
#[test]
fn of_two_servers_at_once_one_starts() {
    for _ in 0..4 {
        let address = free_address();
        let mut pair = [(), ()].map(|()| {
            let mut command = serve(address);
            let child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn();
            child.expect("the binary starts")
        });
        let refused = eventually("one of the two gives up", PATIENCE, || {
            let ended = |child: &mut Child| child.try_wait().expect("a child").is_some();
            pair.iter_mut().position(ended)
        });
        let mut told = String::new();
        let mut stderr = pair[refused].stderr.take().expect("a pipe");
        stderr.read_to_string(&mut told).expect("UTF-8");
        assert_eq!(
            pair[refused].wait().expect("a child").code(),
            Some(2),
            "{told}"
        );
        assert!(told.contains("choose another with --listen"), "{told}");
        let [first, second] = pair;
        let (mut kept, _ended) = if refused == 0 {
            (second, first)
        } else {
            (first, second)
        };
        let health = http::request(address, "GET", "/healthz", &[]);
        assert_eq!(health.status, 200);
        kept.kill().expect("it still runs");
        kept.wait().expect("a child");
    }
}

/// Goal: a port that is busy only for a moment, as after a kill -9, is waited for.
#[test]
fn a_port_that_becomes_free_is_taken() {
    let busy = busy_port();
    let address = busy.local_addr().expect("its address");
    let mut child = serve(address)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let stderr = child.stderr.take().expect("a pipe");
    let mut server = Mute { child, address };
    let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("is in use; trying for 1s")));
    drop(busy);
    assert!(lines.any(|line| line.contains(&format!("listening on http://{address}"))));
    server.send(Signal::KILL);
    server.await_exit();
    let again = Server::start_on(&[&address.to_string()], &SMALL);
    assert_eq!(again.address(), address);
}

/// Goal: who reads the log learns whether anybody may enter: in a playground, in insecure mode, and
/// where only what is written holds.
#[test]
fn the_start_says_who_may_enter() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("fanring.toml");
    let told = |text: &str| {
        std::fs::write(&path, text).expect("written");
        let path = path.display().to_string();
        let arguments = [
            "--shards",
            "1",
            "--no-pin",
            "--log-bytes",
            "8MiB",
            "--config",
            &path,
        ];
        let log = Server::start(&arguments).log();
        [
            "a playground: nobody needs a token",
            "WARN fanring::server: client.insecure is on",
        ]
        .map(|words| log.contains(words))
    };
    assert_eq!(told(""), [true, false]);
    assert_eq!(told("[client]\ninsecure = true\n"), [false, true]);
    assert_eq!(
        told("[client.token]\nhmac_secret_key = \"secret\"\n"),
        [false, false]
    );
}

/// Runs a start that must be refused, and gives its one sentence.
#[track_caller]
fn refusal(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output();
    let output = output.expect("it starts");
    let text = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(2), "{text}");
    let sentence = text
        .strip_prefix("fanring: ")
        .unwrap_or_else(|| panic!("{text}"));
    assert_eq!(text.lines().count(), 1, "{text}");
    sentence.trim_end().to_owned()
}

/// Runs what follows with `io_uring_setup` (425 everywhere) answered by an error, and all else allowed.
const WITHOUT_IO_URING: &str = r#"
import ctypes, os, struct, sys
code = [(0x20, 0, 0, 0), (0x15, 0, 1, 425), (0x06, 0, 0, 0x50000 | int(sys.argv[1])), (0x06, 0, 0, 0x7fff0000)]
rules = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *rule) for rule in code))
class Program(ctypes.Structure):
    _fields_ = [("count", ctypes.c_ushort), ("rules", ctypes.c_void_p)]
libc = ctypes.CDLL(None, use_errno=True)
program = Program(len(code), ctypes.addressof(rules))
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0, ctypes.get_errno()
os.execv(sys.argv[2], sys.argv[2:])
"#;

/// Goal: where io_uring is switched off, that is said in one sentence, whichever thread would meet
/// it first: often, because it was a race.
#[test]
fn without_io_uring_one_sentence_says_so() {
    if Command::new("python3").arg("-V").output().is_err() {
        eprintln!("skipped: there is no python3 to set up a seccomp filter");
        return;
    }
    for (errno, name, starts) in [("1", "EPERM", 10), ("38", "ENOSYS", 10)] {
        for _ in 0..starts {
            let server = serve(free_address());
            let mut filtered = Command::new("python3");
            filtered.args(["-c", WITHOUT_IO_URING, errno]);
            filtered.arg(server.get_program()).args(server.get_args());
            let sentence = refusal(
                filtered
                    .env("FANRING_LOG", "error")
                    .env("RUST_BACKTRACE", "1"),
            );
            let expected = format!("io_uring_setup was refused with {name}");
            assert!(sentence.starts_with(&expected), "{sentence}");
        }
    }
}

/// Goal: a lack of memory is told in one sentence, and its cause once.
#[test]
fn without_memory_one_sentence_says_so() {
    let script = "ulimit -v 3000000; exec \"$@\" --log-bytes 4GiB";
    let server = command(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--shards",
        "2",
        "--no-pin",
    ]);
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh"]).arg(server.get_program());
    let sentence = refusal(shell.args(server.get_args()).env("FANRING_LOG", "error"));
    assert_eq!(
        sentence.matches("Cannot allocate memory").count(),
        1,
        "{sentence}"
    );
    assert!(sentence.contains("a smaller --log-bytes"), "{sentence}");
}

/// Goal: where a process may have few addresses, or data, rooms that do not exist take none.
#[test]
fn few_addresses_are_enough_while_there_are_few_rooms() {
    for (limit, shards) in [("-v 600000", "1"), ("-v 850000", "2"), ("-d 300000", "2")] {
        let server = Server::start_under(limit, &["--shards", shards, "--no-pin"]);
        let mut rooms: Vec<Client> = (0..100)
            .map(|room| Client::connect(server.address(), &format!("/ws/{room}?echo=1&presence=0")))
            .collect();
        for client in &mut rooms {
            client.text("here");
            client.expect(TEXT, "here");
        }
    }
}

/// Goal: so is a lack of descriptors, at whatever point of the start they run out.
#[test]
fn without_descriptors_one_sentence_says_so() {
    let script = "ulimit -n 620; free=$0; \
        for ((fd = 3; fd < 620 - free; fd++)); do eval \"exec $fd</dev/null\"; done; exec \"$@\"";
    let start = |free: u32| {
        let server = command(&[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--shards",
            "1",
            "--no-pin",
        ]);
        let mut shell = Command::new("bash");
        shell
            .args(["-c", script, &free.to_string()])
            .arg(server.get_program());
        shell.args(server.get_args()).args(["--log-bytes", "1MiB"]);
        refusal(shell.env("FANRING_LOG", "error"))
    };
    for free in 1..=8 {
        let sentence = start(free);
        assert!(
            sentence.contains("no file descriptor") && sentence.contains("LimitNOFILE="),
            "{free}: {sentence}"
        );
    }
}
