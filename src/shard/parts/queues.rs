//! What waits on a shard: messages to be put in order, messages to be passed on to their home, and
//! what homes have sent to be appended here.

use std::collections::VecDeque;
use std::sync::Arc;

use super::credit;
use crate::id::{Epoch, MemberId, RerunId, RoomId, ShardId, Ticket};
use crate::message::{Message, Run};
use crate::room::home::Guest;
use crate::room::presence::Round;
use crate::room::staging::{Aside, Group, Staging};
use crate::room::{Room, Rooms};
use crate::talk::JoinAnswer;

/// What arrived from a room's home and waits for its turn.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// Messages in their final order.
    Messages {
        from: ShardId,
        room: Arc<str>,
        epoch: Epoch,
        messages: Arc<Run>,
    },
    /// The home wants to know who is here by what it has said so far.
    Census {
        from: ShardId,
        room: Arc<str>,
        round: Round,
    },
    /// The answer to a join: the member gets the messages behind it, none of those before.
    Joined {
        room: Arc<str>,
        guest: Guest,
        answer: JoinAnswer,
    },
}

/// The queues of a shard.
#[derive(Debug)]
pub(crate) struct Queues {
    /// Messages for rooms whose home this is: they wait for their place in the order.
    pub(crate) sequencing: Staging,
    /// Messages for rooms with other homes: they wait to be passed on.
    pub(crate) outbound: Staging,
    /// What homes have sent, waiting until the flush under way has come further.
    deliveries: VecDeque<Delivery>,
    /// What those have missed who have come back, waiting for the same.
    reruns: VecDeque<(RoomId, RerunId)>,
    /// What one flush may append.
    append_bytes_max: usize,
}

impl Queues {
    /// Empty ones, where a flush may append so much, and as much may wait before publishers do.
    pub(crate) fn new(append_bytes_max: usize) -> Self {
        Self {
            sequencing: Staging::default(),
            outbound: Staging::default(),
            deliveries: VecDeque::new(),
            reruns: VecDeque::new(),
            append_bytes_max,
        }
    }

    /// Whether anything can go on without anything happening outside.
    pub(crate) fn has_work(&self) -> bool {
        !self.sequencing.is_empty()
            || !self.outbound.is_empty()
            || !self.deliveries.is_empty()
            || !self.reruns.is_empty()
    }

    /// Whether anything waits, for whatever reason.
    pub(crate) fn holds_anything(&self) -> bool {
        self.sequencing.weight() + self.outbound.weight() > 0
    }

    /// Something happened in `room` that is to be said there.
    pub(crate) fn stage(&mut self, rooms: &mut Rooms, room: RoomId, message: &Message<'_>) {
        self.extend(rooms.get_mut(room), room, |group| group.push(message));
    }

    /// The same of what a member says; true when it must wait before it says more.
    #[must_use]
    pub(crate) fn publish(
        &mut self,
        rooms: &mut Rooms,
        room: RoomId,
        message: &Message<'_>,
    ) -> bool {
        let here = rooms.get_mut(room);
        self.extend(here, room, |group| group.push(message));
        self.must_wait_in(here)
    }

    /// The same of several things.
    pub(crate) fn stage_run(&mut self, rooms: &mut Rooms, room: RoomId, mut messages: Run) {
        if !messages.is_empty() {
            self.extend(rooms.get_mut(room), room, |group| {
                group.append(&mut messages)
            });
        }
    }

    fn extend(&mut self, here: &mut Room, room: RoomId, add: impl FnOnce(&mut Group) -> usize) {
        let staging = match here.home {
            Some(_) => &mut self.sequencing,
            None => &mut self.outbound,
        };
        let group = here.staged.get_or_insert_with(|| staging.begin(room));
        let weight = add(group);
        staging.extend(weight, here.aside);
    }

    /// Takes back the message that `member` waits for word of by `ticket`, if it is staged for `room`; false when it is
    /// not.
    pub(crate) fn withdraw(
        &mut self,
        rooms: &mut Rooms,
        room: RoomId,
        member: MemberId,
        ticket: Ticket,
    ) -> bool {
        let here = rooms.get_mut(room);
        let staging = match here.home {
            Some(_) => &mut self.sequencing,
            None => &mut self.outbound,
        };
        let group = here.staged.as_mut();
        let Some(weight) = group.and_then(|group| group.withdraw(member, ticket)) else {
            return false;
        };
        staging.withdrawn(weight, here.aside);
        if here.staged.take_if(|group| group.is_empty()).is_some() {
            staging.leave(room);
            here.aside = Aside::No;
        }
        true
    }

    /// Something that a home has sent.
    pub(crate) fn deliver(&mut self, delivery: Delivery) {
        self.deliveries.push_back(delivery);
    }

    /// What homes have sent, one by one.
    pub(crate) fn next_delivery(&mut self) -> Option<Delivery> {
        self.deliveries.pop_front()
    }

