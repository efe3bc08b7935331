//! Everything that was said in all rooms, and by whom; what anybody is told of it is compared with that at once.

use std::time::Duration;

use super::chronicle::Spot;
use super::room::{Place, Room};
use super::saying::MessageId;
use super::told::Publication;

/// Who writes messages: one connection.
#[derive(Debug, Default)]
pub(crate) struct Author {
    /// What it is called in public; `None` if nothing is said of it.
    pub(crate) name: Option<String>,
    /// When it wrote each of its messages, and for which room.
    pub(crate) written: Vec<(Duration, usize)>,
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) rooms: Vec<Room>,
    pub(crate) authors: Vec<Author>,
}

impl Ledger {
    /// It is `now` where all rooms have their homes, as far as anybody outside knows.
    pub(crate) fn set_time(&mut self, now: Duration) {
        self.rooms.iter_mut().for_each(|room| room.now = now);
    }

    /// Somebody new who writes.
    pub(crate) fn author(&mut self) -> u32 {
        self.authors.push(Author::default());
        u32::try_from(self.authors.len() - 1).expect("a few thousand")
    }

    /// An author writes its next message.
    pub(crate) fn write(&mut self, author: u32, room: usize) -> MessageId {
        let now = self.rooms[room].now;
        let written = &mut self.authors[author as usize].written;
        written.push((now, room));
        let number = u32::try_from(written.len() - 1).expect("a few thousand");
        MessageId { author, number }
    }

    /// When a message was written, if it was, for that room.
    pub(crate) fn written(&self, id: MessageId, room: usize) -> Result<Duration, String> {
        let author = self.authors.get(id.author as usize);
        let written = author.and_then(|author| author.written.get(id.number as usize));
        match written {
            Some(&(at, meant)) if meant == room => Ok(at),
            Some(_) => Err(format!("{id:?} was written for another room")),
            None => Err(format!("{id:?} was never written")),
        }
    }

    /// Somebody is told of a message; returns which it is and where it stands, if offsets are told.
    pub(crate) fn see(
        &mut self,
        room: usize,
        epoch: &str,
        publication: &Publication,
        id: MessageId,
    ) -> Result<Option<Spot>, String> {
        let written_at = self.written(id, room)?;
        let name = &self.authors[id.author as usize].name;
        let told = publication.info.as_ref().map(|info| &info.client);
        if told != name.as_ref() {
            return Err(format!("{id:?} is of {name:?}, and not of {told:?}"));
        }
        let here = &mut self.rooms[room];
        here.check_not_refused(id)?;
        if here.rules.kept.is_none() {
            return match publication.offset {
                0 => Ok(None),
                offset => Err(format!("{id:?} has offset {offset}")),
            };
        }
        let names = !publication.epoch.is_empty();
        if names && (publication.offset != 1 || publication.epoch != epoch) {
            return Err(format!("{id:?} names {} in {epoch}", publication.epoch));
        }
        let spot = Spot {
            incarnation: here.incarnation(epoch)?,
            offset: publication.offset,
        };
        here.see(id, spot, written_at)?;
        Ok(Some(spot))
    }

    /// Its author is told that a message has its place.
    pub(crate) fn acknowledge(
        &mut self,
        room: usize,
        id: MessageId,
        place: &Place,
    ) -> Result<(), String> {
        let written_at = self.written(id, room)?;
        let here = &mut self.rooms[room];
        here.check_not_refused(id)?;
        here.acknowledge(id);
        if here.rules.kept.is_none() {
            let nowhere = place.epoch.is_empty() && place.offset == 0;
            return nowhere
                .then_some(())
                .ok_or(format!("{id:?} is at {place:?}"));
        }
        let spot = Spot {
            incarnation: here.incarnation(&place.epoch)?,
            offset: place.offset,
        };
        here.see(id, spot, written_at)
    }

    /// At the end: each author's messages are in the order in which it wrote them, and what was acknowledged was heard
    /// where somebody hears everything.
    pub(crate) fn check_end(&self) -> Result<(), String> {
        self.rooms.iter().try_for_each(Room::check_authors)?;
        self.rooms.iter().try_for_each(Room::check_acknowledged)
    }
}
