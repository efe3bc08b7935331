//! Backpressure: publishers are not read from while what they publish cannot move on.
//!
//! Three things hold a publisher back: this shard has staged as much as a flush may append, a
//! mesh ring on the way is full, or half of a room's members are behind although they read as
//! fast as they can. A member that has stopped reading altogether holds nobody back; it falls
//! behind and is dealt with by the slow-consumer policy.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::message::Message;
use super::{Action, Shard};
use crate::mesh::ThreadId;
use crate::room::RoomId;
use crate::session::timers::{TICK, Tick};
use crate::session::{Flags, Place};

/// How often congested rooms are looked at again.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// A member whose socket took nothing for this long has stopped reading.
///
/// It only matters where half of a room is behind at once, and then it is more likely that the machine
/// or the network has no time for any of them: a kernel short of TCP memory lets sockets rest for
/// seconds. Letting the publishers go on would have all of them closed as too slow.
const STALLED_AFTER: Duration = Duration::from_secs(5);

/// A member is behind when it lags by this part of `lag_bytes_max`.
const BEHIND_PART: u64 = 8;

/// How many times over its size the log is filled between two looks at congestion.
const LOOKS_PER_LOG: u64 = 128;

/// Which rooms of this shard are congested.
#[derive(Debug, Default)]
pub(super) struct Congestion {
    rooms: Vec<Arc<str>>,
    looked_at: u64,
    next_look: Option<Duration>,
}

impl Congestion {
    /// When the next look is due even if nothing is published.
    pub(super) fn next_look(&self) -> Option<Duration> {
        self.next_look
    }
}

impl Shard {
    /// Whether whoever publishes to `room` must wait.
    pub(super) fn must_wait(&self, room: RoomId) -> bool {
        let room = self.rooms.get(room);
        self.staging.bytes() > self.append_bytes_max()
            || self.throttling
            || self.throttled_by[usize::from(room.home)]
            || room.congested
    }

    /// Whether the session is not read from for its room's sake.
    pub(super) fn is_held_back(&self, slot: u32) -> bool {
        let session = self.sessions.at(slot);
        session.flags.has(Flags::PAUSED) && self.must_wait_in(session.place)
    }

    fn must_wait_in(&self, place: Place) -> bool {
        matches!(place, Place::Room { room, .. } if self.must_wait(room))
    }

    /// No longer reads from the session.
    pub(super) fn pause(&mut self, slot: u32) {
        let flags = &mut self.sessions.at_mut(slot).flags;
        if flags.has(Flags::PAUSED) {
            return;
        }
        flags.set(Flags::PAUSED);
        self.cancel_receive(slot);
        self.paused.push(self.sessions.key(slot));
    }

    /// Cancels the receive in flight, if there is one.
    pub(super) fn cancel_receive(&mut self, slot: u32) {
        let key = self.sessions.key(slot);
        let flags = &mut self.sessions.at_mut(slot).flags;
        if flags.has(Flags::RECEIVING) && !flags.has(Flags::CANCELLING) {
            flags.set(Flags::CANCELLING);
            self.actions.push_back(Action::CancelReceive(key));
        }
    }

    /// Reads again from the sessions that nothing holds back any more.
    pub(super) fn resume(&mut self) {
        self.paused_drained = false;
        if self.paused.is_empty() {
            return;
        }
        let mut paused = std::mem::take(&mut self.paused);
        paused.retain(|&key| {
            let Some(session) = self.sessions.lookup(key) else {
                return false;
            };
            if !session.flags.has(Flags::PAUSED) {
                return false;
            }
            let (private_bytes, place) = (session.private_bytes(), session.place);
            let wait = private_bytes > 0 || self.must_wait_in(place);
            if !wait {
                let tick = self.tick();
                let session = self.sessions.at_mut(key.slot);
                session.flags.clear(Flags::PAUSED);
                // Its silence until now was not its own.
                session.heard = tick;
                self.settle(key.slot);
            }
            wait
        });
        self.paused.append(&mut paused);
    }

