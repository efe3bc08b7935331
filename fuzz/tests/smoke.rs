//! Each fuzz target on seeded random and mutated inputs: bounded, the same on every run, and on
//! the stable toolchain.

/// Inputs each target gets.
const RUNS: u64 = 20_000;

const REQUEST: &[u8] = b"GET /ws/room%20a?echo=1 HTTP/1.1\r\nHost: chat.example\r\n\
    Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nOrigin: https://chat.example\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// Prints what broke an invariant, ready to be written to a file for `cargo fuzz run`.
struct Culprit<'a>(&'a str, u64, &'a [u8]);

impl Drop for Culprit<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("target {}, run {}, input {:x?}", self.0, self.1, self.2);
        }
    }
}

/// Runs `target` on `seeds` as they are, then on mutations of them.
fn smoke(name: &str, target: fn(&[u8]), seeds: &[Vec<u8>]) {
    for run in 0..RUNS {
        let mut random = fastrand::Rng::with_seed(run);
        let seed = usize::try_from(run)
            .ok()
            .and_then(|run| seeds.get(run))
            .cloned();
        let input = seed.unwrap_or_else(|| mutate(&mut random, seeds));
        let _culprit = Culprit(name, run, &input);
        target(&input);
    }
}

/// A seed, or two joined, with up to four bytes changed, doubled, inserted or cut off.
fn mutate(random: &mut fastrand::Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = random.choice(seeds).cloned().unwrap_or_default();
    if random.u8(..4) == 0 {
        bytes.extend_from_slice(random.choice(seeds).map_or(&[], Vec::as_slice));
    }
    for _ in 0..random.u8(..=4) {
        let at = random.usize(..=bytes.len());
        match random.u8(..5) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, random.u8(..)),
            2 if at < bytes.len() => bytes[at] ^= 1 << random.u8(..8),
            3 if at < bytes.len() => bytes[at] = random.u8(..),
            4 => bytes.extend_from_within(..at),
            _ => bytes.push(random.u8(..)),
        }
    }
    bytes
}

fn owned(seeds: &[&[u8]]) -> Vec<Vec<u8>> {
    seeds.iter().map(|seed| seed.to_vec()).collect()
}

/// Goal: heads break nothing: a good handshake, a plain visit, line ends of all kinds, nothing.
#[test]
fn http() {
    let plain = b"\r\nPOST http://h/a?b HTTP/1.0\nContent-Length: 3\n\nabc";
    smoke(
        "http",
        fanring_fuzz::http,
        &owned(&[REQUEST, plain, b"\r\n\r\n", b""]),
    );
}

/// Goal: headers of every length form, masked and not, break nothing.
#[test]
fn frame() {
    let seeds: [&[u8]; 7] = [
        b"\x81\x05Hello",
        b"\x01\x85\x01\x02\x03\x04",
        b"\x82\x7e\x01\x00",
        b"\x82\xfe\xff\xff\x01\x02\x03\x04",
        b"\x82\x7f\0\0\0\0\0\x01\0\0",
        b"\x80\xff\0\0\0\x01\0\0\0\0\x01\x02\x03\x04",
        b"",
    ];
    smoke("frame", fanring_fuzz::frame, &owned(&seeds));
}

/// Goal: conversations break nothing: texts with a cut code point, fragments around a ping, closes.
#[test]
fn message() {
    let seeds: [&[u8]; 7] = [
        b"\x81\x03\x81\x06a\xc3\xa9\xf0\x9f\xa6",
        b"\xf1\x05\x01\x04\xf0\x9f\xa6\x80\x89\x02hi\x00\x00\x80\x02\xc3\xa9",
        b"\x81\x01\x88\x05\x03\xe8bye",
        b"\xf0\x02\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
        b"\xf0\x04\x01\x82\0\0\0\0\xc3\xa9\x8a\x80\0\0\0\0\x80\x81\0\0\0\0x\x88\x80\0\0\0\0",
        b"\xf1\x07\x82\x7e\x01\x00half",
        b"",
    ];
    smoke("message", fanring_fuzz::message, &owned(&seeds));
}

