//! Keys over real sockets: what their keeper makes of the answers of an endpoint.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use fanring::auth::jwks::cache::{Cause, KeyNews};
use fanring::auth::jwks::endpoint::Endpoint;
use fanring::auth::jwks::keeper::Keeper;
use fanring::auth::settings::Section;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};

/// A certificate for localhost and 127.0.0.1, its key, and the certificate that signed it.
const CERTIFICATE: &[u8] = include_bytes!("../src/auth/testing/tls_server.pem");
const CERTIFICATE_KEY: &[u8] = include_bytes!("../src/auth/testing/tls_server_key.pem");
const ROOT: &[u8] = include_bytes!("../src/auth/testing/tls_root.pem");

/// A wait gives up only after a time that no machine needs.
const PATIENCE: Duration = Duration::from_secs(120);

/// An endpoint that gives every connection the same bytes, until they are changed.
struct Issuer {
    address: SocketAddr,
    /// `None` leaves them without an answer.
    answer: Arc<Mutex<Option<Vec<u8>>>>,
    requests: Arc<AtomicUsize>,
}

impl Issuer {
    fn start(answer: &str) -> Self {
        Self::serve(answer, None)
    }

    fn serve(answer: &str, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let answer = Arc::new(Mutex::new(Some(answer.as_bytes().to_vec())));
        let requests = Arc::new(AtomicUsize::new(0));
        let (given, counted) = (Arc::clone(&answer), Arc::clone(&requests));
        thread::spawn(move || {
            let mut silent = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let answer = given.lock().expect("no panic").clone();
                match (&tls, answer) {
                    (_, None) => {
                        counted.fetch_add(1, Ordering::Relaxed);
                        silent.push(stream);
                    }
                    (None, Some(answer)) => {
                        read_head(&mut stream);
                        counted.fetch_add(1, Ordering::Relaxed);
                        // Who has read enough goes away.
                        let _ = stream.write_all(&answer);
                    }
                    (Some(tls), Some(answer)) => {
                        let mut connection = ServerConnection::new(Arc::clone(tls)).expect("TLS");
                        let mut stream = Stream::new(&mut connection, &mut stream);
                        if read_head(&mut stream) {
                            counted.fetch_add(1, Ordering::Relaxed);
                            let _ = stream.write_all(&answer);
                            stream.conn.send_close_notify();
                            let _ = stream.flush();
                        }
                    }
                }
            }
        });
        Self {
            address,
            answer,
            requests,
        }
    }

    fn change(&self, answer: Option<String>) {
        *self.answer.lock().expect("no panic") = answer.map(String::into_bytes);
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    fn endpoint(&self, scheme: &str) -> Endpoint {
        let url = format!("{scheme}://{}/jwks.json", self.address);
        Endpoint::parse(&url).expect("a URL")
    }

    /// A keeper of these keys, and what it tells.
    fn keeper(&self) -> (Keeper, Receiver<KeyNews>) {
        let (told, news) = channel();
        let tell = move |news| {
            let _ = told.send(news);
        };
        let keeper = Keeper::start(Section::Connection, self.endpoint("http"), tell);
        (keeper.expect("a thread"), news)
    }
}

/// Whether a whole request head came.
fn read_head(stream: &mut impl Read) -> bool {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if !stream.read(&mut byte).is_ok_and(|count| count == 1) {
            return false;
        }
        head.push(byte[0]);
    }
    head.starts_with(b"GET /jwks.json HTTP/1.1\r\n")
}

fn key_set(names: &[&str]) -> String {
    let key = |name: &&str| {
        serde_json::json!({
            "kty": "EC", "crv": "P-256", "kid": name, "alg": "ES256", "use": "sig",
            "x": "tlK3A4ODGOzodgcnbmA32PduXuKl_7kU-hD3r2lv2mA",
            "y": "Fl2B4urJ1WontP6tNV6bJPOgBWFQr__1fSFJ2bK4p9U",
        })
    };
    serde_json::json!({ "keys": names.iter().map(key).collect::<Vec<_>>() }).to_string()
}

