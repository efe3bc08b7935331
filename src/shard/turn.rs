//! One turn: what was published is put in order, appended to the log, and passed on.

use std::sync::Arc;

use super::Shard;
use super::parts::credit;
use super::parts::queues::Delivery;
use crate::id::{Epoch, RoomId, ShardId};
use crate::message::{Origin, Run, Slice};
use crate::protocol::Encoder;
use crate::room::own::Own;
use crate::room::staging::Aside;
use crate::talk::{Ack, Lane, Published, ToShard};

/// What a room may have appended before the next one has its turn, as a part of what a flush may.
pub(super) const ROOM_TURNS_PER_FLUSH: usize = 4;

impl Shard {
    /// Appends what was staged, room by room, as far as the flush under way leaves room for.
    pub fn handle_turn(&mut self) {
        while let Some(message) = self.mail.poll_own() {
            self.handle_message(message);
        }
        self.flush.begin_if_done();
        self.deliver_waiting();
        while self.serve_outbound() {}
        // However much is said, a part is left for those who come back.
        self.serve_reruns(4);
        while self.serve_sequencing() {}
        self.tell_published();
        self.serve_reruns(1);
        self.answer_asks();
        self.bound_held();
        self.rooms.bound_histories();
        self.return_credit();
        self.bound_holdings();
        self.look_for_laggards();
        self.resume();
        self.retry_put_off();
        self.bid_farewell();
        self.receive_for_starved();
        #[cfg(debug_assertions)]
        self.assert_invariants();
    }

    /// The home of a room has sent something, which has its turn behind what it has sent before.
    pub(super) fn home_delivers(&mut self, delivery: Delivery) {
        self.queues.deliver(delivery);
        self.deliver_waiting();
    }

    /// And that is messages in their order.
    pub(super) fn delivered(
        &mut self,
        from: ShardId,
        room: Arc<str>,
        epoch: Epoch,
        messages: Arc<Run>,
    ) {
        self.home_delivers(Delivery::Messages {
            from,
            room,
            epoch,
            messages,
        });
    }

    /// Appends what other shards have put in order, as far as the flush under way leaves room for:
    /// a home with few members runs ahead of a shard with many, and must not lap its sessions.
    pub(super) fn deliver_waiting(&mut self) {
        // A part is left for what is published here, however much arrives.
        let all = self.config().append_bytes_max();
        let budget = if self.queues.sequencing.is_empty() {
            all
        } else {
            all / 4 * 3
        };
        while self.flush.appended_bytes() < budget
            && let Some(delivery) = self.queues.next_delivery()
        {
            match delivery {
                Delivery::Messages {
                    from,
                    room,
                    epoch,
                    messages,
                } => {
                    let cost = credit::cost(messages.weight());
                    self.lanes.of(Lane::FromHome).use_up(from, cost);
                    if let Some(room) = self.rooms.find(&room) {
                        self.append(room, epoch, messages.as_slice());
                    }
                }
                Delivery::Joined {
                    room,
                    guest,
                    answer,
                } => self.joined(&room, guest, &answer),
                Delivery::Census { from, room, round } => {
                    self.take_part_in_census(from, room, round);
                }
            }
        }
    }

    /// At the room's home: messages from another shard stand in line for their place in the order. What
    /// they cost is given back when this shard has room for more.
    pub(super) fn put_in_line(&mut self, from: ShardId, name: &Arc<str>, messages: Run) {
        let cost = credit::cost(messages.weight());
        self.lanes.of(Lane::ToHome).hold(from, cost);
        // Who waits for word of its messages need not be in the room.
        let is_awaited = messages.as_slice().tickets().next().is_some();
        let room = match self.rooms.find(name) {
            None if is_awaited => self.find_or_create(name),
            found => found,
        };
        match room {
            Some(room) => {
                if is_awaited {
                    self.serve_clients(room);
                }
                self.queues.stage_run(&mut self.rooms, room, messages);
            }
            // What others have said there is of no interest to anybody any more.
            None => self.decline_messages(&messages),
        }
    }

    /// Whoever published here, and waits for word of it, is told before the flush, so that one send carries both.
    #[inline]
    fn tell_published(&mut self) {
        let acks = self.mail.take_acks();
        if !acks.is_empty() {
            self.published(&acks);
        }
    }

