//! What a session has missed in its rooms before it came back to them: where it is sent that, and where it goes on.

use super::membership::{Membership, Streams};
use super::side::{Course, Missing, Recovering};
use super::{Flags, Session};
use crate::id::{MembershipId, RerunId, RoomId, StreamPosition};
use crate::room::log::Log;
use crate::room::rerun::Start;

/// A membership that has got all that it had missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Abreast {
    /// Which.
    pub(crate) membership: MembershipId,
    /// Of which room.
    pub(crate) room: RoomId,
    /// What it has read.
    pub(crate) rerun: RerunId,
    /// Whether it was said meanwhile that it has come, which has left the log by now.
    pub(crate) is_unmet: bool,
}

impl Session {
    /// It is first sent what it has missed before it came into a room.
    pub(crate) fn begin_rerun(&mut self, id: MembershipId, start: &Start) {
        self.keeping_unheard(|session| {
            let membership = session.membership_mut(id).expect("a member is there");
            let live = membership.cursor();
            membership.begin_rerun(start.rerun, start.position.unwrap_or(start.head));
            let side = session.side.get_or_insert_default();
            side.recovering.push(Recovering {
                membership: id,
                course: Course::Missed(Missing {
                    after: start.position.is_none().then_some(start.after),
                    last: start.last,
                    live,
                }),
            });
            if !session.flags.any(Flags::SEVERAL) {
                session.flags.set(Flags::SEVERAL);
                session.begin_several();
            }
        });
    }

    /// It is sent the rest of what it has missed elsewhere.
    pub(crate) fn move_rerun(&mut self, id: MembershipId, start: &Start) {
        self.keeping_unheard(|session| {
            let membership = session.membership_mut(id).expect("a member is there");
            membership.begin_rerun(start.rerun, start.position.unwrap_or(start.head));
            let side = session.side.as_mut();
            if let Some(Course::Missed(missing)) = side.and_then(|side| side.recovering_mut(id)) {
                missing.after = start.position.is_none().then_some(start.after);
            }
        });
    }

    /// What it reads of what it has missed in a room, as long as it has not got all of it.
    #[must_use]
    pub(crate) fn rerun_of(&self, id: MembershipId) -> Option<RerunId> {
        self.membership(id)?.rerun()
    }

    /// The place up to which it has got what it has missed in a room; between two frames.
    pub(crate) fn place_in_rerun(&self, id: MembershipId, streams: &impl Streams) -> Option<u64> {
        let missing = self.side.as_ref()?.missing(id)?;
        missing.after.or(self.membership(id)?.place(streams))
    }

    /// Whether it is known where that begins which it has missed in a room.
    #[must_use]
    pub(crate) fn has_begun_rerun(&self, id: MembershipId) -> bool {
        let missing = self.side.as_ref().and_then(|side| side.missing(id));
        missing.is_some_and(|missing| missing.after.is_none())
    }

    /// Those that are sent what they have missed begin where that begins, if it is known by now.
    pub(super) fn find_starts(&mut self, streams: &impl Streams) {
        let Some(side) = self
            .side
            .as_mut()
            .filter(|side| !side.recovering.is_empty())
        else {
            return;
        };
        let mut recovering = std::mem::take(&mut side.recovering);
        for one in &mut recovering {
            let Course::Missed(missing) = &mut one.course else {
                continue;
            };
            let Some((after, membership)) = missing.after.zip(self.membership_mut(one.membership))
            else {
                continue;
            };
            if let Some(start) = membership.start_behind(after, streams) {
                membership.stand_at(start);
                missing.after = None;
            }
        }
        if let Some(side) = &mut self.side {
            side.recovering = recovering;
        }
    }

