//! Goal: the files of `--static` arrive whole, in parts, or not at all, as the request and
//! RFC 9110 say, and nothing outside the folder ever does.

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use tempfile::TempDir;

use super::harness::Server;
use crate::config::Config;

/// Larger than all buffers between the file and the client, and no multiple of the chunk.
const LARGE_BYTES: usize = 5_000_011;

fn pattern(length: usize) -> Vec<u8> {
    (0..=250).cycle().take(length).collect()
}

/// `outer/secret.txt`, and `outer/site` to be served.
fn folder() -> TempDir {
    let outer = TempDir::new().unwrap();
    let site = outer.path().join("site");
    fs::create_dir_all(site.join("docs/empty")).unwrap();
    fs::create_dir_all(site.join(".git")).unwrap();
    fs::write(outer.path().join("secret.txt"), "secret").unwrap();
    fs::write(site.join("index.html"), "<h1>home</h1>").unwrap();
    fs::create_dir_all(site.join(".well-known/.git")).unwrap();
    fs::write(site.join(".well-known/security.txt"), "Contact: x").unwrap();
    fs::write(site.join(".well-known/.git/config"), "secret").unwrap();
    fs::write(site.join("docs/index.html"), "<h1>docs</h1>").unwrap();
    fs::write(site.join("docs/a b.txt"), "spaced").unwrap();
    fs::write(site.join(".env"), "secret").unwrap();
    fs::write(site.join(".git/config"), "secret").unwrap();
    fs::write(site.join("digits.txt"), "0123456789").unwrap();
    fs::write(site.join("none.txt"), "").unwrap();
    fs::write(site.join("large.bin"), pattern(LARGE_BYTES)).unwrap();
    symlink("../secret.txt", site.join("out.txt")).unwrap();
    symlink(outer.path().join("secret.txt"), site.join("absolute.txt")).unwrap();
    symlink("..", site.join("up")).unwrap();
    symlink("digits.txt", site.join("inside.txt")).unwrap();
    symlink("loop", site.join("loop")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, site.join("pipe"), 0o600.into()).unwrap();
    outer
}

fn serve(outer: &Path) -> Server {
    Server::with_folder(&outer.join("site"))
}

