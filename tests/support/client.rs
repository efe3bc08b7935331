//! A blocking WebSocket client that sends whatever a test wants and accepts only what RFC 6455
//! allows.

use std::io;
use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::frame::{self, BINARY, CLOSE, Incoming, Outgoing, PING, PONG, TEXT};
use super::http::Wire;

/// What came next on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A frame.
    Frame(Incoming),
    /// The server closed the connection.
    End,
    /// The connection was reset.
    Reset,
}

/// A session.
#[derive(Debug)]
pub(crate) struct Client {
    /// The connection below.
    pub(crate) wire: Wire,
}

/// A fresh `Sec-WebSocket-Key`.
pub(crate) fn fresh_key() -> String {
    STANDARD.encode(fastrand::u128(..).to_be_bytes())
}

/// The `Sec-WebSocket-Accept` that answers `key` (RFC 6455 section 4.2.2, item 5.4).
pub(crate) fn accept_for(key: &str) -> String {
    let salted = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(sha1_smol::Sha1::from(salted).digest().bytes())
}

/// A right opening handshake for `target` with `key` and further header lines.
pub(crate) fn handshake(address: SocketAddr, target: &str, key: &str, more: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\
         {more}\r\n"
    )
}

impl Client {
    /// Connects and opens a session at `target`.
    #[track_caller]
    pub(crate) fn connect(address: SocketAddr, target: &str) -> Self {
        Self::upgrade(Wire::open(address), address, target)
    }

    /// Opens a session at `target` on a connection that may have served other requests before.
    #[track_caller]
    pub(crate) fn upgrade(mut wire: Wire, address: SocketAddr, target: &str) -> Self {
        let key = fresh_key();
        wire.send(handshake(address, target, &key, "").as_bytes());
        Self::opened(wire, &key)
    }

    /// Reads the answer to a handshake already sent with `key`, and insists on 101.
    #[track_caller]
    pub(crate) fn opened(mut wire: Wire, key: &str) -> Self {
        let response = wire.response_head();
        assert_eq!(response.status, 101, "{response:?}");
        assert_eq!(
            response.header("sec-websocket-accept"),
            Some(accept_for(key).as_str())
        );
        Self { wire }
    }

    /// Sends a frame.
    #[track_caller]
    pub(crate) fn send(&mut self, frame: &Outgoing) {
        self.wire.send(&frame.bytes());
    }

    /// Sends a frame to a server that may already have closed the connection.
    pub(crate) fn offer(&mut self, frame: &Outgoing) {
        self.wire.offer(&frame.bytes());
    }

    /// Sends a whole text message.
    #[track_caller]
    pub(crate) fn text(&mut self, text: &str) {
        self.send(&Outgoing::text(text));
    }

    /// What comes next.
    #[track_caller]
    pub(crate) fn hear(&mut self) -> Heard {
        loop {
            match frame::parse(self.wire.bytes()) {
                Ok(Some((view, size))) => {
                    let kept = view.keep();
                    self.wire.take(size);
                    return Heard::Frame(kept);
                }
                Ok(None) => {}
                Err(fault) => panic!("the server sent {fault}: {:?}", self.wire.bytes()),
            }
            match self.wire.fill() {
                Ok(0) => {
                    assert_eq!(self.wire.bytes(), b"", "the stream ended inside a frame");
                    return Heard::End;
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Heard::Reset;
                }
                Err(error) => panic!("nothing came: {error}"),
            }
        }
    }

    /// The next frame, of any kind.
    #[track_caller]
    pub(crate) fn frame(&mut self) -> Incoming {
        match self.hear() {
            Heard::Frame(frame) => frame,
            other => panic!("{other:?} instead of a frame"),
        }
    }

