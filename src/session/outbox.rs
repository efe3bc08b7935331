//! Which bytes a session is to be sent next, and where it stands after the kernel took some.
//!
//! Three sources share one socket: the rest of a frame that a short send cut, private replies, and
//! the room's stream. Private replies may go out only between frames. How the bytes leave is not
//! decided here.

use super::{Flags, Phase, Private, Session};
use crate::id::{MemberId, StreamPosition};
use crate::room::index::{Index, Piece, Reading};
use crate::room::log::Log;

/// Pieces one send may gather.
pub(crate) const PIECES_MAX: usize = 14;

/// Bytes after which a send takes up nothing more: as much as a socket's buffer holds (the largest
/// `tcp_wmem`, tcp(7)), since the rest would be cut. What it holds then, a frame of the longest
/// message above this, is below the 2 GiB that kernels refuse.
pub(crate) const SEND_BYTES_MAX: u64 = 4 << 20;

/// What a send in flight carries, in its order.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct InFlight {
    /// Private bytes in it.
    private: u32,
    /// All its bytes.
    bytes: u32,
    /// The cursor when all of them are sent.
    end: StreamPosition,
}

/// A send as planned: pieces of the log before and after the private bytes.
#[derive(Debug, Default)]
pub struct Plan {
    /// Pieces of the log: `before` of them go out ahead of the private bytes.
    pub pieces: Vec<Piece>,
    /// How many pieces finish a cut frame.
    pub before: usize,
    /// How many of the session's private bytes go out, from the first unsent one on.
    pub private: u32,
}

/// How to take back that a send was assumed to be taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Undo {
    /// Where the cursor stood.
    cursor: StreamPosition,
    /// All bytes of the send.
    pub(crate) bytes: u32,
}

/// Why nothing was planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nothing {
    /// All was sent.
    ToSend,
    /// The log no longer has what comes next.
    Left,
}

/// Where a session is after a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The kernel took everything.
    All,
    /// The socket is full.
    Blocked,
    /// The log no longer has the frame that was cut.
    Lost,
}

impl Session {
    /// Its cursor and what else decides which bytes it is sent.
    #[must_use]
    pub fn reading(&self, member: MemberId) -> Reading {
        Reading {
            cursor: self.cursor,
            member,
            own: self.own,
        }
    }

    /// Whether the cursor stands inside a frame.
    #[must_use]
    pub fn is_mid_frame(&self) -> bool {
        self.cursor < self.frame_end
    }

    /// Whether a send would carry anything.
    #[must_use]
    pub(crate) fn has_output(&self, index: Option<&Index>) -> bool {
        self.private_bytes() > 0 || index.is_some_and(|index| self.cursor < index.head())
    }

    /// Plans the next send into `plan` and notes it as in flight.
    ///
    /// `index` is the stream the session reads, if it is in a room.
    pub fn plan_send(
        &mut self,
        member: MemberId,
        index: Option<&Index>,
        log: &Log,
        plan: &mut Plan,
    ) -> Result<(), Nothing> {
        plan.pieces.clear();
        plan.before = 0;
        let reading = self.reading(member);
        let (mut end, mut left) = (self.cursor, SEND_BYTES_MAX);
        if let Some(index) = index
            && self.is_mid_frame()
        {
            end = index
                .plan(&reading, self.frame_end, PIECES_MAX, left, &mut plan.pieces)
                .ok_or(Nothing::Left)?;
            plan.before = plan.pieces.len();
            left = left.saturating_sub(total_bytes(&plan.pieces));
        }
        let private = (self.private_bytes() as u64).min(left);
        // The room's next frame comes behind the last private one.
        let whole = private == self.private_bytes() as u64;
        left -= private;
        if let Some(index) = index {
            if whole && left > 0 {
                let rest = Reading {
                    cursor: end,
                    ..reading
                };
                end = index
                    .plan(&rest, index.head(), PIECES_MAX, left, &mut plan.pieces)
                    .ok_or(Nothing::Left)?;
            }
            // The index may map to bytes that were overwritten since.
            if (plan.pieces.first()).is_some_and(|piece| piece.position < log.tail()) {
                return Err(Nothing::Left);
            }
        }
        let narrow = |bytes: u64| u32::try_from(bytes).expect("a send is below 2 GiB");
        plan.private = narrow(private);
        let bytes = total_bytes(&plan.pieces) + private;
        if bytes == 0 {
            // Only own messages lay ahead.
            self.cursor = end;
            self.frame_end = end;
            return Err(Nothing::ToSend);
        }
        self.in_flight = InFlight {
            private: plan.private,
            bytes: narrow(bytes),
            end,
        };
        self.flags.set(Flags::SENDING);
        Ok(())
    }

