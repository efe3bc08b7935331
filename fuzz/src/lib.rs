//! What must hold for any bytes. Each function here is a fuzz target of its name; it panics when its
//! invariant is broken. `fuzz_targets/` runs them under libFuzzer, `fuzz/tests/smoke.rs` without it.

mod clients;
mod streams;
mod tokens;

use fanring::protocol::centrifugo::Encoding;
use fanring::wire::{
    frame::{self, Header, OpCode, Role},
    handshake::{self, Endpoint, Policy, Route},
    http::{self, HEADERS_MAX},
    message::{Event, Reader, Rules, WireError},
};

/// The end of a head does not depend on how it arrives, the parser ends where the scan does, and
/// every refusal and session that a request leads to is well-formed.
pub fn http(data: &[u8]) {
    let whole = http::head_end(data, 0);
    let bytewise = (1..=data.len().min(whole.unwrap_or(512)))
        .find_map(|end| http::head_end(&data[..end], end - 1));
    if data.len() <= 512 || whole.is_some() {
        assert_eq!(bytewise, whole, "the end of a head depends on its split");
    }
    check_start(data);
    let refusal = match http::parse_head(data) {
        Err(error) => {
            assert_eq!(error.refusal().status, error.status());
            error.refusal()
        }
        Ok(head) => {
            assert!(head.bytes <= data.len());
            assert!(head.headers().count() <= HEADERS_MAX);
            let leading = data
                .iter()
                .take_while(|byte| b"\r\n".contains(byte))
                .count();
            if leading <= 4 && head.method.len() <= 32 {
                assert_eq!(http::check_start(data, 0), Ok(()), "a request is none");
            }
            assert!(
                leading > 2 || whole == Some(head.bytes),
                "scan and parser disagree"
            );
            match routed(&head) {
                Some(refusal) => refusal,
                None => return,
            }
        }
    };
    let mut response = Vec::new();
    refusal.encode(b"", &mut response);
    assert!(matches!(
        refusal.status,
        400 | 403 | 404 | 405 | 426 | 431 | 505
    ));
    let end = http::head_end(&response, 0).expect("a response has an end");
    assert_eq!(&response[end..], format!("{}\n", refusal.body).as_bytes());
}

/// What a request leads to is well-formed, a lenient policy lets in all that a strict one does, and a
/// page that asks beforehand is told the same. Gives the refusal, if it is one.
fn routed(head: &http::Head<'_>) -> Option<http::Refusal> {
    let (listed, any) = (["https://chat.example".to_owned()], ["*".to_owned()]);
    let listen = [std::net::SocketAddr::from(([127, 0, 0, 1], 9001))];
    let subprotocols = ["chat".to_owned()];
    let strict = Policy {
        allow_origin: &listed,
        subprotocols: &subprotocols,
        echo: false,
        client_origins: None,
        listen: &listen,
    };
    let lenient = Policy {
        allow_origin: &any,
        echo: true,
        ..strict
    };
    for policy in [&strict, &lenient] {
        if let Route::WebSocket(upgrade) = handshake::route(head, policy) {
            assert_eq!(handshake::judge(head, policy), Ok(upgrade.endpoint.clone()));
            check_upgrade(&upgrade);
        }
    }
    match (
        handshake::route(head, &strict),
        handshake::route(head, &lenient),
    ) {
        (Route::WebSocket(strict), Route::WebSocket(lenient)) => {
            assert_eq!(strict, lenient);
            None
        }
        (Route::WebSocket(_), other) => panic!("only a strict policy allows it: {other:?}"),
        (_, Route::WebSocket(_) | Route::Web) => None,
        (_, Route::Refused(refusal)) => Some(refusal),
    }
}

/// Whether bytes can become a request does not depend on how they arrive.
fn check_start(data: &[u8]) {
    let judged = http::check_start(data, 0);
    let told =
        (1..=data.len().min(512)).find_map(|end| http::check_start(&data[..end], end - 1).err());
    if data.len() <= 512 {
        assert_eq!(
            told,
            judged.err(),
            "whether it is HTTP depends on its split"
        );
    }
}

fn check_upgrade(upgrade: &handshake::Upgrade) {
    if let Endpoint::Room(name) = &upgrade.endpoint {
        assert!(name.len() <= handshake::ROOM_BYTES_MAX);
        assert!(!name.contains(|character: char| character == '/' || character.is_control()));
    }
    let mut response = Vec::new();
    handshake::accept_response(upgrade, &mut response);
    assert_eq!(http::head_end(&response, 0), Some(response.len()));
}

