//! What members are sent that have missed something, as fast as they read it.
//!
//! It is appended piece by piece, more of it once somebody has read what there is. Whoever reads more slowly than the log
//! moves on reads the rest elsewhere in the log, where it is appended once more; so nobody who recovers is ever too slow
//! for it, however much it is.

use std::sync::Arc;

use super::Shard;
use super::parts::arrival::COPIES;
use super::turn::ROOM_TURNS_PER_FLUSH;
use crate::id::{Epoch, MembershipId, RoomId};
use crate::message::{Event, Message, Origin};
use crate::protocol::Encoder;
use crate::room::audience::Member;
use crate::room::history::Recovery;
use crate::room::rendition::{Encode, Said};
use crate::room::rerun::Start;
use crate::session::send::Progress;
use crate::session::{Flags, Phase};
use crate::talk::Arrival;

impl Shard {
    /// Has a member that has just come sent what it has missed, if it is anything; false when there is too much for
    /// others already.
    pub(super) fn recover(
        &mut self,
        slot: u32,
        id: MembershipId,
        arrival: Option<&Arrival>,
    ) -> bool {
        let recovery = arrival.map(|arrival| &arrival.recovery);
        let Some(Recovery::Recovered(Some(missed))) = recovery else {
            return true;
        };
        if COPIES {
            return true;
        }
        let session = self.sessions.at(slot);
        let one = session.membership(id).expect("it has just come");
        let (room, rendition, member) = (one.room(), one.rendition(), Member::new(slot, id));
        let start = (self.rooms).begin_rerun(room, rendition, member, missed, &self.log);
        let Some(start) = start else {
            return false;
        };
        self.sessions.at_mut(slot).begin_rerun(id, &start);
        self.reads_from(room, member, &start);
        true
    }

    /// A member reads what it has missed from there on.
    fn reads_from(&mut self, room: RoomId, member: Member, start: &Start) {
        let is_ahead = start.position.is_some_and(|position| position < start.head);
        if is_ahead {
            self.flush.add_member(member, &mut self.sessions);
        } else if !(self.sessions.at(member.slot()).flags()).any(Flags::BLOCKED)
            && self.rooms.get_mut(room).line_up_rerun(start.rerun)
        {
            self.queues.add_rerun(room, start.rerun);
        }
    }

    /// Lets memberships go on that have got all that they had missed, or all there is of it yet.
    pub(super) fn go_on_recovering(&mut self, slot: u32, progress: Progress) {
        self.end_reruns(slot);
        self.sessions.at_mut(slot).note_abreast();
        if progress == Progress::All {
            self.read_on(slot);
        }
    }

    /// Lets those memberships go on with what is said that have got all that they had missed.
    fn end_reruns(&mut self, slot: u32) {
        while let Some(abreast) = self.sessions.at_mut(slot).end_rerun(&self.rooms, &self.log) {
            let member = Member::new(slot, abreast.membership);
            self.rooms.end_rerun(abreast.room, abreast.rerun, member);
            if abreast.is_unmet {
                self.tell_of_itself(slot, abreast.membership);
            }
        }
    }

    /// Tells a member that it has come, since the log no longer does.
    fn tell_of_itself(&mut self, slot: u32, id: MembershipId) {
        let guest = self.guest(slot, id);
        let session = self.sessions.at(slot);
        let Some(membership) = session
            .membership(id)
            .filter(|_| session.phase() == Phase::Open)
        else {
            return;
        };
        let protocol = membership.rendition().protocol();
        let name = Arc::clone(&self.rooms.get(membership.room()).name);
        let said = Said {
            room: &name,
            // It is told with publications alone.
            epoch: Epoch::new(1),
            message: &Message::new(Event::Joined(guest.info()), Origin::Nobody),
            has_history: false,
        };
        self.reply(slot, |out| {
            let begin = out.len();
            out.resize(begin + Encoder.encoded_bytes_max(protocol, &said), 0);
            let bytes = Encoder.encode(protocol, &said, &mut out[begin..]);
            out.truncate(begin + bytes);
        });
    }

    /// Has more appended of what those have missed that have read what there is of it. It may stand in the log
    /// already, where others read it.
    pub(super) fn read_on(&mut self, slot: u32) {
        for (id, room, rerun) in self.sessions.at(slot).idle_reruns(&self.rooms) {
            let member = Member::new(slot, id);
            let start = match self.sessions.at(slot).has_begun_rerun(id) {
                true => self.rooms.go_over(room, rerun, member, &self.log),
                false => None,
            };
            match start {
                Some(start) => {
                    self.sessions.at_mut(slot).move_rerun(id, &start);
                    self.reads_from(room, member, &start);
                }
                None if self.rooms.get_mut(room).line_up_rerun(rerun) => {
                    self.queues.add_rerun(room, rerun);
                }
                None => {}
            }
        }
    }

    /// A member has fallen behind in what it has missed, and reads the rest elsewhere; false when it reads no such thing,
    /// or that can't be.
    pub(super) fn begin_again(&mut self, slot: u32, id: MembershipId) -> bool {
        let (member, this) = (Member::new(slot, id), self.member_id(slot));
        let session = self.sessions.at_mut(slot);
        let membership = session.membership(id);
        let Some((room, rerun)) = membership.and_then(|one| Some((one.room(), one.rerun()?)))
        else {
            return false;
        };
        if !session.rescue_cut_frame(id, this, &self.rooms, &self.log) {
            return false;
        }
        self.note_holding(slot);
        // The frame that was cut may have been the last.
        self.end_reruns(slot);
        if self.sessions.at(slot).rerun_of(id).is_none() {
            self.mark_dirty(slot);
            return true;
        }
        let Some(after) = self.sessions.at(slot).place_in_rerun(id, &self.rooms) else {
            return false;
        };
        let start = (self.rooms).begin_rerun_again(room, rerun, after, member, &self.log);
        let Some(start) = start else {
            return false;
        };
        self.sessions.at_mut(slot).move_rerun(id, &start);
        self.reads_from(room, member, &start);
        self.mark_dirty(slot);
        true
    }

    /// Appends what those have missed who have come back, if any has, as long as the flush under way has appended less
    /// than that part of what it may.
    #[inline]
    pub(super) fn serve_reruns(&mut self, part: usize) {
        if self.queues.has_reruns() {
            self.append_reruns(self.config().append_bytes_max() / part);
        }
    }

    /// The same, rerun by rerun, up to so many bytes.
    #[cold]
    fn append_reruns(&mut self, budget: usize) {
        let left = |shard: &Self| budget.saturating_sub(shard.flush.appended_bytes());
        while left(self) > 0
            && let Some((room, rerun)) = self.queues.next_rerun()
        {
            let most = left(self).min(budget.div_ceil(ROOM_TURNS_PER_FLUSH)) as u64;
            if self.rooms.lookup(room).is_none() {
                continue;
            }
            let bytes_max = most.min(self.rooms.rerun_bytes_max(&self.log));
            let (log, flush, sessions) = (&mut self.log, &mut self.flush, &mut self.sessions);
            let appended = (self.rooms).append_rerun(room, rerun, log, &Encoder, bytes_max);
            for &member in appended.readers {
                flush.add_member(member, sessions);
            }
            let appended_bytes = appended.bytes;
            if appended.goes_on {
                self.queues.add_rerun(room, rerun);
            }
            let bytes = usize::try_from(appended_bytes).expect("a log fits in memory");
            self.flush.note_appended(bytes);
            self.metrics().appended_bytes.add(appended_bytes);
        }
    }
}
