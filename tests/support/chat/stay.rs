//! Where a client of Centrifugo's protocol stands with a room, and whether what it is told of it can be.

use std::collections::HashMap;
use std::time::Duration;

use super::chronicle::Spot;
use super::ledger::Ledger;
use super::room::{Announced, Asked, Place, Rules};
use super::run::Run;
use super::saying::{MessageId, identify};
use super::told::{Member, Publication, Push, Subscribed};

/// A wish to come, that has not been answered.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    asked: Asked,
    /// The place behind which it wants what was said.
    since: Option<Place>,
}

/// How far it has come.
#[derive(Debug, Clone)]
pub(crate) enum Stage {
    /// It is not there.
    Out,
    /// It has asked to come.
    Asked(Wish),
    /// It is there.
    In,
    /// It has asked to leave, and has not been answered; it may have asked to come back, too.
    Leaving(Option<Wish>),
}

/// What it makes of what it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// It is let in, and asked for nothing.
    Came,
    /// It is let in, and gets so many messages that it has missed, at least.
    Recovered(u64),
    /// It is let in, and does not get what it has missed.
    Lost,
    /// It is put out because it reads too slowly.
    PutOut,
    /// It heard a message.
    Heard,
    /// Somebody came or went.
    Notice,
}

/// Where a client stands with a room.
#[derive(Debug)]
pub(crate) struct Stay {
    pub(crate) room: usize,
    pub(crate) stage: Stage,
    /// The last place that it knows, if the room has any.
    pub(crate) place: Option<Place>,
    /// The next message may be any newer one.
    may_jump: bool,
    /// Who came or went since it is there, and whether they came.
    pub(crate) others: HashMap<String, bool>,
    /// What it heard since it is there, in a room without places.
    heard: Vec<MessageId>,
    /// When it was let in last.
    since: Duration,
    /// Whether it wants to be there.
    pub(crate) is_wanted: bool,
    /// Whether it is always there, so that what it hears is all there is.
    is_witness: bool,
}

impl Stay {
    pub(crate) fn new(room: usize, is_witness: bool) -> Self {
        Self {
            room,
            stage: Stage::Out,
            place: None,
            may_jump: false,
            others: HashMap::new(),
            heard: Vec::new(),
            since: Duration::ZERO,
            is_wanted: true,
            is_witness,
        }
    }

    pub(crate) fn is_in(&self) -> bool {
        matches!(self.stage, Stage::In)
    }

    pub(crate) fn is_out(&self) -> bool {
        matches!(self.stage, Stage::Out)
    }

    /// It asks to come, with its place if it is to have what came behind that.
    pub(crate) fn ask(&mut self, ledger: &Ledger, since: Option<Place>) {
        let asked = ledger.rooms[self.room].ask();
        let wish = Wish { asked, since };
        self.is_wanted = true;
        self.stage = match self.stage {
            Stage::Out => Stage::Asked(wish),
            Stage::Leaving(None) => Stage::Leaving(Some(wish)),
            _ => panic!("it is there, or has asked to be"),
        };
    }

    /// It asks to leave.
    pub(crate) fn leave(&mut self) {
        assert!(self.is_in(), "it is there");
        self.stage = Stage::Leaving(None);
    }

    /// It is let in.
    pub(crate) fn arrive(
        &mut self,
        told: &Subscribed,
        ledger: &mut Ledger,
    ) -> Result<Event, String> {
        let Stage::Asked(Wish { asked, since }) = &self.stage else {
            return Err(format!("it did not ask: {told:?}"));
        };
        let room = &mut ledger.rooms[self.room];
        let since = since.as_ref();
        let place = room.arrive(told, since, asked)?;
        let event = match (since, &place) {
            (Some(_), _) if told.recovered => {
                let incarnation = room.chronicle.incarnation(&told.epoch);
                let top = incarnation.map_or(0, |one| room.chronicle.tops(one, asked.at).0);
                Event::Recovered(top.saturating_sub(told.offset))
            }
            (Some(_), Some(_)) => Event::Lost,
            _ => Event::Came,
        };
        self.may_jump = room.rules.is_cache && told.recovered;
        self.since = room.now;
        self.place = place;
        self.stage = Stage::In;
        self.others.clear();
        self.heard.clear();
        Ok(event)
    }

    /// It is there no longer, nor about to be.
    pub(crate) fn end(&mut self, ledger: &Ledger) -> Result<(), String> {
        match std::mem::replace(&mut self.stage, Stage::Out) {
            Stage::In | Stage::Leaving(_) => self.check_heard(ledger, None),
            Stage::Out | Stage::Asked(_) => Ok(()),
        }
    }

    /// Its connection is gone.
    pub(crate) fn disconnect(&mut self, ledger: &Ledger) -> Result<(), String> {
        self.end(ledger)
    }

    /// It has left, as it asked.
    pub(crate) fn left(&mut self, ledger: &Ledger) -> Result<(), String> {
        let wish = match &mut self.stage {
            Stage::Leaving(wish) => wish.take(),
            // It was put out before.
            Stage::Out | Stage::Asked(_) => return Ok(()),
            Stage::In => return Err("it did not ask to leave".to_owned()),
        };
        self.end(ledger)?;
        self.stage = wish.map_or(Stage::Out, Stage::Asked);
        Ok(())
    }