fn response(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

fn keys(names: &[&str]) -> String {
    response("200 OK", &key_set(names))
}

fn next(news: &Receiver<KeyNews>) -> KeyNews {
    news.recv_timeout(PATIENCE).expect("news in time")
}

/// What is told when the endpoint is there again.
fn recovered(news: &Receiver<KeyNews>) -> KeyNews {
    loop {
        let told = next(news);
        if told.is_fresh {
            return told;
        }
    }
}

/// Goal: keys are fetched at the start without being asked for, a new one as soon as it is asked for, and
/// what answers one tells all.
#[test]
fn keys_are_fetched_and_rotated() {
    let issuer = Issuer::start(&keys(&["a"]));
    let (keeper, news) = issuer.keeper();
    let first = next(&news);
    assert!(first.is_fresh && first.keys.knows("a"));
    assert_eq!((first.cause, first.settled_seconds), (Cause::Schedule, 0));
    issuer.change(Some(keys(&["b"])));
    keeper.ask("b");
    let second = next(&news);
    assert!(second.is_fresh && second.keys.knows("b") && !second.keys.knows("a"));
    assert_eq!(second.cause, Cause::Question);
    assert!((1..=30).contains(&second.settled_seconds), "{second:?}");
    // A key that is known is no reason to ask the endpoint.
    keeper.ask("b");
    assert!(next(&news).keys.knows("b"));
    assert_eq!(issuer.requests(), 2);
}

/// Goal: ten thousand names that nobody has make one request.
#[test]
fn made_up_names_make_one_request() {
    let issuer = Issuer::start(&keys(&["a"]));
    let (keeper, news) = issuer.keeper();
    next(&news);
    for name in 0..10_000 {
        keeper.ask(&format!("made up {name}"));
    }
    // The thread ends once all that was asked is answered.
    drop(keeper);
    let told: Vec<KeyNews> = news.iter().collect();
    assert!(!told.is_empty());
    assert!(
        told.iter()
            .all(|news| news.settled_seconds > 0 && news.keys.knows("a"))
    );
    assert_eq!(
        issuer.requests(),
        2,
        "one at the start, and one for all of them"
    );
}

/// Goal: whatever an endpoint answers instead of keys costs no key that is known, and the keeper goes on by
/// itself until the endpoint is there again.
#[test]
fn bad_answers_forget_nothing() {
    let large = response("200 OK", &" ".repeat(600 << 10));
    let endless = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned()
        + &format!("10000\r\n{}\r\n", " ".repeat(0x10000)).repeat(10);
    let cut = keys(&["b"]).replace("Content-Length: ", "Content-Length: 9");
    let answers = [
        response("500 Internal Server Error", &key_set(&["b"])),
        response("404 Not Found", ""),
        response("200 OK", "<html>"),
        response("200 OK", "{\"keys\":[]}"),
        response("302 Found\r\nLocation: http://127.0.0.1:1/", ""),
        String::new(),
        "no HTTP\r\n\r\n".to_owned(),
        large,
        endless,
        cut,
    ];
    let mut scenes = Vec::new();
    for answer in answers {
        let issuer = Issuer::start(&keys(&["a"]));
        let (keeper, news) = issuer.keeper();
        assert!(next(&news).is_fresh);
        let start: String = answer.chars().take(60).collect();
        issuer.change(Some(answer));
        keeper.ask("b");
        scenes.push((issuer, keeper, news, start));
    }
    for (issuer, _, news, start) in &scenes {
        let told = next(news);
        assert!(
            !told.is_fresh && told.keys.knows("a") && !told.keys.knows("b"),
            "{start}"
        );
        assert!(told.settled_seconds > 0, "{start}");
        issuer.change(Some(keys(&["b"])));
    }
    for (_, _, news, start) in &scenes {
        assert!(recovered(news).keys.knows("b"), "{start}");
    }
}

/// Goal: an endpoint that takes the connection and says nothing is given up in time for those who wait.
#[test]
fn a_silent_endpoint_is_given_up() {
    let issuer = Issuer::start("");
    issuer.change(None);
    let (_keeper, news) = issuer.keeper();
    let told = next(&news);
    assert!(!told.is_fresh && issuer.requests() == 1);
    issuer.change(Some(keys(&["a"])));
    assert!(recovered(&news).keys.knows("a"));
}

/// Goal: an endpoint that nobody listens at is an outage, too.
#[test]
fn an_absent_endpoint_is_an_outage() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let (told, news) = channel();
    let endpoint = Endpoint::parse(&format!("http://{address}/")).expect("a URL");
    let tell = move |news| {
        let _ = told.send(news);
    };
    let _keeper = Keeper::start(Section::Subscription, endpoint, tell).expect("a thread");
    let told = next(&news);
    assert!(!told.is_fresh);
    assert_eq!(told.section, Section::Subscription);
}

fn tls() -> Arc<ServerConfig> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(CERTIFICATE)
        .collect::<Result<_, _>>()
        .expect("certificates");
    let key = PrivateKeyDer::from_pem_slice(CERTIFICATE_KEY).expect("a key");
    let provider = Arc::new(ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(certificates, key);
    Arc::new(config.expect("a certificate and its key"))
}

/// What is told first of keys over HTTPS, with servers trusted by these certificates.
fn over_tls(issuer: &Issuer, roots: &[CertificateDer<'static>]) -> KeyNews {
    let (told, news) = channel();
    let tell = move |news| {
        let _ = told.send(news);
    };
    let endpoint = issuer.endpoint("https");
    let _keeper = Keeper::trusting(roots, Section::Connection, endpoint, tell).expect("a thread");
    next(&news)
}

/// Goal: over HTTPS, keys come from a server that is trusted, and from no other.
#[test]
fn only_trusted_servers_give_keys() {
    let issuer = Issuer::serve(&keys(&["a"]), Some(tls()));
    let root = CertificateDer::from_pem_slice(ROOT).expect("a certificate");
    assert!(over_tls(&issuer, &[root]).keys.knows("a"));
    let other = CertificateDer::from_pem_slice(CERTIFICATE).expect("a certificate");
    for roots in [vec![], vec![other]] {
        let told = over_tls(&issuer, &roots);
        assert!(!told.is_fresh && !told.keys.knows("a"));
    }
    assert_eq!(issuer.requests(), 1);
}

/// Goal: no redirect leads from HTTPS to a server that anybody on the way could be.
#[test]
fn a_redirect_in_the_clear_is_not_followed() {
    let clear = Issuer::start(&keys(&["a"]));
    let location = format!("302 Found\r\nLocation: http://{}/jwks.json", clear.address);
    let issuer = Issuer::serve(&response(&location, ""), Some(tls()));
    let root = CertificateDer::from_pem_slice(ROOT).expect("a certificate");
    let told = over_tls(&issuer, &[root]);
    assert!(!told.is_fresh && !told.keys.knows("a"));
    assert_eq!((issuer.requests(), clear.requests()), (1, 0));
    drop(TcpStream::connect(clear.address).expect("it is there"));
}
