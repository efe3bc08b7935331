//! Rooms that a client reads too slowly, and when it may come to them again.
//!
//! A client that is put out of a room for that asks to come back at once, and would catch up, fall behind and
//! be put out as fast as it can ask. So it waits until its socket has taken what there was, and for a time that
//! doubles while it happens again. SDKs try again within half a second of a refusal, and again and again; so the
//! refusal comes late.

use std::sync::Arc;

use super::held::PATIENCE_TICKS;
use crate::session::tick::{TICKS_PER_SECOND, Tick};

/// The time after the first fall, and the longest.
const WAIT_TICKS_MIN: u32 = TICKS_PER_SECOND / 2;
const WAIT_TICKS_MAX: u32 = 20 * TICKS_PER_SECOND;

/// How long after its time is over a room is remembered: one that falls behind after that begins anew.
const REMEMBERED_TICKS: u32 = 60 * TICKS_PER_SECOND;

/// Rooms that are remembered; of more the one that may be joined the soonest is forgotten.
const ROOMS_MAX: usize = 128;

/// A room that a client was put out of.
#[derive(Debug)]
struct Fall {
    room: Arc<str>,
    wait_ticks: u32,
    /// When it may be joined again; none while the socket has yet to take what there was.
    until: Option<Tick>,
    /// A command that is to be refused, and when at the latest.
    refusal: Option<(u32, Tick)>,
}

impl Fall {
    /// When the command is to be refused that waits for that.
    fn refusal_due(&self) -> Option<Tick> {
        let (_, latest) = self.refusal?;
        Some(self.until.map_or(latest, |until| until.min(latest)))
    }
}

/// The rooms that a client was put out of because it read too slowly.
#[derive(Debug, Default)]
pub(crate) struct Cooling {
    falls: Vec<Fall>,
}

impl Cooling {
    /// The client is put out of `room`.
    pub(crate) fn fell_behind(&mut self, room: &Arc<str>, now: Tick) {
        self.forget(now);
        let before = self.falls.iter().position(|fall| fall.room == *room);
        let before = before.map(|at| self.falls.swap_remove(at));
        let wait_ticks = (before.as_ref()).map_or(WAIT_TICKS_MIN, |fall| {
            (2 * fall.wait_ticks).min(WAIT_TICKS_MAX)
        });
        self.falls.push(Fall {
            room: Arc::clone(room),
            wait_ticks,
            until: None,
            refusal: before.and_then(|fall| fall.refusal),
        });
    }

    /// The client's socket has taken all that there was for it.
    pub(crate) fn drained(&mut self, now: Tick) {
        for fall in &mut self.falls {
            let until = now.plus(fall.wait_ticks);
            fall.until.get_or_insert(until);
        }
    }

    /// Whether the client has to wait before it joins `room` again.
    #[must_use]
    pub(crate) fn refuses(&self, room: &str, now: Tick) -> bool {
        let fall = self.falls.iter().find(|fall| *fall.room == *room);
        fall.is_some_and(|fall| fall.until.is_none_or(|until| now < until))
    }

    /// The client asks by the command `id` for a room that it has to wait for. False if that is to be refused at
    /// once: one command for each room waits.
    #[must_use]
    pub(crate) fn refuse_later(&mut self, room: &str, id: u32, now: Tick) -> bool {
        let fall = self.falls.iter_mut().find(|fall| *fall.room == *room);
        let Some(fall) = fall.filter(|fall| fall.refusal.is_none()) else {
            return false;
        };
        let latest = now.plus(PATIENCE_TICKS);
        fall.refusal = Some((id, latest));
        true
    }

    /// When a command is to be refused.
    #[must_use]
    pub(crate) fn next_refusal(&self) -> Option<Tick> {
        self.falls.iter().filter_map(Fall::refusal_due).min()
    }

    /// A command that is to be refused by now.
    pub(crate) fn take_refusal(&mut self, now: Tick) -> Option<u32> {
        let is_due = |fall: &&mut Fall| fall.refusal_due().is_some_and(|due| due <= now);
        let (id, _) = self.falls.iter_mut().find(is_due)?.refusal.take()?;
        Some(id)
    }