    /// One of its memberships has got all that it had missed, and goes on with what is said.
    pub(crate) fn end_rerun(&mut self, streams: &impl Streams, log: &Log) -> Option<Abreast> {
        let recovering = &self.side.as_ref()?.recovering;
        let (id, missing) = recovering.iter().find_map(|one| {
            let Course::Missed(missing) = one.course else {
                return None;
            };
            let membership = self.membership(one.membership)?;
            let has_all = missing.after.is_none() && membership.has_all(missing.last, streams);
            has_all.then_some((one.membership, missing))
        })?;
        let membership = self.membership(id)?;
        let (room, rerun) = (membership.room(), membership.rerun()?);
        let stream = streams.stream(room, membership.rendition());
        let head = stream.head();
        // Where what it missed has pushed it out of the log, nothing is lost with what nobody keeps anyway.
        let live = match stream.is_about_to_leave(missing.live, log) {
            true if stream.top() <= missing.last => head,
            _ => missing.live,
        };
        let abreast = Abreast {
            membership: id,
            room,
            rerun,
            is_unmet: live != missing.live && membership.has_met_itself(),
        };
        self.keeping_unheard(|session| {
            let membership = session.membership_mut(id).expect("it was just found");
            membership.end_rerun(live);
            if let Some(side) = &mut session.side {
                if let Some(course) = side.recovering_mut(id) {
                    *course = Course::Since(head);
                }
                side.due.insert(id);
            }
        });
        self.note_abreast();
        Some(abreast)
    }

    /// Those are abreast of their rooms that have got what was said while they were sent what they had missed.
    pub(crate) fn note_abreast(&mut self) {
        while let Some(id) = self.come_abreast() {
            self.keeping_unheard(|session| {
                if let Some(membership) = session.membership_mut(id) {
                    membership.come_abreast();
                }
                if let Some(side) = &mut session.side {
                    side.end_recovering(id);
                }
                session.tidy_side();
            });
        }
    }

    fn come_abreast(&self) -> Option<MembershipId> {
        let recovering = &self.side.as_ref()?.recovering;
        let is_abreast = |one: &&Recovering| match one.course {
            Course::Missed(_) => false,
            Course::Since(until) => {
                let membership = self.membership(one.membership);
                membership.is_some_and(|one| !one.is_mid_frame() && one.cursor() >= until)
            }
        };
        recovering.iter().find(is_abreast).map(|one| one.membership)
    }

    /// Its memberships that have been sent all there is yet of what they have missed, and of which reruns.
    pub(crate) fn idle_reruns(
        &self,
        streams: &impl Streams,
    ) -> Vec<(MembershipId, RoomId, RerunId)> {
        let recovering = self.side.iter().flat_map(|side| &side.recovering);
        let idle = recovering.filter_map(|one| {
            let Course::Missed(missing) = one.course else {
                return None;
            };
            let membership = self.membership(one.membership)?;
            let reads_on = missing.after.is_some() || membership.has_read_on(streams);
            reads_on.then_some((one.membership, membership.room(), membership.rerun()?))
        });
        idle.collect()
    }

    /// Where in what is said of a room it reads, now or once it has got what it had missed.
    #[must_use]
    pub(crate) fn live_cursor(&self, id: MembershipId) -> StreamPosition {
        let membership = self.membership(id).expect("a member is there");
        match membership.rerun() {
            None => membership.cursor(),
            Some(_) => self.live_while_recovering(id),
        }
    }

    #[cold]
    fn live_while_recovering(&self, id: MembershipId) -> StreamPosition {
        let side = self.side.as_ref();
        let missing = side.and_then(|side| side.missing(id));
        missing.expect("it is known where it goes on").live
    }

    /// How far a membership is read for now that is sent what it has missed.
    pub(super) fn limit(&self, id: MembershipId, streams: &impl Streams) -> Option<StreamPosition> {
        let missing = self.side.as_ref()?.missing(id)?;
        let membership: &Membership = self.membership(id)?;
        match missing.after {
            Some(_) => Some(membership.cursor()),
            None => membership.limit(missing.last, streams),
        }
    }
}
