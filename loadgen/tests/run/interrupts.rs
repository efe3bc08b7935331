//! Ctrl-C: a run that is ended early says so, and what was measured is not lost.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::server::{Fault, Server};

/// Starts a run of a minute and waits until its progress tells of this phase.
pub(crate) fn run_until(
    server: &Server,
    phase: &str,
    flags: &[&str],
) -> (Child, BufReader<ChildStderr>) {
    let load = "--subscribers 5 --rate 100 --duration 60 --warmup 0 --lag-max 60000 --no-tui";
    let mut child = Command::new(env!("CARGO_BIN_EXE_fanload"))
        .args(["--target", &server.address.to_string()])
        .args(load.split(' '))
        .args(flags)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut progress = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains(phase) {
        line.clear();
        assert!(progress.read_line(&mut line).unwrap() > 0, "no {phase}");
    }
    (child, progress)
}

/// As Ctrl-C does.
pub(crate) fn interrupt(child: &Child) {
    let pid = Pid::from_child(child);
    kill_process(pid, Signal::INT).unwrap();
}

/// Goal: an interrupted run ends at once and in good order: what was due until then is sent and has
/// come, the files are written, and it is not taken for the run that was asked for.
#[test]
fn what_was_measured_is_kept() {
    let server = Server::start(Fault::None);
    let name = format!("fanload-interrupted-{}.json", std::process::id());
    let file = std::env::temp_dir().join(name);
    let flags = ["--json", file.to_str().unwrap()];
    let (child, _progress) = run_until(&server, "measure", &flags);
    let asked = Instant::now();
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(asked.elapsed() < Duration::from_secs(20), "{text}");
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(
        text.contains("INVALID: the run was interrupted after "),
        "{text}"
    );
    let report: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    std::fs::remove_file(file).unwrap();
    let figure = |pointer: &str| report.pointer(pointer).unwrap().as_u64().unwrap();
    let planned = figure("/counts/planned");
    // The first interval takes a second, and the plan is a message each 10 ms.
    let due = figure("/window/length_ns").div_ceil(10_000_000);
    assert!(
        (90..4_000).contains(&planned) && planned.abs_diff(due) <= 1,
        "{planned} of {due}"
    );
    assert_eq!(figure("/counts/sent"), planned);
    assert_eq!(figure("/counts/delivered"), planned * 5);
    assert_eq!(figure("/counts/outstanding"), 0);
}

/// Goal: before anything was measured there is nothing to tell, and that is one sentence.
#[test]
fn nothing_is_told_of_nothing() {
    let server = Server::start(Fault::None);
    let (child, mut progress) = run_until(&server, "connect", &["--settle", "60"]);
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let mut rest = String::new();
    progress.read_to_string(&mut rest).unwrap();
    let last = rest.lines().last().unwrap();
    assert_eq!(last, "fanload: interrupted before anything was measured");
}