    /// Passes on to its home what the next room wants to be said; false when there is none.
    fn serve_outbound(&mut self) -> bool {
        let Some(room) = self.queues.outbound.next() else {
            return false;
        };
        let turn_max = self.config().append_bytes_max() / ROOM_TURNS_PER_FLUSH;
        let here = self.rooms.get_mut(room);
        let left = self.lanes.of(Lane::ToHome).left(here.home_shard);
        let group = here.staged.as_mut().expect("a room in line has a group");
        // Beyond that it is the home's to let a room go. Before, whoever publishes here waits: a home
        // that took more with each hold would have more and more of the room's messages.
        let held_max = self.setup.config.held_bytes_max();
        let held = here.facts.is_held() && self.queues.outbound.weight_held() <= held_max;
        if let Some(aside) = aside(held, left) {
            here.aside = aside;
            self.queues.outbound.set_aside(group.weight(), aside);
            return true;
        }
        let front = group.front(left.min(turn_max));
        let (weight, published) = (front.weight(), front.published());
        let messages = group.take(front.len());
        let (home, name) = (here.home_shard, Arc::clone(&here.name));
        let emptied = here.staged.take_if(|group| group.is_empty());
        (self.lanes.of(Lane::ToHome)).spend(home, credit::cost(weight));
        self.queues.outbound.taken(weight);
        self.metrics().mesh_publishes.add(published);
        let publish = ToShard::Publish {
            from: self.setup.number,
            room: name,
            messages,
        };
        self.mail.tell(home, publish);
        match emptied {
            None => self.queues.outbound.rotate(),
            Some(group) => {
                self.queues.outbound.finish(group);
                self.nothing_is_staged(room);
            }
        }
        true
    }

    /// All that was staged for a room has gone its way: its home hears of those who have left since they said it.
    pub(super) fn nothing_is_staged(&mut self, room: RoomId) {
        if let Some(departures) = self.rooms.get_mut(room).take_departures() {
            for departure in departures {
                let key = departure.guest.member.key();
                self.tell_departure(room, departure);
                self.go_on(key);
            }
        }
        self.rooms.release(room);
    }

    /// At their home: gives the next room's messages their place in the order, and passes them on to
    /// everybody; false when there are none, or the flush under way leaves no room.
    fn serve_sequencing(&mut self) -> bool {
        let me = self.setup.number;
        let budget = self.config().append_bytes_max();
        let left = budget.saturating_sub(self.flush.appended_bytes());
        let Some(room) = self.queues.sequencing.next().filter(|_| left > 0) else {
            return false;
        };
        let here = self.rooms.get_mut(room);
        let home = here.home.as_mut().expect("this is its home");
        let is_elsewhere = home.is_elsewhere(me);
        let credit = if is_elsewhere {
            (home.shards_except(me))
                .map(|shard| self.lanes.of(Lane::FromHome).left(shard))
                .fold(usize::MAX, usize::min)
        } else {
            usize::MAX
        };
        let mut group = here.staged.take().expect("a room in line has a group");
        if let Some(aside) = aside(here.facts.is_held(), credit) {
            here.aside = aside;
            self.queues.sequencing.set_aside(group.weight(), aside);
            here.staged = Some(group);
            return true;
        }
        let most = left.min(credit).min(budget / ROOM_TURNS_PER_FLUSH);
        let front = group.front(most);
        let (count, bytes, weight) = (front.len(), front.payload_bytes(), front.weight());
        let (epoch, elsewhere) = (home.epoch(), home.shards_except(me));
        let has_history = here.facts.has_history();
        let mut is_awaited = false;
        let place = |origin| {
            is_awaited |= matches!(origin, Origin::Acknowledge { .. });
            home.next_offset()
        };
        match here.facts.has_clients() {
            false => group.put_in_order(count, place),
            // What was on its way when the first came, and is too long for clients, reaches plain members alone.
            true => group.put_short_in_order(count, self.message_size_limit, place),
        }
        let acks = is_awaited.then(|| acks(group.first(count, bytes), epoch, has_history));
        self.queues.sequencing.taken(weight);
        if has_history {
            (self.rooms).keep(room, group.first(count, bytes), self.now);
        }
        if is_elsewhere {
            let messages = Arc::new(group.take(count));
            self.pass_on(room, epoch, elsewhere, &messages);
            self.append(room, epoch, messages.as_slice());
        } else {
            self.append(room, epoch, group.first(count, bytes));
            group.remove(count, bytes);
        }
        if let Some(acks) = acks {
            self.acknowledge(acks);
        }
        if group.is_empty() {
            self.queues.sequencing.finish(group);
        } else {
            self.queues.sequencing.rotate();
            self.rooms.get_mut(room).staged = Some(group);
        }
        if !self.rooms.get(room).has_members_here() {
            self.rooms.release(room);
        }
        true
    }

