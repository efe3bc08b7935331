//! What the port serves besides WebSockets: the page, files, `/healthz`, and both kinds of
//! request on one connection.

mod support;

use std::fs;
use std::path::Path;

use socket2::{Domain, Socket, Type};

use self::support::client::{Client, fresh_key, handshake};
use self::support::frame::{Outgoing, TEXT};
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

/// Goal: without a folder, `/` is the chat page, complete and under a strict policy.
#[test]
fn the_page_is_served() {
    let server = Server::start(&[]);
    let page = request(server.address(), "GET", "/", &[]);
    assert_eq!(page.status, 200);
    let kind = page.header("content-type").expect("Content-Type");
    assert!(kind.starts_with("text/html"), "{kind}");
    assert!(
        page.text()
            .to_ascii_lowercase()
            .starts_with("<!doctype html>")
    );
    let policy = page
        .header("content-security-policy")
        .expect("Content-Security-Policy");
    assert!(!policy.contains("unsafe-inline"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));

    let head = request(server.address(), "HEAD", "/", &[]);
    assert_eq!(head.status, 200);
    assert_eq!(
        head.header("content-length"),
        Some(page.body.len().to_string().as_str())
    );
    // Whatever the page asks for is there.
    for part in page.text().split(['"', '\'']).filter(|part| {
        let file = part.ends_with(".js") || part.ends_with(".css");
        file && !part.contains("//")
    }) {
        let target = format!("/{}", part.trim_start_matches(['.', '/']));
        assert_eq!(
            request(server.address(), "GET", &target, &[]).status,
            200,
            "{target}"
        );
    }
}

/// Goal: `/healthz` tells programs how the server is.
#[test]
fn health_is_served() {
    let server = Server::start(&["--shards", "2"]);
    let response = request(server.address(), "GET", "/healthz", &[]);
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(server.figure("sessions"), 0);
    let _one = Client::connect(server.address(), "/ws");
    assert_eq!(server.await_figure("sessions", |sessions| sessions > 0), 1);
    assert_eq!(
        request(server.address(), "HEAD", "/healthz", &[]).status,
        200
    );
}