    /// It is put out.
    fn put_out(&mut self, ledger: &Ledger) -> Result<(), String> {
        let wish = match &mut self.stage {
            Stage::Leaving(wish) => wish.take(),
            _ => None,
        };
        self.end(ledger)?;
        self.stage = wish.map_or(Stage::Out, Stage::Asked);
        Ok(())
    }

    /// Something happened in the room.
    pub(crate) fn hear(
        &mut self,
        push: &Push,
        me: &str,
        ledger: &mut Ledger,
    ) -> Result<Event, String> {
        if !matches!(self.stage, Stage::In | Stage::Leaving(_)) {
            return Err("it is not there".to_owned());
        }
        if let Some(publication) = &push.publication {
            self.hear_message(publication, ledger)?;
            return Ok(Event::Heard);
        }
        if let Some(unsubscribed) = &push.unsubscribe {
            if unsubscribed.code != 2500 || unsubscribed.reason.is_empty() {
                return Err("it was put out".to_owned());
            }
            self.put_out(ledger)?;
            if self.is_witness {
                ledger.rooms[self.room].lose_witness();
            }
            return Ok(Event::PutOut);
        }
        let Rules {
            tells_clients,
            announced,
            ..
        } = ledger.rooms[self.room].rules;
        match (&push.join, &push.leave) {
            _ if !tells_clients => return Err("nobody is announced there".to_owned()),
            (Some(member), None) => self.meet(member, true, me)?,
            (None, Some(member)) => self.meet(member, false, me)?,
            _ => return Err("it says nothing".to_owned()),
        }
        if announced == Announced::Some {
            // Of those who come and go while they are many nothing is told.
            self.others.clear();
        }
        Ok(Event::Notice)
    }

    fn hear_message(
        &mut self,
        publication: &Publication,
        ledger: &mut Ledger,
    ) -> Result<(), String> {
        let id = identify(&publication.data)?;
        let epoch = self.place.as_ref().map_or("", |place| &place.epoch);
        let Some(Spot { offset, .. }) = ledger.see(self.room, epoch, publication, id)? else {
            self.heard.push(id);
            return match self.is_witness {
                true => ledger.rooms[self.room].witness(id),
                false => Ok(()),
            };
        };
        if offset == 1 && publication.epoch.is_empty() {
            return Err(format!("{id:?} is the first, and names no epoch"));
        }
        let place = self.place.as_mut().ok_or("it knows no place")?;
        let jumps = std::mem::take(&mut self.may_jump) && offset > place.offset;
        if offset != place.offset + 1 && !jumps {
            return Err(format!("{id:?} at {offset} comes behind {}", place.offset));
        }
        place.offset = offset;
        Ok(())
    }

    /// Somebody came or went: only those come who are not there, and only those go who are. Of somebody of whom
    /// nothing was told so far that is not known.
    fn meet(&mut self, member: &Member, comes: bool, me: &str) -> Result<(), String> {
        let info = member.info.as_ref().ok_or("nobody")?;
        // Of an earlier stay, if anything, and it knows of that.
        if info.client == me && !comes {
            return Err("it has left, and is still there".to_owned());
        }
        let was_there = self.others.insert(info.client.clone(), comes);
        match was_there {
            Some(was_there) if was_there == comes => Err(format!("{} twice", info.client)),
            _ => Ok(()),
        }
    }

    /// Whether what it heard in a room without places is a part of the room's order, and, if it is still there, all
    /// of it that it is owed.
    fn check_heard(&self, ledger: &Ledger, owed_since: Option<Duration>) -> Result<(), String> {
        let room = &ledger.rooms[self.room];
        if room.rules.kept.is_some() || room.order.is_empty() {
            return Ok(());
        }
        let run = Run {
            room: self.room,
            heard: &self.heard,
            without: None,
            is_known: owed_since.is_some(),
            owed_since,
        };
        run.check(ledger)
    }

    /// Everything rests: if it is there it has heard everything, and knows of nobody who is not there.
    pub(crate) fn check_rest(
        &self,
        ledger: &Ledger,
        me: &str,
        is_present: impl Fn(&str) -> bool,
    ) -> Result<(), String> {
        if !self.is_in() {
            return Ok(());
        }
        self.check_heard(ledger, Some(self.since))?;
        let room = &ledger.rooms[self.room];
        if let Some(place) = &self.place {
            let current = room.chronicle.current().ok_or("it has no history")?;
            let top = room.chronicle.top(current);
            if room.chronicle.incarnation(&place.epoch) != Some(current) || place.offset != top {
                return Err(format!("it is at {place:?}, and the room at {top}"));
            }
        }
        let is_told = room.rules.tells_clients && room.rules.announced == Announced::All;
        if is_told && self.others.get(me) != Some(&true) {
            return Err("it was not told of its own coming".to_owned());
        }
        let wrong = (self.others.iter()).find(|(name, is_there)| is_present(name) != **is_there);
        match wrong {
            None => Ok(()),
            Some((name, is_there)) => Err(format!("it believes of {name}: {is_there}")),
        }
    }
}
