//! What a session in several rooms is sent: the rest of the frame that was cut, whichever room's it
//! is, then private replies, then what its due memberships have, in turn.
//!
//! Order is kept within a room, not across rooms.

use crate::id::{MemberId, MembershipId, StreamPosition};
use crate::room::index::Index;
use crate::room::log::Log;
use crate::room::own::Reading;
use crate::session::client::reach::LOOK_BYTES;
use crate::session::membership::{Membership, Streams};
use crate::session::phase::Phase;
use crate::session::send::{InFlight, Nothing, PIECES_MAX, Plan, Progress, SEND_BYTES_MAX, Undo};
use crate::session::send::{narrow, total_bytes};
use crate::session::side::{Due, Part, Side};
use crate::session::{Flags, Session};

/// What a send holds while it is gathered.
struct Gathering {
    parts: Vec<Part>,
    /// Bytes that it may still take up.
    left: u64,
    due: Due,
    /// What it holds of rooms as long as that is so little that it matters to no client.
    little: Option<u64>,
}

impl Session {
    fn several(&mut self) -> &mut Side {
        let side = self.side.as_deref_mut();
        side.expect("more memberships than one are in the side table")
    }

    fn in_room(&self, id: MembershipId) -> &Membership {
        self.membership(id)
            .expect("only memberships are due, or cut")
    }

    /// The plan of a session in several rooms. Nothing has changed when it fails because the log no
    /// longer has what is next.
    pub(super) fn gather(
        &mut self,
        member: MemberId,
        streams: &impl Streams,
        log: &Log,
        plan: &mut Plan,
    ) -> Result<Option<Undo>, Nothing> {
        self.find_starts(streams);
        let side = self.several();
        let mut gathering = Gathering {
            parts: std::mem::take(&mut side.parts),
            left: SEND_BYTES_MAX,
            due: side.due,
            little: Some(0),
        };
        gathering.parts.clear();
        self.gather_parts(member, streams, log, plan, &mut gathering)?;
        let bytes = total_bytes(&plan.pieces) + u64::from(plan.private);
        if bytes == 0 {
            // Only own messages lay ahead.
            for part in gathering.parts.drain(..) {
                let one = self.membership_mut(part.membership);
                one.expect("it was planned for it").stand_at(part.end);
            }
        }
        let side = self.several();
        (side.parts, side.due) = (gathering.parts, gathering.due);
        if bytes == 0 {
            return Err(Nothing::ToSend);
        }
        let sent_bytes = u64::from(self.sent_bytes());
        let is_looked_at = self.is_looked_at(sent_bytes, sent_bytes + bytes);
        let side = self.several();
        if plan.private == 0
            && side.cut.is_none()
            && side.due.is_empty()
            && let [part] = side.parts[..]
            // Where it goes on after what it has missed is seen when that is sent.
            && side.recovering(part.membership).is_none()
            && self.phase == Phase::Open
            && !self.flags.any(Flags::TRACKED)
            && !is_looked_at
            && self.transport.may_be_quiet()
        {
            return Ok(Some(self.assume_part_sent(part)));
        }
        self.flags.set(Flags::SENDING);
        self.in_flight = InFlight {
            private: plan.private,
            bytes: narrow(bytes),
            end: StreamPosition::default(),
        };
        Ok(None)
    }

    fn gather_parts(
        &mut self,
        member: MemberId,
        streams: &impl Streams,
        log: &Log,
        plan: &mut Plan,
        gathering: &mut Gathering,
    ) -> Result<(), Nothing> {
        let cut = self.several().cut;
        if let Some(id) = cut {
            let one = self.in_room(id);
            let index = one.stream(streams).expect("only members are sent frames");
            let reading = one.reading(member);
            gathering.add(id, index, &reading, one.frame_end(), log, plan)?;
            plan.before = plan.pieces.len();
        }
        let private = (self.private_bytes() as u64).min(gathering.left);
        gathering.left -= private;
        plan.private = narrow(private);
        if private < self.private_bytes() as u64 {
            // The next frame of a room comes behind the last private one.
            return Ok(());
        }
        if self.is_held_back() {
            return Ok(());
        }
        self.gather_due(cut, member, streams, log, plan, gathering)
    }

    /// What its due memberships have, in turn.
    fn gather_due(
        &mut self,
        cut: Option<MembershipId>,
        member: MemberId,
        streams: &impl Streams,
        log: &Log,
        plan: &mut Plan,
        gathering: &mut Gathering,
    ) -> Result<(), Nothing> {
        for id in gathering.due.behind(self.several().served) {
            if gathering.left == 0 || plan.pieces.len() - plan.before == PIECES_MAX {
                break;
            }
            let one = self.in_room(id);
            let index = one.stream(streams).expect("only members are due");
            let mut reading = one.reading(member);
            if cut == Some(id) {
                // The rest of its cut frame is the first part.
                reading.cursor = gathering.parts[0].end;
            }
            let limit = self.limit(id, streams).unwrap_or(index.head());
            self.ration(limit - reading.cursor, gathering);
            let goal = index.goal(log, reading.cursor, gathering.left);
            let goal = goal.ok_or(Nothing::Left(id))?.min(limit);
            let end = gathering.add(id, index, &reading, goal, log, plan)?;
            if end == limit {
                gathering.due.remove(id);
            }
        }
        Ok(())
    }

