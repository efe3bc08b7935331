//! A room as the test knows it: what it does for its members, what was said there, and whether somebody who comes can be
//! told what it is.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::chronicle::{Chronicle, Kept, Lack, Spot};
use super::saying::MessageId;
use super::told::Subscribed;

/// A place in a room's history, as clients know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) epoch: String,
    pub(crate) offset: u64,
}

/// How those who come and go are made known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Announced {
    /// Each of them.
    All,
    /// Where they are not too many.
    Some,
}

/// What a room does for its members.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// What it keeps, if it is anything.
    pub(crate) kept: Option<Kept>,
    /// Who comes back is sent the newest message alone.
    pub(crate) is_cache: bool,
    pub(crate) has_presence: bool,
    /// Whether clients are told of one another's coming and going; plain members are of theirs.
    pub(crate) tells_clients: bool,
    pub(crate) announced: Announced,
}

/// A room.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) name: String,
    pub(crate) rules: Rules,
    pub(crate) chronicle: Chronicle,
    /// The time of the room's home.
    pub(crate) now: Duration,
    /// Whether it may have come to be anew.
    pub(crate) may_begin: bool,
    /// Messages in their order where offsets are told to nobody, as somebody hears them who is always there.
    pub(crate) order: Vec<MessageId>,
    positions: HashMap<MessageId, usize>,
    /// Whether somebody who was always there was put out: what it was not told nobody may know.
    pub(crate) has_lost_witness: bool,
    /// Those that were refused, which nobody may see.
    refused: HashSet<MessageId>,
    /// Those whose authors were told that they have their places.
    acknowledged: HashSet<MessageId>,
}

/// When somebody asked, as the home of the room it asked had it, and what was known then.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) at: Duration,
    /// The newest place that anybody had been told.
    pub(crate) seen: Option<Spot>,
}

impl Room {
    pub(crate) fn new(name: &str, rules: Rules) -> Self {
        Self {
            name: name.to_owned(),
            rules,
            chronicle: Chronicle::default(),
            now: Duration::ZERO,
            may_begin: true,
            order: Vec::new(),
            positions: HashMap::new(),
            has_lost_witness: false,
            refused: HashSet::new(),
            acknowledged: HashSet::new(),
        }
    }

    /// Notes that somebody asks now.
    pub(crate) fn ask(&self) -> Asked {
        let seen = self.chronicle.current().map(|incarnation| {
            let (offset, _) = self.chronicle.tops(incarnation, self.now);
            Spot {
                incarnation,
                offset,
            }
        });
        Asked { at: self.now, seen }
    }

    /// Which of the room's incarnations an epoch names that somebody was told now.
    pub(crate) fn incarnation(&mut self, epoch: &str) -> Result<usize, String> {
        let has_letters = epoch.len() == 8 && epoch.bytes().all(|at| at.is_ascii_alphanumeric());
        if !has_letters {
            return Err(format!("epoch {epoch:?}"));
        }
        match self.chronicle.incarnation(epoch) {
            Some(one) => Ok(one),
            None if self.may_begin => self.chronicle.begin(epoch),
            None => Err(format!("epoch {epoch} is none that the room had")),
        }
    }

    /// Somebody has come who wanted nothing of what it has missed, or can't have that: it is told where the room
    /// stands, which is no older than what was known when it asked.
    fn check_top(&self, spot: Spot, asked: &Asked) -> Result<(), String> {
        if let Some(seen) = asked.seen
            && spot < seen
        {
            return Err(format!("it is told {spot:?}, when {seen:?} was known"));
        }
        let (_, possible) = self.chronicle.tops(spot.incarnation, self.now);
        if self.chronicle.is_watched && spot.offset > possible {
            return Err(format!("it is told {spot:?} of {possible}"));
        }
        Ok(())
    }

    /// The place that a new subscriber is told; an error when it can't be that.
    pub(crate) fn arrive(
        &mut self,
        told: &Subscribed,
        since: Option<&Place>,
        asked: &Asked,
    ) -> Result<Option<Place>, String> {
        let Some(kept) = self.rules.kept else {
            let nothing = Subscribed {
                was_recovering: since.is_some(),
                ..Subscribed::default()
            };
            return match *told == nothing {
                true => Ok(None),
                false => Err(format!("nothing is kept here: {told:?}")),
            };
        };
        if !told.recoverable || !told.positioned || !told.publications.is_empty() {
            return Err(format!("it has a history: {told:?}"));
        }
        if told.was_recovering != since.is_some() || (told.recovered && since.is_none()) {
            return Err(format!("it asked since {since:?}: {told:?}"));
        }
        let incarnation = self.incarnation(&told.epoch)?;
        if !self.chronicle.is_watched {
            (self.chronicle).place(incarnation, told.offset, Duration::ZERO, self.now);
        }
        let spot = Spot {
            incarnation,
            offset: told.offset,
        };
        let place = Place {
            epoch: told.epoch.clone(),
            offset: told.offset,
        };
        let Some(since) = since else {
            self.check_top(spot, asked)?;
            return Ok(Some(place));
        };
        let lack = Lack {
            incarnation,
            known: since.offset,
            from: asked.at,
            until: self.now,
        };
        let is_same = since.epoch.is_empty() || since.epoch == told.epoch;
        if told.recovered {
            self.check_recovered(&kept, since, told, &lack, is_same)?;
        } else {
            self.check_top(spot, asked)?;
            self.check_lost(&kept, since, told, &lack, is_same)?;
        }
        Ok(Some(place))
    }

