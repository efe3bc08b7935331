//! TLS: what a run looks like through it, and what is said when it can't be.
//!
//! The certificates in `loadgen/tests/run/tls` are good from 2020 to 2119: an authority of its own, whose key is gone, and
//! a server's for `localhost` and 127.0.0.1.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use serde_json::Value;

use crate::server::{Fault, Server};

/// How long the last words may take to be heard, after the program that said them has gone.
const PATIENCE: Duration = Duration::from_secs(20);

fn file(name: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/run/tls");
    PathBuf::from(folder).join(name)
}

/// Speaks TLS in front of a server, until the connections end.
struct Front {
    address: SocketAddr,
    /// Connections that were told that they end.
    goodbyes: Arc<AtomicUsize>,
}

impl Front {
    fn start(server: SocketAddr) -> Self {
        let chain = CertificateDer::pem_file_iter(file("server.pem")).unwrap();
        let chain = chain.map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(file("server-key.pem")).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let goodbyes = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&goodbyes);
        thread::spawn(move || {
            for client in listener.incoming() {
                let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
                pass(
                    client.unwrap(),
                    TcpStream::connect(server).unwrap(),
                    tls,
                    &count,
                );
            }
        });
        Self { address, goodbyes }
    }
}

/// Passes everything on in both directions.
fn pass(client: TcpStream, server: TcpStream, tls: ServerConnection, goodbyes: &Arc<AtomicUsize>) {
    let tls = Arc::new(Mutex::new(tls));
    for stream in [&client, &server] {
        stream.set_nodelay(true).unwrap();
    }
    let ways = [(); 2].map(|()| {
        let (client, server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        (client, server, Arc::clone(&tls))
    });
    let [
        (in_client, in_server, in_tls),
        (out_client, out_server, out_tls),
    ] = ways;
    let goodbyes = Arc::clone(goodbyes);
    thread::spawn(move || inwards(in_client, in_server, &in_tls, &goodbyes));
    thread::spawn(move || outwards(out_client, out_server, &out_tls));
}

fn inwards(
    mut client: TcpStream,
    mut server: TcpStream,
    tls: &Mutex<ServerConnection>,
    goodbyes: &AtomicUsize,
) {
    let mut chunk = vec![0; 65_536];
    while let Some(count) = client.read(&mut chunk).ok().filter(|&count| count > 0) {
        let mut bytes = &chunk[..count];
        let mut tls = tls.lock().unwrap();
        while !bytes.is_empty() {
            tls.read_tls(&mut bytes).unwrap();
            let Ok(state) = tls.process_new_packets() else {
                break;
            };
            let mut opened = vec![0; state.plaintext_bytes_to_read()];
            tls.reader().read_exact(&mut opened).unwrap();
            let _ = server.write_all(&opened);
            if state.peer_has_closed() {
                goodbyes.fetch_add(1, Ordering::Relaxed);
            }
        }
        while tls.wants_write() {
            if tls.write_tls(&mut client).is_err() {
                return;
            }
        }
    }
    let _ = server.shutdown(Shutdown::Both);
}

fn outwards(mut client: TcpStream, mut server: TcpStream, tls: &Mutex<ServerConnection>) {
    let mut chunk = vec![0; 65_536];
    while let Some(count) = server.read(&mut chunk).ok().filter(|&count| count > 0) {
        let mut tls = tls.lock().unwrap();
        for part in chunk[..count].chunks(16_384) {
            tls.writer().write_all(part).unwrap();
            while tls.wants_write() {
                if tls.write_tls(&mut client).is_err() {
                    return;
                }
            }
        }
    }
    let mut tls = tls.lock().unwrap();
    tls.send_close_notify();
    while tls.wants_write() && tls.write_tls(&mut client).is_ok() {}
    let _ = client.shutdown(Shutdown::Write);
}

/// Runs `fanload` with these flags: exit code, what it printed, and its report if it made one.
fn fanload(flags: &[&str]) -> (i32, String, Value) {
    let name = format!(
        "fanload-secure-{}-{:?}.json",
        std::process::id(),
        thread::current().id()
    );
    let report = std::env::temp_dir().join(name);
    let output = Command::new(env!("CARGO_BIN_EXE_fanload"))
        .args(["--quiet", "--lag-max", "60000", "--json"])
        .arg(&report)
        .args(flags)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let json = std::fs::read(&report).unwrap_or_default();
    let _ = std::fs::remove_file(&report);
    (
        output.status.code().unwrap(),
        String::from_utf8(text).unwrap(),
        serde_json::from_slice(&json).unwrap_or_default(),
    )
}

/// Goal: a load through TLS is complete in both directions, with messages over many records, and every connection ends
/// with goodbyes of WebSocket and of TLS.
#[test]
fn loads_go_through_tls() {
    let server = Server::start(Fault::None);
    let front = Front::start(server.address);
    let target = format!("wss://localhost:{}/ws?presence=0", front.address.port());
    let authority = file("authority.pem");
    let flags = [
        "--target",
        &target,
        "--ca",
        authority.to_str().unwrap(),
        "--subscribers",
        "6",
        "--publishers",
        "2",
        "--rate",
        "40",
        "--size",
        "64,300000",
        "--duration",
        "1",
        "--warmup",
        "0.2",
        "--drain",
        "10",
    ];
    let (code, text, report) = fanload(&flags);
    assert_eq!(code, 0, "{text}");
    assert_eq!(report["counts"]["delivered"], 48 * 6, "{text}");
    assert_eq!(report["sessions"]["opened"], 8);
    let address = format!("wss://localhost:{}", front.address.port());
    assert_eq!(report["target"]["address"], address.as_str());
    assert_eq!(server.goodbyes(), [1000; 8]);
    let started = Instant::now();
    while front.goodbyes.load(Ordering::Relaxed) < 8 {
        assert!(started.elapsed() < PATIENCE, "TLS ended without a word");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Goal: whoever is not trusted is told as that, by the name of the flags that help, and anybody is if asked for.
#[test]
fn strangers_are_refused() {
    let server = Server::start(Fault::None);
    let front = Front::start(server.address);
    let target = format!("wss://{}/ws", front.address);
    let flags = ["--target", &target, "--idle", "2", "--hold", "0.1"];
    let own = file("authority.pem");
    let stranger = file("server.pem");
    let trusting = |trust: &[&str]| fanload(&[&flags[..], trust].concat());
    let (code, text, _) = trusting(&["--ca", own.to_str().unwrap()]);
    assert_eq!(code, 0, "{text}");
    let (code, text, _) = trusting(&["--ca", stranger.to_str().unwrap()]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("--insecure trusts anybody"), "{text}");
    let (code, text, _) = trusting(&["--insecure"]);
    assert_eq!(code, 0, "{text}");
}

/// Goal: TLS where there is none, and none where there is, are each one sentence that names the right scheme.
#[test]
fn the_wrong_scheme_is_told() {
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = plain.local_addr().unwrap();
    thread::spawn(move || {
        for client in plain.incoming() {
            let _ = client
                .unwrap()
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let flags = ["--idle", "1", "--insecure", "--target"];
    let (code, text, _) = fanload(&[&flags[..], &[&format!("wss://{address}")]].concat());
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("want ws://"), "{text}");
    let front = Front::start(Server::start(Fault::None).address);
    let target = format!("ws://{}", front.address);
    let (code, text, _) = fanload(&["--idle", "1", "--target", &target]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("want wss://"), "{text}");
}
