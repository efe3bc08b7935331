//! The server as its operator meets it: signals, logs, start-up errors.

mod support;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use fanring::logs::Logs;

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, kill_process};

use support::client::Client;
use support::http;
use support::server::{Server, command};
use support::wait::{PATIENCE, each, eventually};

/// Arguments of a server that starts at once.
const SMALL: [&str; 5] = ["--shards", "2", "--no-pin", "--log-bytes", "1MiB"];

/// A server on a port of the test's choice, with a stderr that tells nothing; dropped, it is killed.
struct Mute {
    child: Child,
    address: SocketAddr,
}

impl Mute {
    fn start(stderr: Stdio) -> Self {
        Self::run(|mut command| {
            command.stderr(stderr);
            command
        })
    }

    /// Runs what `wrap` makes of the command.
    #[track_caller]
    fn run(wrap: impl FnOnce(Command) -> Command) -> Self {
        let address = free_address();
        let child = wrap(serve(address))
            .stdout(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let server = Self { child, address };
        eventually("the server listens", PATIENCE, || {
            TcpStream::connect(address).ok()
        });
        server
    }

    fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it takes a signal");
    }

    #[track_caller]
    fn await_exit(&mut self) -> ExitStatus {
        await_exit(&mut self.child)
    }
}

impl Drop for Mute {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address that nobody uses: on one of the loopback addresses that no client is given.
fn free_address() -> SocketAddr {
    let own = Ipv4Addr::new(
        127,
        fastrand::u8(1..),
        fastrand::u8(..),
        fastrand::u8(1..255),
    );
    let free = TcpListener::bind((own, 0)).expect("a port");
    free.local_addr().expect("its address")
}

/// The command for a server that has something to log.
fn serve(address: SocketAddr) -> Command {
    let mut command = command(&["serve", "--listen", &address.to_string()]);
    command.args(SMALL).env("FANRING_LOG", "debug");
    command
}

/// Goodbyes take three seconds at most, by a constant of the event loop.
#[track_caller]
fn await_exit(child: &mut Child) -> ExitStatus {
    eventually("the process ends", Duration::from_secs(10), || {
        child.try_wait().expect("it is a child")
    })
}

/// A stderr that takes nothing, and what keeps it so.
type Stderr = (&'static str, fn() -> (Stdio, Option<OwnedFd>));

const STUCK: [Stderr; 3] = [
    ("a full disk", || {
        let full = File::options().write(true).open("/dev/full");
        (full.expect("/dev/full").into(), None)
    }),
    ("a reader that is gone", || {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
        drop(reader);
        (writer.into(), None)
    }),
    ("a pipe that is full and never read", full_pipe_as_stderr),
];

fn full_pipe_as_stderr() -> (Stdio, Option<OwnedFd>) {
    let (reader, writer) = full_pipe();
    (writer.into(), Some(reader))
}

/// Both ends of a pipe that takes no further byte and blocks whoever tries.
fn full_pipe() -> (OwnedFd, OwnedFd) {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
    fcntl_setfl(&writer, OFlags::NONBLOCK).expect("non-blocking");
    while rustix::io::write(&writer, &[b'x'; 4096]).is_ok() {}
    while rustix::io::write(&writer, b"x").is_ok() {}
    fcntl_setfl(&writer, OFlags::empty()).expect("blocking");
    (reader, writer)
}

// A log line never stands between an event and its effect: whatever becomes of stderr, the server
// starts, serves, says goodbye and ends with the code of a stop that was asked for.
#[test]
fn a_stderr_that_takes_nothing_holds_up_nothing() {
    let signals = [Signal::TERM, Signal::INT];
    let cases = (STUCK.iter()).flat_map(|stuck| signals.map(|signal| (stuck, signal)));
    each(
        cases,
        |((name, _), signal)| format!("{name}, {signal:?}"),
        |((_, make), signal)| {
            let (stderr, _kept) = make();
            let mut server = Mute::start(stderr);
            let mut client = Client::connect(server.address, "/ws/room?presence=0");
            let health = http::request(server.address, "GET", "/healthz", &[]);
            assert_eq!(health.status, 200);
            server.send(*signal);
            client.expect_failure(&[1001]);
            drop(client);
            assert_eq!(server.await_exit().code(), Some(0));
        },
    );
}

// The first signal is acted on, the second one ends the process where it stands; a SIGHUP, which
// a closing terminal sends twice, only ever asks.
#[test]
fn a_second_signal_ends_it_at_once() {
    for (first, second, code) in [
        (Signal::TERM, Signal::TERM, 143),
        (Signal::INT, Signal::INT, 130),
        (Signal::HUP, Signal::TERM, 143),
    ] {
        let (stderr, _kept) = full_pipe_as_stderr();
        let mut server = Mute::start(stderr);
        // A peer that does not answer the goodbye, and so keeps the server from ending.
        let mut client = Client::connect(server.address, "/ws/room?presence=0");
        server.send(first);
        assert_eq!(client.close_frame().map(|(code, _)| code), Some(1001));
        server.send(Signal::HUP);
        server.send(second);
        let status = server.await_exit();
        assert_eq!(status.code(), Some(code), "{first:?}, {second:?}");
    }
}

// A terminal that closes is a reason to stop, and so to say goodbye.
#[test]
fn a_hangup_says_goodbye() {
    let mut server = Server::start(&SMALL);
    let mut client = Client::connect(server.address(), "/ws/room?presence=0");
    kill_process(server.pid(), Signal::HUP).expect("it takes a signal");
    client.expect_failure(&[1001]);
    drop(client);
    assert_eq!(server.await_exit(PATIENCE).code(), Some(0));
}

// Who starts the server with nohup(1) wants it to outlive the terminal.
#[test]
fn a_hangup_that_was_ignored_stays_so() {
    let script = "trap '' HUP; exec \"$@\"";
    let mut server = Mute::run(|command| {
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh"]).arg(command.get_program());
        shell.args(command.get_args());
        shell.stderr(Stdio::null());
        shell
    });
    let mut client = Client::connect(server.address, "/ws/room?presence=0");
    server.send(Signal::HUP);
    server.send(Signal::HUP);
    client.expect_quiet();
    server.send(Signal::TERM);
    client.expect_failure(&[1001]);
    drop(client);
    assert_eq!(server.await_exit().code(), Some(0));
}

// A log that has reached the limit on the size of files is a full disk, and not the end.
#[test]
fn a_log_file_at_its_limit_ends_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    // 4,096 blocks of 512 bytes: the logs of the shards, which are files in memory, are smaller.
    let full = File::create(&log).and_then(|file| file.set_len(4096 * 512));
    full.expect("a sparse file");
    let script = "ulimit -f 4096; exec \"$@\" 2>> \"$0\"";
    let mut server = Mute::run(|command| {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", script])
            .arg(&log)
            .arg(command.get_program());
        shell.args(command.get_args());
        shell
    });
    let health = http::request(server.address, "GET", "/healthz", &[]);
    assert_eq!(health.status, 200);
    server.send(Signal::TERM);
    assert_eq!(server.await_exit().code(), Some(0));
}

// Of two servers that are started at the same moment on one port, one serves and the other says why
// it can't; the race itself is run often in the tests of `ring::socket`.
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

// A port that is busy only for a moment, as after a kill -9, is waited for.
#[test]
fn a_port_that_becomes_free_is_taken() {
    let address = free_address();
    let busy = TcpListener::bind(address).expect("it is free");
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

// Where io_uring is switched off, that is said in one sentence, whichever thread would meet it first:
// often, because it was a race.
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

// So is a lack of memory, and with its cause told once.
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

// And a lack of descriptors, at whatever point of the start they run out.
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

/// What makes the copy of this test binary panic that the next test starts.
const PANICS: &str = "TEST_PANICS";

// A panic is told where it can be and ends nothing but its thread, so that the process can still
// say goodbye and exit with the code of a failure, whatever becomes of stderr.
#[test]
fn a_panic_is_told_without_waiting() {
    let run = |stderr: Stdio| {
        let mut child = Command::new(std::env::current_exe().expect("this binary"))
            .args(["--exact", "panics_if_it_is_asked_to", "--nocapture"])
            .env(PANICS, "1")
            .env_remove("RUST_BACKTRACE")
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .expect("it starts");
        let status = await_exit(&mut child);
        assert_eq!(status.code(), Some(7));
        child.stderr.take()
    };
    each(
        &STUCK,
        |(name, _)| (*name).to_owned(),
        |(_, make)| {
            let (stderr, _kept) = make();
            run(stderr);
        },
    );
    let mut told = String::new();
    let mut stderr = run(Stdio::piped()).expect("a pipe");
    stderr.read_to_string(&mut told).expect("UTF-8");
    let place = "thread shard panicked at tests/operate.rs:";
    assert!(
        told.contains(place) && told.contains("out of luck"),
        "{told}"
    );
}

#[test]
fn panics_if_it_is_asked_to() {
    if std::env::var_os(PANICS).is_none() {
        return;
    }
    let logs = Logs::start().expect("a thread");
    logs.tell_panics();
    let shard = std::thread::Builder::new().name("shard".to_owned());
    let shard = shard.spawn(|| panic!("out of luck")).expect("a thread");
    assert!(shard.join().is_err());
    logs.finish(Duration::from_millis(100));
    std::process::exit(7);
}