    /// Whether all can be there that was missed, of which somebody is told that it is.
    fn check_recovered(
        &self,
        kept: &Kept,
        since: &Place,
        told: &Subscribed,
        lack: &Lack,
        is_same: bool,
    ) -> Result<(), String> {
        if told.offset != since.offset {
            return Err(format!("it is told another place than {since:?}: {told:?}"));
        }
        if self.rules.is_cache {
            return Ok(());
        }
        match is_same && !self.chronicle.is_gone(kept, lack) {
            true => Ok(()),
            false => Err(format!(
                "{since:?} can't be recovered, {}",
                self.chronicle.show_behind(lack)
            )),
        }
    }

    /// Whether some of it can be gone that was missed, of which somebody is told that it is.
    fn check_lost(
        &self,
        kept: &Kept,
        since: &Place,
        told: &Subscribed,
        lack: &Lack,
        is_same: bool,
    ) -> Result<(), String> {
        let top = told.offset;
        let may_be = if self.rules.is_cache {
            // The newest message was not there, or there was none.
            let lack = Lack {
                known: top.saturating_sub(1),
                ..*lack
            };
            let knows_all = is_same && since.offset == top && !since.epoch.is_empty();
            (top == 0 || self.chronicle.may_be_gone(kept, &lack, top)) && !(knows_all && top > 0)
        } else {
            !is_same || since.offset > top || self.chronicle.may_be_gone(kept, lack, top)
        };
        match may_be {
            true => Ok(()),
            false => Err(format!(
                "{since:?} is all there, {}",
                self.chronicle.show_behind(lack)
            )),
        }
    }

    // Its messages.

    /// Where a message stands, if that is known. Where offsets are told to nobody it is what the witness has heard.
    pub(crate) fn spot(&self, id: MessageId) -> Option<Spot> {
        match self.rules.kept {
            Some(_) => self.chronicle.spot(id),
            None => self.positions.get(&id).map(|&position| Spot {
                incarnation: 0,
                offset: position as u64 + 1,
            }),
        }
    }

    /// Which message stands there, if that is known.
    pub(crate) fn message(&self, spot: Spot) -> Option<MessageId> {
        if self.rules.kept.is_some() {
            return self.chronicle.message(spot);
        }
        let at = usize::try_from(spot.offset.checked_sub(1)?).ok()?;
        self.order.get(at).copied()
    }

    /// Somebody was told of a message in its place.
    pub(crate) fn see(
        &mut self,
        id: MessageId,
        spot: Spot,
        written_at: Duration,
    ) -> Result<(), String> {
        if self.chronicle.is_watched && spot.offset > self.chronicle.top(spot.incarnation) {
            return Err(format!("nobody has put {id:?} at {spot:?}"));
        }
        let now = self.now;
        self.chronicle.see(spot, id, written_at, now)
    }

    /// Somebody who is always there hears the next message.
    pub(crate) fn witness(&mut self, id: MessageId) -> Result<(), String> {
        if self.has_lost_witness {
            return Ok(());
        }
        let position = self.order.len();
        self.order.push(id);
        match self.positions.insert(id, position) {
            None => Ok(()),
            Some(_) => Err(format!("{id:?} came twice")),
        }
    }

    /// Whoever was always there is so no longer.
    pub(crate) fn lose_witness(&mut self) {
        self.has_lost_witness = true;
        self.order.clear();
        self.positions.clear();
    }

    /// The author of a message is told that it has its place.
    pub(crate) fn acknowledge(&mut self, id: MessageId) {
        self.acknowledged.insert(id);
    }

    /// The author of a message is told that nobody will see it.
    pub(crate) fn refuse(&mut self, id: MessageId) -> Result<(), String> {
        if self.spot(id).is_some() {
            return Err(format!("{id:?} was refused, and somebody has seen it"));
        }
        self.refused.insert(id);
        Ok(())
    }

    /// Nobody can be told of a message that was refused.
    pub(crate) fn check_not_refused(&self, id: MessageId) -> Result<(), String> {
        match self.refused.contains(&id) {
            true => Err(format!("{id:?} was refused, and is there")),
            false => Ok(()),
        }
    }

    /// At the end: what one author has written stands in the order in which it wrote that.
    pub(crate) fn check_authors(&self) -> Result<(), String> {
        for order in self.chronicle.orders() {
            self.check_order(order)?;
        }
        self.check_order(self.order.iter().copied())
    }

    fn check_order(&self, order: impl Iterator<Item = MessageId>) -> Result<(), String> {
        let mut newest = HashMap::new();
        for id in order {
            match newest.insert(id.author, id.number) {
                Some(before) if before >= id.number => {
                    return Err(format!("{id:?} comes behind {before} in {}", self.name));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// At the end: what was acknowledged was heard where somebody hears everything.
    pub(crate) fn check_acknowledged(&self) -> Result<(), String> {
        let is_watched = self.rules.kept.is_some() || !self.order.is_empty();
        let mut acknowledged = self.acknowledged.iter();
        match acknowledged.find(|&&id| is_watched && self.spot(id).is_none()) {
            Some(id) => Err(format!(
                "{id:?} was acknowledged in {}, and not heard",
                self.name
            )),
            None => Ok(()),
        }
    }
}
