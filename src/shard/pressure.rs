//! Backpressure: publishers are not read from while what they publish cannot move on.
//!
//! Three things hold a publisher back: this shard has staged as much as a flush may append, the
//! shard it is for has not used up what was sent there, or half of the room's members are behind
//! although they read as fast as they can. A few that came far behind have a moment to catch up. A
//! member that has stopped reading, or hardly reads, holds nobody back for long; it falls behind and
//! is dealt with by the slow-consumer policy.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::{Action, Shard};
use crate::id::{LogPosition, MembershipId, RoomId, SessionKey, ShardId, StreamPosition};
use crate::room::Rooms;
use crate::room::congestion::Behind;
use crate::room::log::Log;
use crate::session::{Flags, Place, Session, Sessions};
use crate::talk::ToShard;

/// How often members that are behind are looked at again, and how often if they all crawl.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);
const LOOK_INTERVAL_CRAWLING: Duration = Duration::from_millis(100);

/// How long a member that is behind has to take a part of [`PACE_PART`].
///
/// It only matters where half of a room is behind at once, and then it is more likely that the machine
/// or the network has no time for any of them: a kernel short of TCP memory lets sockets rest for
/// seconds. Letting the publishers go on would have all of them closed as too slow.
const PACE_WINDOW: Duration = Duration::from_secs(5);

/// A member that takes less than this part of `lag_bytes_max` in a window holds nobody up.
const PACE_PART: u64 = 64;

/// A member is behind when it lags by this part of `lag_bytes_max`, and far behind by that.
const BEHIND_PART: u64 = 8;
const FAR_BEHIND_PART: u64 = 4;

/// How many times over its size the log is filled between two looks at who is behind.
const LOOKS_PER_LOG: u64 = 128;

/// Where a member that is behind stood, to tell how fast it reads.
#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Duration,
    cursor: StreamPosition,
    /// Whether it took too little in the window before.
    crawls: bool,
    /// Whether it was far behind, since it last was not behind.
    far: bool,
}

impl Sample {
    /// One of a member that has just come to be behind.
    fn new(now: Duration, cursor: StreamPosition) -> Self {
        Self {
            at: now,
            cursor,
            crawls: false,
            far: false,
        }
    }

    /// Takes in where the member stands at `now`, behind by `lag`.
    fn update(&mut self, now: Duration, cursor: StreamPosition, lag: u64, lag_bytes_max: u64) {
        if now - self.at >= PACE_WINDOW {
            // One that came back to the room since has a place of its own.
            let taken = cursor.bytes().saturating_sub(self.cursor.bytes());
            self.crawls = taken < lag_bytes_max / PACE_PART;
            (self.at, self.cursor) = (now, cursor);
        }
        self.far |= lag > lag_bytes_max / FAR_BEHIND_PART;
    }
}

/// Who is not read from, and which members are behind.
#[derive(Debug, Default)]
pub(super) struct Pressure {
    /// Sessions that are not read from for now.
    paused: Vec<SessionKey>,
    /// One of those has got all its private replies since they were last looked at.
    paused_drained: bool,
    /// Members that are behind, with a sample of their pace.
    samples: HashMap<(SessionKey, MembershipId), Sample>,
    /// Rooms whose homes were told of members that are behind, and some that are gone.
    told: Vec<RoomId>,
    /// The head of the log at the last look.
    looked_at: LogPosition,
    next_look: Option<Duration>,
}

impl Pressure {
    /// Whether a paused session may go on.
    pub(super) fn has_work(&self) -> bool {
        self.paused_drained
    }

    /// When something is due even if nothing is published.
    pub(super) fn next_look(&self) -> Option<Duration> {
        self.next_look
    }

    /// The session has got all that was planned for it. If it is paused its next bytes may be here already:
    /// nothing else need ever wake the shard.
    pub(super) fn note_drained(&mut self, session: &Session) {
        self.paused_drained |= session.flags().any(Flags::PAUSED);
    }

    /// The session is not read from; false when it was not before.
    fn pause(&mut self, key: SessionKey, session: &mut Session) -> bool {
        let news = !session.flags().any(Flags::PAUSED);
        if news {
            session.mark(Flags::PAUSED);
            self.paused.push(key);
        }
        news
    }

    /// Whether it is time to look who is behind.
    fn is_due(&self, log: &Log, now: Duration) -> bool {
        let moved = log.head() - self.looked_at;
        self.next_look.is_some_and(|look| look <= now)
            || moved >= log.capacity_bytes() as u64 / LOOKS_PER_LOG
    }

