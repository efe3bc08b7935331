//! Which bytes a session is to be sent next, and where it stands after the kernel took some.
//!
//! Three sources share one socket: the rest of a frame that a short send cut, private replies, and
//! the streams of rooms. Private replies may go out only between frames. How the bytes leave is not
//! decided here. What a session in several rooms is sent is gathered in [`several`].

mod several;

use super::membership::Streams;
use super::side::Part;
use super::{Flags, Membership, Phase, Private, Session};
use crate::id::{MemberId, MembershipId, StreamPosition};
use crate::room::index::Piece;
use crate::room::log::Log;
use crate::room::own::Reading;

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
pub struct Undo {
    /// Where the cursor stood.
    cursor: StreamPosition,
    /// All bytes of the send.
    pub bytes: u32,
    /// Whose cursor.
    membership: MembershipId,
}

/// Why nothing was planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nothing {
    /// All was sent.
    ToSend,
    /// The log no longer has what comes next of this membership.
    Left(MembershipId),
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

impl Plan {
    fn clear(&mut self) {
        self.pieces.clear();
        self.before = 0;
        self.private = 0;
    }
}

impl Session {
    /// Whether the next byte to be sent belongs to a frame whose first ones were.
    #[must_use]
    pub fn is_mid_frame(&self) -> bool {
        match &self.side {
            Some(side) if self.flags.any(Flags::SEVERAL) => side.cut.is_some(),
            _ => (self.membership.as_ref()).is_some_and(Membership::is_mid_frame),
        }
    }

    /// Whether a send might carry something.
    #[must_use]
    pub(crate) fn has_output(&self, streams: &impl Streams) -> bool {
        if self.private_bytes() > 0 {
            return true;
        }
        match (&self.side, &self.membership) {
            (Some(side), _) if self.flags.any(Flags::SEVERAL) => {
                side.cut.is_some() || !side.due.is_empty()
            }
            (_, Some(first)) => {
                (first.stream(streams)).is_some_and(|index| first.cursor() < index.head())
            }
            (_, None) => false,
        }
    }

    /// Plans the next send into `plan`. It is in flight then, or else assumed to be taken already, so
    /// that the session need not be looked at again when it was, nor its second cache line at all:
    /// nearly every delivery. Only where all that would be left to do is to move a cursor to the head of
    /// its stream; with what is returned [`Self::not_sent`] takes it back.
    ///
    /// # Errors
    /// With the reason when there is nothing to send.
    pub fn plan_send(
        &mut self,
        member: MemberId,
        streams: &impl Streams,
        log: &Log,
        plan: &mut Plan,
    ) -> Result<Option<Undo>, Nothing> {
        assert!(!self.flags.any(Flags::SENDING), "one send at a time");
        plan.clear();
        if self.flags.any(Flags::SEVERAL) {
            self.gather(member, streams, log, plan)
        } else {
            self.gather_one(member, streams, log, plan)
        }
    }

    /// The plan of a session in one room, or none.
    fn gather_one(
        &mut self,
        member: MemberId,
        streams: &impl Streams,
        log: &Log,
        plan: &mut Plan,
    ) -> Result<Option<Undo>, Nothing> {
        let gone = Nothing::Left(MembershipId::INLINE);
        let first = self.membership.as_ref();
        let stream = first.and_then(|first| Some((first, first.stream(streams)?)));
        let (mut end, mut left) = (self.cursor(), SEND_BYTES_MAX);
        if let Some((first, index)) = stream
            && first.is_mid_frame()
        {
            let (reading, frame_end) = (first.reading(member), first.frame_end());
            end = index
                .plan(&reading, frame_end, PIECES_MAX, left, &mut plan.pieces)
                .ok_or(gone)?;
            plan.before = plan.pieces.len();
            left = left.saturating_sub(total_bytes(&plan.pieces));
        }
        let private = (self.private_bytes() as u64).min(left);
        // The room's next frame comes behind the last private one.
        let whole = private == self.private_bytes() as u64;
        left -= private;
        let mut at_head = false;
        if let Some((first, index)) = stream {
            if whole && left > 0 {
                let rest = Reading {
                    cursor: end,
                    ..first.reading(member)
                };
                end = index
                    .plan(&rest, index.head(), PIECES_MAX, left, &mut plan.pieces)
                    .ok_or(gone)?;
            }
            // The index may map to bytes that were overwritten since.
            if (plan.pieces.first()).is_some_and(|piece| piece.position < log.tail()) {
                return Err(gone);
            }
            at_head = end == index.head();
        }
        let bytes = total_bytes(&plan.pieces) + private;
        if bytes == 0 {
            // Only own messages lay ahead.
            if let Some(first) = &mut self.membership {
                first.stand_at(end);
            }
            return Err(Nothing::ToSend);
        }
        if at_head && private == 0 && plan.before == 0 && self.phase == Phase::Open {
            return Ok(Some(self.assume_sent(
                MembershipId::INLINE,
                narrow(bytes),
                end,
            )));
        }
        plan.private = narrow(private);
        self.flags.set(Flags::SENDING);
        self.in_flight = InFlight {
            private: plan.private,
            bytes: narrow(bytes),
            end,
        };
        Ok(None)
    }

