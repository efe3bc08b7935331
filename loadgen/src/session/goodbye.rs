//! How sessions of a worker end: who leaves, who is left, and what is waited for then.

use std::cmp::Reverse;
use std::time::Duration;

use fanring::wire::close::CloseCode;

use crate::clock::now_ns;
use crate::load::layout::Role;
use crate::load::plan::nanoseconds;
use crate::session::connection::Connection;
use crate::session::ending::Ending;
use crate::session::fleet::{Fleet, Mode};
use crate::session::outbox::Left;

/// How long saying goodbye to all sessions may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// How long a server that has said goodbye has for ending the connection.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long the rest of a refusal is waited for.
const REFUSAL: Duration = Duration::from_millis(300);

/// How long subscribers that had stopped reading may read on at the end, to learn what became
/// of their sessions.
const LAST_LOOK: Duration = Duration::from_millis(300);

impl Fleet<'_> {
    /// Lets a session say goodbye.
    pub(crate) fn leave(&mut self, index: usize) {
        let seat = &mut self.seats[index];
        seat.leaving = true;
        if seat.role == Role::Churner {
            self.tally.leaves(index, &self.shared.heard);
        }
        if let Some(connection) = &mut seat.connection {
            connection.say_goodbye();
        }
        self.mark(index);
    }

    /// The server has said goodbye to what is in a seat: answers, and waits a little for it to end the connection.
    /// A client that ends it first takes away the server's answer to what code it was closed with.
    pub(super) fn farewell(&mut self, index: usize, code: Option<CloseCode>) {
        let Some(connection) = &mut self.seats[index].connection else {
            return;
        };
        connection.answer_goodbye(code);
        self.closing += 1;
        self.limit(index, FAREWELL);
        self.mark(index);
    }

    /// A server has ended a connection that was waiting for that, or it failed: its last words still go out.
    pub(super) fn end_of_farewell(&mut self, index: usize, ending: &Ending) {
        let connection = self.seats[index].connection.as_mut();
        let is_over = connection.is_none_or(Connection::note_end);
        if is_over || !matches!(ending, Ending::NoAnswer) {
            self.empty(index);
        } else {
            self.mark(index);
        }
    }

    /// A server has refused a session: waits a little for what else it says about that.
    pub(super) fn hear_refusal(&mut self, index: usize) {
        self.limit(index, REFUSAL);
    }

    fn limit(&mut self, index: usize, span: Duration) {
        let slot = u32::try_from(index).unwrap_or(u32::MAX);
        let until_ns = now_ns() + nanoseconds(span);
        let generation = self.seats[index].generation;
        self.limits.push(Reverse((until_ns, slot, generation)));
    }

    /// Ends what has had its time by now. Returns when there is more.
    pub(super) fn end_overdue(&mut self, now: u64) -> u64 {
        while let Some(&Reverse((until_ns, slot, generation))) = self.limits.peek() {
            if until_ns > now {
                return until_ns;
            }
            self.limits.pop();
            let index = slot as usize;
            let seat = &self.seats[index];
            let connection = seat.connection.as_ref();
            let Some(connection) = connection.filter(|_| seat.generation == generation) else {
                continue;
            };
            if connection.is_closing() {
                self.empty(index);
            } else if connection.is_refused() {
                let ending = connection.end_of_stream();
                self.ended(index, ending);
            }
        }
        u64::MAX
    }

    /// Ends whatever connection is in a seat, which takes part in no count any more.
    pub(super) fn empty(&mut self, index: usize) {
        let seat = &mut self.seats[index];
        let Some(mut connection) = seat.connection.take() else {
            return;
        };
        seat.generation = seat.generation.wrapping_add(1);
        self.closing -= usize::from(connection.is_closing());
        self.books.unanswered += connection.unanswered();
        seat.position = connection.position().or(seat.position.take());
        self.queued_bytes -= connection.end().bytes;
    }

    /// Whether the server has answered all that it answers.
    pub(crate) fn is_answered(&self) -> bool {
        let connections = self
            .seats
            .iter()
            .filter_map(|seat| seat.connection.as_ref());
        connections
            .map(Connection::unanswered)
            .all(|unanswered| unanswered == 0)
    }

    /// Notes what was published and the server has not let this program send, or has not answered.
    pub(crate) fn note_left(&mut self) {
        let now = now_ns();
        let connections = (self.seats.iter_mut()).filter_map(|seat| seat.connection.as_mut());
        for connection in connections {
            let Left {
                messages,
                bytes,
                held_since_ns,
            } = connection.left();
            self.books.unanswered += connection.unanswered();
            // What is answered during the goodbyes counts nowhere.
            connection.forget_unanswered();
            self.books.left_messages += messages;
            self.books.left_bytes += bytes;
            self.books
                .note_held(now.saturating_sub(held_since_ns), messages);
        }
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

    /// Goes on until no session is open any more and the server has ended their connections, at the latest until
    /// `until_ns`.
    pub(crate) fn settle(&mut self, until_ns: u64) -> anyhow::Result<()> {
        while self.open + self.closing > 0 && self.turn(until_ns)? < until_ns {}
        Ok(())
    }
}
