//! How a session comes into a room, and how the room's home hears of it and of its end.
//!
//! The road is the same wherever the home is: a join goes to it as a message, and its answer comes back
//! as one, in the order of what the home says.

use std::sync::Arc;

use super::Shard;
use super::parts::queues::Delivery;
use crate::id::{Epoch, MembershipId, RoomId, SessionKey, ShardId};
use crate::room::audience::Member;
use crate::room::history::Recover;
use crate::room::home::{Guest, Visible};
use crate::room::rendition::Rendition;
use crate::room::{Departure, Returning};
use crate::session::client::Kept;
use crate::session::membership::Membership;
use crate::session::{Flags, Phase, Session};
use crate::talk::{JoinAnswer, ToShard};
use crate::wire::http::Refusal;

/// Why a session can't join or leave a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// It is not open, or in the middle of a send.
    #[error("the session can't come or go now")]
    NotNow,
    /// It is in the room, or about to be.
    #[error("the session is in the room already")]
    Already,
    /// It is not.
    #[error("the session is not in the room")]
    NotThere,
    /// It has come for this room, where its messages go, and leaves it only with its connection.
    #[error("the session stays in the room of its request")]
    OfItsRequest,
    /// It has come for no room: its messages go back to itself.
    #[error("the session echoes, and is in no room")]
    Echoes,
    /// It is in as many rooms as it may be.
    #[error("the session is in as many rooms as it may be")]
    TooManyMemberships,
    /// The shard has as many rooms as it may have.
    #[error("there are too many rooms")]
    TooManyRooms,
}

/// Whether a session takes part in presence.
fn visible(session: &Session) -> Visible {
    if session.flags().any(Flags::VISIBLE) {
        Visible::Yes
    } else {
        Visible::No
    }
}

impl Shard {
    /// The room called `name` as this shard sees it; `None` when there are too many.
    pub(super) fn find_or_create(&mut self, name: &Arc<str>) -> Option<RoomId> {
        // Clients may come back to a room where they know a place, whoever comes before them.
        let is_awaited = self.rooms.find(name).is_none() && self.rooms.remembers(name);
        let room = self.create_unless_there(name)?;
        if is_awaited || !self.config().chat.is_playground() {
            self.serve_clients(room);
        }
        Some(room)
    }

    fn create_unless_there(&mut self, name: &Arc<str>) -> Option<RoomId> {
        let (random, now) = (&mut self.random, self.now);
        (self.rooms).find_or_create(name, now, || Epoch::new(random.u64(1..)))
    }

    /// Has the session join another room, besides those it is in, to read it in `rendition`. What
    /// is said there after the home has let it in is sent to it, in the room's order.
    ///
    /// # Errors
    /// When it can't: the session does not speak, is in the room or in as many as it may be, or there are
    /// too many rooms.
    pub fn subscribe(
        &mut self,
        key: SessionKey,
        name: &Arc<str>,
        rendition: Rendition,
    ) -> Result<(), SubscribeError> {
        let is_open = |session: &Session| session.phase() == Phase::Open && !session.is_sending();
        let Some(session) = self.sessions.find(key).filter(|session| is_open(session)) else {
            return Err(SubscribeError::NotNow);
        };
        if session.flags().any(Flags::ALONE) {
            return Err(SubscribeError::Echoes);
        }
        let room = self
            .find_or_create(name)
            .ok_or(SubscribeError::TooManyRooms)?;
        let session = self.sessions.at_mut(key.slot);
        if let Some(id) = session.membership_in(room) {
            let given_up = (session.membership(id)).is_some_and(Membership::is_given_up);
            if !given_up {
                return Err(SubscribeError::Already);
            }
            // The join that is under way counts for this one.
            session.want_again(id, rendition);
            return Ok(());
        }
        let Some(id) = session.add_membership(room, rendition) else {
            self.rooms.release(room);
            return Err(SubscribeError::TooManyMemberships);
        };
        self.ask_to_join(key.slot, id, None);
        Ok(())
    }

    /// Has the session leave a room that it joined by [`Self::subscribe`]. What was said there before is
    /// sent as far as a frame was begun.
    ///
    /// # Errors
    /// When it can't: the session does not speak, or is not in the room.
    pub fn unsubscribe(&mut self, key: SessionKey, name: &str) -> Result<(), SubscribeError> {
        let is_open = |session: &Session| session.phase() == Phase::Open && !session.is_sending();
        if !self.sessions.find(key).is_some_and(is_open) {
            return Err(SubscribeError::NotNow);
        }
        let session = self.sessions.at_mut(key.slot);
        let room = self.rooms.find(name);
        let found = room.and_then(|room| session.membership_in(room));
        let wanted = found.and_then(|id| {
            let one = session.membership(id).filter(|one| !one.is_given_up())?;
            Some((id, one.number()))
        });
        match wanted {
            None => return Err(SubscribeError::NotThere),
            Some((MembershipId::INLINE, _)) => return Err(SubscribeError::OfItsRequest),
            Some((id, None)) => {
                session.give_up(id);
                return Ok(());
            }
            Some((id, Some(_))) => self.leave_room(key.slot, id),
        }
        Ok(())
    }

