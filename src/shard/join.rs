//! How a session comes into a room, and how the room's home hears of it and of its end.
//!
//! The road is the same wherever the home is: a join goes to it as a message, and its answer comes back
//! as one, in the order of what the home says.

use std::sync::Arc;

use uuid::Uuid;

use super::Shard;
use crate::id::{Epoch, MemberId, MembershipId, RoomId, SessionKey};
use crate::message::{Event, Message};
use crate::room::Departure;
use crate::room::audience::Member;
use crate::room::home::{Announcement, Said, Visible};
use crate::room::rendition::Rendition;
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
        let random = &mut self.random;
        (self.rooms).find_or_create(name, || Epoch::new(random.u64(..)))
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
        if !self.sessions.find(key).is_some_and(is_open) {
            return Err(SubscribeError::NotNow);
        }
        let room = self
            .find_or_create(name)
            .ok_or(SubscribeError::TooManyRooms)?;
        let session = self.sessions.at_mut(key.slot);
        if session.membership_in(room).is_some() {
            return Err(SubscribeError::Already);
        }
        if session.add_membership(room, rendition).is_none() {
            self.rooms.release(room);
            return Err(SubscribeError::TooManyMemberships);
        }
        self.ask_to_join(key.slot, room);
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
        let member = self.member_id(key.slot);
        let session = self.sessions.at_mut(key.slot);
        let room = self.rooms.find(name);
        let Some(id) = room.and_then(|room| session.membership_in(room)) else {
            return Err(SubscribeError::NotThere);
        };
        if !session.rescue_cut_frame(id, member, &self.rooms, &self.log) {
            self.kill(key.slot);
            return Ok(());
        }
        self.depart_from(key.slot, id);
        self.remove_member(key.slot, id);
        self.note_holding(key.slot);
        self.mark_dirty(key.slot);
        Ok(())
    }

    /// Asks the home of `room` to let the session in.
    pub(super) fn ask_to_join(&mut self, slot: u32, room: RoomId) {
        let member = self.member_id(slot);
        let session = self.sessions.at(slot);
        let (id, visible) = (session.id(), visible(session));
        let here = self.rooms.get_mut(room);
        here.joining += 1;
        let (home, room) = (here.home_shard, Arc::clone(&here.name));
        self.mail.tell(
            home,
            ToShard::Join {
                room,
                member,
                id,
                visible,
            },
        );
    }

    /// At the room's home: a session of any shard joins.
    pub(super) fn join(&mut self, name: &Arc<str>, member: MemberId, id: Uuid, visible: Visible) {
        let sizes = self.sizes();
        let room = self.find_or_create(name);
        let answer = match room {
            Some(room) => {
                let home = self.rooms.home_mut(room);
                let said = home.join(member.shard, visible, &sizes);
                let held = home.is_held();
                self.say(room, said, member, Event::Joined(id));
                JoinAnswer::Welcome { held }
            }
            None => JoinAnswer::Full,
        };
        self.mail.tell(
            member.shard,
            ToShard::Joined {
                room: Arc::clone(name),
                member,
                answer,
            },
        );
    }

    /// At the room's home: a member of any shard left.
    pub(super) fn left(&mut self, name: &Arc<str>, member: MemberId, id: Uuid, visible: Visible) {
        let (sizes, now) = (self.sizes(), self.now);
        let Some(room) = self.rooms.find(name) else {
            return;
        };
        let home = self.rooms.home_mut(room);
        if let Some(said) = home.leave(member.shard, visible, &sizes, now) {
            self.say(room, said, member, Event::Left(id));
        }
        self.rooms.release(room);
    }

    /// Does what the home of a room says is to be told after `member` has come or gone.
    fn say(&mut self, room: RoomId, said: Said, member: MemberId, event: Event<'_>) {
        if said.announcement == Announcement::Member {
            let notice = Message::new(event, Some(member));
            self.queues.stage(&mut self.rooms, room, &notice);
        }
        if let Some(spread) = said.spread {
            let name = Arc::clone(&self.rooms.get(room).name);
            self.tell_shards(|| ToShard::Spread {
                room: Arc::clone(&name),
                spread,
            });
        }
        self.tell_hold(room, said.hold);
        self.rooms.note_deadline(room, self.now);
    }

    /// Something is due at the home of a room.
    pub(super) fn home_has_time(&mut self, room: RoomId) {
        let (count, hold) = self.rooms.home_mut(room).handle_time(self.now);
        if let Some(count) = count {
            let notice = Message::new(Event::Members(count), None);
            self.queues.stage(&mut self.rooms, room, &notice);
        }
        self.tell_hold(room, hold);
        self.rooms.note_deadline(room, self.now);
    }

    /// The home has answered a join that is to be acted on in its turn. Whether the room is held counts
    /// at once, as everything does that is said of it later.
    pub(super) fn note_answer(&mut self, name: &Arc<str>, answer: JoinAnswer) {
        if let JoinAnswer::Welcome { held } = answer {
            self.held_by_home(name, held);
        }
    }

    /// The home shard has answered the join: whatever it delivers from now on, this session gets.
    pub(super) fn joined(&mut self, name: &str, member: MemberId, answer: JoinAnswer) {
        let (key, slot) = (member.key(), member.slot);
        let Some((room, session)) = self.rooms.find(name).zip(self.sessions.lookup(key)) else {
            return;
        };
        // It may have left in the meantime, or come again: then another answer is under way.
        let asked = (session.membership_in(room)).filter(|&id| {
            session
                .membership(id)
                .is_some_and(|one| one.number().is_none())
        });
        let Some(id) = asked else {
            return;
        };
        let is_first = session.phase() == Phase::Joining;
        match answer {
            JoinAnswer::Full if is_first => {
                self.rooms.get_mut(room).joining -= 1;
                self.tally.close_one();
                self.refuse(slot, b"", &Refusal::full());
                self.rooms.release(room);
            }
            JoinAnswer::Full => self.remove_member(slot, id),
            JoinAnswer::Welcome { .. } => {
                let rendition = session.membership(id).expect("it has asked").rendition();
                let here = self.rooms.get_mut(room);
                here.joining -= 1;
                let (number, head) = here.add(rendition, Member::new(slot, id));
                session.enter(id, number, head);
                if is_first {
                    self.open(slot);
                }
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

    /// Has the homes of the session's rooms told that it is gone, after what it said.
    pub(super) fn depart(&mut self, slot: u32) {
        self.tally.close_one();
        self.watch.forget(self.sessions.key(slot));
        let session = self.sessions.at(slot);
        let ids: Vec<MembershipId> = session.memberships().map(|(id, _)| id).collect();
        for id in ids {
            self.depart_from(slot, id);
        }
    }

    fn depart_from(&mut self, slot: u32, id: MembershipId) {
        let session = self.sessions.at(slot);
        let room = session.membership(id).expect("it is in there").room();
        let departure = Departure {
            member: self.member_id(slot),
            id: session.id(),
            visible: visible(session),
        };
        let here = self.rooms.get_mut(room);
        if here.home.is_some() || here.staged.is_none() {
            self.tell_departure(room, departure);
        } else {
            here.departures.get_or_insert_default().push(departure);
        }
    }

    /// Tells the home of `room` that a member has left.
    pub(super) fn tell_departure(&mut self, room: RoomId, departure: Departure) {
        let Departure {
            member,
            id,
            visible,
        } = departure;
        let here = self.rooms.get(room);
        let (home, room) = (here.home_shard, Arc::clone(&here.name));
        self.mail.tell(
            home,
            ToShard::Leave {
                room,
                member,
                id,
                visible,
            },
        );
    }

    /// Takes the session out of a room's audience, or gives up joining it.
    pub(super) fn remove_member(&mut self, slot: u32, id: MembershipId) {
        let left = self.sessions.at_mut(slot).remove_membership(id);
        let left = left.expect("it is in there");
        let (room, rendition) = (left.room(), left.rendition());
        match left.number() {
            None => self.rooms.get_mut(room).joining -= 1,
            Some(number) => {
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
