//! A session: one connection, from its first byte to the moment its slot is free again.
//!
//! The struct is kept small, since idle sessions are most of them: whatever only a busy one needs
//! (a request head, a partial message, private replies) is in a box that an idle one does not have.
//!
//! What it is made of are types that do not know it, each in the file that is named for it. What happens to
//! it as a whole is in files that hold its methods alone, and that nobody imports.

// The types.
pub(crate) mod client;
mod flags;
pub(crate) mod holdings;
pub mod membership;
mod phase;
mod private;
pub mod send;
mod side;
pub mod tick;
pub(crate) mod timers;
pub(crate) mod wheel;

// What happens to a session.
mod check;
mod deadlines;
mod missed;
mod outbox;
mod rooms;
mod transitions;

// All of a shard's.
mod slab;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use uuid::Uuid;

use self::client::Client;
pub use self::flags::Flags;
use self::membership::Membership;
pub(crate) use self::phase::Phase;
use self::private::Private;
use self::send::InFlight;
use self::side::Side;
pub(crate) use self::slab::Sessions;
use self::tick::Tick;
use self::timers::Timers;
use crate::id::{RoomId, StreamPosition};
use crate::room::rendition::Rendition;
use crate::transport::Transport;
use crate::wire::message::Reader;

/// Where the messages of a session go that is in one room at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Nowhere yet, or no longer.
    None,
    /// Back to itself (`/echo`).
    Echo,
    /// Wherever its commands say.
    Client,
    /// To a room.
    Room {
        /// Which room.
        room: RoomId,
        /// In which form it reads it.
        rendition: Rendition,
    },
}

/// One connection.
///
/// Two cache lines, of which a delivery touches the first alone: with thousands of subscribers the
/// kernel's sends have pushed both out of the caches since the last message.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Session {
    /// Where it stands in its room, or in one of them.
    membership: Option<Membership>,
    /// Replies to this peer alone.
    private: Option<Box<Private>>,
    socket: OwnedFd,
    phase: Phase,
    flags: Flags,
    /// How its bytes leave.
    transport: Transport,
    /// What the send in flight carries.
    in_flight: InFlight,
    /// Frames and messages that are not complete yet.
    reader: Reader,
    /// A head that is not whole, what a client waits for, more memberships.
    side: Option<Box<Side>>,
    timers: Timers,
    /// Its public name.
    id: Uuid,
}

/// What one that says by commands which rooms it is in has besides, as long as it is in one room and nothing
/// goes on.
pub(crate) const CLIENT_BYTES: usize =
    size_of::<Side>() + size_of::<Client>() + client::SUBSCRIPTION_BYTES;
/// And for each further room.
pub(crate) const MEMBERSHIP_BYTES: usize =
    2 * (size_of::<Option<Membership>>() + client::SUBSCRIPTION_BYTES);

/// What a delivery touches ends before the second cache line begins.
const _: () = assert!(std::mem::offset_of!(Session, flags) < 64 && size_of::<Session>() == 128);
const _: () = assert!(std::mem::offset_of!(Session, phase) < 64);

impl Session {
    /// A connection of which nothing is known but its socket; its head has to be whole by `deadline`.
    #[must_use]
    pub fn new(socket: OwnedFd, id: Uuid, now: Tick, deadline: Tick) -> Self {
        Self {
            membership: None,
            private: None,
            socket,
            flags: Flags::default(),
            phase: Phase::Head,
            transport: Transport::default(),
            in_flight: InFlight::default(),
            reader: Reader::default(),
            side: None,
            timers: Timers::new(now, deadline),
            id,
        }
    }

    /// Its public name.
    #[must_use]
    pub(crate) fn id(&self) -> Uuid {
        self.id
    }

    /// How its bytes leave.
    #[must_use]
    #[inline]
    pub(crate) fn transport(&self) -> Transport {
        self.transport
    }

    /// Its socket.
    #[must_use]
    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Its socket, for another owner: no operation on it is in flight.
    #[must_use]
    pub(crate) fn into_socket(self) -> OwnedFd {
        assert_eq!(self.operations(), 0, "an answer would come to nobody");
        self.socket
    }

