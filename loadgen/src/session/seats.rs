//! What it means that a session opened or ended, and what came in a turn, for the books.

use std::mem;
use std::time::Duration;

use rustix::io::write;

use crate::books::backlog::Gone;
use crate::books::done::Done;
use crate::books::inflight::Completion;
use crate::books::payload::Payload;
use crate::books::tally::Traffic;
use crate::clock::now_ns;
use crate::load::layout::Role;
use crate::load::plan::nanoseconds;
use crate::session::connection::Connection;
use crate::session::ending::Ending;
use crate::session::fleet::{Fleet, Mode};
use crate::shared::{Shared, lock};

/// How long to wait before a connection that could not be opened is tried again.
const RETRY: Duration = Duration::from_millis(20);

/// How long a server may take for a handshake that nobody waits for any more.
const PATIENCE: Duration = Duration::from_secs(1);

impl Fleet<'_> {
    /// A handshake is complete.
    pub(crate) fn upgraded(&mut self, index: usize, now: u64) {
        let Some(connection) = &self.seats[index].connection else {
            return;
        };
        let took_ns = now.saturating_sub(connection.due_ns);
        self.interval.upgrade.record(took_ns);
        if self.mode == Mode::Connecting {
            self.books.latency.upgrade_ns.record(took_ns);
        }
        self.note_beat(index);
    }

    /// A session is open: its handshake is complete, and its protocol has what it waits for.
    pub(crate) fn opened(&mut self, index: usize, now: u64) {
        let shared = self.shared;
        self.open += 1;
        self.pending -= 1;
        self.books.opened += 1;
        self.note_beat(index);
        if self.mode == Mode::Storm {
            let since = shared.storm.back_since_ns().unwrap_or(now);
            self.books.returned += 1;
            self.books.returns.record(now.saturating_sub(since));
        }
        let seat = &self.seats[index];
        if seat.role == Role::Churner {
            self.books.joined += 1;
            self.tally.opened(index, now);
        }
        shared.session_opened(seat.role, seat.room);
    }

    /// A session has ended, or a connection never became one.
    pub(crate) fn ended(&mut self, index: usize, mut ending: Ending) {
        if self.seats[index].is_closing() {
            return self.end_of_farewell(index, &ending);
        }
        ending.censor(|said| self.hide(index, said));
        let was_open = self.seats[index].is_open();
        let why = format!("{ending}{}", self.awaited(index));
        match ending {
            Ending::Closed(code, _) => self.farewell(index, code),
            _ => self.empty(index),
        }
        match was_open {
            true => self.judge_end(index, &ending),
            false => self.failed(index, &why, ending.status()),
        }
    }

    /// What is said of a session, without what it sent as a secret.
    pub(super) fn hide(&self, index: usize, said: &str) -> String {
        let session = self.seats[index].session;
        self.shared.settings.speech.hide(session, said)
    }

    /// Whether a session that was open should have ended.
    fn judge_end(&mut self, index: usize, ending: &Ending) {
        let shared = self.shared;
        self.discount(index);
        let seat = &self.seats[index];
        if seat.role == Role::Churner && (seat.leaving || self.mode == Mode::Goodbye) {
            return;
        }
        if seat.stopped {
            self.books.stopped_closed += 1;
            shared.note_close(ending);
        } else if self.mode != Mode::Goodbye {
            shared.note_early_end(seat.session, ending);
            self.tally.ended(index);
            shared.note_gone(Gone::Ended(seat.session));
        }
    }

    /// What a session still waited for, as the end of a sentence.
    pub(crate) fn awaited(&self, index: usize) -> String {
        let connection = self.seats[index].connection.as_ref();
        let awaited = connection.and_then(Connection::waits_for);
        let hide = |what: &String| self.hide(index, what);
        let awaited = awaited.as_ref().map(hide);
        awaited.map_or_else(String::new, |what| format!(", and {what} had not come"))
    }

    /// A session could not be opened: why, and with which status if the server refused it.
    pub(crate) fn failed(&mut self, index: usize, why: &str, status: Option<u16>) {
        self.pending -= 1;
        match self.mode {
            Mode::Connecting => {
                self.shared.note_refusal(why, status);
                self.go_without(index);
                if self.shared.are_too_many_given_up() {
                    let settings = self.shared.settings;
                    let over = match settings.failures_max() {
                        0 => String::new(),
                        most => format!("; over {most} sessions failed (--allow-failures)"),
                    };
                    self.shared
                        .fail(format!("{}: {why}{over}", settings.place()));
                }
            }
            Mode::Storm | Mode::Running => {
                self.books.failed += 1;
                self.shared.note_refusal(why, status);
                let slot = u32::try_from(index).unwrap_or(u32::MAX);
                let due_ns = now_ns() + nanoseconds(RETRY);
                // Churners have turns of their own.
                if self.seats[index].role != Role::Churner {
                    self.wanted.push_back((due_ns, slot));
                }
            }
            Mode::Goodbye => {}
        }
    }

    /// Gives up what is not open yet, and notes what the first of it waited for.
    pub(crate) fn give_up(&mut self) {
        for index in 0..self.seats.len() {
            self.give_up_seat(index);
        }
        for (_, slot) in mem::take(&mut self.wanted) {
            self.go_without(slot as usize);
        }
    }

    /// A session will not be there. Before the load that may be allowed, and then nothing is expected of it.
    fn go_without(&mut self, index: usize) {
        let seat = &mut self.seats[index];
        self.shared.note_given_up(seat.session);
        if self.mode == Mode::Connecting {
            seat.absent = true;
            self.books.unopened += 1;
            self.tally.absent(index);
            self.shared.note_gone(Gone::Absent(seat.session));
        }
    }

    /// Ends a session that is not wanted any more before it is open: nobody's failure, unless the server
    /// has had time enough.
    pub(crate) fn withdraw(&mut self, index: usize) {
        let connection = self.seats[index].connection.as_ref();
        let due_ns = connection.map_or(u64::MAX, |connection| connection.due_ns);
        if now_ns().saturating_sub(due_ns) >= nanoseconds(PATIENCE) {
            self.give_up_seat(index);
        } else {
            self.take_pending(index);
        }
    }

    /// Gives up a seat whose session is not open yet, if it is one.
    fn give_up_seat(&mut self, index: usize) {
        let Some(what) = self.take_pending(index) else {
            return;
        };
        self.books.failed += u64::from(self.mode != Mode::Connecting);
        let why = format!("a session still waited for {}", self.hide(index, &what));
        self.shared.note_refusal(&why, None);
        self.go_without(index);
    }

    /// Takes a session out of its seat that is not open yet. Returns what it waited for.
    fn take_pending(&mut self, index: usize) -> Option<String> {
        let connection = self.seats[index].connection.as_ref()?;
        if connection.is_open() || connection.is_closing() {
            return None;
        }
        let what = connection.waits_for();
        self.empty(index);
        self.pending -= 1;
        Some(what.unwrap_or_else(|| "the answer to its handshake".to_owned()))
    }

    /// Takes a session that was open out of all counts.
    fn discount(&mut self, index: usize) {
        let seat = &self.seats[index];
        self.open -= 1;
        if seat.role == Role::Churner {
            self.books.left += 1;
            self.books.heard_nothing += u64::from(self.tally.has_heard_nothing(index));
        }
        self.shared.session_closed(seat.role, seat.room);
    }

    /// Takes an open session out of its seat and all counts.
    fn vacate(&mut self, index: usize) {
        self.empty(index);
        self.discount(index);
    }

    /// Drops every session of those roles without a goodbye. Returns their places.
    pub(crate) fn drop_all(&mut self, roles: &[Role]) -> Vec<u32> {
        self.mode = Mode::Storm;
        let mut dropped = Vec::new();
        for index in 0..self.seats.len() {
            if self.seats[index].is_open() && roles.contains(&self.seats[index].role) {
                self.vacate(index);
                self.books.dropped += 1;
                dropped.push(u32::try_from(index).unwrap_or(u32::MAX));
            }
        }
        dropped
    }

    /// Ends a session that was asked to leave and has not, or that was to be open by now and is not.
    pub(crate) fn force_out(&mut self, index: usize) {
        if self.seats[index].is_open() {
            self.vacate(index);
        } else if self.seats[index].is_closing() {
            self.empty(index);
        } else {
            self.give_up_seat(index);
        }
    }

    /// Judges those that come and go and are still here, as if they said goodbye.
    pub(crate) fn judge_guests(&mut self) {
        for (index, seat) in self.seats.iter().enumerate() {
            if seat.role == Role::Churner && seat.is_open() && !seat.leaving {
                self.tally.leaves(index, &self.shared.heard);
                self.books.heard_nothing += u64::from(self.tally.has_heard_nothing(index));
            }
        }
    }

    /// Enters what came in a turn: by message, since all of it came at once.
    pub(crate) fn enter_turn(&mut self, before: Traffic, now: u64) {
        let shared = self.shared;
        let traffic = self.tally.traffic();
        let delivered = traffic.delivered - before.delivered;
        self.interval.delivered += delivered;
        for since_ns in self.tally.caught_up() {
            let took_ns = now.saturating_sub(since_ns);
            self.books.recovery.caught_up_ns.record(took_ns);
        }
        let Some(plan) = shared.plan.get() else {
            // What a storm was to miss: times of the load only count.
            self.tally.end_turn(|_| {});
            return;
        };
        if plan.is_measured(now) && now < shared.measure_end_ns(plan) {
            self.books.delivered += delivered;
            self.books.received += traffic.received - before.received;
            self.books.delivered_bytes += traffic.bytes - before.bytes;
        }
        let (books, interval) = (&mut self.books, &mut self.interval);
        let own_worker = self.worker;
        self.tally.end_turn(|batch| {
            let payload = batch.payload;
            let is_measured = plan.is_measured(payload.planned_ns);
            let latency_ns = now.saturating_sub(payload.planned_ns);
            let count = u64::from(batch.count);
            if is_measured {
                interval.delivery.record_all(latency_ns, count);
                books.latency.delivery_ns.record_all(latency_ns, count);
            } else {
                interval.warmup.record_all(latency_ns, count);
            }
            if batch.steady == 0 {
                return;
            }
            if meet(shared, &payload).is_some_and(|planned_ns| plan.is_measured(planned_ns)) {
                books.evicted += 1;
            }
            let done = shared
                .in_flight
                .deliver(batch.slot, payload.sequence, batch.steady, now);
            let Some(done) = done else { return };
            if shared.layout.churners > 0 {
                shared.heard.raise(payload.publisher, payload.planned_ns);
            }
            if shared.post.follows && !shared.post.crew.is_alone() {
                hand_on(shared, &payload, &done);
            } else {
                interval.completed += 1;
                if is_measured {
                    books.note_complete(interval, &done);
                }
            }
            if shared.settings.closed.is_some() {
                let publisher = payload.publisher;
                shared.outstanding.complete(publisher, payload.sequence);
                let session = shared.layout.session_of(publisher);
                let worker = shared.post.crew.worker_of(session);
                if worker != own_worker {
                    // A full counter has been rung already.
                    let _ = write(&shared.doorbells[worker as usize], &1u64.to_ne_bytes());
                }
            }
        });
    }
}

/// Opens a message of a publisher in another process, if it is one and the first to have it here.
fn meet(shared: &Shared<'_>, payload: &Payload) -> Option<u64> {
    let (publisher, sequence) = (payload.publisher, payload.sequence);
    let crew = &shared.post.crew;
    if crew.is_alone() || crew.is_own(shared.layout.session_of(publisher)) {
        return None;
    }
    let members = shared.members(shared.layout.room_of(publisher));
    let message = (publisher, sequence);
    shared.in_flight.meet(message, payload.planned_ns, members)
}

/// All subscribers of this process had a message: whether all of the others had it is for the one to say who leads.
fn hand_on(shared: &Shared<'_>, payload: &Payload, done: &Completion) {
    lock(&shared.done).push(Done {
        publisher: payload.publisher,
        sequence: payload.sequence,
        planned_ns: done.planned_ns,
        first_ns: done.first_ns,
        last_ns: done.last_ns,
    });
}
