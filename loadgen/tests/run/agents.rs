//! One run over several processes and machines: the same counts as one process has, agents that do only what they may,
//! and what is said when one of them is lost.

mod ends;
mod figures;
mod rules;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::program::{LOAD, Run, in_one_run, refusal, run};
use crate::server::{Fault, Server};

/// How long something may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A file with a token.
struct TokenFile(PathBuf);

impl TokenFile {
    fn new(token: &str) -> Self {
        static FILES: AtomicU32 = AtomicU32::new(0);
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        let name = format!("fanload-agents-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, token).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TokenFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// An agent on a port of its own, which is ended with its owner.
struct Agent {
    process: Child,
    address: String,
    /// What it has said since it listens, line by line.
    said: Arc<Mutex<Vec<String>>>,
}

impl Agent {
    fn start(target: SocketAddr, token: &TokenFile, flags: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_fanload"))
            .args(["agent", "--listen", "127.0.0.1:0"])
            .args(["--allow-target", &target.to_string()])
            .args(["--token-file", token.path()])
            .args(flags)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut errors = BufReader::new(process.stderr.take().unwrap());
        errors.read_line(&mut line).unwrap();
        let said = Arc::<Mutex<Vec<String>>>::default();
        let lines = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                lines.lock().unwrap().push(line);
            }
        });
        let address = line.trim().strip_prefix("fanload: agent listens on ");
        let address = address.unwrap_or_else(|| panic!("{line}")).to_owned();
        Self {
            process,
            address,
            said,
        }
    }

