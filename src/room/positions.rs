//! Where the histories of rooms stand that are gone: their epochs and newest offsets, for as long as
//! somebody may come back to them and there are not too many.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::history::Position;

/// What is known of a room that is gone.
#[derive(Debug)]
struct Remembered {
    position: Position,
    until: Duration,
    /// Which of the places in line is this one's.
    serial: u64,
}

/// The places of rooms that are gone.
#[derive(Debug)]
pub(crate) struct Positions {
    by_name: HashMap<Arc<str>, Remembered>,
    /// In the order in which they were put here, with some that were taken out since.
    line: VecDeque<(Arc<str>, u64)>,
    serial: u64,
    count_max: usize,
}

/// Places in line beyond twice those that count.
const SPARE_MAX: usize = 64;

impl Positions {
    /// Room for so many.
    pub(super) fn new(count_max: usize) -> Self {
        Self {
            by_name: HashMap::new(),
            line: VecDeque::new(),
            serial: 0,
            count_max,
        }
    }

    /// A place as the budget counts it, in bytes, besides its name: tables double as they grow, and of the
    /// line half may be of places that were taken out.
    pub(crate) const ENTRY_BYTES: usize =
        2 * (size_of::<(Arc<str>, Remembered)>() + 1) + 2 * 2 * size_of::<(Arc<str>, u64)>();

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there is one of the room called `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Remembers the place of the room called `name` until then, and the oldest no longer when there are
    /// too many.
    pub(super) fn put(&mut self, name: Arc<str>, position: Position, until: Duration) {
        self.serial += 1;
        let remembered = Remembered {
            position,
            until,
            serial: self.serial,
        };
        self.line.push_back((Arc::clone(&name), self.serial));
        self.by_name.insert(name, remembered);
        while self.by_name.len() > self.count_max {
            self.drop_oldest();
        }
        if self.line.len() > 2 * self.by_name.len() + SPARE_MAX {
            let by_name = &self.by_name;
            (self.line).retain(|(name, serial)| stands(by_name, name, *serial));
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((name, serial)) = self.line.pop_front()
            && stands(&self.by_name, &name, serial)
        {
            self.by_name.remove(&name);
        }
    }

    /// The place of the room called `name`, which comes to be again at `now`, if it is remembered.
    pub(super) fn take(&mut self, name: &str, now: Duration) -> Option<Position> {
        let remembered = self.by_name.remove(name)?;
        (remembered.until > now).then_some(remembered.position)
    }
}

/// Whether that place in line is the one that counts.
fn stands(by_name: &HashMap<Arc<str>, Remembered>, name: &str, serial: u64) -> bool {
    (by_name.get(name)).is_some_and(|remembered| remembered.serial == serial)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::{Position, Positions, SPARE_MAX};
    use crate::id::Epoch;

    fn at(top: u64) -> Position {
        let epoch = Epoch::new(7);
        Position { epoch, top }
    }

    /// Goal: a place is remembered for its time, once, and the oldest give way to newer ones.
    #[test]
    fn places_are_remembered() {
        let seconds = Duration::from_secs;
        let mut positions = Positions::new(2);
        let put = |positions: &mut Positions, name: &str, top| {
            positions.put(Arc::from(name), at(top), seconds(100));
        };
        put(&mut positions, "a", 1);
        put(&mut positions, "b", 2);
        assert_eq!(positions.take("a", seconds(99)), Some(at(1)));
        assert_eq!(positions.take("a", seconds(99)), None);
        put(&mut positions, "a", 3);
        put(&mut positions, "c", 4);
        let tops = ["a", "b", "c"].map(|name| {
            let place = positions.take(name, seconds(100 - 1));
            place.map(|place| place.top)
        });
        assert_eq!(tops, [Some(3), None, Some(4)], "b was the oldest");
        put(&mut positions, "a", 5);
        assert_eq!(positions.take("a", seconds(100)), None, "too late");
        assert_eq!(positions.len(), 0);
    }

    /// Goal: rooms that come and go again and again leave nothing behind.
    #[test]
    fn the_line_does_not_grow() {
        let mut positions = Positions::new(1_000);
        for number in 0..10_000 {
            let name = format!("room {}", number % 7);
            positions.put(Arc::from(name.as_str()), at(number), Duration::MAX);
            if number % 3 > 0 {
                positions.take(&name, Duration::ZERO);
            }
        }
        assert!(positions.len() <= 7);
        assert!(positions.line.len() <= 2 * 7 + SPARE_MAX);
    }
}
