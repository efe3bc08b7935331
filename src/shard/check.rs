//! What must hold of a shard between any two events. The simulation asks after every step, and debug
//! builds after every turn; it looks at everything, so the server itself does not.

use std::collections::HashMap;
use std::num::NonZeroUsize;

use super::Shard;
use crate::config::FRAME_HEADER_BYTES_MAX;
use crate::id::RoomId;
use crate::room::Room;
use crate::room::audience::Audience;
use crate::room::staging::Aside;
use crate::session::client::{Client, Waiting};
use crate::session::holdings::SMALL_BYTES;
use crate::session::{Flags, Phase, Session};

/// Bytes that may still arrive at a session once it is no longer read from: what was received in the
/// same turn, and what comes before the kernel has heard of it; each time all receive buffers at most.
const ARRIVE_LATE_BYTES_MAX: usize = 2 * (128 << 10);

/// Sessions up to which a debug build looks at all of them after each turn: thousands would make its
/// tests take hours.
#[cfg(debug_assertions)]
const CHECKED_SESSIONS_MAX: usize = 64;

/// That something is so, or a sentence about what is.
fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

impl Shard {
    /// The most memory that the private replies of one session take: what makes the shard pause it,
    /// the replies to what arrives late, and one large message, echoed or rescued. Replies are no longer
    /// than what they answer, but for one to a client that asks a room's home. Twice, since a buffer
    /// doubles as it grows.
    fn private_held_bytes_max(&self) -> usize {
        let config = self.config();
        let frame_bytes_max = config.message_bytes_max + FRAME_HEADER_BYTES_MAX;
        let most = frame_bytes_max + config.reply_bytes_max;
        2 * (config.private_bytes_max + ARRIVE_LATE_BYTES_MAX + most)
    }

    /// Panics when something does not hold.
    #[cfg(debug_assertions)]
    pub(super) fn assert_invariants(&self) {
        if self.sessions.len() <= CHECKED_SESSIONS_MAX
            && let Err(broken) = self.check_invariants()
        {
            panic!("{broken}");
        }
    }

    /// Compares the shard's sums, lists and limits with the sessions and rooms themselves.
    ///
    /// # Errors
    /// A sentence about the first that does not hold.
    pub fn check_invariants(&self) -> Result<(), String> {
        self.every_session()
            .try_for_each(Session::check_invariants)?;
        self.check_tally()?;
        self.check_buffers()?;
        self.check_joining()?;
        self.check_leases()?;
        self.check_seats()?;
        self.check_staged()?;
        self.every_session()
            .try_for_each(|session| self.check_turn(session))?;
        (self.sessions.slots()).try_for_each(|slot| self.check_reading(slot))?;
        (self.rooms.iter()).try_for_each(|(id, room)| self.check_room(id, room))
    }

    fn every_session(&self) -> impl Iterator<Item = &Session> {
        self.sessions.slots().map(|slot| self.sessions.at(slot))
    }

    /// Whoever is to be read is read, or in line for a buffer.
    fn check_reading(&self, slot: u32) -> Result<(), String> {
        let session = self.sessions.at(slot);
        let is_starved = session.flags().any(Flags::STARVED);
        let is_read = is_starved || session.flags().any(Flags::RECEIVING);
        ensure(is_read || !session.is_to_be_read(), || {
            format!("nobody reads what it says: {session:?}")
        })?;
        let is_in_line = || self.starved.has(self.sessions.key(slot));
        ensure(!is_starved || is_in_line(), || {
            format!("it is in no line for a buffer: {session:?}")
        })
    }

    /// Whoever has something to be sent has its turn in a flush, or waits for its socket.
    fn check_turn(&self, session: &Session) -> Result<(), String> {
        if !matches!(session.phase(), Phase::Open | Phase::Closing) {
            return Ok(());
        }
        let waits = Flags::DIRTY
            .and(Flags::BLOCKED)
            .and(Flags::SENDING)
            .and(Flags::UNANNOUNCED);
        let has_turn = session.flags().any(waits);
        ensure(has_turn || session.private_bytes() == 0, || {
            format!("replies that nothing will send: {session:?}")
        })?;
        for (id, one, index) in session.streams(&self.rooms) {
            let mut audiences = self.rooms.get(one.room()).audiences();
            let is_swept = (audiences.find(|audience| audience.rendition() == one.rendition()))
                .is_some_and(Audience::is_flushing);
            // Its answer to a ping brings it its turn.
            let is_waiting = has_turn || session.flags().any(Flags::AHEAD);
            let is_planned = is_waiting && session.is_due(id);
            // What it knows may come before what it has missed.
            let awaits = one.rerun().is_some() && !session.has_begun_rerun(id);
            ensure(
                is_swept || is_planned || awaits || one.cursor() == index.head(),
                || format!("{id:?} has something that nothing will send: {session:?}"),
            )?;
        }
        self.check_recovering(session)
    }

