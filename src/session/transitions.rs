//! Every way of a session from one phase to the next.
//!
//! A transition changes what is the session's own. What it means for its room, for other shards and for
//! the socket is the shard's to do.

use super::phase::Phase;
use super::tick::Tick;
use super::{Flags, Place, Session};
use crate::id::MembershipId;
use crate::wire::message::Reader;

impl Session {
    /// How far it has come.
    #[must_use]
    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// From `Head`: the request was good and is to be answered once its `place` is confirmed. `early` is
    /// what came behind the head.
    pub fn join(&mut self, place: Place, wishes: Flags, early: &[u8]) {
        assert_eq!(self.phase, Phase::Head);
        assert!(Flags::WISHES.all(wishes));
        assert!(self.side.is_none(), "the head was taken and judged");
        self.phase = Phase::Joining;
        self.flags.set(wishes);
        match place {
            Place::None => {}
            Place::Echo => self.flags.set(Flags::ALONE),
            Place::Client => self.flags.set(Flags::CLIENT),
            Place::Room { room, rendition } => {
                let id = self.add_membership(room, rendition);
                assert_eq!(id, Some(MembershipId::INLINE));
            }
        }
        self.keep_head(early);
    }

    /// From `Joining`: messages flow from now on. Returns what came behind the head.
    pub fn open(&mut self, now: Tick) -> Option<Vec<u8>> {
        assert_eq!(self.phase, Phase::Joining);
        self.phase = Phase::Open;
        self.hear(now);
        self.take_head()
    }

    /// From `Head` or `Joining`: the request is turned down, and what was to be answered with it. Returns
    /// the buffer for the refusal.
    pub(crate) fn refuse(&mut self) -> &mut Vec<u8> {
        assert!(matches!(self.phase, Phase::Head | Phase::Joining));
        self.phase = Phase::Closing;
        self.flags.set(Flags::DISCARDING);
        assert!(
            !self.flags.any(Flags::SEVERAL),
            "it has joined one room at most"
        );
        // What came early was meant for an open session.
        drop(self.take_head());
        self.membership = None;
        self.private = None;
        self.private_mut()
    }

    /// From `Open`: the session says goodbye, and stops where it is in what it reads. Returns the buffer
    /// for the Close frame.
    pub(crate) fn close(&mut self) -> &mut Vec<u8> {
        assert_eq!(self.phase, Phase::Open);
        self.phase = Phase::Closing;
        self.flags.set(Flags::CLOSE_SENT);
        self.flags.clear(Flags::PAUSED.and(Flags::UNANNOUNCED));
        self.end_client();
        if !self.reader.is_idle() {
            // It stopped in the middle of a message, which is of no interest any more, and neither is
            // where it ends.
            self.reader = Reader::default();
            self.flags.set(Flags::DISCARDING);
        }
        self.private_mut()
    }

    /// From `Closing`: all was sent, and the peer is to end the connection.
    pub(crate) fn linger(&mut self) {
        assert_eq!(self.phase, Phase::Closing);
        assert!(self.is_drained(), "its last bytes come first");
        self.phase = Phase::Lingering;
    }

    /// From any phase but `Dead`: nothing is received or planned any more. It is to leave its rooms.
    pub(crate) fn die(&mut self) {
        assert_ne!(self.phase, Phase::Dead);
        self.phase = Phase::Dead;
        drop(self.take_head());
        self.end_client();
        self.reader = Reader::default();
        if !self.flags.any(Flags::SENDING) {
            self.private = None;
        }
    }

    /// What it has asked for is of no interest any more.
    fn end_client(&mut self) {
        if let Some(side) = &mut self.side {
            side.client = None;
            self.tidy_side();
        }
    }

    /// Whether everything that it is ever to be sent has left.
    #[must_use]
    pub(crate) fn is_drained(&self) -> bool {
        self.private_bytes() == 0
            && !self.flags.any(Flags::SENDING)
            && self.memberships().next().is_none()
    }

    // What the peer does to the connection, in any phase.

    /// The peer's Close frame has arrived: nothing behind it matters.
    pub(crate) fn close_received(&mut self) {
        self.flags.set(Flags::CLOSE_RECEIVED.and(Flags::DISCARDING));
    }