    /// In which form a session is sent what is said in a room; `None` when it is not, or not yet.
    #[must_use]
    pub fn reads(&self, key: SessionKey, name: &str) -> Option<Rendition> {
        let session = self.sessions.find(key)?;
        let one = session.membership(session.membership_in(self.rooms.find(name)?)?)?;
        one.number().map(|_| one.rendition())
    }

    /// Takes an open session out of one of its rooms.
    pub(super) fn leave_room(&mut self, slot: u32, id: MembershipId) {
        let member = self.member_id(slot);
        let session = self.sessions.at_mut(slot);
        if !session.rescue_cut_frame(id, member, &self.rooms, &self.log) {
            return self.kill(slot);
        }
        self.depart_from(slot, id);
        self.remove_member(slot, id);
        self.note_holding(slot);
        self.mark_dirty(slot);
    }

    /// A session as the home of a membership's room knows it.
    pub(super) fn guest(&self, slot: u32, id: MembershipId) -> Guest {
        let session = self.sessions.at(slot);
        let client = session.client();
        let subscription = client.and_then(|client| client.subscriptions().get(id));
        Guest {
            member: self.member_id(slot),
            id: session.id(),
            visible: subscription.map_or_else(|| visible(session), Kept::visible),
            about: (subscription.and(client)).and_then(|client| client.about_in(id).cloned()),
        }
    }

    /// Asks the home of a membership's room to let the session in. Of one that has left and whose home has
    /// yet to hear of that, it hears first.
    pub(super) fn ask_to_join(
        &mut self,
        slot: u32,
        id: MembershipId,
        recover: Option<Box<Recover>>,
    ) {
        let guest = self.guest(slot, id);
        let membership = self.sessions.at(slot).membership(id);
        let room = membership.expect("it is to be in there").room();
        let here = self.rooms.get_mut(room);
        here.joining += 1;
        let departure =
            (here.departures_mut()).find(|departure| departure.guest.member == guest.member);
        match departure {
            Some(departure) => departure.returns = Some(Returning { guest, recover }),
            None => self.tell_join(room, guest, recover),
        }
    }

    fn tell_join(&mut self, room: RoomId, guest: Guest, recover: Option<Box<Recover>>) {
        let here = self.rooms.get(room);
        let (home, room) = (here.home_shard, Arc::clone(&here.name));
        let join = ToShard::Join {
            room,
            guest,
            recover,
        };
        self.mail.tell(home, join);
    }

    /// The home has answered a join. It counts in the order of what the home says: behind what waits here
    /// of another shard's, and at once if this is the home, whose messages are in the log. Whether the
    /// room is held counts at once, as everything does that is said of it later.
    pub(super) fn answered(&mut self, room: Arc<str>, guest: Guest, answer: JoinAnswer) {
        if let JoinAnswer::Welcome(welcome) = &answer {
            self.held_by_home(&room, welcome.held);
            if welcome.has_clients {
                self.clients_have_come(&room);
            }
        }
        if self.setup.homes.of(&room) == self.setup.number {
            return self.joined(&room, guest, &answer);
        }
        self.home_delivers(Delivery::Joined {
            room,
            guest,
            answer,
        });
    }

