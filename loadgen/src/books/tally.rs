//! Judges every delivery of one worker: which came, which are missing and why, which came wrongly.
//!
//! Memory is bounded by pairs of subscriber and publisher plus the messages in flight. Times are
//! not recorded for each delivery but handed on by message at the end of a turn, since all that
//! came in a turn came at the same time.

mod comings;
mod returns;
mod silence;
mod stays;
mod sums;

use fanring::wire::message::Kind;

use self::returns::Returns;
use self::silence::Silences;
use self::stays::Stays;
use crate::books::inflight::InFlight;
use crate::books::payload::{Decoded, Decoder, Payload};
use crate::books::per_publisher::PerPublisher;
use crate::books::tracks::{Place, Tracks};
use crate::books::waiting::Waiting;
use crate::load::crew::Crew;
use crate::load::layout::{Layout, Role};
use crate::protocol::seam::{self, Found};
use crate::results::model::counts::Counts;

/// A session as the books see it.
#[derive(Clone, Copy, Debug)]
struct Receiver {
    room: u32,
    role: Role,
    /// Whether what it gets is judged.
    checked: bool,
    /// Whether it ended early.
    ended: bool,
    /// If it comes and goes: what was due before this time had been sent when it joined last.
    since_ns: u64,
    /// Its own publisher, whose messages it gets only with self-delivery.
    own: Option<u32>,
    /// Its first pair; there is one for each publisher of its room.
    pairs: usize,
}

/// The sessions of one room that are to be there for the whole run.
#[derive(Clone, Copy, Debug, Default)]
struct Listeners {
    living: u64,
    ended: u64,
}

/// What all sessions have received so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    /// Messages and their bytes, ours or not.
    pub(crate) received: u64,
    pub(crate) bytes: u64,
    /// Deliveries, as [`Counts`] has them.
    pub(crate) delivered: u64,
}

/// Deliveries of one message in this turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch {
    pub(crate) slot: usize,
    pub(crate) payload: Payload,
    /// All whose time counts.
    pub(crate) count: u32,
    /// First ones to sessions that are there for the whole run, and so count for completion.
    pub(crate) steady: u32,
}

/// What the books of a worker are about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) crew: &'a Crew,
    /// What the clock here shows more than that of each process; empty if it is one clock.
    pub(crate) ahead_ns: &'a [i64],
    /// The run whose messages are judged.
    pub(crate) run: u32,
    /// Places of messages in flight.
    pub(crate) slots: usize,
    /// Text or binary, if it matters.
    pub(crate) arrives_as: Option<Kind>,
    /// Whether sessions that come back say where they stood.
    pub(crate) recovers: bool,
}

/// The books of one worker.
#[derive(Debug)]
pub(crate) struct Tally {
    layout: Layout,
    crew: Crew,
    ahead_ns: Vec<i64>,
    arrives_as: Option<Kind>,
    decoder: Decoder,
    receivers: Vec<Receiver>,
    tracks: Tracks,
    stays: Stays,
    silences: Silences,
    /// Where sessions that come back say where they stood.
    returns: Option<Returns>,
    /// By room.
    listeners: Vec<Listeners>,
    /// Delivered and skipped of sessions that ended early.
    ended_reached: u64,
    traffic: Traffic,
    /// What is counted as it happens; skipped only of sessions that are to stay. For the rest see
    /// [`counts`](Self::counts).
    counts: Counts,
    /// For each message slot: where in `batches` its message of this turn stands.
    places: Vec<u32>,
    batches: Vec<Batch>,
    is_closed: bool,
    /// How long each session waited. A wait is noted for each delivery, since a batch does not know its
    /// sessions; it is two additions and a comparison.
    pub(crate) waiting: Waiting,
}

