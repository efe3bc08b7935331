//! What a client is told: each answer is one that is due, and what it says can be.

use super::{Call, Event, Sdk, Within};
use crate::support::chat::command::pong;
use crate::support::chat::excerpt;
use crate::support::chat::ledger::Ledger;
use crate::support::chat::room::Place;
use crate::support::chat::stay::Stay;
use crate::support::chat::told::{Published, Push, Told, read};

impl Sdk {
    /// A message of the server.
    pub(crate) fn hear(&mut self, message: &[u8], ledger: &mut Ledger) -> Result<(), String> {
        for told in read(self.encoding, message)? {
            self.hear_one(&told, ledger)
                .map_err(|why| format!("{why}, by {:.400}", format!("{told:?}")))?;
        }
        Ok(())
    }

    fn hear_one(&mut self, told: &Told, ledger: &mut Ledger) -> Result<(), String> {
        match (&told.push, told.id) {
            (Some(push), 0) => self.hear_push(push, ledger),
            (Some(_), _) => Err("a push with a number".to_owned()),
            (None, 0) if *told == Told::default() => {
                self.commands.push(pong(self.encoding));
                Ok(())
            }
            (None, 0) => Err("it is nothing".to_owned()),
            (None, id) => self.hear_reply(id, told, ledger),
        }
    }

    fn hear_push(&mut self, push: &Push, ledger: &mut Ledger) -> Result<(), String> {
        let mut rooms = ledger.rooms.iter();
        let room = rooms.position(|room| room.name == push.channel);
        let room = room.ok_or("it is of no room")?;
        let stay = self.stays.get_mut(&room).ok_or("it never was there")?;
        let me = self.name.as_deref().ok_or("it is nobody yet")?;
        let event = stay.hear(push, me, ledger)?;
        self.events.push(Event::Stay(room, event));
        Ok(())
    }

    fn hear_reply(&mut self, id: u32, told: &Told, ledger: &mut Ledger) -> Result<(), String> {
        let call = self.calls.remove(&id).ok_or("nobody asked")?;
        if !matches!(call, Call::Publish(..)) && self.line.pop_front() != Some(id) {
            return Err("another answer was due before".to_owned());
        }
        let event = match &told.error {
            Some(error) => self.hear_error(&call, error.code, ledger)?,
            None => self.hear_answer(&call, told, ledger)?,
        };
        self.events.extend(event);
        Ok(())
    }

    fn hear_error(
        &mut self,
        call: &Call,
        code: u32,
        ledger: &mut Ledger,
    ) -> Result<Option<Event>, String> {
        let rules = |room: usize| ledger.rooms[room].rules;
        match (call, code) {
            (&Call::Subscribe(room), 111) => {
                self.stay(room)?.end(ledger)?;
                Ok(Some(Event::TurnedAway(room)))
            }
            (&Call::Publish(room, id, at), 111) => {
                ledger.rooms[room].refuse(id)?;
                let after = ledger.rooms[room].now.saturating_sub(at);
                Ok(Some(Event::Refused(after)))
            }
            (&Call::Presence(room, _) | &Call::Stats(room), 108) if !rules(room).has_presence => {
                Ok(None)
            }
            (&Call::Presence(room, _), 108) => Ok(Some(Event::Unavailable(room))),
            (&Call::History(room, ..), 108) if rules(room).kept.is_none() => Ok(None),
            (Call::History(_, _, excerpt), 112) if excerpt.since.is_some() => Ok(None),
            (Call::History(_, _, excerpt), 107) if excerpt.is_senseless() => Ok(None),
            _ => Err(format!("{call:?} is refused")),
        }
    }

    fn stay(&mut self, room: usize) -> Result<&mut Stay, String> {
        let stay = self.stays.get_mut(&room);
        stay.ok_or("it never was there".to_owned())
    }

    fn hear_answer(
        &mut self,
        call: &Call,
        told: &Told,
        ledger: &mut Ledger,
    ) -> Result<Option<Event>, String> {
        let missing = || format!("it answers no {call:?}");
        let event = match call {
            Call::Connect => {
                let name = &told.connect.as_ref().ok_or_else(missing)?.client;
                self.name = Some(name.clone());
                ledger.authors[self.author as usize].name = Some(name.clone());
                Event::Connected
            }
            &Call::Subscribe(room) => {
                let subscribed = told.subscribe.as_ref().ok_or_else(missing)?;
                let event = self.stay(room)?.arrive(subscribed, ledger)?;
                Event::Stay(room, event)
            }
            &Call::Unsubscribe(room) => {
                told.unsubscribe.as_ref().ok_or_else(missing)?;
                self.stay(room)?.left(ledger)?;
                return Ok(None);
            }
            &Call::Publish(room, id, at) => {
                let Published { epoch, offset } = told.publish.clone().ok_or_else(missing)?;
                ledger.acknowledge(room, id, &Place { epoch, offset })?;
                Event::Acknowledged(ledger.rooms[room].now.saturating_sub(at))
            }
            &Call::Presence(room, within) => {
                let presence = told.presence.as_ref().ok_or_else(missing)?;
                let mut names: Vec<String> = presence.presence.keys().cloned().collect();
                names.sort_unstable();
                self.check_presence(room, &names, within)?;
                Event::Presence(room, names)
            }
            &Call::Stats(room) => {
                let stats = told.presence_stats.as_ref().ok_or_else(missing)?;
                Event::Stats(room, stats.num_clients, stats.num_users)
            }
            Call::History(room, asked, excerpt) => {
                let history = told.history.as_ref().ok_or_else(missing)?;
                excerpt::check(*room, asked, excerpt, history, ledger)?;
                Event::History(*room)
            }
        };
        Ok(Some(event))
    }

    /// It is there from its first answer to its last.
    fn check_presence(&self, room: usize, names: &[String], within: Within) -> Result<(), String> {
        let is_named = (self.name.as_ref()).is_some_and(|name| names.contains(name));
        let is_right = match within {
            Within::Outside => !is_named,
            // It may have been put out since, or not let in.
            Within::Inside => is_named || !self.is_in(room),
        };
        is_right.then_some(()).ok_or(format!("it is {within:?}"))
    }
}
