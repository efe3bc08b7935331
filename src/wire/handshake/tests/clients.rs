//! Where clients in many rooms connect, and how they say how they write.

use super::{VALID, accept_response, ask, status};
use crate::wire::handshake::{Endpoint, Format, Route, Upgrade};

fn upgrade(query: &str, offers: &[&str]) -> Upgrade {
    let lines: Vec<String> = (offers.iter())
        .map(|offer| format!("Sec-WebSocket-Protocol: {offer}"))
        .collect();
    let lines = lines.iter().map(String::as_str);
    let headers: Vec<&str> = VALID.into_iter().chain(lines).collect();
    let line = format!("GET /connection/websocket{query} HTTP/1.1");
    match ask(&line, &headers, &[]) {
        Route::WebSocket(upgrade) => upgrade,
        other => panic!("{query} {offers:?} gave {other:?}"),
    }
}

/// Goal: no offer, an empty one and unknown ones are JSON, Protobuf is asked for by an offer or in the query,
/// the first known offer is selected, and nobody is refused for what it says besides.
#[test]
fn formats_are_agreed_on() {
    let (json, protobuf) = (Some("centrifuge-json"), Some("centrifuge-protobuf"));
    let cases: &[(&str, &[&str], Option<&str>, Format)] = &[
        ("", &[], None, Format::Json),
        ("", &[""], None, Format::Json),
        ("", &["chat"], None, Format::Json),
        ("", &["centrifuge-json"], json, Format::Json),
        ("", &["centrifuge-protobuf"], protobuf, Format::Protobuf),
        ("", &["a, centrifuge-protobuf"], protobuf, Format::Protobuf),
        (
            "",
            &["centrifuge-json", "centrifuge-protobuf"],
            json,
            Format::Json,
        ),
        ("?format=protobuf", &[], None, Format::Protobuf),
        (
            "?cf_protocol_version=v2&cf_protocol=protobuf",
            &[],
            None,
            Format::Protobuf,
        ),
        ("?format=json&cf_protocol=json", &[], None, Format::Json),
        ("?echo=1&x", &[], None, Format::Json),
    ];
    for &(query, offers, subprotocol, format) in cases {
        let found = upgrade(query, offers);
        assert_eq!(found.endpoint, Endpoint::Client);
        assert_eq!(
            (found.subprotocol.as_deref(), found.format),
            (subprotocol, format),
            "{query} {offers:?}"
        );
        let mut answer = Vec::new();
        accept_response(&found, &mut answer);
        let answer = String::from_utf8(answer).expect("ASCII");
        let told = answer.contains("Sec-WebSocket-Protocol: centrifuge-");
        assert_eq!(told, subprotocol.is_some(), "{answer}");
    }
}

/// Goal: only this path leads there, by an upgrade, and not for pages of other origins.
#[test]
fn clients_connect_at_one_path() {
    let page = [&VALID[..], &["Origin: http://other.example"]].concat();
    let cases: &[(&str, &[&str], u16)] = &[
        ("/connection/websocket", &VALID, 101),
        ("/connection/websocket", &page, 403),
        ("/connection/websocket", &["Host: chat.example"], 426),
        ("/connection/websocket/", &VALID, 404),
        ("/connection", &VALID, 404),
    ];
    for &(path, headers, expected) in cases {
        let line = format!("GET {path} HTTP/1.1");
        assert_eq!(status(&line, headers, &[]), expected, "{path} {headers:?}");
    }
}
