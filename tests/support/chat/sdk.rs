//! A client of Centrifugo's protocol as its SDK has it: calls that are answered, rooms that it comes back to, and a
//! check of everything it is told.

mod answers;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use super::command::{Request, command, join};
use super::excerpt::Excerpt;
use super::ledger::Ledger;
use super::room::{Asked, Place};
use super::saying::{Form, MessageId, compose};
use super::stay::{self, Stage, Stay};
use super::told::Encoding;

/// What a client has asked for.
#[derive(Debug, Clone)]
enum Call {
    Connect,
    Subscribe(usize),
    Unsubscribe(usize),
    Publish(usize, MessageId, Duration),
    /// Of a room, and whether it was there then.
    Presence(usize, Within),
    Stats(usize),
    History(usize, Asked, Excerpt),
}

/// Whether a client was in a room when it asked who is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Inside,
    Outside,
}

/// What it was told that matters to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    Connected,
    /// Something about a room.
    Stay(usize, stay::Event),
    /// It may not come in now.
    TurnedAway(usize),
    /// Its message has its place; it took so long.
    Acknowledged(Duration),
    /// Its message is refused.
    Refused(Duration),
    Presence(usize, Vec<String>),
    Stats(usize, u32, u32),
    /// Who is in a room is not told.
    Unavailable(usize),
    History(usize),
}

/// A client.
#[derive(Debug)]
pub(crate) struct Sdk {
    pub(crate) encoding: Encoding,
    /// Who it is as an author, for as long as its connection lasts.
    pub(crate) author: u32,
    /// What the server calls it, once it has said so.
    pub(crate) name: Option<String>,
    pub(crate) stays: BTreeMap<usize, Stay>,
    /// Whether it is always there and reads everything, so that what it hears is all there is.
    pub(crate) is_witness: bool,
    next_id: u32,
    calls: HashMap<u32, Call>,
    /// Calls that are answered in the order in which they were made.
    line: VecDeque<u32>,
    /// Commands that have yet to be sent.
    commands: Vec<Vec<u8>>,
    pub(crate) events: Vec<Event>,
}

