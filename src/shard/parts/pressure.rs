//! Who is not read from, and which members are behind, with a sample of their pace.
//!
//! A few that came far behind have a moment to catch up. A member that has stopped reading, or hardly
//! reads, holds nobody back for long.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::id::{LogPosition, MembershipId, RoomId, SessionKey, StreamPosition};
use crate::room::Rooms;
use crate::room::congestion::Behind;
use crate::room::log::Log;
use crate::session::{Flags, Session, Sessions};

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
pub(crate) struct Pressure {
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
    pub(crate) fn has_work(&self) -> bool {
        self.paused_drained
    }

    /// When something is due even if nothing is published.
    pub(crate) fn next_look(&self) -> Option<Duration> {
        self.next_look
    }

    /// The session has got all that was planned for it. If it is paused its next bytes may be here already:
    /// nothing else need ever wake the shard.
    pub(crate) fn note_drained(&mut self, session: &Session) {
        self.paused_drained |= session.flags().any(Flags::PAUSED);
    }

    /// The session is not read from; false when it was not before.
    pub(crate) fn pause(&mut self, key: SessionKey, session: &mut Session) -> bool {
        let news = !session.flags().any(Flags::PAUSED);
        if news {
            session.mark(Flags::PAUSED);
            self.paused.push(key);
        }
        news
    }

    /// The sessions that are not read from, in a list to be given back with those that stay so; `None`
    /// when there are none.
    pub(crate) fn take_paused(&mut self) -> Option<Vec<SessionKey>> {
        self.paused_drained = false;
        (!self.paused.is_empty()).then(|| std::mem::take(&mut self.paused))
    }

    /// These are still not read from.
    pub(crate) fn give_back(&mut self, mut paused: Vec<SessionKey>) {
        self.paused.append(&mut paused);
    }

    /// Whether it is time to look who is behind.
    pub(crate) fn is_due(&self, log: &Log, now: Duration) -> bool {
        let moved = log.head() - self.looked_at;
        self.next_look.is_some_and(|look| look <= now)
            || moved >= log.capacity_bytes() as u64 / LOOKS_PER_LOG
    }

    /// How many members of each room are behind yet reading, of those that are watched.
    pub(crate) fn look(
        &mut self,
        watched: &[SessionKey],
        sessions: &Sessions,
        rooms: &Rooms,
        log: &Log,
        lag_bytes_max: u64,
        now: Duration,
    ) -> BTreeMap<RoomId, Behind> {
        self.looked_at = log.head();
        let mut before = std::mem::take(&mut self.samples);
        let mut behind: BTreeMap<RoomId, Behind> = BTreeMap::new();
        for &key in watched {
            let Some(session) = sessions.find(key) else {
                continue;
            };
            for (id, one, index) in session.streams(rooms) {
                let lag = index.head() - one.cursor();
                // Nobody waits for one that has missed something before it came.
                if lag <= lag_bytes_max / BEHIND_PART || one.is_catching_up() {
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

    /// The homes of these rooms are told of members that are behind. Returns the rooms whose homes were
    /// before, and have to hear that there is none any more.
    pub(crate) fn note_told(&mut self, behind: &BTreeMap<RoomId, Behind>) -> Vec<RoomId> {
        let mut told = std::mem::replace(&mut self.told, behind.keys().copied().collect());
        told.retain(|room| !behind.contains_key(room));
        told
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        Behind, LogPosition, PACE_WINDOW, Pressure, RoomId, Sample, SessionKey, StreamPosition,
    };
    use crate::room::log::Log;
    use crate::session::Flags;
    use crate::session::tests::open;

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

    /// Goal: a session is paused once, whoever has got its replies is looked at, and those that stay paused
    /// are there again the next time.
    #[test]
    fn paused_sessions_are_looked_at() {
        let key = |slot| SessionKey {
            slot,
            generation: 0,
        };
        let mut pressure = Pressure::default();
        let (mut first, mut second) = (open(), open());
        pressure.note_drained(&first);
        assert!(!pressure.has_work() && pressure.take_paused().is_none());
        assert!(pressure.pause(key(1), &mut first) && pressure.pause(key(2), &mut second));
        assert!(!pressure.pause(key(1), &mut first));
        assert!(first.flags().any(Flags::PAUSED) && !pressure.has_work());
        pressure.note_drained(&first);
        assert!(pressure.has_work());
        let mut paused = pressure.take_paused().expect("two are");
        assert_eq!(paused, [key(1), key(2)]);
        assert!(!pressure.has_work());
        paused.remove(0);
        pressure.give_back(paused);
        assert_eq!(pressure.take_paused().as_deref(), Some(&[key(2)][..]));
    }

    /// Goal: a home that was told of members behind hears once that there is none any more.
    #[test]
    fn nobody_behind_is_told_once() {
        let mut pressure = Pressure::default();
        let behind = |rooms: &[usize]| {
            let rooms = rooms
                .iter()
                .map(|&room| (RoomId::at(room), Behind::default()));
            rooms.collect()
        };
        let [one, two] = [1, 2].map(RoomId::at);
        assert_eq!(pressure.note_told(&behind(&[1, 2])), []);
        assert_eq!(pressure.note_told(&behind(&[2])), [one]);
        assert_eq!(pressure.note_told(&behind(&[])), [two]);
        assert_eq!(pressure.note_told(&behind(&[])), []);
    }
}
