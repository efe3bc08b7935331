//! What is said besides payloads: greetings, answers that are awaited, replies, heartbeats, echoes.

use crate::program::{LOAD, refusal, run};
use crate::server::{Fault, Server};

/// Goal: a server that wants to be talked to is: each session says its word when it is asked, is open once it has
/// joined, answers, and is heard of again and again.
#[test]
fn dialogues_are_held() {
    let dialogue = [
        "--await",
        "welcome",
        "--send-on-open",
        "join {room} as {i}",
        "--await",
        "joined",
        "--reply",
        "how are you=fine, says {i}",
        "--every",
        "200ms=still here",
    ];
    let server = Server::start(Fault::Polite);
    let run = run(server.address, &[&LOAD[..], &dialogue].concat());
    assert_eq!((run.code, run.damage()), (0, [0; 5]), "{}", run.text);
    assert_eq!(run.figure("/counts/delivered"), 70 * 20, "nobody came late");
    let heard = server.heard();
    let count = |text: &str| heard.iter().filter(|heard| heard.starts_with(text)).count();
    assert_eq!((count("join 0 as "), count("fine, says ")), (22, 22));
    assert!(heard.contains(&"fine, says 21".to_owned()));
    let beats = count("still here");
    assert!(beats >= 22 * 2, "{beats} in 0.8 s of settling and load");
    // Two questions for each of 22, of which both are foreign to the 20 that are checked.
    assert_eq!(run.figure("/counts/foreign"), 40, "{}", run.text);
}

/// Goal: what does not come is named when its time is over.
#[test]
fn what_is_awaited_is_named() {
    let server = Server::start(Fault::Polite);
    let flags = [
        "--connect-timeout",
        "0.5",
        "--subscribers",
        "3",
        "--await",
        "welcome",
    ];
    let text = refusal(
        server.address,
        &[&flags[..], &["--await", "never {i}"]].concat(),
    );
    assert!(text.contains("only 0 of 4 sessions"), "{text}");
    assert!(text.contains("a message with \"never {i}\""), "{text}");
}

/// Goal: bytes of any kind can be sent from a file, and values of each session from another.
#[test]
fn files_are_said() {
    let folder = std::env::temp_dir();
    let file = |name: &str, text: &str| {
        let path = folder.join(format!("fanload-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (hello, vars) = (file("hello", "join\n{i}"), file("vars", "name\nAda\nBo\n"));
    let server = Server::start(Fault::None);
    let greetings = [
        "--vars",
        &vars,
        "--send-on-open",
        &format!("@{hello}"),
        "--send-on-open",
        "I am {name}\\x21",
    ];
    let flags = [&["--idle", "3", "--hold", "0.3"], &greetings[..]].concat();
    let run = run(server.address, &flags);
    assert_eq!(run.code, 0, "{}", run.text);
    let mut heard = server.heard();
    heard.sort_unstable();
    let expected = ["I am Ada!", "I am Ada!", "I am Bo!"].map(str::to_owned);
    assert_eq!(heard[..3], expected);
    assert_eq!(heard[3..], ["join\n{i}"; 3].map(str::to_owned));
    for path in [hello, vars] {
        std::fs::remove_file(path).unwrap();
    }
}

/// Goal: echoes come back to whoever sent them, and so many are under way as was asked for.
#[test]
fn echoes_come_back() {
    let server = Server::start(Fault::EchoAlone);
    let flags = [
        "--protocol",
        "echo",
        "--subscribers",
        "8",
        "--in-flight",
        "3",
        "--duration",
        "0.5",
        "--warmup",
        "0.1",
        "--drain",
        "2",
    ];
    let run = run(server.address, &flags);
    assert_eq!((run.code, run.damage()), (0, [0; 5]), "{}", run.text);
    let sent = run.figure("/counts/sent");
    assert!(sent >= 24, "{}", run.text);
    assert_eq!(run.figure("/counts/delivered"), sent);
    assert_eq!(run.figure("/parameters/closed"), 24);
    assert_eq!(run.report.pointer("/parameters/workload").unwrap(), "echo");
}