    /// Heeds how much a client may be sent once what is gathered of its rooms, and `more`, is not little. That
    /// costs a look at what is known of the client.
    fn ration(&self, more: u64, gathering: &mut Gathering) {
        let Some(gathered) = gathering.little else {
            return;
        };
        let all = gathered + more;
        gathering.little = Some(all);
        if all > u64::from(LOOK_BYTES) || self.flags.any(Flags::LITTLE) {
            gathering.little = None;
            // A frame at least.
            let left = self.room_bytes_max().saturating_sub(gathered).max(1);
            gathering.left = gathering.left.min(left);
        }
    }

    /// Takes a send of one part for taken.
    fn assume_part_sent(&mut self, part: Part) -> Undo {
        let side = self.several();
        side.parts.clear();
        side.sent_bytes = side.sent_bytes.wrapping_add(part.bytes);
        side.served = part.membership;
        self.assume_sent(part.membership, part.bytes, part.end)
    }

    /// It was not: it is a part in flight after all.
    pub(super) fn part_not_sent(&mut self, part: Part) {
        let side = self.several();
        assert!(side.parts.is_empty(), "it was the only one");
        side.sent_bytes = side.sent_bytes.wrapping_sub(part.bytes);
        side.parts.push(part);
    }

    /// The kernel took `bytes` of the parts in flight and the private bytes between them.
    pub(super) fn parts_sent(
        &mut self,
        in_flight: InFlight,
        member: MemberId,
        streams: &impl Streams,
        log: &Log,
        bytes: u32,
    ) -> Progress {
        let mut parts = std::mem::take(&mut self.several().parts);
        let mut left = bytes;
        let mut behind = parts.as_slice();
        if let (Some(id), [part, rest @ ..]) = (self.several().cut, behind) {
            let one = self.membership_mut(id).expect("its frame was cut");
            left = one.finish_cut(left);
            if !one.is_mid_frame() {
                one.stand_at(part.end);
                self.several().cut = None;
            }
            behind = rest;
        }
        let private = in_flight.private.min(left);
        self.private_sent(private);
        left -= private;
        let side = self.several();
        side.sent_bytes = side.sent_bytes.wrapping_add(bytes - private);
        let kept = behind.iter().all(|part| {
            let taken = left.min(part.bytes);
            left -= taken;
            self.part_sent(part, taken, member, streams, log)
        });
        parts.clear();
        self.several().parts = parts;
        match kept {
            false => Progress::Lost,
            true if bytes == in_flight.bytes => Progress::All,
            true => Progress::Blocked,
        }
    }

    /// `taken` bytes of a part were sent; false when the log no longer has the frame that was cut.
    fn part_sent(
        &mut self,
        part: &Part,
        taken: u32,
        member: MemberId,
        streams: &impl Streams,
        log: &Log,
    ) -> bool {
        let id = part.membership;
        if taken > 0 {
            // Of those that were planned, not all have had their turn.
            self.several().served = id;
        }
        let one = self.membership_mut(id).expect("it has left no room since");
        if taken == part.bytes {
            one.stand_at(part.end);
            return true;
        }
        let kept = taken == 0 || one.cut(member, streams, log, taken);
        let is_cut = one.is_mid_frame();
        let side = self.several();
        side.due.insert(id);
        if is_cut {
            side.cut = Some(id);
        }
        kept
    }
}

impl Gathering {
    /// Adds what a membership has from `reading`'s cursor on, at most up to `end`; returns how far that
    /// is.
    fn add(
        &mut self,
        id: MembershipId,
        index: &Index,
        reading: &Reading,
        end: StreamPosition,
        log: &Log,
        plan: &mut Plan,
    ) -> Result<StreamPosition, Nothing> {
        let first = plan.pieces.len();
        let pieces_max = PIECES_MAX - (first - plan.before);
        let end = index
            .plan(reading, end, pieces_max, self.left, &mut plan.pieces)
            .ok_or(Nothing::Left(id))?;
        let pieces = &plan.pieces[first..];
        // The index may map to bytes that were overwritten since.
        if (pieces.first()).is_some_and(|piece| piece.position < log.tail()) {
            return Err(Nothing::Left(id));
        }
        let bytes = total_bytes(pieces);
        self.left = self.left.saturating_sub(bytes);
        if end > reading.cursor {
            self.parts.push(Part {
                membership: id,
                bytes: narrow(bytes),
                end,
            });
        }
        Ok(end)
    }
}

#[cfg(test)]
mod tests;
