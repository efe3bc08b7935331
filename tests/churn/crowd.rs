//! Everybody: what they do by chance, and what has to be so once they rest.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::actor::{Actor, Who};
use crate::rooms::{ROOMS, rooms};
use crate::support::chat::ledger::Ledger;
use crate::support::chat::plain::Plain;
use crate::support::chat::room::Place;
use crate::support::chat::saying::{Form, compose};
use crate::support::chat::sdk::{Event, Sdk};
use crate::support::chat::stay;
use crate::support::chat::told::Encoding;
use crate::support::frame::Outgoing;
use crate::support::server::Server;
use crate::support::wait::{Deadline, PATIENCE};

const CLIENTS: usize = 200;
const PLAIN_MEMBERS: usize = 10;

/// The first so many clients, who publish.
const PUBLISHERS: usize = 20;

/// Rooms that a client wants to be in.
const WANTED_MAX: usize = 4;

/// Rounds without anything new after which it is looked whether that is all.
const QUIET_ROUNDS: u32 = 50;

/// Everybody, and what was told.
pub(crate) struct Crowd {
    pub(crate) server: Server,
    pub(crate) actors: Vec<Actor>,
    pub(crate) gone: Vec<Plain>,
    pub(crate) ledger: Ledger,
    pub(crate) rng: Rng,
    pub(crate) start: Instant,
    pub(crate) recovered: u64,
    pub(crate) lost: u64,
    pub(crate) put_out: u64,
    pub(crate) heard: u64,
    pub(crate) answers: Vec<Event>,
}

impl Crowd {
    pub(crate) fn new(server: Server, seed: u64) -> Self {
        let mut ledger = Ledger {
            rooms: rooms(),
            ..Ledger::default()
        };
        let mut actors = Vec::new();
        for number in 0..CLIENTS {
            let encoding = [Encoding::Json, Encoding::Protobuf][number % 2];
            actors.push(Actor::new(Who::Sdk(Sdk::new(encoding))));
        }
        for number in 0..PLAIN_MEMBERS {
            let plain = Plain::new(number % ROOMS, false, number % 4 == 0, &mut ledger);
            actors.push(Actor::new(Who::Plain(plain)));
        }
        Self {
            server,
            actors,
            gone: Vec::new(),
            ledger,
            rng: Rng::with_seed(seed),
            start: Instant::now(),
            recovered: 0,
            lost: 0,
            put_out: 0,
            heard: 0,
            answers: Vec::new(),
        }
    }

    pub(crate) fn exchange(&mut self) -> Result<(), String> {
        for number in 0..self.actors.len() {
            let actor = &mut self.actors[number];
            let is_there = actor
                .exchange(&mut self.ledger, self.start)
                .map_err(|why| format!("{number}: {why}"))?;
            if !is_there {
                let away = Duration::from_millis(self.rng.u64(..500));
                actor.disconnect(away, &self.ledger)?;
            }
            self.note_events(number);
        }
        // Each is remembered for much longer than this takes.
        for room in &mut self.ledger.rooms {
            room.may_begin = room.chronicle.current().is_none();
        }
        Ok(())
    }

    pub(crate) fn note_events(&mut self, number: usize) {
        let Some(sdk) = self.actors[number].sdk_mut() else {
            return;
        };
        for event in std::mem::take(&mut sdk.events) {
            match event {
                Event::Stay(_, stay::Event::Recovered(_)) => self.recovered += 1,
                Event::Stay(_, stay::Event::Lost) => self.lost += 1,
                Event::Stay(_, stay::Event::PutOut) => self.put_out += 1,
                Event::Stay(_, stay::Event::Heard) => self.heard += 1,
                Event::Presence(..) | Event::Stats(..) => self.answers.push(event),
                _ => {}
            }
        }
    }

    /// Connects whoever has been away for long enough.
    pub(crate) fn come_back(&mut self) {
        let now = Instant::now();
        for actor in &mut self.actors {
            if actor.stream.is_none() && actor.away_until <= now {
                if let Who::Plain(plain) = &actor.who {
                    self.gone.push(plain.clone());
                }
                actor.connect(&self.server, &mut self.ledger, &mut self.rng);
            }
        }
    }

    pub(crate) fn subscribe_where_missed(&mut self) {
        let (rng, ledger) = (&mut self.rng, &self.ledger);
        for sdk in self.actors.iter_mut().filter_map(Actor::sdk_mut) {
            for room in sdk.missed() {
                if rng.u8(..8) == 0 {
                    let since = sdk.place(room);
                    sdk.subscribe(room, since, ledger);
                }
            }
        }
    }