    /// From its home, the next run of a room's messages to the other shards with members.
    fn pass_on(
        &mut self,
        room: RoomId,
        epoch: Epoch,
        elsewhere: impl Iterator<Item = ShardId>,
        messages: &Arc<Run>,
    ) {
        let (cost, published) = (
            credit::cost(messages.weight()),
            messages.as_slice().published(),
        );
        for shard in elsewhere {
            self.lanes.of(Lane::FromHome).spend(shard, cost);
            self.metrics().mesh_publishes.add(published);
            let deliver = ToShard::Deliver {
                from: self.setup.number,
                room: Arc::clone(&self.rooms.get(room).name),
                epoch,
                messages: Arc::clone(messages),
            };
            self.mail.tell(shard, deliver);
        }
    }

    /// Messages of `room` in their final order: into the log, and to the members here.
    fn append(&mut self, room: RoomId, epoch: Epoch, messages: Slice<'_>) {
        let (me, sessions, log) = (self.setup.number, &mut self.sessions, &mut self.log);
        let flush = &mut self.flush;
        let appended = self.rooms.change(room, |here| {
            if !here.has_members_here() {
                return 0;
            }
            let appended = here.append(log, epoch, messages, &Encoder, |own| {
                (sessions.lookup(own.origin.key()))
                    .filter(|_| own.origin.shard == me)
                    .is_some_and(|session| {
                        (own.what != Own::Join || session.meets_itself_again(room, own.rendition))
                            && session.note_own(room, own.rendition, own.start, own.end)
                    })
            });
            here.for_each_audience(|audience| {
                if audience.start_flush() {
                    flush.add_audience(room, audience.rendition());
                }
                audience.prune(log.tail(), |member| {
                    sessions.at(member.slot()).live_cursor(member.membership())
                });
            });
            appended
        });
        self.flush.note_appended(appended);
        self.rooms.bound_indexes(&self.log);
        self.metrics().appended_bytes.add(appended as u64);
    }

    /// Tells other shards how much of what they sent is used up.
    fn return_credit(&mut self) {
        if self.shards() == 1 {
            return;
        }
        // With much of a held room here more would come of it each time it is let go for a moment.
        let held = self.queues.sequencing.weight_held();
        let much_held = held > self.config().held_bytes_max() / 2;
        if !much_held && !self.queues.is_home_full() {
            self.lanes.of(Lane::ToHome).release();
        }
        let from = self.setup.number;
        while let Some((lane, shard, bytes)) = self.lanes.poll_return() {
            let credit = ToShard::Credit { from, lane, bytes };
            self.mail.tell(shard, credit);
        }
    }

    /// Another shard has used up so much of what this one sent: rooms that waited for it go on.
    pub(super) fn credited(&mut self, from: ShardId, lane: Lane, bytes: usize) {
        self.lanes.of(lane).give_back(from, bytes);
        self.queues.line_up(&mut self.rooms);
    }
}

/// What those are to be told who wait for word of `messages`, which have their places. Out of line: nobody who speaks the
/// plain protocol does.
#[cold]
fn acks(messages: Slice<'_>, epoch: Epoch, has_history: bool) -> Vec<Ack> {
    (messages.tickets())
        .map(|(member, ticket, offset)| Ack {
            member,
            ticket,
            outcome: match offset.filter(|_| has_history) {
                Some(offset) => Published::At(epoch, offset),
                None => Published::Passing,
            },
        })
        .collect()
}

/// Why a room that is held, or not, and has so much credit is to be set aside.
fn aside(held: bool, credit: usize) -> Option<Aside> {
    if held {
        Some(Aside::ForMembers)
    } else if credit == 0 {
        Some(Aside::ForCredit)
    } else {
        None
    }
}
