//! The program from outside, against a server whose faults are known exactly.

mod common;

use common::{Fault, Server, fanload};
use serde_json::Value;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

const LOAD: [&str; 12] = [
    "--subscribers",
    "20",
    "--publishers",
    "2",
    "--rate",
    "100",
    "--duration",
    "0.5",
    "--warmup",
    "0.2",
    "--drain",
    "1.5",
];

/// Runs the usual load of 70 messages; gives the exit code and the report.
fn run(fault: Fault) -> (i32, Value) {
    let server = Server::start(fault);
    let (code, report, _) = run_against(server.address);
    (code, report)
}

fn run_against(address: SocketAddr) -> (i32, Value, String) {
    let file = std::env::temp_dir().join(format!("fanload-{}.json", address.port()));
    let path = file.to_str().unwrap();
    let output = fanload(address, &[&LOAD[..], &["--json", path]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    let json = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{error}: {errors}"));
    std::fs::remove_file(file).unwrap();
    (
        output.status.code().unwrap(),
        serde_json::from_str(&json).unwrap(),
        text,
    )
}

/// Lost, duplicated, reordered, corrupt and ended sessions.
fn verdict(report: &Value) -> [u64; 5] {
    [
        "/counts/lost",
        "/counts/duplicated",
        "/counts/reordered",
        "/counts/corrupted",
        "/sessions/ended_early",
    ]
    .map(|name| report.pointer(name).unwrap().as_u64().unwrap())
}

// Goal: a good run is clean, complete and says so in every form.
#[test]
fn a_good_run_is_clean() {
    let server = Server::start(Fault::None);
    let (code, report, text) = run_against(server.address);
    assert_eq!((code, verdict(&report)), (0, [0; 5]), "{text}");
    assert_eq!(report["counts"]["sent"], 70);
    assert_eq!(report["window"]["sent"], 50);
    assert_eq!(report["counts"]["delivered"], 70 * 20);
    assert_eq!(report["latency"]["delivery_ns"]["count"], 50 * 20);
    let quantile = |name: &str| report["latency"]["delivery_ns"][name].as_u64().unwrap();
    assert!(0 < quantile("p50") && quantile("p50") <= quantile("max"));
    assert!(text.contains("1,400 of 1,400 expected"), "{text}");
}

// Goal: each fault is counted exactly and as what it is, and makes the exit code 3.
#[test]
fn faults_are_counted_exactly() {
    assert_eq!(run_verdict(Fault::Drop(30)), (3, [1, 0, 0, 0, 0]));
    assert_eq!(
        run_verdict(Fault::Drop(69)),
        (3, [1, 0, 0, 0, 0]),
        "the very last"
    );
    assert_eq!(run_verdict(Fault::Repeat(30)), (3, [0, 1, 0, 0, 0]));
    assert_eq!(run_verdict(Fault::Damage(30)), (3, [1, 0, 0, 1, 0]));
}

// Goal: a message overtaken by a later one of the same publisher is reordered, not lost.
#[test]
fn overtaking_is_counted_once() {
    let server = Server::start(Fault::Swap(30));
    let flags = [
        "--subscribers",
        "3",
        "--publishers",
        "1",
        "--rate",
        "100",
        "--duration",
        "0.5",
        "--warmup",
        "0",
    ];
    let output = fanload(server.address, &flags);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(
        text.contains("0 lost, 0 duplicated, 1 reordered, 0 corrupted"),
        "{text}"
    );
}

fn run_verdict(fault: Fault) -> (i32, [u64; 5]) {
    let (code, report) = run(fault);
    eprintln!("{fault:?}: {report:#}");
    (code, verdict(&report))
}

// Goal: fragments, interleaved pings and single bytes are taken as they come, and pings answered.
#[test]
fn any_split_of_the_frames_is_read() {
    let server = Server::start(Fault::Dribble(30));
    let (code, report, text) = run_against(server.address);
    assert_eq!((code, verdict(&report)), (0, [0; 5]), "{text}");
    assert_eq!(server.pongs(), 21, "20 subscribers and the other publisher");
}

// Goal: a session that is closed in the run costs its deliveries and is named with its code.
#[test]
fn closed_sessions_are_told() {
    let (code, report) = run(Fault::Close(30));
    assert_eq!(code, 3);
    assert_eq!(report["sessions"]["ended_early"], 1);
    assert_eq!(
        report["counts"]["lost"], 40,
        "messages 30 to 69 for one subscriber"
    );
    let cause = report["sessions"]["first_cause"].as_str().unwrap();
    assert!(cause.contains("4001"), "{cause}");
}

// Goal: a server that dies ends the run at once, with a report and a cause.
#[test]
fn a_dying_server_ends_the_run() {
    let server = Server::start(Fault::Die(30));
    let started = Instant::now();
    let flags = [
        "--subscribers",
        "20",
        "--rate",
        "100",
        "--duration",
        "60",
        "--warmup",
        "0",
    ];
    let output = fanload(server.address, &flags);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(
        text.contains("21 ended early; first: the server dropped"),
        "{text}"
    );
    assert!(started.elapsed() < Duration::from_secs(30));
}

/// The one sentence on stderr of a run that could not be made.
fn refusal(address: SocketAddr, flags: &[&str]) -> String {
    let output = fanload(address, flags);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

// Goal: each way not to get going is one sentence that names it, and none hangs.
#[test]
fn runs_that_cannot_start_say_why() {
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    assert!(refusal(nobody, &[]).contains("nobody listens"));
    let refusing = Server::start(Fault::Refuse);
    assert!(refusal(refusing.address, &[]).contains("status 503, not 101"));
    let hanging_up = Server::start(Fault::HangUp);
    assert!(refusal(hanging_up.address, &[]).contains("instead of an answer"));
    let silent = Server::start(Fault::Silence);
    let text = refusal(
        silent.address,
        &["--connect-timeout", "0.3", "--subscribers", "5"],
    );
    assert!(text.contains("only 0 of 6 sessions"), "{text}");
    assert!(refusal(silent.address, &["--subscribers", "16000000"]).contains("ulimit"));
    assert!(refusal(silent.address, &["--pin", "1000"]).contains("--pin 1000"));
    assert!(refusal(silent.address, &["--server-pid", "4294967295"]).contains("--server-pid"));
}

// Goal: idle sessions are held and the server's memory is reported; here the server is this test.
#[test]
fn idle_sessions_are_measured() {
    let server = Server::start(Fault::None);
    let pid = std::process::id().to_string();
    let flags = [
        "--idle",
        "30",
        "--hold",
        "0.2",
        "--server-pid",
        &pid,
        "--connect-rate",
        "200",
    ];
    let output = fanload(server.address, &flags);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("30 sessions") && text.contains("bytes per session"),
        "{text}"
    );
}

// Goal: with the server's process known, its processor time per delivery is told.
#[test]
fn the_servers_processor_time_is_told() {
    let server = Server::start(Fault::None);
    let pid = std::process::id().to_string();
    let output = fanload(
        server.address,
        &[&LOAD[..], &["--server-pid", &pid]].concat(),
    );
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    let line = text
        .lines()
        .find(|line| line.starts_with("server"))
        .unwrap();
    let nanoseconds: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(nanoseconds > 0.0, "{line}");
}