/// Goal: files, folders and types come as expected; health and rooms stay beside them.
#[test]
fn serves_files_and_folders() {
    let outer = folder();
    let server = serve(outer.path());
    let table = [
        ("/", "text/html; charset=utf-8", "<h1>home</h1>"),
        (
            "/index.html?v=1",
            "text/html; charset=utf-8",
            "<h1>home</h1>",
        ),
        ("/docs/", "text/html; charset=utf-8", "<h1>docs</h1>"),
        ("/docs/a%20b.txt", "text/plain; charset=utf-8", "spaced"),
        ("/inside.txt", "text/plain; charset=utf-8", "0123456789"),
        ("/none.txt", "text/plain; charset=utf-8", ""),
        (
            "/.well-known/security.txt",
            "text/plain; charset=utf-8",
            "Contact: x",
        ),
    ];
    for (path, content_type, body) in table {
        let answer = server.get(path);
        assert_eq!((answer.status, answer.text()), (200, body), "{path}");
        assert_eq!(answer.header("content-type"), content_type);
        assert_eq!(answer.header("accept-ranges"), "bytes");
        assert!(
            answer
                .header("content-security-policy")
                .starts_with("default-src 'self'")
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
    assert_eq!(server.get("/healthz").json()["status"], "ok");
    assert_eq!(server.get("/rooms").json()["members"], 2);
    assert_eq!(
        server.get("/app.js").status,
        404,
        "the embedded page is not mixed in"
    );
}

/// Goal: a site may do what sites do, unless its operator says otherwise; what this program says
/// itself stays under the strict policy.
#[test]
fn files_have_a_policy_of_their_own() {
    let outer = folder();
    let usual = Config::default().content_security_policy.unwrap();
    for part in [
        "script-src 'self' 'wasm-unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "connect-src 'self' data: blob: ws: wss:",
    ] {
        assert!(usual.contains(part), "{part}");
    }
    let own = "default-src *".to_owned();
    for policy in [Some(usual), Some(own), None] {
        let expected = policy.clone().unwrap_or_default();
        let server = Server::start(Config {
            static_dir: Some(outer.path().join("site")),
            content_security_policy: policy,
            ..Config::default()
        });
        let answer = server.get("/digits.txt");
        assert_eq!(answer.header("content-security-policy"), expected);
        let fields = format!("If-None-Match: {}\r\n", answer.header("etag"));
        let known = server.ask("GET", "/digits.txt", &fields);
        assert_eq!(known.header("content-security-policy"), expected);
        for path in ["/healthz", "/nothing", "/docs"] {
            let policy = server.get(path);
            let policy = policy.header("content-security-policy");
            assert!(
                policy.starts_with("default-src 'none';"),
                "{path}: {policy}"
            );
        }
    }
}

/// Goal: a folder's address without its slash leads to the one with it, query and encoding kept.
#[test]
fn redirects_to_folders() {
    let outer = folder();
    let server = serve(outer.path());
    let answer = server.get("/docs?a=%20b");
    assert_eq!(
        (answer.status, answer.header("location")),
        (308, "./docs/?a=%20b")
    );
    fs::create_dir_all(outer.path().join("site/docs/a:b")).unwrap();
    let deep = server.get("/docs/a:b");
    assert_eq!((deep.status, deep.header("location")), (308, "./a:b/"));
    assert_eq!(server.get("//docs").status, 404);
    assert_eq!(server.get("/digits.txt/").status, 404);
    assert_eq!(server.get("/docs/empty/").status, 404, "no listing");
}

/// Goal: whatever the spelling, nothing outside the folder, hidden, or not a regular file is
/// served.
#[test]
fn never_leaves_the_folder() {
    let outer = folder();
    let server = serve(outer.path());
    let paths = [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/.%2E/secret.txt",
        "/docs/../../secret.txt",
        "/docs/%2e%2e/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e%2fsecret.txt",
        "/docs/..%2f..%2fsecret.txt",
        "//../secret.txt",
        "/./digits.txt",
        "/out.txt",
        "/absolute.txt",
        "/up/secret.txt",
        "/up/",
        "/up",
        "/loop",
        "/pipe",
        "/.env",
        "/.git/config",
        "/.well-known/.git/config",
        "/.well-known/../.env",
        "/docs/.well-known/x",
        "/.git/",
        "/%2egit/config",
        "/%2eenv",
        "/docs/..;/",
        "/digits.txt%00.html",
        "/nothing",
        "/%2fetc/passwd",
        "//etc/passwd",
        "/..\\secret.txt",
    ];
    for path in paths {
        let answer = server.get(path);
        assert!(
            matches!(answer.status, 400 | 404),
            "{path}: {}",
            answer.status
        );
        assert!(!answer.text().contains("secret"), "{path}");
    }
    assert_eq!(server.get("/%zz").status, 400);
    let long = format!("/{}", "a".repeat(300));
    assert_eq!(server.get(&long).status, 404);
}

/// Goal: HEAD is GET without the bytes; other methods are refused with the list of allowed ones.
#[test]
fn knows_its_methods() {
    let outer = folder();
    let server = serve(outer.path());
    let mut client = server.connect();
    client.send("HEAD /digits.txt HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = client.receive("HEAD");
    client.send("GET /digits.txt HTTP/1.1\r\nHost: a\r\n\r\n");
    let get = client.receive("GET");
    assert_eq!((head.status, get.text()), (200, "0123456789"));
    for name in [
        "content-length",
        "content-type",
        "etag",
        "last-modified",
        "accept-ranges",
    ] {
        assert_eq!(head.header(name), get.header(name), "{name}");
        assert_ne!(head.header(name), "", "{name}");
    }
    for method in ["POST", "PUT", "DELETE", "BREW"] {
        let answer = server.ask(method, "/digits.txt", "Content-Length: 0\r\n");
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, "GET, HEAD, OPTIONS"),
            "{method}"
        );
    }
}

/// Goal: a copy that is still good is not sent again, and a changed file has another tag.
#[test]
fn confirms_good_copies() {
    let outer = folder();
    let server = serve(outer.path());
    let first = server.get("/digits.txt");
    let etag = first.header("etag").to_owned();
    let modified = first.header("last-modified").to_owned();
    for field in [
        format!("If-None-Match: {etag}\r\n"),
        format!("If-None-Match: \"x\", W/{etag}\r\n"),
        format!("If-Modified-Since: {modified}\r\n"),
        format!("If-None-Match: {etag}\r\nRange: bytes=0-1\r\n"),
    ] {
        let answer = server.ask("GET", "/digits.txt", &field);
        assert_eq!(
            (answer.status, answer.header("etag")),
            (304, etag.as_str()),
            "{field}"
        );
        assert_eq!(answer.header("content-length"), "");
    }
    let stale = format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {modified}\r\n");
    assert_eq!(server.ask("GET", "/digits.txt", &stale).status, 200);

    fs::write(outer.path().join("site/digits.txt"), "changed").unwrap();
    let changed = server.ask("GET", "/digits.txt", &format!("If-None-Match: {etag}\r\n"));
    assert_eq!((changed.status, changed.text()), (200, "changed"));
    assert_ne!(changed.header("etag"), etag);
}

/// Goal: a download is not continued with the bytes of another version, however the client asks.
#[test]
fn does_not_mix_versions() {
    let outer = folder();
    // As builds do that give all files the same time: it must not hide a change.
    let set_modified = |outer: &TempDir| {
        let path = outer.path().join("site/digits.txt");
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(1_600_000_000))
            .unwrap();
    };
    set_modified(&outer);
    let server = serve(outer.path());
    let first = server.get("/digits.txt");
    let etag = first.header("etag").to_owned();
    let modified = first.header("last-modified").to_owned();
    let rest = |field: &str| {
        let answer = server.ask("GET", "/digits.txt", &format!("{field}Range: bytes=4-\r\n"));
        (answer.status, answer.text().to_owned())
    };
    let table = [
        (format!("If-Match: {etag}\r\n"), 206),
        ("If-Match: *\r\n".to_owned(), 206),
        (format!("If-Unmodified-Since: {modified}\r\n"), 206),
        (
            "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n".to_owned(),
            412,
        ),
        (format!("If-Match: W/{etag}\r\n"), 412),
        (format!("If-Match: \"x\"\r\nIf-None-Match: {etag}\r\n"), 412),
        (format!("If-Match: \"x\"\r\nIf-Range: {etag}\r\n"), 412),
        (format!("If-Match: {etag}\r\nIf-Range: \"x\"\r\n"), 200),
        (
            format!("If-Match: {etag}\r\nIf-None-Match: {etag}\r\n"),
            304,
        ),
    ];
    for (field, status) in table {
        if status == 304 {
            assert_eq!(server.ask("GET", "/digits.txt", &field).status, 304);
            continue;
        }
        let (found, text) = rest(&field);
        assert_eq!(found, status, "{field}");
        assert_eq!(text == "456789", status == 206, "{field}{text}");
    }
    fs::write(outer.path().join("site/digits.txt"), "abcdefghij").unwrap();
    set_modified(&outer);
    assert_eq!(server.get("/digits.txt").header("last-modified"), modified);
    let changed = rest(&format!("If-Match: {etag}\r\n"));
    assert_eq!(changed.0, 412, "{}", changed.1);
    let head = server.ask("HEAD", "/digits.txt", &format!("If-Match: {etag}\r\n"));
    assert_eq!(head.status, 412);
    let missing = server.ask("GET", "/nothing", "If-Match: *\r\n");
    assert_eq!(missing.status, 404, "conditions are about what is there");
}

