//! Requests that nobody has thought of.

use crate::ask;
use crate::support::server::Server;
use crate::support::wait::each;

const METHODS: [&str; 10] = [
    "GET", "GET", "GET", "GET", "HEAD", "POST", "OPTIONS", "get", "CONNECT", "G@T",
];
const TARGETS: [&str; 16] = [
    "/ws",
    "/ws",
    "/ws/a",
    "/ws/%ff",
    "/ws/",
    "/",
    "/healthz",
    "/nope",
    "*",
    "http://a/ws",
    "a:80",
    "//ws",
    "/%zz",
    "/<",
    "/w s",
    "http://[",
];
const VERSIONS: [&str; 6] = ["1.1", "1.1", "1.1", "1.1", "1.0", "2.0"];
const FIELDS: [&str; 24] = [
    "Host: a",
    "Host: a",
    "Host:",
    "Host: b c",
    "Upgrade: websocket",
    "Upgrade: h2c",
    "Connection: Upgrade",
    "Connection: close",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Version: 8",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol: soap",
    "Origin: http://a",
    "Origin: null",
    "Content-Length: 0",
    "Content-Length: 3",
    "Content-Length: x",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip",
    "Expect: 100-continue",
    "A : b",
    " folded",
    "no colon",
    "A: \u{1}",
];

/// A request put together from parts that are right and parts that are not.
fn made_up(random: &mut fastrand::Rng) -> String {
    let mut pick = |parts: &[&'static str]| parts[random.usize(..parts.len())];
    let line = format!(
        "{} {} HTTP/{}",
        pick(&METHODS),
        pick(&TARGETS),
        pick(&VERSIONS)
    );
    let mut fields: Vec<&str> = vec![
        "Host: a",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ];
    let extra = [pick(&FIELDS), pick(&FIELDS)];
    fields.truncate(random.usize(..=fields.len()));
    for field in &extra[..random.usize(..=2)] {
        fields.insert(random.usize(..=fields.len()), field);
    }
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    format!("{line}\r\n{fields}\r\n")
}

/// Goal: what nobody has thought of has one answer too, with a sentence where it refuses.
#[test]
fn made_up_requests_have_one_answer() {
    let mut server = Server::start(&[]);
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let requests: Vec<String> = (0..400).map(|_| made_up(&mut random)).collect();
    each(
        requests,
        |request| format!("{request:?} of seed {seed}"),
        |request| {
            ask(&server, request);
        },
    );
    server.assert_alive();
}
