//! What is known of a room's order from outside, and what its history can have had of it at any time: the test's own
//! model, which shares nothing with the server's.
//!
//! When a message got its place is known exactly where somebody watches the room's home; elsewhere it lies between
//! when it was written and when it was seen first.

use std::collections::HashMap;
use std::time::Duration;

use super::saying::MessageId;

/// How much a room keeps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    pub(crate) messages: u64,
    /// Until so long after the newest.
    pub(crate) time: Duration,
    /// What is recovered at once.
    pub(crate) recovered: u64,
}

/// A place in a room's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot {
    /// Which of the room's incarnations.
    pub(crate) incarnation: usize,
    pub(crate) offset: u64,
}

/// A message that has its place.
#[derive(Debug, Clone, Copy)]
struct Placed {
    id: Option<MessageId>,
    /// When it got its place, at the earliest and at the latest.
    earliest: Duration,
    latest: Duration,
}

/// A room from when it came to be until it was forgotten.
#[derive(Debug)]
struct Incarnation {
    epoch: String,
    /// From offset 1 on.
    placed: Vec<Placed>,
    /// Up to here others may have needed the memory, or nothing may have been kept yet.
    doubtful: u64,
}

/// All that is known of a room's order.
#[derive(Debug, Default)]
pub(crate) struct Chronicle {
    /// Whether the room's home is watched, so that every message is known as soon as it has its place.
    pub(crate) is_watched: bool,
    /// How much longer than its time something may be kept, since its home's clock stood still.
    pub(crate) standstill_max: Duration,
    incarnations: Vec<Incarnation>,
    spots: HashMap<MessageId, Spot>,
}

/// What somebody lacks of a room, and when it asked for that.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lack {
    /// The incarnation that it knows.
    pub(crate) incarnation: usize,
    /// The last place that it knows.
    pub(crate) known: u64,
    /// Its question was decided on at the earliest and at the latest then.
    pub(crate) from: Duration,
    pub(crate) until: Duration,
}

impl Chronicle {
    /// Which incarnation is called so, if that is known.
    pub(crate) fn incarnation(&self, epoch: &str) -> Option<usize> {
        self.incarnations.iter().rposition(|one| one.epoch == epoch)
    }

    /// The newest.
    pub(crate) fn current(&self) -> Option<usize> {
        self.incarnations.len().checked_sub(1)
    }

    /// The same, which is a new one if it is not called so.
    pub(crate) fn begin(&mut self, epoch: &str) -> Result<usize, String> {
        match (self.incarnation(epoch), self.current()) {
            (Some(one), Some(current)) if one == current => Ok(one),
            (Some(_), _) => Err(format!("epoch {epoch} is back")),
            (None, _) => {
                self.incarnations.push(Incarnation {
                    epoch: epoch.to_owned(),
                    placed: Vec::new(),
                    doubtful: 0,
                });
                Ok(self.incarnations.len() - 1)
            }
        }
    }

    /// The offset of the newest message that is known.
    pub(crate) fn top(&self, incarnation: usize) -> u64 {
        self.incarnations[incarnation].placed.len() as u64
    }

    /// The place of a message, if it is known.
    pub(crate) fn spot(&self, id: MessageId) -> Option<Spot> {
        self.spots.get(&id).copied()
    }

    /// The message in a place, if it is known.
    pub(crate) fn message(&self, spot: Spot) -> Option<MessageId> {
        let placed = &self.incarnations[spot.incarnation].placed;
        let at = usize::try_from(spot.offset.checked_sub(1)?).ok()?;
        placed.get(at)?.id
    }

    /// All messages whose places are known.
    pub(crate) fn messages(&self) -> impl Iterator<Item = (MessageId, Spot)> {
        self.spots.iter().map(|(&id, &spot)| (id, spot))
    }

    /// What is known of each incarnation's messages, in their order.
    pub(crate) fn orders(&self) -> impl Iterator<Item = impl Iterator<Item = MessageId>> {
        let placed = self.incarnations.iter().map(|one| one.placed.iter());
        placed.map(|all| all.filter_map(|placed| placed.id))
    }

    /// All up to `top` have their places, of which those that were not known got them in this time.
    pub(crate) fn place(
        &mut self,
        incarnation: usize,
        top: u64,
        earliest: Duration,
        latest: Duration,
    ) {
        let placed = &mut self.incarnations[incarnation].placed;
        let before = placed.last().map_or(earliest, |last| last.earliest);
        let earliest = earliest.max(before);
        while (placed.len() as u64) < top {
            placed.push(Placed {
                id: None,
                earliest,
                latest,
            });
        }
    }

