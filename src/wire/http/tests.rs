//! Heads under any split, limits and statuses, and refusals as bytes.

use proptest::prelude::*;

use super::{HEADERS_MAX, Head, HttpError, Refusal, check_start, find_head, head_end, parse_head};

const HEAD: &[u8] = b"GET /ws/a?echo=1 HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\n\
    X: 1\r\nconnection: \t other\t\r\nEmpty:\r\n\r\n";

/// Feeds `bytes` in pieces that end at `cuts`; gives the head's end, once found.
fn find_end(bytes: &[u8], cuts: impl IntoIterator<Item = usize>) -> Option<usize> {
    let mut scanned = 0;
    for end in cuts.into_iter().chain([bytes.len()]) {
        let found = head_end(&bytes[..end], scanned);
        if found.is_some() {
            return found;
        }
        scanned = end;
    }
    None
}

/// Goal: a head's fields read back, in any case and over repeated headers.
#[test]
fn reads_a_head() {
    let head = parse_head(&[HEAD, b"next"].concat()).map(|head| head.bytes);
    assert_eq!(head, Ok(HEAD.len()));
    let head = parse_head(HEAD).expect("valid");
    assert_eq!(
        (head.method, head.target, head.minor),
        ("GET", "/ws/a?echo=1", 1)
    );
    assert_eq!((head.path(), head.query()), ("/ws/a", "echo=1"));
    assert_eq!(head.header("HOST"), Some(&b"h"[..]));
    assert_eq!(head.header("Empty"), Some(&b""[..]));
    assert_eq!(head.header("Absent"), None);
    assert_eq!(
        (head.header_count("Connection"), head.header_count("Absent")),
        (2, 0)
    );
    for (token, present) in [
        ("upgrade", true),
        ("KEEP-ALIVE", true),
        ("Other", true),
        ("up", false),
        ("", false),
    ] {
        assert_eq!(head.has_token("connection", token), present, "{token:?}");
    }
    assert_eq!(head.headers().count(), 5);
}

/// Goal: the path is what stands before the query, whatever form the target has.
#[test]
fn splits_the_target() {
    for (target, path, query) in [
        ("/", "/", ""),
        ("/a?b?c", "/a", "b?c"),
        ("/a?", "/a", ""),
        ("*", "*", ""),
        ("http://host/a?b", "/a", "b"),
        ("ws://host:1", "/", ""),
        ("http://host?b", "/", "b"),
        ("/a?u=http://x/y", "/a", "u=http://x/y"),
    ] {
        let bytes = format!("GET {target} HTTP/1.1\r\n\r\n").into_bytes();
        let head = parse_head(&bytes).expect("valid");
        assert_eq!((head.path(), head.query()), (path, query), "{target}");
    }
}

/// Goal: the end is found in any split, behind a leading empty line, and with bare line feeds.
#[test]
fn finds_the_end_in_any_split() {
    for head in [
        HEAD,
        b"\r\nGET / HTTP/1.1\r\n\r\n",
        b"\nGET / HTTP/1.1\n\n",
        b"G / HTTP/1.1\n\r\n",
    ] {
        let bytes = [head, b"\r\n\r\nbody\r\n\r\n"].concat();
        assert_eq!(find_end(&bytes, []), Some(head.len()));
        assert_eq!(find_end(&bytes, 0..bytes.len()), Some(head.len()));
        for cut in 0..bytes.len() {
            assert_eq!(find_end(&bytes, [cut]), Some(head.len()), "cut at {cut}");
        }
        assert_eq!(
            parse_head(&bytes).map(|parsed| parsed.bytes),
            Ok(head.len())
        );
        assert_eq!(find_end(&head[..head.len() - 1], 0..head.len() - 1), None);
    }
}

/// The limits of these tests' server.
const HEAD_BYTES_MAX: usize = 9_000;