/// Goal: tokens break nothing: texts, claims of every kind once they are signed, key sets.
#[test]
fn token() {
    let point = "tlK3A4ODGOzodgcnbmA32PduXuKl_7kU-hD3r2lv2mA";
    let set = format!(
        r#"{{"keys":[{{"kty":"EC","crv":"P-256","kid":"a","x":"{point}","y":"{point}"}},
        {{"kty":"RSA","kid":"b","n":"{point}","e":"AQAB","alg":"RS256","use":"sig"}}]}}"#
    );
    let set = ["\u{2}", &set].concat();
    let seeds: [&[u8]; 8] = [
        b"\x00eyJhbGciOiJub25lIn0.eyJzdWIiOiI0MiJ9.",
        b"\x03eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE4MDAwMDAwNjB9.AAAA",
        b"\x01{\"sub\":\"42\",\"exp\":1800000060,\"nbf\":1.5,\"info\":{\"a\":\n1},\"meta\":[null]}",
        b"\x01{\"sub\":\"42\",\"channel\":\"news\",\"client\":\"c\",\"data\":1,\"expire_at\":0}",
        b"\x01{\"uid\":42,\"subs\":{\"a\":{\"b64info\":\"AQI=\",\"override\":{\"presence\":{\"value\":true}}}}}",
        b"\x01{\"sub\":\"\\u0034\",\"channels\":[\"b\",\"a\"],\"expire_at\":1800000001,\"iat\":1e9}",
        set.as_bytes(),
        b"",
    ];
    smoke("token", fanring_fuzz::token, &owned(&seeds));
}

/// Goal: commands of JSON break nothing: batches, escapes, data of every kind, and halves of them.
#[test]
fn centrifugo_json() {
    let seeds: [&[u8]; 9] = [
        b"{\"connect\":{\"subs\":{\"a\":{\"offset\":1}}},\"id\":1}\n{\"id\":2,\"subscribe\":{\"channel\":\"a\",\"data\":[]}}\n",
        br#"{"id":2147483648,"publish":{"channel":"a","data":{"n":[1,{"x":"\u00e9\\"}]}}}"#,
        b"{\"publish\":{\"data\":\"}}\\n\",\"channel\":\"\\\"\\u0000\"},\"id\":3}\n{}",
        br#"{"id":1,"history":{"channel":"a","limit":-1,"since":{"offset":3,"epoch":"E"}},"later":[[]]}"#,
        br#"{"id":1,"rpc":{"method":"m","data":-1e400},"refresh":null}"#,
        br#"{"send":{"data":null}}"#,
        br#"{"id":1,"sub_refresh":{"channel":"a","token":"t","type":1}}"#,
        b"{}",
        b"",
    ];
    smoke(
        "centrifugo_json",
        fanring_fuzz::centrifugo_json,
        &owned(&seeds),
    );
}

/// Goal: commands of Protobuf break nothing: batches, unknown fields, lengths that lead nowhere.
#[test]
fn centrifugo_protobuf() {
    let seeds: [&[u8]; 7] = [
        b"\x04\x08\x01\x22\0\x07\x2a\x03\x0a\x01a\x08\x02\0",
        b"\x10\x08\x80\x80\x80\x80\x08\x3a\x08\x0a\x01a\x12\x03{\n}",
        b"\x0d\x08\x01\x22\x09\x1a\x07\x0a\x01a\x12\x02\x18\x01",
        b"\x0f\x08\x01\x52\x0b\x0a\x01a\x38\x01\x42\x04\x08\x03\x12\0",
        b"\x0a\x62\x08\x0a\x06\xff\0\x80text",
        b"\x05\x08\x01\xfd\x7f\x01",
        b"",
    ];
    smoke(
        "centrifugo_protobuf",
        fanring_fuzz::centrifugo_protobuf,
        &owned(&seeds),
    );
}

/// Goal: steps drawn at random, enough to wrap the log, break nothing, with frames small and large.
#[test]
fn log() {
    let seeds: Vec<Vec<u8>> = (0..24u64)
        .map(|number| {
            let mut random = fastrand::Rng::with_seed(number);
            let sizes = [20, 255][random.usize(..2)];
            let step = |_| [random.u8(..), random.u8(..=sizes), random.u8(..)];
            (0..60).flat_map(step).collect()
        })
        .collect();
    smoke("log", fanring_fuzz::log, &seeds);
}
