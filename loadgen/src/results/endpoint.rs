//! A small HTTP server from which the figures of a run under way are read (`--prometheus-listen`).
//!
//! One thread, one connection at a time, each bounded in bytes and in time: whoever asks slowly costs
//! the others a moment, and the run nothing.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;

/// The longest request head that is read, in bytes.
const HEAD_BYTES_MAX: usize = 8_192;

/// How long a request may take to come, and its answer to be taken.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long to wait after a connection that could not be taken, such as without descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves one text until the program ends.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// Where it listens.
    pub(super) address: SocketAddr,
    text: Arc<Mutex<String>>,
}

impl Endpoint {
    /// Listens at `[ADDRESS:]PORT`; on loopback if no address is given.
    ///
    /// # Errors
    /// One sentence: what is no address, or can't be listened at.
    pub(super) fn listen(address: &str) -> anyhow::Result<Self> {
        let about = || format!("--prometheus-listen {address}");
        let wanted =
            parse(address).with_context(|| format!("{}: want a port, or ADDRESS:PORT", about()))?;
        let listener = TcpListener::bind(wanted)
            .with_context(|| format!("{}: can't listen there", about()))?;
        let address = listener.local_addr().with_context(about)?;
        let text = Arc::new(Mutex::new(String::new()));
        let shared = Arc::clone(&text);
        thread::Builder::new()
            .name("figures".to_owned())
            .spawn(move || serve(&listener, &shared))
            .context("starting the thread for --prometheus-listen")?;
        Ok(Self { address, text })
    }

    /// What is served from now on.
    pub(super) fn show(&self, text: String) {
        *self.text.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }
}

fn parse(address: &str) -> Option<SocketAddr> {
    if let Ok(port) = address.trim_start_matches(':').parse() {
        return Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    address.parse().ok()
}

fn serve(listener: &TcpListener, text: &Mutex<String>) {
    loop {
        match listener.accept() {
            // Whoever hangs up has no answer.
            Ok((stream, _)) => {
                let _ = answer(stream, text);
            }
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

/// Reads one request and answers it.
fn answer(mut stream: TcpStream, text: &Mutex<String>) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let head = read_head(&mut stream)?;
    let mut words = head.split_ascii_whitespace();
    let (method, target) = (words.next(), words.next().unwrap_or_default());
    let path = target.split('?').next().unwrap_or_default();
    let (status, body) = match (method, path) {
        (Some("GET" | "HEAD"), "/metrics" | "/") => {
            let text = text.lock().unwrap_or_else(PoisonError::into_inner);
            ("200 OK", text.clone())
        }
        (Some("GET" | "HEAD"), _) => ("404 Not Found", "it is at /metrics\n".to_owned()),
        _ => ("405 Method Not Allowed", "GET it\n".to_owned()),
    };
    let mut response = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: {}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
        body.len()
    );
    if method != Some("HEAD") {
        response.push_str(&body);
    }
    stream.write_all(response.as_bytes())
}

/// The head of a request, as far as it comes in time.
fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    let begun = Instant::now();
    let (mut head, mut chunk) = (Vec::new(), [0; 1_024]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
        let left = PATIENCE.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut chunk)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => head.extend_from_slice(&chunk[..count]),
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Goal: what is shown is what is served, on loopback, and nothing else is answered with it.
    #[test]
    fn the_text_is_served() {
        let endpoint = Endpoint::listen("0").unwrap();
        assert!(endpoint.address.ip().is_loopback());
        endpoint.show("fanload_a 1\n".to_owned());
        let get = |path: &str| ask(endpoint.address, &format!("GET {path} HTTP/1.1\r\n\r\n"));
        let answer = get("/metrics?x=1");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("Content-Length: 12\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\nfanload_a 1\n"), "{answer}");
        endpoint.show("fanload_a 2\n".to_owned());
        assert!(get("/").ends_with("fanload_a 2\n"));
        assert!(get("/elsewhere").starts_with("HTTP/1.1 404"));
        let head = ask(endpoint.address, "HEAD / HTTP/1.1\r\n\r\n");
        assert!(head.ends_with("\r\n\r\n"), "{head}");
        let post = ask(endpoint.address, "POST / HTTP/1.1\r\n\r\n");
        assert!(post.starts_with("HTTP/1.1 405"), "{post}");
    }

    /// Goal: whoever says nothing, or does not stop, keeps nobody else from an answer.
    #[test]
    fn bad_guests_are_shown_out() {
        let endpoint = Endpoint::listen(":0").unwrap();
        endpoint.show("fine\n".to_owned());
        let _silent = TcpStream::connect(endpoint.address).unwrap();
        let mut endless = TcpStream::connect(endpoint.address).unwrap();
        endless.write_all(&[b'x'; 2 * HEAD_BYTES_MAX]).unwrap();
        let answer = ask(endpoint.address, "GET /metrics HTTP/1.1\r\n\r\n");
        assert!(answer.ends_with("fine\n"), "{answer}");
    }

    /// Goal: addresses are taken with and without a host, and others refused with what is wanted.
    #[test]
    fn addresses_are_read() {
        assert_eq!(parse("9100"), parse("127.0.0.1:9100"));
        assert_eq!(parse("[::1]:9100"), Some("[::1]:9100".parse().unwrap()));
        let error = format!("{:#}", Endpoint::listen("nonsense").unwrap_err());
        assert!(error.contains("want a port"), "{error}");
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let error = format!("{:#}", Endpoint::listen(&address).unwrap_err());
        assert!(error.contains("can't listen there"), "{error}");
    }
}