    // Small facts.

    /// All of them.
    #[must_use]
    pub(crate) fn flags(&self) -> Flags {
        self.flags
    }

    /// Notes facts that the shard keeps about it.
    pub(crate) fn mark(&mut self, marks: Flags) {
        assert!(Flags::MARKS.all(marks), "other facts have their own causes");
        self.flags.set(marks);
    }

    /// They hold no longer.
    pub(crate) fn unmark(&mut self, marks: Flags) {
        assert!(Flags::MARKS.all(marks), "other facts have their own causes");
        self.flags.clear(marks);
    }

    /// An operation on its socket begins.
    pub(crate) fn begin(&mut self, operation: Flags) {
        assert!(Flags::OPERATIONS.all(operation));
        assert!(
            !self.flags.any(operation),
            "one operation of a kind at a time"
        );
        self.flags.set(operation);
    }

    /// The kernel has answered it.
    pub(crate) fn end(&mut self, operation: Flags) {
        assert!(Flags::OPERATIONS.all(operation));
        assert!(
            self.flags.all(operation),
            "an answer to an operation that was not in flight"
        );
        self.flags.clear(operation);
    }

    /// Operations that the kernel owes an answer to.
    #[must_use]
    pub(crate) fn operations(&self) -> u64 {
        u64::from(self.flags.among(Flags::OPERATIONS).count())
    }

    /// Whether its phase calls for input, and nothing keeps it from being read.
    #[must_use]
    pub(crate) fn is_to_be_read(&self) -> bool {
        !self.flags.any(Flags::PAUSED.and(Flags::ENDED))
            && !matches!(self.phase, Phase::Joining | Phase::Dead)
    }

    /// Whether a send is in flight.
    #[must_use]
    pub fn is_sending(&self) -> bool {
        self.flags.any(Flags::SENDING)
    }

    // The room of one that is in no other.

    /// Where its messages go.
    #[must_use]
    pub(crate) fn place(&self) -> Place {
        match &self.membership {
            _ if self.flags.any(Flags::CLIENT) => Place::Client,
            Some(membership) => Place::Room {
                room: membership.room(),
                rendition: membership.rendition(),
            },
            None if self.flags.any(Flags::ALONE) => Place::Echo,
            None => Place::None,
        }
    }

    /// Stream position of the next byte to send.
    #[must_use]
    pub(crate) fn cursor(&self) -> StreamPosition {
        (self.membership.as_ref()).map_or(StreamPosition::default(), Membership::cursor)
    }

    // What it is that says by commands which rooms it is in.

    /// From now on it is asked and told by `client`.
    pub(crate) fn begin_client(&mut self, client: Client) {
        assert!(self.flags.any(Flags::CLIENT), "its request says so");
        assert_eq!(self.phase, Phase::Open);
        self.side.get_or_insert_default().client = Some(Box::new(client));
    }

    /// What it keeps for that, as long as it is open.
    #[must_use]
    pub(crate) fn client(&self) -> Option<&Client> {
        self.side.as_ref()?.client.as_deref()
    }

    /// Like [`Self::client`].
    pub(crate) fn client_mut(&mut self) -> Option<&mut Client> {
        self.side.as_mut()?.client.as_deref_mut()
    }

    // What it holds for its peer.

    /// Keeps what has come of a head, or behind it.
    pub(crate) fn keep_head(&mut self, bytes: impl Into<Vec<u8>>) {
        let bytes = bytes.into();
        if !bytes.is_empty() {
            self.side.get_or_insert_default().head = bytes;
        }
    }

    /// What was kept of a head, or behind it.
    pub(crate) fn take_head(&mut self) -> Option<Vec<u8>> {
        let head = std::mem::take(&mut self.side.as_mut()?.head);
        self.tidy_side();
        Some(head).filter(|head| !head.is_empty())
    }

