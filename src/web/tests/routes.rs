//! Goal: every address answers as the table in `routes` says, with the headers that keep a
//! browser in check, and slow or excess connections end by themselves.

use std::io::Read;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use super::harness::{Server, wait_until};
use crate::config::Config;

/// Goal: the figures of the backend stand in the health answer, which nobody may keep.
#[test]
fn tells_its_health() {
    let server = Server::embedded();
    let answer = server.get("/healthz");
    let health = answer.json();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(health["status"], "ok");
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(health["sessions"], 3);
    assert_eq!(health["operations"], 0);
    assert_eq!(health["http_connections"], 1);
    let head = server.ask("HEAD", "/healthz", "");
    assert_eq!(
        (head.status, head.header("content-type")),
        (200, "application/json")
    );
}

/// Goal: rooms go by their decoded name; the one of plain `/ws` has the empty name.
#[test]
fn counts_members() {
    let server = Server::embedded();
    for path in ["/rooms", "/rooms/"] {
        let answer = server.get(path);
        assert_eq!(
            answer.json(),
            serde_json::json!({"room": "", "members": 2}),
            "{path}"
        );
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    let tea = server.get("/rooms/tea%20%c3%a9");
    assert_eq!(
        tea.json(),
        serde_json::json!({"room": "tea é", "members": 7})
    );
    let none = server.get("/rooms/none");
    assert_eq!(none.status, 404);
    assert_eq!(none.json()["members"], 0);
    let hidden = server.get("/rooms/.tea");
    assert_eq!(
        hidden.json(),
        serde_json::json!({"room": ".tea", "members": 1})
    );
    for path in ["/rooms/a/b", "/rooms/a%2Fb", "/rooms/%zz", "/rooms/%ff"] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
}

/// Goal: who may not know who is in a room is refused, and the token is taken from wherever it may stand.
#[test]
fn closed_rooms_are_not_told_of() {
    let server = Server::embedded();
    assert_eq!(server.get("/rooms/$closed?token=good").json()["members"], 3);
    let forbidden = server.get("/rooms/%24closed");
    assert_eq!(forbidden.status, 403);
    assert!(
        forbidden.text().contains("allow_plain"),
        "{}",
        forbidden.text()
    );
    let bad = server.get("/rooms/$closed?token=bad");
    assert_eq!(
        (bad.status, bad.header("www-authenticate")),
        (401, "Bearer")
    );
}

/// Goal: the embedded page is complete, is confirmed by its tag, and allows nothing foreign or
/// inline.
#[test]
fn serves_the_embedded_page() {
    let server = Server::embedded();
    let table = [
        ("/", "text/html; charset=utf-8"),
        ("/index.html", "text/html; charset=utf-8"),
        ("/?room=tea", "text/html; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/view.js", "text/javascript; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/favicon.svg", "image/svg+xml"),
    ];
    for (path, content_type) in table {
        let answer = server.get(path);
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, content_type),
            "{path}"
        );
        assert!(!answer.body.is_empty());
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self';"),
            "{policy}"
        );
        assert!(policy.ends_with("frame-ancestors 'none'"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        let fields = format!("If-None-Match: {}\r\n", answer.header("etag"));
        let again = server.ask("GET", path, &fields);
        assert_eq!(
            (again.status, again.header("etag")),
            (304, answer.header("etag"))
        );
        let head = server.ask("HEAD", path, "");
        assert_eq!(head.header("content-length"), answer.body.len().to_string());
    }
    let page = server.get("/");
    assert!(!page.text().contains("<style") && !page.text().contains(" style="));
    for part in ["href=\"/", "src=\"/"] {
        assert!(
            !page.text().contains(part),
            "{part} leads out of a proxy's path"
        );
    }
    let scripts = page.text().matches("<script").count();
    assert_eq!(
        page.text().matches("<script src=").count(),
        scripts,
        "no inline script"
    );
}

/// Goal: what is not there says so in HTML, with the same protection.
#[test]
fn says_what_is_not_there() {
    let server = Server::embedded();
    for path in [
        "/nothing",
        "/../etc/passwd",
        "/%2e%2e/app.js",
        "//app.js",
        "/app.js/",
        "/healthz/",
        "/%ff",
    ] {
        let answer = server.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        assert!(
            answer
                .header("content-security-policy")
                .starts_with("default-src 'none'")
        );
    }
    // The way back is right wherever a proxy shows the server.
    let many = "/x".repeat(100);
    let ways = [
        ("/nothing", "./"),
        ("/a/nothing", "../"),
        ("/a/b/", "../../"),
        (many.as_str(), "/"),
    ];
    for (path, start) in ways {
        let link = format!("href=\"{start}\"");
        let answer = server.get(path);
        assert!(answer.text().contains(&link), "{path}: {}", answer.text());
    }
    let post = server.ask("POST", "/", "Content-Length: 3\r\n");
    assert_eq!(
        (post.status, post.header("allow")),
        (405, "GET, HEAD, OPTIONS")
    );
    for path in ["/ws", "/ws/tea"] {
        let answer = server.get(path);
        assert_eq!(
            (answer.status, answer.header("upgrade")),
            (426, "websocket"),
            "{path}"
        );
    }
}

