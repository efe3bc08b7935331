//! What somebody heard of a room in one stay where it is told no offsets, compared with what others know of its order.

use std::collections::HashSet;
use std::time::Duration;

use super::chronicle::Spot;
use super::ledger::Ledger;
use super::saying::MessageId;

/// What somebody heard of a room in one stay, without offsets.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    pub(crate) room: usize,
    pub(crate) heard: &'a [MessageId],
    /// Whose messages it is not told.
    pub(crate) without: Option<u32>,
    /// Whether somebody has told of every message where it stands.
    pub(crate) is_known: bool,
    /// It is still there, and is owed all that was written behind that.
    pub(crate) owed_since: Option<Duration>,
}

impl Run<'_> {
    /// Whether it is a part of the room's order without holes, but for what it is not told.
    pub(crate) fn check(&self, ledger: &Ledger) -> Result<(), String> {
        let room = &ledger.rooms[self.room];
        // What nobody has told of may be its own.
        let may_be_own = |spot: Spot| match (self.without, room.message(spot)) {
            (None, _) => false,
            (Some(_), None) => !self.is_known,
            (Some(author), Some(id)) => id.author == author,
        };
        let mut last: Option<Spot> = None;
        for &id in self.heard {
            room.check_not_refused(id)?;
            ledger.written(id, self.room)?;
            if self.without == Some(id.author) {
                return Err(format!("it heard its own {id:?}"));
            }
            let next = room.spot(id);
            if next.is_none() && self.is_known {
                return Err(format!("{id:?} has no place"));
            }
            if let Some((last, next)) = last.zip(next) {
                let between = last.offset + 1..next.offset;
                let mut between = between.map(|offset| Spot { offset, ..last });
                if last >= next || last.incarnation != next.incarnation || !between.all(may_be_own)
                {
                    return Err(format!("{id:?} at {next:?} comes behind {last:?}"));
                }
            }
            last = next;
        }
        let heard: HashSet<MessageId> = self.heard.iter().copied().collect();
        if heard.len() < self.heard.len() {
            return Err("it heard something twice".to_owned());
        }
        match self.owed_since {
            Some(since) => self.check_owed(ledger, &heard, since),
            None => Ok(()),
        }
    }

    /// Whoever is still there has heard all that was written since.
    fn check_owed(
        &self,
        ledger: &Ledger,
        heard: &HashSet<MessageId>,
        since: Duration,
    ) -> Result<(), String> {
        let room = &ledger.rooms[self.room];
        let placed = room.chronicle.messages().map(|(id, _)| id);
        let all = placed.chain(room.order.iter().copied());
        for id in all.filter(|id| self.without != Some(id.author)) {
            if ledger.written(id, self.room)? > since && !heard.contains(&id) {
                return Err(format!("it did not hear {id:?}"));
            }
        }
        Ok(())
    }
}
