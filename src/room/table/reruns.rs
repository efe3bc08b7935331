//! What members on a shard are sent that have missed something: over all its rooms, how much that keeps in memory, and
//! how much of the log each may have at a time.

use super::{RERUN_ROOMS_MAX, Rooms};
use crate::id::{RerunId, RoomId};
use crate::room::Room;
use crate::room::audience::Member;
use crate::room::history::Missed;
use crate::room::log::Log;
use crate::room::rendition::{Encode, Rendition};
use crate::room::rerun::{Rerun, Start, Upkeep};

/// What of the log is appended for those who recover and may not have read it yet, in all.
const AHEAD_PART: u64 = 4;
/// And for those of one rerun at most.
const AHEAD_EACH_PART: u64 = 64;

/// What was appended of a rerun, and who hears of that.
pub(crate) struct Appended<'a> {
    /// So many bytes.
    pub(crate) bytes: u64,
    /// These may have something to be sent now.
    pub(crate) readers: &'a [Member],
    /// Whether more of it is to be appended at once.
    pub(crate) goes_on: bool,
}

impl Rooms {
    /// Does something to the reruns of a room.
    fn change_reruns<R>(&mut self, id: RoomId, change: impl FnOnce(&mut Room) -> R) -> R {
        let before = self.get(id).upkeep();
        let result = self.change(id, change);
        let now = self.get(id).upkeep();
        self.upkeep.bytes = self.upkeep.bytes + now.bytes - before.bytes;
        self.upkeep.waiting = self.upkeep.waiting + now.waiting - before.waiting;
        result
    }

    /// Whether what members are sent that have missed something is counted right.
    #[must_use]
    pub(crate) fn is_upkeep_right(&self) -> bool {
        let all = self.rooms.iter().map(|(_, room)| room.upkeep());
        let sum = all.fold(Upkeep::default(), |sum, one| Upkeep {
            bytes: sum.bytes + one.bytes,
            waiting: sum.waiting + one.waiting,
        });
        sum == self.upkeep
    }

    /// Lets `member`, who reads `rendition` of a room, have what it has missed. `None` when too many members have missed
    /// different things, or all of it would take too much memory.
    pub(crate) fn begin_rerun(
        &mut self,
        id: RoomId,
        rendition: Rendition,
        member: Member,
        missed: &Missed,
        log: &Log,
    ) -> Option<Start> {
        // What a single history may take is had in any case.
        let bytes_max = self.bounds.history_bytes_max;
        if self.upkeep.bytes > 0 && self.upkeep.bytes + missed.bytes() > bytes_max {
            let more = self.get(id).bytes_to_keep(missed);
            if more > 0 && self.upkeep.bytes + more > bytes_max {
                return None;
            }
        }
        self.change_reruns(id, |room| room.begin_rerun(rendition, member, missed, log))
    }

    /// A member has fallen behind in a rerun, and reads on behind the place `after` where that is newer; `None` when
    /// too many members have missed different things.
    pub(crate) fn begin_rerun_again(
        &mut self,
        id: RoomId,
        rerun: RerunId,
        after: u64,
        member: Member,
        log: &Log,
    ) -> Option<Start> {
        self.change_reruns(id, |room| room.begin_rerun_again(rerun, after, member, log))
    }

    /// A member has read all that there is of a rerun, and goes on in another that has more, if there is one.
    pub(crate) fn go_over(
        &mut self,
        id: RoomId,
        rerun: RerunId,
        member: Member,
        log: &Log,
    ) -> Option<Start> {
        self.change_reruns(id, |room| room.go_over(rerun, member, log))
    }

    /// A member has got all that it had missed, or is gone. What nobody reads any more is kept for others in so many
    /// rooms.
    pub(crate) fn end_rerun(&mut self, id: RoomId, rerun: RerunId, member: Member) {
        let is_read = self.change_reruns(id, |room| room.end_rerun(rerun, member));
        if !is_read {
            self.rerun.push_back(id);
        }
        if self.rerun.len() > RERUN_ROOMS_MAX
            && let Some(oldest) = self.rerun.pop_front()
            && self.rooms.contains(oldest.index())
        {
            self.change(oldest, Room::forget_reruns);
        }
    }

    /// How much of a rerun is appended at a time, until somebody has read it: all that are under way together fill no
    /// great part of the log with what may wait there.
    #[must_use]
    pub(crate) fn rerun_bytes_max(&self, log: &Log) -> u64 {
        let capacity = log.capacity_bytes() as u64;
        let share = capacity / AHEAD_PART / self.upkeep.waiting.max(1) as u64;
        share.clamp(1, capacity / AHEAD_EACH_PART)
    }

    /// Appends what waits of a rerun to `log`, until so many bytes are exceeded.
    pub(crate) fn append_rerun(
        &mut self,
        id: RoomId,
        rerun: RerunId,
        log: &mut Log,
        encoder: &impl Encode,
        bytes_max: u64,
    ) -> Appended<'_> {
        let (bytes, goes_on) =
            self.change_reruns(id, |room| room.append_rerun(rerun, log, encoder, bytes_max));
        let rerun = self.get(id).rerun(rerun);
        Appended {
            bytes,
            readers: rerun.map_or(&[], Rerun::readers),
            goes_on,
        }
    }
}
