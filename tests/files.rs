//! The files of `--static`: which are served, whole and in part, and that nothing else is.

mod support;

use std::fs;
use std::path::Path;

use socket2::{Domain, Socket, Type};

use self::support::http::{Wire, request, request_bytes};
use self::support::server::Server;
use self::support::wait::{PATIENCE, each, eventually};

/// A file that no request may ever reach.
const SECRET: &str = "this is outside of the folder";

/// A folder with some files in it, and a secret beside it.
struct Site {
    outer: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let outer = tempfile::tempdir().expect("a temporary folder");
        let site = Self { outer };
        fs::write(site.outer.path().join("secret.txt"), SECRET).expect("a file");
        let root = site.root();
        fs::create_dir_all(root.join("sub/deep")).expect("folders");
        fs::create_dir_all(root.join(".git")).expect("a folder");
        let files: [(&str, &[u8]); 9] = [
            ("index.html", b"<!doctype html><title>front</title>"),
            ("app.js", b"export const answer = 42;"),
            ("style.css", b"body { color: black }"),
            ("picture.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
            ("empty.txt", b""),
            ("sub/index.html", b"<!doctype html><title>sub</title>"),
            ("a name.txt", b"with a space"),
            (".hidden", SECRET.as_bytes()),
            (".git/config", SECRET.as_bytes()),
        ];
        for (name, content) in files {
            fs::write(root.join(name), content).expect("a file");
        }
        fs::write(root.join("big.bin"), big_file()).expect("a file");
        site
    }

    fn root(&self) -> std::path::PathBuf {
        self.outer.path().join("public")
    }

    fn serve(&self) -> Server {
        let root: &Path = &self.root();
        Server::start(&["--static", root.to_str().expect("a path in UTF-8")])
    }
}

/// Three megabytes, and some, in which each place is recognisable.
fn big_file() -> Vec<u8> {
    (0..1_000_003_u32)
        .flat_map(|number| number.to_be_bytes()[1..].to_vec())
        .collect()
}

/// Goal: files come whole, with their content type, and folders by their index.
#[test]
fn files_are_served() {
    let site = Site::new();
    let server = site.serve();
    let cases = [
        ("/", "text/html", "index.html"),
        ("/index.html", "text/html", "index.html"),
        ("/app.js", "text/javascript", "app.js"),
        ("/style.css", "text/css", "style.css"),
        ("/picture.svg", "image/svg+xml", "picture.svg"),
        ("/empty.txt", "text/plain", "empty.txt"),
        ("/sub/", "text/html", "sub/index.html"),
        ("/a%20name.txt", "text/plain", "a name.txt"),
        ("/app.js?version=1", "text/javascript", "app.js"),
        ("/big.bin", "application/octet-stream", "big.bin"),
    ];
    each(
        cases,
        |(target, _, _)| (*target).to_owned(),
        |(target, kind, file)| {
            let content = fs::read(site.root().join(file)).expect("a file");
            let response = request(server.address(), "GET", target, &[]);
            assert_eq!(response.status, 200);
            assert!(response.body == content, "{} bytes", response.body.len());
            let sent_kind = response.header("content-type").expect("Content-Type");
            assert!(sent_kind.starts_with(kind), "{sent_kind}");
            let head = request(server.address(), "HEAD", target, &[]);
            assert_eq!((head.status, head.body.len()), (200, 0));
            let length = content.len().to_string();
            assert_eq!(head.header("content-length"), Some(length.as_str()));
        },
    );
    let missing = request(server.address(), "GET", "/missing.html", &[]);
    assert_eq!(missing.status, 404);
    assert!(!missing.body.is_empty(), "a page that says so");
}

/// Goal: nothing outside of the folder, and no dot file in it, is ever served.
#[test]
fn nothing_else_is_served() {
    let site = Site::new();
    std::os::unix::fs::symlink(
        site.outer.path().join("secret.txt"),
        site.root().join("link.txt"),
    )
    .expect("a symbolic link");
    let mut server = site.serve();
    let targets = [
        "/../secret.txt",
        "/sub/../../secret.txt",
        "/sub/deep/../../../secret.txt",
        "/%2e%2e/secret.txt",
        "/%2E%2E/secret.txt",
        "/.%2e/secret.txt",
        "/..%2fsecret.txt",
        "/..%5csecret.txt",
        "/sub/%2e%2e/%2e%2e/secret.txt",
        "/%252e%252e/secret.txt",
        "//secret.txt",
        "/./../secret.txt",
        "/..;/secret.txt",
        "/..%00/secret.txt",
        "/secret.txt%00.html",
        "/link.txt",
        "/.hidden",
        "/%2ehidden",
        "/.git/config",
        "/sub/../.hidden",
        "/%",
        "/%zz",
        "/%ff",
        "../secret.txt",
        "secret.txt",
    ];
    each(
        targets,
        |target| (*target).to_owned(),
        |target| {
            let response = request(server.address(), "GET", target, &[]);
            assert!(
                [400, 403, 404].contains(&response.status),
                "{}",
                response.status
            );
            assert!(!String::from_utf8_lossy(&response.body).contains(SECRET));
        },
    );
    let etc = format!("/{}/etc/passwd", "../".repeat(20));
    assert_ne!(request(server.address(), "GET", &etc, &[]).status, 200);
    assert_ne!(
        request(server.address(), "GET", "//etc/passwd", &[]).status,
        200
    );
    server.assert_alive();
}

