//! What a connection was sent, frame by frame, as the socket took it.

use crate::decode::{Length, author, frame_length};

/// What a frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// Something that this client wrote.
    Message(u32),
    /// Who came or went, or how many there are.
    Notice,
    /// Something for the peer alone, of any kind.
    Private,
}

/// A frame of a planned send, or the answer to a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece {
    pub(crate) content: Content,
    /// Whether this send has its first byte.
    pub(crate) begins: bool,
    /// Where it ends in the send.
    end: usize,
}

/// The bytes that a socket has taken, as far as they matter for those that follow.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    /// How many there were.
    pub(crate) bytes: u64,
    /// Whether the request was answered.
    answered: bool,
    /// The frame that was cut, and how many bytes of it are left.
    cut: Option<(Content, usize)>,
}

impl Tape {
    /// What a send consists of that comes next; an error when it is not made of whole frames but for the
    /// rest of the one that was cut.
    pub(crate) fn pieces(&self, send: &[u8]) -> Result<Vec<Piece>, String> {
        let mut pieces = Vec::new();
        let mut at = 0;
        if let Some((content, left)) = self.cut {
            pieces.push(Piece {
                content,
                begins: false,
                end: left,
            });
            at = left;
        } else if !self.answered {
            let head = send.windows(4).position(|at| at == b"\r\n\r\n");
            let head = head.ok_or("an answer that is no HTTP")? + 4;
            at = match send.starts_with(b"HTTP/1.1 101 ") {
                true => head,
                false => send.len(),
            };
            pieces.push(Piece {
                content: Content::Private,
                begins: true,
                end: at,
            });
        }
        while at < send.len() {
            let length = frame_length(&send[at..])?;
            let Length { header, payload } = length.ok_or("half a header")?;
            let end = at + header + payload;
            let said = send.get(at + header..end).ok_or("a frame is cut")?;
            pieces.push(Piece {
                content: content(send[at] & 0xf, said),
                begins: true,
                end,
            });
            at = end;
        }
        match at == send.len() {
            true => Ok(pieces),
            false => Err("the rest of a cut frame is cut".to_owned()),
        }
    }

    /// The socket took so many bytes of a send that consists of `pieces`.
    pub(crate) fn take(&mut self, pieces: &[Piece], bytes: usize) {
        self.bytes += bytes as u64;
        self.answered |= bytes > 0;
        let mut from = 0;
        for piece in pieces {
            if piece.end > bytes {
                let is_cut = !piece.begins || bytes > from;
                self.cut = is_cut.then(|| (piece.content, piece.end - bytes.max(from)));
                return;
            }
            from = piece.end;
        }
        self.cut = None;
    }

    /// What the frame says that was cut.
    pub(crate) fn cut(&self) -> Option<Content> {
        self.cut.map(|(content, _)| content)
    }
}

fn content(opcode: u8, payload: &[u8]) -> Content {
    const GAP: &[u8] = br#"{"event":"gap""#;
    match (opcode, author(payload)) {
        (1 | 2, Some(author)) => Content::Message(author),
        (1, None) if !payload.is_empty() && !payload.starts_with(GAP) => Content::Notice,
        _ => Content::Private,
    }
}