    /// The home shard has answered the join: whatever it delivers from now on, this session gets. Of one
    /// that is gone or does not want it any more, the home hears so now: before, it would not have known
    /// whom it let in.
    pub(super) fn joined(&mut self, name: &Arc<str>, guest: Guest, answer: &JoinAnswer) {
        let (key, slot) = (guest.member.key(), guest.member.slot);
        let room = self.rooms.find(name);
        let asked = (room.zip(self.sessions.lookup(key)))
            .and_then(|(room, session)| Some((room, session.membership_in(room)?, session)));
        let (is_in, arrival) = match answer {
            JoinAnswer::Welcome(welcome) => (true, welcome.arrival.as_deref()),
            JoinAnswer::Full | JoinAnswer::Unrecoverable => (false, None),
        };
        let Some((room, id, session)) = asked else {
            if is_in {
                self.tell_leave(self.setup.homes.of(name), name, guest);
            }
            return;
        };
        let one = session.membership(id).expect("it was just found");
        assert!(one.number().is_none(), "a join is answered once");
        let (rendition, given_up) = (one.rendition(), one.is_given_up());
        let is_first = session.phase() == Phase::Joining;
        let is_client = session.flags().any(Flags::CLIENT);
        if is_in && !given_up {
            let here = self.rooms.get_mut(room);
            here.joining -= 1;
            if arrival.is_some() {
                here.facts.begin_history();
            }
            let (number, head) = here.add(rendition, Member::new(slot, id));
            session.enter(id, number, head);
            let is_recovering = self.recover(slot, id, arrival);
            if is_first {
                self.open(slot);
            }
            if !is_recovering {
                self.leave_room(slot, id);
                self.client_arrived(slot, id, &JoinAnswer::Full);
            } else if is_client {
                self.client_arrived(slot, id, answer);
            }
            if is_client {
                // Whatever it does then, its membership may be another by that.
                self.resume_commands(slot);
            }
        } else if is_in {
            self.tell_leave(self.rooms.get(room).home_shard, name, guest);
            self.remove_member(slot, id);
        } else if is_first {
            self.rooms.get_mut(room).joining -= 1;
            self.tally.close_one();
            self.give_all_back(slot);
            self.refuse(slot, b"", &Refusal::full());
            self.rooms.release(room);
        } else {
            self.remove_member(slot, id);
            if is_client {
                self.client_arrived(slot, id, answer);
                self.resume_commands(slot);
            }
        }
        self.settle(slot);
    }

    /// Messages flow from now on.
    pub(super) fn open(&mut self, slot: u32) {
        self.metrics().opened.add(1);
        let tick = self.tick();
        let early = self.sessions.at_mut(slot).open(tick);
        self.schedule_ping(slot);
        self.mark_dirty(slot);
        if let Some(mut early) = early {
            self.frames(slot, &mut early);
        }
    }

    /// Has the homes of the session's rooms told that it is gone, after what it said. Those that have yet to
    /// answer its join hear of it then.
    pub(super) fn depart(&mut self, slot: u32) {
        self.tally.close_one();
        self.give_all_back(slot);
        self.watch.forget(self.sessions.key(slot));
        let members = (self.sessions.at(slot).memberships())
            .filter(|(_, one)| one.number().is_some())
            .map(|(id, _)| id);
        for id in members.collect::<Vec<MembershipId>>() {
            self.depart_from(slot, id);
        }
    }

    fn depart_from(&mut self, slot: u32, id: MembershipId) {
        let guest = self.guest(slot, id);
        let session = self.sessions.at(slot);
        let room = session.membership(id).expect("it is in there").room();
        let departure = Departure {
            guest,
            returns: None,
        };
        let here = self.rooms.get_mut(room);
        if here.home.is_some() || here.staged.is_none() {
            self.tell_departure(room, departure);
        } else {
            here.depart(departure);
        }
    }

    /// Whether a session has left a room whose home has yet to hear of that.
    pub(super) fn is_departing_from(&self, slot: u32, name: &str) -> bool {
        let member = self.member_id(slot);
        let here = self.rooms.find(name).map(|room| self.rooms.get(room));
        let mut departures = here.into_iter().flat_map(|here| here.departures());
        departures.any(|one| one.guest.member == member)
    }

    /// Tells the home of `room` that a member has left, and that it has come again if it has.
    pub(super) fn tell_departure(&mut self, room: RoomId, departure: Departure) {
        let here = self.rooms.get(room);
        let (home, name) = (here.home_shard, Arc::clone(&here.name));
        let Departure { guest, returns } = departure;
        self.tell_leave(home, &name, guest);
        if let Some(Returning { guest, recover }) = returns {
            self.tell_join(room, guest, recover);
        }
    }

    fn tell_leave(&mut self, home: ShardId, name: &Arc<str>, guest: Guest) {
        let room = Arc::clone(name);
        self.mail.tell(home, ToShard::Leave { room, guest });
    }

    /// Takes the session out of a room's audience, or gives up joining it.
    pub(super) fn remove_member(&mut self, slot: u32, id: MembershipId) {
        let session = self.sessions.at_mut(slot);
        if let Some(client) = session.client_mut() {
            client.subscriptions_mut().remove(id);
        }
        let left = session.remove_membership(id).expect("it is in there");
        let (room, rendition) = (left.room(), left.rendition());
        match left.number() {
            None => self.rooms.get_mut(room).joining -= 1,
            Some(number) => {
                if let Some(rerun) = left.rerun() {
                    (self.rooms).end_rerun(room, rerun, Member::new(slot, id));
                }
                let (moved, flushing) =
                    (self.rooms).change(room, |here| here.remove(rendition, number));
                if let Some(moved) = moved {
                    let session = self.sessions.at_mut(moved.slot());
                    session.renumber(moved.membership(), number);
                    if flushing {
                        self.flush.add_member(moved, &mut self.sessions);
                    }
                }
            }
        }
        self.rooms.release(room);
    }
}