    /// More is about to be appended of what somebody has missed who has read all there is of it, or its socket is full.
    fn check_recovering(&self, session: &Session) -> Result<(), String> {
        let waits = Flags::BLOCKED.and(Flags::SENDING);
        if session.phase() != Phase::Open || session.flags().any(waits) {
            return Ok(());
        }
        (session.idle_reruns(&self.rooms).into_iter()).try_for_each(|(id, room, rerun)| {
            let rerun = self.rooms.get(room).rerun(rerun);
            let rerun = rerun.ok_or_else(|| format!("{id:?} reads what is not there"))?;
            // It has not been told yet where it begins.
            let after =
                (!session.has_begun_rerun(id)).then(|| session.place_in_rerun(id, &self.rooms));
            let start = after.flatten().and_then(|after| rerun.start_behind(after));
            let has_more = start.is_some_and(|start| start < rerun.index().head());
            ensure(has_more || rerun.is_in_line(), || {
                format!("{id:?} waits for what nobody will append of {rerun:?}: {session:?}")
            })
        })
    }

    fn check_tally(&self) -> Result<(), String> {
        let operations: u64 = self.every_session().map(Session::operations).sum();
        let counted = self.tally.operations();
        ensure(operations == counted, || {
            format!("{operations} operations are in flight, and {counted} are counted")
        })?;
        let is_open = |session: &&Session| matches!(session.phase(), Phase::Joining | Phase::Open);
        let (open, counted) = (
            self.every_session().filter(is_open).count() as u64,
            self.tally.open(),
        );
        ensure(open == counted, || {
            format!("{open} sessions are open, and {counted} are counted")
        })
    }

    fn check_buffers(&self) -> Result<(), String> {
        let private_max = self.private_held_bytes_max();
        let most = self.every_session().map(Session::private_held_bytes).max();
        ensure(most.unwrap_or(0) <= private_max, || {
            format!("a session holds {most:?} bytes of replies, of at most {private_max}")
        })?;
        let held: usize = self.every_session().map(Session::held_bytes).sum();
        let counted = self.holdings.bytes();
        let small = self.sessions.len() * SMALL_BYTES;
        let held_max = self.config().session_buffers_max + small;
        ensure(held == counted && held <= held_max, || {
            format!("sessions hold {held} bytes, {counted} by the books, of at most {held_max}")
        })?;
        let (held, counted) = (self.rooms.count_history_bytes(), self.rooms.history_bytes());
        let (held_max, positions) = (self.config().history_bytes_max, self.rooms.positions());
        ensure(
            held == counted && held <= held_max && positions <= self.config().positions_max,
            || {
                format!(
                    "histories hold {held} bytes, {counted} by the books, and {positions} places"
                )
            },
        )?;
        let (held, counted) = (self.rooms.count_index_bytes(), self.rooms.index_bytes());
        ensure(
            held == counted && held <= 2 * self.config().index_bytes_max(),
            || format!("indexes hold {held} bytes, {counted} by the books"),
        )?;
        ensure(self.rooms.is_upkeep_right(), || {
            "what members have missed is not what is counted".to_owned()
        })
    }

    /// Whoever ends with its token is known, and nobody else.
    fn check_leases(&self) -> Result<(), String> {
        let mut found = 0;
        for slot in self.sessions.slots() {
            let session = self.sessions.at(slot);
            let is_leased = session.flags().any(Flags::LEASED);
            let is_known = self.leases.has(self.sessions.key(slot));
            let may_be = matches!(session.phase(), Phase::Joining | Phase::Open);
            ensure(is_leased == is_known && (may_be || !is_leased), || {
                format!("it ends with its token: {is_known}, {session:?}")
            })?;
            found += usize::from(is_leased);
        }
        let known = self.leases.len();
        ensure(found == known, || {
            format!("{found} end with their tokens, {known} by the books")
        })
    }