    /// What has come of a frame or a message, for as long as more input is read.
    pub(crate) fn take_reader(&mut self) -> Reader {
        std::mem::take(&mut self.reader)
    }

    /// Input was read so far.
    pub(crate) fn return_reader(&mut self, reader: Reader) {
        assert!(self.reader.is_idle(), "it was taken");
        self.reader = reader;
    }

    /// Memory that half a message takes, in bytes.
    #[must_use]
    pub(crate) fn half_message_bytes(&self) -> usize {
        self.reader.heap_bytes()
    }

    /// Private bytes not yet sent.
    #[must_use]
    pub(crate) fn private_bytes(&self) -> usize {
        self.unsent().len()
    }

    /// Private replies that have yet to be sent, in order.
    #[must_use]
    pub fn unsent(&self) -> &[u8] {
        self.private.as_deref().map_or(&[], Private::unsent)
    }

    /// Memory that its private replies take, in bytes.
    #[must_use]
    pub(crate) fn private_held_bytes(&self) -> usize {
        self.private.as_deref().map_or(0, Private::held_bytes)
    }

    /// Memory that it holds for its peer: what has come of a head or a message, commands that wait, and
    /// replies.
    #[must_use]
    pub(crate) fn held_bytes(&self) -> usize {
        let side = (self.side.as_ref()).map_or(0, |side| {
            let commands = (side.client.as_ref()).map_or(0, |client| client.held_bytes());
            side.head.capacity() + commands
        });
        side + self.reader.heap_bytes() + self.private_held_bytes()
    }

    /// The buffer that private replies are appended to.
    pub fn private_mut(&mut self) -> &mut Vec<u8> {
        self.private.get_or_insert_default().end()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs::File;

    use uuid::Uuid;

    use super::tick::Tick;
    use super::{Flags, Place, Session};

    /// A connection that has just come.
    pub(crate) fn fresh() -> Session {
        let socket = File::open("/dev/null").expect("it is always there");
        Session::new(socket.into(), Uuid::nil(), Tick(0), Tick(100))
    }

    /// An open session that is in no room.
    pub(crate) fn open() -> Session {
        let mut session = fresh();
        session.join(Place::None, Flags::default(), b"");
        session.open(Tick(1));
        session
    }

    /// Goal: operations are counted while the kernel owes an answer, one of a kind at a time.
    #[test]
    fn operations_are_counted() {
        let mut session = fresh();
        session.begin(Flags::RECEIVING);
        session.begin(Flags::BLOCKED);
        assert_eq!(session.operations(), 2);
        session.end(Flags::RECEIVING);
        assert_eq!(session.operations(), 1);
        assert!(session.flags().any(Flags::OPERATIONS) && !session.flags().all(Flags::OPERATIONS));
        session.end(Flags::BLOCKED);
        assert_eq!(session.operations(), 0);
    }

    /// Goal: no second receive is begun, and no answer taken that nobody waits for.
    #[test]
    #[should_panic(expected = "one operation of a kind at a time")]
    fn one_receive_at_a_time() {
        let mut session = fresh();
        session.begin(Flags::RECEIVING);
        session.begin(Flags::RECEIVING);
    }

    /// Goal: what a transition says about a session is not said without it.
    #[test]
    #[should_panic(expected = "other facts have their own causes")]
    fn marks_are_the_shards_alone() {
        fresh().mark(Flags::CLOSE_SENT);
    }

    /// Goal: a head is kept as it grows, and the box it lay in goes with it.
    #[test]
    fn a_head_is_kept_until_it_is_taken() {
        let mut session = fresh();
        assert_eq!(session.take_head(), None);
        session.keep_head(*b"GET /");
        assert!(session.held_bytes() >= 5);
        let mut head = session.take_head().expect("it was kept");
        head.extend_from_slice(b"ws");
        session.keep_head(head);
        session.check_invariants().unwrap();
        assert_eq!(session.take_head().as_deref(), Some(&b"GET /ws"[..]));
        assert_eq!(session.held_bytes(), 0);
        session.check_invariants().unwrap();
    }
}
