//! Every rule of RFC 6455 section 4.2.1, room names, and origins.

mod clients;
mod origins;

use super::{
    AnswerError, Endpoint, Policy, Route, Upgrade, accept_response, check_answer, client_request,
    route,
};
use crate::wire::http::{Head, parse_head};

/// The key of the example in RFC 6455 section 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const VALID: [&str; 5] = [
    "Host: chat.example",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
];

/// Has a request of this request line and these headers decided by `decide`, on a server that
/// listens on port 9001 of this machine only and on port 9002 of any interface.
fn with_head<T>(
    line: &str,
    headers: &[&str],
    allow_origin: &[&str],
    decide: impl FnOnce(&Head<'_>, &Policy<'_>) -> T,
) -> T {
    let bytes = format!("{line}\r\n{}\r\n\r\n", headers.join("\r\n"));
    let allow_origin: Vec<String> = allow_origin.iter().map(ToString::to_string).collect();
    let listen = [
        "127.0.0.1:9001",
        "[::1]:9001",
        "127.0.0.1:9002",
        "[::]:9002",
    ];
    let listen = listen.map(|address| address.parse().expect("an address"));
    let head = parse_head(bytes.as_bytes()).expect("a valid head");
    let policy = Policy {
        allow_origin: &allow_origin,
        subprotocols: &["chat.v2", "chat"].map(str::to_owned),
        echo: true,
        client_origins: None,
        listen: &listen,
    };
    decide(&head, &policy)
}

/// Routes a request of this request line and these headers.
fn ask(line: &str, headers: &[&str], allow_origin: &[&str]) -> Route {
    with_head(line, headers, allow_origin, route)
}

/// The status a request is refused with; 101 and 200 stand for a session and the web thread.
fn status(line: &str, headers: &[&str], allow_origin: &[&str]) -> u16 {
    match ask(line, headers, allow_origin) {
        Route::Web => 200,
        Route::WebSocket(_) => 101,
        Route::Refused(refusal) => refusal.status,
    }
}

