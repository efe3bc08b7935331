//! Which bytes a session is to be sent next, and where it stands after the kernel took some.
//!
//! Three sources share one socket: the rest of a frame that a short send cut, private replies, and
//! the streams of rooms. Private replies may go out only between frames. How the bytes leave is not
//! decided here. What a session in several rooms is sent is gathered in [`several`].

mod several;

use super::client::Client;
use super::client::reach::{LOOK_BYTES, Reach};
use super::membership::{Membership, Streams};
use super::phase::Phase;
use super::private::Private;
use super::send::{InFlight, Nothing, PIECES_MAX, Plan, Progress, SEND_BYTES_MAX, Shared, Undo};
use super::send::{narrow, total_bytes};
use super::side::Part;
use super::{Flags, Session};
use crate::id::{MemberId, MembershipId, StreamPosition};
use crate::room::index::Index;
use crate::room::log::Log;
use crate::room::own::Reading;

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
        if self.is_held_back() {
            return self.is_mid_frame();
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

    /// Whether nothing of its rooms is sent before it has read more of what it was sent. Somebody who is to go
    /// gets all that there is.
    fn is_held_back(&self) -> bool {
        self.flags.any(Flags::AHEAD) && self.phase == Phase::Open
    }

    /// How much of its rooms may be sent in one go.
    fn room_bytes_max(&self) -> u64 {
        if !self.flags.any(Flags::CLIENT) || self.phase != Phase::Open {
            return SEND_BYTES_MAX;
        }
        if self.is_held_back() {
            return 0;
        }
        let reach = self.client().and_then(Client::reach);
        let left = reach.map_or_else(Reach::unknown_bytes, |it| it.left_bytes(self.sent_bytes()));
        // A frame at least: that it was too much is seen once it is sent.
        u64::from(left).max(1)
    }

    /// Up to where of a room is sent in one go from `start` on, and how many bytes that may be, of `left`.
    #[inline]
    fn goal(
        &self,
        index: &Index,
        log: &Log,
        start: StreamPosition,
        left: u64,
    ) -> Option<(StreamPosition, u64)> {
        let is_much = index.head() - start > u64::from(LOOK_BYTES);
        if !self.flags.any(Flags::CLIENT) || !(is_much || self.flags.any(Flags::LITTLE)) {
            return Some((index.head(), left));
        }
        self.goal_of_client(index, log, start, left)
    }

    /// The same of a client that is sent much, or reads slowly.
    #[cold]
    fn goal_of_client(
        &self,
        index: &Index,
        log: &Log,
        start: StreamPosition,
        left: u64,
    ) -> Option<(StreamPosition, u64)> {
        let left = left.min(self.room_bytes_max());
        Some((index.goal(log, start, left)?, left))
    }

    /// Whether what a client has read is looked at once this was sent: of most now and then, of those that
    /// read slowly each time.
    fn is_looked_at(&self, before: u64, end: u64) -> bool {
        self.flags.any(Flags::CLIENT)
            && (before / u64::from(LOOK_BYTES) != end / u64::from(LOOK_BYTES)
                || self.flags.any(Flags::SLOW))
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
        if let Some((first, index)) = stream
            && first.cursor() == index.head()
            && self.private.is_none()
        {
            return Err(Nothing::ToSend);
        }
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
        let replies = self.unplanned_bytes();
        let private = replies.min(left);
        // The room's next frame comes behind the last private one.
        let whole = private == replies;
        left -= private;
        let mut at_head = stream.is_none();
        if let Some((first, index)) = stream {
            let (goal, left) = self.goal(index, log, end, left).ok_or(gone)?;
            if whole && left > 0 {
                let rest = Reading {
                    cursor: end,
                    ..first.reading(member)
                };
                end = index
                    .plan(&rest, goal, PIECES_MAX, left, &mut plan.pieces)
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
        plan.private = narrow(private);
        let in_flight = InFlight {
            private: plan.private,
            bytes: narrow(bytes),
            end,
        };
        let is_foreseen = at_head
            && whole
            && plan.before == 0
            && !self.is_looked_at(self.cursor().bytes(), end.bytes());
        Ok(self.begin_one(in_flight, is_foreseen))
    }

    /// The send is on its way: it is assumed to be taken if it `is_foreseen` where that leads, or else has
    /// an answer to wait for.
    fn begin_one(&mut self, in_flight: InFlight, is_foreseen: bool) -> Option<Undo> {
        // One that is not read from until its replies have left needs the answer: nothing else need ever
        // wake the shard. So does one whose client is told what its socket takes.
        let is_awaited = self.flags.any(Flags::PAUSED.and(Flags::TRACKED))
            && (in_flight.private > 0 || self.flags.any(Flags::TRACKED));
        let is_open = self.phase == Phase::Open && !is_awaited;
        if is_foreseen && is_open && self.transport.may_be_quiet() {
            return Some(self.assume_one_sent(in_flight));
        }
        self.flags.set(Flags::SENDING);
        self.in_flight = in_flight;
        None
    }

    /// Private bytes that are in no send yet. One that is assumed to be taken has them until it is made, and
    /// a session may come up twice before that.
    fn unplanned_bytes(&self) -> u64 {
        match self.private_bytes() {
            0 => 0,
            bytes => bytes as u64 - u64::from(self.in_flight.private),
        }
    }

    /// Takes a send for taken that carries all replies and what there is of one room at most. The replies
    /// themselves are needed until it is made, see [`Self::replies_sent`].
    fn assume_one_sent(&mut self, in_flight: InFlight) -> Undo {
        if in_flight.private > 0 {
            self.in_flight = in_flight;
        }
        if self.membership.is_some() {
            let undo = self.assume_sent(MembershipId::INLINE, in_flight.bytes, in_flight.end);
            return Undo {
                private: in_flight.private,
                ..undo
            };
        }
        Undo {
            cursor: in_flight.end,
            bytes: in_flight.bytes,
            private: in_flight.private,
            membership: MembershipId::INLINE,
        }
    }

    /// The send that was assumed to be taken was made, and is not one of those that were not taken: its
    /// replies may go.
    pub fn replies_sent(&mut self) {
        if !self.flags.any(Flags::SENDING) {
            let InFlight { private, .. } = std::mem::take(&mut self.in_flight);
            self.private_sent(private);
        }
    }

    /// Plans the send that is `shared` by others of its audience, if it is the same for this one: it is
    /// assumed to be taken, as by [`Self::plan_send`].
    #[inline]
    pub(crate) fn take_share(&mut self, shared: &Shared) -> Option<Undo> {
        const OTHERWISE: Flags = Flags::SEVERAL
            .and(Flags::SENDING)
            .and(Flags::BLOCKED)
            .and(Flags::UNANNOUNCED)
            .and(Flags::TRACKED)
            .and(Flags::LITTLE);
        let is_free = self.phase == Phase::Open && !self.flags.any(OTHERWISE);
        let first = self.membership.as_mut()?;
        if !is_free || self.private.is_some() || !first.shares(shared) {
            return None;
        }
        first.stand_at(shared.end);
        Some(Undo {
            cursor: shared.cursor,
            bytes: shared.bytes,
            private: 0,
            membership: MembershipId::INLINE,
        })
    }

    /// What others of its audience are to be sent who stood where it did before the send of `undo`.
    #[inline]
    pub(crate) fn share(&self, undo: &Undo) -> Option<Shared> {
        if self.flags.any(Flags::SEVERAL) || undo.private > 0 {
            return None;
        }
        (self.membership.as_ref()?).shared(undo.cursor, undo.bytes)
    }

    /// Takes a send of one membership for taken.
    fn assume_sent(&mut self, id: MembershipId, bytes: u32, end: StreamPosition) -> Undo {
        let membership = self.membership_mut(id).expect("it was planned for one");
        let cursor = membership.cursor();
        membership.stand_at(end);
        Undo {
            cursor,
            bytes,
            private: 0,
            membership: id,
        }
    }

    /// The send that [`Self::plan_send`] assumed to be taken was not: it is in flight after all.
    pub fn not_sent(&mut self, undo: Undo) {
        assert!(!self.flags.any(Flags::SENDING));
        self.flags.set(Flags::SENDING);
        let mut end = undo.cursor;
        if let Some(membership) = self.membership_mut(undo.membership) {
            end = membership.cursor();
            membership.stand_at(undo.cursor);
        }
        self.in_flight = InFlight {
            private: undo.private,
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
        let length = usize::try_from(piece.bytes).expect("a frame fits in memory");
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

#[cfg(test)]
mod tests;
