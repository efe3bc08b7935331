//! How runs over several processes end before their time, or are let go on with fewer sessions: as those of one do.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{Agent, PATIENCE, Pair, TokenFile, clean};
use crate::interrupts::{interrupt, run_until};
use crate::program::{LOAD, in_one_run, refusal, run};
use crate::server::{Fault, Server};

/// The shortest silence that is waited for.
const SILENT: [&str; 2] = ["--silence-max", "2s"];

/// Goal: an interrupted run ends over two agents as in one process: what was due until then is sent by both and has come
/// to both, and the report is written.
#[test]
fn what_was_measured_over_agents_is_kept() {
    in_one_run(|| {
        let server = Server::start(Fault::None);
        let pair = Pair::start(&server);
        let name = format!("fanload-agents-interrupted-{}.json", std::process::id());
        let file = std::env::temp_dir().join(name);
        let flags = pair.flags();
        let mut flags: Vec<_> = flags.iter().map(String::as_str).collect();
        flags.extend(["--publishers", "2", "--json", file.to_str().unwrap()]);
        let (child, _progress) = run_until(&server, "measure", &flags);
        let asked = Instant::now();
        interrupt(&child);
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(asked.elapsed() < PATIENCE, "{text}");
        assert_eq!(output.status.code(), Some(2), "{text}");
        let told = "INVALID: the run was interrupted after ";
        assert!(text.contains(told) && !text.contains("was lost"), "{text}");
        let report: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        std::fs::remove_file(file).unwrap();
        let figure = |pointer: &str| report.pointer(pointer).unwrap().as_u64().unwrap();
        let planned = figure("/counts/planned");
        assert!((90..4_000).contains(&planned), "{text}");
        assert_eq!(figure("/counts/sent"), planned, "{text}");
        assert_eq!(figure("/counts/delivered"), planned * 5, "{text}");
        assert_eq!(figure("/counts/outstanding"), 0, "{text}");
        assert_eq!(figure("/machines/agents/1/sessions"), 3, "{text}");
    });
}

/// Goal: of sessions over several processes as many may fail as of those of one, and more are the end of the run; nothing
/// is expected of who is not there, in whichever process.
#[test]
fn failures_are_allowed_over_processes() {
    let flags =
        "--subscribers 25 --publishers 2 --rate 100 --duration 0.5 --warmup 0 --processes 2";
    let flags: Vec<_> = flags.split_whitespace().collect();
    let with = |percent| [&flags[..], &["--allow-failures", percent]].concat();
    let server = Server::start(Fault::Full(20));
    let load = run(server.address, &with("30"));
    clean(&load);
    assert_eq!(load.figure("/sessions/opened"), 20);
    assert_eq!(load.figure("/sessions/unopened"), 7);
    assert_eq!(load.figure("/sessions/refusals/503"), 7);
    assert_eq!(load.figure("/counts/sent"), 50);
    assert_eq!(load.figure("/counts/delivered"), 50 * 18, "{}", load.text);
    assert_eq!(load.figure("/window/completed"), 50);
    let server = Server::start(Fault::Full(20));
    let told = refusal(server.address, &with("20"));
    assert!(told.contains("503 Service Unavailable: we sleep"), "{told}");
}

/// Goal: a demand is judged of all processes together: a subscriber that is late in one of them makes the run miss it.
#[test]
fn demands_are_judged_over_processes() {
    in_one_run(|| {
        let flags = ["--processes", "2", "--slo"];
        let with = |demand| {
            // The first that ever connected is late.
            let server = Server::start(Fault::Late(0, Duration::from_millis(250)));
            run(server.address, &[&LOAD[..], &flags, &[demand]].concat())
        };
        let held = with("p50=200ms,last-max=10s,loss=0,disorder=0,closes=0");
        clean(&held);
        let missed = with("p50=200ms,last-p50=200ms,loss=0");
        assert_eq!(missed.code, 99, "{}", missed.text);
        let parts = missed.report.pointer("/slo/parts").unwrap().as_array();
        let parts = parts.unwrap().iter().map(|part| part["held"].as_bool());
        assert_eq!(parts.collect::<Vec<_>>(), [true, false, true].map(Some));
    });
}

