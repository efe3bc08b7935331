//! What agents don't do, and what becomes of a run when somebody is lost.

use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use super::{Agent, PATIENCE, Pair, TokenFile, clean};
use crate::program::{LOAD, output, refusal, run};
use crate::server::{Fault, Server};

fn refused_by(agent: &Agent, server: &Server, token: &TokenFile, flags: &[&str]) -> String {
    let own = ["--agents", &agent.address, "--token-file", token.path()];
    refusal(server.address, &[&LOAD[..], &own, flags].concat())
}

/// Goal: nobody drives anything through an agent without its token, and neither side says it to find out.
#[test]
fn strangers_are_refused() {
    let server = Server::start(Fault::None);
    let token = TokenFile::new("a token of the tests\n");
    let other = TokenFile::new("another token of the tests\n");
    let agent = Agent::start(server.address, &token, &[]);
    let told = refused_by(&agent, &server, &other, &[]);
    assert!(told.contains("it has another token"), "{told}");
    assert!(!told.contains("of the tests"), "{told}");
    let none = output(server.address, &["--agents", &agent.address]);
    let told = String::from_utf8(none.stderr).unwrap();
    assert!(
        told.contains("--token-file FILE, or FANLOAD_TOKEN"),
        "{told}"
    );
    let no_agent = [
        "--agents",
        &server.address.to_string(),
        "--token-file",
        token.path(),
    ];
    let told = refusal(server.address, &no_agent);
    assert!(told.contains("it is no agent"), "{told}");
    assert!(server.peers().is_empty(), "nobody was driven there");
}

/// Goal: an agent drives nothing but what it was started for, and reads no files for others.
#[test]
fn agents_keep_to_what_they_may() {
    let [server, other] = [(); 2].map(|()| Server::start(Fault::None));
    let token = TokenFile::new("a token of the tests\n");
    let agent = Agent::start(server.address, &token, &["--sessions-max", "30"]);
    let told = refused_by(&agent, &other, &token, &[]);
    let fix = format!("start it with --allow-target {}", other.address);
    assert!(told.contains(&fix), "{told}");
    let told = refused_by(
        &agent,
        &server,
        &token,
        &["--send-on-open", "@/etc/hostname"],
    );
    assert!(told.contains("start it with --allow-files"), "{told}");
    let told = refused_by(&agent, &server, &token, &["--subscribers", "50"]);
    assert!(told.contains("--sessions-max 30"), "{told}");
    assert!(other.peers().is_empty() && server.peers().is_empty());
    let own = ["--agents", &agent.address, "--token-file", token.path()];
    clean(&run(server.address, &[&LOAD[..], &own].concat()));
}

/// Goal: an agent that is lost in the run makes it invalid and is told by its name; what the others had is written, and
/// messages that all of those had are complete.
#[test]
fn a_lost_agent_is_told() {
    let server = Server::start(Fault::None);
    let mut pair = Pair::start(&server);
    let flags = pair.flags();
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let lost = pair.agents[1].address.clone();
    let run = thread::scope(|scope| {
        let run = scope.spawn(|| {
            let longer = ["--duration", "2"];
            run(server.address, &[&LOAD[..], &flags, &longer].concat())
        });
        server.wait_for(22, 50);
        pair.agents[1].process.kill().unwrap();
        run.join().unwrap()
    });
    assert_eq!(run.code, 2, "{}", run.text);
    let told = format!("INVALID: agent {lost} was lost ");
    assert!(run.text.contains(&told), "{}", run.text);
    assert!(
        run.text
            .contains(" s after the load began: its connection ended"),
        "{}",
        run.text
    );
    let is_lost = |agent: u32| !run.report["machines"]["agents"][agent as usize]["lost"].is_null();
    assert_eq!([0, 1].map(is_lost), [false, true]);
    // Of the two publishers one goes on: it is heard by ten, of 2.2 s 50 times a second.
    assert!(run.figure("/window/completed") > 60, "{}", run.text);
    assert!(
        run.figure("/latency/delivery_ns/count") > 600,
        "{}",
        run.text
    );
}

/// Goal: a run without its leader ends, and the agents are there for the next one; until then they take no other.
#[test]
fn agents_outlive_their_leader() {
    let server = Server::start(Fault::None);
    let pair = Pair::start(&server);
    let flags = pair.flags();
    let mut leader = Command::new(env!("CARGO_BIN_EXE_fanload"))
        .args([
            "--target",
            &server.address.to_string(),
            "--quiet",
            "--subscribers",
            "5",
        ])
        .args(["--duration", "60", "--warmup", "0"])
        .args(&flags)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    server.wait_for(6, 10);
    let busy: Vec<_> = flags.iter().map(String::as_str).collect();
    assert!(refusal(server.address, &busy).contains("it makes another run"));
    leader.kill().unwrap();
    leader.wait().unwrap();
    let started = Instant::now();
    let idle = [&busy[..], &["--idle", "4", "--hold", "0"]].concat();
    loop {
        let tried = output(server.address, &idle);
        if tried.status.code() == Some(0) {
            return;
        }
        let told = String::from_utf8(tried.stderr).unwrap();
        assert!(started.elapsed() < PATIENCE, "{told}");
    }
}