    /// Takes a send of one membership for taken.
    fn assume_sent(&mut self, id: MembershipId, bytes: u32, end: StreamPosition) -> Undo {
        let membership = self.membership_mut(id).expect("it was planned for one");
        let cursor = membership.cursor();
        membership.stand_at(end);
        Undo {
            cursor,
            bytes,
            membership: id,
        }
    }

    /// The send that [`Self::plan_send`] assumed to be taken was not: it is in flight after all.
    pub fn not_sent(&mut self, undo: Undo) {
        assert!(!self.flags.any(Flags::SENDING));
        self.flags.set(Flags::SENDING);
        let membership = self.membership_mut(undo.membership);
        let membership = membership.expect("it has left no room since");
        let end = membership.cursor();
        membership.stand_at(undo.cursor);
        self.in_flight = InFlight {
            private: 0,
            bytes: undo.bytes,
            end,
        };
        if self.flags.any(Flags::SEVERAL) {
            self.part_not_sent(Part {
                membership: undo.membership,
                bytes: undo.bytes,
                end,
            });
        }
    }

    /// The kernel took `bytes` of what [`Self::plan_send`] had noted as in flight.
    pub fn sent(
        &mut self,
        member: MemberId,
        streams: &impl Streams,
        log: &Log,
        bytes: u32,
    ) -> Progress {
        assert!(self.flags.any(Flags::SENDING));
        self.flags.clear(Flags::SENDING);
        let in_flight = std::mem::take(&mut self.in_flight);
        assert!(bytes <= in_flight.bytes, "more than there was");
        if self.phase == Phase::Dead {
            // It is in no room any more, and nobody is there to be sent the rest.
            self.private = None;
            return Progress::Lost;
        }
        if self.flags.any(Flags::SEVERAL) {
            return self.parts_sent(in_flight, member, streams, log, bytes);
        }
        if bytes == in_flight.bytes {
            self.private_sent(in_flight.private);
            if let Some(first) = &mut self.membership {
                first.stand_at(in_flight.end);
            }
            return Progress::All;
        }
        let mut left = bytes;
        if let Some(first) = &mut self.membership {
            left = first.finish_cut(left);
        }
        let private = in_flight.private.min(left);
        self.private_sent(private);
        left -= private;
        if left > 0 {
            let first = self.membership.as_mut();
            if !first.is_some_and(|first| first.cut(member, streams, log, left)) {
                return Progress::Lost;
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

    /// Copies the rest of a cut frame of a membership in front of the private replies, so that the
    /// session can go on without the log: it is leaving that room, or being moved to its head. False
    /// when the log no longer has it, and the connection can only be dropped.
    #[must_use]
    pub fn rescue_cut_frame(
        &mut self,
        id: MembershipId,
        member: MemberId,
        streams: &impl Streams,
        log: &Log,
    ) -> bool {
        assert!(!self.flags.any(Flags::SENDING));
        let Some(membership) = self.membership(id).filter(|one| one.is_mid_frame()) else {
            return true;
        };
        let Some(index) = membership.stream(streams) else {
            return false;
        };
        let mut pieces = Vec::new();
        let (reading, frame_end) = (membership.reading(member), membership.frame_end());
        let planned = index.plan(&reading, frame_end, 1, u64::MAX, &mut pieces);
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
        if let Some(membership) = self.membership_mut(id) {
            membership.stand_at(end);
        }
        if let Some(side) = &mut self.side {
            side.cut = None;
        }
        true
    }
}

fn total_bytes(pieces: &[Piece]) -> u64 {
    pieces.iter().map(|piece| piece.bytes).sum()
}

fn narrow(bytes: u64) -> u32 {
    u32::try_from(bytes).expect("a send is below 2 GiB")
}

#[cfg(test)]
mod tests;