impl Tally {
    /// Books for the sessions with the given numbers; they are called by their place in that list.
    pub(crate) fn new(scope: Scope<'_>, sessions: impl Iterator<Item = u32>) -> Self {
        let layout = *scope.layout;
        let mut listeners = vec![Listeners::default(); layout.rooms as usize];
        let (mut pairs, mut first_floating) = (0, None);
        let receivers: Vec<_> = sessions
            .map(|session| {
                let (role, room) = (layout.role(session), layout.room(session));
                let receiver = Receiver {
                    room,
                    role,
                    checked: matches!(role, Role::Subscriber | Role::Churner),
                    ended: false,
                    since_ns: 0,
                    own: layout.publisher_of(session),
                    pairs,
                };
                if receiver.checked {
                    pairs += layout.publishers_in(room) as usize;
                }
                match role {
                    // They are the last of all sessions.
                    Role::Churner => _ = first_floating.get_or_insert(receiver.pairs),
                    Role::Subscriber => listeners[room as usize].living += 1,
                    Role::Slow | Role::Publisher => {}
                }
                receiver
            })
            .collect();
        Self {
            layout,
            crew: *scope.crew,
            ahead_ns: scope.ahead_ns.to_vec(),
            arrives_as: scope.arrives_as,
            decoder: Decoder::new(scope.run),
            waiting: Waiting::new(receivers.len()),
            tracks: Tracks::new(pairs, layout.pairs()),
            stays: Stays::new(first_floating.unwrap_or(pairs)..pairs),
            silences: Silences::new(receivers.len()),
            returns: scope.recovers.then(|| Returns::new(receivers.len(), pairs)),
            receivers,
            listeners,
            ended_reached: 0,
            traffic: Traffic::default(),
            counts: Counts::default(),
            places: vec![0; scope.slots],
            batches: Vec::new(),
            is_closed: false,
        }
    }

    /// What all sessions have received so far.
    pub(crate) fn traffic(&self) -> Traffic {
        Traffic {
            delivered: self.counts.delivered,
            ..self.traffic
        }
    }

    /// A session that was to stay was never opened: nothing is expected of it.
    pub(crate) fn absent(&mut self, index: usize) {
        let receiver = &mut self.receivers[index];
        if receiver.role == Role::Subscriber {
            // As one whose deliveries nobody looks at.
            receiver.role = Role::Publisher;
            receiver.checked = false;
            self.listeners[receiver.room as usize].living -= 1;
        }
    }

    /// A session has ended that was to stay: what it has not had can't come any more.
    pub(crate) fn ended(&mut self, index: usize) {
        let receiver = self.receivers[index];
        if receiver.role != Role::Subscriber || receiver.ended {
            return;
        }
        self.receivers[index].ended = true;
        let room = &mut self.listeners[receiver.room as usize];
        (room.living, room.ended) = (room.living - 1, room.ended + 1);
        let reached = pairs(&self.layout, receiver).map(|(_, pair)| self.tracks.next(pair));
        self.ended_reached += reached.sum::<u64>();
    }

