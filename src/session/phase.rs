//! How far a connection has come, and every way from one phase to the next.
//!
//! A transition changes what is the session's own. What it means for its room, for other shards and for
//! the socket is the shard's to do.

use super::tick::Tick;
use super::{Flags, Place, Session};
use crate::id::MembershipId;
use crate::wire::message::Reader;

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its request head is arriving.
    Head,
    /// Its room's home shard has yet to confirm the join; the handshake is answered after that.
    Joining,
    /// Messages flow.
    Open,
    /// The last bytes are on their way out; input matters only if a Close frame is awaited.
    Closing,
    /// All was sent and the write side shut down; waiting for the peer to do the same.
    Lingering,
    /// Shut down; waiting for the kernel's answers to operations in flight.
    Dead,
}

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
        self.flags.clear(Flags::PAUSED);
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
        self.reader = Reader::default();
        if !self.flags.any(Flags::SENDING) {
            self.private = None;
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