    /// Whoever has a seat counts where its user is counted, if that is here, and nobody has too many.
    fn check_seats(&self) -> Result<(), String> {
        let mut seated: HashMap<&str, usize> = HashMap::new();
        for slot in self.sessions.slots() {
            let session = self.sessions.at(slot);
            let waiting = session.client().and_then(Client::waiting);
            let waits = matches!(waiting, Some(Waiting::Seat));
            let has_asked = self.seats.is_asking(self.sessions.key(slot));
            ensure(!waits || has_asked, || {
                format!("it waits for a seat that it has not asked for: {session:?}")
            })?;
            if session.flags().any(Flags::SEATED) {
                let user = self.user(slot);
                ensure(!user.is_empty(), || format!("nobody's seat: {session:?}"))?;
                *seated.entry(user).or_default() += 1;
            }
        }
        for (user, seated) in seated {
            let is_here = self.setup.homes.of(user) == self.setup.number;
            let taken = self.seats.taken(user);
            ensure(!is_here || seated <= taken, || {
                format!("{seated} of a user's sessions have seats, and {taken} are taken")
            })?;
        }
        let (most, limit) = (
            self.seats.most_taken(),
            self.config().chat.client.user_connection_limit,
        );
        ensure(limit.map_or(0, NonZeroUsize::get) >= most, || {
            format!("a user has {most} seats, of {limit:?}")
        })
    }

    /// Whoever joins is counted by the room, and waits for nothing else.
    fn check_joining(&self) -> Result<(), String> {
        let mut joining: HashMap<RoomId, u32> = HashMap::new();
        for session in self.every_session() {
            for (_, one) in session
                .memberships()
                .filter(|(_, one)| one.number().is_none())
            {
                *joining.entry(one.room()).or_default() += 1;
            }
        }
        for (id, room) in self.rooms.iter() {
            let found = joining.remove(&id).unwrap_or(0);
            ensure(found == room.joining, || {
                let (name, counted) = (&room.name, room.joining);
                format!("{found} sessions join {name:?}, and {counted} are counted")
            })?;
        }
        ensure(joining.is_empty(), || "somebody joins no room".to_owned())
    }

    /// What is staged adds up, in line and aside.
    fn check_staged(&self) -> Result<(), String> {
        for is_home in [true, false] {
            let staging = match is_home {
                true => &self.queues.sequencing,
                false => &self.queues.outbound,
            };
            let staged = |aside: Option<Aside>| -> usize {
                (self.rooms.iter())
                    .filter(|(_, room)| room.home.is_some() == is_home)
                    .filter(|(_, room)| aside.is_none_or(|aside| room.aside == aside))
                    .filter_map(|(_, room)| room.staged.as_ref())
                    .map(|group| group.weight())
                    .sum()
            };
            let found = (
                staged(None),
                staged(Some(Aside::No)),
                staged(Some(Aside::ForMembers)),
            );
            let counted = (
                staging.weight(),
                staging.weight_in_line(),
                staging.weight_held(),
            );
            ensure(found == counted, || {
                format!("staged, in line and held: {found:?}, counted {counted:?}")
            })?;
        }
        Ok(())
    }

    /// Members and sessions know each other, and what the room keeps agrees with itself.
    fn check_room(&self, id: RoomId, room: &Room) -> Result<(), String> {
        room.check_invariants()?;
        for audience in room.audiences() {
            for (number, member) in (0u32..).zip(audience.members()) {
                let expected = (id, audience.rendition(), Some(number));
                let session = self.sessions.at(member.slot());
                let place = (session.membership(member.membership()))
                    .map(|one| (one.room(), one.rendition(), one.number()));
                ensure(place == Some(expected), || {
                    format!("{member:?} is {expected:?} and thinks it is {place:?}")
                })?;
            }
        }
        for (rerun, member) in room.rerun_readers() {
            let session = self.sessions.at(member.slot());
            let one = session.membership(member.membership());
            let reads = one
                .filter(|one| one.room() == id)
                .and_then(|one| one.rerun());
            ensure(reads == Some(rerun), || {
                format!("{member:?} reads {rerun:?} and thinks it is {reads:?}")
            })?;
        }
        let recovering = (self.every_session())
            .flat_map(Session::memberships)
            .filter(|(_, one)| one.room() == id && one.rerun().is_some())
            .count();
        let readers = room.rerun_readers().count();
        ensure(recovering == readers, || {
            format!(
                "{recovering} recover in {:?}, and it knows {readers}",
                room.name
            )
        })?;
        let members = room.members_here();
        let sessions = (self.every_session())
            .flat_map(Session::memberships)
            .filter(|(_, one)| one.room() == id && one.number().is_some())
            .count();
        ensure(sessions == members, || {
            format!(
                "{sessions} sessions are in {:?}, which has {members}",
                room.name
            )
        })
    }
}