    /// How many members of each room are behind yet reading, of those that are watched.
    fn look(
        &mut self,
        watched: &[SessionKey],
        sessions: &Sessions,
        rooms: &Rooms,
        lag_bytes_max: u64,
        now: Duration,
    ) -> BTreeMap<RoomId, Behind> {
        let mut before = std::mem::take(&mut self.samples);
        let mut behind: BTreeMap<RoomId, Behind> = BTreeMap::new();
        for &key in watched {
            let Some(session) = sessions.find(key) else {
                continue;
            };
            for (id, one, index) in session.streams(rooms) {
                let lag = index.head() - one.cursor();
                if lag <= lag_bytes_max / BEHIND_PART {
                    continue;
                }
                let fresh = Sample::new(now, one.cursor());
                let mut sample = before.remove(&(key, id)).unwrap_or(fresh);
                sample.update(now, one.cursor(), lag, lag_bytes_max);
                if !sample.crawls {
                    let there = behind.entry(one.room()).or_default();
                    there.members += 1;
                    there.far |= sample.far;
                }
                self.samples.insert((key, id), sample);
            }
        }
        let interval = if behind.is_empty() {
            LOOK_INTERVAL_CRAWLING
        } else {
            LOOK_INTERVAL
        };
        self.next_look = (!self.samples.is_empty()).then(|| now + interval);
        behind
    }
}

impl Shard {
    /// Whether the session is not read from for its room's sake.
    pub(super) fn is_held_back(&self, slot: u32) -> bool {
        let session = self.sessions.at(slot);
        session.flags().any(Flags::PAUSED) && self.must_wait_in(session.place())
    }

    fn must_wait_in(&self, place: Place) -> bool {
        matches!(place, Place::Room { room, .. } if self.queues.must_wait(&self.rooms, room))
    }

    /// No longer reads from the session.
    pub(super) fn pause(&mut self, slot: u32) {
        let key = self.sessions.key(slot);
        if self.pressure.pause(key, self.sessions.at_mut(slot)) {
            self.cancel_receive(slot);
        }
    }

    /// Cancels the receive in flight, if there is one.
    pub(super) fn cancel_receive(&mut self, slot: u32) {
        let key = self.sessions.key(slot);
        let session = self.sessions.at_mut(slot);
        let flags = session.flags();
        if flags.any(Flags::RECEIVING) && !flags.any(Flags::CANCELLING) {
            session.mark(Flags::CANCELLING);
            self.actions.push_back(Action::CancelReceive(key));
        }
    }

    /// Reads again from the sessions that nothing holds back any more.
    pub(super) fn resume(&mut self) {
        self.pressure.paused_drained = false;
        if self.pressure.paused.is_empty() {
            return;
        }
        let mut paused = std::mem::take(&mut self.pressure.paused);
        paused.retain(|&key| self.stays_paused(key));
        self.pressure.paused.append(&mut paused);
    }

    fn stays_paused(&mut self, key: SessionKey) -> bool {
        let Some(session) = self.sessions.find(key) else {
            return false;
        };
        if !session.flags().any(Flags::PAUSED) {
            return false;
        }
        let wait = session.private_bytes() > 0 || self.must_wait_in(session.place());
        if !wait {
            let tick = self.tick();
            let session = self.sessions.at_mut(key.slot);
            session.unmark(Flags::PAUSED);
            // Its silence until now was not its own.
            session.hear(tick);
            self.settle(key.slot);
        }
        wait
    }

    /// Finds out who is behind here, and tells the homes of their rooms what has changed.
    pub(super) fn look_at_pressure(&mut self) {
        let now = self.now;
        if !self.pressure.is_due(&self.log, now) {
            return;
        }
        self.pressure.looked_at = self.log.head();
        let lag_bytes_max = self.config().lag_bytes_max as u64;
        let (watched, sessions) = (self.watch.sessions(), &self.sessions);
        let behind = (self.pressure).look(watched, sessions, &self.rooms, lag_bytes_max, now);
        for room in std::mem::take(&mut self.pressure.told) {
            if !behind.contains_key(&room) {
                self.tell_behind(room, Behind::default());
            }
        }
        for (room, there) in behind {
            self.tell_behind(room, there);
            self.pressure.told.push(room);
        }
    }

