//! The server as its operator meets it: signals, logs, figures.

mod support;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fanring::logs::Logs;
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, kill_process};

use self::support::client::Client;
use self::support::http;
use self::support::mute::{Mute, SMALL, await_exit};
use self::support::server::{Server, command};
use self::support::wait::{PATIENCE, each, eventually};

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

/// Goal: a log line never stands between an event and its effect: whatever becomes of stderr, the
/// server starts, serves, says goodbye and ends with the code of a stop that was asked for.
#[test]
fn a_stderr_that_takes_nothing_holds_up_nothing() {
    let signals = [Signal::TERM, Signal::INT];
    let cases = (STUCK.iter()).flat_map(|stuck| signals.map(|signal| (stuck, signal)));
    each(
        cases,
        |((name, _), signal)| format!("{name}, {signal:?}"),
        |((name, make), signal)| {
            let (stderr, _kept) = make();
            let mut server = Mute::start(stderr);
            let mut client = Client::connect(server.address, "/ws/room?presence=0");
            // A pipe that is only full may yet be read.
            let loses = *name != "a pipe that is full and never read";
            eventually("lost lines are counted", PATIENCE, || {
                let health = http::request(server.address, "GET", "/healthz", &[]);
                assert_eq!(health.status, 200);
                let none_lost = health.text().contains("\"log_lines_lost\":0,");
                (none_lost != loses).then_some(())
            });
            server.send(*signal);
            client.expect_failure(&[1001]);
            drop(client);
            assert_eq!(server.await_exit().code(), Some(0));
        },
    );
}

/// Goal: the first signal is acted on, the second one ends the process where it stands; a SIGHUP,
/// which a closing terminal sends twice, only ever asks.
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
        // Until it counts as another one.
        let status = eventually("it ends", PATIENCE, || {
            server.send(Signal::HUP);
            server.send(second);
            server.child.try_wait().expect("a child")
        });
        assert_eq!(status.code(), Some(code), "{first:?}, {second:?}");
    }
}

/// Goal: who sends the signal to the process and to its group, as timeout(1) and many a wrapper do,
/// asks once.
#[test]
fn signals_that_come_together_are_one() {
    let mut server = Server::start(&SMALL);
    let mut client = Client::connect(server.address(), "/ws/room?presence=0");
    for signal in [Signal::TERM, Signal::INT, Signal::TERM, Signal::HUP] {
        kill_process(server.pid(), signal).expect("it takes a signal");
    }
    client.expect_failure(&[1001]);
    drop(client);
    assert_eq!(server.await_exit(PATIENCE).code(), Some(0));
}

/// Holds a thread of a process where it is, by ptrace(2), until it is told to let go.
const HOLD: &str = r#"
import ctypes, os, sys
task = "/proc/%s/task" % sys.argv[1]
names = {open("%s/%s/comm" % (task, thread)).read().strip(): int(thread) for thread in os.listdir(task)}
ptrace = ctypes.CDLL(None).ptrace
ptrace.argtypes = [ctypes.c_long] * 4
seize, interrupt = 0x4206, 0x4207
thread = names[sys.argv[2]]
held = ptrace(seize, thread, 0, 0) == 0 and ptrace(interrupt, thread, 0, 0) == 0
print("held" if held else "refused", flush=True)
sys.stdin.read()
"#;

/// Holds a thread; `None` where there is no python3 or it may not.
fn hold(server: &Server, thread: &str) -> Option<Child> {
    let pid = server.pid().as_raw_nonzero().to_string();
    let mut holder = Command::new("python3")
        .args(["-c", HOLD, &pid, thread])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut line = String::new();
    BufReader::new(holder.stdout.take()?)
        .read_line(&mut line)
        .ok()?;
    if line.trim() == "held" {
        return Some(holder);
    }
    eprintln!("skipped: this machine lets no process hold another one");
    holder.wait().ok()?;
    None
}

/// Goal: whatever thread is stuck, a signal has its effect on the others, and the process ends in
/// time.
#[test]
fn a_stuck_thread_swallows_no_signal() {
    for (thread, code) in [("web", 0), ("shard-0", 1)] {
        let mut server = Server::start(&["--shards", "1", "--no-pin", "--log-bytes", "1MiB"]);
        let mut client = Client::connect(server.address(), "/ws/room?presence=0");
        let Some(mut holder) = hold(&server, thread) else {
            return;
        };
        server.terminate();
        if thread == "web" {
            client.expect_failure(&[1001]);
        }
        drop(client);
        // It is a zombie until its thread is let go.
        let status = format!("/proc/{}/status", server.pid().as_raw_nonzero());
        eventually("the process ends", PATIENCE, || {
            let status = std::fs::read_to_string(&status).expect("its status");
            status.contains("State:\tZ").then_some(())
        });
        drop(holder.stdin.take());
        holder.wait().expect("a child");
        assert_eq!(server.await_exit(PATIENCE).code(), Some(code), "{thread}");
        let told = server.log().contains("a thread did not stop within 10s");
        assert_eq!(told, code == 1, "{}", server.log());
    }
}

/// Goal: a reader of the help that has seen enough is no error.
#[test]
fn help_for_a_reader_that_is_gone_is_no_error() {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
    drop(reader);
    let output = command(&["--help"]).stdout(writer).output();
    let output = output.expect("it starts");
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}

/// Goal: a terminal that closes is a reason to stop, and so to say goodbye.
#[test]
fn a_hangup_says_goodbye() {
    let mut server = Server::start(&SMALL);
    let mut client = Client::connect(server.address(), "/ws/room?presence=0");
    kill_process(server.pid(), Signal::HUP).expect("it takes a signal");
    client.expect_failure(&[1001]);
    drop(client);
    assert_eq!(server.await_exit(PATIENCE).code(), Some(0));
}

/// Goal: who starts the server with nohup(1) wants it to outlive the terminal.
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

/// Goal: memory is taken by pages, so that what idle sessions take is not rounded up to huge ones.
#[test]
fn no_huge_pages_are_taken() {
    let server = Server::start(&SMALL);
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", server.pid().as_raw_nonzero())).unwrap();
    let line = status.lines().find(|line| line.starts_with("THP_enabled:"));
    assert_eq!(line, Some("THP_enabled:\t0"));
}

/// Goal: a log that has reached the limit on the size of files is a full disk, and not the end.
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

/// What makes the copy of this test binary panic that the next test starts.
const PANICS: &str = "TEST_PANICS";

/// Goal: a panic is told where it can be and ends nothing but its thread, so that the process can
/// still say goodbye and exit with the code of a failure, whatever becomes of stderr.
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

/// Goal: the copy of this binary that the test above starts panics; otherwise there is nothing to
/// see.
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
