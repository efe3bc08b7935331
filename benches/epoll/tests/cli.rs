//! The peer on epoll as a shell sees it.

use std::process::Command;

/// Goal: a mistake is answered with one sentence, also where stack traces are asked for.
#[test]
fn a_mistake_is_one_sentence() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    for arguments in [
        &["--help"][..],
        &["--listen", "here"],
        &["--listen", &address],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_fanring-epoll"))
            .args(arguments)
            .env("RUST_BACKTRACE", "1")
            .output()
            .expect("it starts");
        let text = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(
            text.starts_with("fanring-epoll: ") && text.lines().count() == 1,
            "{text}"
        );
    }
}