/// The head that `bytes` begin with, as a server would read it.
fn read(bytes: &[u8]) -> Result<Head<'_>, HttpError> {
    match find_head(bytes, 0, HEAD_BYTES_MAX)? {
        Some(end) => parse_head(&bytes[..end]),
        None => Err(HttpError::Malformed("no end")),
    }
}

/// Goal: what can't be served is refused with the status that says why.
#[test]
fn refuses_with_the_right_status() {
    let fields = |count: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(count));
    let padded = |bytes: usize| {
        let start = "GET / HTTP/1.1\r\nA: ";
        format!("{start}{}\r\n\r\n", "x".repeat(bytes - start.len() - 4))
    };
    assert!(read(fields(HEADERS_MAX).as_bytes()).is_ok());
    assert!(read(padded(HEAD_BYTES_MAX).as_bytes()).is_ok());
    let cases: &[(&str, u16)] = &[
        (&fields(HEADERS_MAX + 1), 431),
        (&padded(HEAD_BYTES_MAX + 1), 431),
        (&padded(HEAD_BYTES_MAX + 5)[..HEAD_BYTES_MAX], 431),
        ("GET / HTTP/2.0\r\n\r\n", 505),
        ("GET / HTTP/0.9\r\n\r\n", 505),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        ("GET /\r\n\r\n", 400),
        ("GET  / HTTP/1.1\r\n\r\n", 400),
        ("G@T / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nA : b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nA: b\0\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nA: b\r\n", 400),
        ("\r\n\r\n\r\n", 400),
        ("\x16\x03\x01\x02\x00\x01\n\n", 400),
    ];
    for (bytes, status) in cases {
        let error = read(bytes.as_bytes()).expect_err("must be refused");
        assert_eq!(
            (error.status(), error.refusal().status),
            (*status, *status),
            "{bytes:?}"
        );
    }
}

/// Goal: where a body ends must be clear, or there is none.
#[test]
fn bodies_have_clear_ends() {
    for (fields, clear) in [
        ("", true),
        ("Content-Length: 0\r\n", true),
        ("Content-Length: 17\r\nContent-Length: 17\r\n", true),
        ("Content-Length: 17\r\nContent-Length: 18\r\n", false),
        ("Content-Length: \r\n", false),
        ("Content-Length: +1\r\n", false),
        ("Content-Length: 1, 1\r\n", false),
        ("Content-Length: 18446744073709551616\r\n", false),
        ("Transfer-Encoding: Chunked\r\n", true),
        ("Transfer-Encoding: gzip, chunked\r\n", false),
        ("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", false),
    ] {
        let bytes = format!("GET / HTTP/1.1\r\n{fields}\r\n");
        let head = parse_head(bytes.as_bytes()).expect("valid");
        assert_eq!(head.check_body().is_ok(), clear, "{fields}");
        let is_empty = fields.is_empty() || fields.contains(": 0");
        assert_eq!(head.has_body(), !is_empty, "{fields}");
    }
    let old = parse_head(b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n").expect("valid");
    assert!(old.check_body().is_err());
}

/// Goal: bytes that can't become a request are told apart with the first byte that shows it, in any
/// split, and a request is never taken for one of them.
#[test]
fn tells_other_protocols_at_once() {
    let method = "X".repeat(33);
    // What is sent, and after how many bytes it is known.
    let cases: &[(&[u8], usize, HttpError)] = &[
        (b"\x16\x03\x01\x02\x00\x01\x00", 1, HttpError::NoHttp),
        (b"\0", 1, HttpError::NoHttp),
        (b" GET / HTTP/1.1\r\n", 1, HttpError::NoHttp),
        (b"SSH-2.0-OpenSSH_9.2\r\n", 20, HttpError::NoHttp),
        (b"EHLO example.org\r\n", 18, HttpError::NoHttp),
        (b"GET /\r\n", 7, HttpError::NoHttp),
        (b"PRI * HTTP/2.0\r\n\r\nSM", 16, HttpError::Version),
        (b"\r\n\r\n\r\n", 5, HttpError::NoHttp),
        (b"{\"type\":\"hello\"}", 1, HttpError::NoHttp),
        (method.as_bytes(), 33, HttpError::NoHttp),
    ];
    for &(bytes, known, error) in cases {
        for end in 0..=bytes.len() {
            let expected = if end < known { Ok(()) } else { Err(error) };
            assert_eq!(
                check_start(&bytes[..end], 0),
                expected,
                "{bytes:?} up to {end}"
            );
        }
        let told = (1..=bytes.len()).find(|&end| check_start(&bytes[..end], end - 1).is_err());
        assert_eq!(told, Some(known), "{bytes:?} byte by byte");
    }
    let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(5_000));
    for line in [
        "GET / HTTP/1.1\r\n",
        "\r\nUPDATEREDIRECTREF /a b HTTP/1.0\n",
        "M-SEARCH * HTTP/1.1\r\n",
        "GET /HTTP/2 HTTP/1.1\r\n",
        &long,
    ] {
        for end in 0..=line.len() {
            assert_eq!(check_start(&line.as_bytes()[..end], 0), Ok(()), "{line}");
        }
    }
}