    /// Whether the books are closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Closes the books: nothing that comes from now on is judged, nor is its time handed out.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
        for receiver in &mut self.receivers {
            receiver.checked = false;
        }
    }

    /// Judges what came in one message of a session.
    #[inline]
    pub(crate) fn received(
        &mut self,
        index: usize,
        found: Found<'_>,
        sent: &PerPublisher,
        in_flight: &InFlight,
    ) {
        self.traffic.received += 1;
        self.traffic.bytes += found.bytes.len() as u64;
        let receiver = self.receivers[index];
        if !receiver.checked {
            return;
        }
        let is_right = self.arrives_as.is_none_or(|kind| kind == found.kind);
        if found.place != seam::Place::Whole {
            return self.received_within(index, (found, is_right), sent, in_flight);
        }
        let decoded = self.decoder.decode(found.bytes);
        self.judge(index, (decoded, is_right), sent, in_flight);
    }

    /// Judges each payload that is somewhere in a message, if any is.
    fn received_within(
        &mut self,
        index: usize,
        (found, is_right): (Found<'_>, bool),
        sent: &PerPublisher,
        in_flight: &InFlight,
    ) {
        let (mut rest, mut is_bare) = (found.bytes, true);
        while found.place == seam::Place::Within
            && let Some((decoded, end)) = self.decoder.find(rest)
        {
            self.judge(index, (decoded, is_right), sent, in_flight);
            (rest, is_bare) = (&rest[end..], false);
        }
        self.counts.foreign += u64::from(is_bare);
    }

    #[inline]
    fn judge(
        &mut self,
        index: usize,
        (decoded, is_right): (Decoded, bool),
        sent: &PerPublisher,
        in_flight: &InFlight,
    ) {
        let receiver = self.receivers[index];
        let mut payload = match decoded {
            Decoded::Ours(payload) => payload,
            Decoded::Corrupt => return self.counts.corrupted += 1,
            Decoded::Foreign => return self.counts.foreign += 1,
        };
        self.counts.wrong_type += u64::from(!is_right);
        let publisher = payload.publisher;
        let is_possible = sent
            .get(publisher)
            .is_some_and(|sent| payload.sequence < sent)
            && self.layout.room_of(publisher) == receiver.room;
        if !is_possible {
            self.counts.corrupted += 1;
            return;
        }
        if receiver.own == Some(publisher) && !self.layout.self_delivery {
            self.counts.foreign += 1;
            return;
        }
        let pair = receiver.pairs + (publisher / self.layout.rooms) as usize;
        let mut is_older = false;
        if !self.crew.is_alone() {
            let process = self.crew.process_of(self.layout.session_of(publisher));
            let ahead_ns = self.ahead_ns.get(process as usize).copied();
            payload.planned_ns = payload
                .planned_ns
                .saturating_add_signed(ahead_ns.unwrap_or(0));
            // What a process elsewhere has sent by now is not known here; when it was due is.
            is_older = process != self.crew.process && payload.planned_ns < receiver.since_ns;
        }
        let returns = self.returns.as_ref();
        if returns.is_some_and(|returns| returns.is_refused(index, pair, payload.sequence)) {
            self.counts.replayed += 1;
            return;
        }
        if receiver.role == Role::Churner {
            return self.visit((index, pair), (payload, is_older), in_flight);
        }
        let place = self.enter((index, pair), payload.sequence);
        let is_first = self.note(place);
        match place {
            // Nearly always.
            Place::Next => {}
            Place::Ahead(skipped) => self.counts.skipped += skipped,
            Place::Late => self.counts.skipped -= 1,
            Place::TooLate => {}
            Place::Repeated => return,
        }
        self.note_time(payload, is_first, in_flight);
    }

    /// Judges a message of a session that comes and goes, which may be older than its stay.
    fn visit(
        &mut self,
        (index, pair): (usize, usize),
        (payload, is_older): (Payload, bool),
        in_flight: &InFlight,
    ) {
        if is_older || self.stays.is_history(pair, payload.sequence) {
            self.counts.replayed += 1;
            return;
        }
        let place = self.enter((index, pair), payload.sequence);
        if self.note(place) {
            self.stays.enter(pair, payload.sequence);
        }
        // How long somebody was away says nothing of the server.
        let returns = self.returns.as_ref();
        let was_away = returns.is_some_and(|returns| returns.was_away(index, payload.planned_ns));
        if place != Place::Repeated && !was_away {
            self.note_time(payload, false, in_flight);
        }
    }

    /// A message of a pair has come to a session.
    #[inline]
    fn enter(&mut self, (index, pair): (usize, usize), sequence: u64) -> Place {
        let place = self.tracks.enter(pair, sequence);
        if let Some(returns) = &mut self.returns {
            match place {
                Place::Next | Place::Ahead(_) | Place::Late => returns.enter(index, pair, sequence),
                Place::Repeated => returns.enter_again(index),
                Place::TooLate => {}
            }
        }
        place
    }

    /// Counts a message by its place. Returns whether it came for the first time.
    #[inline]
    fn note(&mut self, place: Place) -> bool {
        let counts = &mut self.counts;
        match place {
            Place::Next | Place::Ahead(_) => {}
            Place::Late => counts.reordered += 1,
            Place::Repeated => {
                counts.duplicated += 1;
                return false;
            }
            Place::TooLate => {
                counts.too_late += 1;
                return false;
            }
        }
        counts.delivered += 1;
        true
    }

    /// Adds a delivery to those of its message in this turn.
    #[inline]
    fn note_time(&mut self, payload: Payload, is_steady: bool, in_flight: &InFlight) {
        self.waiting.note(payload.planned_ns);
        let slot = in_flight.slot(payload.publisher, payload.sequence);
        let place = self.places[slot] as usize;
        match self.batches.get_mut(place) {
            Some(batch) if batch.payload == payload => {
                batch.count += 1;
                batch.steady += u32::from(is_steady);
            }
            _ => {
                self.places[slot] = u32::try_from(self.batches.len()).unwrap_or(u32::MAX);
                self.batches.push(Batch {
                    slot,
                    payload,
                    count: 1,
                    steady: u32::from(is_steady),
                });
            }
        }
    }

    /// Hands out what came since the last call, message by message.
    pub(crate) fn end_turn(&mut self, mut each: impl FnMut(Batch)) {
        for batch in self.batches.drain(..) {
            each(batch);
        }
    }
}

/// The publishers that a session hears, with the number of each pair.
fn pairs(layout: &Layout, receiver: Receiver) -> impl Iterator<Item = (u32, usize)> + use<> {
    let publishers = (receiver.room..layout.publishers).step_by(layout.rooms as usize);
    publishers.zip(receiver.pairs..)
}

#[cfg(test)]
mod tests;