    /// The next message, reassembled; pings on the way are answered and pongs ignored.
    #[track_caller]
    pub(crate) fn message(&mut self) -> Incoming {
        let mut message: Option<Incoming> = None;
        loop {
            let frame = self.frame();
            match (frame.opcode, &mut message) {
                (PING, _) => self.send(&Outgoing::new(PONG, &frame.payload)),
                (PONG, _) => {}
                (CLOSE, _) => panic!("close {:?} instead of a message", frame.payload),
                (TEXT | BINARY, None) => message = Some(frame),
                (frame::CONTINUATION, Some(message)) => {
                    message.last = frame.last;
                    message.payload.extend(frame.payload);
                }
                (opcode, _) => panic!("opcode {opcode:#x} out of place"),
            }
            if let Some(message) = message.take_if(|message| message.last) {
                assert!(
                    message.opcode == BINARY || std::str::from_utf8(&message.payload).is_ok(),
                    "a text message that is not UTF-8"
                );
                return message;
            }
        }
    }

    /// The next message, which must be text.
    #[track_caller]
    pub(crate) fn next_text(&mut self) -> String {
        let message = self.message();
        assert_eq!(message.opcode, TEXT, "{message:?}");
        String::from_utf8(message.payload).expect("checked above")
    }

    /// The next message, which must be a JSON object in a text.
    #[track_caller]
    pub(crate) fn next_notice(&mut self) -> Value {
        let text = self.next_text();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
    }

    /// Insists on this message next.
    #[track_caller]
    pub(crate) fn expect(&mut self, opcode: u8, payload: impl AsRef<[u8]>) {
        let message = self.message();
        assert_eq!(message.opcode, opcode, "the kind of {message:.200?}");
        assert!(
            message.payload == payload.as_ref(),
            "a payload of {} bytes, {:.80?}, instead of {} bytes, {:.80?}",
            message.payload.len(),
            String::from_utf8_lossy(&message.payload),
            payload.as_ref().len(),
            String::from_utf8_lossy(payload.as_ref()),
        );
    }

    /// Insists that the next frame is the pong to a ping sent now: nothing else was under way
    /// to this session, and everything it sent before was handled.
    #[track_caller]
    pub(crate) fn expect_quiet(&mut self) {
        let payload = fastrand::u64(..).to_be_bytes();
        self.send(&Outgoing::ping(payload));
        let frame = self.frame();
        assert_eq!(
            (frame.opcode, frame.payload.as_slice()),
            (PONG, payload.as_slice())
        );
    }

    /// Insists on a close frame next and returns its code and reason.
    #[track_caller]
    pub(crate) fn close_frame(&mut self) -> Option<(u16, String)> {
        let frame = self.frame();
        assert_eq!(
            frame.opcode, CLOSE,
            "{frame:.200?} instead of a close frame"
        );
        frame::close_payload(&frame.payload).unwrap_or_else(|fault| panic!("{fault}"))
    }

    /// Insists that the server fails the connection with one of `codes`, answers it and sees
    /// the connection go.
    #[track_caller]
    pub(crate) fn expect_failure(&mut self, codes: &[u16]) {
        let (code, reason) = self.close_frame().expect("a code in the close frame");
        assert!(
            codes.contains(&code),
            "closed with {code} {reason:?} instead of {codes:?}"
        );
        self.offer(&Outgoing::close(code, ""));
        // What the server had not read yet may turn its close into a reset.
        let last = self.hear();
        assert!(
            matches!(last, Heard::End | Heard::Reset),
            "{last:?} after the close frame"
        );
    }

    /// Closes with `code` and insists on the same code back, then on the end of the stream.
    #[track_caller]
    pub(crate) fn leave(&mut self, code: u16) {
        self.send(&Outgoing::close(code, ""));
        let answer = self.close_frame().map(|(code, _)| code);
        assert_eq!(answer, Some(code), "the answer to a close frame");
        assert_eq!(self.hear(), Heard::End);
    }

    /// Resets the connection: no close frame, no FIN.
    pub(crate) fn reset(self) {
        let socket = socket2::SockRef::from(&self.wire.stream);
        socket
            .set_linger(Some(std::time::Duration::ZERO))
            .expect("SO_LINGER");
    }
}