    /// Some of a rerun has yet to be appended.
    pub(crate) fn add_rerun(&mut self, room: RoomId, rerun: RerunId) {
        self.reruns.push_back((room, rerun));
    }

    /// Whether that may hold of any.
    #[inline]
    pub(crate) fn has_reruns(&self) -> bool {
        !self.reruns.is_empty()
    }

    /// The next rerun of which that holds, or has held: it may be gone, and its names be others'.
    pub(crate) fn next_rerun(&mut self) -> Option<(RoomId, RerunId)> {
        self.reruns.pop_front()
    }

    /// What those messages of a home cost it that wait here.
    pub(crate) fn delivered_cost(&self, home: ShardId) -> usize {
        (self.deliveries.iter())
            .map(|delivery| match delivery {
                Delivery::Messages { from, messages, .. } if *from == home => {
                    credit::cost(messages.weight())
                }
                _ => 0,
            })
            .sum()
    }

    /// Whether whoever publishes to `room` must wait.
    pub(crate) fn must_wait(&self, rooms: &Rooms, room: RoomId) -> bool {
        self.must_wait_in(rooms.get(room))
    }

    fn must_wait_in(&self, here: &Room) -> bool {
        let staging = match here.home {
            Some(_) => &self.sequencing,
            None => &self.outbound,
        };
        here.facts.is_held() || here.aside != Aside::No || self.is_full(staging)
    }

    /// Whether no more is to be put in order for now.
    pub(crate) fn is_home_full(&self) -> bool {
        self.is_full(&self.sequencing)
    }

    /// Whether publishers must wait for what `staging` holds. What is held for slow members does not
    /// count, or it would hold up all other rooms; it has a limit of its own. What waits for credit
    /// moves on as soon as another shard has had its turn.
    fn is_full(&self, staging: &Staging) -> bool {
        let most = self.append_bytes_max;
        let moving = staging.weight() - staging.weight_held();
        staging.weight_in_line() > most || moving > 2 * most
    }

    /// All rooms that were set aside stand in line again, to see whether they can go on now.
    pub(crate) fn line_up(&mut self, rooms: &mut Rooms) {
        for room in (self.outbound.line_up()).chain(self.sequencing.line_up()) {
            rooms.get_mut(room).aside = Aside::No;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::Queues;
    use crate::id::{Epoch, RoomId, ShardId};
    use crate::message::{Event, Form, Message, Origin, Run};
    use crate::room::homes::Homes;
    use crate::room::staging::Aside;
    use crate::room::{Bounds, Rooms};

    fn rooms() -> (Rooms, RoomId) {
        let me = ShardId::new(0);
        let mut rooms = Rooms::new(me, Homes::new(1, 0), Bounds::SMALL);
        let room = rooms.find_or_create(&Arc::from("room"), Duration::ZERO, || Epoch::new(1));
        (rooms, room.unwrap())
    }

    fn message(payload: &[u8]) -> Message<'_> {
        Message::new(Event::said(Form::Binary, payload), Origin::Nobody)
    }

    /// Goal: publishers wait once more is staged than a flush may append, not for what is held for members, and
    /// always in a room that is held or set aside.
    #[test]
    fn publishers_wait_for_full_queues() {
        let (mut rooms, room) = rooms();
        let mut queues = Queues::new(1000);
        queues.stage(&mut rooms, room, &message(&[0; 900]));
        assert!(!queues.must_wait(&rooms, room) && queues.has_work());
        queues.stage(&mut rooms, room, &message(&[0; 900]));
        assert!(queues.must_wait(&rooms, room) && queues.is_home_full());
        let weight = rooms.get(room).staged.as_ref().unwrap().weight();
        rooms.get_mut(room).aside = Aside::ForMembers;
        queues.sequencing.set_aside(weight, Aside::ForMembers);
        assert!(!queues.is_home_full() && !queues.has_work() && queues.holds_anything());
        assert!(queues.must_wait(&rooms, room), "it is aside");
        queues.line_up(&mut rooms);
        assert!(queues.has_work() && rooms.get(room).aside == Aside::No);
    }

    /// Goal: a run is staged behind what there is, in its order.
    #[test]
    fn runs_keep_their_order() {
        let (mut rooms, room) = rooms();
        let mut queues = Queues::new(1000);
        let mut run = Run::default();
        run.push(&message(b"b"));
        run.push(&message(b"c"));
        queues.stage(&mut rooms, room, &message(b"a"));
        queues.stage_run(&mut rooms, room, run);
        let group = rooms.get(room).staged.as_ref().unwrap();
        let said: Vec<_> = (group.front(usize::MAX).messages())
            .map(|message| message.event)
            .collect();
        let expected = [b"a", b"b", b"c"].map(|payload| message(payload).event);
        assert_eq!(said, expected);
        assert_eq!(queues.sequencing.weight(), group.weight());
    }
}