    /// Whether messages to other threads wait for room in a ring.
    pub fn handle_mesh_congestion(&mut self, on: bool) {
        if on != self.throttling {
            self.throttling = on;
            self.send_to_shards(|| Message::Throttle { on });
        }
    }

    /// Finds out which rooms are congested here and tells their homes what has changed.
    pub(super) fn look_at_congestion(&mut self) {
        let moved = self.log.head() - self.congestion.looked_at;
        let due = self
            .congestion
            .next_look
            .is_some_and(|look| look <= self.now);
        if !due && moved < self.log.capacity_bytes() as u64 / LOOKS_PER_LOG {
            return;
        }
        self.congestion.looked_at = self.log.head();
        let behind = self.members_behind();
        let mut rooms = std::mem::take(&mut self.congestion.rooms);
        rooms.retain(|name| {
            let room = self.rooms.find(name);
            let still = room.is_some_and(|room| behind.contains_key(&room))
                || self.rooms_waiting().any(|waiting| waiting == name);
            if !still {
                self.tell_congestion(name, false);
            }
            still
        });
        let known = rooms.len();
        let half_behind = (behind.iter())
            .map(|(&room, &count)| (self.rooms.get(room), count))
            .filter(|(room, count)| count * 2 >= room.members_here())
            .map(|(room, _)| &room.name);
        for name in half_behind.chain(self.rooms_waiting()) {
            if !rooms.contains(name) {
                rooms.push(Arc::clone(name));
            }
        }
        for name in &rooms[known..] {
            self.tell_congestion(name, true);
        }
        self.congestion.next_look = (!rooms.is_empty()).then(|| self.now + LOOK_INTERVAL);
        self.congestion.rooms = rooms;
        self.resume();
    }

    /// How many members of each room are behind yet reading.
    fn members_behind(&mut self) -> HashMap<RoomId, usize> {
        let stalled = Tick(
            self.tick()
                .0
                .saturating_sub(Tick::at(STALLED_AFTER + TICK).0),
        );
        let behind_min = self.config().lag_bytes_max as u64 / BEHIND_PART;
        let mut behind = HashMap::new();
        for &key in &self.watched {
            let Some(session) = self.sessions.lookup(key) else {
                continue;
            };
            let Place::Room { room, .. } = session.place else {
                continue;
            };
            let Some(index) = session.stream(&self.rooms) else {
                continue;
            };
            if session.progress >= stalled && index.head() - session.cursor > behind_min {
                *behind.entry(room).or_default() += 1;
            }
        }
        behind
    }

    fn tell_congestion(&mut self, room: &Arc<str>, on: bool) {
        let home = self.setup.homes.of(room);
        let message = Message::Congestion {
            room: Arc::clone(room),
            on,
        };
        self.send_or_handle(home, message);
    }

    /// At the room's home: a shard's members are held back, or no longer. Elsewhere: the home says
    /// that some shard's are.
    pub(super) fn congestion_elsewhere(&mut self, from: ThreadId, name: &Arc<str>, on: bool) {
        let me = self.setup.number;
        let Some(room) = self.rooms.find(name) else {
            return;
        };
        let here = self.rooms.get_mut(room);
        let Some(sequencer) = &mut here.sequencer else {
            here.congested = on;
            return;
        };
        let any = sequencer.congested(from.0, on);
        if any != here.congested {
            here.congested = any;
            let news = || Message::Congestion {
                room: Arc::clone(name),
                on: any,
            };
            if any {
                let elsewhere: Vec<u16> = sequencer.shards_except(me).collect();
                for shard in elsewhere {
                    self.send(shard, news());
                }
            } else {
                // The end is told to all: a shard may have been told of the beginning, and have no
                // members but ones whose joins are under way.
                self.send_to_shards(news);
            }
        }
    }
}
