//! Backpressure: publishers are not read from while what they publish cannot move on.
//!
//! Three things hold a publisher back: this shard has staged as much as a flush may append, the
//! shard it is for has not used up what was sent there, or half of the room's members are behind
//! although they read as fast as they can. A few that came far behind have a moment to catch up. A
//! member that has stopped reading, or hardly reads, holds nobody back for long; it falls behind and
//! is dealt with by the slow-consumer policy.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::message::Message;
use super::{Action, Shard};
use crate::id::{LogPosition, RoomId, SessionKey, ShardId, StreamPosition};
use crate::room::sequencer::{Behind, Hold};
use crate::room::staging::Aside;
use crate::session::{Flags, Place};

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

/// The longest a room is held at a stretch, and how long it is spared after that. Whoever is still
/// behind then had nothing new to read in all that time.
const HOLD_MAX: Duration = Duration::from_secs(10);
/// The same for a few members: enough for one whose machine was busy with others, on a link that is
/// not slower than what is published.
const HOLD_FOR_FEW_MAX: Duration = Duration::from_millis(500);
/// The longest that it is held while what it has staged keeps other shards from sending.
const HEAVY_HOLD_MAX: Duration = Duration::from_secs(1);
const SPARED_FOR: Duration = Duration::from_secs(30);

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

/// A room that is held or, after it was for long enough, spared.
#[derive(Debug)]
struct Holding {
    room: Arc<str>,
    /// For whom it is held.
    hold: Option<Hold>,
    /// When that began, for whomever it was first.
    since: Duration,
    /// When it ends.
    until: Duration,
}

/// Which members of this shard are behind, and which rooms wait for such members.
#[derive(Debug, Default)]
pub(super) struct Congestion {
    /// Members that are behind, with a sample of their pace.
    samples: HashMap<SessionKey, Sample>,
    /// What the homes of rooms were told last, unless it was 0.
    told: HashMap<Arc<str>, Behind>,
    /// Rooms at home here that are held or spared.
    holds: Vec<Holding>,
    looked_at: LogPosition,
    /// When it was last looked for a room that has too much staged.
    looked_for_heavy: Duration,
    next_look: Option<Duration>,
}

impl Congestion {
    /// When something is due even if nothing is published.
    pub(super) fn next_look(&self) -> Option<Duration> {
        // A room that has much staged is let go earlier; that is seen once it is looked for.
        let early = (self.holds.iter())
            .filter(|holding| holding.hold.is_some())
            .map(|holding| holding.since + HEAVY_HOLD_MAX)
            .filter(|&at| at > self.looked_for_heavy);
        (self.holds.iter().map(|holding| holding.until))
            .chain(early)
            .chain(self.next_look)
            .min()
    }
}

impl Shard {
    /// Whether whoever publishes to `room` must wait.
    pub(super) fn must_wait(&self, room: RoomId) -> bool {
        let here = self.rooms.get(room);
        here.held || here.aside != Aside::No || self.is_full(self.staging_of(room))
    }

    /// Whether the session is not read from for its room's sake.
    pub(super) fn is_held_back(&self, slot: u32) -> bool {
        let session = self.sessions.at(slot);
        session.flags().any(Flags::PAUSED) && self.must_wait_in(session.place())
    }

    fn must_wait_in(&self, place: Place) -> bool {
        matches!(place, Place::Room { room, .. } if self.must_wait(room))
    }

    /// No longer reads from the session.
    pub(super) fn pause(&mut self, slot: u32) {
        let session = self.sessions.at_mut(slot);
        if session.flags().any(Flags::PAUSED) {
            return;
        }
        session.mark(Flags::PAUSED);
        self.cancel_receive(slot);
        self.paused.push(self.sessions.key(slot));
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
        self.paused_drained = false;
        if self.paused.is_empty() {
            return;
        }
        let mut paused = std::mem::take(&mut self.paused);
        paused.retain(|&key| {
            let Some(session) = self.sessions.lookup(key) else {
                return false;
            };
            if !session.flags().any(Flags::PAUSED) {
                return false;
            }
            let (private_bytes, place) = (session.private_bytes(), session.place());
            let wait = private_bytes > 0 || self.must_wait_in(place);
            if !wait {
                let tick = self.tick();
                let session = self.sessions.at_mut(key.slot);
                session.unmark(Flags::PAUSED);
                // Its silence until now was not its own.
                session.hear(tick);
                self.settle(key.slot);
            }
            wait
        });
        self.paused.append(&mut paused);
    }

