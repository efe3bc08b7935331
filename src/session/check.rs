//! What must hold of a session between any two events, for debug builds and the simulation to ask.

use super::{Flags, Phase, Session};
use crate::id::MembershipId;

impl Session {
    /// Compares what it keeps in several places, and what its phase allows.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn check_invariants(&self) -> Result<(), String> {
        let claims = (self.claims_of_phase().into_iter())
            .chain(self.claims_of_operations())
            .chain(self.claims_of_memberships());
        for (holds, otherwise) in claims {
            if !holds {
                return Err(format!("{otherwise}: {self:?}"));
            }
        }
        self.memberships()
            .try_for_each(|(_, membership)| membership.check())
    }

    /// Each with what is wrong when it does not hold.
    fn claims_of_phase(&self) -> [(bool, &'static str); 7] {
        let (phase, flags) = (self.phase, self.flags);
        let begins = matches!(phase, Phase::Head | Phase::Joining);
        let ends = matches!(phase, Phase::Closing | Phase::Lingering | Phase::Dead);
        let head = self.side.as_ref().is_some_and(|side| !side.head.is_empty());
        let may_pause = matches!(phase, Phase::Open | Phase::Dead);
        [
            (begins || !head, "a head is kept that was answered"),
            (
                phase != Phase::Head || self.private.is_none(),
                "an answer to no request",
            ),
            (
                ends || !flags.any(Flags::CLOSE_SENT),
                "a goodbye, and no end",
            ),
            (
                !begins || !flags.any(Flags::PINGED),
                "a ping before the handshake",
            ),
            (
                may_pause || !flags.any(Flags::PAUSED),
                "paused though nothing more is asked of it",
            ),
            (
                phase != Phase::Lingering || self.is_drained(),
                "the last bytes have yet to leave",
            ),
            (
                !begins || self.reader.is_idle(),
                "a message before the handshake",
            ),
        ]
    }

    fn claims_of_operations(&self) -> [(bool, &'static str); 5] {
        let flags = self.flags;
        let sends = matches!(self.phase, Phase::Open | Phase::Closing | Phase::Dead);
        let parts = (self.side.as_ref()).map_or(0, |side| side.parts.len());
        [
            (
                flags.any(Flags::RECEIVING) || !flags.any(Flags::CANCELLING),
                "nothing to cancel",
            ),
            (
                !flags.all(Flags::RECEIVING.and(Flags::STARVED)),
                "in line for a buffer while it is received from",
            ),
            (
                sends || !flags.any(Flags::SENDING),
                "a send in a phase that has none",
            ),
            (
                !flags.all(Flags::SENDING.and(Flags::BLOCKED)),
                "a send to a socket that is known to be full",
            ),
            (
                flags.any(Flags::SENDING) || parts == 0,
                "parts of no send are kept",
            ),
        ]
    }

    fn claims_of_memberships(&self) -> [(bool, &'static str); 10] {
        let flags = self.flags;
        let several = self.side.as_ref().is_some_and(|side| side.is_several());
        let in_none = self.memberships().next().is_none();
        let mut cut = (self.memberships())
            .filter(|(_, membership)| membership.is_mid_frame())
            .map(|(id, _)| id);
        let (first_cut, second_cut) = (cut.next(), cut.next());
        let noted_cut = match &self.side {
            Some(side) if several => side.cut,
            _ => first_cut,
        };
        let due_are_members = self.side.as_ref().is_none_or(|side| {
            side.due.behind(MembershipId::INLINE).all(|id| {
                let one = self.membership(id);
                several && one.is_some_and(|one| one.number().is_some())
            })
        });
        let is_client = flags.any(Flags::CLIENT) && self.phase == Phase::Open;
        let are_subscribed = self.client().is_none_or(|client| {
            let subscriptions = client.subscriptions();
            self.memberships().count() == subscriptions.len()
                && (self.memberships()).all(|(id, _)| subscriptions.get(id).is_some())
        });
        [
            (
                is_client == self.client().is_some(),
                "what a client is owed, and no client, or none of it",
            ),
            (are_subscribed, "memberships and subscriptions differ"),
            (
                self.memberships().all(|(id, one)| {
                    let side = self.side.as_ref();
                    let noted = side.and_then(|side| side.recovering(id));
                    noted.is_some() == one.is_catching_up()
                }),
                "something was missed, and nobody knows up to where",
            ),
            (
                several == flags.any(Flags::SEVERAL),
                "the flag for several memberships is wrong",
            ),
            (
                self.side.as_ref().is_none_or(|side| !side.is_empty()),
                "a box with nothing in it",
            ),
            (second_cut.is_none(), "two frames are cut"),
            (first_cut == noted_cut, "the cut frame is another's"),
            (due_are_members, "something is due that is no member's"),
            (
                in_none || !flags.any(Flags::ALONE),
                "a room for a session that is alone",
            ),
            (
                in_none || !matches!(self.phase, Phase::Head | Phase::Lingering | Phase::Dead),
                "a room in a phase that has none",
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use crate::id::{MembershipId, RoomId};
    use crate::room::rendition::Rendition;
    use crate::session::tests::open;
    use crate::session::{Flags, Phase, Session};

    /// Goal: what contradicts itself is told, whichever side of it is wrong.
    #[test]
    fn contradictions_are_told() {
        type Break = (&'static str, fn(&mut Session));
        let breaks: [Break; 9] = [
            ("a goodbye, and no end", |one| {
                one.flags.set(Flags::CLOSE_SENT)
            }),
            ("nothing to cancel", |one| one.mark(Flags::CANCELLING)),
            ("in line for a buffer", |one| {
                one.begin(Flags::RECEIVING);
                one.mark(Flags::STARVED);
            }),
            ("known to be full", |one| {
                one.flags.set(Flags::SENDING.and(Flags::BLOCKED));
            }),
            ("several memberships is wrong", |one| {
                one.flags.clear(Flags::SEVERAL);
            }),
            ("no member's", |one| {
                let side = one.side.as_mut().unwrap();
                side.due.insert(MembershipId::new(99));
            }),
            ("the cut frame is another's", |one| {
                one.side.as_mut().unwrap().cut = Some(MembershipId::INLINE);
            }),
            ("a session that is alone", |one| one.flags.set(Flags::ALONE)),
            ("a room in a phase", |one| one.phase = Phase::Dead),
        ];
        for (told, contradict) in breaks {
            let mut session = open();
            for room in 0..2 {
                session.add_membership(RoomId::at(room), Rendition::PLAIN);
            }
            session.check_invariants().unwrap();
            contradict(&mut session);
            let error = session.check_invariants().unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }
}