    /// Somebody was told of a message in its place.
    pub(crate) fn see(
        &mut self,
        spot: Spot,
        id: MessageId,
        written_at: Duration,
        now: Duration,
    ) -> Result<(), String> {
        if spot.offset == 0 {
            return Err(format!("{id:?} has no offset"));
        }
        self.place(spot.incarnation, spot.offset, Duration::ZERO, now);
        let known = *self.spots.entry(id).or_insert(spot);
        if known != spot {
            return Err(format!("{id:?} is at {known:?} and at {spot:?}"));
        }
        let at = usize::try_from(spot.offset - 1).expect("a few messages");
        let placed = &mut self.incarnations[spot.incarnation].placed;
        let known = *placed[at].id.get_or_insert(id);
        if known != id {
            return Err(format!("{known:?} and {id:?} are both at {spot:?}"));
        }
        for later in &mut placed[at..] {
            if later.earliest >= written_at {
                break;
            }
            later.earliest = written_at;
        }
        for earlier in placed[..=at].iter_mut().rev() {
            if earlier.latest <= now {
                break;
            }
            earlier.latest = now;
        }
        Ok(())
    }

    /// From now on nobody can be sure that what was said up to now is still there.
    pub(crate) fn doubt(&mut self, incarnation: usize, up_to: u64) {
        let one = &mut self.incarnations[incarnation];
        one.doubtful = one.doubtful.max(up_to);
    }

    /// The newest place that a message had for certain by then, and the newest that one may have had.
    pub(crate) fn tops(&self, incarnation: usize, now: Duration) -> (u64, u64) {
        let placed = &self.incarnations[incarnation].placed;
        let certain = placed.partition_point(|one| one.latest <= now);
        let possible = placed.partition_point(|one| one.earliest <= now);
        (certain as u64, possible as u64)
    }

    /// Whether of what somebody lacks something may have been gone, where the order stood at `top`.
    pub(crate) fn may_be_gone(&self, kept: &Kept, lack: &Lack, top: u64) -> bool {
        let one = &self.incarnations[lack.incarnation];
        let missed = top.saturating_sub(lack.known);
        if missed > kept.messages || missed > kept.recovered || lack.known < one.doubtful {
            return true;
        }
        self.has_gap(
            lack.known,
            top,
            |one, next| {
                let next = next.map_or(lack.until, |next| next.latest.min(lack.until));
                next.saturating_sub(one.earliest) >= kept.time
            },
            lack.incarnation,
        )
    }

    /// Whether of what somebody lacks something was gone for certain.
    pub(crate) fn is_gone(&self, kept: &Kept, lack: &Lack) -> bool {
        let (certain, possible) = self.tops(lack.incarnation, lack.from);
        let missed = certain.saturating_sub(lack.known);
        if missed > kept.messages || missed > kept.recovered {
            return true;
        }
        self.has_gap(
            lack.known,
            possible,
            |one, next| {
                let next = match next {
                    Some(next) => next.earliest,
                    None if self.is_watched => lack.from,
                    // It may be followed by something that nobody was told yet.
                    None => return false,
                };
                next.saturating_sub(one.latest) >= kept.time + self.standstill_max
            },
            lack.incarnation,
        )
    }

    /// What is known of the messages behind a place, for whoever has to find out what went wrong.
    pub(crate) fn show_behind(&self, lack: &Lack) -> String {
        let placed = &self.incarnations[lack.incarnation].placed;
        let known = usize::try_from(lack.known).expect("a few messages");
        let behind = placed.get(known..).unwrap_or_default();
        format!("{lack:?}, behind that {:?}", &behind[..behind.len().min(5)])
    }

    /// Whether behind one of the messages from behind `known` up to `top` there is such a gap, before the next one or,
    /// at the top, before now.
    fn has_gap(
        &self,
        known: u64,
        top: u64,
        is_gap: impl Fn(&Placed, Option<&Placed>) -> bool,
        incarnation: usize,
    ) -> bool {
        let placed = &self.incarnations[incarnation].placed;
        let index = |offset: u64| usize::try_from(offset).expect("a few messages");
        let missed = placed.get(index(known)..index(top)).unwrap_or_default();
        (0..missed.len()).any(|at| is_gap(&missed[at], missed.get(at + 1)))
    }
}
