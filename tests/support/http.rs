//! A blocking connection with its receive buffer, and the HTTP/1.1 a test needs on it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::wait::PATIENCE;

/// A connection and the bytes that were read from it but not yet taken.
#[derive(Debug)]
pub(crate) struct Wire {
    /// The connection; reads and writes give up after [`PATIENCE`].
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
}

impl Wire {
    /// Connects.
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("a connection");
        Self::over(stream)
    }

    /// Takes over a connected socket.
    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("TCP_NODELAY");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a read timeout");
        stream
            .set_write_timeout(Some(PATIENCE))
            .expect("a write timeout");
        Self {
            stream,
            buffer: Vec::new(),
            start: 0,
        }
    }

    /// The bytes read and not yet taken.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Takes the first `count` bytes.
    pub(crate) fn take(&mut self, count: usize) {
        self.start += count;
        assert!(self.start <= self.buffer.len(), "took more than was read");
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        }
    }

    /// Reads once more; 0 is the end of the stream.
    ///
    /// # Errors
    /// Those of the socket, `WouldBlock` when nothing came for [`PATIENCE`].
    pub(crate) fn fill(&mut self) -> io::Result<usize> {
        let mut chunk = [0; 64 << 10];
        let count = self.stream.read(&mut chunk)?;
        self.buffer.extend_from_slice(&chunk[..count]);
        Ok(count)
    }

    /// Writes all of `bytes`.
    #[track_caller]
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream
            .write_all(bytes)
            .expect("the server takes what is sent");
    }

    /// Writes `bytes` to a server that may already have closed the connection.
    pub(crate) fn offer(&mut self, bytes: &[u8]) {
        match self.stream.write_all(bytes) {
            Ok(()) => {}
            Err(error) => assert!(
                matches!(
                    error.kind(),
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
                ),
                "sending: {error}"
            ),
        }
    }

    /// Reads up to the end of a response's head and takes it.
    #[track_caller]
    pub(crate) fn response_head(&mut self) -> Response {
        loop {
            if let Some(end) = self.bytes().windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8(self.bytes()[..end].to_vec()).expect("an ASCII head");
                self.take(end + 4);
                return Response::from_head(&head);
            }
            match self.fill() {
                Ok(0) => panic!("the connection ended before a response: {:?}", self.bytes()),
                Ok(_) => {}
                Err(error) => panic!("waiting for a response: {error}"),
            }
        }
    }

    /// Reads a whole response; `method` decides whether a body follows.
    #[track_caller]
    pub(crate) fn response(&mut self, method: &str) -> Response {
        let mut response = self.response_head();
        let bodiless =
            method == "HEAD" || response.status < 200 || matches!(response.status, 204 | 304);
        if bodiless {
            return response;
        }
        if response
            .header("transfer-encoding")
            .is_some_and(|coding| coding == "chunked")
        {
            response.body = self.chunked_body();
        } else if let Some(length) = response.header("content-length") {
            let length: usize = length.parse().expect("a Content-Length in decimal");
            response.body = self.body(length);
        } else {
            while self.fill().expect("the rest of a body") > 0 {}
            response.body = self.bytes().to_vec();
            self.take(response.body.len());
        }
        response
    }

    /// Takes `length` bytes of a body.
    #[track_caller]
    pub(crate) fn body(&mut self, length: usize) -> Vec<u8> {
        while self.bytes().len() < length {
            let count = self.fill().expect("the rest of a body");
            assert!(
                count > 0,
                "a body ended after {} of {length}",
                self.bytes().len()
            );
        }
        let part = self.bytes()[..length].to_vec();
        self.take(length);
        part
    }

    fn chunked_body(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                if let Some(end) = self.bytes().windows(2).position(|two| two == b"\r\n") {
                    break end;
                }
                assert!(
                    self.fill().expect("a chunk's size") > 0,
                    "the end amid chunks"
                );
            };
            let line = String::from_utf8(self.body(end + 2)).expect("a chunk's size");
            let size = line.trim_end().split(';').next().unwrap_or_default();
            let size = usize::from_str_radix(size, 16).expect("a chunk's size in hexadecimal");
            let chunk = self.body(size + 2);
            assert!(chunk.ends_with(b"\r\n"), "a chunk longer than it says");
            if size == 0 {
                return body;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }

    /// Reads until the server closes; panics when it sends anything or goes on waiting.
    #[track_caller]
    pub(crate) fn expect_end(&mut self) {
        assert_eq!(self.bytes(), b"", "bytes where the end was expected");
        match self.fill() {
            Ok(0) => {}
            Ok(_) => panic!("bytes where the end was expected: {:?}", self.bytes()),
            Err(error) => panic!("waiting for the server to close: {error}"),
        }
    }
}

/// A response.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    /// Its status code.
    pub(crate) status: u16,
    /// Its header fields as they came, in order.
    pub(crate) fields: Vec<(String, String)>,
    /// Its body.
    pub(crate) body: Vec<u8>,
}

impl Response {
    fn from_head(head: &str) -> Self {
        let mut lines = head.split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        let status = status_line
            .strip_prefix("HTTP/1.1 ")
            .or_else(|| status_line.strip_prefix("HTTP/1.0 "))
            .and_then(|rest| rest.get(..3))
            .and_then(|code| code.parse().ok())
            .unwrap_or_else(|| panic!("status line {status_line:?}"));
        let fields = lines
            .map(|line| {
                let (name, value) = line.split_once(':').expect("a colon in a header line");
                (name.to_owned(), value.trim().to_owned())
            })
            .collect();
        Self {
            status,
            fields,
            body: Vec::new(),
        }
    }

    /// The value of the only field with this name; panics when there are several.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self
            .fields
            .iter()
            .filter(|(field, _)| field.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} twice in {:?}", self.fields);
        value
    }

    /// The body as text.
    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body in UTF-8")
    }
}

/// One request on a connection of its own.
#[track_caller]
pub(crate) fn request(
    address: SocketAddr,
    method: &str,
    target: &str,
    fields: &[(&str, &str)],
) -> Response {
    let mut wire = Wire::open(address);
    wire.send(&request_bytes(address, method, target, fields, "close"));
    wire.response(method)
}

/// A request as it goes over the wire, `connection` being the value of `Connection`.
pub(crate) fn request_bytes(
    address: SocketAddr,
    method: &str,
    target: &str,
    fields: &[(&str, &str)],
    connection: &str,
) -> Vec<u8> {
    let mut text = format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\n");
    for (name, value) in fields {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("Connection: {connection}\r\n\r\n"));
    text.into_bytes()
}