    /// Finds out who is behind here, and tells the homes of their rooms what has changed.
    pub(super) fn look_at_congestion(&mut self) {
        self.end_holds();
        let moved = self.log.head() - self.congestion.looked_at;
        let due = self
            .congestion
            .next_look
            .is_some_and(|look| look <= self.now);
        if !due && moved < self.log.capacity_bytes() as u64 / LOOKS_PER_LOG {
            return;
        }
        self.congestion.looked_at = self.log.head();
        let mut behind = HashMap::new();
        for (room, there) in self.members_behind() {
            behind.insert(Arc::clone(&self.rooms.get(room).name), there);
        }
        let told = std::mem::take(&mut self.congestion.told);
        for name in told.keys().filter(|name| !behind.contains_key(*name)) {
            self.tell_behind(name, Behind::default());
        }
        for (name, &there) in &behind {
            if told.get(name) != Some(&there) {
                self.tell_behind(name, there);
            }
        }
        let interval = if behind.is_empty() {
            LOOK_INTERVAL_CRAWLING
        } else {
            LOOK_INTERVAL
        };
        let again = !self.congestion.samples.is_empty();
        self.congestion.next_look = again.then(|| self.now + interval);
        self.congestion.told = behind;
        self.resume();
    }

    /// How many members of each room are behind yet reading.
    fn members_behind(&mut self) -> HashMap<RoomId, Behind> {
        let lag_max = self.config().lag_bytes_max as u64;
        let mut before = std::mem::take(&mut self.congestion.samples);
        let mut behind: HashMap<RoomId, Behind> = HashMap::new();
        for &key in &self.watched {
            let Some(session) = self.sessions.lookup(key) else {
                continue;
            };
            let Place::Room { room, .. } = session.place() else {
                continue;
            };
            let Some(index) = session.stream(&self.rooms) else {
                continue;
            };
            let lag = index.head() - session.cursor();
            if lag <= lag_max / BEHIND_PART {
                continue;
            }
            let fresh = Sample {
                at: self.now,
                cursor: session.cursor(),
                crawls: false,
                far: false,
            };
            let mut sample = before.remove(&key).unwrap_or(fresh);
            if self.now - sample.at >= PACE_WINDOW {
                let taken = session.cursor() - sample.cursor;
                sample = Sample {
                    crawls: taken < lag_max / PACE_PART,
                    far: sample.far,
                    ..fresh
                };
            }
            sample.far |= lag > lag_max / FAR_BEHIND_PART;
            if !sample.crawls {
                let there = behind.entry(room).or_default();
                there.members += 1;
                there.far |= sample.far;
            }
            self.congestion.samples.insert(key, sample);
        }
        behind
    }

    fn tell_behind(&mut self, room: &Arc<str>, behind: Behind) {
        let message = Message::Behind {
            room: Arc::clone(room),
            behind,
        };
        self.send_or_handle(self.setup.homes.of(room), message);
    }

    /// At the room's home: so many members on a shard are behind now.
    pub(super) fn members_behind_on(&mut self, shard: ShardId, name: &Arc<str>, behind: Behind) {
        let Some(room) = self.rooms.find(name) else {
            return;
        };
        self.sequencer(room).set_behind(shard, behind);
        self.reconsider_hold(room);
    }