impl Sdk {
    /// One that has no connection yet.
    pub(crate) fn new(encoding: Encoding) -> Self {
        Self {
            encoding,
            author: u32::MAX,
            name: None,
            stays: BTreeMap::new(),
            is_witness: false,
            next_id: 0,
            calls: HashMap::new(),
            line: VecDeque::new(),
            commands: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Where it connects: what is asked for there besides does not matter to the server, also when it would to plain
    /// members.
    pub(crate) fn target(&self, random: u8) -> &'static str {
        match (self.encoding, random % 4) {
            (Encoding::Json, 0) => "/connection/websocket?presence=0&echo=0",
            (Encoding::Json, _) => "/connection/websocket",
            (Encoding::Protobuf, 0) => "/connection/websocket?presence=0&cf_protocol=protobuf",
            (Encoding::Protobuf, _) => "/connection/websocket?format=protobuf",
        }
    }

    /// It has a connection, and says who it is.
    pub(crate) fn connect(&mut self, ledger: &mut Ledger, first_id: u32) {
        self.author = ledger.author();
        self.name = None;
        self.next_id = first_id;
        self.ask(Call::Connect, &Request::Connect);
    }

    /// Its connection is gone.
    pub(crate) fn disconnect(&mut self, ledger: &Ledger) -> Result<(), String> {
        self.name = None;
        self.calls.clear();
        self.line.clear();
        self.commands.clear();
        self.stays
            .values_mut()
            .try_for_each(|stay| stay.disconnect(ledger))
    }

    /// Whether everything it asked for was answered.
    pub(crate) fn is_answered(&self) -> bool {
        self.calls.is_empty() && self.commands.is_empty()
    }

    /// The rooms that it is out of and wants to be in.
    pub(crate) fn missed(&self) -> Vec<usize> {
        let missed = self
            .stays
            .iter()
            .filter(|(_, stay)| stay.is_out() && stay.is_wanted);
        missed.map(|(&room, _)| room).collect()
    }

    /// How many rooms it wants to be in.
    pub(crate) fn wanted(&self) -> usize {
        self.stays.values().filter(|stay| stay.is_wanted).count()
    }

    /// It does not come back to a room by itself.
    pub(crate) fn forget(&mut self, room: usize) {
        if let Some(stay) = self.stays.get_mut(&room) {
            stay.is_wanted = false;
        }
    }

    /// Whether it may ask to come into a room.
    pub(crate) fn may_come(&self, room: usize) -> bool {
        self.stays.get(&room).is_none_or(Stay::is_out)
    }

    pub(crate) fn is_in(&self, room: usize) -> bool {
        self.stays.get(&room).is_some_and(Stay::is_in)
    }

    /// What it has to send, as one message of so many bytes at most, if one command is no more.
    pub(crate) fn message(&mut self, bytes_max: usize) -> Option<Vec<u8>> {
        let mut bytes = 0;
        let fits = |command: &&Vec<u8>| {
            bytes += command.len() + 1;
            bytes <= bytes_max
        };
        let count = self.commands.iter().take_while(fits).count().max(1);
        let commands: Vec<Vec<u8>> = self
            .commands
            .drain(..count.min(self.commands.len()))
            .collect();
        (!commands.is_empty()).then(|| join(self.encoding, &commands))
    }

    fn ask(&mut self, call: Call, request: &Request<'_>) {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1).max(1);
        self.commands.push(command(self.encoding, id, request));
        if !matches!(call, Call::Publish(..)) {
            self.line.push_back(id);
        }
        self.calls.insert(id, call);
    }

    // What it asks for.

    /// Comes into a room, back to its place if it has one there and wants to.
    pub(crate) fn subscribe(&mut self, room: usize, since: Option<Place>, ledger: &Ledger) {
        let stay = Stay::new(room, self.is_witness);
        let stay = self.stays.entry(room).or_insert(stay);
        stay.ask(ledger, since.clone());
        let channel = &ledger.rooms[room].name;
        let since = since.as_ref();
        self.ask(
            Call::Subscribe(room),
            &Request::Subscribe { channel, since },
        );
    }

    /// The place in a room that it knows.
    pub(crate) fn place(&self, room: usize) -> Option<Place> {
        self.stays.get(&room)?.place.clone()
    }

    /// Leaves a room.
    pub(crate) fn unsubscribe(&mut self, room: usize, ledger: &Ledger) {
        if let Some(stay) = self.stays.get_mut(&room) {
            stay.leave();
        }
        let channel = &ledger.rooms[room].name;
        self.ask(Call::Unsubscribe(room), &Request::Unsubscribe { channel });
    }

    /// Publishes its next message.
    pub(crate) fn publish(&mut self, room: usize, form: Form, bytes: usize, ledger: &mut Ledger) {
        let id = ledger.write(self.author, room);
        let form = match self.encoding {
            Encoding::Json => Form::Object,
            Encoding::Protobuf => form,
        };
        let data = compose(id, form, bytes);
        let room_now = ledger.rooms[room].now;
        let channel = &ledger.rooms[room].name;
        let request = Request::Publish {
            channel,
            data: &data,
        };
        self.ask(Call::Publish(room, id, room_now), &request);
    }

    /// Asks who is in a room, and how many.
    pub(crate) fn ask_who(&mut self, room: usize, ledger: &Ledger) {
        let channel = &ledger.rooms[room].name;
        let within = match self.stays.get(&room).map(|stay| &stay.stage) {
            // What is under way is decided before.
            Some(Stage::In | Stage::Asked(_) | Stage::Leaving(Some(_))) => Within::Inside,
            Some(Stage::Out | Stage::Leaving(None)) | None => Within::Outside,
        };
        self.ask(Call::Presence(room, within), &Request::Presence { channel });
        self.ask(Call::Stats(room), &Request::Stats { channel });
    }

    /// Asks what was said in a room.
    pub(crate) fn ask_history(&mut self, room: usize, excerpt: Excerpt, ledger: &Ledger) {
        let here = &ledger.rooms[room];
        let since = excerpt.since.clone();
        let request = Request::History {
            channel: &here.name,
            limit: excerpt.limit,
            since: since.as_ref(),
            reverse: excerpt.reverse,
        };
        self.ask(Call::History(room, here.ask(), excerpt), &request);
    }
}