    /// Tells the home of a room how many of its members are behind here, unless it knows.
    fn tell_behind(&mut self, room: RoomId, behind: Behind) {
        let Some(here) = self.rooms.lookup(room) else {
            return;
        };
        if here.told_behind.replace(behind) == Some(behind) {
            return;
        }
        let message = ToShard::Behind {
            from: self.setup.number,
            room: Arc::clone(&here.name),
            behind,
        };
        self.mail.to_shard(here.home_shard, message);
    }

    /// At the room's home: so many members on a shard are behind now.
    pub(super) fn members_behind_on(&mut self, shard: ShardId, name: &Arc<str>, behind: Behind) {
        let now = self.now;
        if let Some(room) = self.rooms.find(name) {
            let hold = self.rooms.home_mut(room).set_behind(shard, behind, now);
            self.tell_hold(room, hold);
            self.rooms.note_deadline(room, now);
        }
    }

    /// Tells all shards whether a room is held, if that has changed: a shard may have no members but ones
    /// whose joins are under way.
    pub(super) fn tell_hold(&mut self, room: RoomId, hold: Option<bool>) {
        if let Some(on) = hold {
            let name = Arc::clone(&self.rooms.get(room).name);
            self.tell_shards(|| ToShard::Hold {
                room: Arc::clone(&name),
                on,
            });
        }
    }

    /// The home of a room says whether whoever publishes to it waits.
    pub(super) fn held_by_home(&mut self, name: &str, on: bool) {
        if let Some(room) = self.rooms.find(name)
            && std::mem::replace(&mut self.rooms.get_mut(room).held, on) != on
        {
            // Also when it begins: what waited for credit is now held.
            self.queues.line_up(&mut self.rooms);
        }
    }

    /// Lets the room go whose held messages take most when all of them take too much, or half of that
    /// for more than a moment, since other shards have no credit meanwhile; once a turn.
    pub(super) fn bound_held(&mut self) {
        let now = self.now;
        let (held, most) = (
            self.queues.sequencing.weight_held(),
            self.config().held_bytes_max(),
        );
        if held <= most / 2 {
            return;
        }
        let weight = |room: RoomId| {
            let group = self.rooms.get(room).staged.as_ref();
            group.map_or(0, |group| group.weight())
        };
        let is_held = |room: RoomId| {
            let home = self.rooms.get(room).home.as_ref();
            home.is_some_and(|home| home.is_held())
        };
        let heaviest = (self.queues.sequencing.aside().iter().copied())
            .filter(|&room| is_held(room))
            .max_by_key(|&room| weight(room));
        let Some(room) = heaviest else { return };
        let home = self.rooms.home_mut(room);
        if held > most || home.is_held_for_long(now) {
            let hold = home.let_go(now);
            self.tell_hold(room, hold);
            self.rooms.note_deadline(room, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LogPosition, PACE_WINDOW, Pressure, Sample, StreamPosition};
    use crate::room::log::Log;

    /// Goal: one that took less than its part in a window crawls until it has taken more in another; one that was
    /// far behind stays so.
    #[test]
    fn crawling_is_judged_by_the_window() {
        let lag_bytes_max = 64_000;
        let mut sample = Sample::new(Duration::ZERO, StreamPosition::default());
        let at = |windows: u32| PACE_WINDOW * windows;
        let mut look = |windows, cursor, lag| {
            sample.update(at(windows), StreamPosition::new(cursor), lag, lag_bytes_max);
            (sample.crawls, sample.far)
        };
        assert_eq!(look(0, 0, 10_000), (false, false));
        assert_eq!(look(1, 999, 17_000), (true, true));
        assert_eq!(look(1, 999_999, 10_000), (true, true), "within the window");
        assert_eq!(look(2, 1999, 10_000), (false, true));
    }

    /// Goal: it is looked for members behind when a look is due, or the log has moved on a little.
    #[test]
    fn looks_are_due_in_time_or_by_the_log() {
        let mut log = Log::new(1 << 20).unwrap();
        let mut pressure = Pressure::default();
        let now = Duration::from_secs(1);
        assert!(!pressure.is_due(&log, now));
        log.append(&[0; 1 << 13]);
        assert!(pressure.is_due(&log, now));
        pressure.looked_at = LogPosition::new(1 << 13);
        assert!(!pressure.is_due(&log, now));
        pressure.next_look = Some(now);
        assert!(pressure.is_due(&log, now));
    }
}