/// Goal: every path says which methods there are, to load balancers that ask with HTTP/1.0 and no
/// Host too, and a conditional request for the page is one.
#[test]
fn answers_options() {
    let server = Server::embedded();
    for request in [
        "OPTIONS / HTTP/1.0\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS /nothing HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS /../x HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let mut client = server.connect();
        client.send(request);
        let answer = client.receive("OPTIONS");
        assert_eq!(
            (answer.status, answer.header("allow")),
            (204, "GET, HEAD, OPTIONS"),
            "{request}"
        );
        assert_eq!(answer.header("content-length"), "");
    }
    let stale = server.ask("GET", "/app.js", "If-Match: \"x\"\r\n");
    assert_eq!(stale.status, 412);
}

/// Goal: connections stay open over answers and refusals, and requests sent at once are answered in
/// turn.
#[test]
fn keeps_connections_and_their_order() {
    let server = Server::embedded();
    let mut client = server.connect();
    for path in ["/", "/healthz", "/nothing", "/app.js"] {
        client.send(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_ne!(client.receive("GET").status, 400, "{path}");
    }
    let requests = ["/rooms", "/nothing", "/healthz", "/rooms/tea%20%C3%A9"];
    let sent = requests.map(|path| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
    client.send(&sent.concat());
    assert_eq!(
        requests.map(|_| client.receive("GET").status),
        [200, 404, 200, 200]
    );
}

/// Goal: a client that closes its side after asking still gets its answer.
#[test]
fn answers_a_half_closed_client() {
    let server = Server::embedded();
    let mut client = server.connect();
    client.send("GET /rooms HTTP/1.0\r\n\r\n");
    client.stream.shutdown(Shutdown::Write).unwrap();
    let answer = client.rest();
    assert!(
        answer.ends_with(b"{\"members\":2,\"room\":\"\"}"),
        "{answer:?}"
    );
}

/// Goal: a head that is malformed or too large goes to a shard, which refuses it as on any
/// connection.
#[test]
fn leaves_bad_heads_to_a_shard() {
    let server = Server::embedded();
    let large = "x".repeat(64 << 10);
    for request in [
        "GET  HTTP/1.1\r\n\r\n",
        &format!("GET / HTTP/1.1\r\nHost: a\r\nA: {large}\r\n\r\n"),
        &format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(101)),
        "\u{16}\u{3}\u{1}",
    ] {
        let mut client = server.connect();
        client.send("GET /rooms HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.receive("GET").status, 200);
        client.send(request);
        let (_, bytes) = server.adopted();
        assert!(request.as_bytes().starts_with(&bytes));
    }
}

/// Goal: the answer to a request with a body is the connection's last, because the next request
/// begins where nobody looks for its head.
#[test]
fn ends_after_a_body() {
    let server = Server::embedded();
    let mut client = server.connect();
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /ws HTTP/1.1\r\n\r\n");
    let answer = client.receive("POST");
    assert_eq!((answer.status, answer.header("connection")), (405, "close"));
    assert!(client.rest().is_empty());
}

const SHORT: Duration = Duration::from_millis(300);

/// Goal: a head that never ends is answered 408 at its own deadline, while a connection without any
/// waits on.
#[test]
fn ends_slow_heads() {
    let config = Config {
        head_timeout: SHORT,
        ..Config::default()
    };
    let server = Server::start(config);
    let mut idle = server.connect();
    let mut slow = server.connect();
    for client in [&mut idle, &mut slow] {
        client.send("GET /rooms HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.receive("GET").status, 200);
    }
    let start = Instant::now();
    slow.send("GET / HT");
    let answer = slow.receive("GET");
    assert_eq!((answer.status, answer.header("connection")), (408, "close"));
    assert!(answer.text().contains("did not arrive in time: send it"));
    assert!(slow.rest().is_empty());
    assert!(start.elapsed() >= SHORT / 2, "{:?}", start.elapsed());
    idle.send("GET /rooms HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(idle.receive("GET").status, 200);
}

/// Goal: a connection without requests is closed by a deadline of its own.
#[test]
fn ends_idle_connections() {
    let config = Config {
        http_keep_alive: SHORT,
        ..Config::default()
    };
    let server = Server::start(config);
    let mut idle = server.connect();
    let start = Instant::now();
    idle.send("GET /rooms HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(idle.receive("GET").status, 200);
    assert!(idle.rest().is_empty());
    assert!(start.elapsed() >= SHORT, "{:?}", start.elapsed());
}

/// Goal: a client that does not take its answer is given up.
#[test]
fn ends_stalled_answers() {
    let outer = tempfile::TempDir::new().unwrap();
    let huge = std::fs::File::create(outer.path().join("huge.bin")).unwrap();
    huge.set_len(1 << 30).unwrap();
    let config = Config {
        http_stall_timeout: SHORT,
        static_dir: Some(outer.path().to_owned()),
        ..Config::default()
    };
    let server = Server::start(config);
    let mut stalled = server.connect();
    stalled.send("GET /huge.bin HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until(|| server.get("/healthz").json()["http_connections"] == 1);
    let mut received = Vec::new();
    // A reset ends it as well.
    let _ = stalled.stream.read_to_end(&mut received);
    assert!(received.len() < 1 << 30);
}
