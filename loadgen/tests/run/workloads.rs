//! Every workload runs against Fanring itself, and the search finds an end.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{Run, in_one_run, output, run};
use crate::server::{Fault, Server};

/// A Fanring on a port of its own.
struct Fanring {
    process: Child,
    address: SocketAddr,
}

impl Fanring {
    fn start(flags: &[&str]) -> Self {
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let mut process = Command::new(binary())
            .args(["--listen", &address.to_string()])
            .args(flags)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = process.try_wait().unwrap() {
                let errors = BufReader::new(process.stderr.take().unwrap());
                let errors: Vec<_> = errors.lines().map_while(Result::ok).collect();
                panic!("fanring ended with {status}: {errors:?}");
            }
            assert!(started.elapsed() < Duration::from_secs(20), "no fanring");
            std::thread::sleep(Duration::from_millis(20));
        }
        // Nobody reads on, and a full pipe would stop it.
        let errors = process.stderr.take().unwrap();
        std::thread::spawn(move || BufReader::new(errors).lines().for_each(drop));
        Self { process, address }
    }

    fn run(&self, flags: &[&str]) -> Run {
        let pid = self.process.id().to_string();
        let common = [
            "--duration",
            "0.7",
            "--warmup",
            "0.3",
            "--workers",
            "2",
            "--server-pid",
            &pid,
        ];
        run(self.address, &[&common, flags].concat())
    }
}

impl Drop for Fanring {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The server next to the program under test; built first if only this package was.
fn binary() -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_fanload")).parent().unwrap();
    let path = folder.join("fanring");
    if !path.exists() {
        let mut build = Command::new(env!("CARGO"));
        build.args([
            "build",
            "--quiet",
            "--package",
            "fanring",
            "--bin",
            "fanring",
        ]);
        if folder.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success(), "building fanring");
    }
    path
}

fn assert_clean(run: &Run) {
    assert_eq!((run.code, run.damage()), (0, [0; 5]), "{}", run.text);
    let (expected, delivered) = ("/counts/expected", "/counts/delivered");
    assert_eq!(run.figure(expected), run.figure(delivered), "{}", run.text);
}

/// Goal: fan-out with several publishers, sizes and kinds is complete, open loop and closed.
#[test]
fn fan_out_is_complete() {
    let fanring = Fanring::start(&["--shards", "2"]);
    let sizes = [
        "--size",
        "36,100,5000",
        "--publishers",
        "3",
        "--subscribers",
        "40",
    ];
    for kind in [
        &["--arrivals", "poisson"][..],
        &["--binary"],
        &["--closed", "4"],
    ] {
        let run = fanring.run(&[&sizes, kind].concat());
        assert_clean(&run);
        assert_eq!(run.figure("/window/completed"), run.figure("/window/sent"));
        assert!(run.figure("/counts/sent") > 20);
        assert!(run.figure("/server/cpu_ns") > 0);
    }
}

/// Goal: rooms are kept apart, and everybody gets what is said in theirs.
#[test]
fn rooms_are_complete() {
    let fanring = Fanring::start(&["--shards", "2"]);
    let flags = [
        "--workload",
        "rooms",
        "--rooms",
        "15",
        "--members",
        "4",
        "--rate",
        "150",
    ];
    let run = fanring.run(&flags);
    assert_clean(&run);
    assert_eq!(run.figure("/counts/sent"), 150);
    assert_eq!(run.figure("/counts/delivered"), 150 * 4);
}

/// Goal: when everybody publishes, everybody gets all but their own.
#[test]
fn chat_is_complete() {
    let fanring = Fanring::start(&["--shards", "2"]);
    let run = fanring.run(&["--workload", "chat", "--subscribers", "15", "--rate", "100"]);
    assert_clean(&run);
    assert_eq!(run.figure("/counts/delivered"), 100 * 14);
}

/// Goal: idle sessions are held, and their memory is told.
#[test]
fn idle_sessions_are_held() {
    let fanring = Fanring::start(&["--shards", "1"]);
    let run = fanring.run(&["--idle", "300", "--hold", "0.3"]);
    assert_clean(&run);
    assert_eq!(run.figure("/sessions/opened"), 300);
    let bytes = run.report.pointer("/server/bytes_per_connection").unwrap();
    assert!(bytes.as_f64().unwrap() < 100_000.0, "{bytes}");
}

/// Goal: after a storm everybody is back, it is known how long that took, and fan-out works.
#[test]
fn storms_are_recovered_from() {
    let fanring = Fanring::start(&["--shards", "2"]);
    let run = fanring.run(&["--workload", "storm", "--subscribers", "100"]);
    assert_clean(&run);
    assert_eq!(run.figure("/storm/dropped"), 101);
    assert_eq!(run.figure("/storm/returned"), 101);
    assert_eq!(run.figure("/sessions/opened"), 202);
    assert!(run.figure("/storm/recovery_ns") > 0);
}

/// Goal: sessions that come and go miss nothing while they are there, and nobody else does.
#[test]
fn churn_does_no_damage() {
    let fanring = Fanring::start(&["--shards", "2"]);
    let flags = [
        "--workload",
        "churn",
        "--subscribers",
        "30",
        "--churn-rate",
        "40",
    ];
    let run = fanring.run(&[&flags[..], &["--rate", "200"]].concat());
    assert_clean(&run);
    assert!(run.figure("/churn/joined") >= 30, "{}", run.text);
    assert!(run.figure("/churn/left") >= 20, "{}", run.text);
    assert!(run.figure("/counts/delivered") > 200 * 30);
}

