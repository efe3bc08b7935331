//! The rooms a session is in, and how it comes and goes.
//!
//! The first membership stands in the session itself, and a session that has no other is served as
//! if there were none. Those beyond it are in the side table.

use super::membership::{Membership, Streams};
use super::side::Due;
use super::{Flags, Phase, Session};
use crate::id::{MembershipId, RoomId, StreamPosition};
use crate::room::index::Index;
use crate::room::rendition::Rendition;

impl Session {
    // Which rooms.

    /// One membership.
    #[must_use]
    pub fn membership(&self, id: MembershipId) -> Option<&Membership> {
        if id == MembershipId::INLINE {
            return self.membership.as_ref();
        }
        self.side.as_ref()?.get(id)
    }

    pub(super) fn membership_mut(&mut self, id: MembershipId) -> Option<&mut Membership> {
        if id == MembershipId::INLINE {
            return self.membership.as_mut();
        }
        self.side.as_mut()?.get_mut(id)
    }

    /// All of them.
    pub(crate) fn memberships(&self) -> impl Iterator<Item = (MembershipId, &Membership)> {
        let first = (self.membership.iter()).map(|membership| (MembershipId::INLINE, membership));
        first.chain(self.side.iter().flat_map(|side| side.memberships()))
    }

    /// Those whose joins are confirmed, and the streams that they read.
    pub(crate) fn streams<'a>(
        &'a self,
        streams: &'a impl Streams,
    ) -> impl Iterator<Item = (MembershipId, &'a Membership, &'a Index)> {
        self.memberships()
            .filter_map(|(id, one)| Some((id, one, one.stream(streams)?)))
    }

    /// Its membership of `room`, if it is in there or about to be.
    #[must_use]
    pub fn membership_in(&self, room: RoomId) -> Option<MembershipId> {
        self.memberships()
            .find(|(_, membership)| membership.room() == room)
            .map(|(id, _)| id)
    }

    // Coming and going.

    /// It is to join `room` and to read `rendition`; `None` when it is in as many rooms as it can be.
    pub fn add_membership(&mut self, room: RoomId, rendition: Rendition) -> Option<MembershipId> {
        assert!(self.membership_in(room).is_none(), "it is in there already");
        assert_ne!(self.phase, Phase::Dead, "a room has no dead members");
        assert!(!self.flags.any(Flags::ALONE), "its messages go elsewhere");
        self.keeping_unheard(|session| {
            let membership = Membership::new(room, rendition);
            if session.membership.is_none() {
                session.membership = Some(membership);
                return Some(MembershipId::INLINE);
            }
            let side = session.side.get_or_insert_default();
            let id = side.add(membership)?;
            if !session.flags.any(Flags::SEVERAL) {
                session.flags.set(Flags::SEVERAL);
                session.begin_several();
            }
            Some(id)
        })
    }

    /// Until now the first membership had no due bit, and a cut frame could be no other's.
    pub(super) fn begin_several(&mut self) {
        let side = self.side.as_mut().expect("another membership is there");
        let Some(first) = self.membership.as_ref() else {
            return;
        };
        if first.number().is_some() {
            side.due.insert(MembershipId::INLINE);
        }
        side.cut = first.is_mid_frame().then_some(MembershipId::INLINE);
        assert!(!self.flags.any(Flags::SENDING), "its send had one part");
    }

    /// The join is confirmed: it is member `number` of the audience, and reads from `head` on.
    pub fn enter(&mut self, id: MembershipId, number: u32, head: StreamPosition) {
        self.keeping_unheard(|session| {
            let membership = session.membership_mut(id).expect("it was to join");
            membership.enter(number, head);
        });
    }

    /// It no longer wants to join a room that it has asked to: it leaves again once it is let in, since the
    /// home counts it from then on.
    pub(crate) fn give_up(&mut self, id: MembershipId) {
        self.membership_mut(id).expect("it was to join").give_up();
    }

    /// It wants to join after all, to read `rendition`.
    pub(crate) fn want_again(&mut self, id: MembershipId, rendition: Rendition) {
        let membership = self.membership_mut(id).expect("it was to join");
        membership.want_again(rendition);
    }

    /// Another member has left: it is number `number` of its audience now.
    pub(crate) fn renumber(&mut self, id: MembershipId, number: u32) {
        let membership = self.membership_mut(id).expect("a member is there");
        membership.renumber(number);
    }

    /// It leaves a room, or gives up joining it; returns where it stood. What was cut of that room is
    /// to be rescued before, unless nobody is there any more to be sent anything.
    pub fn remove_membership(&mut self, id: MembershipId) -> Option<Membership> {
        let membership = self.membership(id)?;
        assert!(
            self.phase == Phase::Dead || !(membership.is_mid_frame() || self.is_sending()),
            "a frame is sent whole"
        );
        self.keeping_unheard(|session| {
            if let Some(side) = &mut session.side {
                side.due.remove(id);
                side.cut.take_if(|cut| *cut == id);
                side.end_recovering(id);
            }
            let removed = match id {
                MembershipId::INLINE => session.membership.take(),
                _ => session.side.as_mut()?.remove(id),
            };
            session.tidy_side();
            removed
        })
    }

    /// The side table goes when nothing is in it.
    pub(super) fn tidy_side(&mut self) {
        let Some(side) = &mut self.side else {
            return;
        };
        if !side.is_several() {
            self.flags.clear(Flags::SEVERAL);
            // One that is on its own is always planned, and keeps its cut frame by itself.
            (side.due, side.cut) = (Due::default(), None);
        }
        self.side.take_if(|side| side.is_empty());
    }

    // Reading.

    /// It has something to send; the plan of one with a single membership need not be told.
    pub fn mark_due(&mut self, id: MembershipId) {
        let member = self.membership(id).and_then(Membership::number);
        assert!(member.is_some(), "only members have something to read");
        if self.flags.any(Flags::SEVERAL)
            && let Some(side) = &mut self.side
        {
            side.due.insert(id);
        }
    }

    /// Whether the next plan looks at a membership, or the send in flight carries what it has.
    #[must_use]
    pub(crate) fn is_due(&self, id: MembershipId) -> bool {
        match &self.side {
            Some(side) if self.flags.any(Flags::SEVERAL) => {
                self.is_sending() || side.cut == Some(id) || side.due.contains(id)
            }
            _ => id == MembershipId::INLINE,
        }
    }

    /// It passes by everything before `head`. A frame that was cut is to be rescued first.
    pub fn skip_to(&mut self, id: MembershipId, head: StreamPosition) {
        let membership = self.membership_mut(id).expect("a member is there");
        membership.skip_to(head);
        if let Some(side) = &mut self.side {
            side.due.remove(id);
        }
    }

    /// What members of `room` read in `rendition` says that it has come; returns whether it has said so before, since
    /// it is one of them: then it was about an earlier stay.
    pub(crate) fn meets_itself_again(&mut self, room: RoomId, rendition: Rendition) -> bool {
        let Some(id) = self.membership_in(room) else {
            return false;
        };
        let membership = (self.membership_mut(id)).filter(|one| one.reads(room, rendition));
        membership.is_some_and(Membership::meets_itself_again)
    }

    /// It has published `start..end` of what members of `room` read in `rendition`; returns whether that
    /// is ahead of it: not if it is none of them, nor if it has nothing else to be sent, the usual case,
    /// in which it passes by its own message at once and nobody need remember whose it is.
    pub fn note_own(
        &mut self,
        room: RoomId,
        rendition: Rendition,
        start: StreamPosition,
        end: StreamPosition,
    ) -> bool {
        let id = if self.flags.any(Flags::SEVERAL) {
            self.membership_in(room).unwrap_or(MembershipId::INLINE)
        } else {
            MembershipId::INLINE
        };
        // What became of a send in flight decides where the cursor is to stand.
        let may_pass = !self.flags.any(Flags::SENDING);
        let membership = self.membership_mut(id);
        let Some(membership) = membership.filter(|one| one.reads(room, rendition)) else {
            return false;
        };
        if may_pass && membership.pass_by_own(start, end) {
            return false;
        }
        membership.note_own(start, end);
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::id::{MembershipId, RoomId, StreamPosition};
    use crate::room::rendition::Rendition;
    use crate::session::membership::{MEMBERSHIPS_MAX, Membership};
    use crate::session::tests::{fresh, open};
    use crate::session::{Flags, Place, Session};

    fn add(session: &mut Session, room: usize) -> Option<MembershipId> {
        session.add_membership(RoomId::at(room), Rendition::PLAIN)
    }

    fn numbers(session: &Session) -> Vec<u8> {
        session.memberships().map(|(id, _)| id.number()).collect()
    }

    /// Goal: a session is in up to 128 rooms, found by their handles, and has no box and no flag for
    /// the others once they are left.
    #[test]
    fn rooms_are_joined_and_left() {
        let mut session = open();
        for room in 0..MEMBERSHIPS_MAX {
            let id = add(&mut session, room).expect("there is room");
            assert_eq!(session.flags().any(Flags::SEVERAL), room > 0);
            let number = u32::try_from(room).unwrap();
            session.enter(id, number, StreamPosition::default());
            session.renumber(id, number + 1);
            let found = session.membership_in(RoomId::at(room)).unwrap();
            let number_now = session.membership(found).and_then(Membership::number);
            assert_eq!(number_now, Some(number + 1));
            session.check_invariants().unwrap();
        }
        assert_eq!(add(&mut session, 500), None);
        let middle = session.membership_in(RoomId::at(64)).unwrap();
        session.remove_membership(middle).unwrap();
        session.remove_membership(MembershipId::INLINE).unwrap();
        assert_eq!(session.membership_in(RoomId::at(64)), None);
        // The one in the session itself first: it is the cheapest.
        assert_eq!(add(&mut session, 501), Some(MembershipId::INLINE));
        assert_eq!(add(&mut session, 502), Some(middle));
        for room in (1..64).chain(65..MEMBERSHIPS_MAX).chain([502]) {
            let id = session.membership_in(RoomId::at(room)).unwrap();
            session.remove_membership(id).unwrap();
        }
        assert_eq!(numbers(&session), [0]);
        assert!(session.side.is_none() && !session.flags().any(Flags::SEVERAL));
        session.check_invariants().unwrap();
    }

    /// Goal: a join that was given up is remembered until it is confirmed, and may be wanted again.
    #[test]
    fn a_join_may_be_given_up_and_wanted_again() {
        let mut session = open();
        add(&mut session, 1);
        let id = add(&mut session, 2).unwrap();
        session.give_up(id);
        session.check_invariants().unwrap();
        assert!(session.membership(id).unwrap().is_given_up());
        session.want_again(id, Rendition::PLAIN_QUIET);
        session.enter(id, 0, StreamPosition::default());
        session.check_invariants().unwrap();
        let membership = session.membership(id).unwrap();
        assert!(!membership.is_given_up());
        assert_eq!(membership.rendition(), Rendition::PLAIN_QUIET);
    }

    /// Goal: nobody joins a room twice.
    #[test]
    #[should_panic(expected = "it is in there already")]
    fn a_room_is_joined_once() {
        let mut session = open();
        add(&mut session, 1);
        add(&mut session, 1);
    }

    /// Goal: a session whose messages come back to it is in no room.
    #[test]
    #[should_panic(expected = "its messages go elsewhere")]
    fn an_echo_is_in_no_room() {
        let mut session = fresh();
        session.join(Place::Echo, Flags::default(), b"");
        add(&mut session, 1);
    }

    /// Goal: a join that is not confirmed has nothing to read.
    #[test]
    #[should_panic(expected = "only members have something to read")]
    fn a_join_is_confirmed_before_anything_is_due() {
        let mut session = open();
        let id = add(&mut session, 1).unwrap();
        session.mark_due(id);
    }

    /// Goal: a membership is due once it is told, no longer when it skips, and others stay as they were;
    /// the first is due as soon as it has company, since nobody has kept count of it until then.
    #[test]
    fn what_is_due_is_told() {
        let mut session = open();
        let ids: Vec<MembershipId> = (0..4)
            .map(|room| {
                let id = add(&mut session, room).unwrap();
                session.enter(id, 0, StreamPosition::default());
                session.mark_due(id);
                id
            })
            .collect();
        let due = |session: &Session| -> Vec<MembershipId> {
            let side = session.side.as_ref().unwrap();
            side.due.behind(MembershipId::new(127)).collect()
        };
        assert_eq!(due(&session), ids);
        session.skip_to(ids[2], StreamPosition::new(5));
        session.remove_membership(ids[1]).unwrap();
        assert_eq!(due(&session), [ids[0], ids[3]]);
        let are_due: Vec<bool> = ids.iter().map(|&id| session.is_due(id)).collect();
        assert_eq!(are_due, [true, false, false, true]);
        session.check_invariants().unwrap();
    }

    /// Goal: an own message is noted for the room and the rendition it was read in, however many there
    /// are, and by members only.
    #[test]
    fn own_messages_find_their_room() {
        let (start, end) = (StreamPosition::new(10), StreamPosition::new(20));
        let mut session = open();
        let note = |session: &mut Session, room: usize, rendition| {
            session.note_own(RoomId::at(room), rendition, start, end)
        };
        assert!(!note(&mut session, 0, Rendition::PLAIN));
        for room in 0..3 {
            let id = add(&mut session, room).unwrap();
            assert!(
                !note(&mut session, room, Rendition::PLAIN),
                "not a member yet"
            );
            session.enter(id, 0, StreamPosition::default());
            assert!(note(&mut session, room, Rendition::PLAIN));
            assert!(!note(&mut session, room, Rendition::PLAIN_QUIET));
            assert!(!note(&mut session, 9, Rendition::PLAIN));
        }
    }

    /// Goal: who has been sent all that comes before passes by its own message at once, and nobody has to
    /// remember it; but not while a send is in flight, which decides where it stands.
    #[test]
    fn own_messages_are_passed_by_at_once() {
        let room = RoomId::at(0);
        let at = StreamPosition::new;
        let note = |session: &mut Session, start, end| {
            let noted = session.note_own(room, Rendition::PLAIN, at(start), at(end));
            (noted, session.cursor())
        };
        let mut session = open();
        let id = add(&mut session, 0).unwrap();
        session.enter(id, 0, at(10));
        assert_eq!(note(&mut session, 10, 20), (false, at(20)));
        assert_eq!(note(&mut session, 20, 30), (false, at(30)));
        assert_eq!(
            note(&mut session, 40, 50),
            (true, at(30)),
            "others' lie between"
        );
        session.skip_to(id, at(50));
        session.flags.set(Flags::SENDING);
        assert_eq!(note(&mut session, 50, 60), (true, at(50)), "in flight");
    }
}