    /// The peer has shut down its write side: nothing more arrives, no answer to a goodbye either.
    pub(crate) fn input_ended(&mut self) {
        let gone = Flags::ENDED
            .and(Flags::CLOSE_RECEIVED)
            .and(Flags::DISCARDING);
        self.flags.set(gone);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use crate::id::{MembershipId, RoomId, StreamPosition};
    use crate::room::rendition::Rendition;
    use crate::session::tests::{fresh, open};
    use crate::session::tick::Tick;
    use crate::session::{Flags, Phase, Place, Session};
    use crate::wire::message::{Role, Rules};

    fn room() -> Place {
        Place::Room {
            room: RoomId::at(3),
            rendition: Rendition::PLAIN,
        }
    }

    fn joining() -> Session {
        let mut session = fresh();
        session.join(room(), Flags::VISIBLE, b"early");
        session
    }

    fn closing() -> Session {
        let mut session = open();
        session.close();
        session
    }

    fn lingering() -> Session {
        let mut session = closing();
        session.linger();
        session
    }

    fn dead() -> Session {
        let mut session = open();
        session.die();
        session
    }

    /// Goal: from its first byte to the free slot, each phase keeps what it needs and no more.
    #[test]
    fn a_session_lives_once() {
        let mut session = joining();
        assert_eq!((session.phase(), session.place()), (Phase::Joining, room()));
        assert!(session.flags().all(Flags::VISIBLE) && !session.flags().any(Flags::ECHO));
        session.private_mut().extend_from_slice(b"accepted");
        session.check_invariants().unwrap();
        session.enter(MembershipId::INLINE, 0, StreamPosition::new(50));
        assert_eq!(session.open(Tick(5)).as_deref(), Some(&b"early"[..]));
        assert_eq!((session.phase(), session.heard()), (Phase::Open, Tick(5)));
        session.mark(Flags::PAUSED);
        session.check_invariants().unwrap();
        session.close().extend_from_slice(b"goodbye");
        assert_eq!(session.unsent(), b"acceptedgoodbye");
        let flags = session.flags();
        assert!(flags.all(Flags::CLOSE_SENT) && !flags.any(Flags::PAUSED));
        session.check_invariants().unwrap();
        assert!(!session.is_drained());
        session.remove_membership(MembershipId::INLINE).unwrap();
        session.private = None;
        session.linger();
        session.check_invariants().unwrap();
        session.die();
        assert_eq!(session.phase(), Phase::Dead);
        session.check_invariants().unwrap();
    }

    /// Goal: a transition from a phase that it does not lead from is a programmer's error, each of them
    /// from each phase.
    #[test]
    fn transitions_know_where_they_come_from() {
        type Transition = (&'static str, fn(&mut Session), &'static [Phase]);
        use Phase::{Closing, Head, Joining, Lingering, Open};
        let transitions: [Transition; 6] = [
            ("join", |one| one.join(room(), Flags::ECHO, b""), &[Head]),
            ("open", |one| drop(one.open(Tick(1))), &[Joining]),
            ("refuse", |one| one.refuse().clear(), &[Head, Joining]),
            ("close", |one| one.close().clear(), &[Open]),
            ("linger", Session::linger, &[Closing]),
            (
                "die",
                Session::die,
                &[Head, Joining, Open, Closing, Lingering],
            ),
        ];
        let phases: [fn() -> Session; 6] = [fresh, joining, open, closing, lingering, dead];
        for (name, transition, from) in transitions {
            for make in phases {
                let mut session = make();
                let phase = session.phase();
                let done = catch_unwind(AssertUnwindSafe(|| transition(&mut session)));
                assert_eq!(done.is_ok(), from.contains(&phase), "{name} from {phase:?}");
            }
        }
    }

    /// Goal: a request that was accepted too early is answered with the refusal and nothing else.
    #[test]
    fn a_refusal_replaces_the_answer() {
        let mut session = joining();
        session.private_mut().extend_from_slice(b"accepted");
        session.take_head();
        session.refuse().extend_from_slice(b"refused");
        assert_eq!(session.unsent(), b"refused");
        assert_eq!(session.place(), Place::None);
        assert!(session.flags().all(Flags::DISCARDING));
        session.check_invariants().unwrap();
    }

    /// Goal: whoever is closed in the middle of a message has the rest of it thrown away, and whoever
    /// is not is listened to for its answer.
    #[test]
    fn a_close_ends_half_a_message() {
        let mut session = open();
        assert!(!closing().flags().any(Flags::DISCARDING));
        // A text frame of a masked client, two bytes of five.
        let mut input = &mut [0x81, 0x85, 0, 0, 0, 0, b'h', b'e'][..];
        let rules = Rules {
            role: Role::Server,
            message_bytes_max: 100,
        };
        let mut reader = session.take_reader();
        assert_eq!(reader.next(&mut input, &rules), Ok(None));
        session.return_reader(reader);
        assert!(session.held_bytes() > 0);
        session.close();
        assert!(session.flags().all(Flags::DISCARDING));
        assert_eq!(session.half_message_bytes(), 0);
    }

    /// Goal: what a send in flight reads outlives the session, and everything else it held does not.
    #[test]
    fn the_dead_hold_nothing() {
        let mut session = open();
        session.private_mut().extend_from_slice(&[1; 1000]);
        session.begin(Flags::SENDING);
        session.die();
        assert_eq!(session.unsent().len(), 1000);
        let mut session = joining();
        session.private_mut().extend_from_slice(&[1; 1000]);
        session.remove_membership(MembershipId::INLINE).unwrap();
        session.die();
        assert_eq!(session.held_bytes(), 0);
        session.check_invariants().unwrap();
    }
}
