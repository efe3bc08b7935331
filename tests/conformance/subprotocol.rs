//! Section 4.2.2 item 5.5: subprotocols, selected or refused before anything is joined.

use std::process::Command;

use crate::support::client::{Client, accept_for, fresh_key, handshake};
use crate::support::frame::TEXT;
use crate::support::http::{Response, Wire};
use crate::support::server::Server;
use crate::support::wait::each;

/// Offers subprotocols with these header lines.
fn offer(server: &Server, target: &str, lines: &[&str]) -> (Response, Wire) {
    let key = fresh_key();
    let lines: String = (lines.iter())
        .map(|line| format!("Sec-WebSocket-Protocol:{line}\r\n"))
        .collect();
    let mut wire = Wire::open(server.address());
    wire.send(handshake(server.address(), target, &key, &lines).as_bytes());
    let mut answer = wire.response_head();
    if answer.status == 101 {
        assert_eq!(
            answer.header("sec-websocket-accept"),
            Some(&*accept_for(&key))
        );
    } else {
        let length = answer.header("content-length").expect("a length").parse();
        answer.body = wire.body(length.expect("a number"));
        wire.expect_end();
    }
    (answer, wire)
}

/// Goal: the first offer that the server speaks is selected and told, in one header; no offer selects
/// none.
#[test]
fn the_first_offer_that_is_spoken_is_selected() {
    let server = Server::start(&[
        "--subprotocol",
        "chat.v2",
        "--subprotocol",
        "chat",
        "--echo",
    ]);
    let cases: [(&[&str], Option<&str>); 7] = [
        (&[], None),
        (&[""], None),
        (&[" chat"], Some("chat")),
        (&[" chat.v2, chat"], Some("chat.v2")),
        (&["soap,chat ,chat.v2"], Some("chat")),
        (&[" soap", " chat.v2"], Some("chat.v2")),
        (&[" , ,chat"], Some("chat")),
    ];
    each(
        cases,
        |case| format!("{case:?}"),
        |(lines, selected)| {
            for target in ["/ws", "/echo"] {
                let (answer, _session) = offer(&server, target, lines);
                assert_eq!(answer.status, 101);
                assert_eq!(answer.header("sec-websocket-protocol"), *selected);
            }
        },
    );
}

/// Goal: a client that offers only unknown ones is refused with a sentence, and nobody in the room
/// hears of it, however often it tries.
#[test]
fn unknown_offers_are_refused_before_a_join() {
    for (arguments, hint) in [
        (&[][..], "The server speaks no subprotocol: offer none"),
        (
            &["--subprotocol", "chat"],
            "speaks only the subprotocols chat: offer one of those",
        ),
    ] {
        let server = Server::start(arguments);
        let mut watcher = Client::connect(server.address(), "/ws/room");
        for lines in [
            &[" soap"][..],
            &[" Chat"],
            &[" mqtt, amqp", " stomp"],
            &[" a b"],
        ] {
            let (answer, _) = offer(&server, "/ws/room", lines);
            assert_eq!(answer.status, 400, "{lines:?}");
            assert!(answer.text().contains(hint), "{}", answer.text());
            assert!(
                answer.text().contains("with --subprotocol "),
                "{}",
                answer.text()
            );
        }
        // The next notice the watcher gets is of one who offers nothing.
        let joined = Client::connect(server.address(), "/ws/room");
        let notice = watcher.next_notice();
        assert_eq!(notice["event"], "connect", "{notice}");
        drop(joined);
        assert_eq!(watcher.next_notice()["event"], "disconnect");
        let mut other = Client::connect(server.address(), "/ws/room?presence=0");
        other.text("the end");
        watcher.expect(TEXT, "the end");
    }
}

/// A client library that is there: its name, and a program that connects to the URL with a subprotocol
/// and prints what was selected, or that it was refused.
const LIBRARIES: [(&str, &[&str]); 2] = [
    (
        "undici's WebSocket in node",
        &[
            "node",
            "--experimental-websocket",
            "-e",
            "if (!globalThis.WebSocket) { console.log('absent'); process.exit(); } \
             const s = new WebSocket(process.argv[1], [process.argv[2]]); \
             s.onopen = () => { console.log('selected ' + s.protocol); s.close(); }; \
             s.onerror = () => { console.log('refused'); process.exit(); };",
        ],
    ),
    (
        "Python's websockets",
        &[
            "python3",
            "-c",
            "import sys\n\
             try:\n    from websockets.sync.client import connect\n\
             except ImportError:\n    print('absent'); sys.exit()\n\
             try:\n    with connect(sys.argv[1], subprotocols=[sys.argv[2]]) as s:\n        \
             print('selected', s.subprotocol)\n\
             except Exception:\n    print('refused')\n",
        ],
    ),
];

/// Goal: libraries of others agree, where they are installed.
#[test]
fn client_libraries_agree() {
    let server = Server::start(&["--subprotocol", "chat"]);
    let url = format!("ws://{}/ws", server.address());
    for (name, program) in LIBRARIES {
        for (offer, expected) in [("chat", "selected chat"), ("soap", "refused")] {
            let output = Command::new(program[0])
                .args(&program[1..])
                .args([&url, offer])
                .output();
            let said = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
            match said.as_deref().map(str::trim) {
                Ok("absent" | "") | Err(_) => eprintln!("skipped: {name} is not there"),
                Ok(said) => assert_eq!(said, expected, "{name}"),
            }
        }
    }
}