/// A header that decodes encodes to the same bytes, and no verdict changes when more bytes come.
pub fn frame(data: &[u8]) {
    for role in [Role::Server, Role::Client] {
        let verdict = frame::decode_header(data, role);
        for end in 0..data.len().min(frame::HEADER_BYTES_MAX) {
            let early = frame::decode_header(&data[..end], role);
            assert!(
                early == Ok(None) || early == verdict,
                "{early:?} became {verdict:?}"
            );
        }
        match verdict {
            Ok(None) => assert!(data.len() < frame::HEADER_BYTES_MAX),
            Err(_) => {}
            Ok(Some(header)) => {
                let (array, bytes) = encode(&header, role);
                assert_eq!(array[..bytes], data[..header.bytes]);
                let total = header.payload_bytes + header.bytes as u64;
                if role == Role::Client {
                    assert_eq!(
                        frame::frame_bytes(data).map(|bytes| bytes as u64),
                        Some(total)
                    );
                }
            }
        }
    }
}

fn encode(header: &Header, role: Role) -> ([u8; frame::HEADER_BYTES_MAX], usize) {
    let payload_bytes = usize::try_from(header.payload_bytes).expect("64-bit machines");
    match role {
        Role::Server => {
            frame::encode_masked_header(header.opcode, header.fin, payload_bytes, header.key)
        }
        Role::Client => frame::encode_header(header.opcode, header.fin, payload_bytes),
    }
}

/// Any split of any bytes gives the same events and the same error, texts are UTF-8, sizes are within
/// the limit, and what is assembled stays proportional to what arrived.
///
/// The first byte chooses the role and the limit, the second how the rest is cut.
pub fn message(data: &[u8]) {
    let &[choice, step, ref bytes @ ..] = data else {
        return;
    };
    let role = if choice & 1 == 0 {
        Role::Server
    } else {
        Role::Client
    };
    let rules = Rules {
        role,
        message_bytes_max: 1 << (choice >> 4),
    };
    let whole = read(bytes, bytes.len().max(1), &rules);
    assert_eq!(read(bytes, 1, &rules), whole, "byte by byte");
    assert_eq!(
        read(bytes, usize::from(step).max(1), &rules),
        whole,
        "in pieces of {step}"
    );
}

type Said = (Vec<(OpCode, Option<u16>, Vec<u8>)>, Option<WireError>);

/// What `bytes` say in pieces of `piece_bytes`, up to the first close or error.
fn read(bytes: &[u8], piece_bytes: usize, rules: &Rules) -> Said {
    let mut reader = Reader::default();
    let mut events = Vec::new();
    let mut copy = bytes.to_vec();
    for piece in copy.chunks_mut(piece_bytes) {
        let mut input = &mut *piece;
        loop {
            let event = match reader.next(&mut input, rules) {
                Ok(None) => break,
                Ok(Some(event)) => event,
                Err(error) => return (events, Some(error)),
            };
            let (opcode, code, payload) = match event {
                Event::Message { kind, payload } => (kind.opcode(), None, payload),
                Event::Ping(payload) => (OpCode::Ping, None, payload),
                Event::Pong(payload) => (OpCode::Pong, None, payload),
                Event::Close(code, reason) => (OpCode::Close, code.map(|code| code.get()), reason),
            };
            let bytes_max = if opcode.is_control() {
                125
            } else {
                rules.message_bytes_max
            };
            assert!(payload.len() <= bytes_max);
            assert!(opcode != OpCode::Text || std::str::from_utf8(payload).is_ok());
            events.push((opcode, code, payload.to_vec()));
            if opcode == OpCode::Close {
                return (events, None);
            }
        }
        assert!(input.is_empty(), "None means that all input was taken");
        assert!(
            reader.heap_bytes() <= 1024 + 2 * bytes.len(),
            "it holds more than twice its input"
        );
    }
    (events, None)
}

/// A text message of a client is commands or refused, and what one client says can't be taken for more
/// than it is by those who are told.
pub fn centrifugo_json(data: &[u8]) {
    clients::run(Encoding::Json, data);
}

/// The same of a binary message.
pub fn centrifugo_protobuf(data: &[u8]) {
    clients::run(Encoding::Protobuf, data);
}

/// However frames of several rooms and origins, full and short sends, forgetting, rescues and skips
/// follow one another in a log that wraps, a reader gets whole frames, all but its own, once, in
/// order, or is told that its bytes are gone when they are; and is told how many lie ahead.
///
/// Three bytes make a step: what, how large, and which part of it.
pub fn log(data: &[u8]) {
    streams::run(data);
}

/// Any text is answered by every way in, claims that are signed are read within their limits, and any
/// key set is read or refused.
///
/// The first byte chooses: a text as it is, claims to be signed, or a key set.
pub fn token(data: &[u8]) {
    tokens::run(data);
}