/// Goal: subscribers that stop reading cost the others nothing, and what became of them is told.
#[test]
fn slow_readers_are_told() {
    let fanring = Fanring::start(&["--shards", "1"]);
    let flags = [
        "--workload",
        "slow",
        "--subscribers",
        "20",
        "--slow-percent",
        "20",
    ];
    let run = fanring.run(&[&flags[..], &["--rate", "100", "--size", "8192"]].concat());
    assert_eq!(run.damage()[0], 0, "{}", run.text);
    assert_eq!(run.figure("/slow/stopped"), 4);
    assert_eq!(run.figure("/counts/delivered"), 100 * 16);
}

/// Goal: a search tells its steps and ends; what the demand can't hold at any rate is told too.
#[test]
fn searches_end() {
    let fanring = Fanring::start(&["--shards", "1"]);
    let file = std::env::temp_dir().join(format!("fanload-search-{}.json", std::process::id()));
    let search = |demand: &str| {
        let address = fanring.address.to_string();
        let flags = [
            "--target",
            &address,
            "--slo",
            demand,
            "--duration",
            "0.3",
            "--warmup",
            "0",
            "--subscribers",
            "5",
            "--rate",
            "40",
            "--max",
            "80",
            "--lag-max",
            "60000",
            "--quiet",
            "--json",
            file.to_str().unwrap(),
        ];
        let output = Command::new(env!("CARGO_BIN_EXE_fanload"))
            .arg("find-max")
            .args(flags)
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let (code, text) = search("p99=10s,loss=0");
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("highest rate that holds: 80.0"), "{text}");
    assert!(text.contains("the search ended at --max 80"), "{text}");
    assert!(
        text.contains("decided: 80.0/s held in runs 2 and 3"),
        "{text}"
    );
    let last: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(last["parameters"]["rate"], 80.0, "{text}");
    assert!(last["counts"]["delivered"].as_u64() > Some(0), "{text}");
    let (code, text) = search("p50=1us");
    assert_eq!(code, Some(99), "{text}");
    assert!(text.contains("no rate holds"), "{text}");
    fs::remove_file(&file).unwrap();
}

/// Goal: the rate that is found is the server's, by arithmetic: one that takes 5 ms for each
/// message keeps up with 200 a second and not with more.
#[test]
fn a_known_limit_is_found() {
    in_one_run(|| {
        let server = Server::start(Fault::Slow(Duration::from_millis(5)));
        let flags = [
            "--slo",
            "p99=100ms,loss=0",
            "--subscribers",
            "1",
            "--rate",
            "100",
            "--precision",
            "10",
            "--duration",
            "2",
            "--warmup",
            "0",
            "--lag-max",
            "60000",
        ];
        let output = Command::new(env!("CARGO_BIN_EXE_fanload"))
            .args(["find-max", "--target", &server.address.to_string()])
            .args(flags)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{text}");
        let found = text.split("highest rate that holds: ").nth(1).unwrap();
        let rate: f64 = found.split(' ').next().unwrap().parse().unwrap();
        // The queue may hold 100 ms after 2 s, and the server may make up for 50 ms: 7.5% over the limit.
        assert!((100.0..=220.0).contains(&rate), "{text}");
    });
}

/// Goal: the number of sessions that is found is the server's, which takes 20 connections, of which one
/// publishes; and a search tells of its figures.
#[test]
fn the_most_sessions_are_found() {
    in_one_run(|| {
        let server = Server::start(Fault::Full(20));
        let flags = "find-max --over sessions --slo loss=0 --subscribers 5 --rate 50 \
                     --duration 200ms --warmup 0 --settle 0 --lag-max 60s --quiet";
        let output = Command::new(env!("CARGO_BIN_EXE_fanload"))
            .args(flags.split_whitespace())
            .args(["--target", &server.address.to_string()])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert!(text.contains("\nmost that hold: 19 sessions\n"), "{text}");
        assert!(
            text.contains("  1       5 sessions  held    p50 "),
            "{text}"
        );
        let refused = text.lines().last().unwrap();
        assert!(
            refused.starts_with("decided: 20 sessions did not hold in runs "),
            "{text}"
        );
        assert!(refused.contains("the server answered 503"), "{text}");
    });
}

/// Goal: a generator that is always the limit ends a search with 2 and never with 99.
#[test]
fn searches_without_a_generator_are_invalid() {
    let server = Server::start(Fault::None);
    let flags = "find-max --slo loss=0 --subscribers 1 --rate 20 --max 20 --duration 100ms --warmup 0 \
                 --settle 0 --lag-max 0.000001 --quiet";
    let output = Command::new(env!("CARGO_BIN_EXE_fanload"))
        .args(flags.split_whitespace())
        .args(["--target", &server.address.to_string()])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("nothing is known of the server"), "{text}");
    assert!(
        text.contains("INVALID: the server's limit may be higher"),
        "{text}"
    );
}

/// Goal: a demand that is missed has an exit code of its own, and is told.
#[test]
fn missed_demands_are_told() {
    let fanring = Fanring::start(&["--shards", "1"]);
    let flags = ["--subscribers", "5", "--slo", "p50=1us,loss=0"];
    let run = fanring.run(&flags);
    assert_eq!((run.code, run.damage()), (99, [0; 5]), "{}", run.text);
    let held = fanring.run(&["--subscribers", "5", "--slo", "max=60s,loss=0"]);
    assert_eq!(held.code, 0, "{}", held.text);
}

/// Goal: a generator that can't keep up says so, whatever the server did.
#[test]
fn late_generators_are_invalid() {
    let fanring = Fanring::start(&["--shards", "1"]);
    let flags = [
        "--subscribers",
        "2",
        "--duration",
        "0.3",
        "--warmup",
        "0",
        "--lag-max",
        "0.000001",
    ];
    let output = output(fanring.address, &flags);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(
        text.contains("INVALID") && text.contains("left late"),
        "{text}"
    );
}
