//! Runs that can't be made: one sentence, the right exit code, and no hang.

use std::net::TcpListener;

use crate::program::{output, refusal};
use crate::server::{Fault, Server};

/// Goal: each way not to get going is one sentence that names it.
#[test]
fn runs_that_cannot_start_say_why() {
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    assert!(refusal(nobody, &[]).contains("nobody listens"));
    assert!(refusal(nobody, &["--workers", "4"]).contains("nobody listens"));
    let refusing = Server::start(Fault::Refuse);
    let told = refusal(refusing.address, &[]);
    assert!(
        told.contains("the server answered 503 Service Unavailable: we sleep"),
        "{told}"
    );
    let page = Server::start(Fault::Page);
    assert!(refusal(page.address, &[]).contains("the server answered 200 OK: hello"));
    let moved = Server::start(Fault::Redirect);
    assert!(refusal(moved.address, &[]).contains("302 Found: it is at ws://elsewhere/ws"));
    let endless = Server::start(Fault::LongHead);
    assert!(refusal(endless.address, &[]).contains("over 8192 bytes"));
    let hanging_up = Server::start(Fault::HangUp);
    assert!(refusal(hanging_up.address, &[]).contains("instead of an answer"));
}

/// Goal: a server that never answers the handshake is given up in time.
#[test]
fn silence_is_given_up() {
    let silent = Server::start(Fault::Silence);
    for workers in ["1", "2"] {
        let flags = [
            "--connect-timeout",
            "0.3",
            "--subscribers",
            "5",
            "--workers",
            workers,
        ];
        let text = refusal(silent.address, &flags);
        assert!(text.contains("only 0 of 6 sessions"), "{text}");
        assert!(text.contains("the answer to its handshake"), "{text}");
    }
}

/// Goal: flags that ask for what this machine has not are refused before anything is opened.
#[test]
fn impossible_flags_are_refused() {
    let server = Server::start(Fault::None);
    let refuse = |flags: &[&str]| refusal(server.address, flags);
    assert!(refuse(&["--subscribers", "16000000"]).contains("ulimit"));
    assert!(refuse(&["--pin", "1000"]).contains("--pin 1000"));
    assert!(refuse(&["--server-pid", "4294967295"]).contains("--server-pid"));
    assert!(refuse(&["--preset", "nonsense"]).contains("fanout-1k"));
    assert!(refuse(&["--source-ip", "192.0.2.1"]).contains("can't connect"));
    for flags in [
        &["--subscribers", "many"][..],
        &["--rate", "-1"],
        &["--nonsense"],
        &["--workload", "nonsense"],
        &["--size", "64,"],
    ] {
        assert!(refuse(flags).contains(flags[0]), "{flags:?}");
    }
    let search = output(server.address, &["find-max"]);
    assert_eq!(search.status.code(), Some(1));
}

/// Goal: sessions come from the addresses that were given.
#[test]
fn sources_are_taken() {
    let server = Server::start(Fault::None);
    let flags = [
        "--idle",
        "4",
        "--hold",
        "0",
        "--source-ip",
        "127.0.0.77",
        "--source-ip",
        "127.0.0.78",
    ];
    assert_eq!(output(server.address, &flags).status.code(), Some(0));
    let mut sources = server.peers();
    sources.sort_unstable();
    sources.dedup();
    assert_eq!(sources, ["127.0.0.77", "127.0.0.78"]);
}