/// Goal: single ranges are cut out exactly; impossible ones say how long the file is.
#[test]
fn cuts_out_ranges() {
    let outer = folder();
    let server = serve(outer.path());
    let table = [
        ("bytes=0-0", 206, "bytes 0-0/10", "0"),
        ("bytes=3-5", 206, "bytes 3-5/10", "345"),
        ("bytes=7-", 206, "bytes 7-9/10", "789"),
        ("bytes=-2", 206, "bytes 8-9/10", "89"),
        ("bytes=5-500", 206, "bytes 5-9/10", "56789"),
        ("bytes=1-2,4-5", 200, "", "0123456789"),
        ("bytes=9-1", 200, "", "0123456789"),
    ];
    for (range, status, content_range, body) in table {
        let answer = server.ask("GET", "/digits.txt", &format!("Range: {range}\r\n"));
        assert_eq!((answer.status, answer.text()), (status, body), "{range}");
        assert_eq!(answer.header("content-range"), content_range);
    }
    let beyond = server.ask("GET", "/digits.txt", "Range: bytes=10-\r\n");
    assert_eq!(
        (beyond.status, beyond.header("content-range")),
        (416, "bytes */10")
    );
    let head = server.ask("HEAD", "/digits.txt", "Range: bytes=0-0\r\n");
    assert_eq!((head.status, head.header("content-length")), (200, "10"));

    let etag = server.get("/digits.txt").header("etag").to_owned();
    for (condition, status) in [(etag.as_str(), 206), ("\"other\"", 200)] {
        let fields = format!("Range: bytes=0-0\r\nIf-Range: {condition}\r\n");
        assert_eq!(server.ask("GET", "/digits.txt", &fields).status, status);
    }
}