    /// Somebody does something.
    pub(crate) fn act(&mut self) -> Result<(), String> {
        let (rng, ledger) = (&mut self.rng, &mut self.ledger);
        let number = match rng.u8(..4) {
            0 => rng.usize(..PUBLISHERS),
            _ => rng.usize(..self.actors.len()),
        };
        let room = rng.usize(..ROOMS);
        let actor = &mut self.actors[number];
        if !actor.is_open || actor.stream.is_none() {
            return Ok(());
        }
        let chance = rng.u8(..100);
        if chance < 2 {
            let away = Duration::from_millis([10, 300, 1800][rng.usize(..3)]);
            return actor.disconnect(away, ledger);
        }
        if chance < 4 {
            actor.deaf_until = Instant::now() + Duration::from_millis(rng.u64(..4000));
        }
        let bytes = match rng.u8(..4) {
            0 => 6000,
            _ => rng.usize(..200),
        };
        match &mut actor.who {
            Who::Plain(plain) if chance < 40 => {
                let id = ledger.write(plain.author, plain.room);
                let message = compose(id, Form::Text, bytes);
                actor.unsent.extend(Outgoing::text(message).bytes());
            }
            Who::Sdk(sdk) if sdk.name.is_some() => match chance {
                // In a room that they are in or not.
                4..60 if number < PUBLISHERS => sdk.publish(room, Form::Object, bytes, ledger),
                60..80 if sdk.may_come(room) && sdk.wanted() < WANTED_MAX => {
                    let nowhere = Place {
                        epoch: String::new(),
                        offset: 0,
                    };
                    let since = sdk.place(room).or((rng.u8(..4) == 0).then_some(nowhere));
                    sdk.subscribe(room, since, ledger);
                }
                80..85 if sdk.is_in(room) => {
                    sdk.unsubscribe(room, ledger);
                    sdk.forget(room);
                }
                85..87 => sdk.ask_who(room, ledger),
                _ => {}
            },
            _ => {}
        }
        Ok(())
    }

    /// Until everybody is where it wants to be, and has all that was said there; an error when it comes to nothing
    /// like that.
    pub(crate) fn rest(&mut self) -> Result<(), String> {
        let now = Instant::now();
        self.actors
            .iter_mut()
            .for_each(|actor| actor.deaf_until = now);
        let mut deadline = Deadline::after(PATIENCE);
        let mut quiet = 0;
        loop {
            self.come_back();
            self.subscribe_where_missed();
            let before = self.heard;
            self.exchange()?;
            let is_settled = self.actors.iter().all(Actor::is_settled);
            quiet = if is_settled && self.heard == before {
                quiet + 1
            } else {
                0
            };
            if quiet > 0 && quiet % QUIET_ROUNDS == 0 && self.check_rest().is_ok() {
                return Ok(());
            }
            deadline.renew(self.heard + self.recovered);
            if deadline.passed() {
                self.check_rest()?;
                return Err("not everybody is where it wants to be".to_owned());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Everybody has what it is owed.
    pub(crate) fn check_rest(&self) -> Result<(), String> {
        let is_in = |name: &str, room: usize| {
            let mut sdks = self.actors.iter().filter_map(Actor::sdk);
            sdks.any(|sdk| sdk.name.as_deref() == Some(name) && sdk.is_in(room))
        };
        for sdk in self.actors.iter().filter_map(Actor::sdk) {
            let me = sdk.name.as_deref().ok_or("it is nobody")?;
            for (&room, stay) in &sdk.stays {
                stay.check_rest(&self.ledger, me, |name| is_in(name, room))
                    .map_err(|why| format!("room {room}: {why}"))?;
            }
        }
        let plains = self.actors.iter().filter_map(|actor| match &actor.who {
            Who::Plain(plain) => Some((plain, true)),
            Who::Sdk(_) => None,
        });
        let gone = self.gone.iter().map(|plain| (plain, false));
        for (plain, is_there) in plains.chain(gone) {
            plain.check(&self.ledger, is_there, false)?;
        }
        self.ledger.check_end()
    }

    /// Asks who is where; plain members here take no part in that.
    pub(crate) fn check_presence(&mut self) -> Result<(), String> {
        self.answers.clear();
        let sdk = self.actors[0].sdk_mut().ok_or("it is nobody")?;
        (0..ROOMS).for_each(|room| sdk.ask_who(room, &self.ledger));
        self.rest()?;
        for answer in &self.answers {
            let room = match answer {
                Event::Presence(room, _) | Event::Stats(room, ..) => *room,
                _ => continue,
            };
            let sdks = self.actors.iter().filter_map(Actor::sdk);
            let there = sdks.filter(|sdk| sdk.is_in(room));
            let there: BTreeSet<&str> = there.filter_map(|sdk| sdk.name.as_deref()).collect();
            let is_right = match answer {
                Event::Presence(_, names) => {
                    names.iter().map(String::as_str).eq(there.iter().copied())
                }
                Event::Stats(_, clients, _) => *clients as usize == there.len(),
                _ => true,
            };
            is_right
                .then_some(())
                .ok_or(format!("{answer:?}, and there are {there:?}"))?;
        }
        (self.answers.len() == 2 * ROOMS)
            .then_some(())
            .ok_or("too few answers".to_owned())
    }
}