/// Goal: other paths are not found, other methods not allowed, and neither costs more than an
/// answer.
#[test]
fn other_requests_are_refused() {
    let mut server = Server::start(&[]);
    let cases = [
        ("GET", "/nope", 404),
        ("GET", "/index.htm", 404),
        ("HEAD", "/nope", 404),
        ("POST", "/", 405),
        ("DELETE", "/", 405),
        ("PUT", "/healthz", 405),
    ];
    each(
        cases,
        |(method, target, _)| format!("{method} {target}"),
        |(method, target, status)| {
            let response = request(server.address(), method, target, &[]);
            assert_eq!(response.status, *status);
            if *status == 405 {
                let allowed = response
                    .header("allow")
                    .expect("Allow (RFC 9110 section 15.5.6)");
                assert!(allowed.contains("GET"), "{allowed}");
            }
        },
    );
    server.assert_alive();
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

/// Goal: the plain health check of HAProxy (`option httpchk`) finds the server up.
#[test]
fn options_are_answered() {
    let server = Server::start(&[]);
    for asked in ["OPTIONS / HTTP/1.0\r\n\r\n", "OPTIONS * HTTP/1.0\r\n\r\n"] {
        let mut wire = Wire::open(server.address());
        wire.send(asked.as_bytes());
        while wire.fill().expect("an answer") > 0 {}
        let answer = String::from_utf8_lossy(wire.bytes()).into_owned();
        let (line, fields) = answer.split_once("\r\n").expect("a status line");
        assert!(line.ends_with(" 204 No Content"), "{answer}");
        assert!(fields.contains("allow: GET, HEAD, OPTIONS\r\n"), "{answer}");
    }
    let over = request(server.address(), "OPTIONS", "/healthz", &[]);
    assert_eq!((over.status, over.body.len()), (204, 0));
}

/// Goal: a connection serves one request after another, and then becomes a session, also when
/// the upgrade and first frames follow in the same write.
#[test]
fn a_kept_connection_may_become_a_session() {
    let server = Server::start(&["--echo", "--shards", "2"]);
    let address = server.address();
    let get = request_bytes(address, "GET", "/healthz", &[], "keep-alive");
    let mut wire = Wire::open(address);
    for _ in 0..5 {
        wire.send(&get);
        assert_eq!(wire.response("GET").status, 200);
    }
    let mut client = Client::upgrade(wire, address, "/echo");
    client.text("now a session");
    client.expect(TEXT, "now a session");
    client.leave(1000);

    for _ in 0..10 {
        let key = fresh_key();
        let upgrade = handshake(address, "/echo", &key, "").into_bytes();
        let frames = [Outgoing::text("one").bytes(), Outgoing::text("two").bytes()].concat();
        let mut wire = Wire::open(address);
        wire.send(&[get.clone(), get.clone(), upgrade, frames].concat());
        assert_eq!(wire.response("GET").status, 200);
        assert_eq!(wire.response("GET").status, 200);
        let mut client = Client::opened(wire, &key);
        client.expect(TEXT, "one");
        client.expect(TEXT, "two");
    }
    server.await_figure("sessions", |sessions| sessions == 0);
}

/// Goal: a session that came over a kept connection is in the room like any other.
#[test]
fn sessions_of_kept_connections_chat_with_others() {
    let server = Server::start(&["--shards", "2"]);
    let address = server.address();
    let mut first = Client::connect(address, "/ws/kept?presence=0");
    let mut kept: Vec<Client> = (0..10)
        .map(|_| {
            let mut wire = Wire::open(address);
            wire.send(&request_bytes(address, "GET", "/", &[], "keep-alive"));
            assert_eq!(wire.response("GET").status, 200);
            Client::upgrade(wire, address, "/ws/kept?presence=0")
        })
        .collect();
    first.text("to the kept");
    for client in &mut kept {
        client.expect(TEXT, "to the kept");
    }
    kept[0].text("from the kept");
    first.expect(TEXT, "from the kept");
}

/// Goal: the number of a room's members can be asked for, as the page does.
#[test]
fn the_number_of_members_is_told() {
    let server = Server::start(&["--shards", "2"]);
    let address = server.address();
    let members: Vec<Client> = (0..3)
        .map(|_| Client::connect(address, "/ws/a%20room"))
        .collect();
    let _elsewhere = Client::connect(address, "/ws");
    for (target, room, count) in [("/rooms/a%20room", "a room", 3), ("/rooms", "", 1)] {
        let response = request(address, "GET", target, &[]);
        assert_eq!(response.status, 200, "{target}");
        let told: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
        assert_eq!(told, serde_json::json!({"room": room, "members": count}));
    }
    drop(members);
    eventually("a room without members is unknown", PATIENCE, || {
        (request(address, "GET", "/rooms/a%20room", &[]).status == 404).then_some(())
    });
}

/// Goal: a request in single bytes is a request.
#[test]
fn requests_may_come_in_single_bytes() {
    let server = Server::start(&[]);
    let mut wire = Wire::open(server.address());
    for byte in request_bytes(server.address(), "GET", "/healthz", &[], "close") {
        wire.send(&[byte]);
    }
    assert_eq!(wire.response("GET").status, 200);
    wire.expect_end();
}

/// Goal: one process serves several listeners, IPv4 and IPv6, as one server.
#[test]
fn several_listeners_share_their_rooms() {
    let server = Server::start_on(
        &["127.0.0.1:0", "[::1]:0", "127.0.0.1:0"],
        &["--shards", "2"],
    );
    let addresses = server.addresses().to_vec();
    assert_eq!(addresses.len(), 3);
    let mut members: Vec<Client> = addresses
        .iter()
        .map(|address| Client::connect(*address, "/ws/listeners?presence=0"))
        .collect();
    members[1].text("over IPv6");
    members[0].expect(TEXT, "over IPv6");
    members[2].expect(TEXT, "over IPv6");
    for address in addresses {
        assert_eq!(request(address, "GET", "/healthz", &[]).status, 200);
    }
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