/// Goal: a refusal is a whole response with the right length, and names an upgrade in `Connection`.
#[test]
fn encodes_refusals() {
    let mut out = Vec::new();
    HttpError::Version.refusal().encode(b"GET ", &mut out);
    assert_eq!(
        String::from_utf8_lossy(&out),
        "HTTP/1.1 505 HTTP Version Not Supported\r\nConnection: close\r\n\
         Content-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n\
         Content-Length: 47\r\n\r\n\
         This server speaks HTTP/1.1: use that version.\n"
    );
    for refusal in [
        Refusal::busy(),
        Refusal::timeout(),
        Refusal::new(426, "é").with_header("Upgrade", "websocket"),
    ] {
        let mut out = Vec::new();
        refusal.encode(b"\r\nGET / HTTP/1.1", &mut out);
        let mut without_body = Vec::new();
        refusal.encode(b"\r\nHEAD / HTTP/1.1", &mut without_body);
        assert_eq!(head_end(&out, 0), Some(without_body.len()));
        assert!(out.starts_with(&without_body));
        let mut headers = [httparse::EMPTY_HEADER; 8];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(head_bytes) = response.parse(&out).expect("valid") else {
            panic!("the head is cut");
        };
        let value = |name| {
            super::values(response.headers, name)
                .next()
                .unwrap_or_default()
        };
        assert_eq!(response.code, Some(refusal.status));
        assert_eq!(
            value("Content-Length"),
            (out.len() - head_bytes).to_string().as_bytes()
        );
        assert_eq!(value("Retry-After").is_empty(), refusal.status != 503);
        assert!(super::has_token(response.headers, "Connection", "close"));
        assert_eq!(
            super::has_token(response.headers, "Connection", "upgrade"),
            refusal.status == 426
        );
    }
}

proptest! {
    /// Goal: on any bytes the end found does not depend on the split, and a head that parses ends
    /// where its end was found.
    #[test]
    fn end_and_parser_agree(
        bytes in "(\r?\n){0,3}(GET / HTTP/1.1\r?\n)?(A: b\r?\n){0,3}[\r\n]{0,5}(x|\r|\n){0,4}",
        cut in any::<prop::sample::Index>(),
    ) {
        let bytes = bytes.as_bytes();
        let end = find_end(bytes, []);
        prop_assert_eq!(find_end(bytes, 0..bytes.len()), end);
        prop_assert_eq!(find_end(bytes, [cut.index(bytes.len() + 1)]), end);
        if let Ok(head) = parse_head(bytes) {
            // Over one leading empty line, the early end is a head that is refused.
            let leading = bytes.iter().take_while(|byte| b"\r\n".contains(byte)).count();
            prop_assert!(leading > 2 || end == Some(head.bytes), "{:?} {:?}", end, head.bytes);
        }
    }
}
