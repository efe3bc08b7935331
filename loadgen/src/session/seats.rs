//! What it means that a session opened or ended, and what came in a turn, for the books.

use std::time::Duration;

use rustix::io::write;

use crate::books::tally::Traffic;
use crate::clock::now_ns;
use crate::load::layout::Role;
use crate::load::plan::nanoseconds;
use crate::session::connection::{Connection, Ending};
use crate::session::fleet::{Fleet, Mode};

/// How long to wait before a connection that could not be opened is tried again.
const RETRY: Duration = Duration::from_millis(20);

/// How long saying goodbye to all sessions may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// How long subscribers that had stopped reading may read on at the end, to learn what became
/// of their sessions.
const LAST_LOOK: Duration = Duration::from_millis(300);

impl Fleet<'_> {
    /// A handshake is complete.
    pub(crate) fn upgraded(&mut self, index: usize, now: u64) {
        let Some(connection) = &self.seats[index].connection else {
            return;
        };
        let took_ns = now.saturating_sub(connection.started_ns);
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
            let since = shared.storm_ns().unwrap_or(now);
            self.books.returned += 1;
            self.books.returns.record(now.saturating_sub(since));
        }
        let seat = &self.seats[index];
        self.books.joined += u64::from(seat.role == Role::Churner);
        shared.session_opened(seat.role, seat.room);
    }

    /// A session has ended, or a connection never became one.
    pub(crate) fn ended(&mut self, index: usize, ending: &Ending) {
        if !self.seats[index].is_open() {
            let awaited = self.awaited(index);
            self.seats[index].connection = None;
            let why = format!("{ending}{awaited}");
            return self.failed(index, &why, ending.status());
        }
        let shared = self.shared;
        self.vacate(index);
        let seat = &mut self.seats[index];
        if seat.role == Role::Churner && (seat.leaving || self.mode == Mode::Goodbye) {
            return;
        }
        if seat.stopped {
            self.books.stopped_closed += 1;
            shared.note_close(ending);
        } else if self.mode != Mode::Goodbye {
            shared.note_early_end(seat.session, ending);
            self.tally.ended(index);
        }
    }

    /// What a session still waited for, as the end of a sentence.
    pub(crate) fn awaited(&self, index: usize) -> String {
        let connection = self.seats[index].connection.as_ref();
        let awaited = connection.and_then(Connection::waits_for);
        awaited.map_or_else(String::new, |what| format!(", and {what} had not come"))
    }

    /// A session could not be opened: why, and with which status if the server refused it.
    pub(crate) fn failed(&mut self, index: usize, why: &str, status: Option<u16>) {
        self.pending -= 1;
        match self.mode {
            Mode::Connecting => {
                let settings = self.shared.settings;
                let path = settings.speech.upgrade.path();
                let why = format!("{}{path}: {why}", settings.address);
                self.shared.fail(why);
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
        let mut given_up = self.wanted.len();
        self.wanted.clear();
        for index in 0..self.seats.len() {
            given_up += usize::from(self.give_up_seat(index));
        }
        self.shared.note_given_up(given_up);
    }

    /// Ends a session that is not wanted any more before it is open: nobody's failure.
    pub(crate) fn withdraw(&mut self, index: usize) {
        self.take_pending(index);
    }

    /// Gives up a seat whose session is not open yet. Returns whether it is one.
    fn give_up_seat(&mut self, index: usize) -> bool {
        let Some(what) = self.take_pending(index) else {
            return false;
        };
        self.books.failed += 1;
        let why = format!("a session still waited for {what}");
        self.shared.note_refusal(&why, None);
        true
    }

    /// Takes a session out of its seat that is not open yet. Returns what it waited for.
    fn take_pending(&mut self, index: usize) -> Option<String> {
        let seat = &mut self.seats[index];
        let mut connection = seat.connection.take_if(|each| !each.is_open())?;
        let what = connection.waits_for();
        connection.end();
        seat.generation = seat.generation.wrapping_add(1);
        self.pending -= 1;
        Some(what.unwrap_or_else(|| "the answer to its handshake".to_owned()))
    }

    /// Takes an open session out of its seat and all counts.
    fn vacate(&mut self, index: usize) {
        let seat = &mut self.seats[index];
        let Some(mut connection) = seat.connection.take() else {
            return;
        };
        connection.end();
        seat.generation = seat.generation.wrapping_add(1);
        self.open -= 1;
        self.books.left += u64::from(seat.role == Role::Churner);
        self.shared.session_closed(seat.role, seat.room);
    }

    /// Drops every session without a goodbye and wants it back at once.
    pub(crate) fn drop_all(&mut self, now: u64) {
        self.mode = Mode::Storm;
        for index in 0..self.seats.len() {
            if self.seats[index].is_open() && self.seats[index].role != Role::Churner {
                self.vacate(index);
                self.books.dropped += 1;
                let slot = u32::try_from(index).unwrap_or(u32::MAX);
                self.wanted.push_back((now, slot));
            }
        }
    }

    /// Lets a session say goodbye.
    pub(crate) fn leave(&mut self, index: usize) {
        let seat = &mut self.seats[index];
        seat.leaving = true;
        if let Some(connection) = &mut seat.connection {
            connection.queue_close();
        }
        self.mark(index);
    }

    /// Ends a session that was asked to leave and has not, or that was to be open by now and is not.
    pub(crate) fn force_out(&mut self, index: usize) {
        if self.seats[index].is_open() {
            self.vacate(index);
        } else {
            self.give_up_seat(index);
        }
    }

    /// Enters what came in a turn: by message, since all of it came at once.
    pub(crate) fn enter_turn(&mut self, before: Traffic, now: u64) {
        let Some(plan) = self.shared.plan.get() else {
            return;
        };
        let shared = self.shared;
        let traffic = self.tally.traffic();
        let delivered = traffic.delivered - before.delivered;
        self.interval.delivered += delivered;
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
            let done = shared
                .in_flight
                .deliver(batch.slot, payload.sequence, batch.steady, now);
            let Some(done) = done else { return };
            let since = |time_ns: u64| time_ns.saturating_sub(done.planned_ns);
            let spread_ns = done.last_ns.saturating_sub(done.first_ns);
            interval.completed += 1;
            if is_measured {
                interval.completion.record(since(done.last_ns));
                interval.spread.record(spread_ns);
                books.completed += 1;
                let latency = &mut books.latency;
                latency.first_ns.record(since(done.first_ns));
                latency.median_ns.record(since(done.median_ns));
                latency.completion_ns.record(since(done.last_ns));
                latency.spread_ns.record(spread_ns);
            }
            if shared.settings.closed.is_some() {
                let publisher = payload.publisher;
                shared.completed.count(publisher);
                let worker = shared.layout.session_of(publisher) % shared.settings.workers;
                if worker != own_worker {
                    // A full counter has been rung already.
                    let _ = write(&shared.doorbells[worker as usize], &1u64.to_ne_bytes());
                }
            }
        });
    }

    /// Says goodbye to all sessions and waits a little for the answers, so that the server sees
    /// closes and not resets.
    pub(crate) fn close(&mut self) -> anyhow::Result<()> {
        self.mode = Mode::Goodbye;
        self.wanted.clear();
        let stopped: Vec<_> = (0..self.seats.len())
            .filter(|&index| self.seats[index].stopped)
            .collect();
        for &index in &stopped {
            self.read_on(index);
        }
        if !stopped.is_empty() {
            let until = now_ns() + nanoseconds(LAST_LOOK);
            while self.turn(until)? < until {}
        }
        for index in 0..self.seats.len() {
            if self.seats[index].is_open() {
                self.seats[index].stopped = false;
                self.leave(index);
            }
        }
        self.settle(now_ns() + nanoseconds(GOODBYE))
    }

    /// Goes on until no session is open any more, at the latest until `until_ns`.
    pub(crate) fn settle(&mut self, until_ns: u64) -> anyhow::Result<()> {
        while self.open > 0 && self.turn(until_ns)? < until_ns {}
        Ok(())
    }
}