    /// Waits for a line with some words in it.
    fn wait_for(&self, words: &str) -> String {
        let started = Instant::now();
        loop {
            let said = self.said.lock().unwrap().clone();
            if let Some(line) = said.iter().find(|line| line.contains(words)) {
                return line.clone();
            }
            assert!(started.elapsed() < PATIENCE, "{words} is not in {said:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Two agents that may drive a server, and the flags for a run with them.
struct Pair {
    agents: [Agent; 2],
    token: TokenFile,
}

impl Pair {
    fn start(server: &Server) -> Self {
        let token = TokenFile::new("a token of the tests\n");
        let agents = [(); 2].map(|()| Agent::start(server.address, &token, &[]));
        Self { agents, token }
    }

    fn flags(&self) -> Vec<String> {
        let [one, other] = &self.agents;
        let agents = format!("{},{}", one.address, other.address);
        let flags = ["--agents", &agents, "--token-file", self.token.path()];
        flags.map(str::to_owned).to_vec()
    }

    fn run(&self, server: &Server, flags: &[&str]) -> Run {
        let own = self.flags();
        let own: Vec<_> = own.iter().map(String::as_str).collect();
        run(server.address, &[&LOAD[..], &own, flags].concat())
    }
}

/// A run over two agents against such a server, and what it found.
fn over_two(fault: Fault, flags: &[&str]) -> Run {
    let server = Server::start(fault);
    Pair::start(&server).run(&server, flags)
}

fn clean(run: &Run) {
    let found = (run.code, run.findings());
    assert_eq!(found, (0, String::new()), "{}", run.text);
}

/// Goal: two agents are one run with the counts of one process, of every message, delivery and completion; what is not
/// known of them together is left out, and the report tells of both and of their clocks.
#[test]
fn two_agents_are_one_run() {
    let run = over_two(Fault::None, &[]);
    clean(&run);
    assert_eq!(run.figure("/counts/planned"), 70);
    assert_eq!(run.figure("/counts/sent"), 70);
    assert_eq!(run.figure("/counts/expected"), 70 * 20);
    assert_eq!(run.figure("/counts/delivered"), 70 * 20);
    assert_eq!(run.figure("/window/sent"), 50);
    assert_eq!(run.figure("/window/completed"), 50);
    assert_eq!(run.figure("/sessions/opened"), 22);
    assert_eq!(run.figure("/latency/upgrade_ns/count"), 22);
    assert_eq!(run.figure("/latency/delivery_ns/count"), 50 * 20);
    for (series, count) in [
        ("first", 50),
        ("completion", 50),
        ("spread", 50),
        ("median", 0),
    ] {
        let counted = run.figure(&format!("/latency/{series}_ns/count"));
        assert_eq!(counted, count, "{series}");
    }
    let max = |series: &str| run.figure(&format!("/latency/{series}_ns/max"));
    assert_eq!(
        max("completion"),
        max("delivery"),
        "the last is the slowest"
    );
    for agent in [0, 1] {
        assert_eq!(
            run.figure(&format!("/machines/agents/{agent}/sessions")),
            11
        );
        let clock = run.figure(&format!("/machines/agents/{agent}/clock_uncertainty_ns"));
        assert!(0 < clock && clock < 1_000_000_000, "{clock}");
    }
    assert_eq!(
        run.report["generator"]["workers"].as_array().unwrap().len(),
        2
    );
    assert!(
        run.text.contains("\nclocks     compared to within "),
        "{}",
        run.text
    );
    let intervals = run.report["intervals"].as_array().unwrap();
    let sum = |name: &str| -> u64 {
        let each = intervals.iter().map(|each| each[name].as_u64().unwrap());
        each.sum()
    };
    assert_eq!(
        (sum("sent"), sum("delivered"), sum("completed")),
        (70, 1_400, 70)
    );
}

/// Goal: a single agent is a run of one process elsewhere, with everything that one knows.
#[test]
fn one_agent_knows_all() {
    let server = Server::start(Fault::None);
    let token = TokenFile::new("a token of the tests\n");
    let agent = Agent::start(server.address, &token, &[]);
    let flags = ["--agents", &agent.address, "--token-file", token.path()];
    let run = run(server.address, &[&LOAD[..], &flags].concat());
    clean(&run);
    assert_eq!(run.figure("/latency/median_ns/count"), 50);
    assert_eq!(run.figure("/machines/clock_uncertainty_ns"), 0, "one clock");
}

/// Goal: what a server does wrong is counted as exactly over two agents as in one process.
#[test]
fn faults_are_counted_over_all() {
    let damage = |fault, flags: &[&str]| {
        let run = over_two(fault, flags);
        assert_eq!(run.code, 3, "{}", run.text);
        run
    };
    let dropped = damage(Fault::Drop(30), &[]);
    assert_eq!(dropped.findings(), "skipped 1");
    assert_eq!(dropped.figure("/window/completed"), 49);
    assert_eq!(damage(Fault::Drop(69), &[]).findings(), "outstanding 1");
    assert_eq!(damage(Fault::Repeat(30), &[]).findings(), "duplicated 1");
    let hundredth = damage(Fault::DropHundredth, &["--rate", "1000", "--drain", "0.5"]);
    assert_eq!(hundredth.findings(), "skipped 140", "{}", hundredth.text);
    assert_eq!(hundredth.figure("/window/completed"), 400);
    let closed = damage(Fault::Close(30, Some(4001)), &[]);
    assert_eq!(
        closed.findings(),
        "cut_off 40, ended_early 1",
        "{}",
        closed.text
    );
    assert_eq!(closed.figure("/sessions/closes/4001"), 1);
    // Whoever is left completes what follows; the very message may have had a place in all books.
    assert!(closed.figure("/window/completed") >= 49, "{}", closed.text);
}

/// Goal: times from one agent to the other are what they are: one subscriber that is late makes its deliveries and all
/// completions late by as much.
#[test]
fn times_from_agent_to_agent_are_right() {
    in_one_run(|| {
        let run = over_two(Fault::Late(0, Duration::from_millis(250)), &[]);
        clean(&run);
        let from = |series: &str| {
            let times = run.distribution(&format!("/latency/{series}"));
            times.count_between(249_000_000, u64::MAX / 2)
        };
        assert_eq!(
            (from("delivery_ns"), from("completion_ns")),
            (50, 50),
            "{}",
            run.text
        );
        assert_eq!(from("first_ns"), 0, "{}", run.text);
    });
}

/// Goal: more sessions than this process has descriptors are driven by several, and every count is that of one process.
#[test]
fn a_low_limit_takes_several_processes() {
    let server = Server::start(Fault::None);
    let file = std::env::temp_dir().join(format!("fanload-limit-{}.json", std::process::id()));
    let run = Command::new("sh")
        .args(["-c", "ulimit -n 46; exec \"$0\" \"$@\""])
        .args([
            env!("CARGO_BIN_EXE_fanload"),
            "--quiet",
            "--lag-max",
            "60000",
        ])
        .args(["--target", &server.address.to_string()])
        .args(LOAD)
        .args(["--json", file.to_str().unwrap()])
        .output()
        .unwrap();
    let text = String::from_utf8(run.stdout).unwrap();
    let errors = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(0), "{text}{errors}");
    let json = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(file).unwrap();
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    let figure = |pointer: &str| report.pointer(pointer).unwrap().as_u64();
    assert_eq!(figure("/counts/delivered"), Some(1_400), "{text}");
    assert_eq!(figure("/window/completed"), Some(50), "{text}");
    assert_eq!(report["machines"]["agents"].as_array().unwrap().len(), 2);
    assert_eq!(
        figure("/machines/clock_uncertainty_ns"),
        Some(0),
        "one clock"
    );
}

/// Goal: every workload is made by several processes, each with several workers, as by one.
#[test]
fn workloads_are_shared() {
    let server = Server::start(Fault::None);
    let several = ["--processes", "3", "--workers", "2"];
    let any = |flags: &[&str]| run(server.address, &[&LOAD[..], &several, flags].concat());
    let three = |flags: &[&str]| {
        let run = any(flags);
        clean(&run);
        run
    };
    let chat = three(&["--workload", "chat", "--subscribers", "9"]);
    assert_eq!(chat.figure("/counts/delivered"), 70 * 8);
    assert_eq!(chat.figure("/window/completed"), 50);
    let storm = three(&["--workload", "storm"]);
    assert_eq!(storm.figure("/storm/returned"), 22);
    assert_eq!(storm.figure("/counts/delivered"), 1_400);
    let churn = any(&["--workload", "churn", "--churn-rate", "12"]);
    // A message that was under way when somebody joined may be replayed to it.
    assert_eq!(churn.code, 0, "{}", churn.text);
    assert_eq!(churn.figure("/window/completed"), 50);
    assert!(churn.figure("/churn/joined") >= 6, "{}", churn.text);
    let idle = three(&["--idle", "10", "--hold", "0.2"]);
    assert_eq!(idle.figure("/sessions/opened"), 10);
}

/// Goal: an echo never leaves its process, so that a closed loop of them may be shared; another may not.
#[test]
fn closed_loops_are_for_echoes() {
    let server = Server::start(Fault::EchoAlone);
    let several = [
        "--subscribers",
        "6",
        "--processes",
        "2",
        "--duration",
        "0.5",
        "--warmup",
        "0",
    ];
    let told = refusal(server.address, &[&several[..], &["--closed", "4"]].concat());
    assert!(told.contains("--closed is for one process"), "{told}");
    let echo = ["--protocol", "echo", "--in-flight", "2"];
    let echo = run(server.address, &[&several[..], &echo].concat());
    clean(&echo);
    let sent = echo.figure("/counts/sent");
    assert!(
        sent > 12,
        "more than what is outstanding at once: {}",
        echo.text
    );
    assert_eq!(echo.figure("/counts/delivered"), sent);
    assert_eq!(
        echo.figure("/latency/completion_ns/count"),
        echo.figure("/window/completed")
    );
}

/// Goal: a search makes its runs over agents and over processes, one after the other, each with what is tried, and the
/// last of them writes its files; how far it goes has to be said where nobody knows.
#[test]
fn searches_are_made_over_agents() {
    let server = Server::start(Fault::None);
    let pair = Pair::start(&server);
    let name = format!("fanload-agents-search-{}.json", std::process::id());
    let file = std::env::temp_dir().join(name);
    let search = |server: &Server, flags: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_fanload"))
            .args(["find-max", "--target", &server.address.to_string()])
            .args("--duration 0.3 --warmup 0 --settle 0 --lag-max 60s --quiet".split(' '))
            .args(flags)
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let own = pair.flags();
    let own: Vec<_> = own.iter().map(String::as_str).collect();
    let flags = "--slo p99=10s,loss=0 --subscribers 5 --rate 40 --max 80 --json";
    let flags: Vec<_> = flags.split(' ').chain(file.to_str()).collect();
    let (code, text) = search(&server, &[&own[..], &flags].concat());
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("highest rate that holds: 80.0"), "{text}");
    assert!(
        text.contains("decided: 80.0/s held in runs 2 and 3"),
        "{text}"
    );
    let last: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    std::fs::remove_file(file).unwrap();
    assert_eq!(last["parameters"]["rate"], 80.0, "{text}");
    assert_eq!(last["counts"]["sent"], 24, "0.3 s of it: {text}");
    assert_eq!(last["machines"]["agents"].as_array().unwrap().len(), 2);
    let over = [
        "--over",
        "sessions",
        "--slo",
        "loss=0",
        "--subscribers",
        "5",
    ];
    let (code, text) = search(&server, &[&own[..], &over].concat());
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("--over sessions with --agents needs --max"),
        "{text}"
    );
    in_one_run(|| {
        let full = Server::start(Fault::Full(20));
        let (code, text) = search(&full, &[&over[..], &["--processes", "2"]].concat());
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains("\nmost that hold: 19 sessions\n"), "{text}");
    });
}