/// Goal: a client that has a file is told so, and one that wants a part gets that part
/// (RFC 9110 sections 13 and 14).
#[test]
fn conditional_and_partial_requests_work() {
    let site = Site::new();
    let server = site.serve();
    let ask = |fields: &[(&str, &str)]| request(server.address(), "GET", "/big.bin", fields);
    let whole = ask(&[]);
    let tag = whole.header("etag").expect("ETag").to_owned();
    let modified = whole
        .header("last-modified")
        .expect("Last-Modified")
        .to_owned();
    assert_eq!(ask(&[("If-None-Match", &tag)]).status, 304);
    assert_eq!(ask(&[("If-None-Match", "\"another\"")]).status, 200);
    assert_eq!(ask(&[("If-Modified-Since", &modified)]).status, 304);
    let content = big_file();
    let length = content.len();
    let parts = [
        ("bytes=0-0".to_owned(), 0..1),
        ("bytes=100-199".to_owned(), 100..200),
        (format!("bytes={}-", length - 5), length - 5..length),
        ("bytes=-7".to_owned(), length - 7..length),
        ("bytes=1000-99999999".to_owned(), 1_000..length),
    ];
    for (asked, range) in parts {
        let part = ask(&[("Range", &asked)]);
        assert_eq!(part.status, 206, "{asked}");
        let said = format!("bytes {}-{}/{length}", range.start, range.end - 1);
        assert_eq!(part.header("content-range"), Some(said.as_str()));
        assert!(part.body == content[range], "{asked}");
    }
    let beyond = ask(&[("Range", "bytes=99999999-")]);
    assert_eq!(beyond.status, 416);
    assert_eq!(
        beyond.header("content-range"),
        Some(format!("bytes */{length}").as_str())
    );
}

/// Goal: a download is never continued with the bytes of another version (RFC 9110 section 13.1.1).
#[test]
fn a_changed_file_fails_if_match() {
    let site = Site::new();
    let server = site.serve();
    let ask = |fields: &[(&str, &str)]| request(server.address(), "GET", "/app.js", fields);
    let tag = ask(&[]).header("etag").expect("ETag").to_owned();
    let resume = [("If-Match", tag.as_str()), ("Range", "bytes=3-")];
    assert_eq!(ask(&resume).status, 206);
    fs::write(site.root().join("app.js"), "export const another = 43;").expect("a file");
    assert_eq!(ask(&resume).status, 412);
    assert_eq!(ask(&[("If-Match", "*")]).status, 200);
    let long_ago = "Sun, 06 Nov 1994 08:49:37 GMT";
    assert_eq!(ask(&[("If-Unmodified-Since", long_ago)]).status, 412);
}

/// Goal: a client that sent more than was read gets its whole answer, also when it reads on only after
/// the server is done with it: closing with unread bytes would throw away what is not yet sent.
#[test]
fn an_answer_is_whole_though_the_client_sent_too_much() {
    const BYTES: usize = 80 << 10;
    let site = Site::new();
    fs::write(site.root().join("some.bin"), vec![b'y'; BYTES]).expect("a file");
    let server = site.serve();
    let address = server.address();
    let descriptors = server.descriptors();
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    // Far less than the answer, the rest of which stays with the server.
    socket.set_recv_buffer_size(8 << 10).expect("SO_RCVBUF");
    socket.connect(&address.into()).expect("a connection");
    let mut wire = Wire::over(socket.into());
    wire.send(&request_bytes(address, "GET", "/some.bin", &[], "close"));
    wire.offer(&[b'x'; 100_000]);
    wire.stream.peek(&mut [0]).expect("the answer begins");
    eventually("the server is done with it", PATIENCE, || {
        (server.descriptors() <= descriptors).then_some(())
    });
    let response = wire.response("GET");
    assert_eq!((response.status, response.body.len()), (200, BYTES));
}