    /// Forgets what was too long ago, and what there is too much of.
    fn forget(&mut self, now: Tick) {
        let is_recent = |until: Tick| now < until.plus(REMEMBERED_TICKS);
        let stays = |fall: &Fall| fall.refusal.is_some() || fall.until.is_none_or(is_recent);
        self.falls.retain(stays);
        if self.falls.len() >= ROOMS_MAX {
            let by_end = |&at: &usize| {
                let fall = &self.falls[at];
                (fall.refusal.is_some(), fall.until.unwrap_or(Tick(u32::MAX)))
            };
            let soonest = (0..self.falls.len()).min_by_key(by_end);
            self.falls.swap_remove(soonest.expect("there are some"));
        }
    }

    /// Memory it holds, in bytes.
    #[must_use]
    pub(crate) fn held_bytes(&self) -> usize {
        self.falls.capacity() * size_of::<Fall>()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{
        Cooling, PATIENCE_TICKS, REMEMBERED_TICKS, ROOMS_MAX, Tick, WAIT_TICKS_MAX, WAIT_TICKS_MIN,
    };

    /// Goal: a room is closed to a client until its socket has drained and then for a time that doubles up to
    /// its longest, and other rooms are not.
    #[test]
    fn the_time_doubles_while_it_happens_again() {
        let mut cooling = Cooling::default();
        let room: Arc<str> = "room".into();
        let mut now = 100;
        let mut expected = WAIT_TICKS_MIN;
        for _ in 0..8 {
            cooling.fell_behind(&room, Tick(now));
            assert!(cooling.refuses("room", Tick(now + 1_000_000)));
            assert!(!cooling.refuses("other", Tick(now)));
            now += 30;
            cooling.drained(Tick(now));
            cooling.drained(Tick(now + 1));
            assert!(cooling.refuses("room", Tick(now + expected - 1)));
            now += expected;
            assert!(!cooling.refuses("room", Tick(now)));
            expected = (2 * expected).min(WAIT_TICKS_MAX);
        }
        assert_eq!(expected, WAIT_TICKS_MAX);
    }

    /// Goal: one command for each room is refused when the room's time is over, or after four seconds, and others at
    /// once.
    #[test]
    fn refusals_come_late() {
        let mut cooling = Cooling::default();
        let rooms: [Arc<str>; 2] = ["room".into(), "other".into()];
        for room in &rooms {
            cooling.fell_behind(room, Tick(0));
        }
        assert!(!cooling.refuse_later("third", 1, Tick(10)));
        assert!(cooling.refuse_later("room", 1, Tick(10)));
        assert!(!cooling.refuse_later("room", 2, Tick(10)));
        assert!(cooling.refuse_later("other", 3, Tick(20)));
        assert_eq!(cooling.next_refusal(), Some(Tick(10 + PATIENCE_TICKS)));
        assert_eq!(cooling.take_refusal(Tick(9 + PATIENCE_TICKS)), None);
        assert_eq!(cooling.take_refusal(Tick(10 + PATIENCE_TICKS)), Some(1));
        assert_eq!(cooling.take_refusal(Tick(10 + PATIENCE_TICKS)), None);
        cooling.drained(Tick(51));
        assert_eq!(cooling.next_refusal(), Some(Tick(51 + WAIT_TICKS_MIN)));
        cooling.fell_behind(&rooms[1], Tick(52));
        assert_eq!(cooling.take_refusal(Tick(60)), Some(3), "it still waits");
        assert_eq!(cooling.next_refusal(), None);
    }

    /// Goal: one that has kept up for long begins with the shortest time, and no more rooms are remembered than
    /// a client can be in.
    #[test]
    fn what_was_long_ago_is_forgotten() {
        let mut cooling = Cooling::default();
        let room: Arc<str> = "room".into();
        for _ in 0..4 {
            cooling.fell_behind(&room, Tick(0));
            cooling.drained(Tick(0));
        }
        let over = 8 * WAIT_TICKS_MIN;
        assert!(cooling.refuses("room", Tick(over - 1)));
        let later = over + REMEMBERED_TICKS;
        cooling.fell_behind(&room, Tick(later));
        cooling.drained(Tick(later));
        assert!(!cooling.refuses("room", Tick(later + WAIT_TICKS_MIN)));
        for number in 0..2 * ROOMS_MAX {
            cooling.fell_behind(&number.to_string().into(), Tick(later));
        }
        assert_eq!(cooling.falls.len(), ROOMS_MAX);
        assert!(
            !cooling.refuses("room", Tick(later)),
            "it was the first to go"
        );
    }
}