/// Goal: an agent that says nothing any more, although its connection is there, counts as lost when its time is over, and
/// the run goes on to its end without it.
#[test]
fn a_silent_agent_is_lost() {
    let server = Server::start(Fault::None);
    let pair = Pair::start(&server);
    let flags = pair.flags();
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let run = thread::scope(|scope| {
        let run = scope.spawn(|| {
            let longer = ["--duration", "4"];
            run(
                server.address,
                &[&LOAD[..], &flags, &SILENT, &longer].concat(),
            )
        });
        server.wait_for(22, 50);
        kill_process(Pid::from_child(&pair.agents[1].process), Signal::STOP).unwrap();
        run.join().unwrap()
    });
    assert_eq!(run.code, 2, "{}", run.text);
    let lost = format!("INVALID: agent {} was lost ", pair.agents[1].address);
    let why = " s after the load began: it said nothing for 2s";
    assert!(
        run.text.contains(&lost) && run.text.contains(why),
        "{}",
        run.text
    );
    assert!(run.figure("/window/completed") > 60, "{}", run.text);
}

/// Goal: a run whose leader says nothing any more ends when its time is over, and its agent takes the next one.
#[test]
fn a_silent_leader_is_gone() {
    let server = Server::start(Fault::None);
    let token = TokenFile::new("a token of the tests\n");
    let agent = Agent::start(server.address, &token, &SILENT);
    let own = ["--agents", &agent.address, "--token-file", token.path()];
    let (mut leader, _progress) = run_until(&server, "measure", &own);
    kill_process(Pid::from_child(&leader), Signal::STOP).unwrap();
    let told = agent.wait_for("the leader has gone");
    assert!(told.ends_with("it said nothing for 2s"), "{told}");
    let idle = ["--idle", "4", "--hold", "0"];
    clean(&run(server.address, &[&own[..], &idle].concat()));
    leader.kill().unwrap();
    leader.wait().unwrap();
}

/// Goal: a run that may take longer than an agent takes is refused by the flag that says so, before anybody connects.
#[test]
fn a_long_run_is_refused() {
    let server = Server::start(Fault::None);
    let token = TokenFile::new("a token of the tests\n");
    let agent = Agent::start(server.address, &token, &["--duration-max", "40s"]);
    let own = ["--agents", &agent.address, "--token-file", token.path()];
    let with = |seconds| [&LOAD[..], &own, &["--duration", seconds]].concat();
    let told = refusal(server.address, &with("30"));
    // Connecting may take 30 s by itself.
    let fix = "over what this agent takes (--duration-max): 40 s";
    assert!(
        told.contains("the run may take 61 s") && told.contains(fix),
        "{told}"
    );
    assert!(server.peers().is_empty(), "nobody was driven there");
    clean(&run(server.address, &with("0.5")));
}

/// Greets as an agent of some version does, and gives what is answered.
fn greet_as(listener: &TcpListener, version: &str) -> Option<Value> {
    let (mut stream, _) = listener.accept().unwrap();
    let challenge =
        json!({"challenge": {"version": version, "host": "elsewhere", "nonce": "AAAA"}});
    let bytes = challenge.to_string().into_bytes();
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    stream.write_all(&[&length[..], &bytes].concat()).unwrap();
    answer(&mut stream)
}

fn answer(stream: &mut TcpStream) -> Option<Value> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Goal: an agent of another version is refused before it is shown that one has the token, with what is wanted; one of
/// the same version is answered.
#[test]
fn another_version_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::start(Fault::None);
    let token = TokenFile::new("a token of the tests\n");
    let address = listener.local_addr().unwrap().to_string();
    let own = env!("CARGO_PKG_VERSION");
    for (version, is_answered) in [("0.0.9", false), (own, true)] {
        let told = thread::scope(|scope| {
            let greeted = scope.spawn(|| greet_as(&listener, version));
            let flags = ["--agents", &address, "--token-file", token.path()];
            let told = refusal(server.address, &[&LOAD[..], &flags].concat());
            assert_eq!(greeted.join().unwrap().is_some(), is_answered, "{told}");
            told
        });
        let fix = format!("agent {address}: it is of version 0.0.9: want {own}, as this one");
        assert_eq!(told.contains(&fix), !is_answered, "{told}");
    }
}

/// Goal: a silence that would end every run is refused, of a leader and of an agent.
#[test]
fn too_short_a_silence_is_refused() {
    let server = Server::start(Fault::None);
    let told = refusal(server.address, &["--silence-max", "1s"]);
    assert!(
        told.contains("--silence-max") && told.contains("at least 2s"),
        "{told}"
    );
    let flags = [
        "agent",
        "--allow-target",
        "127.0.0.1:1",
        "--silence-max",
        "1s",
    ];
    let agent = Command::new(env!("CARGO_BIN_EXE_fanload"))
        .args(flags)
        .output()
        .unwrap();
    let told = String::from_utf8(agent.stderr).unwrap();
    assert!(told.contains("at least 2s"), "{told}");
}
