//! One WebSocket connection of a server that does no more than it must: its handshake, and frames as
//! they are to be passed on out of what arrives.
//!
//! It checks neither text nor fragments, and keeps no limit.

use fanring::wire::frame::{OpCode, Role, append_frame, decode_header, encode_header};
use fanring::wire::handshake::{Endpoint, Policy, Route, accept_response, route};
use fanring::wire::http::{head_end, parse_head};
use fanring::wire::mask;

/// The connection is over; what was answered last is still to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over;

/// What a connection remembers between two receives.
#[derive(Debug, Default)]
pub struct Connection {
    open: bool,
    /// What was received and is not complete.
    kept: Vec<u8>,
}

impl Connection {
    /// Whether the handshake is done.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Takes in what has arrived, which it unmasks in place. Frames to be passed on go to `frames`, unmasked, and
    /// answers to the peer itself to `answers`. Returns what the peer asked for, once, when it is open.
    ///
    /// # Errors
    /// [`Over`] after a close frame, and after what is no WebSocket.
    pub fn receive(
        &mut self,
        bytes: &mut [u8],
        frames: &mut Vec<u8>,
        answers: &mut Vec<u8>,
    ) -> Result<Option<Endpoint>, Over> {
        if self.open && self.kept.is_empty() {
            let used = take_frames(bytes, frames, answers)?;
            self.kept.extend_from_slice(&bytes[used..]);
            return Ok(None);
        }
        self.kept.extend_from_slice(bytes);
        let mut endpoint = None;
        if !self.open {
            let Some(end) = head_end(&self.kept, 0) else {
                return Ok(None);
            };
            endpoint = Some(shake_hands(&self.kept[..end], answers).ok_or(Over)?);
            self.kept.drain(..end);
            self.open = true;
        }
        let used = take_frames(&mut self.kept, frames, answers)?;
        self.kept.drain(..used);
        if self.kept.is_empty() {
            // An idle connection owns no memory.
            self.kept = Vec::new();
        }
        Ok(endpoint)
    }
}

/// The answer to a request for a WebSocket; none for any other.
fn shake_hands(head: &[u8], answers: &mut Vec<u8>) -> Option<Endpoint> {
    let head = parse_head(head).ok()?;
    let policy = Policy {
        echo: true,
        ..Policy::default()
    };
    let Route::WebSocket(upgrade) = route(&head, &policy) else {
        return None;
    };
    accept_response(&upgrade, answers);
    Some(upgrade.endpoint)
}

/// Takes whole frames off the front of `bytes` and returns where they end.
fn take_frames(
    bytes: &mut [u8],
    frames: &mut Vec<u8>,
    answers: &mut Vec<u8>,
) -> Result<usize, Over> {
    let mut at = 0;
    while let Some(header) = decode_header(&bytes[at..], Role::Server).map_err(|_| Over)? {
        let start = at + header.bytes;
        let end =
            start.saturating_add(usize::try_from(header.payload_bytes).expect("64-bit machines"));
        if end > bytes.len() {
            break;
        }
        let payload = &mut bytes[start..end];
        mask::apply(payload, header.key, 0);
        match header.opcode {
            OpCode::Close => {
                append_frame(answers, OpCode::Close, payload);
                return Err(Over);
            }
            OpCode::Ping => append_frame(answers, OpCode::Pong, payload),
            OpCode::Pong => {}
            OpCode::Text | OpCode::Binary | OpCode::Continuation => {
                let (head, length) = encode_header(header.opcode, header.fin, payload.len());
                frames.extend_from_slice(&head[..length]);
                frames.extend_from_slice(payload);
            }
        }
        at = end;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use fanring::wire::frame::append_masked_frame;
    use fanring::wire::handshake::client_request;

    use super::*;

    fn masked(opcode: OpCode, payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        append_masked_frame(&mut frame, opcode, true, payload, [1, 2, 3, 4]);
        frame
    }

    fn framed(opcode: OpCode, payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        append_frame(&mut frame, opcode, payload);
        frame
    }

    /// Goal: however the bytes are cut, the same is passed on and answered, and nothing is kept after a whole
    /// frame.
    #[test]
    fn cuts_make_no_difference() {
        let mut input = Vec::new();
        client_request("h", "/ws/a", "dGhlIHNhbXBsZSBub25jZQ==", &mut input);
        let request_bytes = input.len();
        input.extend(masked(OpCode::Text, b"one"));
        input.extend(masked(OpCode::Ping, b"two"));
        input.extend(masked(OpCode::Binary, &[3; 300]));
        for piece in [1, 7, request_bytes, request_bytes + 3, input.len()] {
            let mut connection = Connection::default();
            let (mut frames, mut answers, mut opened) = (Vec::new(), Vec::new(), Vec::new());
            for bytes in input.clone().chunks_mut(piece) {
                let endpoint = connection.receive(bytes, &mut frames, &mut answers);
                opened.extend(endpoint.unwrap());
            }
            assert_eq!(opened, [Endpoint::Room("a".to_owned())]);
            let passed_on = [
                framed(OpCode::Text, b"one"),
                framed(OpCode::Binary, &[3; 300]),
            ];
            assert_eq!(frames, passed_on.concat());
            assert!(answers.starts_with(b"HTTP/1.1 101 "));
            assert!(answers.ends_with(&framed(OpCode::Pong, b"two")));
            assert_eq!(connection.kept.capacity(), 0);
        }
    }

    /// Goal: a close frame is answered and ends the connection, and so does what is no WebSocket.
    #[test]
    fn connections_end() {
        let mut connection = Connection {
            open: true,
            ..Connection::default()
        };
        let (mut frames, mut answers) = (Vec::new(), Vec::new());
        let mut close = masked(OpCode::Close, &1000u16.to_be_bytes());
        let over = connection.receive(&mut close, &mut frames, &mut answers);
        assert_eq!(over, Err(Over));
        assert_eq!(answers, framed(OpCode::Close, &1000u16.to_be_bytes()));
        let mut request = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n".to_vec();
        let over = Connection::default().receive(&mut request, &mut frames, &mut answers);
        assert_eq!(over, Err(Over));
    }
}
