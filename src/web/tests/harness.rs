//! A site on a thread of its own, a client for it, and what the site gave back to its shards.

use std::future::Future;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::config::Config;
use crate::web::http::connection::serve;
use crate::web::http::responder::Responder;
use crate::web::public::site::{Backend, Members, Site};

/// Longer than anything here takes, so that a hang is a failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks until the answer is yes; a request to the server in between is all the pause it needs.
pub(super) fn wait_until(mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain");
    }
}

/// A connection the site gave back.
pub(super) type Adopted = (OwnedFd, Vec<u8>);

struct Shards(Sender<Adopted>);

impl Backend for Shards {
    fn adopt(&self, socket: OwnedFd, bytes: Vec<u8>) {
        self.0
            .send((socket, bytes))
            .expect("the test waits for this");
    }

    fn health(&self) -> Vec<(&'static str, u64)> {
        vec![("sessions", 3), ("operations", 0)]
    }

    fn members(&self, room: &str, token: Option<String>) -> impl Future<Output = Members> {
        let members = match (room, token.as_deref()) {
            ("", _) => Members::Count(2),
            ("tea é", _) => Members::Count(7),
            (".tea", _) => Members::Count(1),
            ("$closed", Some("good")) => Members::Count(3),
            ("$closed", Some(_)) => Members::Refused(401),
            ("$closed", None) => Members::Refused(403),
            _ => Members::NoRoom,
        };
        async move {
            tokio::task::yield_now().await;
            members
        }
    }
}

/// A running site; dropping it ends its thread.
pub(super) struct Server {
    address: SocketAddr,
    adopted: Receiver<Adopted>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(super) fn embedded() -> Self {
        Self::start(Config::default())
    }

    pub(super) fn with_folder(folder: &Path) -> Self {
        Self::start(Config {
            static_dir: Some(folder.to_owned()),
            ..Config::default()
        })
    }

    pub(super) fn start(config: Config) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (adopt, adopted) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let site = Rc::new(Site::new(Shards(adopt), Arc::new(config)).unwrap());
            tokio_uring::start(async {
                let accepting = tokio_uring::spawn(accept(Rc::clone(&site), listener));
                // A dropped sender stops the site as well.
                let _ = stopped.await;
                accepting.abort();
                site.reception().stop();
                // Reads of files are submitted only when the thread has nothing else to do.
                while site.reception().is_busy() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
        });
        Self {
            address,
            adopted,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(super) fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Client {
            stream,
            ahead: Vec::new(),
        }
    }

    /// One request on a connection of its own. `fields` are lines ending in CRLF.
    pub(super) fn ask(&self, method: &str, path: &str, fields: &str) -> Answer {
        let mut client = self.connect();
        client.send(&format!(
            "{method} {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"
        ));
        client.receive(method)
    }

    pub(super) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "")
    }

    /// The next connection given back to the shards.
    pub(super) fn adopted(&self) -> Adopted {
        self.adopted
            .recv_timeout(PATIENCE)
            .expect("nothing was handed back")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let result = thread.join();
            assert!(
                result.is_ok() || std::thread::panicking(),
                "the site's thread panicked"
            );
        }
    }
}

/// Reads one request head of each new connection as a shard would, then hands it over blocking.
async fn accept(site: Rc<Site<Shards>>, listener: TcpListener) {
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let site = Rc::clone(&site);
        tokio_uring::spawn(async move {
            let mut head = Vec::new();
            while !head.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
                stream.readable().await.unwrap();
                let mut byte = [0];
                match stream.try_read(&mut byte) {
                    Ok(1) => head.push(byte[0]),
                    Ok(_) => return,
                    Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
                }
            }
            let stream = stream.into_std().unwrap();
            stream.set_nonblocking(false).unwrap();
            serve(site, stream.into(), head).await;
        });
    }
}

/// A raw HTTP/1.1 client.
pub(super) struct Client {
    pub(super) stream: TcpStream,
    ahead: Vec<u8>,
}

impl Client {
    pub(super) fn send(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).unwrap();
    }

    /// The answer to a request with `method`.
    pub(super) fn receive(&mut self, method: &str) -> Answer {
        let end = loop {
            if let Some(end) = self.ahead.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            self.fill();
        };
        let head = String::from_utf8(self.ahead.drain(..end).collect()).unwrap();
        let mut answer = Answer::parse(&head);
        let has_body = method != "HEAD" && !matches!(answer.status, 101 | 204 | 304);
        if has_body {
            let length = answer.header("content-length").parse().unwrap();
            while self.ahead.len() < length {
                self.fill();
            }
            answer.body = self.ahead.drain(..length).collect();
        }
        answer
    }

    /// Everything until the connection ends, beyond the answers already received.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        self.stream.read_to_end(&mut self.ahead).unwrap();
        std::mem::take(&mut self.ahead)
    }

    fn fill(&mut self) {
        let mut buffer = [0; 16 << 10];
        let count = self.stream.read(&mut buffer).unwrap();
        assert_ne!(
            count,
            0,
            "closed after {:?}",
            String::from_utf8_lossy(&self.ahead)
        );
        self.ahead.extend_from_slice(&buffer[..count]);
    }
}

/// An answer taken apart.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    fn parse(head: &str) -> Self {
        let mut lines = head.trim_end().split("\r\n");
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        });
        Self {
            status,
            headers: headers.collect(),
            body: Vec::new(),
        }
    }

    /// The value of a header that occurs once; empty if it does not occur.
    pub(super) fn header(&self, name: &str) -> &str {
        let mut values = self.headers.iter().filter(|header| header.0 == name);
        let value = values.next().map_or("", |header| &header.1);
        assert_eq!(values.next(), None, "{name} occurs twice");
        value
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(super) fn json(&self) -> serde_json::Value {
        assert_eq!(self.header("content-type"), "application/json");
        serde_json::from_slice(&self.body).unwrap()
    }
}
