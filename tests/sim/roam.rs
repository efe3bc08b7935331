//! Clients that go to further rooms: what they want in a turn of their shard, and whether it came so.

use fanring::id::SessionKey;
use fanring::room::rendition::Rendition;
use fanring::shard::join::SubscribeError;

use crate::client::Client;
use crate::roamers::{Granted, Verb, Wish};
use crate::roles::Stage;
use crate::stay::{Point, Stay};
use crate::tape::Content;
use crate::world::{Deserted, World};

/// Wishes of a client in one turn.
const WISHES_MAX: usize = 4;

impl World {
    /// What clients on a shard want in its next turn. Some have left, and want something all the same.
    pub(crate) fn wishes(&mut self, shard: usize) -> Vec<Wish> {
        let mut wishes = Vec::new();
        for client in 0..self.clients.len() {
            let here = &self.clients[client];
            if !here.roams || here.stage == Stage::Absent {
                continue;
            }
            let connection = here.connection;
            let Some((_, key)) = (self.kernel.session(connection)).filter(|(at, _)| *at == shard)
            else {
                continue;
            };
            let seldom = match here.stage {
                Stage::Ended => 20,
                _ => 1,
            };
            if self.rng.u32(..1000 * seldom) >= self.settings.manners.roam {
                continue;
            }
            let mut may_hear = self.settings.lone_roamer || !here.hears_of_others();
            for _ in 0..self.rng.usize(1..=WISHES_MAX) {
                let (room, verb) = self.wish(client, may_hear);
                may_hear &=
                    self.settings.lone_roamer || !matches!(verb, Verb::Join(Rendition::PLAIN));
                wishes.push(Wish {
                    client,
                    connection,
                    key,
                    room,
                    verb,
                });
            }
        }
        wishes
    }

    fn wish(&mut self, client: usize, may_hear: bool) -> (usize, Verb) {
        let somewhere = self.room_to_go_to();
        let here = &self.clients[client];
        if let Some(Content::Message(author)) = self.tapes[here.connection].cut() {
            let room = self.clients[author as usize].room;
            if here.stay_in(room).is_some() && self.rng.bool() {
                return (room, Verb::Leave);
            }
        }
        let from = (here.stays.iter())
            .find(|stay| stay.lasts() && self.deserted[stay.room] == Some(Deserted::Leaving));
        let room = from.map_or(somewhere, |stay| stay.room);
        let leaves = match here.stay_in(room) {
            Some(_) => self.rng.u8(..8) > 0,
            None => self.rng.u8(..8) == 0,
        };
        if leaves {
            return (room, Verb::Leave);
        }
        let rendition = match may_hear && self.rng.u8(..4) > 0 {
            true => Rendition::PLAIN,
            false => Rendition::PLAIN_QUIET,
        };
        (room, Verb::Join(rendition))
    }

    /// Any room, and rather one that everybody has left.
    fn room_to_go_to(&mut self) -> usize {
        let left: Vec<usize> = (0..self.names.len())
            .filter(|&room| self.deserted[room] == Some(Deserted::Gone))
            .collect();
        match left.is_empty() || self.rng.bool() {
            true => self.rng.usize(..self.names.len()),
            false => left[self.rng.usize(..left.len())],
        }
    }

    /// Notes what became of the wishes of a shard's clients; an error when that is not what it should be.
    pub(crate) fn note_granted(&mut self, granted: Vec<Granted>) -> Result<(), String> {
        for granted in granted {
            let client = granted.wish.client;
            self.note_answer(&granted)
                .map_err(|why| format!("client {client}: {granted:?}: {why}"))?;
        }
        Ok(())
    }

    fn note_answer(&mut self, granted: &Granted) -> Result<(), String> {
        let Wish {
            client, room, verb, ..
        } = granted.wish;
        let point = self.point(client);
        let crowded = self.settings.crowded;
        let here = &mut self.clients[client];
        let (stay, is_own) = (here.stay_in(room), here.room == room);
        if !granted.was_open {
            self.counts.refused_to_the_mute += 1;
            let right = granted.answer == Err(SubscribeError::NotNow);
            return right.then_some(()).ok_or("it does not speak".to_owned());
        }
        match (verb, &granted.answer) {
            (Verb::Join(rendition), Ok(())) if !is_own && (stay.is_none() || crowded) => {
                // Where its home has too many rooms, a join ends without a word.
                if let Some(refused) = stay {
                    here.stays[refused].until = Some(point);
                }
                here.stays.push(Stay::new(room, rendition));
                self.counts.joins_while_held += u64::from(self.held[room]);
            }
            (Verb::Join(_), Err(SubscribeError::Already)) if is_own || stay.is_some() => {}
            (Verb::Join(_), Err(SubscribeError::TooManyRooms)) if crowded => {}
            (Verb::Leave, Ok(())) => {
                let stay = &mut here.stays[stay.ok_or("it was not there")?];
                stay.until = Some(point);
                self.counts.joins_given_up += u64::from(stay.since.is_none());
            }
            (Verb::Leave, Err(SubscribeError::NotThere)) if stay.is_none() || crowded => {}
            (Verb::Leave, Err(SubscribeError::OfItsRequest)) if is_own => {}
            _ => return Err("another answer was due".to_owned()),
        }
        Ok(())
    }

    /// Where a client's connection is now.
    fn point(&self, client: usize) -> Point {
        Point {
            bytes: self.tapes[self.clients[client].connection].bytes,
            clock: self.clock,
        }
    }

    /// Notes who was let in where on a shard, and who has gone with its session.
    pub(crate) fn note_changes(&mut self, shard: usize) -> Result<(), String> {
        for client in 0..self.clients.len() {
            let here = &self.clients[client];
            if here.stage == Stage::Absent {
                continue;
            }
            let session = self.kernel.session(here.connection);
            let Some((_, key)) = session.filter(|(at, _)| *at == shard) else {
                continue;
            };
            // Before it was handed over it had another.
            if let Some(id) = self.shards[shard].public_id(key) {
                self.clients[client].id = Some(id);
            }
            for room in 0..self.names.len() {
                self.note_change(client, shard, key, room)
                    .map_err(|why| format!("client {client} in room {room}: {why}"))?;
            }
        }
        Ok(())
    }

    fn note_change(
        &mut self,
        client: usize,
        shard: usize,
        key: SessionKey,
        room: usize,
    ) -> Result<(), String> {
        let point = self.point(client);
        let here: &mut Client = &mut self.clients[client];
        if here.room == room {
            return Ok(());
        }
        let reads = self.shards[shard].reads(key, &self.names[room]);
        let is_open = self.shards[shard].reads(key, &self.names[here.room]);
        let Some(stay) = here.stay_in(room) else {
            return match reads {
                Some(_) => Err("it is where it did not want to be".to_owned()),
                None => Ok(()),
            };
        };
        let stay = &mut here.stays[stay];
        if is_open.is_none() {
            stay.until = Some(point);
            return Ok(());
        }
        match (reads, stay.since) {
            (Some(rendition), _) if rendition != stay.rendition => {
                Err(format!("it reads {rendition:?}"))
            }
            (Some(_), None) => {
                stay.since = Some(point);
                self.counts.joins += 1;
                let home = self.homes.of(&self.names[room]).index();
                self.counts.joins_elsewhere += u64::from(home != shard);
                Ok(())
            }
            (None, Some(_)) => Err("it was put out".to_owned()),
            _ => Ok(()),
        }
    }
}