/// Goal: a file of many chunks arrives byte for byte, whole and in part, whether the connection
/// stays or closes after it and however slowly the client starts to read.
#[test]
fn streams_large_files() {
    let outer = folder();
    let server = serve(outer.path());
    let expected = pattern(LARGE_BYTES);
    let mut client = server.connect();
    client.send("GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.receive("GET").body == expected);
    client.send("GET /large.bin HTTP/1.1\r\nHost: a\r\nRange: bytes=65530-4000000\r\n\r\n");
    assert!(client.receive("GET").body == expected[65_530..=4_000_000]);
    client.send("GET /large.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(client.receive("GET").body == expected);
    assert!(client.rest().is_empty());
}

/// Goal: a file that shrinks while it is sent breaks the connection instead of ending it as if
/// whole.
#[test]
fn breaks_off_when_a_file_shrinks() {
    let outer = folder();
    let server = serve(outer.path());
    let path = outer.path().join("site/huge.bin");
    // Sparse, and far more than the socket buffers hold, so that it is cut while being sent.
    let huge = fs::File::create(&path).unwrap();
    huge.set_len(1 << 30).unwrap();
    let mut client = server.connect();
    client.send("GET /huge.bin HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut start = [0; 1024];
    client.stream.read_exact(&mut start).unwrap();
    assert!(start.starts_with(b"HTTP/1.1 200 OK\r\n"));
    huge.set_len(1).unwrap();
    let mut buffer = vec![0; 1 << 20];
    let mut total = start.len() as u64;
    // A reset ends it as well.
    while let Ok(count @ 1..) = client.stream.read(&mut buffer) {
        total += count as u64;
    }
    assert!(total < 1 << 30, "{total}");
}

/// Goal: a folder that is replaced as a whole, as build tools do, is served on.
#[test]
fn follows_a_replaced_folder() {
    let outer = folder();
    let server = serve(outer.path());
    assert_eq!(server.get("/").text(), "<h1>home</h1>");
    let site = outer.path().join("site");
    fs::rename(&site, outer.path().join("old")).unwrap();
    assert_eq!(server.get("/").status, 404);
    fs::create_dir(&site).unwrap();
    fs::write(site.join("index.html"), "new").unwrap();
    assert_eq!(server.get("/").text(), "new");
}
