//! The relay as a shell sees it, in each of its forms.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use fanring::wire::frame::{OpCode, append_frame, append_masked_frame};
use fanring::wire::handshake::client_request;

const FORMS: [&str; 4] = ["multishot", "cooptask", "epoll", "epoll-ring"];

/// A relay that ends with the test.
struct Relay {
    process: Child,
    address: String,
}

impl Relay {
    fn start(form: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_relay"))
            .args(["--listen", "127.0.0.1:0", "--form", form])
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        let errors = process.stderr.as_mut().expect("piped");
        BufReader::new(errors).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("listening on ").expect("where");
        Self {
            address: address.to_owned(),
            process,
        }
    }

    fn join(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        let mut request = Vec::new();
        client_request(
            &self.address,
            path,
            "dGhlIHNhbXBsZSBub25jZQ==",
            &mut request,
        );
        stream.write_all(&request).expect("it reads");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("an answer");
            answer.push(byte[0]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 101 "));
        stream
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn say(stream: &mut TcpStream, payload: &[u8]) {
    let mut frame = Vec::new();
    append_masked_frame(&mut frame, OpCode::Binary, true, payload, [1, 2, 3, 4]);
    stream.write_all(&frame).expect("it reads");
}

fn hear(stream: &mut TcpStream, payload: &[u8]) {
    let mut expected = Vec::new();
    append_frame(&mut expected, OpCode::Binary, payload);
    let mut received = vec![0; expected.len()];
    stream.read_exact(&mut received).expect("a message");
    assert!(received == expected, "another message");
}

/// Goal: in every form a message goes to the room's others, and in /echo back.
#[test]
fn every_form_relays() {
    for form in FORMS {
        let relay = Relay::start(form);
        let [mut a, mut b, mut c] = ["/ws/1", "/ws/1", "/ws/2"].map(|path| relay.join(path));
        let mut echo = relay.join("/echo");
        say(&mut a, b"from a");
        say(&mut b, b"from b");
        hear(&mut b, b"from a");
        hear(&mut a, b"from b");
        say(&mut echo, b"echoed");
        hear(&mut echo, b"echoed");
        // Nobody has left for the other room, and what comes next there is its own.
        let mut d = relay.join("/ws/2");
        say(&mut d, b"from d");
        hear(&mut c, b"from d");
    }
}

/// Goal: in every form a reader that stops for a while gets everything, in its order, and others do not wait
/// for it.
#[test]
fn every_form_keeps_what_a_full_socket_does_not_take() {
    const MESSAGES: u8 = 100;
    for form in FORMS {
        let relay = Relay::start(form);
        let [mut writer, mut slow, mut quick] = [(); 3].map(|()| relay.join("/ws"));
        for number in 0..MESSAGES {
            say(&mut writer, &[number; 100_000]);
            hear(&mut quick, &[number; 100_000]);
        }
        for number in 0..MESSAGES {
            hear(&mut slow, &[number; 100_000]);
        }
    }
}

/// Goal: whoever leaves is answered, and is not missed.
#[test]
fn every_form_lets_go() {
    for form in FORMS {
        let relay = Relay::start(form);
        let [mut a, mut b, mut c] = [(); 3].map(|()| relay.join("/ws"));
        let mut close = Vec::new();
        append_masked_frame(&mut close, OpCode::Close, true, &[], [1, 2, 3, 4]);
        b.write_all(&close).expect("it reads");
        let mut rest = Vec::new();
        b.read_to_end(&mut rest).expect("the end");
        assert_eq!(rest, [0x88, 0]);
        say(&mut a, b"still here");
        hear(&mut c, b"still here");
    }
}

/// Goal: a mistake is answered with one sentence, also where stack traces are asked for.
#[test]
fn a_mistake_is_one_sentence() {
    for arguments in [&["--help"][..], &["--form", "fast"], &["--listen", "here"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_relay"))
            .args(arguments)
            .env("RUST_BACKTRACE", "1")
            .output()
            .expect("it starts");
        let text = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(
            text.starts_with("relay: ") && text.lines().count() == 1,
            "{text}"
        );
    }
}
