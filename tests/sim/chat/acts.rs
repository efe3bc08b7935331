//! What everybody does, by chance.

use std::time::Duration;

use fanring::wire::frame::OpCode;
use fastrand::Rng;

use super::actor::{Reading, Stage, Who};
use super::world::World;
use crate::roles::Leave;
use crate::support::chat::excerpt::Excerpt;
use crate::support::chat::ledger::Ledger;
use crate::support::chat::room::Place;
use crate::support::chat::saying::{Form, compose};
use crate::support::chat::sdk::{Event, Sdk};
use crate::support::chat::stay;
use crate::trace;

/// After so long a client takes a command for lost.
const GIVE_UP: Duration = Duration::from_secs(5);

/// Nobody is asked how far it has read before it was sent so much.
const ASKED_BYTES_MIN: u64 = 12 << 10;

/// One in so many of those who are put out, or turned away, tries to come back when it acts.
const AGAIN: u32 = 8;

impl World {
    /// Everybody writes and reads what it can.
    pub(crate) fn exchange(&mut self, is_eager: bool) -> Result<(), String> {
        for number in 0..self.actors.len() {
            let (rng, actor) = (&mut self.rng, &mut self.actors[number]);
            let is_eager = is_eager || actor.is_witness;
            let reads = is_eager || rng.u32(..1000) < self.settings.manners.read;
            let bytes = match reads {
                false => 0,
                true if is_eager || rng.bool() => usize::MAX,
                true => rng.usize(1..5000),
            };
            let now = self.now;
            let reading = Reading { bytes, now };
            actor
                .exchange(&mut self.kernel, reading, &mut self.ledger, rng)
                .map_err(|why| format!("{number}: {why}"))?;
            self.note_events(number)
                .map_err(|why| format!("{number}: {why}"))?;
            self.note_end(number)
                .map_err(|why| format!("{number}: {why}"))?;
        }
        Ok(())
    }

    /// Somebody whose connection has ended stays away for a while.
    fn note_end(&mut self, number: usize) -> Result<(), String> {
        let actor = &mut self.actors[number];
        if let Some(code) = actor.close_code.take() {
            let was_full = self.kernel.was_full(actor.connection);
            // Ticks are coarse, and of a standstill a little counts.
            let was_deaf =
                |seconds| actor.deaf_max + Duration::from_secs(1) >= Duration::from_secs(seconds);
            let may_be = match (&actor.who, code) {
                (_, 1000) => true,
                (Who::Sdk(_), 3001) | (Who::Plain(_), 1001) => self.is_stopping,
                (Who::Plain(_), 4001) => was_full,
                (Who::Sdk(_), 3008) => was_full && was_deaf(30),
                (Who::Sdk(_), 3012) => was_deaf(8),
                _ => false,
            };
            if !may_be {
                return Err(format!("closed with {code}"));
            }
            self.tally.closed += u64::from(code != 1000);
            trace!("{number} was closed with {code}");
            actor.last_code = Some(code);
        }
        if actor.stage == Stage::Ended {
            let most = u64::try_from(self.settings.manners.away_max.as_millis()).unwrap_or(1);
            let away = Duration::from_millis(self.rng.u64(..=most));
            actor.stage = Stage::Absent(self.now + away);
        }
        Ok(())
    }

    fn note_events(&mut self, number: usize) -> Result<(), String> {
        let actor = &mut self.actors[number];
        let was_full = actor.connection != usize::MAX && self.kernel.was_full(actor.connection);
        // Who has read that much has to answer pings before it is sent more, which takes it a step at least.
        let must_answer = actor.connection != usize::MAX
            && self.kernel.read_bytes(actor.connection) >= ASKED_BYTES_MIN;
        // It is not its own fault when it is answered late, nor that of the simulation.
        let is_prompt =
            !was_full && actor.deaf_max < Duration::from_millis(300) && self.settings.are_brisk();
        let Some(sdk) = actor.sdk_mut() else {
            return Ok(());
        };
        let tally = &mut self.tally;
        for event in std::mem::take(&mut sdk.events) {
            if !matches!(
                event,
                Event::Stay(_, stay::Event::Heard | stay::Event::Notice)
            ) {
                trace!("{number}: {event:?}");
            }
            match event {
                Event::Stay(room, event) => match event {
                    stay::Event::Came => tally.came += 1,
                    stay::Event::Recovered(missed) => {
                        tally.recovered += 1;
                        tally.recovered_something += u64::from(missed > 0);
                    }
                    stay::Event::Lost => tally.lost += 1,
                    stay::Event::PutOut if !was_full && !must_answer => {
                        return Err(format!("put out of {room} for no reason"));
                    }
                    stay::Event::PutOut => tally.put_out += 1,
                    stay::Event::Heard => tally.heard += 1,
                    stay::Event::Notice => tally.notices += 1,
                },
                Event::TurnedAway(_) => tally.turned_away += 1,
                Event::Acknowledged(after) | Event::Refused(after)
                    if is_prompt && after > GIVE_UP =>
                {
                    return Err(format!("{event:?} comes too late"));
                }
                Event::Acknowledged(_) => tally.acknowledged += 1,
                Event::Refused(_) => tally.refused += 1,
                Event::History(_) => tally.histories += 1,
                Event::Presence(..) | Event::Stats(..) | Event::Unavailable(_) => {
                    tally.presence += 1;
                    self.answers.push(event);
                }
                Event::Connected => {}
            }
        }
        Ok(())
    }