    /// Takes the send just planned for taken, so that the session need not be looked at again when
    /// it was: nearly every delivery. Only where all that would be left to do is to move the cursor to
    /// the head of `index`; `None` elsewhere, and the send stays in flight.
    pub(crate) fn assume_sent(&mut self, index: Option<&Index>) -> Option<Undo> {
        let plain = self.phase == Phase::Open
            && self.in_flight.private == 0
            && !self.is_mid_frame()
            && index.is_some_and(|index| self.in_flight.end == index.head());
        if !plain {
            return None;
        }
        self.flags.clear(Flags::SENDING);
        let undo = Undo {
            cursor: self.cursor,
            bytes: self.in_flight.bytes,
        };
        self.cursor = self.in_flight.end;
        self.frame_end = self.in_flight.end;
        Some(undo)
    }

    /// The send that [`Self::assume_sent`] took for taken was not: it is in flight again.
    pub(crate) fn not_sent(&mut self, undo: Undo) {
        assert!(!self.flags.any(Flags::SENDING));
        self.flags.set(Flags::SENDING);
        self.in_flight = InFlight {
            private: 0,
            bytes: undo.bytes,
            end: self.cursor,
        };
        self.cursor = undo.cursor;
        self.frame_end = undo.cursor;
    }

    /// The kernel took `bytes` of what [`Self::plan_send`] had noted as in flight.
    pub fn sent(
        &mut self,
        member: MemberId,
        index: Option<&Index>,
        log: &Log,
        bytes: u32,
    ) -> Progress {
        self.flags.clear(Flags::SENDING);
        let in_flight = std::mem::take(&mut self.in_flight);
        if bytes == in_flight.bytes {
            self.private_sent(in_flight.private);
            self.cursor = in_flight.end;
            self.frame_end = in_flight.end;
            return Progress::All;
        }
        let mut left = u64::from(bytes);
        if self.is_mid_frame() {
            let step = left.min(self.frame_end - self.cursor);
            self.cursor += step;
            left -= step;
        }
        let private = u64::from(in_flight.private).min(left);
        self.private_sent(u32::try_from(private).unwrap_or(u32::MAX));
        left -= private;
        if left > 0 {
            let Some(index) = index else {
                return Progress::Lost;
            };
            let boundary = self.cursor;
            self.cursor = index.advance(&self.reading(member), left);
            match index.frame_end(log, boundary, self.cursor) {
                Some(end) => self.frame_end = end,
                None => return Progress::Lost,
            }
        }
        Progress::Blocked
    }

    /// The connection is broken: nobody will say what became of the send in flight.
    pub(crate) fn send_failed(&mut self) {
        assert!(self.flags.any(Flags::SENDING));
        self.flags.clear(Flags::SENDING);
    }

    fn private_sent(&mut self, bytes: u32) {
        self.private
            .take_if(|private| private.taken(bytes as usize));
    }

    /// Copies the rest of a cut frame in front of the private replies, so that the session can go
    /// on without the log: it is leaving the room, or being moved to its head. False when the log
    /// no longer has it, and the connection can only be dropped.
    #[must_use]
    pub fn rescue_cut_frame(&mut self, member: MemberId, index: &Index, log: &Log) -> bool {
        assert!(!self.flags.any(Flags::SENDING));
        if !self.is_mid_frame() {
            return true;
        }
        let mut pieces = Vec::new();
        let planned = index.plan(
            &self.reading(member),
            self.frame_end,
            1,
            u64::MAX,
            &mut pieces,
        );
        // Own messages right behind the frame are passed by as well.
        let (Some(end), Some(piece)) = (planned, pieces.first()) else {
            return false;
        };
        if piece.position < log.tail() {
            return false;
        }
        let length = usize::try_from(piece.bytes).unwrap_or(usize::MAX);
        let frame = log.slice(piece.position, length);
        let former = self.private.as_deref();
        self.private = Some(Box::new(Private::behind_frame(frame, former)));
        self.cursor = end;
        self.frame_end = end;
        true
    }
}

fn total_bytes(pieces: &[Piece]) -> u64 {
    pieces.iter().map(|piece| piece.bytes).sum()
}

#[cfg(test)]
mod tests;