/// The valid headers, where those whose name starts `with` something of the list are replaced.
fn changed(changes: &[&'static str]) -> Vec<&'static str> {
    let name = |header: &'static str| header.split_once(':').map_or(header, |(name, _)| name);
    let kept = VALID.into_iter().filter(|&valid| {
        changes
            .iter()
            .all(|&change| !name(valid).eq_ignore_ascii_case(name(change)))
    });
    let added = changes
        .iter()
        .copied()
        .filter(|change| change.contains(':'));
    kept.chain(added).collect()
}

fn upgrade(target: &str) -> Upgrade {
    match ask(&format!("GET {target} HTTP/1.1"), &VALID, &[]) {
        Route::WebSocket(upgrade) => upgrade,
        other => panic!("{target} gave {other:?}"),
    }
}

/// Goal: each header missing (its name alone), malformed or twice gets the status the protocol
/// names.
#[test]
fn checks_every_header() {
    let cases: &[(&[&str], u16)] = &[
        (&[], 101),
        (&["Host"], 400),
        (&["Host:"], 400),
        (&["Host: a", "Host: a"], 400),
        (&["Host: a/b"], 400),
        (&["Host: a:b"], 400),
        (&["Host: a:70000"], 400),
        (&["Host: [::1]:9001"], 101),
        (&["Upgrade"], 426),
        (&["Upgrade: h2c"], 426),
        (&["Upgrade: websocket2"], 426),
        (&["upgrade: h2c, WebSocket"], 101),
        (&["Connection"], 400),
        (&["Connection: close"], 400),
        (&["Connection: keep-alive, UPGRADE"], 101),
        (&["Connection: keep-alive", "Connection: upgrade"], 101),
        (&["Sec-WebSocket-Key"], 400),
        (&["Sec-WebSocket-Key:"], 400),
        (&["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"], 400),
        (&["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j"], 400),
        (&["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZSE="], 400),
        (&["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!Q=="], 400),
        (&["Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEC=="], 101),
        (
            &[
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            ],
            400,
        ),
        (&["Sec-WebSocket-Version"], 426),
        (&["Sec-WebSocket-Version: 8"], 426),
        (&["Sec-WebSocket-Version: 13, 8"], 426),
        (
            &["Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 13"],
            400,
        ),
        (&["Content-Length: 0"], 101),
        (&["Content-Length: 1"], 400),
        (&["Content-Length: x"], 400),
        (&["Content-Length: 0", "Content-Length: 5"], 400),
        (&["Transfer-Encoding: chunked"], 400),
        (&["Sec-WebSocket-Protocol: a, chat"], 101),
        (&["Sec-WebSocket-Protocol: a, b"], 400),
        (&["Sec-WebSocket-Extensions: permessage-deflate"], 101),
    ];
    for &(changes, expected) in cases {
        let headers = changed(changes);
        assert_eq!(
            status("GET /ws HTTP/1.1", &headers, &[]),
            expected,
            "{changes:?}"
        );
    }
}

/// Goal: the request line decides too: method and version, and which paths are WebSocket addresses.
#[test]
fn checks_the_request_line() {
    for (line, expected, without_upgrade) in [
        ("GET /ws HTTP/1.1", 101, 426),
        ("POST /ws HTTP/1.1", 400, 405),
        ("HEAD /ws HTTP/1.1", 400, 426),
        ("get /ws HTTP/1.1", 400, 405),
        ("GET /ws HTTP/1.0", 400, 426),
        ("GET /echo HTTP/1.1", 101, 426),
        ("GET /wss HTTP/1.1", 404, 200),
        ("GET / HTTP/1.1", 404, 200),
        ("POST /other HTTP/1.1", 404, 200),
        ("CONNECT a.example:80 HTTP/1.1", 404, 405),
        ("GET /WS HTTP/1.1", 404, 200),
        ("OPTIONS /ws HTTP/1.1", 400, 200),
        ("OPTIONS /ws/%ff HTTP/1.1", 400, 200),
    ] {
        assert_eq!(status(line, &VALID, &[]), expected, "{line}");
        assert_eq!(
            status(line, &["Host: chat.example"], &[]),
            without_upgrade,
            "{line}"
        );
    }
}

/// Goal: a plain visit is told what the address is, and a wrong version which one is right.
#[test]
fn refusals_name_the_fix() {
    let Route::Refused(plain) = ask("GET /ws HTTP/1.1", &["Host: h"], &[]) else {
        panic!("must be refused");
    };
    assert!(
        plain.body.contains("This address speaks WebSocket"),
        "{}",
        plain.body
    );
    let headers = changed(&["Sec-WebSocket-Version: 12"]);
    let Route::Refused(version) = ask("GET /ws HTTP/1.1", &headers, &[]) else {
        panic!("must be refused");
    };
    assert!(
        version
            .headers
            .contains(&("Sec-WebSocket-Version", "13".to_string()))
    );
    assert!(
        version
            .headers
            .contains(&("Upgrade", "websocket".to_string()))
    );
}

/// Goal: room names are percent-decoded and bounded; no two readings of a path are possible.
#[test]
fn reads_room_names() {
    let longest = "x".repeat(255);
    for (path, room) in [
        ("/ws", ""),
        ("/ws?x=/y", ""),
        ("/ws/a", "a"),
        ("/ws/a%20b%c3%A9", "a bé"),
        ("/ws/a+b", "a+b"),
        ("/ws/%25", "%"),
        ("/ws/..", ".."),
        (&format!("/ws/{longest}"), &longest),
        ("http://chat.example/ws/a", "a"),
    ] {
        assert_eq!(
            upgrade(path).endpoint,
            Endpoint::Room(room.to_string()),
            "{path}"
        );
    }
    for path in [
        "/ws/".to_string(),
        "/ws/a/b".to_string(),
        "/ws/a%2Fb".to_string(),
        "/ws/a/".to_string(),
        "/ws/%".to_string(),
        "/ws/%4".to_string(),
        "/ws/%+1".to_string(),
        "/ws/%ff".to_string(),
        "/ws/%00".to_string(),
        "/ws/%7F".to_string(),
        "/ws/%c2%85".to_string(),
        format!("/ws/{longest}x"),
    ] {
        assert_eq!(
            status(&format!("GET {path} HTTP/1.1"), &VALID, &[]),
            400,
            "{path}"
        );
    }
}

/// Goal: the query's flags count, and what else a query says is passed over.
#[test]
fn reads_the_query() {
    for (target, echo, presence) in [
        ("/ws", false, true),
        ("/ws?echo=1", true, true),
        ("/ws?presence=0", false, false),
        ("/ws/r?a=b&echo=1&&presence=0&c", true, false),
        ("/ws?echo=0&presence=1", false, true),
        ("/ws?echo=1&echo=0", false, true),
        ("/ws?echo=2&presence=no&Echo=1&echo", false, true),
    ] {
        let found = upgrade(target);
        assert_eq!((found.echo, found.presence), (echo, presence), "{target}");
    }
}

/// Goal: `/echo` is served only when it was asked for.
#[test]
fn echo_is_off_by_default() {
    assert_eq!(upgrade("/echo").endpoint, Endpoint::Echo);
    let bytes = format!("GET /echo HTTP/1.1\r\n{}\r\n\r\n", VALID.join("\r\n"));
    let head = parse_head(bytes.as_bytes()).expect("valid");
    let routed = route(
        &head,
        &Policy {
            allow_origin: &[],
            echo: false,
            ..Policy::default()
        },
    );
    assert!(matches!(routed, Route::Refused(refusal) if refusal.status == 404));
}

/// Goal: the first offer that is spoken is selected and answered with; a client whose offers are
/// all unknown is told before it joins anything.
#[test]
fn selects_a_subprotocol() {
    let select = |offers: &[&str]| {
        let lines: Vec<String> = (offers.iter())
            .map(|offer| format!("Sec-WebSocket-Protocol: {offer}"))
            .collect();
        let lines = lines.iter().map(String::as_str);
        let headers: Vec<&str> = VALID.into_iter().chain(lines).collect();
        match ask("GET /ws HTTP/1.1", &headers, &[]) {
            Route::WebSocket(upgrade) => Ok(upgrade),
            Route::Refused(refusal) => Err((refusal.status, refusal.body)),
            Route::Web => panic!("not the web's"),
        }
    };
    for (offers, selected) in [
        (&[][..], None),
        (&[""], None),
        (&[" , ,"], None),
        (&["chat"], Some("chat")),
        (&["chat, chat.v2"], Some("chat")),
        (&["soap,chat.v2 ,chat"], Some("chat.v2")),
        (&["soap", "", "\tchat"], Some("chat")),
    ] {
        let upgrade = select(offers).expect("accepted");
        assert_eq!(upgrade.subprotocol.as_deref(), selected, "{offers:?}");
        let mut answer = Vec::new();
        accept_response(&upgrade, &mut answer);
        let offered: Vec<String> = selected.into_iter().map(str::to_owned).collect();
        assert_eq!(check_answer(&answer, KEY, &offered), Ok(answer.len()));
        let names = answer
            .windows(23)
            .filter(|it| it == b"Sec-WebSocket-Protocol:");
        assert_eq!(names.count(), offered.len());
    }
    for offers in [
        &["soap"][..],
        &["Chat"],
        &["chat v2"],
        &["soap", "\"chat\""],
    ] {
        let (status, body) = select(offers).expect_err("refused");
        assert_eq!(status, 400, "{offers:?}");
        assert!(
            body.contains("only the subprotocols chat.v2, chat: offer one"),
            "{body}"
        );
    }
    let (_, body) = select(&["x\u{e9}\t, soap"]).expect_err("refused");
    assert!(body.ends_with("--subprotocol x\\xc3\\xa9 too."), "{body}");
}

/// Goal: the answer is that of the example in RFC 6455 section 1.3.
#[test]
fn answers_as_the_rfc_says() {
    let mut out = Vec::new();
    accept_response(&upgrade("/ws"), &mut out);
    assert_eq!(
        String::from_utf8_lossy(&out),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    );
}

/// Goal: the client's request leads to a session and it accepts that answer, and no other.
#[test]
fn client_and_server_agree() {
    let mut request = Vec::new();
    client_request("127.0.0.1:9001", "/ws/r?echo=1", KEY, &mut request);
    let head = parse_head(&request).expect("valid");
    assert_eq!(head.bytes, request.len());
    let policy = Policy {
        allow_origin: &[],
        echo: false,
        ..Policy::default()
    };
    let Route::WebSocket(upgrade) = route(&head, &policy) else {
        panic!("must be a session")
    };
    let mut answer = Vec::new();
    accept_response(&upgrade, &mut answer);
    let bytes = answer.len();
    assert_eq!(
        check_answer(&answer[..bytes - 1], KEY, &[]),
        Err(AnswerError::Incomplete)
    );
    answer.extend_from_slice(b"\x81\x00");
    assert_eq!(check_answer(&answer, KEY, &[]), Ok(bytes));
    let other_key = "AQIDBAUGBwgJCgsMDQ4PEC==";
    assert_eq!(
        check_answer(&answer, other_key, &[]),
        Err(AnswerError::WrongAccept)
    );
    answer.truncate(bytes);
    let text = String::from_utf8(answer).expect("ASCII");
    for (from, to, error) in [
        (
            "101 Switching Protocols",
            "200 OK",
            AnswerError::Status(200),
        ),
        ("HTTP/1.1", "SMTP", AnswerError::Malformed),
        ("Upgrade: websocket\r\n", "", AnswerError::NoUpgrade),
        (
            "Connection: Upgrade\r\n",
            "Connection: close\r\n",
            AnswerError::NoUpgrade,
        ),
        (
            "Upgrade: web",
            "Sec-WebSocket-Protocol: x\r\nUpgrade: web",
            AnswerError::NotOffered,
        ),
        ("Sec-WebSocket-Accept", "Other", AnswerError::WrongAccept),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_eq!(
            check_answer(changed.as_bytes(), KEY, &[]),
            Err(error),
            "{changed}"
        );
    }
}

/// Goal: a server may select a subprotocol that was offered, and no other.
#[test]
fn offered_subprotocols_may_be_selected() {
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: b\r\n\r\n",
        String::from_utf8_lossy(&super::accept_key(key.as_bytes()))
    );
    let check = |offers: &[&str]| {
        let offers: Vec<_> = offers.iter().map(ToString::to_string).collect();
        super::check_answer(answer.as_bytes(), key, &offers)
    };
    assert_eq!(check(&["a", "b"]), Ok(answer.len()));
    assert_eq!(check(&["a"]), Err(AnswerError::NotOffered));
    assert_eq!(check(&[]), Err(AnswerError::NotOffered));
}
