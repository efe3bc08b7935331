//! The sends of one chunk of a flush, as planned.

use std::os::fd::{AsRawFd, RawFd};

use crate::id::SessionKey;
use crate::room::index::Piece;
use crate::session::Session;
use crate::session::send::{Plan, Shared, Undo};
use crate::transport::Transport;

/// One planned send, which refers to its batch for the pieces.
#[derive(Debug, Clone)]
pub struct PlannedSend {
    /// Whose.
    pub key: SessionKey,
    /// Its socket.
    pub fd: RawFd,
    /// Its first piece in the batch, how many there are, and how many go ahead of the private bytes.
    first: u32,
    pieces: u8,
    before: u8,
    private: u32,
    undo: Option<Undo>,
    transport: Transport,
}

impl PlannedSend {
    /// Whether [`crate::shard::Shard::handle_sent`] is to hear of it only when the socket did not take all
    /// of it.
    #[must_use]
    #[inline]
    pub fn is_quiet(&self) -> bool {
        self.undo.is_some()
    }

    /// How to take back that it was taken for sent; only of a quiet one.
    #[must_use]
    pub(crate) fn undo(&self) -> Option<Undo> {
        self.undo
    }

    /// How its bytes leave.
    #[must_use]
    #[inline]
    pub(crate) fn transport(&self) -> Transport {
        self.transport
    }

    /// How many of its session's private bytes it carries.
    #[must_use]
    #[inline]
    pub(crate) fn private_bytes(&self) -> usize {
        self.private as usize
    }
}

/// The sends of one chunk. They are to be made, and the shard told of what became of them, before it
/// is told of anything else: their bytes are in the log and in private buffers, which change with the
/// next event.
#[derive(Debug)]
pub struct FlushBatch {
    /// The sends.
    pub sends: Vec<PlannedSend>,
    sends_max: usize,
    pieces: Vec<Piece>,
    /// Bytes of the quiet ones.
    quiet_bytes: u64,
    /// A send that others may have the same, and its place.
    shared: Option<(Shared, usize)>,
}

impl FlushBatch {
    /// An empty one, for chunks of at most `sends_max` sends.
    #[must_use]
    pub fn new(sends_max: usize) -> Self {
        Self {
            sends: Vec::new(),
            sends_max,
            pieces: Vec::new(),
            quiet_bytes: 0,
            shared: None,
        }
    }

    /// Empties it, for the next chunk.
    pub(crate) fn clear(&mut self) {
        self.sends.clear();
        self.pieces.clear();
        self.quiet_bytes = 0;
        self.shared = None;
    }

    /// Whether the chunk is as large as it may be.
    #[must_use]
    pub(crate) fn is_full(&self) -> bool {
        self.sends.len() >= self.sends_max
    }

    /// Takes in a send as planned.
    #[inline]
    pub(crate) fn push(
        &mut self,
        key: SessionKey,
        session: &Session,
        plan: &Plan,
        undo: Option<Undo>,
    ) {
        let narrow = |count: usize| u32::try_from(count).expect("as bounded as a batch");
        let count = |count: usize| u8::try_from(count).expect("twice PIECES_MAX");
        let first = self.pieces.len();
        self.pieces.extend_from_slice(&plan.pieces);
        self.quiet_bytes += undo.map_or(0, |undo| u64::from(undo.bytes));
        self.sends.push(PlannedSend {
            key,
            fd: session.socket().as_raw_fd(),
            transport: session.transport(),
            first: narrow(first),
            pieces: count(plan.pieces.len()),
            before: count(plan.before),
            private: plan.private,
            undo,
        });
    }

    /// The last send is the same for all who stand where its session stood.
    #[inline]
    pub(crate) fn share(&mut self, shared: Shared) {
        self.shared = Some((shared, self.sends.len() - 1));
    }

    /// The send that others may have the same.
    #[must_use]
    #[inline]
    pub(crate) fn shared(&self) -> Option<&Shared> {
        self.shared.as_ref().map(|(shared, _)| shared)
    }

    /// Takes in the same send for another session.
    #[inline]
    pub(crate) fn push_shared(&mut self, key: SessionKey, session: &Session, undo: Undo) {
        let (_, place) = self.shared.as_ref().expect("a send is shared");
        self.quiet_bytes += u64::from(undo.bytes);
        self.sends.push(PlannedSend {
            key,
            fd: session.socket().as_raw_fd(),
            transport: session.transport(),
            undo: Some(undo),
            ..self.sends[*place]
        });
    }

    /// Bytes of the quiet ones.
    #[must_use]
    pub(crate) fn quiet_bytes(&self) -> u64 {
        self.quiet_bytes
    }

    /// How many pieces of the log a send carries before its private bytes, and all of its pieces.
    #[must_use]
    #[inline]
    pub(crate) fn pieces(&self, send: &PlannedSend) -> (usize, &[Piece]) {
        let pieces = &self.pieces[send.first as usize..][..usize::from(send.pieces)];
        (usize::from(send.before), pieces)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use uuid::Uuid;

    use super::{FlushBatch, Piece, Plan, Session, SessionKey};
    use crate::id::LogPosition;
    use crate::session::tick::Tick;

    const KEY: SessionKey = SessionKey {
        slot: 3,
        generation: 1,
    };

    fn plan(positions: &[u64], before: usize, private: u32) -> Plan {
        let piece = |&at: &u64| Piece {
            position: LogPosition::new(at),
            bytes: 10,
        };
        Plan {
            pieces: positions.iter().map(piece).collect(),
            before,
            private,
        }
    }

    /// Goal: each send keeps its own pieces, on the sides of its private bytes that they were planned for,
    /// and a batch that is full says so until it is cleared.
    #[test]
    fn sends_keep_their_pieces() {
        let socket = File::open("/dev/null").unwrap().into();
        let session = Session::new(socket, Uuid::nil(), Tick(0), Tick(0));
        let mut batch = FlushBatch::new(2);
        for _ in 0..2 {
            batch.push(KEY, &session, &plan(&[1, 2, 3], 1, 5), None);
            assert!(!batch.is_full());
            batch.push(KEY, &session, &plan(&[4], 0, 0), None);
            assert!(batch.is_full());
            let told: Vec<_> = (batch.sends.iter())
                .map(|send| {
                    let numbers = |pieces: &[Piece]| -> Vec<u64> {
                        let from = LogPosition::default();
                        pieces.iter().map(|piece| piece.position - from).collect()
                    };
                    let (before, pieces) = batch.pieces(send);
                    let (before, behind) = pieces.split_at(before);
                    (numbers(before), send.private_bytes(), numbers(behind))
                })
                .collect();
            assert_eq!(told, [(vec![1], 5, vec![2, 3]), (vec![], 0, vec![4])]);
            assert!(batch.sends.iter().all(|send| !send.is_quiet()) && batch.quiet_bytes() == 0);
            batch.clear();
        }
    }
}