    /// Everybody does something, or does not.
    pub(crate) fn act(&mut self) -> Result<(), String> {
        for number in 0..self.actors.len() {
            match self.actors[number].stage {
                Stage::Absent(until) if until <= self.now => {
                    self.connect(number);
                    self.come_back(number);
                }
                Stage::Open => self.act_one(number)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Says in its first message where it was before, at times.
    fn come_back(&mut self, number: usize) {
        let (rng, ledger) = (&mut self.rng, &self.ledger);
        let Some(sdk) = self.actors[number].sdk_mut() else {
            return;
        };
        if rng.bool() {
            return;
        }
        for room in sdk.missed() {
            let since = since(sdk, room, rng);
            sdk.subscribe(room, since, ledger);
        }
    }

    fn act_one(&mut self, number: usize) -> Result<(), String> {
        let manners = self.settings.manners;
        let (rng, actor) = (&mut self.rng, &mut self.actors[number]);
        if actor.is_stalled && rng.u32(..1000) < manners.wake {
            actor.is_stalled = false;
        }
        if actor.is_witness {
            return Ok(());
        }
        if rng.u32(..1000) < manners.stall {
            actor.is_stalled = true;
        }
        if rng.u32(..1000) < manners.die {
            self.tally.killed += 1;
            let how = Leave::ALL[rng.usize(..3)];
            trace!("{number} leaves: {how:?}");
            return actor.leave(how, &mut self.kernel, &self.ledger);
        }
        let publish = if actor.is_publisher {
            manners.publish
        } else {
            manners.remark
        };
        let is_crowded = actor.unsent.len() > 64 << 10;
        let speaks = rng.u32(..1000) < publish && !is_crowded;
        let bytes = match rng.u32(..manners.long) {
            0 => rng.usize(..=manners.payload_bytes_max),
            _ => rng.usize(..=manners.payload_bytes_max.min(200)),
        };
        match &mut actor.who {
            Who::Plain(plain) if speaks => {
                let (author, room) = (plain.author, plain.room);
                let id = self.ledger.write(author, room);
                let form = Form::ALL[rng.usize(..4)];
                let opcode = match form {
                    Form::Bytes => OpCode::Binary,
                    _ => OpCode::Text,
                };
                let message = compose(id, form, bytes);
                actor.say(opcode, &message, rng);
            }
            Who::Plain(_) => {}
            // Before it is known who it is, all it can do is to say that.
            Who::Sdk(sdk) if sdk.name.is_none() => {}
            Who::Sdk(_) => {
                if speaks {
                    self.publish(number, bytes);
                }
                self.wander(number);
            }
        }
        Ok(())
    }

    /// A client publishes, mostly where it is.
    fn publish(&mut self, number: usize, bytes: usize) {
        let rooms = self.ledger.rooms.len();
        let (rng, ledger) = (&mut self.rng, &mut self.ledger);
        let Some(sdk) = self.actors[number].sdk_mut() else {
            return;
        };
        for _ in 0..rng.usize(1..4) {
            let known = sdk.stays.len();
            let room = match known == 0 || rng.u8(..8) == 0 {
                true => rng.usize(..rooms),
                false => *sdk
                    .stays
                    .keys()
                    .nth(rng.usize(..known))
                    .expect("one of them"),
            };
            let form = [Form::Object, Form::TwoLines, Form::Text, Form::Bytes][rng.usize(..4)];
            sdk.publish(room, form, bytes, ledger);
        }
    }

    /// A client comes, goes, comes back, and asks.
    fn wander(&mut self, number: usize) {
        let manners = self.settings.manners;
        let rooms = self.ledger.rooms.len();
        let (rng, ledger) = (&mut self.rng, &self.ledger);
        let Some(sdk) = self.actors[number].sdk_mut() else {
            return;
        };
        for room in sdk.missed() {
            if rng.u32(..AGAIN) == 0 {
                let since = since(sdk, room, rng);
                sdk.subscribe(room, since, ledger);
            }
        }
        if sdk.wanted() < manners.rooms_max && rng.u32(..1000) < manners.come {
            let room = rng.usize(..rooms);
            if sdk.may_come(room) {
                let since = since(sdk, room, rng);
                sdk.subscribe(room, since, ledger);
            }
        }
        let room = rng.usize(..rooms);
        if sdk.is_in(room) && rng.u32(..1000) < manners.go {
            sdk.unsubscribe(room, ledger);
            if rng.bool() {
                let since = since(sdk, room, rng);
                sdk.subscribe(room, since, ledger);
                self.tally.returned += 1;
            } else if rng.bool() {
                sdk.forget(room);
            }
        }
        if rng.u32(..1000) < manners.ask {
            sdk.ask_who(room, ledger);
        }
        if rng.u32(..1000) < manners.ask {
            let excerpt = excerpt(sdk, room, rng);
            sdk.ask_history(room, excerpt, ledger);
        }
    }

    /// Everybody whose connection has ended comes back, and all who are out of rooms do too.
    pub(crate) fn gather(&mut self) {
        for number in 0..self.actors.len() {
            let (rng, ledger) = (&mut self.rng, &self.ledger);
            let actor = &mut self.actors[number];
            actor.is_stalled = false;
            if let Stage::Absent(until) = actor.stage
                && until <= self.now
            {
                self.connect(number);
                continue;
            }
            if !actor.is_open() {
                continue;
            }
            let Some(sdk) = actor.sdk_mut().filter(|sdk| sdk.name.is_some()) else {
                continue;
            };
            for room in sdk.missed() {
                if rng.u32(..AGAIN) == 0 {
                    let since = sdk.place(room);
                    sdk.subscribe(room, since, ledger);
                }
            }
        }
    }

    /// A client connects when nobody else is there, and wants all that came behind the places that it knows.
    pub(crate) fn come_again(&mut self, number: usize) {
        self.connect(number);
        let ledger = &self.ledger;
        if let Some(sdk) = self.actors[number].sdk_mut() {
            for room in sdk.missed() {
                let since = sdk.place(room);
                sdk.subscribe(room, since, ledger);
            }
        }
    }

    /// Whether everybody is where it wants to be, and nothing is under way.
    pub(crate) fn is_gathered(&self) -> bool {
        self.is_quiet()
            && self.actors.iter().all(|actor| {
                let is_there = |sdk: &Sdk| sdk.missed().is_empty() && sdk.name.is_some();
                actor.is_open()
                    && actor.is_settled(&self.kernel)
                    && actor.sdk().is_none_or(is_there)
            })
    }

    /// The witness comes into all rooms, before anybody else does.
    pub(crate) fn seat_witness(&mut self) {
        self.connect(0);
        let ledger: &Ledger = &self.ledger;
        if let Some(sdk) = self.actors[0].sdk_mut() {
            for room in 0..ledger.rooms.len() {
                sdk.subscribe(room, None, ledger);
            }
        }
    }
}

/// From where on a client wants what it missed, if it does.
fn since(sdk: &Sdk, room: usize, rng: &mut Rng) -> Option<Place> {
    let nowhere = || Place {
        epoch: String::new(),
        offset: 0,
    };
    match sdk.place(room) {
        Some(place) => (rng.u8(..8) > 0).then_some(place),
        None => (rng.u8(..4) == 0).then(nowhere),
    }
}

fn excerpt(sdk: &Sdk, room: usize, rng: &mut Rng) -> Excerpt {
    Excerpt {
        limit: [-1, 0, 1, 10][rng.usize(..4)],
        since: sdk.place(room).filter(|_| rng.bool()),
        reverse: rng.u8(..4) == 0,
    }
}