    /// At the room's home: holds the room or lets it go, by how many of its members are behind.
    pub(super) fn reconsider_hold(&mut self, room: RoomId) {
        let now = self.now;
        let here = self.rooms.get(room);
        let (name, held) = (Arc::clone(&here.name), here.held);
        let wanted = self.sequencer(room).wants_hold(now);
        let holds = &mut self.congestion.holds;
        let place = holds.iter().position(|holding| holding.room == name);
        if let Some(hold) = wanted {
            // For few and then for many, or the other way round, is at a stretch.
            let since = match place.map(|place| holds.swap_remove(place)) {
                Some(holding) if held => holding.since,
                _ => now,
            };
            holds.push(Holding {
                room: Arc::clone(&name),
                hold: wanted,
                since,
                until: since + hold_max(hold),
            });
        } else if let Some(place) = place.filter(|_| held) {
            holds.swap_remove(place);
        }
        if wanted.is_some() != held {
            // To all, since a shard may have no members but ones whose joins are under way.
            self.send_to_shards(|| Message::Hold {
                room: Arc::clone(&name),
                on: !held,
            });
            self.held_by_home(&name, !held);
        }
    }

    /// The home of a room says whether whoever publishes to it waits.
    pub(super) fn held_by_home(&mut self, name: &str, on: bool) {
        if let Some(room) = self.rooms.find(name) {
            self.rooms.get_mut(room).held = on;
            // Also when it begins: what waited for credit is now held.
            self.line_up();
        }
    }

    /// Lets the room go whose held messages take most when all of them take too much, or half of that
    /// for more than a moment, since other shards have no credit meanwhile; once a turn.
    pub(super) fn bound_held(&mut self) {
        self.congestion.looked_for_heavy = self.now;
        let (held, most) = (
            self.sequencing.weight_held(),
            self.config().held_bytes_max(),
        );
        if held <= most / 2 {
            return;
        }
        let weight = |room: RoomId| {
            let group = self.rooms.get(room).staged.as_ref();
            group.map_or(0, |group| group.weight())
        };
        let heaviest = (self.sequencing.aside().iter())
            .filter(|&&room| self.rooms.get(room).held)
            .max_by_key(|&&room| weight(room));
        if let Some(&room) = heaviest
            && (held > most || self.is_held_for_long(room))
        {
            self.spare(room, Hold::ForMany);
        }
    }

    fn is_held_for_long(&self, room: RoomId) -> bool {
        let name = &self.rooms.get(room).name;
        let mut holds = self.congestion.holds.iter();
        let holding = holds.find(|holding| holding.room == *name);
        holding.is_some_and(|holding| self.now - holding.since >= HEAVY_HOLD_MAX)
    }

    /// Lets go of a held room, and does not hold it again for as many members, or fewer, for a while.
    fn spare(&mut self, room: RoomId, hold: Hold) {
        assert!(self.rooms.get(room).held, "only a held room is let go");
        let spared_until = self.now + SPARED_FOR;
        let name = Arc::clone(&self.rooms.get(room).name);
        self.sequencer(room).spare_until(hold, spared_until);
        self.reconsider_hold(room);
        if !self.rooms.get(room).held {
            self.congestion.holds.push(Holding {
                room: name,
                hold: None,
                since: self.now,
                until: spared_until,
            });
        }
    }

    /// Lets go of rooms that were held for long enough, and looks again at those that were spared.
    fn end_holds(&mut self) {
        let now = self.now;
        while let Some(place) =
            (self.congestion.holds.iter()).position(|holding| holding.until <= now)
        {
            let ended = &self.congestion.holds[place];
            match (self.rooms.find(&ended.room), ended.hold) {
                (Some(room), Some(hold)) if self.rooms.get(room).held => self.spare(room, hold),
                // It was let go, or it is another room of that name.
                (room, _) => {
                    self.congestion.holds.swap_remove(place);
                    if let Some(room) = room {
                        self.reconsider_hold(room);
                    }
                }
            }
        }
    }
}

/// The longest a room is held at a stretch.
fn hold_max(hold: Hold) -> Duration {
    match hold {
        Hold::ForMany => HOLD_MAX,
        Hold::ForFew => HOLD_FOR_FEW_MAX,
    }
}
